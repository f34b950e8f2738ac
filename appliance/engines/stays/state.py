"""One stay as its facts tell it: the state, its dates and room, and what the PMS last said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType

from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    ConflictCleared,
    ConflictItem,
    ConflictOverdue,
    ConflictRaised,
    ConflictSettled,
    DecisionUndone,
    DepartedElsewhere,
    DepartureChanged,
    Fee,
    Night,
    NoShowMarked,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
    UpstreamLinked,
    UpstreamSays,
    UpstreamSeen,
)
from appliance.kernel.messages import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What two masters disagree on; open until a person settles it or its cause is gone."""

    what: str
    upstream_says: str
    nights: tuple[date, ...] = ()  # that it is about, where it is about some
    items: tuple[ConflictItem, ...] = ()
    box_says: str = ""
    upstream_version: str | None = None
    by_hand: bool = False
    decide_by_ms: int | None = None
    overdue: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A stay now. `room_type_id` is the type sold; the room may be of another."""

    stay_id: str
    state: StayState
    source: str | None
    upstream_id: str | None
    room_type_id: str
    room_id: str | None
    arrival: date
    departure: date
    guests: int
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...]
    channel: str
    says: UpstreamSays | None  # None: the PMS has not been heard of this stay yet
    eta: str = ""
    moved: bool = False
    undone: bool = False  # a check-in was taken back: the PMS may still say "in house"
    overruled: StayState | None = None  # what the PMS says of its end, and a person took back
    conflicts: Mapping[str, Conflict] = field(default_factory=lambda: MappingProxyType({}))

    def conflict_open(self, what: str, upstream_says: str) -> bool:
        """Whether the very same disagreement waits for a person already."""
        return any(
            not each.settled and (each.what, each.upstream_says) == (what, upstream_says)
            for each in self.conflicts.values()
        )


def fold(state: Stay | None, events: Iterable[Event]) -> Stay | None:
    """The stay after more facts; None before it was booked."""
    for event in events:
        state = _booked(event) if isinstance(event, Booked) else _after(state, event)
    return state


def _booked(event: Booked) -> Stay:
    says = None
    if event.upstream_version is not None:
        says = UpstreamSays(
            version=event.upstream_version,
            state=StayState.CONFIRMED,
            room_type_id=event.room_type_id,
            room_id=None,
            arrival=event.arrival,
            departure=event.departure,
            adults=event.adults,
            children=event.children,
            nights=event.nights,
            fees=event.fees,
            channel=event.channel,
            guests_version=event.guests_version,
            eta=event.eta,
            note_mark=event.note_mark,
        )
    return Stay(
        stay_id=event.stay_id,
        state=StayState.CONFIRMED,
        source=event.source,
        upstream_id=event.upstream_id,
        room_type_id=event.room_type_id,
        room_id=None,
        arrival=event.arrival,
        departure=event.departure,
        guests=len(event.guests),
        adults=event.adults,
        children=event.children,
        nights=event.nights,
        fees=event.fees,
        channel=event.channel,
        says=says,
        eta=event.eta,
    )


def _after(stay: Stay | None, event: Event) -> Stay | None:
    if stay is None:
        return None  # a fact without its booking cannot be written; a bare stream folds to nothing
    for part in (_life, _room, _words, _conflicts):
        after = part(stay, event)
        if after is not None:
            return after
    return stay


def _life(stay: Stay, event: Event) -> Stay | None:  # noqa: PLR0911 - one for each kind
    match event:
        case CheckedIn():
            return replace(stay, state=StayState.IN_HOUSE, room_id=event.room_id)
        case CheckInUndone():
            return replace(stay, state=StayState.CONFIRMED, room_id=None, undone=True)
        case CheckedOut() | DepartedElsewhere():
            return replace(stay, state=StayState.DEPARTED)
        case StayCancelled():
            return replace(stay, state=StayState.CANCELLED, room_id=None)
        case NoShowMarked():
            return replace(stay, state=StayState.NO_SHOW, room_id=None)
        case Reinstated():
            return replace(
                stay,
                state=StayState.CONFIRMED,
                room_id=None,
                room_type_id=event.room_type_id,
                arrival=event.arrival,
                departure=event.departure,
            )
        case _:
            return None


def _room(stay: Stay, event: Event) -> Stay | None:
    match event:
        case RoomAssigned():
            return replace(stay, room_id=event.room_id)
        case RoomUnassigned():
            return replace(stay, room_id=None)
        case RoomMoved():
            return replace(stay, room_id=event.to_room_id, moved=True)
        case DepartureChanged():
            return replace(stay, departure=event.departure, nights=event.nights)
        case _:
            return None


def _words(stay: Stay, event: Event) -> Stay | None:
    match event:
        case BookingChanged():
            return _changed(stay, event)
        case UpstreamLinked():
            return replace(stay, source=event.source, upstream_id=event.upstream_id)
        case DecisionUndone():
            return replace(stay, overruled=None if stay.says is None else stay.says.state)
        case UpstreamSeen():
            return stay if event.says is None else replace(stay, says=event.says)
        case _:
            return None


def _conflicts(stay: Stay, event: Event) -> Stay | None:
    match event:
        case ConflictRaised():
            conflict = Conflict(
                what=event.what,
                upstream_says=event.upstream_says,
                nights=event.nights,
                items=event.items,
                box_says=event.box_says,
                upstream_version=event.upstream_version,
                by_hand=event.by_hand,
                decide_by_ms=event.decide_by_ms,
            )
            return replace(stay, conflicts=_with(stay, event.conflict_id, conflict))
        case ConflictOverdue():
            late = replace(stay.conflicts[event.conflict_id], overdue=True)
            return replace(stay, conflicts=_with(stay, event.conflict_id, late))
        case ConflictSettled() | ConflictCleared():
            known = stay.conflicts[event.conflict_id]
            settled = replace(known, settled=True)
            return replace(stay, conflicts=_with(stay, event.conflict_id, settled))
        case _:
            return None


def _changed(stay: Stay, event: BookingChanged) -> Stay:
    return replace(
        stay,
        room_type_id=event.room_type_id,
        arrival=event.arrival,
        departure=event.departure,
        guests=len(event.guests) or stay.guests,
        adults=event.adults,
        children=event.children,
        nights=event.nights,
        fees=event.fees,
        channel=event.channel,
        eta=event.eta,
    )


def _with(stay: Stay, conflict_id: str, conflict: Conflict) -> Mapping[str, Conflict]:
    return MappingProxyType({**stay.conflicts, conflict_id: conflict})
