"""Taking a decision back: by facts that put the stay where it was, as far as the world allows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from appliance.engines.stays.decisions import Made, Snapshot, snapshot
from appliance.engines.stays.messages import (
    BookingChanged,
    CheckedIn,
    CheckInUndone,
    ConflictRaised,
    DecisionUndone,
    DepartureChanged,
    Refusal,
    Reinstated,
    RoomUnassigned,
    StayCancelled,
    StayState,
    UndoDecision,
    UndoStep,
)
from appliance.engines.stays.rooming import fits, kept_room, start_of
from appliance.engines.stays.rules import assigned, sealed_for
from appliance.engines.stays.scene import Scene
from appliance.engines.stays.state import Stay, fold
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event

_LIVE: Final = frozenset({StayState.CONFIRMED, StayState.IN_HOUSE})
Steps = tuple[UndoStep, ...]


def plan(made: Made, now: Snapshot, today: date) -> Steps | Refusal:
    """What an undoing would do, or why it cannot be; also for the list that people choose from."""
    if made.undone_at_ms is not None:
        return Refusal.UNDONE_ALREADY
    before, after = made.before, made.after
    if before is None or after is None:
        return (UndoStep.REOPEN,) if now.state in _LIVE else Refusal.CHANGED_SINCE
    touched = _touched(before, after)
    if any(getattr(now, name) != getattr(after, name) for name in ("state", *touched)):
        return Refusal.CHANGED_SINCE
    steps = _of_state(before, after, today)
    if isinstance(steps, Refusal):
        return steps
    found = (*steps, UndoStep.REOPEN) if made.kind == "settled" else steps
    return found or Refusal.NOTHING_TO_UNDO


def _touched(before: Snapshot, after: Snapshot) -> list[str]:
    """What nobody may have changed since: all of it, where the undoing ends or begins a stay.

    Who was checked in and then moved to another room by the desk is not put out of that one.
    """
    names = ("room_id", "room_type_id", "arrival", "departure", "nights")
    if before.state is not after.state:
        return list(names)
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _of_state(before: Snapshot, after: Snapshot, today: date) -> Steps | Refusal:
    """By what became of the stay; a change of a state that has no way back is refused."""
    if before.state is after.state:
        return _same_state(before, after, today)
    over = before.departure <= today
    match (before.state, after.state):
        case (StayState.CONFIRMED, StayState.IN_HOUSE):
            return (UndoStep.UNDO_CHECK_IN, *_room_step(before))
        case (StayState.CONFIRMED, _):
            return Refusal.NIGHTS_OVER if over else (UndoStep.REINSTATE, *_room_step(before))
        case (StayState.IN_HOUSE, StayState.DEPARTED):
            return Refusal.NIGHTS_OVER if over else (UndoStep.CHECK_IN_AGAIN,)
        case (StayState.CANCELLED | StayState.NO_SHOW, StayState.CONFIRMED):
            return (UndoStep.CANCEL_AGAIN,)
        case _:
            return Refusal.CHANGED_SINCE


def _same_state(before: Snapshot, after: Snapshot, today: date) -> Steps | Refusal:
    match before.state:
        case StayState.CONFIRMED:
            return _planned(before, after)
        case StayState.IN_HOUSE:
            return _here(before, after, today)
        case _:
            return ()


def _room_step(before: Snapshot) -> Steps:
    return () if before.room_id is None else (UndoStep.ROOM_BACK,)


def _planned(before: Snapshot, after: Snapshot) -> Steps:
    steps = []
    if (before.arrival, before.departure) != (after.arrival, after.departure):
        steps.append(UndoStep.DATES)
    if before.room_type_id != after.room_type_id:
        steps.append(UndoStep.ROOM_TYPE)
    if before.nights != after.nights:
        steps.append(UndoStep.PRICE)
    if before.room_id != after.room_id:
        steps.append(UndoStep.ROOM_AWAY if before.room_id is None else UndoStep.ROOM_BACK)
    return tuple(steps)


def _here(before: Snapshot, after: Snapshot, today: date) -> Steps | Refusal:
    if before.room_id != after.room_id:
        return Refusal.GUEST_MOVED
    if before.departure != after.departure:
        over = before.departure < today
        return Refusal.NIGHTS_OVER if over else (UndoStep.DEPARTURE,)
    return (UndoStep.PRICE,) if before.nights != after.nights else ()


def undo_decision(
    state: tuple[Scene, Made | None, int], command: UndoDecision, context: Context
) -> Decision:
    """Within the hours that the live rule names, and only where nobody has acted on it since."""
    scene, made, hours = state
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    if made is None:
        return Refusal.UNKNOWN_DECISION
    if context.now.wall_ms - made.at_ms > hours * 3_600_000:
        return No(refusal=Refusal.UNDO_EXPIRED, detail={"hours": hours})
    steps = plan(made, snapshot(stay, stay.nights), scene.business_date)
    if isinstance(steps, Refusal):
        return steps
    facts = _facts(scene, stay, made, steps)
    if isinstance(facts, Refusal):
        return facts
    undone = DecisionUndone(
        stay_id=stay.stay_id, decision_id=command.decision_id, steps=tuple(steps)
    )
    after = _now(stay, facts)
    wanted = made.before.room_id if made.before is not None else None
    left_out = UndoStep.ROOM_BACK in steps and after.room_id != wanted
    reopened = _reopened(stay, made, context) if UndoStep.REOPEN in steps else []
    result = {"decision_id": command.decision_id, "room_not_free": left_out}
    return Yes(events=[undone, *facts, *reopened], result=result)


def _now(stay: Stay, events: Sequence[Event]) -> Stay:
    now = fold(stay, events)
    assert now is not None, "no fact takes a stay away"
    return now


def _facts(scene: Scene, stay: Stay, made: Made, steps: Steps) -> list[Event] | Refusal:
    before = made.before
    if before is None:
        return []
    if UndoStep.CANCEL_AGAIN in steps:
        # As the PMS had it: it is not told, it is its own word that is taken back here.
        reason = sealed_for(stay.stay_id, "the reinstatement was undone")
        return [StayCancelled(stay_id=stay.stay_id, by_upstream=True, reason=reason)]
    if UndoStep.CHECK_IN_AGAIN in steps:
        return _in_again(scene, stay, before)
    if UndoStep.DEPARTURE in steps:
        return [
            DepartureChanged(
                stay_id=stay.stay_id,
                room_id=stay.room_id,
                previous=stay.departure,
                departure=before.departure,
                nights=before.nights,
            )
        ]
    facts: list[Event] = []
    if UndoStep.UNDO_CHECK_IN in steps:
        assert stay.room_id is not None, "who is in house has a room"
        reason = sealed_for(stay.stay_id, "the PMS's check-in was undone")
        facts.append(
            CheckInUndone(
                stay_id=stay.stay_id,
                room_id=stay.room_id,
                reason=reason,
                room_type_id=before.room_type_id,
            )
        )
    if UndoStep.REINSTATE in steps:
        facts.append(_reinstated(stay, before))
    if {UndoStep.DATES, UndoStep.ROOM_TYPE, UndoStep.PRICE}.intersection(steps):
        facts.append(_changed_back(stay, before))
    return [*facts, *_roomed(scene, _now(stay, facts), before, steps)]


def _reinstated(stay: Stay, before: Snapshot) -> Reinstated:
    return Reinstated(
        stay_id=stay.stay_id,
        upstream_version=stay.says.version if stay.says is not None else "",
        room_type_id=before.room_type_id,
        arrival=before.arrival,
        departure=before.departure,
    )


def _changed_back(stay: Stay, before: Snapshot) -> BookingChanged:
    plan_now = (stay.arrival, stay.departure, stay.room_type_id)
    return BookingChanged(
        stay_id=stay.stay_id,
        upstream_version=stay.says.version if stay.says is not None else "",
        room_type_id=before.room_type_id,
        arrival=before.arrival,
        departure=before.departure,
        guests=(),
        adults=stay.adults,
        children=stay.children,
        nights=before.nights,
        fees=stay.fees,
        channel=stay.channel,
        same_nights=plan_now == (before.arrival, before.departure, before.room_type_id),
        eta=stay.eta,
    )


def _roomed(scene: Scene, stay: Stay, before: Snapshot, steps: Steps) -> list[Event]:
    """The room of before where it is free; who has another one keeps it for the other nights."""
    if UndoStep.ROOM_AWAY in steps and stay.room_id is not None:
        gone = RoomUnassigned(
            stay_id=stay.stay_id, room_id=stay.room_id, room_type_id=before.room_type_id
        )
        return [gone]
    if UndoStep.ROOM_BACK in steps:
        room = scene.rooms.get(before.room_id or "")
        if room is not None and fits(scene, stay, room):
            return [assigned(stay, room, start_of(scene, stay))]
    if stay.room_id is not None and {UndoStep.DATES, UndoStep.ROOM_TYPE}.intersection(steps):
        other_type = UndoStep.ROOM_TYPE in steps
        return kept_room(scene, stay, stay.room_id, other_type=other_type)
    return []


def _in_again(scene: Scene, stay: Stay, before: Snapshot) -> list[Event] | Refusal:
    """A departure that a person took from the PMS: the guest was here all the time."""
    room = scene.rooms.get(before.room_id or "")
    if room is None:
        return Refusal.UNKNOWN_ROOM
    back = _reinstated(stay, before)
    again = _now(stay, [back])
    if room.occupied_by not in {None, stay.stay_id} or not fits(scene, again, room):
        return Refusal.ROOM_OCCUPIED
    here = CheckedIn(
        stay_id=stay.stay_id,
        room_id=room.room_id,
        arrival=before.arrival,
        departure=before.departure,
        business_date=scene.business_date,
        not_ready_accepted=not room.ready,
    )
    return [back, assigned(again, room, start_of(scene, again)), here]


def _reopened(stay: Stay, made: Made, context: Context) -> list[Event]:
    known = [stay.conflicts[each] for each in made.conflicts if each in stay.conflicts]
    return [
        ConflictRaised(
            stay_id=stay.stay_id,
            conflict_id=context.new_id("conflict", stay.stay_id, "again", str(number)),
            what=conflict.what,
            box_says=conflict.box_says,
            upstream_says=conflict.upstream_says,
            upstream_version=conflict.upstream_version,
            nights=conflict.nights,
            items=conflict.items,
            by_hand=True,
        )
        for number, conflict in enumerate(known)
    ]
