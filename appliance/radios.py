"""The box's view of its driver processes: how each stands, and what their silence means.

A bridge has one connection and so one last will, for its own name. When it goes without a word,
the things behind it are away too: the box says so in their place, on their own retained topics, so
that doors, screens and a Home Assistant all see the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.driver_sheet import bridge_of
from appliance.bus.words import (
    TOPIC_ROOT,
    Presence,
    RadioState,
    decode,
    device_of,
    encode,
    online_topic,
)
from appliance.kernel.health import Health, Vital, VitalState, span_words

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.kernel.clock import Clock, Reading

# A driver says how it stands every minute (drivers/supervisor.py): three missed ones are late.
LATE_AFTER_MS: Final = 180_000
# One box drives sixteen radios; the rest may be on satellites.
RADIOS_MAX: Final = 64
ALARMS_SHOWN: Final = 3
BRIDGES: Final = bridge_of("")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    state: RadioState
    at_ms: int


class Radios:
    """Listens to every bridge; memory only."""

    def __init__(
        self, *, bus: Bus, clock: Clock, health: Health, behind: Callable[[str], Iterable[str]]
    ) -> None:
        """`behind(bridge)` are the things it speaks for by its credential; none where it is no bridge."""
        self._bus = bus
        self._clock = clock
        self._health = health
        self._behind = behind
        self._heard: dict[str, _Heard] = {}
        self._away: set[str] = set()

    async def start(self) -> None:
        """Begin to listen."""
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/radio", self._stated)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/online", self._came_or_went)

    async def _stated(self, message: Message) -> None:
        bridge = device_of(message.topic) or ""
        state = decode(message.payload, RadioState)
        if state is None or (bridge not in self._heard and len(self._heard) >= RADIOS_MAX):
            return
        # A retained word may be old, and says itself how old; a satellite's clock may be wrong.
        at_ms = state.wall_ms if message.retained else self._clock.read().wall_ms
        self._heard[bridge] = _Heard(state=state, at_ms=at_ms)
        self._health.register(bridge, functools.partial(self._vital, bridge))

    async def _came_or_went(self, message: Message) -> None:
        name = device_of(message.topic) or ""
        presence = decode(message.payload, Presence)
        if presence is None or not name.startswith(BRIDGES):
            return
        if presence.online:
            self._away.discard(name)
            return
        things = tuple(self._behind(name))
        if not things:
            return
        self._away.add(name)
        gone = encode(Presence(online=False))
        for thing in things:
            await self._bus.publish(online_topic(thing), gone, retain=True)

    def _vital(self, bridge: str, reading: Reading) -> Vital:
        heard = self._heard[bridge]
        state, age_ms = heard.state, max(0, reading.wall_ms - heard.at_ms)
        said = f"last said {span_words(age_ms)} ago"
        stood = span_words(max(0, reading.wall_ms - state.since_ms))
        trouble = [
            f"{name} for {span_words(max(0, reading.wall_ms - since_ms))}"
            for name, since_ms in state.alarms[:ALARMS_SHOWN]
        ]
        if len(state.alarms) > ALARMS_SHOWN:
            trouble.append(f"{len(state.alarms) - ALARMS_SHOWN} more alarms")
        if state.unknown_orders:
            trouble.append(f"{state.unknown_orders} orders whose end nobody knows")
        if bridge in self._away:
            verdict, how = VitalState.DOWN, "its process is away, and its things with it"
        elif not state.up:
            verdict, how = VitalState.DOWN, f"its radio is away for {stood}"
        elif age_ms > LATE_AFTER_MS or trouble:
            verdict, how = VitalState.LATE, f"its radio runs for {stood}"
        else:
            verdict, how = VitalState.OK, f"its radio runs for {stood}"
        more = f"; {', '.join(trouble)}" if trouble else ""
        return Vital(
            name=bridge,
            last_confirmed_wall_ms=heard.at_ms,
            queue_depth=state.unknown_orders,
            oldest_ms=None,
            state=verdict,
            sentence=f"{bridge}: {how}, {state.devices} of {len(state.names)} things known, {said}{more}",
        )
