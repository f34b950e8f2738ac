"""What the other side calls things: rooms, types and stays here, ids and versions there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import msgspec

from sync.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A stay of the box as far as a vendor's words need it."""

    stay_id: str
    source: str | None
    upstream_id: str | None
    arrival: date
    departure: date
    room_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a vendor last said of a booking; moments are seconds since 1970, UTC."""

    state: str
    start_s: int
    end_s: int
    room_upstream_id: str | None
    customer_id: str | None
    no_show_by_us: bool = False
    extra: dict[str, str] = field(default_factory=dict)  # a vendor's own; never about a person

    def same_stay(self, other: Known) -> bool:
        """Whether both are in the same state, for the same time, in the same room."""
        ours = (self.state, self.start_s, self.end_s, self.room_upstream_id)
        return ours == (other.state, other.start_s, other.end_s, other.room_upstream_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking of a vendor: its version, how often that version came with other content."""

    source: str
    upstream_id: str
    version: str
    repeats: int
    hash: bytes
    known: Known

    @property
    def full_version(self) -> str:
        """A version that grows also when a vendor changes twice within its own resolution."""
        return self.version if not self.repeats else f"{self.version}.{self.repeats:03d}"


class Newness(StrEnum):
    """What a fetched row is to what we have (cloud.md 1.5)."""

    NEWER = "newer"
    SAME = "same"
    OTHER_CONTENT = "other_content"  # equal version, other hash: applied, and logged
    OLDER = "older"


