"""Housekeeping as the composition root hands it to the kernel."""

from __future__ import annotations

from datetime import date

from appliance.engines.housekeeping import rules
from appliance.engines.housekeeping.messages import PlanCleaning, RoomStatus, SetRoomStatus
from appliance.engines.housekeeping.projection import PROJECTION
from appliance.engines.housekeeping.reactions import INLINE
from appliance.kernel.engine import Context, Engine, Facts, Handling


def _stream(command: SetRoomStatus | PlanCleaning, _context: Context) -> str:
    return f"housekeeping/{command.room_id}"


def _load(facts: Facts, command: SetRoomStatus | PlanCleaning, _context: Context) -> rules.RoomNow:
    row = facts.row(
        "SELECT status, reason FROM housekeeping_room WHERE room_id = ?", (command.room_id,)
    )
    if row is None:
        return rules.RoomNow(status=None)
    plan = None
    if isinstance(command, PlanCleaning):
        plan = facts.row(
            "SELECT day, why FROM housekeeping_cleaning WHERE room_id = ? AND stay_id = ?",
            (command.room_id, command.stay_id),
        )
    return rules.RoomNow(
        status=RoomStatus(row[0]),
        reason=row[1],
        planned=None if plan is None else date.fromisoformat(plan[0]),
        why=None if plan is None else plan[1],
    )


ENGINE = Engine(
    name="housekeeping",
    handlings=[
        Handling(command=SetRoomStatus, stream=_stream, load=_load, decide=rules.set_room_status),
        Handling(command=PlanCleaning, stream=_stream, load=_load, decide=rules.plan_cleaning),
    ],
    projection=PROJECTION,
    inline=INLINE,
)
