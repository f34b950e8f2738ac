"""Where the calendar's word, or the end of a day, makes a stay act in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.engines.calendar.messages import NightsHeld
from appliance.engines.stays.messages import BusinessDateRolled, MarkNoShow, NoteOverbooked
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


def _rolled(_facts: Facts, event: BusinessDateRolled, _recorded: Recorded) -> Sequence[Command]:
    return [MarkNoShow(stay_id=stay_id, closing=event.closed) for stay_id in event.no_shows]


INLINE = [
    InlineReaction(event=NightsHeld, react=_held),
    InlineReaction(event=BusinessDateRolled, react=_rolled),
]
