"""One row for each held night and each claimed room-night, and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from appliance.engines.calendar.allotting import AS_WRITTEN, KEY, default_of
from appliance.engines.calendar.messages import (
    AllotmentSet,
    HoldConfirmed,
    HolderReleased,
    NightsClosed,
    NightsHeld,
    NightsOpened,
    ResourceClaimed,
    ResourceReleased,
    RoomAgain,
)
from appliance.engines.housekeeping.messages import RoomStatus, RoomStatusSet
from appliance.engines.inventory.messages import RoomAdded, RoomTypeAdded
from appliance.engines.stays.messages import BusinessDateRolled
from appliance.kernel.engine import Connection, Projection, Recorded
from appliance.kernel.reader import Reader
from appliance.kernel.values import nights

# The primary key of calendar_claim is the promise itself: two holders of one room-night cannot be
# written, whatever a rule says.
DDL = """
CREATE TABLE IF NOT EXISTS calendar_room_type (
    room_type_id TEXT PRIMARY KEY,
    offline_allotment INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calendar_allotment (
    room_type_id TEXT NOT NULL,
    night TEXT NOT NULL,
    rooms INTEGER NOT NULL,
    PRIMARY KEY (room_type_id, night)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calendar_room (
    room_id TEXT PRIMARY KEY,
    room_type_id TEXT NOT NULL,
    out_of_order INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calendar_hold (
    holder_id TEXT NOT NULL,
    night TEXT NOT NULL,
    room_type_id TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    at_risk INTEGER NOT NULL,
    PRIMARY KEY (holder_id, night)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calendar_hold_type ON calendar_hold (room_type_id, night, confirmed);
CREATE TABLE IF NOT EXISTS calendar_beyond (
    holder_id TEXT NOT NULL,
    night TEXT NOT NULL,
    room_type_id TEXT NOT NULL,
    PRIMARY KEY (holder_id, night)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calendar_beyond_type ON calendar_beyond (room_type_id, night);
CREATE TABLE IF NOT EXISTS calendar_claim (
    resource TEXT NOT NULL,
    night TEXT NOT NULL,
    holder_id TEXT NOT NULL,
    PRIMARY KEY (resource, night)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calendar_claim_holder ON calendar_claim (holder_id, night)
"""


def _room_type_added(db: Connection, event: RoomTypeAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO calendar_room_type VALUES (?, ?)",
        (event.room_type_id, event.offline_allotment),
    )


def _allotment_set(db: Connection, event: AllotmentSet, _recorded: Recorded) -> None:
    db.execute(
        "DELETE FROM calendar_allotment WHERE room_type_id = ? AND night >= ? AND night < ?",
        (event.room_type_id, event.start.isoformat(), event.end.isoformat()),
    )
    if event.rooms is None:
        return
    for night in nights(event.start, event.end):
        db.execute(
            "INSERT INTO calendar_allotment SELECT room_type_id, ?, ? FROM calendar_room_type"
            " WHERE room_type_id = ?",
            (night.isoformat(), event.rooms, event.room_type_id),
        )


def _room_added(db: Connection, event: RoomAdded, _recorded: Recorded) -> None:
    db.execute("INSERT INTO calendar_room VALUES (?, ?, 0)", (event.room_id, event.room_type_id))


def _room_status_set(db: Connection, event: RoomStatusSet, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE calendar_room SET out_of_order = ? WHERE room_id = ?",
        (event.status is RoomStatus.OUT_OF_ORDER, event.room_id),
    )


def _nights_held(db: Connection, event: NightsHeld, _recorded: Recorded) -> None:
    if not event.adding:
        db.execute("DELETE FROM calendar_hold WHERE holder_id = ?", (event.holder_id,))
    for night in nights(event.start, event.end):
        db.execute(
            "INSERT OR REPLACE INTO calendar_hold VALUES (?, ?, ?, ?, ?)",
            (
                event.holder_id,
                night.isoformat(),
                event.room_type_id,
                event.confirmed,
                event.at_risk,
            ),
        )
    _note_beyond(db, event)


def _nights_closed(db: Connection, event: NightsClosed, _recorded: Recorded) -> None:
    for table in ("calendar_hold", "calendar_claim"):
        db.execute(
            f"DELETE FROM {table} WHERE holder_id = ? AND night >= ?",  # noqa: S608 - two names
            (event.closure_id, event.since.isoformat()),
        )
    for stretch in event.stretches:
        for night in nights(stretch.start, stretch.end):
            db.execute(
                "INSERT INTO calendar_hold VALUES (?, ?, ?, 1, 0)",
                (event.closure_id, night.isoformat(), event.room_type_id),
            )
            if event.room_id is not None:
                db.execute(
                    "INSERT INTO calendar_claim VALUES (?, ?, ?)",
                    (f"room:{event.room_id}", night.isoformat(), event.closure_id),
                )


def _nights_opened(db: Connection, event: NightsOpened, _recorded: Recorded) -> None:
    for table in ("calendar_hold", "calendar_claim"):
        db.execute(
            f"DELETE FROM {table} WHERE holder_id = ? AND night >= ? AND night < ?",  # noqa: S608 - two names
            (event.closure_id, event.start.isoformat(), event.end.isoformat()),
        )


def _note_beyond(db: Connection, event: NightsHeld) -> None:
    """A night that stays held for the same type is as much beyond the rooms as it was."""
    stretch = (event.holder_id, event.start.isoformat(), event.end.isoformat())
    inside = "night >= ?2 AND night < ?3"
    other_type = f"{inside} AND room_type_id <> ?4"
    gone = other_type if event.adding else f"NOT ({inside}) OR {other_type}"
    db.execute(
        f"DELETE FROM calendar_beyond WHERE holder_id = ?1 AND ({gone})",  # noqa: S608 - from here
        (*stretch, event.room_type_id),
    )
    for night in event.overbooked:
        db.execute(
            "INSERT OR REPLACE INTO calendar_beyond VALUES (?, ?, ?)",
            (event.holder_id, night.isoformat(), event.room_type_id),
        )


def _room_again(db: Connection, event: RoomAgain, _recorded: Recorded) -> None:
    db.execute("DELETE FROM calendar_beyond WHERE holder_id = ?", (event.holder_id,))


def _rolled(db: Connection, event: BusinessDateRolled, _recorded: Recorded) -> None:
    # Nothing can be done about a night that is over.
    for table in ("calendar_beyond", "calendar_allotment"):
        db.execute(
            f"DELETE FROM {table} WHERE night < ?",  # noqa: S608 - two names
            (event.opened.isoformat(),),
        )


def _resource_claimed(db: Connection, event: ResourceClaimed, _recorded: Recorded) -> None:
    for night in nights(event.start, event.end):
        # A night the holder has already stays; another holder's raises, and nothing is written.
        db.execute(
            "INSERT INTO calendar_claim VALUES (?1, ?2, ?3) ON CONFLICT (resource, night)"
            " DO UPDATE SET holder_id = iif(holder_id = ?3, ?3, NULL)",
            (event.resource, night.isoformat(), event.holder_id),
        )


def _resource_released(db: Connection, event: ResourceReleased, _recorded: Recorded) -> None:
    db.execute(
        "DELETE FROM calendar_claim WHERE resource = ? AND holder_id = ? AND night >= ?",
        (event.resource, event.holder_id, event.start.isoformat()),
    )


def _holder_released(db: Connection, event: HolderReleased, _recorded: Recorded) -> None:
    start = "" if event.start is None else event.start.isoformat()
    for table in ("calendar_hold", "calendar_beyond", "calendar_claim"):
        db.execute(
            f"DELETE FROM {table} WHERE holder_id = ? AND night >= ?",  # noqa: S608 - three names
            (event.holder_id, start),
        )


def _hold_confirmed(db: Connection, event: HoldConfirmed, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE calendar_hold SET confirmed = 1, at_risk = 0 WHERE holder_id = ?",
        (event.holder_id,),
    )


PROJECTION = Projection(
    name="calendar",
    ddl=DDL.strip().split(";\n"),
    tables=[
        "calendar_room_type",
        "calendar_allotment",
        "calendar_room",
        "calendar_hold",
        "calendar_beyond",
        "calendar_claim",
    ],
    on={
        RoomTypeAdded: _room_type_added,
        AllotmentSet: _allotment_set,
        RoomAdded: _room_added,
        RoomStatusSet: _room_status_set,
        NightsHeld: _nights_held,
        NightsClosed: _nights_closed,
        NightsOpened: _nights_opened,
        ResourceClaimed: _resource_claimed,
        ResourceReleased: _resource_released,
        HolderReleased: _holder_released,
        HoldConfirmed: _hold_confirmed,
        RoomAgain: _room_again,
        BusinessDateRolled: _rolled,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """One room type in one night. `sellable` is what the box may sell by itself."""

    room_type_id: str
    night: date
    capacity: int
    held: int
    unconfirmed: int
    allotment: int

    @property
    def free(self) -> int:
        """Rooms nobody holds; below zero where the PMS overbooked."""
        return self.capacity - self.held

    @property
    def sellable(self) -> int:
        """What a clerk may sell without a manager's word."""
        return max(0, min(self.free, self.allotment - self.unconfirmed))


async def availability(reader: Reader, start: date, end: date) -> list[Availability]:
    """Every room type in every night of [start, end), by type and night."""
    types = await reader.rows(
        "SELECT t.room_type_id, t.offline_allotment,"
        " (SELECT count(*) FROM calendar_room r"
        "  WHERE r.room_type_id = t.room_type_id AND r.out_of_order = 0)"
        " FROM calendar_room_type t ORDER BY 1"
    )
    row = await reader.row("SELECT value FROM setting WHERE scope = 'property' AND key = ?", (KEY,))
    ruled = AS_WRITTEN if row is None else int(row[0])
    own = {
        (room_type, night): rooms
        for room_type, night, rooms in await reader.rows(
            "SELECT room_type_id, night, rooms FROM calendar_allotment"
            " WHERE night >= ? AND night < ?",
            (start.isoformat(), end.isoformat()),
        )
    }
    days = [start + timedelta(days=number) for number in range(max(0, (end - start).days))]
    found = []
    for room_type, allotment, capacity in types:
        # A question for each type: two years of many types are more rows than one answer holds.
        counts = {
            night: (held, unconfirmed)
            for night, held, unconfirmed in await reader.rows(
                "SELECT night, count(*), sum(1 - confirmed) FROM calendar_hold"
                " WHERE room_type_id = ? AND night >= ? AND night < ? GROUP BY night",
                (room_type, start.isoformat(), end.isoformat()),
            )
        }
        for day in days:
            held, unconfirmed = counts.get(day.isoformat(), (0, 0))
            found.append(
                Availability(
                    room_type_id=room_type,
                    night=day,
                    capacity=capacity,
                    held=held,
                    unconfirmed=unconfirmed,
                    allotment=own.get((room_type, day.isoformat()), default_of(ruled, allotment)),
                )
            )
    return found


async def free_rooms(reader: Reader, start: date, end: date) -> list[str]:
    """Ids of rooms that nobody claims in any night of [start, end) and that are in order."""
    rows = await reader.rows(
        "SELECT room_id FROM calendar_room r WHERE out_of_order = 0 AND NOT EXISTS"
        " (SELECT 1 FROM calendar_claim c WHERE c.resource = 'room:' || r.room_id"
        "  AND c.night >= ? AND c.night < ?) ORDER BY room_id",
        (start.isoformat(), end.isoformat()),
    )
    return [room_id for (room_id,) in rows]
