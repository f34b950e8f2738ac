"""The concierge as the composition root hands it to the kernel."""

from __future__ import annotations

from typing import Final

from appliance.engines.concierge import rules
from appliance.engines.concierge.messages import MakeRequest, RequestStatus, SetRequestStatus
from appliance.engines.concierge.projection import OPEN_STATUS, PROJECTION
from appliance.engines.concierge.reactions import INLINE
from appliance.engines.stays.messages import StayState
from appliance.kernel.engine import Context, Engine, Facts, Handling


def _load_new(facts: Facts, command: MakeRequest, _context: Context) -> rules.Scene:
    row = facts.row(
        "SELECT state, room_id FROM concierge_stay WHERE stay_id = ?", (command.stay_id,)
    )
    waiting = facts.row(
        "SELECT count(*) FROM concierge_request"  # noqa: S608 - our own enum
        f" WHERE stay_id = ? AND status IN ({OPEN_STATUS})",
        (command.stay_id,),
    )
    room = facts.row("SELECT 1 FROM concierge_room WHERE room_id = ?", (command.room_id,))
    stay = None
    if row is not None:
        stay = rules.StayNow(
            state=StayState(row[0]), room_id=row[1], open_requests=waiting[0] if waiting else 0
        )
    return rules.Scene(
        stay=stay,
        room_known=command.room_id is None or room is not None,
        open_max=facts.setting("concierge.open_requests_max", rules.OPEN_MAX),
    )


def _load(facts: Facts, command: SetRequestStatus, _context: Context) -> RequestStatus | None:
    status: RequestStatus | None = facts.fold(f"requests/{command.request_id}")
    return status


ENGINE: Final = Engine(
    name="concierge",
    handlings=[
        Handling(
            command=MakeRequest,
            stream=lambda _, context: f"requests/{context.new_id('request')}",
            load=_load_new,
            decide=rules.make_request,
        ),
        Handling(
            command=SetRequestStatus,
            stream=lambda command, _: f"requests/{command.request_id}",
            load=_load,
            decide=rules.set_request_status,
        ),
    ],
    folds={"requests": rules.fold},
    projection=PROJECTION,
    inline=INLINE,
)
