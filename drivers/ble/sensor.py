"""A BTHome sensor on the bus: what it broadcasts becomes states, events and telemetry, each once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LeakState,
    LockRefusal,
    MeterState,
    Order,
    Outcome,
    SensorState,
    State,
    Verb,
)
from drivers.ble import bthome
from drivers.ble.bthome import Guard, Measured, Unread
from drivers.ble.bthome_table import Quantity
from drivers.port import Evidence, Happening, Told

if TYPE_CHECKING:
    from bleak.backends.scanner import AdvertisementData

    from appliance.kernel.clock import Clock
    from drivers.port import Attempt, House, Pin

logger = logging.getLogger(__name__)

# BTHome's "battery low" has no number; states have one.
LOW_PCT: Final = 10
# A change of cells shows as a rise; between these two a sensor at the edge does not chatter.
LOW_AGAIN_PCT: Final = 20

# Yes and no of a sensor, and the event that each change makes.
_CHANGES: Final = {
    Quantity.WET: (EventKind.LEAK, EventKind.LEAK_CLEARED),
    Quantity.OPENING: (EventKind.DOOR_OPENED, EventKind.DOOR_CLOSED),
    Quantity.MOTION: (EventKind.MOTION, None),
    Quantity.TAMPER: (EventKind.TAMPER, None),
}


class BthomeDevice:
    """One sensor. `address` as it is written, "A4:C1:38:8D:18:B2"; `key` where it encrypts."""

    decides = True  # it is no lock

    def __init__(
        self, name: str, kind: DeviceKind, *, address: str, clock: Clock, key: bytes | None = None
    ) -> None:
        self.name = name
        self.kind = kind
        self._address = bytes.fromhex(address.replace(":", ""))
        self._clock = clock
        self._key = key
        self._guard = Guard()
        self._last: dict[Quantity, float] = {}
        self._low = False
        self._complained: Unread | None = None
        self._state: State | None = None

    @property
    def temperature_c10(self) -> int | None:
        """For a radiator without a sensor of its own."""
        value = self._last.get(Quantity.TEMPERATURE)
        return None if value is None else round(value)

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        """It only speaks; READ is answered with what it last said."""
        del deadline_s, pin
        if order.verb is Verb.READ and self._state is not None:
            return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))
        return Told(
            outcome=Outcome.REFUSED,
            evidence=(Evidence.NOT_SUPPORTED,),
            refusal=LockRefusal.NOT_SUPPORTED,
        )

    async def find_out(self, attempt: Attempt) -> Told | None:
        """Nothing is ever sent to it."""
        del attempt
        return None

    async def state(self) -> State | None:
        """What it last said."""
        return self._state

    def read(self, said: AdvertisementData) -> Measured | None:
        """What an advertisement says that was not said before; None for a repeat or a stranger's.

        Cheap and without waiting: sensors repeat themselves many times a second.
        """
        data = said.service_data.get(bthome.SERVICE)
        if data is None:
            return None
        measured = bthome.read(data, address=self._address, key=self._key)
        if isinstance(measured, Unread):
            self._complain(measured)
            return None
        fresh = self._guard.fresh(data, measured)
        if isinstance(fresh, Unread):
            self._complain(fresh)
            return None
        self._complained = None if fresh else self._complained
        return measured if fresh else None

    async def heed(self, measured: Measured, house: House) -> None:
        """Say what is new: the event first, because a leak must not wait for a state."""
        before = dict(self._last)
        for quantity, value in measured.values:
            self._last[quantity] = value
            await self._changed(quantity, before.get(quantity), value, house)
            if quantity is Quantity.BUTTON and value:
                await house.happened(
                    self.name, Happening(kind=EventKind.PRESSED, slot=round(value))
                )
        await self._weigh(house)
        self._state = self._now()
        if self._state is not None:
            await house.stated(self.name, self._state)
        numbers = {str(q): v for q, v in measured.values if q not in _CHANGES}
        numbers.pop(Quantity.BUTTON, None)
        if numbers:
            await house.measured(self.name, numbers)

    def _complain(self, why: Unread) -> None:
        """Once in the log, not at every packet."""
        if why is not self._complained:
            self._complained = why
            logger.warning("%s says what cannot be taken: %s", self.name, why)

    async def _changed(
        self, quantity: Quantity, before: float | None, value: float, house: House
    ) -> None:
        if quantity not in _CHANGES or before == value:
            return
        yes, no = _CHANGES[quantity]
        kind = yes if value else no
        # The first word of a dry sensor or a closed door is a state and no event.
        if kind is not None and (value or before is not None):
            await house.happened(self.name, Happening(kind=kind))

    async def _weigh(self, house: House) -> None:
        pct = self._last.get(Quantity.BATTERY)
        if self._last.get(Quantity.BATTERY_LOW) or (pct is not None and pct <= LOW_PCT):
            if not self._low:
                self._low = True
                await house.happened(self.name, Happening(kind=EventKind.BATTERY_LOW))
        elif pct is None or pct >= LOW_AGAIN_PCT:
            self._low = False

    def _now(self) -> State | None:
        wall_ms = self._clock.read().wall_ms
        known = self._last.get
        pct = known(Quantity.BATTERY)
        if pct is None and Quantity.BATTERY_LOW in self._last:
            # A flag that is down says that the cells are not low, and nothing finer.
            pct = LOW_PCT if known(Quantity.BATTERY_LOW) else None
        match self.kind:
            case DeviceKind.LEAK if Quantity.WET in self._last:
                return LeakState(
                    wet=bool(known(Quantity.WET)),
                    wall_ms=wall_ms,
                    battery_pct=_whole(pct),
                )
            case DeviceKind.METER:
                return MeterState(
                    wall_ms=wall_ms,
                    energy_wh=_whole(known(Quantity.ENERGY)),
                    power_w10=_whole(known(Quantity.POWER)),
                    volume_ml=_whole(known(Quantity.WATER)),
                )
            case DeviceKind.SENSOR:
                return SensorState(
                    wall_ms=wall_ms,
                    temperature_c10=_whole(known(Quantity.TEMPERATURE)),
                    humidity_pct10=_whole(known(Quantity.HUMIDITY)),
                    contact_open=_yes(known(Quantity.OPENING)),
                    occupied=_yes(known(Quantity.OCCUPANCY, known(Quantity.MOTION))),
                    light_lux=_whole(known(Quantity.LIGHT)),
                    battery_pct=_whole(pct),
                )
            case _:
                return None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _yes(value: float | None) -> bool | None:
    return None if value is None else bool(value)
