"""Customers, saved cards and the setting up of them."""

from __future__ import annotations

from twin.clouds.stripe.form import flag, metadata, text
from twin.clouds.stripe.intents import Asked, Json
from twin.clouds.stripe.words import Card, StripeError, invalid, missing


def create_customer(asked: Asked) -> Json:
    """`POST /v1/customers`."""
    params = asked.params
    return asked.store.add_customer(
        text(params, "name"), text(params, "email"), dict(metadata(params))
    )


def find_customer(asked: Asked) -> Json:
    """`GET /v1/customers/{id}`."""
    row = asked.store.customers.get(asked.name)
    if row is None:
        raise missing("customer", asked.name, "id", 404)
    return row


def find_charge(asked: Asked) -> Json:
    """`GET /v1/charges/{id}`."""
    row = asked.store.charges.get(asked.name)
    if row is None:
        raise missing("charge", asked.name, "id", 404)
    return row


def create_method(asked: Asked) -> Json:
    """`POST /v1/payment_methods`: card numbers are refused, as for every account of today."""
    card = asked.params.get("card")
    if isinstance(card, dict) and "number" in card:
        message = (
            "Sending credit card numbers directly to the Stripe API is generally unsafe. "
            "To continue processing use Stripe.js, the Stripe mobile bindings, or Stripe Elements."
        )
        raise StripeError(402, {"type": "invalid_request_error", "message": message})
    raise invalid("Missing required param: card[token].", code="parameter_missing", param="card")


def attach_method(asked: Asked) -> Json:
    """`POST /v1/payment_methods/{id}/attach`: a test card becomes a saved card."""
    store, customer = asked.store, text(asked.params, "customer")
    if customer is None or store.customers.get(customer) is None:
        raise missing("customer", str(customer), "customer")
    if asked.name in set(Card):
        return store.methods.rows[store.save_card(customer, Card(asked.name))]
    row = store.methods.get(asked.name)
    if row is None:
        raise missing("PaymentMethod", asked.name, "payment_method", 404)
    row["customer"] = customer
    return row


def create_setup(asked: Asked) -> Json:
    """`POST /v1/setup_intents`: confirmed with a test card, it saves that card."""
    store, params = asked.store, asked.params
    customer, method = text(params, "customer"), text(params, "payment_method")
    if customer is not None and store.customers.get(customer) is None:
        raise missing("customer", customer, "customer")
    confirmed = flag(params, "confirm")
    if confirmed and method is None:
        raise invalid("A payment method is required to confirm.", code="parameter_missing")
    if confirmed and customer is not None and method in set(Card):
        method = store.save_card(customer, Card(str(method)))
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
            "description": None,
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
            "status": "succeeded" if confirmed else status,
            "usage": text(params, "usage") or "off_session",
        }
    )
    if confirmed:
        store.event("setup_intent.succeeded", row, asked.request)
    return row
