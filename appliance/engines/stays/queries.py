"""Questions to the tables of stays. Names come sealed: who may read them opens them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import msgspec

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.pricing.messages import quote as at_rate
from appliance.engines.stays.messages import (
    ConflictItem,
    Fee,
    ItemField,
    Night,
    StayState,
)
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed

# 500: what a person works through in a day; the next ones follow as these are settled.
CONFLICTS_MAX = 500
# 2,000: every room of a very large house arriving on the days that are overdue, and today.
ARRIVALS_MAX = 2_000
# 100 stays a question: a group's booking names dozens of guests, SQLite takes 32,766 parameters.
GUESTS_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedText:
    """A sealed text and the place it was sealed in: `vault.open(text.sealed, text.place)`."""

    sealed: Sealed
    place: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StayLine:
    """One stay as lists show it. Money in minor units of `currency`."""

    stay_id: str
    state: StayState
    source: str | None
    upstream_id: str | None
    code: str
    upstream_code: str | None
    room_type_id: str
    room_id: str | None
    room_number: str | None
    room_status: RoomStatus | None
    room_occupied_by: str | None
    arrival: date
    departure: date
    adults: int
    children: int
    channel: str
    at_risk: bool
    nights_total_minor: int
    fees_total_minor: int
    currency: str
    conflicts_open: int
    booked_at_ms: int
    arrived_on: date | None
    left_on: date | None
    eta: str  # "HH:MM" on the property's wall; "" where nobody said

    @property
    def room_ready(self) -> bool | None:
        """Whether the guest may go in now; None without a room."""
        if self.room_status is None:
            return None
        empty = self.room_occupied_by in {None, self.stay_id}
        return empty and self.room_status in {RoomStatus.CLEAN, RoomStatus.INSPECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteLine:
    """A note, by whom and when (UTC ms)."""

    text: SealedText
    at_ms: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictLine:
    """Both versions of what two masters disagree on."""

    conflict_id: str
    stay_id: str
    what: str
    box_says: str
    upstream_says: str
    upstream_version: str | None
    raised_at_ms: int
    settled_at_ms: int | None
    settled_by: str | None
    took_upstream: bool | None
    items: tuple[ConflictItem, ...] = ()
    accepted: tuple[ItemField, ...] = ()
    decide_by_ms: int | None = None
    overdue_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardLine:
    """One room of the board: who is in it, who is due in it on the business date."""

    room_id: str
    number: str
    floor: int
    room_type_id: str
    status: RoomStatus
    occupied_by: str | None
    due_in: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The totals of one closed business date."""

    closed: date
    opened: date
    in_house: int
    room_revenue_minor: int
    no_shows: int
    arrivals_left: int
    departures_left: int


_COLUMNS = (
    "s.stay_id, s.state, s.source, s.upstream_id, s.code, s.upstream_code, s.room_type_id,"
    " s.room_id, r.number, r.status, r.occupied_by, s.arrival, s.departure, s.adults, s.children,"
    " s.channel, s.at_risk, s.nights_total_minor, s.fees_total_minor, s.currency,"
    " s.conflicts_open, s.booked_at_ms, s.arrived_on, s.left_on, s.eta"
)
_FROM = "FROM stays_stay s LEFT JOIN stays_room r USING (room_id)"
_BY_ROOM = "ORDER BY r.number IS NULL, length(r.number), r.number, s.stay_id"
_NAMES = tuple(each.name for each in fields(StayLine))


def _line(row: tuple[Any, ...]) -> StayLine:
    found = dict(zip(_NAMES, row, strict=True))
    for name in ("arrival", "departure", "arrived_on", "left_on"):
        found[name] = None if found[name] is None else date.fromisoformat(found[name])
    found["state"] = StayState(found["state"])
    status = found["room_status"]
    found["room_status"] = None if status is None else RoomStatus(status)
    found["at_risk"] = bool(found["at_risk"])
    return StayLine(**found)


async def _lines(reader: Reader, where: str, parameters: Sequence[Any] = ()) -> list[StayLine]:
    rows = await reader.rows(f"SELECT {_COLUMNS} {_FROM} {where}", parameters)
    return [_line(row) for row in rows]


async def business_date(reader: Reader) -> date | None:
    """The hotel's date; None before the property is set up."""
    row = await reader.row("SELECT business_date FROM stays_business_date")
    return None if row is None else date.fromisoformat(row[0])


