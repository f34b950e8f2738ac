"""What a stay does is held in the calendar in the same transaction, or the stay does not do it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby

from appliance.engines.calendar.messages import (
    ClaimResource,
    ConfirmHold,
    HoldNights,
    ReleaseHolder,
    ReleaseResource,
)
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    DepartureChanged,
    NoShowMarked,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
    UpstreamLinked,
    UpstreamSeen,
)
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command, Role

_MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})


def _beyond(recorded: Recorded) -> bool:
    return recorded.who.role in _MANAGERS or recorded.who.approved_by is not None


def _booked(_facts: Facts, event: Booked, recorded: Recorded) -> Sequence[Command]:
    hold = HoldNights(
        holder_id=event.stay_id,
        room_type_id=event.room_type_id,
        start=event.arrival,
        end=event.departure,
        confirmed=event.source is not None,
        beyond_allotment=_beyond(recorded),
    )
    return [hold]


def _sold_upstream(
    _facts: Facts, event: BookingChanged | Reinstated, _recorded: Recorded
) -> Sequence[Command]:
    if isinstance(event, BookingChanged) and event.same_nights:
        return []
    hold = HoldNights(
        holder_id=event.stay_id,
        room_type_id=event.room_type_id,
        start=event.arrival,
        end=event.departure,
        confirmed=True,
    )
    return [hold]


def _room_assigned(facts: Facts, event: RoomAssigned, _recorded: Recorded) -> Sequence[Command]:
    claim = ClaimResource(
        resource=f"room:{event.room_id}",
        holder_id=event.stay_id,
        start=event.arrival,
        end=event.departure,
    )
    return [
        *_let_rooms_go(facts, event.stay_id),
        claim,
        *_retyped(facts, event.stay_id, event.room_type_id, None),
    ]


def _room_given_back(
    facts: Facts, event: RoomUnassigned | CheckInUndone, _recorded: Recorded
) -> Sequence[Command]:
    back = [] if event.room_type_id is None else [*_retyped_to(facts, event)]
    return [*_let_rooms_go(facts, event.stay_id), *back]


def _retyped_to(facts: Facts, event: RoomUnassigned | CheckInUndone) -> Sequence[Command]:
    assert event.room_type_id is not None, "asked only where the type sold is known"
    return _retyped(facts, event.stay_id, event.room_type_id, None)


def _room_moved(facts: Facts, event: RoomMoved, _recorded: Recorded) -> Sequence[Command]:
    claim = ClaimResource(
        resource=f"room:{event.to_room_id}",
        holder_id=event.stay_id,
        start=event.from_date,
        end=event.departure,
    )
    return [
        *_let_rooms_go(facts, event.stay_id, event.from_date),
        claim,
        *_retyped(facts, event.stay_id, event.to_room_type_id, event.from_date),
    ]


def _departure_changed(
    facts: Facts, event: DepartureChanged, recorded: Recorded
) -> Sequence[Command]:
    if event.departure < event.previous:
        return [ReleaseHolder(holder_id=event.stay_id, start=event.departure)]
    last = facts.row(
        "SELECT room_type_id FROM calendar_hold WHERE holder_id = ? ORDER BY night DESC LIMIT 1",
        (event.stay_id,),
    )
    commands: list[Command] = []
    if last is not None:
        # The nights a desk adds are the box's own sale, whoever sold the first ones.
        hold = HoldNights(
            holder_id=event.stay_id,
            room_type_id=last[0],
            start=event.previous,
            end=event.departure,
            confirmed=event.by_upstream,
            beyond_allotment=_beyond(recorded),
            adding=True,
        )
        commands.append(hold)
    if event.room_id is not None:
        claim = ClaimResource(
            resource=f"room:{event.room_id}",
            holder_id=event.stay_id,
            start=event.previous,
            end=event.departure,
        )
        commands.append(claim)
    return commands


def _left(
    _facts: Facts, event: CheckedOut | DepartedElsewhere, _recorded: Recorded
) -> Sequence[Command]:
    return [ReleaseHolder(holder_id=event.stay_id, start=event.business_date)]


def _never_came(
    _facts: Facts, event: StayCancelled | NoShowMarked, _recorded: Recorded
) -> Sequence[Command]:
    return [ReleaseHolder(holder_id=event.stay_id)]


def _linked(facts: Facts, event: UpstreamLinked, _recorded: Recorded) -> Sequence[Command]:
    return _confirmed(facts, event.stay_id, None)


def _seen(facts: Facts, event: UpstreamSeen, _recorded: Recorded) -> Sequence[Command]:
    says = event.says
    if says is None or says.state not in {StayState.CONFIRMED, StayState.IN_HOUSE}:
        return []
    return _confirmed(facts, event.stay_id, says.departure)


def _confirmed(facts: Facts, holder_id: str, until: date | None) -> Sequence[Command]:
    """The box's own nights are known upstream once the PMS's booking reaches over them."""
    row = facts.row(
        "SELECT max(night) FROM calendar_hold WHERE holder_id = ? AND confirmed = 0", (holder_id,)
    )
    if row is None or row[0] is None or (until is not None and row[0] >= until.isoformat()):
        return []
    return [ConfirmHold(holder_id=holder_id)]


def _let_rooms_go(facts: Facts, holder_id: str, from_date: date | None = None) -> Sequence[Command]:
    claims = facts.rows(
        "SELECT resource, min(night) FROM calendar_claim WHERE holder_id = ? AND night >= ?"
        " GROUP BY resource ORDER BY resource",
        (holder_id, "" if from_date is None else from_date.isoformat()),
    )
    return [
        ReleaseResource(resource=resource, holder_id=holder_id, start=date.fromisoformat(night))
        for resource, night in claims
    ]


def _retyped(
    facts: Facts, holder_id: str, room_type_id: str, from_date: date | None
) -> Sequence[Command]:
    """The holder's nights as nights of another type, each as confirmed as it was."""
    rows = facts.rows(
        "SELECT night, confirmed FROM calendar_hold"
        " WHERE holder_id = ? AND room_type_id <> ? AND night >= ? ORDER BY night",
        (holder_id, room_type_id, "" if from_date is None else from_date.isoformat()),
    )
    commands: list[Command] = []
    days = [(date.fromisoformat(night), bool(confirmed)) for night, confirmed in rows]
    # One command for each unbroken run of nights that are equally confirmed.
    runs = groupby(enumerate(days), key=lambda each: (each[1][0].toordinal() - each[0], each[1][1]))
    for (_, confirmed), run in runs:
        stretch = [night for _, (night, _) in run]
        commands.append(
            # The room is free for the guest who gets it: a question of rooms, not of allotment.
            HoldNights(
                holder_id=holder_id,
                room_type_id=room_type_id,
                start=stretch[0],
                end=stretch[-1] + timedelta(days=1),
                confirmed=confirmed,
                beyond_allotment=True,
                adding=True,
            )
        )
    return commands


INLINE = [
    InlineReaction(event=Booked, react=_booked),
    InlineReaction(event=BookingChanged, react=_sold_upstream),
    InlineReaction(event=Reinstated, react=_sold_upstream),
    InlineReaction(event=RoomAssigned, react=_room_assigned),
    InlineReaction(event=RoomUnassigned, react=_room_given_back),
    InlineReaction(event=CheckInUndone, react=_room_given_back),
    InlineReaction(event=RoomMoved, react=_room_moved),
    InlineReaction(event=DepartureChanged, react=_departure_changed),
    InlineReaction(event=CheckedOut, react=_left),
    InlineReaction(event=DepartedElsewhere, react=_left),
    InlineReaction(event=StayCancelled, react=_never_came),
    InlineReaction(event=NoShowMarked, react=_never_came),
    InlineReaction(event=UpstreamLinked, react=_linked),
    InlineReaction(event=UpstreamSeen, react=_seen),
]
