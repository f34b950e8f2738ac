"""What a device suffers from: raised once, taken on by a person, cleared when its cause is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from appliance.bus.words import DeviceKind
from appliance.engines.climate.messages import (
    AcknowledgeAlarm,
    AlarmAcknowledged,
    AlarmCleared,
    AlarmKind,
    AlarmRaised,
    ClearAlarm,
    RaiseAlarm,
    Refusal,
)
from appliance.kernel.engine import Context, Decision, Facts
from appliance.kernel.messages import Event

# A forecast is said again when it has halved: 14 days, 7, 3, 1. More would be a notice a day.
WORSE_FACTOR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """One alarm that is up."""

    days_left: int | None
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsState:
    """The fold of `alarms/<device_id>`."""

    up: Mapping[AlarmKind, Up] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmScene:
    """A device's alarms, what it is, and its room."""

    kind: DeviceKind | None
    room_id: str | None
    state: AlarmsState


AlarmCommand = RaiseAlarm | ClearAlarm | AcknowledgeAlarm


def fold_alarms(state: AlarmsState | None, events: Iterable[Event]) -> AlarmsState:
    """A device's alarms after some more facts."""
    up = dict((state or AlarmsState()).up)
    for event in events:
        match event:
            case AlarmRaised():
                up[event.alarm] = Up(days_left=event.days_left)
            case AlarmAcknowledged() if event.alarm in up:
                up[event.alarm] = Up(days_left=up[event.alarm].days_left, seen=True)
            case AlarmCleared():
                up.pop(event.alarm, None)
            case _:
                pass
    return AlarmsState(up=MappingProxyType(up))


def alarm_stream(command: AlarmCommand, _: Context) -> str:
    """One stream for each device."""
    return f"alarms/{command.device_id}"


def load_alarms(facts: Facts, command: AlarmCommand, _: Context) -> AlarmScene:
    """A device's alarms; a driver process has some too, and no room."""
    row = facts.row(
        "SELECT kind, room_id FROM climate_device WHERE device_id = ?", (command.device_id,)
    )
    return AlarmScene(
        kind=None if row is None else DeviceKind(row[0]),
        room_id=None if row is None else row[1],
        state=facts.fold(f"alarms/{command.device_id}"),
    )


def raise_alarm(scene: AlarmScene, command: RaiseAlarm, _: Context) -> Decision:
    """Said once; a forecast again when it got much worse."""
    known = scene.state.up.get(command.alarm)
    if known is not None and not _much_worse(known.days_left, command.days_left):
        return []
    event = AlarmRaised(
        device_id=command.device_id,
        room_id=scene.room_id,
        alarm=command.alarm,
        battery_pct=command.battery_pct,
        days_left=command.days_left,
        device_kind=scene.kind,
    )
    return [event]


def clear_alarm(scene: AlarmScene, command: ClearAlarm, _: Context) -> Decision:
    """The cause is gone."""
    if command.alarm not in scene.state.up:
        return []
    return [AlarmCleared(device_id=command.device_id, alarm=command.alarm)]


def acknowledge_alarm(scene: AlarmScene, command: AcknowledgeAlarm, _: Context) -> Decision:
    """A person takes it on."""
    known = scene.state.up.get(command.alarm)
    if known is None:
        return Refusal.UNKNOWN_ALARM
    if known.seen:
        return Refusal.ALREADY_SEEN
    return [AlarmAcknowledged(device_id=command.device_id, alarm=command.alarm)]


def _much_worse(before: int | None, now: int | None) -> bool:
    """A forecast where there was none counts: a lock only says that its cells are low."""
    if now is None:
        return False
    return before is None or (now < before and now * WORSE_FACTOR <= before)
