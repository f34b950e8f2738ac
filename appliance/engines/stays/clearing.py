"""A conflict whose cause is gone closes by itself, with a sentence that says what became of it.

What is about a guest in house stays for a person as long as the guest is here and both sides
do not say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.engines.stays.merging import DISPUTES, NAMES
from appliance.engines.stays.messages import (
    ClearConflict,
    ConflictCleared,
    Refusal,
    StayState,
)
from appliance.engines.stays.scene import Scene
from appliance.engines.stays.state import Conflict, Stay, fold
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event

Decide = Callable[[Scene, Any, Context], Decision]

# Questions about the nights and the room of a stay: nobody asks them once it is over.
_OF_THE_PLAN = frozenset(
    {
        "overbooked",
        "at_risk",
        "room_taken",
        "unknown_room",
        *DISPUTES,
    }
)
_OF_THE_ROOM = frozenset({"room_taken", "unknown_room"})
_GONE = frozenset({StayState.CANCELLED, StayState.NO_SHOW})


def closing(decide: Decide) -> Decide:
    """The rule `decide`, followed by the end of every conflict that its facts leave no cause."""

    def decided(scene: Scene, command: Any, context: Context) -> Decision:
        decision = decide(scene, command, context)
        if scene.stay is None or not isinstance(decision, Yes | list):
            return decision
        yes = decision if isinstance(decision, Yes) else Yes(events=decision)
        ends = _ends(scene.stay, list(yes.events))
        if not ends:
            return yes
        return Yes(events=[*yes.events, *ends], result=yes.result, stream=yes.stream)

    return decided


def clear_conflict(scene: Scene, command: ClearConflict, _context: Context) -> Decision:
    """Another engine's word that what was in conflict is in order again."""
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    return [
        ConflictCleared(stay_id=stay.stay_id, conflict_id=conflict_id, because=command.because)
        for conflict_id, conflict in stay.conflicts.items()
        if not conflict.settled and not conflict.by_hand and conflict.what == command.what
    ]


def _ends(before: Stay, events: list[Event]) -> list[Event]:
    waiting = [
        key
        for key, conflict in before.conflicts.items()
        if not conflict.settled and not conflict.by_hand
    ]
    if not waiting or not events:
        return []
    after = fold(before, events)
    assert after is not None, "no fact takes a stay away"
    ends: list[Event] = []
    for conflict_id in waiting:
        conflict = after.conflicts[conflict_id]
        because = None if conflict.settled else _why_gone(conflict, after)
        if because is not None:
            ends.append(
                ConflictCleared(stay_id=after.stay_id, conflict_id=conflict_id, because=because)
            )
    return ends


def _why_gone(conflict: Conflict, stay: Stay) -> str | None:
    match stay.state:
        case StayState.CANCELLED | StayState.NO_SHOW:
            return _never_came(conflict, stay)
        case StayState.DEPARTED:
            return _left(conflict, stay)
        case StayState.CONFIRMED:
            return (
                _other_nights(conflict, stay)
                or _agreed(conflict, stay)
                or _as_planned(conflict, stay)
            )
        case StayState.IN_HOUSE:
            return _other_nights(conflict, stay) or _agreed(conflict, stay) or _here(conflict, stay)


def _never_came(conflict: Conflict, stay: Stay) -> str | None:
    ended = f"the stay is over: {stay.state.value}"
    if stay.says is not None and stay.says.state in _GONE:
        return f"{ended}, at the PMS as well"
    agreed = conflict.what == f"{stay.state.value}_in_house"
    return ended if agreed or conflict.what in _OF_THE_PLAN else None


def _left(conflict: Conflict, stay: Stay) -> str | None:
    if stay.says is not None and stay.says.state is StayState.DEPARTED:
        return "the guest has left, at the PMS as well"
    # What the PMS bills for a guest who was here and is cancelled there, a person looks at.
    return "the guest has left" if conflict.what in _OF_THE_PLAN else None


def _other_nights(conflict: Conflict, stay: Stay) -> str | None:
    if not conflict.nights or any(
        stay.arrival <= night < stay.departure for night in conflict.nights
    ):
        return None
    return f"the stay is from {stay.arrival} to {stay.departure} now"


def _agreed(conflict: Conflict, stay: Stay) -> str | None:
    """Both sides came to say the same of every point, whoever gave in."""
    says = stay.says
    if says is None or conflict.what not in DISPUTES or not conflict.items:
        return None
    same = [
        getattr(stay, NAMES[item.field]) == getattr(says, NAMES[item.field])
        if item.field in NAMES
        else stay.nights == says.nights
        for item in conflict.items
    ]
    return "box and PMS say the same now" if all(same) else None


def _as_planned(conflict: Conflict, stay: Stay) -> str | None:
    if conflict.what in _OF_THE_ROOM:
        if stay.room_id == conflict.upstream_says:
            return f"the stay has room {stay.room_id}"
        if stay.says is not None and stay.says.room_id != conflict.upstream_says:
            return f"the PMS asks for {stay.says.room_id or 'no room'} now"
    back = stay.says is not None and stay.says.state is StayState.CONFIRMED
    if conflict.what == "in_house_elsewhere" and back:
        return "the PMS says confirmed as well"
    return None


def _here(conflict: Conflict, stay: Stay) -> str | None:
    if conflict.what in _OF_THE_ROOM and stay.room_id == conflict.upstream_says:
        return f"the guest is in room {stay.room_id}"
    theirs = stay.says.room_id if stay.says is not None else None
    if conflict.what == "in_house_elsewhere" and theirs in {None, stay.room_id}:
        return f"the guest is in house, in room {stay.room_id}"
    return None
