"""When money may be asked for or recorded, and what is known of an intent.

The box is master of intents, the provider of outcomes: an intent is a fact before anything is
sent, and what the provider finally said is never said otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from appliance.engines.payments.messages import (
    CardReferenceSaved,
    ChargePosted,
    DepositAsked,
    IntentNoted,
    IntentState,
    NoteIntent,
    PaymentSettled,
    PostCharge,
    RecordCash,
    RecordSlip,
    Refusal,
    SaveCardReference,
    TakeDeposit,
)
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event, Role
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id, looks_like_card_number

# What the provider said of these it does not take back.
FINAL = frozenset({IntentState.SUCCEEDED, IntentState.DECLINED, IntentState.EXPIRED})
# While one of these is open no other deposit is asked for: money may be moving.
BLOCKING = frozenset(
    {IntentState.QUEUED, IntentState.SENDING, IntentState.UNKNOWN, IntentState.MANUAL}
)
DEPOSIT_MINOR_MAX = 100_000
DEPOSIT_HOURS = 72
# A year of the best suite; beyond it somebody typed a card or a telephone number.
AMOUNT_MINOR_MAX = 100_000_000
TEXT_CHARS_MAX = 200
REFERENCE_CHARS_MAX = 255
CORRECTORS = frozenset({Role.MANAGER, Role.ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One deposit asked for."""

    stay_id: str
    amount_minor: int
    currency: str
    state: IntentState = IntentState.QUEUED
    provider_ref: str | None = None
    code: str | None = None


