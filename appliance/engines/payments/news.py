"""What the providers said of what was asked: the same news twice is one fact, a final word stays."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    CaptureNoted,
    CardReferenceSaved,
    CardSetUpNoted,
    IntentNoted,
    IntentState,
    NoteCapture,
    NoteCardSetUp,
    NoteIntent,
    NotePayLink,
    NoteRefund,
    PayLinkNoted,
    PaymentRefunded,
    PaymentSettled,
    RefundAsked,
    RefundNoted,
    Refusal,
    SecondChargeFound,
    StrayMoneyFound,
)
from appliance.engines.payments.rules import (
    HOLD_HOURS,
    REFERENCE_CHARS_MAX,
    text_refusal,
)
from appliance.engines.payments.state import FINAL, Ask, Kind, Money
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.guest_page import CHARS_MAX, is_guest_page
from appliance.kernel.messages import Event
from appliance.kernel.values import derived_id

S = IntentState
# What may be said of each kind beside the states that all share.
_OF_A_HOLD = frozenset({S.HELD, S.CAPTURED, S.RELEASED})

Note = NoteIntent | NoteCapture | NoteRefund | NotePayLink | NoteCardSetUp


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsScene:
    """The stay that something was asked for (None: nobody's), its money, and the live rules."""

    stay_id: str | None
    money: Money
    hold_hours: int = HOLD_HOURS


def _judge(scene: NewsScene, ask_id: str, command: Note, kinds: frozenset[Kind]) -> Ask | Decision:
    """The thing asked for, when these are news of it; else the decision."""
    ask = scene.money.asks.get(ask_id)
    if scene.stay_id is None or ask is None or ask.kind not in kinds:
        return Refusal.UNKNOWN_INTENT
    if command.state in _OF_A_HOLD and ask.kind is not Kind.HOLD:
        return Refusal.WRONG_NEWS
    url = getattr(command, "url", None)
    if url is not None and not is_guest_page(url):
        return Refusal.TOO_LONG if len(url) > CHARS_MAX else Refusal.BAD_PAGE
    same_ref = command.provider_ref in {None, ask.provider_ref}
    same = command.state is ask.state and same_ref
    if ask.state in FINAL:
        if same:
            return Yes(events=[])
        return No(refusal=Refusal.ALREADY_FINAL, detail={"state": ask.state.value})
    same_page = url in {None, ask.url}
    return Yes(events=[]) if same and same_page and command.code == ask.code else ask


def note_intent(scene: NewsScene, command: NoteIntent, context: Context) -> Decision:
    """What was learned of a deposit or a hold.

    The money's arrival is a fact of the same decision, once, under an id of the intent's own.
    """
    late = _money_after_the_end(scene, command)
    if late is not None:
        return late
    ask = _judge(scene, command.intent_id, command, frozenset({Kind.DEPOSIT, Kind.HOLD}))
    if not isinstance(ask, Ask):
        return ask
    assert scene.stay_id is not None, "judged above"
    if ask.kind is Kind.HOLD and command.state is S.SUCCEEDED:
        return _hold_taken(scene, scene.stay_id, ask, command)
    capture_by_s = command.capture_by_s
    if command.state is S.HELD and capture_by_s is None:
        capture_by_s = context.now.wall_s + scene.hold_hours * 3_600
    events: list[Event] = [_noted(command, scene.stay_id, command.state, capture_by_s)]
    if command.state is S.SUCCEEDED:
        payment_id = derived_id("payment", command.intent_id)
        events.append(_arrived(scene.stay_id, payment_id, ask, command, command.intent_id))
    return _yes(scene, command, events)


def _hold_taken(scene: NewsScene, stay_id: str, hold: Ask, command: NoteIntent) -> Decision:
    """The provider has taken what it held: by our capture, or by somebody's hand there."""
    capture_id = scene.money.open_of(Kind.CAPTURE, command.intent_id)
    events: list[Event] = [_noted(command, stay_id, S.CAPTURED, None)]
    taken = hold
    payment_id = derived_id("payment", command.intent_id)
    if capture_id is not None:
        taken = scene.money.asks[capture_id]
        payment_id = derived_id("payment", capture_id)
        noted = CaptureNoted(
            capture_id=capture_id,
            intent_id=command.intent_id,
            stay_id=stay_id,
            state=S.SUCCEEDED,
            provider_ref=command.provider_ref,
            code=command.code,
            evidence=command.evidence,
        )
        events.insert(0, noted)
    ref = command.provider_ref or hold.provider_ref
    events.append(
        PaymentSettled(
            payment_id=payment_id,
            stay_id=stay_id,
            intent_id=command.intent_id,
            means="hold",
            amount_minor=command.amount_minor or taken.amount_minor,
            currency=hold.currency,
            provider_ref=ref,
        )
    )
    return _yes(scene, command, events)


def _money_after_the_end(scene: NewsScene, command: NoteIntent) -> Decision | None:
    """Money under another reference than the one that ended it: a second charge, or a stray."""
    ask = scene.money.asks.get(command.intent_id)
    if ask is None or scene.stay_id is None or ask.state not in FINAL:
        return None
    ref = command.provider_ref
    if command.state is not S.SUCCEEDED:
        return None
    took = ask.state in {S.SUCCEEDED, S.CAPTURED}
    if took and ref in {None, ask.provider_ref}:
        return Yes(events=[])
    if not took:
        return _late_money(scene, ask, command)
    assert ref is not None, "looked at above"
    payment_id = derived_id("payment", command.intent_id, ref)
    if payment_id in scene.money.payments or ask.provider_ref is None:
        return Yes(events=[])
    return _yes(scene, command, _second_charge(scene.stay_id, payment_id, ask, command))


def _second_charge(stay_id: str, payment_id: str, ask: Ask, command: NoteIntent) -> list[Event]:
    refund_id = derived_id("refund", payment_id)
    amount_minor = command.amount_minor or ask.amount_minor
    ref = command.provider_ref or ""
    return [
        SecondChargeFound(
            payment_id=payment_id,
            intent_id=command.intent_id,
            stay_id=stay_id,
            amount_minor=amount_minor,
            currency=ask.currency,
            provider_ref=ref,
            refund_id=refund_id,
        ),
        RefundAsked(
            refund_id=refund_id,
            payment_id=payment_id,
            stay_id=stay_id,
            intent_id=command.intent_id,
            provider_ref=ref,
            amount_minor=amount_minor,
            currency=ask.currency,
            because="second_charge",
        ),
    ]


def _late_money(scene: NewsScene, ask: Ask, command: NoteIntent) -> Decision:
    """The provider said no, and now says that it charged: money without a reason, for a person."""
    ref = command.provider_ref or ask.provider_ref or command.intent_id
    stray_id = derived_id("stray", ref)
    if stray_id in scene.money.strays:
        return Yes(events=[])
    event = StrayMoneyFound(
        stray_id=stray_id,
        provider="",
        provider_ref=ref,
        amount_minor=command.amount_minor or ask.amount_minor,
        currency=ask.currency,
        our_ref=command.intent_id,
        evidence=command.evidence,
        stay_id=scene.stay_id,
    )
    return _yes(scene, command, [event])


def _noted(
    command: NoteIntent, stay_id: str, state: IntentState, capture_by_s: int | None
) -> IntentNoted:
    return IntentNoted(
        intent_id=command.intent_id,
        stay_id=stay_id,
        state=state,
        provider_ref=command.provider_ref,
        code=command.code,
        evidence=command.evidence,
        capture_by_s=capture_by_s,
        url=command.url if state is S.REQUIRES_ACTION else None,
    )


def _arrived(
    stay_id: str, payment_id: str, ask: Ask, command: Note, intent_id: str
) -> PaymentSettled:
    return PaymentSettled(
        payment_id=payment_id,
        stay_id=stay_id,
        intent_id=intent_id,
        means="pay_link" if ask.kind is Kind.LINK else "saved_card",
        amount_minor=ask.amount_minor,
        currency=ask.currency,
        provider_ref=command.provider_ref or ask.provider_ref,
    )


def _yes(scene: NewsScene, command: Note, events: list[Event]) -> Yes:
    stream = f"payments/{scene.stay_id}"
    return Yes(events=events, stream=stream, result={"state": command.state.value})


def note_capture(scene: NewsScene, command: NoteCapture, _context: Context) -> Decision:
    """What was learned of a capture; taken money ends its hold in the same decision."""
    ask = _judge(scene, command.capture_id, command, frozenset({Kind.CAPTURE}))
    if not isinstance(ask, Ask):
        return ask
    assert scene.stay_id is not None, "judged above"
    noted = CaptureNoted(
        capture_id=command.capture_id,
        intent_id=ask.of,
        stay_id=scene.stay_id,
        state=command.state,
        provider_ref=command.provider_ref,
        code=command.code,
        evidence=command.evidence,
    )
    events: list[Event] = [noted]
    if command.state is S.SUCCEEDED:
        hold = scene.money.asks[ask.of]
        ended = IntentNoted(
            intent_id=ask.of,
            stay_id=scene.stay_id,
            state=S.CAPTURED,
            provider_ref=hold.provider_ref,
            code=None,
            evidence=command.evidence,
        )
        settled = PaymentSettled(
            payment_id=derived_id("payment", command.capture_id),
            stay_id=scene.stay_id,
            intent_id=ask.of,
            means="hold",
            amount_minor=ask.amount_minor,
            currency=ask.currency,
            provider_ref=hold.provider_ref or command.provider_ref,
        )
        events += [ended, settled]
    return _yes(scene, command, events)


def note_refund(scene: NewsScene, command: NoteRefund, _context: Context) -> Decision:
    """What was learned of a refund; that it went back is a fact of the same decision.

    A bank may send back days later what it was said to have given: that is no refund then.
    """
    known = scene.money.asks.get(command.refund_id)
    ask: Ask | Decision
    if known is not None and known.kind is Kind.REFUND and _came_back(known, command):
        ask = known
    else:
        ask = _judge(scene, command.refund_id, command, frozenset({Kind.REFUND}))
    if not isinstance(ask, Ask):
        return ask
    assert scene.stay_id is not None, "judged above"
    came_back = _came_back(ask, command)
    noted = RefundNoted(
        refund_id=command.refund_id,
        payment_id=ask.of,
        stay_id=scene.stay_id,
        state=command.state,
        provider_ref=command.provider_ref,
        code=command.code,
        evidence=command.evidence,
        came_back_minor=ask.amount_minor if came_back else 0,
        currency=ask.currency if came_back else "",
        means=ask.means if came_back else "",
    )
    events: list[Event] = [noted]
    if command.state is S.SUCCEEDED:
        events.append(
            PaymentRefunded(
                refund_id=command.refund_id,
                payment_id=ask.of,
                stay_id=scene.stay_id,
                means=ask.means,
                amount_minor=ask.amount_minor,
                currency=ask.currency,
                provider_ref=command.provider_ref or ask.provider_ref,
            )
        )
    return _yes(scene, command, events)


def _came_back(refund: Ask, command: NoteRefund) -> bool:
    return (refund.state, command.state) == (S.SUCCEEDED, S.DECLINED)


def note_pay_link(scene: NewsScene, command: NotePayLink, _context: Context) -> Decision:
    """What was learned of a pay link. Money of another amount than asked is for a person."""
    ask = _judge(scene, command.link_id, command, frozenset({Kind.LINK}))
    if not isinstance(ask, Ask):
        return ask
    assert scene.stay_id is not None, "judged above"
    state, code = command.state, command.code
    if state is S.SUCCEEDED and not _as_asked(ask, command):
        state, code = S.MANUAL, "other_amount"
        if (ask.state, ask.code) == (state, code):
            return Yes(events=[])
    noted = PayLinkNoted(
        link_id=command.link_id,
        stay_id=scene.stay_id,
        state=state,
        provider_ref=command.provider_ref,
        url=command.url,
        code=code,
        evidence=command.evidence,
    )
    events: list[Event] = [noted]
    if state is S.SUCCEEDED:
        payment_id = derived_id("payment", command.link_id)
        events.append(_arrived(scene.stay_id, payment_id, ask, command, command.link_id))
    return _yes(scene, command, events)


def _as_asked(ask: Ask, command: NotePayLink) -> bool:
    """cloud.md 2.3: amount and currency are checked against our row, never believed."""
    same_amount = command.amount_minor in {None, ask.amount_minor}
    return same_amount and command.currency in {None, ask.currency}


def note_card_set_up(scene: NewsScene, command: NoteCardSetUp, _context: Context) -> Decision:
    """A card that the provider keeps now is the stay's saved card."""
    for ref in (command.customer_ref, command.method_ref):
        refusal = None if ref is None else text_refusal(ref, REFERENCE_CHARS_MAX)
        if refusal is not None:
            return refusal
    ask = _judge(scene, command.set_up_id, command, frozenset({Kind.CARD}))
    if not isinstance(ask, Ask):
        return ask
    assert scene.stay_id is not None, "judged above"
    if command.state is S.SUCCEEDED and not (command.customer_ref and command.method_ref):
        return Refusal.WRONG_NEWS
    noted = CardSetUpNoted(
        set_up_id=command.set_up_id,
        stay_id=scene.stay_id,
        state=command.state,
        url=command.url,
        code=command.code,
        evidence=command.evidence,
    )
    events: list[Event] = [noted]
    if command.state is S.SUCCEEDED and command.customer_ref and command.method_ref:
        card = (command.customer_ref, command.method_ref)
        if scene.money.card != card:
            saved = CardReferenceSaved(
                stay_id=scene.stay_id, customer_ref=card[0], method_ref=card[1]
            )
            events.append(saved)
    return _yes(scene, command, events)
