"""How every room is, who is in it, and the cleaning list of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from appliance.engines.housekeeping.messages import CleaningPlanned, RoomStatus, RoomStatusSet
from appliance.engines.inventory.messages import PropertySetUp, RoomAdded
from appliance.engines.stays.messages import (
    BusinessDateRolled,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
)
from appliance.kernel.engine import Connection, Projection, Recorded
from appliance.kernel.reader import Reader

DDL = """
CREATE TABLE IF NOT EXISTS housekeeping_room (
    room_id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    floor INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    occupied_by TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS housekeeping_cleaning (
    room_id TEXT NOT NULL,
    stay_id TEXT NOT NULL,
    day TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (room_id, stay_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS housekeeping_cleaning_day ON housekeeping_cleaning (day);
CREATE INDEX IF NOT EXISTS housekeeping_cleaning_stay ON housekeeping_cleaning (stay_id);
CREATE TABLE IF NOT EXISTS housekeeping_arrival (
    stay_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    day TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS housekeeping_arrival_day ON housekeeping_arrival (day);
CREATE TABLE IF NOT EXISTS housekeeping_business_date (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    business_date TEXT NOT NULL
) STRICT
"""


def _room_added(db: Connection, event: RoomAdded, recorded: Recorded) -> None:
    # A room is taken over as it stands; a person says otherwise where it is otherwise.
    db.execute(
        "INSERT INTO housekeeping_room VALUES (?, ?, ?, ?, '', ?, NULL)",
        (
            event.room_id,
            event.number,
            event.floor,
            RoomStatus.CLEAN.value,
            recorded.at_wall_ms,
        ),
    )


def _status_set(db: Connection, event: RoomStatusSet, recorded: Recorded) -> None:
    db.execute(
        "UPDATE housekeeping_room SET status = ?, reason = ?, since_ms = ? WHERE room_id = ?",
        (event.status.value, event.reason, recorded.at_wall_ms, event.room_id),
    )


def _cleaning_planned(db: Connection, event: CleaningPlanned, _recorded: Recorded) -> None:
    if event.on is None:
        db.execute(
            "DELETE FROM housekeeping_cleaning WHERE room_id = ? AND stay_id = ?",
            (event.room_id, event.stay_id),
        )
        return
    db.execute(
        "INSERT OR REPLACE INTO housekeeping_cleaning VALUES (?, ?, ?, ?)",
        (event.room_id, event.stay_id, event.on.isoformat(), event.why),
    )


def _assigned(db: Connection, event: RoomAssigned, _recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO housekeeping_arrival VALUES (?, ?, ?)",
        (event.stay_id, event.room_id, event.arrival.isoformat()),
    )


def _checked_in(db: Connection, event: CheckedIn, _recorded: Recorded) -> None:
    _not_awaited(db, event.stay_id)
    _occupy(db, event.room_id, event.stay_id)


def _moved(db: Connection, event: RoomMoved, _recorded: Recorded) -> None:
    _empty(db, event.stay_id)
    _occupy(db, event.to_room_id, event.stay_id)


def _checked_out(db: Connection, event: CheckedOut, _recorded: Recorded) -> None:
    _empty(db, event.stay_id)


def _undone(db: Connection, event: CheckInUndone, _recorded: Recorded) -> None:
    _empty(db, event.stay_id)


def _given_back(
    db: Connection,
    event: RoomUnassigned | StayCancelled | NoShowMarked | DepartedElsewhere,
    _recorded: Recorded,
) -> None:
    _not_awaited(db, event.stay_id)


def _occupy(db: Connection, room_id: str, stay_id: str) -> None:
    db.execute("UPDATE housekeeping_room SET occupied_by = ? WHERE room_id = ?", (stay_id, room_id))


def _empty(db: Connection, stay_id: str) -> None:
    db.execute("UPDATE housekeeping_room SET occupied_by = NULL WHERE occupied_by = ?", (stay_id,))


def _set_up(db: Connection, event: PropertySetUp, recorded: Recorded) -> None:
    """The first day is the day on the hotel's own wall, as stays counts it."""
    moment = datetime.fromtimestamp(recorded.at_wall_ms / 1000, UTC)
    today = moment.astimezone(ZoneInfo(event.time_zone)).date()
    db.execute("INSERT INTO housekeeping_business_date VALUES (1, ?)", (today.isoformat(),))


def _rolled(db: Connection, event: BusinessDateRolled, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE housekeeping_business_date SET business_date = ?", (event.opened.isoformat(),)
    )


def _not_awaited(db: Connection, stay_id: str) -> None:
    db.execute("DELETE FROM housekeeping_arrival WHERE stay_id = ?", (stay_id,))


PROJECTION = Projection(
    name="housekeeping",
    ddl=DDL.strip().split(";\n"),
    tables=[
        "housekeeping_room",
        "housekeeping_cleaning",
        "housekeeping_arrival",
        "housekeeping_business_date",
    ],
    on={
        PropertySetUp: _set_up,
        BusinessDateRolled: _rolled,
        RoomAdded: _room_added,
        RoomStatusSet: _status_set,
        CleaningPlanned: _cleaning_planned,
        RoomAssigned: _assigned,
        RoomUnassigned: _given_back,
        CheckedIn: _checked_in,
        RoomMoved: _moved,
        CheckedOut: _checked_out,
        CheckInUndone: _undone,
        DepartedElsewhere: _given_back,
        StayCancelled: _given_back,
        NoShowMarked: _given_back,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLine:
    """One room on the board; `since_ms` is when its status was set, UTC."""

    room_id: str
    number: str
    floor: int
    status: RoomStatus
    reason: str
    since_ms: int
    occupied_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningLine:
    """One room to be cleaned on a day. `urgent` where a guest is to arrive in it that day."""

    room_id: str
    number: str
    floor: int
    status: RoomStatus
    why: str  # "departure", "arrival", "moved", "stayover", "dirty"
    stay_id: str | None
    occupied: bool
    urgent: bool


async def rooms(reader: Reader) -> list[RoomLine]:
    """Every room, as people count."""
    rows = await reader.rows(
        "SELECT room_id, number, floor, status, reason, since_ms, occupied_by"
        " FROM housekeeping_room ORDER BY length(number), number"
    )
    return [
        RoomLine(
            room_id=room_id,
            number=number,
            floor=floor,
            status=RoomStatus(status),
            reason=reason,
            since_ms=since_ms,
            occupied_by=occupied_by,
        )
        for room_id, number, floor, status, reason, since_ms, occupied_by in rows
    ]


async def cleaning_list(reader: Reader, on: date) -> list[CleaningLine]:
    """What is to be cleaned on a day: departures first known, then all that is dirty, then who stays.

    Rooms somebody arrives in that day come first. Rooms that are clean again after a departure
    and rooms out of order are not on it.
    """
    rows = await reader.rows(
        "SELECT r.room_id, r.number, r.floor, r.status,"
        " CASE WHEN c.why IS NOT NULL THEN c.why WHEN r.status = 'dirty' THEN 'dirty'"
        "  ELSE 'stayover' END,"
        " coalesce(c.stay_id, r.occupied_by), r.occupied_by IS NOT NULL,"
        " EXISTS (SELECT 1 FROM housekeeping_arrival a WHERE a.room_id = r.room_id AND a.day = ?1)"
        " FROM housekeeping_room r LEFT JOIN housekeeping_cleaning c"
        "  ON c.room_id = r.room_id AND c.day = ?1"
        " WHERE r.status <> 'out_of_order' AND (r.status = 'dirty' OR r.occupied_by IS NOT NULL)"
        " ORDER BY 8 DESC, r.occupied_by IS NOT NULL, length(r.number), r.number, 6",
        (on.isoformat(),),
    )
    return [
        CleaningLine(
            room_id=room_id,
            number=number,
            floor=floor,
            status=RoomStatus(status),
            why=why,
            stay_id=stay_id,
            occupied=bool(occupied),
            urgent=bool(urgent),
        )
        for room_id, number, floor, status, why, stay_id, occupied, urgent in rows
    ]