def _none() -> MappingProxyType[str, Intent]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What is known of one stay's money, as far as later acts depend on it."""

    card: tuple[str, str] | None = None  # customer and method at the provider
    intents: MappingProxyType[str, Intent] = field(default_factory=_none)

    @property
    def open_intent(self) -> str | None:
        """The intent that keeps another deposit away."""
        return next((key for key, each in self.intents.items() if each.state in BLOCKING), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stay's money beside what the house says. `due_minor` counts pending intents as paid."""

    money: Money
    known: bool
    currency: str
    due_minor: int = 0
    deposit_minor_max: int = DEPOSIT_MINOR_MAX
    deposit_hours: int = DEPOSIT_HOURS


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentScene:
    """The stay whose intent it is (None: nobody's), and its money."""

    stay_id: str | None
    money: Money


def fold(state: Money | None, events: Iterable[Event]) -> Money:
    """A stay's money after more facts."""
    now = state or Money()
    for event in events:
        match event:
            case CardReferenceSaved():
                now = replace(now, card=(event.customer_ref, event.method_ref))
            case DepositAsked():
                intent = Intent(
                    stay_id=event.stay_id,
                    amount_minor=event.amount_minor,
                    currency=event.currency,
                )
                now = _with(now, event.intent_id, intent)
            case IntentNoted():
                noted = replace(
                    now.intents[event.intent_id],
                    state=event.state,
                    provider_ref=event.provider_ref or now.intents[event.intent_id].provider_ref,
                    code=event.code,
                )
                now = _with(now, event.intent_id, noted)
            case _:
                pass
    return now


def _with(money: Money, intent_id: str, intent: Intent) -> Money:
    return replace(money, intents=MappingProxyType({**money.intents, intent_id: intent}))


def save_card_reference(scene: Scene, command: SaveCardReference, _context: Context) -> Decision:
    """The provider's ids of a card it keeps; a number of a card is none."""
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    for text in (command.customer_ref, command.method_ref):
        refusal = _text_refusal(text, REFERENCE_CHARS_MAX)
        if refusal is not None:
            return refusal
    if scene.money.card == (command.customer_ref, command.method_ref):
        return []
    event = CardReferenceSaved(
        stay_id=command.stay_id,
        customer_ref=command.customer_ref,
        method_ref=command.method_ref,
    )
    return [event]


def take_deposit(scene: Scene, command: TakeDeposit, context: Context) -> Decision:
    """One open deposit at a time, of what is due, and never after its time."""
    refusal = _deposit_refusal(scene, command)
    if refusal is not None:
        return refusal
    assert scene.money.card is not None, "refused above"
    intent_id = context.new_id("intent")
    not_after_s = command.not_after_s
    if not_after_s is None:
        not_after_s = context.now.wall_s + scene.deposit_hours * 3_600
    event = DepositAsked(
        intent_id=intent_id,
        stay_id=command.stay_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        customer_ref=scene.money.card[0],
        method_ref=scene.money.card[1],
        not_after_s=not_after_s,
    )
    return Yes(events=[event], result={"intent_id": intent_id})


def _deposit_refusal(scene: Scene, command: TakeDeposit) -> Decision | None:
    refusal = _money_refusal(scene, command.amount_minor, command.currency)
    if refusal is not None:
        return refusal
    if command.amount_minor > scene.deposit_minor_max:
        return No(refusal=Refusal.BAD_AMOUNT, detail={"at_most": scene.deposit_minor_max})
    if scene.money.card is None:
        return Refusal.NO_SAVED_CARD
    if scene.money.open_intent is not None:
        return No(refusal=Refusal.DEPOSIT_EXISTS, detail={"intent_id": scene.money.open_intent})
    return Refusal.NOTHING_DUE if scene.due_minor <= 0 else None


def record_cash(scene: Scene, command: RecordCash, context: Context) -> Decision:
    """Cash in the drawer of this shift."""
    refusal = _money_refusal(scene, command.amount_minor, command.currency)
    return refusal or _settled(command, context, "cash", None)


def record_slip(scene: Scene, command: RecordSlip, context: Context) -> Decision:
    """A card terminal's slip; its number is not the card's."""
    refusal = _money_refusal(scene, command.amount_minor, command.currency)
    refusal = refusal or _text_refusal(command.slip_number, TEXT_CHARS_MAX)
    return refusal or _settled(command, context, "slip", command.slip_number.strip())


def _settled(
    command: RecordCash | RecordSlip, context: Context, means: str, slip_number: str | None
) -> Decision:
    payment_id = context.new_id("payment")
    event = PaymentSettled(
        payment_id=payment_id,
        stay_id=command.stay_id,
        intent_id=None,
        means=means,
        amount_minor=command.amount_minor,
        currency=command.currency,
        provider_ref=None,
        slip_number=slip_number,
    )
    return Yes(events=[event], result={"payment_id": payment_id})


def post_charge(scene: Scene, command: PostCharge, context: Context) -> Decision:
    """A line on the folio; below zero it corrects one, which is a manager's."""
    corrects = command.amount_minor < 0 and context.who.role in CORRECTORS
    amount_minor = -command.amount_minor if corrects else command.amount_minor
    refusal = _money_refusal(scene, amount_minor, command.currency)
    refusal = refusal or _text_refusal(command.text, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    charge_id = context.new_id("charge")
    event = ChargePosted(
        charge_id=charge_id,
        stay_id=command.stay_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        text=seal_later(booker_of(command.stay_id), command.text.strip()),
    )
    return Yes(events=[event], result={"charge_id": charge_id})


def booker_of(stay_id: str) -> str:
    """The person id of whoever booked: what is written of a stay is forgotten with them."""
    return derived_id("person", stay_id, "0")


def _money_refusal(scene: Scene, amount_minor: int, currency: str) -> Refusal | None:
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    if currency != scene.currency:
        return Refusal.BAD_CURRENCY
    return None if 0 < amount_minor <= AMOUNT_MINOR_MAX else Refusal.BAD_AMOUNT


def _text_refusal(text: str, at_most: int) -> Refusal | None:
    if not text.strip():
        return Refusal.EMPTY
    if len(text) > at_most:
        return Refusal.TOO_LONG
    return Refusal.CARD_NUMBER if looks_like_card_number(text) else None


def note_intent(scene: IntentScene, command: NoteIntent, _context: Context) -> Decision:
    """What was learned of an intent. The same news twice is one fact; a final word stays.

    The money's arrival is a fact of the same decision, once, under an id of the intent's own.
    """
    if scene.stay_id is None:
        return Refusal.UNKNOWN_INTENT
    intent = scene.money.intents[command.intent_id]
    stream = f"payments/{scene.stay_id}"
    same_ref = command.provider_ref in {None, intent.provider_ref}
    same = command.state is intent.state and same_ref
    if intent.state in FINAL:
        detail = {"state": intent.state.value}
        return Yes(events=[]) if same else No(refusal=Refusal.ALREADY_FINAL, detail=detail)
    if same and command.code == intent.code:
        return Yes(events=[])
    events: list[Event] = [_noted(command, scene.stay_id)]
    if command.state is IntentState.SUCCEEDED:
        events.append(_arrived(command, intent))
    return Yes(events=events, stream=stream, result={"state": command.state.value})


def _noted(command: NoteIntent, stay_id: str) -> IntentNoted:
    return IntentNoted(
        intent_id=command.intent_id,
        stay_id=stay_id,
        state=command.state,
        provider_ref=command.provider_ref,
        code=command.code,
        evidence=command.evidence,
    )


def _arrived(command: NoteIntent, intent: Intent) -> PaymentSettled:
    return PaymentSettled(
        payment_id=derived_id("payment", command.intent_id),
        stay_id=intent.stay_id,
        intent_id=command.intent_id,
        means="saved_card",
        amount_minor=intent.amount_minor,
        currency=intent.currency,
        provider_ref=command.provider_ref or intent.provider_ref,
    )
