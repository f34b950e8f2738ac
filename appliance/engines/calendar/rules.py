"""Who gets a room-night: counted for each type, named for each room; half-open, one holder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeNights:
    """One room type over the nights asked for."""

    capacity: int | None  # rooms that are not out of order; None: there is no such type
    allotment: int = 0
    others: Mapping[date, Count] = field(default_factory=dict)
    own: Mapping[date, Held] = field(default_factory=dict)  # all nights of the holder


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
    spent = [night for night in fresh if _others(state, night).unconfirmed >= state.allotment]
    if not command.confirmed and full:
        return No(refusal=Refusal.SOLD_OUT, detail=_detail(command.room_type_id, full))
    if not command.confirmed and spent and not command.beyond_allotment:
        return No(refusal=Refusal.ALLOTMENT_SPENT, detail=_detail(command.room_type_id, spent))
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
        )
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
    return [HolderReleased(holder_id=command.holder_id, start=command.start)]


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
