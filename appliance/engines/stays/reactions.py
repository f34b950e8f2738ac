"""Where the calendar's word, or the end of a day, makes a stay act in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.engines.calendar.messages import HoldConfirmed, NightsHeld, RoomAgain
from appliance.engines.stays.messages import (
    BusinessDateRolled,
    ClearConflict,
    MarkNoShow,
    NoteOverbooked,
)
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command


def _held(facts: Facts, event: NightsHeld, _recorded: Recorded) -> Sequence[Command]:
    if not event.overbooked and not event.at_risk:
        return []
    # Holders that are no stays (amenities) are not ours to speak of.
    if facts.row("SELECT 1 FROM stays_stay WHERE stay_id = ?", (event.holder_id,)) is None:
        return []
    note = NoteOverbooked(
        stay_id=event.holder_id, room_type_id=event.room_type_id, nights=event.overbooked
    )
    return [note]


def _room_again(facts: Facts, event: RoomAgain, _recorded: Recorded) -> Sequence[Command]:
    nights = ", ".join(night.isoformat() for night in event.nights)
    because = f"the calendar has room again: {nights}"
    return _cleared(facts, event.holder_id, "overbooked", because)


def _confirmed(facts: Facts, event: HoldConfirmed, _recorded: Recorded) -> Sequence[Command]:
    return _cleared(facts, event.holder_id, "at_risk", "the PMS knows the sale")


def _cleared(facts: Facts, stay_id: str, what: str, because: str) -> Sequence[Command]:
    waiting = facts.row(
        "SELECT 1 FROM stays_conflict WHERE stay_id = ? AND what = ? AND settled_at_ms IS NULL",
        (stay_id, what),
    )
    return [] if waiting is None else [ClearConflict(stay_id=stay_id, what=what, because=because)]


def _rolled(_facts: Facts, event: BusinessDateRolled, _recorded: Recorded) -> Sequence[Command]:
    return [MarkNoShow(stay_id=stay_id, closing=event.closed) for stay_id in event.no_shows]


INLINE = [
    InlineReaction(event=NightsHeld, react=_held),
    InlineReaction(event=RoomAgain, react=_room_again),
    InlineReaction(event=HoldConfirmed, react=_confirmed),
    InlineReaction(event=BusinessDateRolled, react=_rolled),
]
