"""Customers and their saved cards."""

from __future__ import annotations

from twin.clouds.stripe.form import metadata, text
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
