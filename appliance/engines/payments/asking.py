"""When a provider is asked for something: deposits, holds, captures, refunds, links, cards.

What is asked is a fact before anything is sent, with its own id, its amount and its end.
"""

from __future__ import annotations

from typing import Any

from appliance.engines.payments.messages import (
    AskCardSetUp,
    AskPayLink,
    CaptureAsked,
    CaptureHold,
    CardSetUpAsked,
    DepositAsked,
    HoldAsked,
    HoldCard,
    HoldReleaseAsked,
    IntentState,
    PayLinkAsked,
    PaymentRefunded,
    RefundAsked,
    RefundPayment,
    Refusal,
    ReleaseHold,
    TakeDeposit,
)
from appliance.engines.payments.rules import (
    TEXT_CHARS_MAX,
    Scene,
    booker_of,
    money_refusal,
    text_refusal,
)
from appliance.engines.payments.state import BLOCKING, Ask, Kind, Paid
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.sealed import seal_later

# What came by these goes back by the provider; cash and slips by hand. A stray lies there as well,
# whichever folio it is on by now.
BY_PROVIDER = frozenset({"saved_card", "hold", "pay_link", "stray"})


def take_deposit(scene: Scene, command: TakeDeposit, context: Context) -> Decision:
    """One open deposit at a time, of what is due, and never after its time."""
    refusal = _card_refusal(scene, command)
    if refusal is not None:
        return refusal
    open_intent = scene.money.open_of(Kind.DEPOSIT)
    if open_intent is not None:
        return No(refusal=Refusal.DEPOSIT_EXISTS, detail={"intent_id": open_intent})
    if scene.due_minor <= 0:
        return Refusal.NOTHING_DUE
    fields = _on_the_card(scene, command, context)
    return Yes(events=[DepositAsked(**fields)], result={"intent_id": fields["intent_id"]})


def hold_card(scene: Scene, command: HoldCard, context: Context) -> Decision:
    """One hold at a time. It takes nothing, so nothing need be due."""
    refusal = _card_refusal(scene, command)
    if refusal is not None:
        return refusal
    for intent_id, each in scene.money.asks.items():
        if each.kind is Kind.HOLD and each.state in BLOCKING | {IntentState.HELD}:
            return No(refusal=Refusal.HOLD_EXISTS, detail={"intent_id": intent_id})
    fields = _on_the_card(scene, command, context)
    return Yes(events=[HoldAsked(**fields)], result={"intent_id": fields["intent_id"]})


def _card_refusal(scene: Scene, command: TakeDeposit | HoldCard) -> Decision | None:
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    if refusal is not None:
        return refusal
    if command.amount_minor > scene.deposit_minor_max:
        return No(refusal=Refusal.BAD_AMOUNT, detail={"at_most": scene.deposit_minor_max})
    return Refusal.NO_SAVED_CARD if scene.money.card is None else None


def _on_the_card(scene: Scene, command: TakeDeposit | HoldCard, context: Context) -> dict[str, Any]:
    assert scene.money.card is not None, "refused before"
    end_s = context.now.wall_s + scene.deposit_hours * 3_600
    return {
        "intent_id": context.new_id("intent"),
        "stay_id": command.stay_id,
        "amount_minor": command.amount_minor,
        "currency": command.currency,
        "customer_ref": scene.money.card[0],
        "method_ref": scene.money.card[1],
        "not_after_s": end_s if command.not_after_s is None else command.not_after_s,
    }


def capture_hold(scene: Scene, command: CaptureHold, context: Context) -> Decision:
    """Once, no more than is held, and only while the provider still holds it."""
    hold = _held(scene, command.intent_id)
    if not isinstance(hold, Ask):
        return hold
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    if refusal is not None:
        return refusal
    if command.amount_minor > hold.amount_minor:
        return No(refusal=Refusal.MORE_THAN_LEFT, detail={"left_minor": hold.amount_minor})
    if context.now.wall_s >= hold.capture_by_s:
        return No(refusal=Refusal.TOO_LATE, detail={"capture_by_s": hold.capture_by_s})
    assert scene.stay_id is not None, "a hold is a stay's"
    capture_id = context.new_id("capture")
    event = CaptureAsked(
        capture_id=capture_id,
        intent_id=command.intent_id,
        stay_id=scene.stay_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        provider_ref=hold.provider_ref or "",
        capture_by_s=hold.capture_by_s,
    )
    return Yes(events=[event], stream=_stream(scene), result={"capture_id": capture_id})


