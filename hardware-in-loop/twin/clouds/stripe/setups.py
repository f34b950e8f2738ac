"""SetupIntents: a card is saved once, with its owner there, to be charged later without them."""

from __future__ import annotations

from typing import Final

from twin.clouds.stripe.form import flag, metadata, text
from twin.clouds.stripe.intents import DECLINES, Asked, Json, card_of, known, next_action
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import Card, StripeError, invalid, missing, unexpected

CREATE_PARAMS: Final = frozenset(
    {
        "automatic_payment_methods",
        "confirm",
        "customer",
        "description",
        "expand",
        "metadata",
        "payment_method",
        "return_url",
        "usage",
    }
)
CONFIRM_PARAMS: Final = frozenset({"client_secret", "expand", "payment_method", "return_url"})
OPEN: Final = frozenset({"requires_payment_method", "requires_confirmation"})


def create(asked: Asked) -> Json:
    """`POST /v1/setup_intents`, and at once the saving with `confirm=true`."""
    store, params = asked.store, asked.params
    known(asked, CREATE_PARAMS)
    customer, method = text(params, "customer"), text(params, "payment_method")
    if customer is not None and store.customers.get(customer) is None:
        raise missing("customer", customer, "customer")
    confirmed = flag(params, "confirm")
    if confirmed and method is None:
        raise invalid("A payment method is required to confirm.", code="parameter_missing")
    name = store.new_id("seti")
    status = "requires_payment_method" if method is None else "requires_confirmation"
    row = store.setups.put(
        {
            "id": name,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": None,
            "cancellation_reason": None,
            "client_secret": f"{name}_secret_{store.new_id('x')[2:]}",
            "created": store.now_s(),
            "customer": customer,
            "description": text(params, "description"),
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": metadata(params),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": method,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": status,
            "usage": text(params, "usage") or "off_session",
        }
    )
    store.event("setup_intent.created", row, asked.request)
    return _settle(asked, row) if confirmed else row


def find(asked: Asked) -> Json:
    """`GET /v1/setup_intents/{id}`."""
    row = asked.store.setups.get(asked.name)
    if row is None:
        raise missing("setupintent", asked.name, "intent", 404)
    return row


def confirm(asked: Asked) -> Json:
    """`POST /v1/setup_intents/{id}/confirm`: what the vendor's page does with the guest there."""
    row = find(asked)
    known(asked, CONFIRM_PARAMS)
    if (method := text(asked.params, "payment_method")) is not None:
        row["payment_method"] = method
    if row["status"] not in OPEN:
        raise unexpected(
            f"You cannot confirm this SetupIntent because it is {row['status']}.",
            "setup_intent_unexpected_state",
        )
    if row["payment_method"] is None:
        raise unexpected(
            "You cannot confirm this SetupIntent because it has no payment method.",
            "setup_intent_unexpected_state",
        )
    return _settle(asked, row)


def cancel(asked: Asked) -> Json:
    """`POST /v1/setup_intents/{id}/cancel`."""
    row = find(asked)
    known(asked, frozenset({"cancellation_reason", "expand"}))
    if row["status"] not in OPEN | {"requires_action"}:
        raise unexpected(
            f"You cannot cancel this SetupIntent because it is {row['status']}.",
            "setup_intent_unexpected_state",
        )
    row |= {"status": "canceled", "cancellation_reason": text(asked.params, "cancellation_reason")}
    asked.store.event("setup_intent.canceled", row, asked.request)
    return row


def _settle(asked: Asked, row: Json) -> Json:
    store, method = asked.store, str(row["payment_method"])
    if method not in set(Card) and method not in store.behaviour:
        raise missing("PaymentMethod", method, "payment_method")
    card = card_of(store, method)
    if card is Card.AUTHENTICATION_REQUIRED:
        row |= {"status": "requires_action", "next_action": next_action(asked, row["id"])}
        store.event("setup_intent.requires_action", row, asked.request)
        return row
    if card in DECLINES:
        code, decline, advice, sentence = DECLINES[card]
        error = {"advice_code": advice, "code": code, "decline_code": decline}
        error |= {"message": sentence, "type": "card_error"}
        row |= {"status": "requires_payment_method", "last_setup_error": dict(error)}
        row["payment_method"] = None
        store.event("setup_intent.setup_failed", row, asked.request)
        raise StripeError(402, {**error, "setup_intent": dict(row)}, executed=True)
    return saved(store, row, asked.request)


def saved(store: StripeStore, row: Json, request: Json | None = None) -> Json:
    """The bank says yes: a test card becomes a card of this customer's own."""
    method = str(row["payment_method"])
    if row["customer"] is not None and method in set(Card):
        # A card that asked for its owner once is charged without them from now on.
        method = store.save_card(row["customer"], Card.GOOD)
        if row["payment_method"] != Card.AUTHENTICATION_REQUIRED:
            store.behaviour[method] = Card(str(row["payment_method"]))
    row |= {"status": "succeeded", "payment_method": method, "next_action": None}
    store.event("setup_intent.succeeded", row, request)
    return row
