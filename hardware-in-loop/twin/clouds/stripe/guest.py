"""What people outside do: the guest at their bank's page, and the bank on its own."""

from __future__ import annotations

from twin.clouds.stripe import intents, setups
from twin.clouds.stripe.intents import Asked, Json
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import Card, Status

_NOBODY: Json = {"id": None, "idempotency_key": None}


def comes_back(store: StripeStore, intent_id: str, method: str = Card.GOOD) -> Json:
    """The guest opens the link and pays on session, with this card; their bank may still ask."""
    intent = store.intents.rows[intent_id]
    intent["payment_method"] = str(method)
    asked = Asked(store=store, params={}, version="", request=_NOBODY, name=intent_id)
    return intents.settle(asked, intent, off_session=False)


def authenticates(store: StripeStore, name: str, *, success: bool = True) -> Json:
    """The guest confirms at the bank's page, or does not; a payment's or a set-up's id."""
    row = (store.intents if name.startswith("pi_") else store.setups).rows[name]
    assert row["status"] == Status.REQUIRES_ACTION, f"nothing is asked of the guest: {row}"
    row["next_action"] = None
    asked = Asked(store=store, params={}, version="", request=_NOBODY, name=name)
    if success and row["object"] == "payment_intent":
        return intents.take(asked, row)
    if success:
        return setups.saved(store, row)
    row |= {"status": str(Status.REQUIRES_PAYMENT_METHOD), "payment_method": None}
    error = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication.",
        "type": "invalid_request_error",
    }
    if row["object"] == "payment_intent":
        row["last_payment_error"] = error
        store.event("payment_intent.payment_failed", row)
    else:
        error["code"] = "setup_intent_authentication_failure"
        row["last_setup_error"] = error
        store.event("setup_intent.setup_failed", row)
    return row


def withdraws(store: StripeStore, intent_id: str) -> None:
    """The bank takes its authorisation back before the seven days are over."""
    store.withdrawn.add(intent_id)
