"""How a room is, told to Mews: whoever checks in there needs it inspected (cloud.md 1.3).

The box is the master of what is physically so; a state that Mews' own housekeeping sets is a
person's word there and is not taken over here.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.engines.housekeeping.messages import RoomStatus
from sync.outcome import Outcome, Refused, Succeeded
from sync.pms.mews.client import Fine, MewsClient, failure

# `resources/update` takes every state but OutOfOrder, which is a block of the calendar there.
STATE_OF_ROOM: Final = {
    RoomStatus.CLEAN: "Clean",
    RoomStatus.DIRTY: "Dirty",
    RoomStatus.INSPECTED: "Inspected",
    RoomStatus.OUT_OF_ORDER: "OutOfService",
}


async def push_room_state(
    client: MewsClient, told: dict[str, Any], room_upstream_id: str | None
) -> Outcome:
    """Say it; the same said twice is the same, so a lost answer is simply sent again."""
    if room_upstream_id is None:
        return Refused(sentence="Mews has no such room: give it its upstream id")
    state = STATE_OF_ROOM[RoomStatus(told["status"])]
    change = {"ResourceId": room_upstream_id, "State": {"Value": state}}
    reply = await client.ask("resources/update", {"ResourceUpdates": [change]})
    return (
        Succeeded(sentence=f"Mews has it as {state}") if isinstance(reply, Fine) else failure(reply)
    )
