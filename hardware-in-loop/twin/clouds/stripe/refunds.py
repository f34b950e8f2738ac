"""Refunds: never more than what was captured and not yet given back."""

from __future__ import annotations

from twin.clouds.stripe.form import Params, metadata, text, whole
from twin.clouds.stripe.intents import Asked, Json, known
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import Status, invalid, missing, unexpected


def create(asked: Asked) -> Json:
    """`POST /v1/refunds`: never more than what was captured and not yet given back."""
    store, params = asked.store, asked.params
    known(asked, frozenset({"amount", "charge", "payment_intent", "reason", "metadata", "expand"}))
    charge = _charge_of(store, params)
    wanted, left = whole(params, "amount"), charge["amount"] - charge["amount_refunded"]
    if left <= 0:
        raise unexpected(
            f"Charge {charge['id']} has already been refunded.", "charge_already_refunded"
        )
    minor = left if wanted is None else wanted
    if not 0 < minor <= left:
        raise unexpected(
            f"Refund amount ({minor}) is greater than unrefunded amount on charge ({left})",
            "amount_too_large",
        )
    charge["amount_refunded"] += minor
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    row = store.refunds.put(
        {
            "id": store.new_id("re"),
            "object": "refund",
            "amount": minor,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": store.now_s(),
            "currency": charge["currency"],
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": metadata(params),
            "payment_intent": charge["payment_intent"],
            "reason": text(params, "reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        }
    )
    store.event("refund.created", row, asked.request)
    store.event("charge.refunded", charge, asked.request)
    store.note(
        "refunded",
        refund=row["id"],
        charge=charge["id"],
        intent=charge["payment_intent"],
        amount_minor=minor,
        metadata=row["metadata"],
    )
    return row


def find(asked: Asked) -> Json:
    """`GET /v1/refunds/{id}`."""
    row = asked.store.refunds.get(asked.name)
    if row is None:
        raise missing("refund", asked.name, "id", 404)
    return row


def fails(store: StripeStore, refund_id: str, reason: str = "lost_or_stolen_card") -> Json:
    """The bank sends a refund back, days later: the money returns to the account."""
    row = store.refunds.rows[refund_id]
    charge = store.charges.rows[row["charge"]]
    row |= {"status": "failed", "failure_reason": reason}
    charge["amount_refunded"] -= row["amount"]
    charge["refunded"] = False
    store.event("refund.failed", row)
    store.note("refund_failed", refund=row["id"], amount_minor=row["amount"])
    return row


def _charge_of(store: StripeStore, params: Params) -> Json:
    intent_id, charge_id = text(params, "payment_intent"), text(params, "charge")
    if (intent_id is None) == (charge_id is None):
        raise invalid("One of charge or payment_intent is required.", code="parameter_missing")
    if intent_id is not None:
        intent = store.intents.get(intent_id)
        if intent is None:
            raise missing("payment_intent", intent_id, "payment_intent")
        charge_id = intent["latest_charge"]
        if intent["status"] != Status.SUCCEEDED or charge_id is None:
            raise unexpected("This PaymentIntent does not have a successful charge to refund.")
    charge = store.charges.get(charge_id)
    if charge is None:
        raise missing("charge", str(charge_id), "charge")
    return charge
