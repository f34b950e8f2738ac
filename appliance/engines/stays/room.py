"""Stays as the composition root hands them to the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.engines.stays import (
    clearing,
    learning,
    parking,
    rules,
    sale,
    scene,
    settling,
    undoing,
    walking,
)
from appliance.engines.stays.messages import (
    AddNote,
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    ClearConflict,
    LearnBooking,
    LinkUpstream,
    MarkNoShow,
    MoveRoom,
    NoteOverbooked,
    Rehouse,
    RemindConflict,
    RunNightAudit,
    SellWalkIn,
    SettleConflict,
    UndoCheckIn,
    UndoDecision,
    WalkGuest,
)
from appliance.engines.stays.parked_messages import EditParked, MarkParkedDone, RetryParked
from appliance.engines.stays.projection import PROJECTION
from appliance.engines.stays.reactions import INLINE
from appliance.engines.stays.state import fold
from appliance.kernel.engine import Context, Decision, Engine, Handling
from appliance.kernel.messages import Command

AUDIT_STREAM = "audit/business_date"


def _stream(command: Any, _context: Context) -> str:
    return f"stay/{command.stay_id}"


def _of_one_stay(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(
        command=command, stream=_stream, load=scene.load_stay, decide=clearing.closing(decide)
    )


def _of_a_parked_item(command: type[Command]) -> Handling:
    return Handling(
        command=command,
        stream=parking.stream_of,
        load=parking.load_nothing,
        decide=parking.decide_parked,
    )


ENGINE = Engine(
    name="stays",
    handlings=[
        Handling(
            command=LearnBooking,
            stream=learning.stream_of,
            load=scene.load_learning,
            decide=clearing.closing(learning.learn_booking),
        ),
        Handling(
            command=SellWalkIn,
            stream=sale.stay_stream,
            load=scene.load_sale,
            decide=sale.sell_walk_in,
        ),
        Handling(
            command=LinkUpstream,
            stream=_stream,
            load=scene.load_link,
            decide=rules.link_upstream,
        ),
        Handling(
            command=RunNightAudit,
            stream=lambda *_: AUDIT_STREAM,
            load=scene.load_closing,
            decide=rules.run_night_audit,
        ),
        _of_one_stay(AssignRoom, rules.assign_room),
        _of_one_stay(CheckIn, rules.check_in),
        _of_one_stay(UndoCheckIn, rules.undo_check_in),
        _of_one_stay(MoveRoom, rules.move_room),
        _of_one_stay(ChangeDeparture, rules.change_departure),
        _of_one_stay(CheckOut, rules.check_out),
        _of_one_stay(CancelStay, rules.cancel),
        _of_one_stay(MarkNoShow, rules.mark_no_show),
        _of_one_stay(AddNote, rules.add_note),
        Handling(
            command=NoteOverbooked,
            stream=_stream,
            load=scene.load_crowd,
            decide=clearing.closing(walking.note_overbooked),
        ),
        Handling(
            command=Rehouse,
            stream=_stream,
            load=scene.load_rehousing,
            decide=walking.rehouse,
        ),
        _of_one_stay(WalkGuest, walking.walk_guest),
        _of_one_stay(RemindConflict, walking.remind_conflict),
        _of_one_stay(SettleConflict, settling.settle_conflict),
        Handling(
            command=UndoDecision,
            stream=_stream,
            load=scene.load_undo,
            decide=undoing.undo_decision,
        ),
        _of_one_stay(ClearConflict, clearing.clear_conflict),
        _of_a_parked_item(RetryParked),
        _of_a_parked_item(MarkParkedDone),
        Handling(
            command=EditParked,
            stream=parking.stream_of,
            load=parking.load_numbers,
            decide=parking.decide_edit,
        ),
    ],
    folds={"stay": fold},
    projection=PROJECTION,
    inline=INLINE,
)
