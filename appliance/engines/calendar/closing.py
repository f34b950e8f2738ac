"""Nights that nobody may sell although nobody sleeps there: a channel's or an owner's closure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from appliance.engines.calendar.messages import (
    CloseNights,
    NightsClosed,
    NightsOpened,
    OpenNights,
    Refusal,
    Stretch,
)
from appliance.engines.calendar.rules import Crowd, Spot, room_again
from appliance.kernel.engine import Context, Decision, No
from appliance.kernel.values import nights

# What a closure's name begins with; a stay's id never does.
CLOSURE: Final = "closure:"
# Three years of single nights; no channel sells further ahead.
NIGHTS_MAX: Final = 1_100


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """One closure, its room and type, over the nights asked for."""

    capacity: int | None  # rooms that are not out of order; None: there is no such type
    room_known: bool = True
    held: Mapping[date, int] = field(default_factory=dict)  # rooms of the type that others hold
    taken: frozenset[date] = frozenset()  # nights of the very room that others claim
    own: Sequence[Spot] = ()
    own_room_id: str | None = None
    crowd: Crowd = field(default_factory=Crowd)


def close_nights(state: Shut, command: CloseNights, _context: Context) -> Decision:
    """Close what is free of it; what others hold stays theirs and is said."""
    if state.capacity is None:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    if not state.room_known:
        return No(refusal=Refusal.UNKNOWN_RESOURCE, detail={"resource": f"room:{command.room_id}"})
    wanted = _nights(command.stretches)
    if wanted is None or (wanted and wanted[0] < command.since):
        return Refusal.BAD_DATES
    closed = [night for night in wanted if _is_free(state, state.capacity, night)]
    after = [(command.room_type_id, night) for night in closed]
    same_room = command.room_id == state.own_room_id or not closed
    if after == list(state.own) and same_room:
        return []
    return [
        NightsClosed(
            closure_id=command.closure_id,
            room_type_id=command.room_type_id,
            room_id=command.room_id,
            since=command.since,
            stretches=stretches_of(closed),
            left=stretches_of(night for night in wanted if night not in set(closed)),
        ),
        *room_again(state.crowd, command.closure_id, state.own, after),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Openable:
    """Closures that hold some of the nights asked for, what they hold of them, and who waits."""

    closures: Sequence[str] = ()
    spots: Sequence[Spot] = ()  # one for each closure and night
    crowd: Crowd = field(default_factory=Crowd)


def open_nights(state: Openable, command: OpenNights, _context: Context) -> Decision:
    """Open what these closures hold of the nights; who sleeps or will sleep there is no closure."""
    if not 0 < (command.end - command.start).days <= NIGHTS_MAX:
        return Refusal.BAD_DATES
    if not state.closures:
        return Refusal.NOT_HELD
    return [
        *(
            NightsOpened(closure_id=closure_id, start=command.start, end=command.end)
            for closure_id in state.closures
        ),
        # No closure is ever beyond the rooms: which one is named here says nothing.
        *room_again(state.crowd, state.closures[0], state.spots, []),
    ]


def stretches_of(days: Iterable[date]) -> tuple[Stretch, ...]:
    """Days in order as unbroken stretches."""
    found: list[Stretch] = []
    for day in days:
        if found and found[-1].end == day:
            found[-1] = Stretch(start=found[-1].start, end=day + timedelta(days=1))
        else:
            found.append(Stretch(start=day, end=day + timedelta(days=1)))
    return tuple(found)


def _is_free(state: Shut, capacity: int, night: date) -> bool:
    return night not in state.taken and state.held.get(night, 0) < capacity


def _nights(stretches: Sequence[Stretch]) -> list[date] | None:
    """Every night once, in order; None where a stretch is none, or they are too many."""
    found: set[date] = set()
    for stretch in stretches:
        if not 0 < (stretch.end - stretch.start).days <= NIGHTS_MAX:
            return None
        found.update(nights(stretch.start, stretch.end))
    return sorted(found) if len(found) <= NIGHTS_MAX else None
