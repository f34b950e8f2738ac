"""The tables of the concierge: requests, where stays live, rooms' numbers, sensors that are wet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from appliance.engines.climate.messages import LeakLogged
from appliance.engines.concierge.messages import (
    RequestMade,
    RequestStatus,
    RequestStatusSet,
    RequestType,
)
from appliance.engines.concierge.rules import OF_THE_ROOM, OPEN
from appliance.engines.inventory.messages import RoomAdded
from appliance.engines.stays.messages import (
    Booked,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    NoShowMarked,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
)
from appliance.kernel.engine import Apply, Connection, Projection, Recorded
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed
from appliance.kernel.vault import Vault

DDL = """
CREATE TABLE IF NOT EXISTS concierge_request (
    request_id TEXT PRIMARY KEY,
    asker TEXT NOT NULL,
    stay_id TEXT,
    room_id TEXT,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    subject TEXT NOT NULL,
    box BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS concierge_request_status ON concierge_request (status, at_ms);
CREATE INDEX IF NOT EXISTS concierge_request_stay ON concierge_request (stay_id, status);
CREATE TABLE IF NOT EXISTS concierge_stay (
    stay_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    room_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS concierge_room (
    room_id TEXT PRIMARY KEY,
    number TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS concierge_leak (
    device_id TEXT PRIMARY KEY,
    wet_position INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
TEXT_PLACE = f"{RequestMade.kind}:text"
# A list on a screen; what is older is found in the log.
ROWS_MAX = 200


def _made(db: Connection, event: RequestMade, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO concierge_request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.request_id,
            event.asker,
            event.stay_id,
            event.room_id,
            event.type.value,
            RequestStatus.PENDING.value,
            event.text.subject,
            event.text.box,
            event.at_ms,
            recorded.at_wall_ms,
            recorded.who.actor,
        ),
    )


def _status_set(db: Connection, event: RequestStatusSet, recorded: Recorded) -> None:
    db.execute(
        "UPDATE concierge_request SET status = ?, changed_at_ms = ?, changed_by = ?"
        " WHERE request_id = ?",
        (event.status.value, recorded.at_wall_ms, recorded.who.actor, event.request_id),
    )


def _stay_is(state: StayState) -> Apply:
    """The stay has this state now; a departed guest's room is where it was."""

    def apply(db: Connection, event: Any, _recorded: Recorded) -> None:
        room_id = event.room_id if state is StayState.IN_HOUSE else None
        db.execute(
            "INSERT INTO concierge_stay VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE"
            " SET state = ?2, room_id = CASE ?2 WHEN 'departed' THEN room_id ELSE ?3 END",
            (event.stay_id, state.value, room_id),
        )

    return apply


def _room_is(db: Connection, event: RoomAssigned | RoomUnassigned, _recorded: Recorded) -> None:
    room_id = event.room_id if isinstance(event, RoomAssigned) else None
    _lives_in(db, event.stay_id, room_id)


def _moved(db: Connection, event: RoomMoved, _recorded: Recorded) -> None:
    _lives_in(db, event.stay_id, event.to_room_id)


def _lives_in(db: Connection, stay_id: str, room_id: str | None) -> None:
    db.execute("UPDATE concierge_stay SET room_id = ? WHERE stay_id = ?", (room_id, stay_id))


def _room_added(db: Connection, event: RoomAdded, _recorded: Recorded) -> None:
    db.execute("INSERT INTO concierge_room VALUES (?, ?)", (event.room_id, event.number))


def _leak(db: Connection, event: LeakLogged, recorded: Recorded) -> None:
    if event.wet:
        db.execute(
            "INSERT OR IGNORE INTO concierge_leak VALUES (?, ?)",
            (event.device_id, recorded.position),
        )
    else:
        db.execute("DELETE FROM concierge_leak WHERE device_id = ?", (event.device_id,))


PROJECTION = Projection(
    name="concierge",
    ddl=DDL.strip().split(";\n"),
    tables=["concierge_request", "concierge_stay", "concierge_room", "concierge_leak"],
    on={
        RequestMade: _made,
        RequestStatusSet: _status_set,
        Booked: _stay_is(StayState.CONFIRMED),
        Reinstated: _stay_is(StayState.CONFIRMED),
        CheckedIn: _stay_is(StayState.IN_HOUSE),
        CheckInUndone: _stay_is(StayState.CONFIRMED),
        CheckedOut: _stay_is(StayState.DEPARTED),
        DepartedElsewhere: _stay_is(StayState.DEPARTED),
        StayCancelled: _stay_is(StayState.CANCELLED),
        NoShowMarked: _stay_is(StayState.NO_SHOW),
        RoomAssigned: _room_is,
        RoomUnassigned: _room_is,
        RoomMoved: _moved,
        RoomAdded: _room_added,
        LeakLogged: _leak,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """One request; the room is where the guest lives now, or where the damage is."""

    request_id: str
    stay_id: str | None
    room_id: str | None
    room_number: str | None
    type: RequestType
    status: RequestStatus
    text: str
    at_ms: int


def _in(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


_SELECT = (
    "SELECT q.request_id, q.stay_id, q.room, r.number, q.type, q.status, q.subject, q.box, q.at_ms"  # noqa: S608 - our own enums
    f" FROM (SELECT c.*, CASE WHEN c.type IN ({_in([each.value for each in OF_THE_ROOM])})"
    " THEN c.room_id ELSE coalesce(s.room_id, c.room_id) END AS room FROM concierge_request c"
    " LEFT JOIN concierge_stay s ON s.stay_id = c.stay_id) q"
    " LEFT JOIN concierge_room r ON r.room_id = q.room"
)
OPEN_STATUS = _in([each.value for each in OPEN])


async def requests(reader: Reader, vault: Vault, *, open_only: bool = True) -> list[RequestRow]:
    """Requests of the house: open ones oldest first, or all of them newest first."""
    where = f" WHERE q.status IN ({OPEN_STATUS}) ORDER BY q.at_ms" if open_only else None
    order = where or " ORDER BY q.at_ms DESC"
    rows = await reader.rows(f"{_SELECT}{order}, q.request_id LIMIT {ROWS_MAX}")
    return [_row(vault, row) for row in rows]


async def of_stay(reader: Reader, vault: Vault, stay_id: str) -> list[RequestRow]:
    """What one stay asked for, newest first."""
    rows = await reader.rows(
        f"{_SELECT} WHERE q.stay_id = ? ORDER BY q.at_ms DESC, q.request_id LIMIT {ROWS_MAX}",
        (stay_id,),
    )
    return [_row(vault, row) for row in rows]


def _row(vault: Vault, row: tuple[Any, ...]) -> RequestRow:
    sealed = Sealed(subject=row[6], box=bytes(row[7]))
    return RequestRow(
        request_id=row[0],
        stay_id=row[1],
        room_id=row[2],
        room_number=row[3],
        type=RequestType(row[4]),
        status=RequestStatus(row[5]),
        # A forgotten guest's words are gone; that something was asked for is not.
        text=vault.open(sealed, TEXT_PLACE.encode()) or "",
        at_ms=row[8],
    )
