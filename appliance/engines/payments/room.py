"""Payments as the composition root hands them to the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appliance.engines.payments import rules
from appliance.engines.payments.messages import (
    NoteIntent,
    PostCharge,
    RecordCash,
    RecordSlip,
    SaveCardReference,
    TakeDeposit,
)
from appliance.engines.payments.projection import CHARGES, PAID, PENDING_SUM, PROJECTION
from appliance.kernel.engine import Context, Decision, Engine, Facts, Handling
from appliance.kernel.messages import Command


def _stream(command: Any, _context: Context) -> str:
    return f"payments/{command.stay_id}"


def _load(facts: Facts, command: Any, _context: Context) -> rules.Scene:
    stay = command.stay_id
    house = facts.row("SELECT currency FROM payments_house")
    known = facts.row("SELECT 1 FROM payments_stay WHERE stay_id = ?", (stay,))
    charges, paid, pending = (
        (facts.row(query, (stay,)) or (0,))[0] for query in (CHARGES, PAID, PENDING_SUM)
    )
    return rules.Scene(
        money=facts.fold(f"payments/{stay}"),
        known=known is not None,
        currency=house[0] if house else "",
        due_minor=charges - paid - pending,
        deposit_minor_max=facts.setting("payments.deposit_minor_max", rules.DEPOSIT_MINOR_MAX),
        deposit_hours=facts.setting("payments.deposit_hours", rules.DEPOSIT_HOURS),
    )


def _load_intent(facts: Facts, command: NoteIntent, _context: Context) -> rules.IntentScene:
    row = facts.row("SELECT stay_id FROM payments_intent WHERE intent_id = ?", (command.intent_id,))
    if row is None:
        return rules.IntentScene(stay_id=None, money=rules.Money())
    return rules.IntentScene(stay_id=row[0], money=facts.fold(f"payments/{row[0]}"))


def _of_one_stay(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(command=command, stream=_stream, load=_load, decide=decide)


ENGINE: Final = Engine(
    name="payments",
    handlings=[
        _of_one_stay(SaveCardReference, rules.save_card_reference),
        _of_one_stay(TakeDeposit, rules.take_deposit),
        _of_one_stay(RecordCash, rules.record_cash),
        _of_one_stay(RecordSlip, rules.record_slip),
        _of_one_stay(PostCharge, rules.post_charge),
        Handling(
            command=NoteIntent,
            # Only the read model knows whose intent it is: the rule names the stay's stream.
            stream=lambda command, _: f"payments/{command.intent_id}",
            load=_load_intent,
            decide=rules.note_intent,
        ),
    ],
    folds={"payments": rules.fold},
    projection=PROJECTION,
)
