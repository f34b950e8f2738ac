"""A room thermostat or radiator valve: tenths of a degree on the bus, hundredths on the air."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import EventKind, LockRefusal, Order, Outcome, ThermostatState, Verb
from drivers.port import Attempt, Evidence, Happening, Told
from drivers.zigbee.air import NoWordError
from drivers.zigbee.thing import NOT_SUPPORTED, POWER, Report, Thing, verdict

if TYPE_CHECKING:
    from drivers.port import Pin

THERMOSTAT: Final = 0x0201
LOCAL_TEMPERATURE, HEAT_DEMAND, SET_POINT, RUNNING = 0x0000, 0x0008, 0x0012, 0x0029
# int16: the sensor is broken or absent.
NO_MEASUREMENT: Final = -0x8000
HEAT_BIT: Final = 0x0001
# Where the device does not say: what any radiator valve takes, in hundredths of a degree Celsius.
SET_POINT_C100_MIN, SET_POINT_C100_MAX = 500, 3000


class ZigbeeThermostat(Thing):
    """Set point, measured temperature, heating or not. Eco is the house's word: the set point tells."""

    reports = (
        Report(cluster=THERMOSTAT, attribute="local_temperature", min_s=30, max_s=900, change=20),
        Report(
            cluster=THERMOSTAT,
            attribute="occupied_heating_setpoint",
            min_s=1,
            max_s=3600,
            change=10,
        ),
        Report(cluster=THERMOSTAT, attribute="pi_heating_demand", min_s=30, max_s=3600, change=10),
        Report(cluster=THERMOSTAT, attribute="running_state", min_s=1, max_s=3600, change=1),
        Report(
            cluster=POWER,
            attribute="battery_percentage_remaining",
            min_s=3600,
            max_s=43200,
            change=2,
        ),
    )

    _set_point: int | None = None  # hundredths of a degree
    _measured: int | None = None
    _heating = False
    _eco = False
    _asked: int | None = None  # what we wrote last: its report is no guest at the dial

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """It measured something, or somebody turned its dial."""
        if cluster != THERMOSTAT or value is None:
            super().reported(cluster, attribute, value)
            return
        match attribute:
            case 0x0000 if int(value) != NO_MEASUREMENT:
                self._measured = int(value)
            case 0x0008:
                self._heating = int(value) > 0
            case 0x0029:
                self._heating = bool(int(value) & HEAT_BIT)
            case 0x0012:
                by_hand = self._set_point is not None and int(value) not in {
                    self._set_point,
                    self._asked,
                }
                self._set_point = int(value)
                if by_hand:
                    self._eco = False
                    self.happened(Happening(kind=EventKind.SET_POINT_CHANGED))
            case _:
                return
        self.said()

    async def configured(self) -> None:
        """Learn its limits."""
        until_s = self._air.clock.monotonic() + self._air.patience.request_s
        facts = await self._read(
            THERMOSTAT, ["min_heat_setpoint_limit", "max_heat_setpoint_limit"], until_s
        )
        self.entry.facts.update({name: int(value) for name, value in facts.items()})
        self._air.remember()

    async def state(self) -> ThermostatState | None:
        """None before it has said both temperatures."""
        if self._set_point is None or self._measured is None:
            return None
        return ThermostatState(
            set_point_c10=_tenths(self._set_point),
            measured_c10=_tenths(self._measured),
            eco=self._eco,
            heating=self._heating,
            wall_ms=self._now_ms(),
            battery_pct=self._battery_pct,
        )

    async def find_out(self, attempt: Attempt) -> Told | None:
        """Whether the set point is the one that was asked for last."""
        if attempt.verb != Verb.SET_POINT or self._asked is None or self._node is None:
            return None
        until_s = self._air.clock.monotonic() + self._air.patience.look_s
        try:
            read = await self._read(THERMOSTAT, ["occupied_heating_setpoint"], until_s)
        except NoWordError:
            return None
        if read.get("occupied_heating_setpoint") != self._asked:
            return None
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def _do(self, order: Order, deadline_s: float, pin: Pin | None) -> Told:
        del pin
        if order.verb is not Verb.SET_POINT or order.set_point_c10 is None:
            return NOT_SUPPORTED
        wanted = order.set_point_c10 * 10
        least = self.entry.facts.get("min_heat_setpoint_limit", SET_POINT_C100_MIN)
        most = self.entry.facts.get("max_heat_setpoint_limit", SET_POINT_C100_MAX)
        if not least <= wanted <= most:
            return Told(
                outcome=Outcome.REFUSED,
                evidence=(Evidence.NOT_SUPPORTED,),
                refusal=LockRefusal.BAD_FRAME,
                note=f"takes {least / 100:.1f} to {most / 100:.1f} C",
            )
        self._asked = wanted
        status = await self._write(THERMOSTAT, {"occupied_heating_setpoint": wanted}, deadline_s)
        if status == 0:
            self._set_point, self._eco = wanted, bool(order.eco)
            self.said()
        return verdict(status)


def _tenths(hundredths: int) -> int:
    """Rounded half away from zero, as a person would."""
    sign = -1 if hundredths < 0 else 1
    return sign * ((abs(hundredths) + 5) // 10)
