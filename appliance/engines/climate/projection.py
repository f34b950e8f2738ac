"""The read model of climate: rooms, every device, who lives there, wishes, leaks, valves, alarms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, Outcome
from appliance.engines.climate.messages import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmKind,
    AlarmRaised,
    ClimateAsked,
    ClimateSettled,
    LeakLogged,
    ValveAsked,
    ValveSettled,
)
from appliance.engines.inventory.messages import DeviceAdded, RoomAdded
from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    NoShowMarked,
    RoomMoved,
    StayCancelled,
)
from appliance.kernel.engine import Connection, Projection, Recorded

if TYPE_CHECKING:
    from appliance.kernel.reader import Reader

_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS climate_room (room_id TEXT PRIMARY KEY) STRICT",
    (
        "CREATE TABLE IF NOT EXISTS climate_device (device_id TEXT PRIMARY KEY,"
        " kind TEXT NOT NULL, room_id TEXT) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS climate_device_room ON climate_device (room_id)",
    (
        "CREATE TABLE IF NOT EXISTS climate_guest (stay_id TEXT PRIMARY KEY,"
        " room_id TEXT NOT NULL) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS climate_guest_room ON climate_guest (room_id)",
    (
        "CREATE TABLE IF NOT EXISTS climate_wish (order_id TEXT PRIMARY KEY,"
        " room_id TEXT NOT NULL, device_id TEXT NOT NULL, set_point_c10 INTEGER NOT NULL,"
        " eco INTEGER NOT NULL, asked_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL,"
        " outcome TEXT, evidence TEXT, settled_at_ms INTEGER) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS climate_wish_room ON climate_wish (room_id, asked_at_ms)",
    "CREATE INDEX IF NOT EXISTS climate_wish_open ON climate_wish (asked_at_ms) WHERE outcome IS NULL",
    (
        "CREATE TABLE IF NOT EXISTS climate_leak (device_id TEXT PRIMARY KEY, room_id TEXT,"
        " wet INTEGER NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT"
    ),
    (
        "CREATE TABLE IF NOT EXISTS climate_valve_order (order_id TEXT PRIMARY KEY,"
        " device_id TEXT NOT NULL, open INTEGER NOT NULL, reason TEXT NOT NULL,"
        " asked_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, outcome TEXT,"
        " evidence TEXT, settled_at_ms INTEGER) STRICT"
    ),
    (
        "CREATE INDEX IF NOT EXISTS climate_valve_order_open ON climate_valve_order (asked_at_ms)"
        " WHERE outcome IS NULL"
    ),
    (
        "CREATE TABLE IF NOT EXISTS climate_alarm (device_id TEXT NOT NULL, alarm TEXT NOT NULL,"
        " room_id TEXT, battery_pct INTEGER, days_left INTEGER, raised_at_ms INTEGER NOT NULL,"
        " seen_by TEXT, PRIMARY KEY (device_id, alarm)) STRICT"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody asked for a room (tenths of a degree Celsius), and what became of it."""

    order_id: str
    room_id: str
    device_id: str
    set_point_c10: int
    eco: bool
    expires_at_ms: int
    outcome: Outcome | None = None
    maybe_sent: bool = False  # it was open when the box stopped


def _room(db: Connection, event: RoomAdded, _: Recorded) -> None:
    db.execute("INSERT OR REPLACE INTO climate_room VALUES (?)", (event.room_id,))


def _device(db: Connection, event: DeviceAdded, _: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO climate_device VALUES (?, ?, ?)",
        (event.device_id, event.device_kind.value, event.room_id),
    )


def _in(db: Connection, event: CheckedIn, _: Recorded) -> None:
    db.execute("INSERT OR REPLACE INTO climate_guest VALUES (?, ?)", (event.stay_id, event.room_id))


def _moved(db: Connection, event: RoomMoved, _: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO climate_guest VALUES (?, ?)", (event.stay_id, event.to_room_id)
    )


def _out(
    db: Connection, event: CheckedOut | CheckInUndone | StayCancelled | NoShowMarked, _: Recorded
) -> None:
    db.execute("DELETE FROM climate_guest WHERE stay_id = ?", (event.stay_id,))


def _asked(db: Connection, event: ClimateAsked, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO climate_wish VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (
            event.order_id,
            event.room_id,
            event.device_id,
            event.set_point_c10,
            int(event.eco),
            recorded.at_wall_ms,
            event.expires_at_ms,
        ),
    )


def _settled(db: Connection, event: ClimateSettled, recorded: Recorded) -> None:
    db.execute(
        "UPDATE climate_wish SET outcome = ?, evidence = ?, settled_at_ms = ? WHERE order_id = ?",
        (event.outcome.value, event.evidence, recorded.at_wall_ms, event.order_id),
    )


def _leak(db: Connection, event: LeakLogged, recorded: Recorded) -> None:
    # A number that comes late must not make a wet floor dry.
    db.execute(
        "INSERT INTO climate_leak VALUES (?, ?, ?, ?, ?) ON CONFLICT (device_id) DO UPDATE SET"
        " wet = excluded.wet, seq = excluded.seq, at_ms = excluded.at_ms"
        " WHERE excluded.seq > climate_leak.seq",
        (event.device_id, event.room_id, int(event.wet), event.seq, recorded.at_wall_ms),
    )


def _valve_asked(db: Connection, event: ValveAsked, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO climate_valve_order VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (
            event.order_id,
            event.device_id,
            int(event.open),
            event.reason.value,
            recorded.at_wall_ms,
            event.expires_at_ms,
        ),
    )


def _valve_settled(db: Connection, event: ValveSettled, recorded: Recorded) -> None:
    db.execute(
        "UPDATE climate_valve_order SET outcome = ?, evidence = ?, settled_at_ms = ?"
        " WHERE order_id = ?",
        (event.outcome.value, event.evidence, recorded.at_wall_ms, event.order_id),
    )


