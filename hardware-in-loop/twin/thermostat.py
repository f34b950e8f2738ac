"""A thermostat on the wall of a believable room."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, ThermostatState, Verb
from twin.core import Reply
from twin.modest import ModestCore
from twin.weather import Curve, Weather

if TYPE_CHECKING:
    from appliance.kernel.clock import Reading
    from twin.flash import Flash
    from twin.journal import Journal

# What hotel thermostats offer; frost protection below, complaints above.
SET_POINT_C10_MIN: Final = 50
SET_POINT_C10_MAX: Final = 300
# An empty room kept dry and quick to warm.
ECO_C10: Final = 160
HYSTERESIS_C: Final = 0.2
TICK_MS: Final = 60_000
# After a gap (virtual time that leapt) the room is brought up to date in steps of at most an hour.
STEPS_MAX: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room of 25 m2: 50 W/K lost through wall and air, 2.5 MJ/K stored, a 2 kW radiator.

    It cools with a time constant of 13.9 h and warms by about 1.5 K in an hour.
    """

    loss_w_k: float = 50.0
    store_j_k: float = 2_500_000.0
    heater_w: float = 2_000.0
    gain_w: float = 80.0  # a sleeper, a television

    def after(self, inside_c: float, outside_c: float, seconds: float, *, heating: bool) -> float:
        """Temperature after this long: the exact solution, so any step is stable."""
        power = self.gain_w + (self.heater_w if heating else 0.0)
        rest = outside_c + power / self.loss_w_k
        return rest + (inside_c - rest) * math.exp(-seconds * self.loss_w_k / self.store_j_k)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStart:
    """The room, its weather and where it starts (tenths of a degree Celsius)."""

    room: Room = Room()
    weather: Weather = field(default_factory=Curve)
    set_point_c10: int = 210
    measured_c10: int = 195
    tick_ms: int = TICK_MS  # how often it measures and says so


class ThermostatCore(ModestCore):
    """Holds a set point and the physics of its room."""

    def __init__(
        self,
        device: str,
        *,
        flash: Flash,
        journal: Journal,
        now: Reading,
        start: RoomStart | None = None,
    ) -> None:
        super().__init__(device, flash=flash, journal=journal, now=now)
        start = start or RoomStart()
        self._room, self._weather, self._tick_ms = start.room, start.weather, start.tick_ms
        self._comfort_c10: int = flash.get("number", "comfort_c10", start.set_point_c10)
        self._eco: bool = flash.get("number", "eco", default=False)
        self._inside_c: float = flash.get("number", "inside_c", start.measured_c10 / 10)
        self._at_ms = now.wall_ms
        self._heating = False
        self._said: ThermostatState | None = None
        flash.commit()

    @property
    def kind(self) -> DeviceKind:
        """A thermostat."""
        return DeviceKind.THERMOSTAT

    @property
    def target_c10(self) -> int:
        """What the room is kept at: eco never heats above the guest's own wish."""
        return min(self._comfort_c10, ECO_C10) if self._eco else self._comfort_c10

    def carry_out(self, order: Order, now: Reading) -> LockRefusal | None:
        """Take a set point, eco, or both."""
        if order.verb is not Verb.SET_POINT or (order.set_point_c10 is None and order.eco is None):
            return LockRefusal.BAD_FRAME
        wanted = self._comfort_c10 if order.set_point_c10 is None else order.set_point_c10
        if not SET_POINT_C10_MIN <= wanted <= SET_POINT_C10_MAX:
            return LockRefusal.BAD_FRAME
        self._set(wanted, eco=self._eco if order.eco is None else order.eco, now=now, by=order.id)
        return None

    def turn(self, set_point_c10: int, now: Reading) -> Reply:
        """The guest turns the knob; comfort ends eco."""
        wanted = min(max(set_point_c10, SET_POINT_C10_MIN), SET_POINT_C10_MAX)
        self._set(wanted, eco=False, now=now, by=None)
        return self._settled(None, now)

    def tick(self, now: Reading) -> Reply:
        """Let the room warm or cool; says so when the shown temperature changed."""
        self._advance(now)
        self._flash.put("number", "inside_c", round(self._inside_c, 3))
        self._flash.commit()
        state = self.state(now)
        said, self._said = self._said, state
        quiet = said is not None and (said.measured_c10, said.heating) == (
            state.measured_c10,
            state.heating,
        )
        return Reply(state=None if quiet else state)

    def due_ms(self) -> int:
        """Once a minute, unless it was asked otherwise."""
        return self._at_ms + self._tick_ms

    def state(self, now: Reading) -> ThermostatState:
        """What the thermostat says of itself."""
        return ThermostatState(
            set_point_c10=self.target_c10,
            measured_c10=round(self._inside_c * 10),
            eco=self._eco,
            heating=self._heating,
            wall_ms=self.rtc.read(now).ms,
        )

    def _set(self, comfort_c10: int, *, eco: bool, now: Reading, by: str | None) -> None:
        self._advance(now)
        before = self.target_c10
        self._comfort_c10, self._eco = comfort_c10, eco
        self._flash.put("number", "comfort_c10", comfort_c10)
        self._flash.put("number", "eco", eco)
        self._switch()
        if self.target_c10 != before:
            self._events.add(EventKind.SET_POINT_CHANGED, order_id=by, **self._stamp(now))
            self._journal.note("set_point", device=self.device, c10=self.target_c10, order_id=by)

    def _advance(self, now: Reading) -> None:
        gap_ms = max(0, now.wall_ms - self._at_ms)
        steps = min(STEPS_MAX, -(-gap_ms // TICK_MS))
        for step in range(steps):
            at_ms = self._at_ms + gap_ms * step // steps
            self._switch()
            self._inside_c = self._room.after(
                self._inside_c,
                self._weather.outside_c(at_ms),
                gap_ms / steps / 1000,
                heating=self._heating,
            )
        self._at_ms = max(self._at_ms, now.wall_ms)
        self._switch()

    def _switch(self) -> None:
        target_c = self.target_c10 / 10
        if self._inside_c < target_c - HYSTERESIS_C:
            self._heating = True
        elif self._inside_c > target_c + HYSTERESIS_C:
            self._heating = False
