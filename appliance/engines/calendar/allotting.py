"""How many rooms of a type the box may sell in a night that the PMS does not know of yet.

A night's own number counts, else the live rule `calendar.offline_allotment`, else the number that
the property file gives the type. A sale counts until the PMS has taken it: when the line is back
and every sale is told, the whole allotment is free again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from appliance.engines.calendar.messages import AllotmentSet, Refusal, SetAllotment
from appliance.kernel.engine import Context, Decision, Facts, No
from appliance.kernel.values import nights

KEY: Final = "calendar.offline_allotment"
AS_WRITTEN: Final = -1  # the live rule says nothing: each type has the property file's number


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotments:
    """What stands in force for the nights asked about."""

    rooms: int | None  # of the type; None: there is no such type
    own: Mapping[date, int]  # nights with a number of their own


def load(facts: Facts, command: SetAllotment, _context: Context) -> Allotments:
    """The type and the numbers of its nights."""
    row = facts.row(
        "SELECT (SELECT count(*) FROM calendar_room r WHERE r.room_type_id = t.room_type_id)"
        " FROM calendar_room_type t WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    span = (command.room_type_id, command.start, command.end)
    return Allotments(rooms=None if row is None else row[0], own=own_of(facts, *span))


def own_of(facts: Facts, room_type_id: str, start: date, end: date) -> dict[date, int]:
    """Nights of [start, end) with a number of their own."""
    rows = facts.rows(
        "SELECT night, rooms FROM calendar_allotment"
        " WHERE room_type_id = ? AND night >= ? AND night < ?",
        (room_type_id, start.isoformat(), end.isoformat()),
    )
    return {date.fromisoformat(night): rooms for night, rooms in rows}


def default_of(ruled: int, written: int) -> int:
    """The number of a night that has none of its own."""
    return written if ruled == AS_WRITTEN else ruled


def set_allotment(state: Allotments, command: SetAllotment, _context: Context) -> Decision:
    """A number for every night of [start, end), or with None the default again."""
    if state.rooms is None:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    try:
        days = nights(command.start, command.end)
    except ValueError:
        return Refusal.BAD_DATES
    if not days:
        return Refusal.BAD_DATES
    if command.rooms is not None and not 0 <= command.rooms <= state.rooms:
        return No(refusal=Refusal.TOO_MANY_ROOMS, detail={"rooms": state.rooms})
    if all(state.own.get(day) == command.rooms for day in days):
        return []
    return [
        AllotmentSet(
            room_type_id=command.room_type_id,
            start=command.start,
            end=command.end,
            rooms=command.rooms,
        )
    ]
