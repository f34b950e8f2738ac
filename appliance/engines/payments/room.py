"""Payments as the composition root hands them to the kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from appliance.engines.payments import (
    asking,
    billing,
    counting,
    disputes,
    drawers,
    news,
    recovery,
    rules,
    state,
)
from appliance.engines.payments.drawer_messages import CloseDrawer, OpenDrawer
from appliance.engines.payments.messages import (
    AcceptUnpaid,
    AskCardSetUp,
    AskPayLink,
    BillFolio,
    CaptureHold,
    CheckRecovery,
    CorrectCharge,
    DisputeState,
    Folio,
    HoldCard,
    NoteCapture,
    NoteCardSetUp,
    NoteDispute,
    NoteIntent,
    NotePayLink,
    NoteRefund,
    NoteStrayPayment,
    PostCharge,
    RecordCash,
    RecordSlip,
    RefundPayment,
    ReleaseHold,
    RouteFolio,
    SaveCardReference,
    SettleStray,
    TakeDeposit,
    TransferCharge,
)
from appliance.engines.payments.projection import PROJECTION
from appliance.engines.payments.queries import CHARGES, PAID, PENDING_SUM
from appliance.engines.payments.reactions import REACTIONS
from appliance.engines.payments.rent_room import HANDLINGS as RENTS
from appliance.kernel.engine import Context, Decision, Engine, Facts, Handling
from appliance.kernel.messages import Command


def _stream(command: Any, _context: Context) -> str:
    return f"payments/{command.stay_id}"


def _load(facts: Facts, command: Any, _context: Context) -> rules.Scene:
    return _scene(facts, command.stay_id)


def _scene(facts: Facts, stay_id: str | None) -> rules.Scene:
    house = facts.row("SELECT currency FROM payments_house")
    currency = house[0] if house else ""
    if stay_id is None:
        return rules.Scene(money=state.Money(), known=False, currency=currency)
    known = facts.row("SELECT 1 FROM payments_stay WHERE stay_id = ?", (stay_id,))
    charges, paid, pending = (
        (facts.row(query, (stay_id,)) or (0,))[0] for query in (CHARGES, PAID, PENDING_SUM)
    )
    return rules.Scene(
        money=facts.fold(f"payments/{stay_id}"),
        known=known is not None,
        currency=currency,
        stay_id=stay_id,
        due_minor=charges - paid - pending,
        deposit_minor_max=facts.setting("payments.deposit_minor_max", rules.DEPOSIT_MINOR_MAX),
        deposit_hours=facts.setting("payments.deposit_hours", rules.DEPOSIT_HOURS),
        hold_hours=facts.setting("payments.hold_hours", rules.HOLD_HOURS),
        link_hours=facts.setting("payments.link_hours", rules.LINK_HOURS),
    )


_OWNER_OF_INTENT: Final = "SELECT stay_id FROM payments_intent WHERE intent_id = ?"
_OWNER_OF_PAYMENT: Final = "SELECT stay_id FROM payments_payment WHERE payment_id = ?"


def _owner(facts: Facts, query: str, one: str) -> str | None:
    row = facts.row(query, (one,))
    return row[0] if row else None


def _load_by_intent(facts: Facts, command: Any, _context: Context) -> rules.Scene:
    return _scene(facts, _owner(facts, _OWNER_OF_INTENT, command.intent_id))


def _load_by_payment(facts: Facts, command: RefundPayment, _context: Context) -> rules.Scene:
    scene = _scene(facts, _owner(facts, _OWNER_OF_PAYMENT, command.payment_id))
    disputed = facts.row(
        "SELECT coalesce(sum(amount_minor), 0) FROM payments_dispute"
        # A dispute may be heard of before its payment is: then only the reference says whose it is.
        " WHERE state != 'won' AND (payment_id = ?1 OR provider_ref ="
        " (SELECT provider_ref FROM payments_payment WHERE payment_id = ?1))",
        (command.payment_id,),
    )
    return replace(scene, disputed_minor=disputed[0] if disputed else 0)


def _load_news(field: str) -> Callable[[Facts, Any, Context], news.NewsScene]:
    def load(facts: Facts, command: Any, _context: Context) -> news.NewsScene:
        stay_id = _owner(facts, _OWNER_OF_INTENT, getattr(command, field))
        if stay_id is None:
            return news.NewsScene(stay_id=None, money=state.Money())
        return news.NewsScene(
            stay_id=stay_id,
            money=facts.fold(f"payments/{stay_id}"),
            hold_hours=facts.setting("payments.hold_hours", rules.HOLD_HOURS),
        )

    return load


def _load_dispute(facts: Facts, command: NoteDispute, _context: Context) -> disputes.DisputeScene:
    known = facts.row(
        "SELECT state, due_s FROM payments_dispute WHERE dispute_id = ?", (command.dispute_id,)
    )
    paid = facts.row(
        "SELECT payment_id, stay_id FROM payments_payment WHERE provider_ref = ?",
        (command.provider_ref,),
    )
    return disputes.DisputeScene(
        state=DisputeState(known[0]) if known else None,
        due_s=known[1] if known else None,
        payment_id=paid[0] if paid else None,
        stay_id=paid[1] if paid else None,
    )


def _load_stray(facts: Facts, command: NoteStrayPayment, _context: Context) -> disputes.StrayScene:
    paid = facts.row(
        "SELECT 1 FROM payments_payment WHERE provider_ref = ?", (command.provider_ref,)
    )
    stray = facts.row(
        "SELECT 1 FROM payments_stray WHERE stray_id = ?",
        (disputes.stray_id_of(command.provider_ref),),
    )
    return disputes.StrayScene(known=paid is not None or stray is not None)


def _load_charge(
    facts: Facts, command: CorrectCharge | TransferCharge, _context: Context
) -> billing.ChargeScene:
    row = facts.row(
        "SELECT stay_id, folio, amount_minor, currency, corrected FROM payments_charge"
        " WHERE charge_id = ?",
        (command.charge_id,),
    )
    to = command.to_stay_id if isinstance(command, TransferCharge) else None
    known = facts.row("SELECT 1 FROM payments_stay WHERE stay_id = ?", (to,))
    if row is None:
        return billing.ChargeScene(charge=None)
    charge = billing.Posted(
        stay_id=row[0],
        folio=Folio(row[1]),
        amount_minor=row[2],
        currency=row[3],
        corrected=bool(row[4]),
    )
    return billing.ChargeScene(charge=charge, to_known=known is not None)


def _load_untold(facts: Facts, _command: CheckRecovery, context: Context) -> list[recovery.Item]:
    return recovery.items_from(facts.rows(recovery.UNTOLD, (context.now.wall_s,)))


def _load_item(facts: Facts, command: AcceptUnpaid, context: Context) -> recovery.Item | None:
    rows = facts.rows(recovery.ONE, (context.now.wall_s, command.item_id))
    return next(iter(recovery.items_from(rows)), None)


def _load_settling(facts: Facts, command: SettleStray, _context: Context) -> recovery.Stray:
    row = facts.row(
        "SELECT settled, provider_ref, amount_minor, currency FROM payments_stray"
        " WHERE stray_id = ?",
        (command.stray_id,),
    )
    if row is None:
        return recovery.Stray(found=False)
    stay = facts.row("SELECT 1 FROM payments_stay WHERE stay_id = ?", (command.stay_id,))
    house = facts.row("SELECT currency FROM payments_house")
    return recovery.Stray(
        found=True,
        same_currency=house is not None and house[0] == row[3],
        settled=bool(row[0]),
        provider_ref=row[1],
        amount_minor=row[2],
        currency=row[3],
        stay_known=stay is not None,
    )


def _of_one_stay(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(command=command, stream=_stream, load=_load, decide=decide)


def _of_an_intent(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    # Only the read model knows whose intent it is: the rule names the stay's stream.
    return Handling(
        command=command,
        stream=lambda asked, _: f"payments/{asked.intent_id}",
        load=_load_by_intent,
        decide=decide,
    )


def _news(command: type[Command], field: str, decide: Callable[..., Decision]) -> Handling:
    return Handling(
        command=command,
        stream=lambda asked, _: f"payments/{getattr(asked, field)}",
        load=_load_news(field),
        decide=decide,
    )


ENGINE: Final = Engine(
    name="payments",
    handlings=[
        _of_one_stay(SaveCardReference, rules.save_card_reference),
        _of_one_stay(RecordCash, rules.record_cash),
        _of_one_stay(RecordSlip, rules.record_slip),
        _of_one_stay(PostCharge, rules.post_charge),
        _of_one_stay(TakeDeposit, asking.take_deposit),
        _of_one_stay(HoldCard, asking.hold_card),
        _of_one_stay(AskPayLink, asking.ask_pay_link),
        _of_one_stay(AskCardSetUp, asking.ask_card_set_up),
        _of_an_intent(CaptureHold, asking.capture_hold),
        _of_an_intent(ReleaseHold, asking.release_hold),
        Handling(
            command=RefundPayment,
            stream=lambda command, _: f"payments/{command.payment_id}",
            load=_load_by_payment,
            decide=asking.refund_payment,
        ),
        _news(NoteIntent, "intent_id", news.note_intent),
        _news(NoteCapture, "capture_id", news.note_capture),
        _news(NoteRefund, "refund_id", news.note_refund),
        _news(NotePayLink, "link_id", news.note_pay_link),
        _news(NoteCardSetUp, "set_up_id", news.note_card_set_up),
        Handling(
            command=NoteDispute,
            stream=lambda command, _: f"disputes/{command.dispute_id}",
            load=_load_dispute,
            decide=disputes.note_dispute,
        ),
        Handling(
            command=NoteStrayPayment,
            stream=lambda command, _: f"strays/{command.provider_ref}",
            load=_load_stray,
            decide=disputes.note_stray_payment,
        ),
        _of_one_stay(RouteFolio, billing.route_folio),
        _of_one_stay(BillFolio, billing.bill_folio),
        *(
            Handling(
                command=command,
                stream=lambda asked, _: f"payments/{asked.charge_id}",
                load=_load_charge,
                decide=decide,
            )
            for command, decide in (
                (CorrectCharge, billing.correct_charge),
                (TransferCharge, billing.transfer_charge),
            )
        ),
        Handling(
            command=CheckRecovery,
            stream=lambda _, __: "recovery/house",
            load=_load_untold,
            decide=recovery.check_recovery,
        ),
        Handling(
            command=AcceptUnpaid,
            stream=lambda _, __: "recovery/house",
            load=_load_item,
            decide=recovery.accept_unpaid,
        ),
        Handling(
            command=SettleStray,
            stream=lambda command, _: f"strays/{command.stray_id}",
            load=_load_settling,
            decide=recovery.settle_stray,
        ),
        Handling(
            command=OpenDrawer,
            stream=lambda _, context: f"drawers/{context.who.terminal}",
            load=drawers.load_opening,
            decide=counting.open_drawer,
        ),
        Handling(
            command=CloseDrawer,
            stream=lambda command, _: f"drawers/{command.drawer_id}",
            load=drawers.load_closing,
            decide=counting.close_drawer,
        ),
        *RENTS,
    ],
    folds={"payments": state.fold},
    projection=PROJECTION,
    reactions=REACTIONS,
)
