"""What is on or off: a socket, a lamp, a water valve. Saying it twice changes nothing, so it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import (
    EventKind,
    LightState,
    LockRefusal,
    Order,
    Outcome,
    State,
    SwitchState,
    ValveState,
    Verb,
)
from drivers.port import Attempt, Evidence, Happening, Told
from drivers.zigbee.air import NoWordError
from drivers.zigbee.meter import ELECTRICAL, KWH, METERING, SUMMATION, WH_A_KWH, Scale
from drivers.zigbee.thing import NOT_SUPPORTED, POWER, Report, Thing

if TYPE_CHECKING:
    from drivers.port import Pin

ON_OFF, LEVEL = 0x0006, 0x0008
LEVEL_MAX: Final = 254
PCT_MAX: Final = 100


class OnOffThing(Thing):
    """The shared part: which verb means on, and which event says so."""

    reports: tuple[Report, ...] = (
        Report(cluster=ON_OFF, attribute="on_off", min_s=0, max_s=900, change=1),
    )
    verbs: dict[Verb, bool] = {Verb.SWITCH_ON: True, Verb.SWITCH_OFF: False}  # noqa: RUF012 - never changed
    events: tuple[EventKind, EventKind] | None = (EventKind.SWITCHED_OFF, EventKind.SWITCHED_ON)
    _on: bool | None = None

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """It switched, whoever did it."""
        if (cluster, attribute) != (ON_OFF, 0x0000):
            super().reported(cluster, attribute, value)
            return
        before, self._on = self._on, bool(value)
        if before is not None and before != self._on and self.events is not None:
            self.happened(Happening(kind=self.events[int(self._on)]))
        self.said()

    async def find_out(self, attempt: Attempt) -> Told | None:
        """Whether it stands as that order wanted."""
        wanted = self.verbs.get(Verb(attempt.verb))
        if wanted is None or self._node is None:
            return None
        until_s = self._air.clock.monotonic() + self._air.patience.look_s
        try:
            read = await self._read(ON_OFF, ["on_off"], until_s)
        except NoWordError:
            return None
        if "on_off" not in read or bool(read["on_off"]) is not wanted:
            return None
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def _do(self, order: Order, deadline_s: float, pin: Pin | None) -> Told:
        del pin
        wanted = self.verbs.get(order.verb)
        if wanted is None:
            return NOT_SUPPORTED
        told = await self._command(ON_OFF, "on" if wanted else "off", deadline_s)
        if told.outcome is Outcome.DONE:
            self.reported(ON_OFF, 0x0000, wanted)
        return told


class ZigbeeSwitch(OnOffThing):
    """A socket or relay, with its power where it measures one."""

    reports = (
        *OnOffThing.reports,
        Report(cluster=ELECTRICAL, attribute="active_power", min_s=10, max_s=900, change=5),
        Report(cluster=METERING, attribute="current_summ_delivered", min_s=60, max_s=900, change=1),
    )
    _power_w10: int | None = None

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """Power, in tenths of a watt."""
        if (cluster, attribute) == (ELECTRICAL, 0x050B) and value is not None:
            self._power_w10 = Scale.of(self.entry.facts, "ac_power").tenths(int(value))
            self.said()
            return
        if (cluster, attribute) == (METERING, SUMMATION) and value is not None:
            if self.entry.facts.get("unit_of_measure") == KWH:
                used = {"energy_wh": float(Scale.of(self.entry.facts).times(int(value), WH_A_KWH))}
                self._air.say(lambda house: house.measured(self.name, used))
            return
        super().reported(cluster, attribute, value)

    async def configured(self) -> None:
        """Learn what its power numbers mean."""
        until_s = self._air.clock.monotonic() + self._air.patience.request_s
        facts = await self._read(ELECTRICAL, ["ac_power_multiplier", "ac_power_divisor"], until_s)
        facts |= await self._read(METERING, ["unit_of_measure", "multiplier", "divisor"], until_s)
        self.entry.facts.update({name: int(value) for name, value in facts.items()})

    async def state(self) -> State | None:
        """None before it has said anything."""
        if self._on is None:
            return None
        return SwitchState(on=self._on, wall_ms=self._now_ms(), power_w10=self._power_w10)


class ZigbeeLight(OnOffThing):
    """A lamp; its level in percent, where it can be dimmed."""

    reports = (
        *OnOffThing.reports,
        Report(cluster=LEVEL, attribute="current_level", min_s=1, max_s=900, change=5),
    )
    _level: int | None = None

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """Its level, 0 to 254."""
        if (cluster, attribute) == (LEVEL, 0x0000) and value is not None:
            self._level = round(min(int(value), LEVEL_MAX) * PCT_MAX / LEVEL_MAX)
            self.said()
            return
        super().reported(cluster, attribute, value)

    async def state(self) -> State | None:
        """None before it has said anything."""
        if self._on is None:
            return None
        return LightState(on=self._on, wall_ms=self._now_ms(), level_pct=self._level)

    async def _do(self, order: Order, deadline_s: float, pin: Pin | None) -> Told:
        if order.verb is not Verb.SET_LEVEL:
            return await super()._do(order, deadline_s, pin)
        if order.level_pct is None or not 0 <= order.level_pct <= PCT_MAX:
            return Told(
                outcome=Outcome.REFUSED,
                evidence=(Evidence.NOT_SUPPORTED,),
                refusal=LockRefusal.BAD_FRAME,
                note="takes 0 to 100 percent",
            )
        level = round(order.level_pct * LEVEL_MAX / PCT_MAX)
        return await self._command(
            LEVEL, "move_to_level_with_on_off", deadline_s, level=level, transition_time=0
        )


class ZigbeeValve(OnOffThing):
    """A water valve: on is open, whatever it calls itself."""

    reports = (
        *OnOffThing.reports,
        Report(
            cluster=POWER,
            attribute="battery_percentage_remaining",
            min_s=3600,
            max_s=43200,
            change=2,
        ),
    )
    verbs = {Verb.OPEN_VALVE: True, Verb.CLOSE_VALVE: False}  # noqa: RUF012 - never changed
    events = (EventKind.VALVE_CLOSED, EventKind.VALVE_OPENED)

    async def state(self) -> State | None:
        """None: the valve has not said."""
        return ValveState(
            open=self._on,
            wall_ms=self._now_ms(),
            battery_pct=self._battery_pct,
        )