async def arrivals(reader: Reader, on: date) -> list[StayLine]:
    """Who is still expected by that date (also of days before: arrivals survive midnight).

    The first `ARRIVALS_MAX` of them by date.
    """
    return await _lines(
        reader,
        "WHERE s.state = 'confirmed' AND s.arrival <= ? ORDER BY s.arrival, s.stay_id LIMIT ?",
        (on.isoformat(), ARRIVALS_MAX),
    )


async def arrived(reader: Reader, on: date) -> list[StayLine]:
    """Who checked in on that business date."""
    return await _lines(reader, f"WHERE s.arrived_on = ? {_BY_ROOM}", (on.isoformat(),))


async def departures(reader: Reader, on: date) -> list[StayLine]:
    """Who is in house and due to leave by that date."""
    return await _lines(
        reader,
        f"WHERE s.state = 'in_house' AND s.departure <= ? {_BY_ROOM}",
        (on.isoformat(),),
    )


async def in_house(reader: Reader) -> list[StayLine]:
    """Who sleeps here, by room."""
    return await _lines(reader, f"WHERE s.state = 'in_house' {_BY_ROOM}")


async def stays_by_id(reader: Reader, stay_ids: Sequence[str]) -> list[StayLine]:
    """The stays named, in the order asked for; unknown ids are left out."""
    if not stay_ids:
        return []
    marks = ", ".join("?" * len(stay_ids))
    found = await _lines(reader, f"WHERE s.stay_id IN ({marks})", stay_ids)
    by_id = {line.stay_id: line for line in found}
    return [by_id[stay_id] for stay_id in stay_ids if stay_id in by_id]


async def stay(reader: Reader, stay_id: str) -> StayLine | None:
    """One stay."""
    found = await stays_by_id(reader, [stay_id])
    return found[0] if found else None


async def by_code(reader: Reader, code: str) -> list[StayLine]:
    """Every stay with this confirmation code (already normalised by `values.read_code`)."""
    return await _lines(
        reader,
        "WHERE s.code = ?1 OR s.upstream_code = ?1 ORDER BY s.arrival DESC, s.stay_id",
        (code,),
    )


async def in_room(reader: Reader, number: str) -> StayLine | None:
    """Who is in house in a room, by the number on its door."""
    found = await _lines(reader, "WHERE s.state = 'in_house' AND r.number = ?", (number,))
    return found[0] if found else None


async def guests(reader: Reader, stay_ids: Sequence[str]) -> dict[str, list[SealedText]]:
    """The sealed guests of each stay, the one who booked first; each opens to `Guest` JSON."""
    found: dict[str, list[SealedText]] = {stay_id: [] for stay_id in stay_ids}
    named = list(found)
    for start in range(0, len(named), GUESTS_PAGE):
        page = named[start : start + GUESTS_PAGE]
        marks = ", ".join("?" * len(page))
        rows = await reader.rows(
            "SELECT stay_id, subject, box, place FROM stays_guest"  # noqa: S608 - only marks
            f" WHERE stay_id IN ({marks}) ORDER BY stay_id, number",
            page,
        )
        for stay_id, subject, box, place in rows:
            found[stay_id].append(_sealed(subject, box, place))
    return found


def _sealed(subject: str, box: bytes, place: str) -> SealedText:
    return SealedText(sealed=Sealed(subject=subject, box=bytes(box)), place=place.encode())


async def nights(reader: Reader, stay_id: str) -> list[Night]:
    """The priced nights of a stay, in order."""
    rows = await reader.rows(
        "SELECT night, amount_minor, currency, price_source FROM stays_night"
        " WHERE stay_id = ? ORDER BY night",
        (stay_id,),
    )
    return [
        Night(
            date=date.fromisoformat(night),
            amount_minor=amount,
            currency=currency,
            price_source=source,
        )
        for night, amount, currency, source in rows
    ]


async def fees(reader: Reader, stay_id: str) -> list[Fee]:
    """Fees and taxes of a stay."""
    rows = await reader.rows(
        "SELECT code, amount_minor, currency FROM stays_fee WHERE stay_id = ? ORDER BY number",
        (stay_id,),
    )
    return [Fee(code=code, amount_minor=amount, currency=cur) for code, amount, cur in rows]


