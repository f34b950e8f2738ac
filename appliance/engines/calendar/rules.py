"""Who gets a room-night: counted for each type, named for each room; half-open, one holder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from appliance.engines.calendar.messages import (
    ClaimResource,
    ConfirmHold,
    HoldConfirmed,
    HolderReleased,
    HoldNights,
    NightsHeld,
    Refusal,
    ReleaseHolder,
    ReleaseResource,
    ResourceClaimed,
    ResourceReleased,
    RoomAgain,
)
from appliance.kernel.engine import Context, Decision, No
from appliance.kernel.values import nights


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One night that a holder holds."""

    room_type_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many others hold a room of the type in one night, and how many of them unconfirmed."""

    held: int = 0
    unconfirmed: int = 0


Spot = tuple[str, date]
"""One night of one room type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who is beyond the rooms in the nights that a holder may let go of, itself among them."""

    beyond: Mapping[str, Sequence[Spot]] = field(default_factory=dict)  # by holder
    over: Mapping[Spot, int] = field(default_factory=dict)  # held minus rooms, of each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNights:
    """One room type over the nights asked for."""

    capacity: int | None  # rooms that are not out of order; None: there is no such type
    allotment: int = 0  # of a night that has no number of its own
    allotments: Mapping[date, int] = field(default_factory=dict)
    others: Mapping[date, Count] = field(default_factory=dict)
    own: Mapping[date, Held] = field(default_factory=dict)  # all nights of the holder
    crowd: Crowd = field(default_factory=Crowd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """One resource over the nights asked for."""

    known: bool
    holders: Mapping[date, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one holder holds: nights of types and nights of resources, with their confirmation."""

    nights: Sequence[date] = ()
    unconfirmed: int = 0
    spots: Sequence[Spot] = ()  # the nights of types
    crowd: Crowd = field(default_factory=Crowd)


def hold_nights(state: TypeNights, command: HoldNights, _context: Context) -> Decision:
    """The PMS is never refused; the box sells what is free, inside the allotment."""
    wanted = _nights(command.start, command.end)
    if not wanted:
        return Refusal.BAD_DATES
    if state.capacity is None:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    asked = Held(room_type_id=command.room_type_id, confirmed=command.confirmed)
    if _as_held(state, wanted, asked, adding=command.adding):
        return []
    fresh = [night for night in wanted if not _same_type(state, night, command.room_type_id)]
    full = [night for night in fresh if _others(state, night).held >= state.capacity]
    spent = [
        night
        for night in fresh
        if _others(state, night).unconfirmed >= state.allotments.get(night, state.allotment)
    ]
    if not command.confirmed and full:
        return No(refusal=Refusal.SOLD_OUT, detail=_detail(command.room_type_id, full))
    if not command.confirmed and spent and not command.beyond_allotment:
        return No(refusal=Refusal.ALLOTMENT_SPENT, detail=_detail(command.room_type_id, spent))
    before = [(held.room_type_id, night) for night, held in state.own.items()]
    kept = [spot for spot in before if command.adding and spot[1] not in wanted]
    after = [*kept, *((command.room_type_id, night) for night in wanted)]
    again = room_again(state.crowd, command.holder_id, before, after)
    return [
        NightsHeld(
            holder_id=command.holder_id,
            room_type_id=command.room_type_id,
            start=command.start,
            end=command.end,
            confirmed=command.confirmed,
            overbooked=tuple(full),
            at_risk=not command.confirmed and bool(spent),
            adding=command.adding,
        ),
        *(each for each in again if not full or each.holder_id != command.holder_id),
    ]


def claim(state: Claims, command: ClaimResource, _context: Context) -> Decision:
    """Interval exclusion, inside the one writer's transaction: 10 to 12 and 11 to 13 exclude."""
    wanted = _nights(command.start, command.end)
    if not wanted:
        return Refusal.BAD_DATES
    if not state.known:
        return No(refusal=Refusal.UNKNOWN_RESOURCE, detail={"resource": command.resource})
    taken = [n for n in wanted if state.holders.get(n, command.holder_id) != command.holder_id]
    if taken:
        detail = {
            "resource": command.resource,
            "nights": [night.isoformat() for night in taken],
            "holder_id": state.holders[taken[0]],
        }
        return No(refusal=Refusal.ROOM_TAKEN, detail=detail)
    if all(night in state.holders for night in wanted):
        return []
    return [
        ResourceClaimed(
            resource=command.resource,
            holder_id=command.holder_id,
            start=command.start,
            end=command.end,
        )
    ]


def release(state: Claims, command: ReleaseResource, _context: Context) -> Decision:
    """A holder lets go of its own claims only."""
    if not state.known:
        return No(refusal=Refusal.UNKNOWN_RESOURCE, detail={"resource": command.resource})
    if command.holder_id not in state.holders.values():
        return No(refusal=Refusal.NOT_HELD, detail={"resource": command.resource})
    return [
        ResourceReleased(
            resource=command.resource, holder_id=command.holder_id, start=command.start
        )
    ]


def release_holder(state: Holding, command: ReleaseHolder, _context: Context) -> Decision:
    """Nothing to let go of is no error and no fact."""
    if not any(command.start is None or night >= command.start for night in state.nights):
        return []
    start = command.start
    kept = [spot for spot in state.spots if start is not None and spot[1] < start]
    return [
        HolderReleased(holder_id=command.holder_id, start=start),
        *room_again(state.crowd, command.holder_id, state.spots, kept),
    ]


def confirm_hold(state: Holding, command: ConfirmHold, _context: Context) -> Decision:
    """The PMS knows: the allotment is free again."""
    if not state.nights:
        return No(refusal=Refusal.NOT_HELD, detail={"holder_id": command.holder_id})
    if not state.unconfirmed:
        return []
    return [HoldConfirmed(holder_id=command.holder_id)]


def _nights(start: date, end: date) -> tuple[date, ...]:
    try:
        return nights(start, end)
    except ValueError:
        return ()


def _others(state: TypeNights, night: date) -> Count:
    return state.others.get(night, Count())


def _same_type(state: TypeNights, night: date, room_type_id: str) -> bool:
    own = state.own.get(night)
    return own is not None and own.room_type_id == room_type_id


def _as_held(state: TypeNights, wanted: Sequence[date], asked: Held, *, adding: bool) -> bool:
    if not adding and len(state.own) != len(wanted):
        return False
    return all(state.own.get(night) == asked for night in wanted)


def _detail(room_type_id: str, spent: Sequence[date]) -> dict[str, object]:
    return {"room_type_id": room_type_id, "nights": [night.isoformat() for night in spent]}


def room_again(
    crowd: Crowd, holder_id: str, before: Sequence[Spot], after: Sequence[Spot]
) -> Iterator[RoomAgain]:
    """Who is beyond the rooms no longer, once the holder holds `after` in place of `before`.

    Who holds nothing any more is not told: whatever it wanted the room for is over.
    """
    more = Counter(after)
    more.subtract(before)
    for other_id, spots in crowd.beyond.items():
        own = other_id == holder_id
        wanted = [spot for spot in spots if spot in after] if own else spots
        fits = all(crowd.over[spot] + more[spot] <= 0 for spot in wanted)
        if fits and (after or not own):
            yield RoomAgain(holder_id=other_id, nights=tuple(night for _, night in spots))
