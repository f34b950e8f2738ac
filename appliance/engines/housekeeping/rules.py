"""How a room is, and on which day it is to be cleaned for the next guest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from appliance.engines.housekeeping.messages import (
    CleaningPlanned,
    PlanCleaning,
    Refusal,
    RoomStatus,
    RoomStatusSet,
    SetRoomStatus,
)
from appliance.kernel.engine import Context, Decision, No
from appliance.kernel.values import looks_like_card_number

# 500 characters: what is wrong with a room, for the one who repairs it.
REASON_CHARS_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomNow:
    """One room as housekeeping knows it; `status` None means there is no such room."""

    status: RoomStatus | None
    reason: str = ""
    planned: date | None = None  # for the stay that is asked about
    why: str | None = None  # None: that stay is not on this room's list


def set_room_status(state: RoomNow, command: SetRoomStatus, _context: Context) -> Decision:
    """Inspected only after clean, out of order only with its reason."""
    if state.status is None:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": command.room_id})
    reason = command.reason.strip()
    no = _reason_refusal(command.status, reason)
    if no is not None:
        return no
    if (state.status, state.reason) == (command.status, reason):
        return []
    inspectable = state.status in {RoomStatus.CLEAN, RoomStatus.INSPECTED}
    if command.status is RoomStatus.INSPECTED and not inspectable:
        return No(refusal=Refusal.NOT_CLEAN, detail={"status": state.status.value})
    return [RoomStatusSet(room_id=command.room_id, status=command.status, reason=reason)]


def _reason_refusal(status: RoomStatus, reason: str) -> Refusal | None:
    if len(reason) > REASON_CHARS_MAX:
        return Refusal.TOO_LONG
    if looks_like_card_number(reason):
        return Refusal.CARD_NUMBER
    if status is RoomStatus.OUT_OF_ORDER and not reason:
        return Refusal.REASON_NEEDED
    return None


def plan_cleaning(state: RoomNow, command: PlanCleaning, _context: Context) -> Decision:
    """The list changes only where it says something new."""
    if state.status is None:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": command.room_id})
    told = (state.planned, state.why)
    if told == (command.on, command.why if command.on is not None else None):
        return []
    return [
        CleaningPlanned(
            room_id=command.room_id, stay_id=command.stay_id, on=command.on, why=command.why
        )
    ]