async def notes(reader: Reader, stay_id: str) -> list[NoteLine]:
    """The notes of a stay, oldest first."""
    rows = await reader.rows(
        "SELECT subject, box, place, at_ms, by FROM stays_note WHERE stay_id = ? ORDER BY position",
        (stay_id,),
    )
    return [
        NoteLine(text=_sealed(subject, box, place), at_ms=at_ms, by=by)
        for subject, box, place, at_ms, by in rows
    ]


async def quote(
    reader: Reader, room_type_id: str, arrival: date, departure: date
) -> tuple[Night, ...] | None:
    """The nights of a sale or an extension at the type's rate; None for an unknown type.

    Raises ValueError, a sentence, for dates that make no stay.
    """
    row = await reader.row(
        "SELECT rate_minor, currency FROM stays_room_type WHERE room_type_id = ?", (room_type_id,)
    )
    return None if row is None else at_rate(room_type_id, row[0], row[1], arrival, departure)


async def conflicts(
    reader: Reader, *, stay_id: str | None = None, only_open: bool = True
) -> list[ConflictLine]:
    """The conflict inbox: open ones before others, at risk and overbooked first, then the oldest.

    The first `CONFLICTS_MAX` of them; of the closed ones the latest.
    """
    rows = await reader.rows(
        "SELECT conflict_id, stay_id, what, box_says, upstream_says, upstream_version,"
        " raised_at_ms, settled_at_ms, settled_by, took_upstream, items,"
        " coalesce(accepted, '[]'), decide_by_ms, overdue_at_ms FROM stays_conflict"
        " WHERE (?1 IS NULL OR stay_id = ?1) AND (?2 = 0 OR settled_at_ms IS NULL)"
        " ORDER BY settled_at_ms IS NOT NULL, settled_at_ms DESC,"
        " what NOT IN ('at_risk', 'overbooked'), raised_at_ms, conflict_id LIMIT ?3",
        (stay_id, only_open, CONFLICTS_MAX),
    )
    names = [each.name for each in fields(ConflictLine)]
    found = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        took = values["took_upstream"]
        values["took_upstream"] = None if took is None else bool(took)
        values["items"] = msgspec.json.decode(values["items"], type=tuple[ConflictItem, ...])
        values["accepted"] = msgspec.json.decode(values["accepted"], type=tuple[ItemField, ...])
        found.append(ConflictLine(**values))
    return found


async def room_board(reader: Reader) -> list[BoardLine]:
    """Every room as people count, with who is in it and who is due in it."""
    rows = await reader.rows(
        "SELECT r.room_id, r.number, r.floor, r.room_type_id, r.status, r.occupied_by,"
        " (SELECT s.stay_id FROM stays_stay s, stays_business_date b"
        "  WHERE s.room_id = r.room_id AND s.state = 'confirmed' AND s.arrival <= b.business_date"
        "  AND s.departure > b.business_date ORDER BY s.arrival, s.stay_id LIMIT 1)"
        " FROM stays_room r ORDER BY length(r.number), r.number"
    )
    return [
        BoardLine(
            room_id=room_id,
            number=number,
            floor=floor,
            room_type_id=room_type_id,
            status=RoomStatus(status),
            occupied_by=occupied_by,
            due_in=due_in,
        )
        for room_id, number, floor, room_type_id, status, occupied_by, due_in in rows
    ]


async def audit(reader: Reader, closed: date) -> Audit | None:
    """The totals of a closed day."""
    row = await reader.row(
        "SELECT closed, opened, in_house, room_revenue_minor, no_shows, arrivals_left,"
        " departures_left FROM stays_audit WHERE closed = ?",
        (closed.isoformat(),),
    )
    if row is None:
        return None
    first, second, *rest = row
    names = [each.name for each in fields(Audit)][2:]
    return Audit(
        closed=date.fromisoformat(first),
        opened=date.fromisoformat(second),
        **dict(zip(names, rest, strict=True)),
    )


async def sold_by(reader: Reader, source: str, after: date) -> list[str]:
    """Ids of the stays that a source sold and that end after a day."""
    rows = await reader.rows(
        "SELECT stay_id FROM stays_stay WHERE source = ? AND departure > ?",
        (source, after.isoformat()),
    )
    return [stay_id for (stay_id,) in rows]


async def count_by_state(reader: Reader) -> dict[StayState, int]:
    """How many stays are in each state; their sum is the number of stays."""
    rows = await reader.rows("SELECT state, count(*) FROM stays_stay GROUP BY state")
    return {StayState(state): count for state, count in rows}
