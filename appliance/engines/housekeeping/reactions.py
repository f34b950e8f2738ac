"""A changed arrival, departure or move changes the cleaning list in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from appliance.engines.housekeeping.messages import PlanCleaning, RoomStatus, SetRoomStatus
from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    DepartureChanged,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
)
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command


def _plan(room_id: str, stay_id: str, on: date | None, why: str) -> PlanCleaning:
    return PlanCleaning(room_id=room_id, stay_id=stay_id, on=on, why=why)


def _off_the_list(facts: Facts, stay_id: str, why: str, *, but: str | None = None) -> list[Command]:
    rooms = facts.rows(
        "SELECT room_id FROM housekeeping_cleaning WHERE stay_id = ? AND room_id IS NOT ?",
        (stay_id, but),
    )
    return [_plan(room_id, stay_id, None, why) for (room_id,) in rooms]


def _dirty(facts: Facts, room_id: str, reason: str) -> list[Command]:
    """A room that is out of order stays so: who repairs it puts it back in order."""
    row = facts.row("SELECT status FROM housekeeping_room WHERE room_id = ?", (room_id,))
    if row is None or row[0] == RoomStatus.OUT_OF_ORDER:
        return []
    return [SetRoomStatus(room_id=room_id, status=RoomStatus.DIRTY, reason=reason)]


def _assigned(facts: Facts, event: RoomAssigned, _recorded: Recorded) -> Sequence[Command]:
    return [
        *_off_the_list(facts, event.stay_id, "arrival", but=event.room_id),
        _plan(event.room_id, event.stay_id, event.departure, "arrival"),
    ]


def _checked_in(_facts: Facts, event: CheckedIn, _recorded: Recorded) -> Sequence[Command]:
    return [_plan(event.room_id, event.stay_id, event.departure, "departure")]


def _moved(facts: Facts, event: RoomMoved, _recorded: Recorded) -> Sequence[Command]:
    return [
        *_dirty(facts, event.from_room_id, "moved"),
        _plan(event.from_room_id, event.stay_id, event.from_date, "moved"),
        _plan(event.to_room_id, event.stay_id, event.departure, "moved"),
    ]


def _departure_changed(
    _facts: Facts, event: DepartureChanged, _recorded: Recorded
) -> Sequence[Command]:
    if event.room_id is None:
        return []
    return [_plan(event.room_id, event.stay_id, event.departure, "departure")]


def _checked_out(facts: Facts, event: CheckedOut, _recorded: Recorded) -> Sequence[Command]:
    return [
        *_dirty(facts, event.room_id, "departure"),
        _plan(event.room_id, event.stay_id, event.business_date, "departure"),
    ]


def _left_unseen(facts: Facts, event: DepartedElsewhere, _recorded: Recorded) -> Sequence[Command]:
    """A room the box had given was slept in all the same; one of mere history was not ours."""
    commands: list[Command] = []
    for (room_id,) in facts.rows(
        "SELECT room_id FROM housekeeping_cleaning WHERE stay_id = ?", (event.stay_id,)
    ):
        commands += _dirty(facts, room_id, "departure")
        commands.append(_plan(room_id, event.stay_id, event.business_date, "departure"))
    return commands


def _undone(facts: Facts, event: CheckInUndone, _recorded: Recorded) -> Sequence[Command]:
    return _off_the_list(facts, event.stay_id, "undone")


def _given_back(
    facts: Facts, event: RoomUnassigned | StayCancelled | NoShowMarked, _recorded: Recorded
) -> Sequence[Command]:
    return _off_the_list(facts, event.stay_id, "arrival")


INLINE = [
    InlineReaction(event=RoomAssigned, react=_assigned),
    InlineReaction(event=RoomUnassigned, react=_given_back),
    InlineReaction(event=CheckedIn, react=_checked_in),
    InlineReaction(event=RoomMoved, react=_moved),
    InlineReaction(event=DepartureChanged, react=_departure_changed),
    InlineReaction(event=CheckedOut, react=_checked_out),
    InlineReaction(event=DepartedElsewhere, react=_left_unseen),
    InlineReaction(event=CheckInUndone, react=_undone),
    InlineReaction(event=StayCancelled, react=_given_back),
    InlineReaction(event=NoShowMarked, react=_given_back),
]