class Mirror:
    """Tables of sync.db that translate between the box and a vendor."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._db = ledger.db

    # -- rooms and types -------------------------------------------------------------------------

    def put_room(self, room_id: str, number: str, upstream_id: str | None) -> None:
        """A room exists here."""
        self._db.execute(
            "INSERT OR REPLACE INTO room VALUES (?, ?, ?)", (room_id, number, upstream_id)
        )

    def put_room_type(self, room_type_id: str, title: str, upstream_id: str | None) -> None:
        """A room type exists here."""
        self._db.execute(
            "INSERT OR REPLACE INTO room_type VALUES (?, ?, ?)", (room_type_id, title, upstream_id)
        )

    def room_by(self, upstream_id: str, name: str | None) -> str | None:
        """Our room for a vendor's: by the installer's word, else by the number on the door."""
        return self._one(
            "SELECT room_id FROM room WHERE upstream_id = ?1"
            " OR (upstream_id IS NULL AND number = ?2) ORDER BY upstream_id IS NULL LIMIT 1",
            upstream_id,
            name,
        )

    def room_numbered(self, number: str) -> str | None:
        """Our room by the number on its door."""
        return self._one("SELECT room_id FROM room WHERE number = ?", number)

    def number_of(self, room_id: str) -> str | None:
        """The number on the door of one of our rooms."""
        return self._one("SELECT number FROM room WHERE room_id = ?", room_id)

    def type_by(self, upstream_id: str, *names: str | None) -> str | None:
        """Our room type for a vendor's: by the installer's word, else by id or title."""
        found = self._one("SELECT room_type_id FROM room_type WHERE upstream_id = ?", upstream_id)
        for name in names:
            found = found or self._one(
                "SELECT room_type_id FROM room_type WHERE upstream_id IS NULL"
                " AND (title = ?1 COLLATE NOCASE OR room_type_id = ?1 COLLATE NOCASE) LIMIT 1",
                name,
            )
        return found

    def room_named(self, name: str) -> str | None:
        """Our room by what an installer calls it: its id, or the number on the door."""
        return self._one(
            "SELECT room_id FROM room WHERE room_id = ?1 OR number = ?1"
            " ORDER BY room_id <> ?1 LIMIT 1",
            name,
        )

    def type_named(self, name: str) -> str | None:
        """Our room type by what an installer calls it: its id, or its title."""
        return self._one(
            "SELECT room_type_id FROM room_type WHERE room_type_id = ?1"
            " OR title = ?1 COLLATE NOCASE ORDER BY room_type_id <> ?1 LIMIT 1",
            name,
        )

    def room(self, room_id: str) -> tuple[str, str | None] | None:
        """A room's number and the installer's upstream id."""
        row = self._db.execute(
            "SELECT number, upstream_id FROM room WHERE room_id = ?", (room_id,)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def room_type(self, room_type_id: str) -> tuple[str, str | None] | None:
        """A type's title and the installer's upstream id."""
        row = self._db.execute(
            "SELECT title, upstream_id FROM room_type WHERE room_type_id = ?", (room_type_id,)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    # -- stays -----------------------------------------------------------------------------------

    def put_stay(self, stay: Stay) -> None:
        """A stay exists here; what links it to a vendor is never forgotten by a later fact."""
        self._db.execute(
            "INSERT INTO stay VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (stay_id) DO UPDATE SET"
            " source = coalesce(excluded.source, source),"
            " upstream_id = coalesce(excluded.upstream_id, upstream_id),"
            " arrival = excluded.arrival, departure = excluded.departure,"
            " room_id = excluded.room_id",
            (
                stay.stay_id,
                stay.source,
                stay.upstream_id,
                stay.arrival.isoformat(),
                stay.departure.isoformat(),
                stay.room_id,
            ),
        )

    def link(self, stay_id: str, source: str, upstream_id: str) -> None:
        """From now on a vendor knows this stay by this id."""
        self._db.execute(
            "UPDATE stay SET source = ?, upstream_id = ? WHERE stay_id = ?",
            (source, upstream_id, stay_id),
        )

    def set_dates(self, stay_id: str, arrival: date | None, departure: date) -> None:
        """A stay's dates as the box has them now."""
        self._db.execute(
            "UPDATE stay SET arrival = coalesce(?, arrival), departure = ? WHERE stay_id = ?",
            (None if arrival is None else arrival.isoformat(), departure.isoformat(), stay_id),
        )

    def set_room(self, stay_id: str, room_id: str | None) -> None:
        """A stay's room as the box has it now."""
        self._db.execute("UPDATE stay SET room_id = ? WHERE stay_id = ?", (room_id, stay_id))

    def stay(self, stay_id: str) -> Stay | None:
        """One stay."""
        return self._stay("stay_id = ?", stay_id)

    def stay_of(self, source: str, upstream_id: str) -> Stay | None:
        """The stay that a vendor knows by this id."""
        return self._stay("source = ? AND upstream_id = ?", source, upstream_id)

    def _stay(self, where: str, *values: str) -> Stay | None:
        row = self._db.execute(
            "SELECT stay_id, source, upstream_id, arrival, departure, room_id FROM stay WHERE "  # noqa: S608 - our own conditions
            + where,
            values,
        ).fetchone()
        if row is None:
            return None
        return Stay(
            stay_id=row[0],
            source=row[1],
            upstream_id=row[2],
            arrival=date.fromisoformat(row[3]),
            departure=date.fromisoformat(row[4]),
            room_id=row[5],
        )

    # -- bookings of a vendor --------------------------------------------------------------------

    def booking(self, source: str, upstream_id: str) -> Booking | None:
        """What a vendor last said of a booking."""
        row = self._db.execute(
            "SELECT version, repeats, hash, known FROM booking"
            " WHERE source = ? AND upstream_id = ?",
            (source, upstream_id),
        ).fetchone()
        if row is None:
            return None
        return Booking(
            source=source,
            upstream_id=upstream_id,
            version=row[0],
            repeats=row[1],
            hash=row[2],
            known=msgspec.json.decode(row[3], type=Known),
        )

    def put_booking(self, booking: Booking) -> None:
        """A vendor says this of a booking now."""
        self._db.execute(
            "INSERT OR REPLACE INTO booking VALUES (?, ?, ?, ?, ?, ?)",
            (
                booking.source,
                booking.upstream_id,
                booking.version,
                booking.repeats,
                booking.hash,
                msgspec.json.encode(booking.known),
            ),
        )

    def put_known(self, source: str, upstream_id: str, known: Known) -> None:
        """What our own write made of a booking; its version comes back with the next pull."""
        self._db.execute(
            "INSERT INTO booking VALUES (?, ?, '', 0, x'', ?)"
            " ON CONFLICT (source, upstream_id) DO UPDATE SET known = excluded.known",
            (source, upstream_id, msgspec.json.encode(known)),
        )

    def forget_versions(self, source: str) -> None:
        """Learn every booking anew: the box may have forgotten what we told it."""
        self._db.execute("UPDATE booking SET version = '', hash = x'' WHERE source = ?", (source,))

    def newness(self, source: str, upstream_id: str, version: str, digest: bytes) -> Newness:
        """What a fetched row is to what we have."""
        have = self.booking(source, upstream_id)
        if have is None or version > have.version:
            return Newness.NEWER
        if version < have.version:
            return Newness.OLDER
        return Newness.SAME if digest == have.hash else Newness.OTHER_CONTENT

    # -- bookings to be fetched again ------------------------------------------------------------

    def hold(self, source: str, upstream_id: str, why: str, *, person: bool, now_ms: int) -> None:
        """Fetch it again later: soon, or when a person has done something about it."""
        self._db.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?) ON CONFLICT (source, upstream_id)"
            " DO UPDATE SET why = excluded.why, needs_person = excluded.needs_person",
            (source, upstream_id, now_ms, why, int(person)),
        )

    def hold_hinted(self, source: str, upstream_id: str, why: str, *, now_ms: int) -> None:
        """Fetch it with the next look; what it was held for already stays the reason."""
        self._db.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, 0) ON CONFLICT (source, upstream_id)"
            " DO UPDATE SET needs_person = 0",
            (source, upstream_id, now_ms, why),
        )

    def let_go(self, source: str, upstream_id: str) -> None:
        """It need not be fetched again."""
        self._db.execute(
            "DELETE FROM held WHERE source = ? AND upstream_id = ?", (source, upstream_id)
        )

    def held_since_ms(self, source: str, upstream_id: str) -> int | None:
        """Since when it is held; None: it is not."""
        row = self._db.execute(
            "SELECT since_ms FROM held WHERE source = ? AND upstream_id = ?", (source, upstream_id)
        ).fetchone()
        return None if row is None else int(row[0])

    def held(self, source: str, *, person: bool) -> list[tuple[str, str, int]]:
        """Ids, reasons and since when (ms)."""
        return [
            (row[0], row[1], row[2])
            for row in self._db.execute(
                "SELECT upstream_id, why, since_ms FROM held"
                " WHERE source = ? AND needs_person = ? ORDER BY since_ms, upstream_id",
                (source, int(person)),
            )
        ]

    def held_for_people(self) -> list[tuple[str, str, str, int]]:
        """Source, id, reason and since when (ms) of what waits for a person, at every vendor."""
        return [
            (row[0], row[1], row[2], row[3])
            for row in self._db.execute(
                "SELECT source, upstream_id, why, since_ms FROM held WHERE needs_person = 1"
                " ORDER BY since_ms, source, upstream_id"
            )
        ]

    def _one(self, statement: str, *values: str | None) -> str | None:
        row = self._db.execute(statement, values).fetchone()
        return None if row is None else str(row[0])
