"""New objects as the vendor shows them; the fields are those of its own sample objects."""

from __future__ import annotations

from typing import Any

from twin.clouds.stripe.store import StripeStore, card_facts
from twin.clouds.stripe.words import HOLD_S_MAX, Status

Json = dict[str, Any]


def intent_shape(store: StripeStore, minor: int, currency: str, capture: str) -> Json:
    """A PaymentIntent before anything was tried."""
    name = store.new_id("pi")
    return {
        "id": name,
        "object": "payment_intent",
        "amount": minor,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": capture,
        "client_secret": f"{name}_secret_{store.new_id('x')[2:]}",
        "confirmation_method": "automatic",
        "created": store.now_s(),
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": str(Status.REQUIRES_PAYMENT_METHOD),
        "transfer_data": None,
        "transfer_group": None,
    }


def charge_shape(store: StripeStore, intent: Json, *, captured: bool) -> Json:
    """A charge that the bank agreed to."""
    return {
        "id": store.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "application": None,
        "balance_transaction": None,
        "billing_details": {
            "address": None,
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "captured": captured,
        "created": store.now_s(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": {"type": "card", "card": _card_used(intent, captured=captured)},
        "refunded": False,
        "status": "succeeded",
    }


def _card_used(intent: Json, *, captured: bool) -> Json:
    facts = {key: value for key, value in card_facts().items() if key in _OF_A_CHARGE}
    facts |= {"amount_authorized": intent["amount"], "network": "visa"}
    if not captured:
        facts["capture_before"] = intent["created"] + HOLD_S_MAX
    return facts


_OF_A_CHARGE = frozenset(
    {"brand", "checks", "country", "exp_month", "exp_year", "funding", "last4"}
)


def expanded(store: StripeStore, row: Json, params: Json) -> Json:
    """The object with `latest_charge` whole instead of by its id, where `expand[]` asks for it."""
    wanted = params.get("expand")
    if not isinstance(wanted, list) or "latest_charge" not in wanted:
        return row
    charge = store.charges.get(row.get("latest_charge"))
    return row if charge is None else {**row, "latest_charge": charge}
