"""Looks after every device: how its cells decline, whether it can be reached, what its radio says.

Readings are telemetry; what a person must hear of is asked of the log as an alarm.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import (
    TOPIC_ROOT,
    Presence,
    RadioState,
    decode,
    device_of,
)
from appliance.engines.climate.battery import WINDOW_MS, forecast
from appliance.engines.climate.messages import AlarmKind, ClearAlarm, RaiseAlarm
from appliance.engines.climate.projection import alarms
from appliance.engines.inventory.messages import DeviceAdded
from appliance.kernel.clock import sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Command, Role, Who

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.engines.climate.telemetry import Telemetry
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# Four readings a day: a slope of days needs no more, and telemetry keeps 90 days of them.
READ_EVERY_MS: Final = 6 * 3_600_000
# A minute: what "silent for 30 minutes" may be late by.
LOOK_S: Final = 60.0
# Driver processes of one house: a radio per floor and a spare; more are somebody's mistake.
BRIDGES_MAX: Final = 64
# Alarms of one radio: two for each of its devices.
RADIO_ALARMS_MAX: Final = 512
BATTERY_SERIES: Final = "battery_pct"
# Live rules, with the catalogue's defaults.
LEAD_DAYS: Final = "climate.battery_lead_days"
LEAD_DAYS_DEFAULT: Final = 14
SILENT_MINUTES: Final = "climate.silent_minutes"
SILENT_MINUTES_DEFAULT: Final = 30
_BOX: Final = Who(actor="box", role=Role.SERVICE)
_OF_RADIO: Final = {
    "radio_lost": AlarmKind.RADIO_LOST,
    "radio_hung": AlarmKind.RADIO_HUNG,
    "radio_foreign": AlarmKind.RADIO_FOREIGN,
    "radio_silent": AlarmKind.RADIO_SILENT,
    "backup_stale": AlarmKind.BACKUP_STALE,
    "device_silent": AlarmKind.SILENT,
    "device_half_joined": AlarmKind.HALF_JOINED,
    "not_paired": AlarmKind.NOT_PAIRED,
    "not_enrolled": AlarmKind.NOT_ENROLLED,
    "clock_unknown": AlarmKind.CLOCK_LOST,
    "log_broken": AlarmKind.LOG_BROKEN,
    "pin_not_taken": AlarmKind.PIN_NOT_TAKEN,
}


@dataclass(slots=True)
class _Seen:
    """What was last noticed of one device; `away_since_s` on the monotonic clock."""

    read_at_ms: int = 0
    away_since_s: float | None = None
    silent: bool = False


class Watch:
    """Listens to states, presence and radios, and asks for alarms."""

    def __init__(
        self,
        *,
        bus: Bus,
        store: Callable[[Asking], Awaitable[Answer]],
        reader: Reader,
        clock: Clock,
        nursery: Nursery,
        telemetry: Telemetry | None,
    ) -> None:
        self._bus = bus
        self._store = store
        self._reader = reader
        self._clock = clock
        self._nursery = nursery
        self._telemetry = telemetry
        self._seen: dict[str, _Seen] = {}
        self._radios: dict[str, frozenset[tuple[str, AlarmKind]]] = {}
        self._lead_days = LEAD_DAYS_DEFAULT
        self._silent_s = SILENT_MINUTES_DEFAULT * 60.0

    async def start(self) -> None:
        """Begin to look; every device of the inventory is looked after from its first word on."""
        for (device_id,) in await self._reader.rows("SELECT device_id FROM climate_device"):
            self._seen[device_id] = _Seen()
        await self._settings()
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/state", self._stated)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/online", self._came_or_went)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/radio", self._radio)
        self._nursery.mortal("watch over devices", self._look())

    def notice(self, facts: Sequence[Recorded]) -> None:
        """A device is new."""
        for fact in facts:
            if isinstance(fact.event, DeviceAdded):
                self._seen.setdefault(fact.event.device_id, _Seen())

    async def _stated(self, message: Message) -> None:
        device_id = device_of(message.topic) or ""
        seen = self._seen.get(device_id)
        # A retained word may be of yesterday: it makes no reading.
        if seen is None or message.retained or self._telemetry is None:
            return
        state: dict[str, Any] = decode(message.payload, dict[str, Any]) or {}
        pct = state.get("battery_pct")
        now_ms = self._clock.read().wall_ms
        if not isinstance(pct, int) or not 0 <= pct <= 100 or isinstance(pct, bool):
            return
        if now_ms - seen.read_at_ms < READ_EVERY_MS:
            return
        seen.read_at_ms = now_ms
        self._telemetry.add(device_id, BATTERY_SERIES, float(pct), now_ms)
        await self._weigh(device_id, (now_ms, float(pct)))

    async def _weigh(self, device_id: str, newest: tuple[int, float]) -> None:
        if self._telemetry is None:
            return
        since_ms = newest[0] - 3 * WINDOW_MS
        stored = await self._telemetry.points(device_id, BATTERY_SERIES, since_ms=since_ms)
        readings = [point for point in stored if point[0] < newest[0]]
        told = forecast([*readings, newest])
        if told is None:
            return
        command: Command = ClearAlarm(device_id=device_id, alarm=AlarmKind.BATTERY)
        if told.pressing(self._lead_days):
            command = RaiseAlarm(
                device_id=device_id,
                alarm=AlarmKind.BATTERY,
                battery_pct=round(told.pct),
                days_left=told.days_left,
            )
        await self._ask(command, f"battery:{device_id}:{newest[0]}")

    async def _came_or_went(self, message: Message) -> None:
        device_id = device_of(message.topic) or ""
        seen, presence = self._seen.get(device_id), decode(message.payload, Presence)
        if seen is None or presence is None:
            return
        if not presence.online:
            if seen.away_since_s is None:
                seen.away_since_s = self._clock.monotonic()
            return
        seen.away_since_s = None
        # After a start nobody remembers whether it was silent; clearing what is not up is free.
        await self._ask(
            ClearAlarm(device_id=device_id, alarm=AlarmKind.SILENT),
            f"heard:{device_id}:{self._clock.read().wall_ms}",
        )
        seen.silent = False

    async def _look(self) -> None:
        while True:
            await sleep(self._clock, LOOK_S)
            await self._settings()
            now_s = self._clock.monotonic()
            for device_id, seen in list(self._seen.items()):
                away = seen.away_since_s
                if away is None or seen.silent or now_s - away < self._silent_s:
                    continue
                seen.silent = True
                await self._ask(
                    RaiseAlarm(device_id=device_id, alarm=AlarmKind.SILENT),
                    f"silent:{device_id}:{self._clock.read().wall_ms}",
                )

    async def _radio(self, message: Message) -> None:
        """A driver says all of its alarms each time; what it says no more is over."""
        bridge = device_of(message.topic) or ""
        state = decode(message.payload, RadioState)
        if state is None or (bridge not in self._radios and len(self._radios) >= BRIDGES_MAX):
            return
        now = frozenset(
            (device or bridge, _OF_RADIO[word])
            for text, _since in state.alarms[:RADIO_ALARMS_MAX]
            for word, _, device in (text.partition(":"),)
            # A bridge speaks for itself and for devices of this house, for nobody else.
            if word in _OF_RADIO and (not device or device in self._seen)
        )
        before = self._radios.get(bridge)
        if before is None:
            # The first word since the start: what was up before it may be over by now.
            before = await self._known_of({bridge, *state.names})
        at_ms = self._clock.read().wall_ms
        for device_id, kind in now - before:
            command: Command = RaiseAlarm(device_id=device_id, alarm=kind)
            await self._ask(command, f"radio:{bridge}:{device_id}:{kind}:{at_ms}")
        for device_id, kind in before - now:
            command = ClearAlarm(device_id=device_id, alarm=kind)
            await self._ask(command, f"radio:{bridge}:{device_id}:{kind}:{at_ms}:over")
        self._radios[bridge] = now

    async def _known_of(self, names: set[str]) -> frozenset[tuple[str, AlarmKind]]:
        kinds = set(_OF_RADIO.values())
        return frozenset(
            (row.device_id, row.alarm)
            for row in await alarms(self._reader)
            if row.device_id in names and row.alarm in kinds
        )

    async def _settings(self) -> None:
        rows = await self._reader.rows(
            "SELECT key, value FROM setting WHERE scope = 'property' AND key IN (?, ?)",
            (LEAD_DAYS, SILENT_MINUTES),
        )
        found = {key: int(value) for key, value in rows}
        self._lead_days = found.get(LEAD_DAYS, LEAD_DAYS_DEFAULT)
        self._silent_s = found.get(SILENT_MINUTES, SILENT_MINUTES_DEFAULT) * 60.0

    async def _ask(self, command: Command, command_id: str) -> None:
        await self._store(Asking(command=command, command_id=command_id, who=_BOX))
