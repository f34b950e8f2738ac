"""An eQ-3 thermostat on the bus: one connection per order, tried again, because setting is idempotent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    Order,
    Outcome,
    ThermostatState,
    Verb,
)
from drivers.ble import eq3
from drivers.ble.links import LinkLostError, NoLinkError
from drivers.port import Evidence, Happening, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from appliance.kernel.clock import Clock
    from drivers.ble.ears import Ears
    from drivers.ble.links import Links
    from drivers.port import Attempt, House, Pin

# It advertises every second or two; older than this it may have been carried away.
HEARD_S_MAX: Final = 10.0
# It answers a frame within a second; a second try costs another connect.
ANSWER_S: Final = 3.0
TRIES_MAX: Final = 3
# What the house keeps an empty room at; the thermostat has a preset of its own, which guests change.
ECO_C10: Final = 160


class Eq3Device:
    """One thermostat. `measured` gives the room's temperature of a sensor beside it, tenths of C."""

    kind = DeviceKind.THERMOSTAT
    decides = True  # it is no lock

    def __init__(
        self,
        name: str,
        *,
        ears: Ears,
        links: Links,
        clock: Clock,
        local_time: Callable[[], datetime],
        measured: Callable[[], int | None],
    ) -> None:
        self.name = name
        self._ears = ears
        self._links = links
        self._clock = clock
        self._local_time = local_time
        self._measured = measured
        self._comfort_c10: int | None = None
        self._eco = False
        self._status: eq3.Status | None = None
        self._battery_low = False
        self.house: House | None = None

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        """Set or read; both may be done twice without harm, so a lost answer is asked for again."""
        del pin
        wanted_c10 = self._wanted(order)
        if order.verb not in {Verb.SET_POINT, Verb.READ} or (
            order.verb is Verb.SET_POINT and wanted_c10 is None
        ):
            return Told(
                outcome=Outcome.REFUSED,
                evidence=(Evidence.NOT_SUPPORTED,),
                refusal=LockRefusal.NOT_SUPPORTED,
            )
        told = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note="not heard")
        for _ in range(TRIES_MAX):
            if self._clock.monotonic() >= deadline_s:
                break
            latest = await self._once(wanted_c10, deadline_s)
            if latest.outcome is Outcome.DONE:
                return latest
            # Once it may have heard us, a try that did not leave says nothing about the first.
            if told.outcome is not Outcome.UNKNOWN:
                told = latest
        return told

    async def find_out(self, attempt: Attempt) -> Told | None:
        """What it keeps now: the order's wish is not written down, so only a person can compare."""
        del attempt
        return None

    async def state(self) -> ThermostatState | None:
        """How it stood when it last spoke."""
        status = self._status
        if status is None:
            return None
        return ThermostatState(
            set_point_c10=status.set_point_c10,
            measured_c10=self._measured(),
            eco=self._eco,
            heating=status.heating,
            wall_ms=self._clock.read().wall_ms,
            # It says "low" and nothing finer.
            battery_pct=10 if status.battery_low else None,
        )

    def _wanted(self, order: Order) -> int | None:
        """What to set; eco never heats above the guest's own wish."""
        if order.verb is not Verb.SET_POINT or (order.set_point_c10 is None and order.eco is None):
            return None
        if order.set_point_c10 is not None:
            self._comfort_c10 = order.set_point_c10
        elif self._comfort_c10 is None and self._status is not None:
            self._comfort_c10 = self._status.set_point_c10
        if order.eco is not None:
            self._eco = order.eco
        comfort_c10 = self._comfort_c10
        if comfort_c10 is None:
            return ECO_C10 if self._eco else None
        return min(comfort_c10, ECO_C10) if self._eco else comfort_c10

    async def _once(self, wanted_c10: int | None, deadline_s: float) -> Told:
        heard = await self._ears.hear(self.name, fresh_s=HEARD_S_MAX, deadline_s=deadline_s)
        if heard is None:
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note="not heard")
        sent = False
        try:
            async with self._links.to(
                heard.device,
                deadline_s,
                service=eq3.SERVICE,
                write=eq3.WRITE,
                notify=eq3.NOTIFY,
            ) as link:
                # The time is set on every visit: it answers with the status, and its clock drifts.
                frames = [eq3.set_time(self._local_time())]
                if wanted_c10 is not None:
                    frames += [eq3.set_manual(), eq3.set_point(wanted_c10)]
                status: eq3.Status | None = None
                for frame in frames:
                    sent = sent or frame is frames[-1]
                    await link.send(frame, response=True)
                    until_s = min(deadline_s, self._clock.monotonic() + ANSWER_S)
                    answer = eq3.read(await link.next_value(until_s))
                    status = answer if isinstance(answer, eq3.Status) else status
        except NoLinkError as error:
            return Told(
                outcome=Outcome.NOT_SENT, evidence=(Evidence.STACK_REFUSED,), note=str(error)
            )
        except (LinkLostError, TimeoutError) as error:
            lost = isinstance(error, LinkLostError)
            return Told(
                outcome=Outcome.UNKNOWN if sent else Outcome.NOT_SENT,
                evidence=(Evidence.LINK_LOST if lost else Evidence.DEADLINE,),
            )
        return await self._taken(status, wanted_c10)

    async def _taken(self, status: eq3.Status | None, wanted_c10: int | None) -> Told:
        if status is None:
            return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.MISMATCH,))
        self._status = status
        await self._tell(status)
        if wanted_c10 is not None and status.set_point_c10 != eq3.nearest_c10(wanted_c10):
            return Told(
                outcome=Outcome.UNKNOWN,
                evidence=(Evidence.MISMATCH,),
                note=f"keeps {status.set_point_c10}",
            )
        return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))

    async def _tell(self, status: eq3.Status) -> None:
        if self.house is None:
            return
        state = await self.state()
        if state is not None:
            await self.house.stated(self.name, state)
        if status.battery_low and not self._battery_low:
            await self.house.happened(self.name, Happening(kind=EventKind.BATTERY_LOW))
        self._battery_low = status.battery_low