def release_hold(scene: Scene, command: ReleaseHold, _context: Context) -> Decision:
    """Once; letting go again is no news."""
    found = scene.money.asks.get(command.intent_id)
    if found is not None and (found.releasing or found.state is IntentState.RELEASED):
        return Yes(events=[])
    hold = _held(scene, command.intent_id)
    if not isinstance(hold, Ask):
        return hold
    assert scene.stay_id is not None, "a hold is a stay's"
    event = HoldReleaseAsked(
        intent_id=command.intent_id,
        stay_id=scene.stay_id,
        provider_ref=hold.provider_ref or "",
    )
    return Yes(events=[event], stream=_stream(scene))


def _held(scene: Scene, intent_id: str) -> Ask | Decision:
    hold = scene.money.asks.get(intent_id)
    if scene.stay_id is None or hold is None or hold.kind is not Kind.HOLD:
        return Refusal.UNKNOWN_INTENT
    state = hold.state.value
    if hold.releasing:
        state = IntentState.RELEASED.value
    elif scene.money.open_of(Kind.CAPTURE, intent_id) is not None:
        state = IntentState.CAPTURED.value
    if state != IntentState.HELD:
        return No(refusal=Refusal.NOT_HELD, detail={"state": state})
    return hold


def refund_payment(scene: Scene, command: RefundPayment, context: Context) -> Decision:
    """Only of money that has arrived, and never more than is left of it."""
    paid = scene.money.payments.get(command.payment_id)
    if scene.stay_id is None or paid is None or paid.second:
        return Refusal.UNKNOWN_PAYMENT
    if command.currency != paid.currency:
        return Refusal.BAD_CURRENCY
    if command.amount_minor <= 0:
        return Refusal.BAD_AMOUNT
    left_minor = max(0, scene.money.left_minor(command.payment_id) - scene.disputed_minor)
    if command.amount_minor > left_minor:
        return No(refusal=Refusal.MORE_THAN_LEFT, detail={"left_minor": left_minor})
    refusal = text_refusal(command.reason, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    refund_id = context.new_id("refund")
    event = _refund(scene.stay_id, paid, command, refund_id)
    return Yes(events=[event], stream=_stream(scene), result={"refund_id": refund_id})


def _refund(
    stay_id: str, paid: Paid, command: RefundPayment, refund_id: str
) -> RefundAsked | PaymentRefunded:
    reason = seal_later(booker_of(stay_id), command.reason.strip())
    if paid.means in BY_PROVIDER:
        return RefundAsked(
            refund_id=refund_id,
            payment_id=command.payment_id,
            stay_id=stay_id,
            intent_id=paid.intent_id,
            provider_ref=paid.provider_ref or "",
            amount_minor=command.amount_minor,
            currency=command.currency,
            because="asked",
            means=paid.means,
            reason=reason,
        )
    return PaymentRefunded(
        refund_id=refund_id,
        payment_id=command.payment_id,
        stay_id=stay_id,
        means=paid.means,
        amount_minor=command.amount_minor,
        currency=command.currency,
        reason=reason,
    )


def ask_pay_link(scene: Scene, command: AskPayLink, context: Context) -> Decision:
    """A page of the provider's under a reference that is used once."""
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    if refusal is not None:
        return refusal
    link_id = context.new_id("link")
    expires_s = command.expires_s
    if expires_s is None:
        expires_s = context.now.wall_s + scene.link_hours * 3_600
    event = PayLinkAsked(
        link_id=link_id,
        stay_id=command.stay_id,
        # cloud.md 2.3: at most 30 of [A-Za-z0-9/_-], one for each attempt; ours has 21.
        order_ref=link_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        expires_s=expires_s,
    )
    return Yes(events=[event], result={"link_id": link_id})


def ask_card_set_up(scene: Scene, command: AskCardSetUp, context: Context) -> Decision:
    """One page at a time; what waits already is the answer."""
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    for set_up_id, each in scene.money.asks.items():
        if each.kind is Kind.CARD and each.state in BLOCKING | {IntentState.REQUIRES_ACTION}:
            return Yes(events=[], result={"set_up_id": set_up_id})
    set_up_id = context.new_id("setup")
    customer_ref = scene.money.card[0] if scene.money.card else None
    event = CardSetUpAsked(set_up_id=set_up_id, stay_id=command.stay_id, customer_ref=customer_ref)
    return Yes(events=[event], result={"set_up_id": set_up_id})


def _stream(scene: Scene) -> str:
    return f"payments/{scene.stay_id}"
