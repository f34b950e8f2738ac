"""Questions of the inbox: what was decided without a person, and what may be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from appliance.engines.stays import queries
from appliance.engines.stays.decisions import COLUMNS, Made, made_of, snapshot
from appliance.engines.stays.messages import Refusal, UndoStep
from appliance.engines.stays.undoing import plan
from appliance.engines.stays.walking import (
    Alternative,
    Candidate,
    Kind,
    alternatives,
    no_room_text,
    ranked,
)
from appliance.kernel.reader import Reader

# 500: a house of 60 rooms after three dark days changes some 70 bookings.
DECISIONS_MAX = 500
# 60: two months of nights that are all overbooked is no overbooking but a wrong number of rooms.
CROWDED_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLine:
    """A decision of the last days: what it changed, and what an undoing would do or why it cannot."""

    made: Made
    steps: tuple[UndoStep, ...]
    refusal: Refusal | None


async def decisions(reader: Reader, since_ms: int, today: date) -> list[DecisionLine]:
    """What was decided without a person, or by one in the inbox, since a moment; the newest first.

    The first `DECISIONS_MAX`; what changed nothing that could be put back is left out.
    """
    rows = await reader.rows(
        f"SELECT {COLUMNS} FROM stays_decision WHERE at_ms >= ? AND kind <> 'none'"  # noqa: S608
        " AND (before IS NULL OR before <> after OR kind <> 'learned')"
        " ORDER BY at_ms DESC, decision_id LIMIT ?",
        (since_ms, DECISIONS_MAX),
    )
    made = [made_of(row) for row in rows]
    stay_ids = sorted({one.stay_id for one in made})
    lines = {each.stay_id: each for each in await queries.stays_by_id(reader, stay_ids)}
    found = []
    for one in made:
        line = lines[one.stay_id]
        steps = plan(one, snapshot(line, tuple(await queries.nights(reader, one.stay_id))), today)
        found.append(
            DecisionLine(
                made=one,
                steps=() if isinstance(steps, Refusal) else steps,
                refusal=steps if isinstance(steps, Refusal) else None,
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """A night with more guests of a type than rooms; `candidates` the first to be asked first."""

    room_type_id: str
    night: date
    rooms: int
    held: int
    in_house: int  # who are never asked
    candidates: tuple[Candidate, ...]


# Held by the type of the room, where a stay has one, else by the type sold: as the calendar does.
_HELD = (
    " FROM stays_night n CROSS JOIN stays_stay s USING (stay_id)"
    " LEFT JOIN stays_room r ON r.room_id = s.room_id"
    " WHERE s.state IN ('confirmed', 'in_house')"
)
_KIND = "coalesce(r.room_type_id, s.room_type_id)"
_ROOMS = "SELECT count(*) FROM stays_room x WHERE x.status <> 'out_of_order' AND x.room_type_id ="


async def crowded(reader: Reader, today: date) -> list[Crowded]:
    """Every overbooked night from the business date on, the next one first; `CROWDED_MAX` of them."""
    rows = await reader.rows(
        f"SELECT {_KIND}, n.night, count(*), sum(s.state = 'in_house'),"
        f" ({_ROOMS} {_KIND}) AS rooms {_HELD} AND n.night >= ?"
        " GROUP BY 1, 2 HAVING count(*) > rooms ORDER BY 2, 1 LIMIT ?",
        (today.isoformat(), CROWDED_MAX),
    )
    found = []
    for kind, night, held, in_house, rooms in rows:
        found.append(
            Crowded(
                room_type_id=kind,
                night=date.fromisoformat(night),
                rooms=rooms,
                held=held,
                in_house=in_house,
                candidates=tuple(await _candidates(reader, kind, night)),
            )
        )
    return found


async def clock_of(reader: Reader, each: Crowded) -> tuple[int | None, bool]:
    """By when (UTC ms) an overbooked night has to be decided, and whether that is over."""
    row = await reader.row(
        "SELECT min(c.decide_by_ms), max(c.overdue_at_ms IS NOT NULL) FROM stays_conflict c"
        " JOIN stays_night n USING (stay_id)"
        " WHERE c.what = 'overbooked' AND c.settled_at_ms IS NULL AND n.night = ?"
        " AND instr(c.upstream_says, ?) > 0 AND c.box_says = ?",
        (each.night.isoformat(), each.night.isoformat(), no_room_text(each.room_type_id)),
    )
    return (None, False) if row is None else (row[0], bool(row[1]))


async def _candidates(reader: Reader, kind: str, night: str) -> list[Candidate]:
    rows = await reader.rows(
        "SELECT s.stay_id, s.arrival, s.departure, s.eta, s.channel, s.nights_total_minor,"
        f" s.currency, s.room_type_id {_HELD} AND s.state = 'confirmed' AND n.night = ?"
        f" AND {_KIND} = ?",
        (night, kind),
    )
    return ranked(
        [
            Candidate(
                stay_id=stay_id,
                arrival=date.fromisoformat(arrival),
                departure=date.fromisoformat(departure),
                eta=eta,
                channel=channel,
                total_minor=total_minor,
                currency=currency,
                room_type_id=sold,
            )
            for stay_id, arrival, departure, eta, channel, total_minor, currency, sold in rows
        ]
    )


async def ways_out(reader: Reader, candidate: Candidate, today: date) -> list[Alternative]:
    """What may be offered to one guest, for every night that is left of the stay."""
    start, end = max(candidate.arrival, today).isoformat(), candidate.departure.isoformat()
    rows = await reader.rows(
        "SELECT t.room_type_id, t.title, t.rate_minor,"  # noqa: S608 - from above
        f" ({_ROOMS} t.room_type_id) - coalesce((SELECT max(held) FROM"
        f"  (SELECT count(*) AS held {_HELD} AND n.night >= ?1 AND n.night < ?2"
        f"   AND s.stay_id <> ?3 AND {_KIND} = t.room_type_id GROUP BY n.night)), 0),"
        " (SELECT f.room_id FROM stays_room f WHERE f.room_type_id = t.room_type_id"
        "  AND f.status <> 'out_of_order' AND NOT EXISTS (SELECT 1 FROM stays_span p"
        "   WHERE p.room_id = f.room_id AND p.first < ?2 AND p.until > ?1)"
        "  ORDER BY f.status NOT IN ('clean', 'inspected'), f.occupied_by IS NOT NULL,"
        "  length(f.number), f.number LIMIT 1) FROM stays_room_type t ORDER BY 1",
        (start, end, candidate.stay_id),
    )
    numbers = dict(await reader.rows("SELECT room_id, number FROM stays_room"))
    kinds = {
        kind: Kind(
            room_type_id=kind,
            title=title,
            rate_minor=rate_minor,
            free=max(0, free),
            room_id=room_id,
            room_number=numbers.get(room_id),
        )
        for kind, title, rate_minor, free, room_id in rows
    }
    return alternatives(candidate.room_type_id, kinds)
