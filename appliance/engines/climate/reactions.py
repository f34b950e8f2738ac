"""An empty room is kept cool; water closes its valve; what a lock reports of itself is an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.bus.words import DeviceKind, EventKind
from appliance.engines.climate.messages import (
    AlarmKind,
    ClearAlarm,
    LeakLogged,
    MoveValve,
    RaiseAlarm,
    SetRoomClimate,
)
from appliance.engines.doors.messages import AccessLogged
from appliance.engines.stays.messages import CheckedIn, CheckedOut, CheckInUndone, RoomMoved
from appliance.kernel.engine import Connection, Facts, InlineReaction, Reaction, Recorded
from appliance.kernel.messages import Command

# 21 degrees: what a guest finds who has not said anything else.
COMFORT_C10: Final = 210
# Half an hour without water is mended by a manager; a flooded house is not.
CLOSES_MAIN: Final = True


def _empty(event: CheckedOut | CheckInUndone, _: Recorded) -> Sequence[Command]:
    return [_eco(event.room_id)]


def _moved(event: RoomMoved, _: Recorded) -> Sequence[Command]:
    return [_eco(event.from_room_id), _comfort(event.to_room_id)]


def _arrived(event: CheckedIn, _: Recorded) -> Sequence[Command]:
    return [_comfort(event.room_id)]


def _has_thermostat(db: Connection, command: SetRoomClimate) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM climate_device WHERE room_id = ? AND kind = ?",
            (command.room_id, DeviceKind.THERMOSTAT.value),
        ).fetchone()
        is not None
    )


def _eco(room_id: str) -> SetRoomClimate:
    return SetRoomClimate(room_id=room_id, set_point_c10=COMFORT_C10, eco=True)


def _comfort(room_id: str) -> SetRoomClimate:
    return SetRoomClimate(room_id=room_id, set_point_c10=COMFORT_C10)


ECO: Final = Reaction(
    name="eco",
    on={CheckedOut: _empty, CheckInUndone: _empty, RoomMoved: _moved, CheckedIn: _arrived},
    worth=_has_thermostat,
)


# What a lock says of itself, and what takes it back: a bolt that moves is not stuck.
_RAISES: Final = {
    EventKind.JAMMED: AlarmKind.JAMMED,
    EventKind.TAMPER: AlarmKind.TAMPER,
    EventKind.AJAR: AlarmKind.AJAR,
    EventKind.CLOCK_LOST: AlarmKind.CLOCK_LOST,
    EventKind.BATTERY_LOW: AlarmKind.BATTERY,
    EventKind.BATTERY_CRITICAL: AlarmKind.BATTERY,
}
_CLEARS: Final = {
    EventKind.UNLOCKED: AlarmKind.JAMMED,
    EventKind.LOCKED: AlarmKind.JAMMED,
    EventKind.DOOR_CLOSED: AlarmKind.AJAR,
}


def _lock_said(event: AccessLogged, _: Recorded) -> Sequence[Command]:
    if (raised := _RAISES.get(event.event)) is not None:
        return [RaiseAlarm(device_id=event.device_id, alarm=raised)]
    if (cleared := _CLEARS.get(event.event)) is not None:
        return [ClearAlarm(device_id=event.device_id, alarm=cleared)]
    return []


def _is_up(db: Connection, command: RaiseAlarm | ClearAlarm) -> bool:
    """A door that opens a hundred times a day asks for nothing while it is well."""
    row = db.execute(
        "SELECT 1 FROM climate_alarm WHERE device_id = ? AND alarm = ?",
        (command.device_id, command.alarm.value),
    ).fetchone()
    return (row is None) == isinstance(command, RaiseAlarm)


LOCK_ALARMS: Final = Reaction(name="lock_alarms", on={AccessLogged: _lock_said}, worth=_is_up)


def _water(facts: Facts, event: LeakLogged, _: Recorded) -> Sequence[Command]:
    """In the same transaction as the leak: the alarm is up and the valve's order is on disk."""
    newest = facts.row(
        "SELECT seq FROM climate_leak WHERE device_id = ? AND wet = ?",
        (event.device_id, int(event.wet)),
    )
    if newest is None or newest[0] != event.seq:
        return []  # a number that came late: the floor has said something newer since
    if not event.wet:
        # The valve stays closed: a person opens it.
        return [ClearAlarm(device_id=event.device_id, alarm=AlarmKind.LEAK)]
    return [
        RaiseAlarm(device_id=event.device_id, alarm=AlarmKind.LEAK),
        *(MoveValve(device_id=valve, open=False) for valve in _valves(facts, event.room_id)),
    ]


def _valves(facts: Facts, room_id: str | None) -> list[str]:
    """The valves of the room; where it has none, the main, if the house wants that."""
    kind = DeviceKind.VALVE.value
    own = "SELECT device_id FROM climate_device WHERE kind = ? AND room_id = ? ORDER BY device_id"
    if found := facts.rows(own, (kind, room_id)):
        return [row[0] for row in found]
    if not facts.setting("climate.leak_closes_main_valve", CLOSES_MAIN):
        return []
    main = (
        "SELECT device_id FROM climate_device WHERE kind = ? AND room_id IS NULL ORDER BY device_id"
    )
    return [row[0] for row in facts.rows(main, (kind,))]


INLINE: Final = (InlineReaction(event=LeakLogged, react=_water),)