def _raised(db: Connection, event: AlarmRaised, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO climate_alarm VALUES (?, ?, ?, ?, ?, ?, NULL)",
        (
            event.device_id,
            event.alarm.value,
            event.room_id,
            event.battery_pct,
            event.days_left,
            recorded.at_wall_ms,
        ),
    )


def _seen(db: Connection, event: AlarmAcknowledged, recorded: Recorded) -> None:
    db.execute(
        "UPDATE climate_alarm SET seen_by = ? WHERE device_id = ? AND alarm = ?",
        (recorded.who.actor, event.device_id, event.alarm.value),
    )


def _cleared(db: Connection, event: AlarmCleared, _: Recorded) -> None:
    db.execute(
        "DELETE FROM climate_alarm WHERE device_id = ? AND alarm = ?",
        (event.device_id, event.alarm.value),
    )


PROJECTION: Final = Projection(
    name="climate",
    ddl=_DDL,
    tables=(
        "climate_room",
        "climate_device",
        "climate_guest",
        "climate_wish",
        "climate_leak",
        "climate_valve_order",
        "climate_alarm",
    ),
    on={
        RoomAdded: _room,
        DeviceAdded: _device,
        CheckedIn: _in,
        RoomMoved: _moved,
        CheckedOut: _out,
        CheckInUndone: _out,
        StayCancelled: _out,
        NoShowMarked: _out,
        ClimateAsked: _asked,
        ClimateSettled: _settled,
        LeakLogged: _leak,
        ValveAsked: _valve_asked,
        ValveSettled: _valve_settled,
        AlarmRaised: _raised,
        AlarmAcknowledged: _seen,
        AlarmCleared: _cleared,
    },
)

_WISH: Final = (
    "SELECT order_id, room_id, device_id, set_point_c10, eco, expires_at_ms, outcome"
    " FROM climate_wish"
)


async def open_wishes(reader: Reader) -> list[Wish]:
    """Wishes of the time before a start that have no end yet, oldest first."""
    rows = await reader.rows(f"{_WISH} WHERE outcome IS NULL ORDER BY asked_at_ms, rowid")
    return [replace(_wish(row), maybe_sent=True) for row in rows]


async def last_wish(reader: Reader, room_id: str) -> Wish | None:
    """What was last asked for a room."""
    where = " WHERE room_id = ? ORDER BY asked_at_ms DESC, rowid DESC LIMIT 1"
    row = await reader.row(_WISH + where, (room_id,))
    return None if row is None else _wish(row)


async def thermostat_of(reader: Reader, room_id: str) -> str | None:
    """The thermostat of a room."""
    row = await reader.row(
        "SELECT device_id FROM climate_device WHERE room_id = ? AND kind = ? ORDER BY device_id",
        (room_id, DeviceKind.THERMOSTAT.value),
    )
    return None if row is None else str(row[0])


async def wet_rooms(reader: Reader) -> list[tuple[str, str | None]]:
    """Sensors that are wet: (device, room)."""
    return [
        (row[0], row[1])
        for row in await reader.rows("SELECT device_id, room_id FROM climate_leak WHERE wet = 1")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValveOrder:
    """A valve's last order. `maybe_sent`: it was open when the box stopped."""

    order_id: str
    device_id: str
    open: bool
    expires_at_ms: int
    maybe_sent: bool = False


async def open_valve_orders(reader: Reader) -> list[ValveOrder]:
    """Orders of the time before a start that have no end yet, oldest first."""
    rows = await reader.rows(
        "SELECT order_id, device_id, open, expires_at_ms FROM climate_valve_order"
        " WHERE outcome IS NULL ORDER BY asked_at_ms, rowid"
    )
    return [
        ValveOrder(
            order_id=row[0],
            device_id=row[1],
            open=bool(row[2]),
            expires_at_ms=row[3],
            maybe_sent=True,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRow:
    """An alarm that is up. `seen_by` is who took it on."""

    device_id: str
    room_id: str | None
    alarm: AlarmKind
    battery_pct: int | None
    days_left: int | None
    raised_at_ms: int
    seen_by: str | None


# Two of each kind in a house of 500 devices; a longer list is no list.
ALARM_ROWS_MAX: Final = 500
_URGENCY: Final = {kind.value: number for number, kind in enumerate(AlarmKind)}


async def alarms(reader: Reader) -> list[AlarmRow]:
    """Everything that is up, what nobody has taken on first, then by urgency and age."""
    rows = await reader.rows(
        "SELECT device_id, room_id, alarm, battery_pct, days_left, raised_at_ms, seen_by"
        " FROM climate_alarm ORDER BY seen_by IS NOT NULL, raised_at_ms LIMIT ?",
        (ALARM_ROWS_MAX,),
    )
    found = [
        AlarmRow(
            device_id=row[0],
            room_id=row[1],
            alarm=AlarmKind(row[2]),
            battery_pct=row[3],
            days_left=row[4],
            raised_at_ms=row[5],
            seen_by=row[6],
        )
        for row in rows
    ]
    return sorted(found, key=lambda row: (row.seen_by is not None, _URGENCY[row.alarm.value]))


def _wish(row: tuple[object, ...]) -> Wish:
    order_id, room_id, device_id, set_point_c10, eco, expires_at_ms, outcome = row
    return Wish(
        order_id=str(order_id),
        room_id=str(room_id),
        device_id=str(device_id),
        set_point_c10=int(str(set_point_c10)),
        eco=bool(eco),
        expires_at_ms=int(str(expires_at_ms)),
        outcome=None if outcome is None else Outcome(str(outcome)),
    )
