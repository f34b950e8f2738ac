"""What the desk records of money, and what no text may hold.

The box is master of intents, the provider of outcomes: an intent is a fact before anything is
sent, and what the provider finally said is never said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    CardReferenceSaved,
    ChargePosted,
    PaymentSettled,
    PostCharge,
    RecordCash,
    RecordSlip,
    Refusal,
    SaveCardReference,
)
from appliance.engines.payments.state import Money
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Role
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id, looks_like_card_number

DEPOSIT_MINOR_MAX = 100_000
DEPOSIT_HOURS = 72
# cloud.md 2.2: a hold lasts about seven days; a day less, so that a capture is never too late.
HOLD_HOURS = 144
LINK_HOURS = 48
# A card's number has 13 digits or more, a telephone number typed as an amount 10 and two decimals:
# beyond this it is one of these. Below it is whatever is paid in rupiah, pesos or dong: a wedding is
# 1,000,000,000.00 rupiah.
AMOUNT_MINOR_MAX = 100_000_000_000
TEXT_CHARS_MAX = 200
REFERENCE_CHARS_MAX = 255
CORRECTORS = frozenset({Role.MANAGER, Role.ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stay's money beside what the house says. `due_minor` counts pending intents as paid.

    `stay_id` is None where nobody knows whose the named intent or payment is.
    """

    money: Money
    known: bool
    currency: str
    stay_id: str | None = None
    due_minor: int = 0
    disputed_minor: int = 0  # of the payment that is named: its cardholder took it back already
    deposit_minor_max: int = DEPOSIT_MINOR_MAX
    deposit_hours: int = DEPOSIT_HOURS
    hold_hours: int = HOLD_HOURS
    link_hours: int = LINK_HOURS


def save_card_reference(scene: Scene, command: SaveCardReference, _context: Context) -> Decision:
    """The provider's ids of a card it keeps; a number of a card is none."""
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    for text in (command.customer_ref, command.method_ref):
        refusal = text_refusal(text, REFERENCE_CHARS_MAX)
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


def record_cash(scene: Scene, command: RecordCash, context: Context) -> Decision:
    """Cash in the drawer of this shift."""
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    return refusal or _settled(command, context, "cash", None)


def record_slip(scene: Scene, command: RecordSlip, context: Context) -> Decision:
    """A card terminal's slip; its number is not the card's."""
    refusal = money_refusal(scene, command.amount_minor, command.currency)
    refusal = refusal or text_refusal(command.slip_number, TEXT_CHARS_MAX)
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
        folio=command.folio,
    )
    return Yes(events=[event], result={"payment_id": payment_id})


def post_charge(scene: Scene, command: PostCharge, context: Context) -> Decision:
    """A line on the folio; below zero it corrects one, which is a manager's."""
    corrects = command.amount_minor < 0 and context.who.role in CORRECTORS
    amount_minor = -command.amount_minor if corrects else command.amount_minor
    refusal = money_refusal(scene, amount_minor, command.currency)
    refusal = refusal or text_refusal(command.text, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    charge_id = context.new_id("charge")
    event = ChargePosted(
        charge_id=charge_id,
        stay_id=command.stay_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        text=seal_later(booker_of(command.stay_id), command.text.strip()),
        folio=command.folio,
    )
    return Yes(events=[event], result={"charge_id": charge_id})


def booker_of(stay_id: str) -> str:
    """The person id of whoever booked: what is written of a stay is forgotten with them."""
    return derived_id("person", stay_id, "0")


def money_refusal(scene: Scene, amount_minor: int, currency: str) -> Refusal | None:
    """Why this amount is none: of a stay nobody knows, of another currency, or too much."""
    if not scene.known:
        return Refusal.UNKNOWN_STAY
    if currency != scene.currency:
        return Refusal.BAD_CURRENCY
    return None if 0 < amount_minor <= AMOUNT_MINOR_MAX else Refusal.BAD_AMOUNT


def text_refusal(text: str, at_most: int) -> Refusal | None:
    """Why this text is not kept: nothing in it, too long, or a card's number."""
    if not text.strip():
        return Refusal.EMPTY
    if len(text) > at_most:
        return Refusal.TOO_LONG
    return Refusal.CARD_NUMBER if looks_like_card_number(text) else None
