"""Water where none should be is a request of the house, once until the sensor is dry again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.engines.climate.messages import LeakLogged
from appliance.engines.concierge.messages import MakeRequest, RequestType
from appliance.engines.concierge.rules import TEXT_CHARS_MAX
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command
from appliance.kernel.values import looks_like_card_number


def _leak(facts: Facts, event: LeakLogged, recorded: Recorded) -> Sequence[Command]:
    row = facts.row(
        "SELECT wet_position FROM concierge_leak WHERE device_id = ?", (event.device_id,)
    )
    # Our table has taken this very fact in already: only the first of a wet period is its start.
    if not event.wet or row is None or row[0] != recorded.position:
        return []
    known = facts.row("SELECT 1 FROM concierge_room WHERE room_id = ?", (event.room_id,))
    text = f"Water at {event.device_id}"[:TEXT_CHARS_MAX]
    request = MakeRequest(
        stay_id=None,
        # A refusal would take the leak's own fact back: a room we do not know is not named.
        room_id=event.room_id if known else None,
        type=RequestType.LEAK,
        # Nor may a device's number that happens to pass Luhn.
        text="" if looks_like_card_number(text) else text,
    )
    return [request]


INLINE: Final = [InlineReaction(event=LeakLogged, react=_leak)]
