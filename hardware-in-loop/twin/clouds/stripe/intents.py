"""PaymentIntents and their charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from twin.clouds.stripe.form import Params, flag, metadata, text, whole
from twin.clouds.stripe.shapes import charge_shape, intent_shape
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import (
    ALLOWED_METHOD_TYPES_FROM,
    AMOUNT_MAX,
    AMOUNT_MIN,
    AMOUNT_MIN_ELSE,
    HOLD_S_MAX,
    NO_METHOD_TYPES_FROM,
    Card,
    Status,
    StripeError,
    invalid,
    missing,
    unexpected,
)

Json = dict[str, Any]

CREATE_PARAMS: Final = frozenset(
    {
        "amount",
        "automatic_payment_methods",
        "capture_method",
        "confirm",
        "confirmation_method",
        "currency",
        "customer",
        "description",
        "error_on_requires_action",
        "expand",
        "mandate",
        "metadata",
        "off_session",
        "payment_method",
        "payment_method_options",
        "receipt_email",
        "return_url",
        "setup_future_usage",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    }
)
# Card -> code, decline code, advice, sentence.
DECLINES: Final[dict[Card, tuple[str, str, str, str]]] = {
    Card.DECLINED: (
        "card_declined",
        "generic_decline",
        "try_again_later",
        "Your card was declined.",
    ),
    Card.INSUFFICIENT_FUNDS: (
        "card_declined",
        "insufficient_funds",
        "try_again_later",
        "Your card has insufficient funds.",
    ),
    Card.EXPIRED: (
        "expired_card",
        "expired_card",
        "do_not_try_again",
        "Your card has expired.",
    ),
    Card.PROCESSING_ERROR: (
        "processing_error",
        "processing_error",
        "try_again_later",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    Card.AUTHENTICATION_REQUIRED: (
        "authentication_required",
        "authentication_required",
        "confirm_card_data",
        "Your card was declined. This transaction requires authentication.",
    ),
}
CAPTURABLE: Final = frozenset({Status.REQUIRES_CAPTURE})
CANCELLABLE: Final = frozenset(
    {
        Status.REQUIRES_PAYMENT_METHOD,
        Status.REQUIRES_CONFIRMATION,
        Status.REQUIRES_ACTION,
        Status.REQUIRES_CAPTURE,
        Status.PROCESSING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that passed authentication."""

    store: StripeStore
    params: Params
    version: str  # the date part of Stripe-Version
    request: Json  # id and idempotency key, as events carry them
    name: str = ""  # the id in the path


def create(asked: Asked) -> Json:
    """`POST /v1/payment_intents`, and at once the charge with `confirm=true`."""
    params, store = asked.params, asked.store
    known(asked, CREATE_PARAMS)
    amount_minor, currency = _amount(params)
    customer = text(params, "customer")
    if customer is not None and store.customers.get(customer) is None:
        raise missing("customer", customer, "customer")
    method = text(params, "payment_method")
    _method_fits(store, method, customer)
    confirm, off_session = flag(params, "confirm"), flag(params, "off_session")
    if off_session and not confirm:
        raise invalid(
            "off_session can only be used with confirm=true.",
            code="parameter_invalid_empty",
            param="off_session",
        )
    if confirm and method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. "
            "Update the PaymentIntent with a payment method and then confirm it again."
        )
        raise invalid(message, code="payment_intent_unexpected_state")
    if (capture := text(params, "capture_method") or "automatic") not in _CAPTURES:
        raise invalid(
            "Invalid capture_method", code="parameter_invalid_empty", param="capture_method"
        )
    intent = store.intents.put(
        intent_shape(store, amount_minor, currency, capture)
        | {"customer": customer, "payment_method": method, "metadata": metadata(params)}
        | {"description": text(params, "description")}
    )
    if method is not None:
        intent["status"] = str(Status.REQUIRES_CONFIRMATION)
    store.event("payment_intent.created", intent, asked.request)
    return settle(asked, intent, off_session=off_session) if confirm else intent


_CAPTURES: Final = frozenset({"automatic", "automatic_async", "manual"})


def confirm(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/confirm`."""
    intent = find(asked)
    known(
        asked,
        frozenset(
            {
                "client_secret",
                "error_on_requires_action",
                "expand",
                "off_session",
                "payment_method",
                "return_url",
            }
        ),
    )
    if (method := text(asked.params, "payment_method")) is not None:
        _method_fits(asked.store, method, intent["customer"])
        intent["payment_method"] = method
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise unexpected(f"This PaymentIntent could not be confirmed: it is {intent['status']}.")
    if intent["payment_method"] is None:
        raise unexpected("This PaymentIntent could not be confirmed: it has no payment method.")
    return settle(asked, intent, off_session=flag(asked.params, "off_session"))


def find(asked: Asked) -> Json:
    """`GET /v1/payment_intents/{id}`."""
    intent = asked.store.intents.get(asked.name)
    if intent is None:
        raise missing("payment_intent", asked.name, "intent", 404)
    return intent


def capture(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/capture`: all of it, or less and the rest is released."""
    intent, store = find(asked), asked.store
    known(asked, frozenset({"amount_to_capture", "expand", "metadata"}))
    if intent["status"] not in CAPTURABLE:
        raise unexpected(f"This PaymentIntent could not be captured: it is {intent['status']}.")
    _still_held(store, intent)
    wanted = whole(asked.params, "amount_to_capture")
    minor = int(intent["amount"]) if wanted is None else wanted
    if not 0 < minor <= intent["amount_capturable"]:
        raise unexpected(
            "amount_to_capture is larger than the amount that can be captured.", "amount_too_large"
        )
    charge = store.charges.rows[intent["latest_charge"]]
    # The rest that is released is called refunded.
    released = charge["amount"] - minor
    charge |= {"captured": True, "amount_captured": minor, "amount_refunded": released}
    intent |= {
        "status": str(Status.SUCCEEDED),
        "amount_received": minor,
        "amount_capturable": 0,
    }
    store.event("charge.captured", charge, asked.request)
    store.event("payment_intent.succeeded", intent, asked.request)
    store.note("captured", charge=charge["id"], intent=intent["id"], amount_minor=minor)
    return intent


def _still_held(store: StripeStore, intent: Json) -> None:
    if intent["id"] in store.withdrawn:
        message = "The bank has withdrawn the authorization for this charge."
        raise unexpected(message, "capture_charge_authorization_expired")
    if store.now_s() - intent["created"] >= HOLD_S_MAX:
        message = "This charge has expired: an uncaptured charge can be captured for 7 days."
        raise unexpected(message, "charge_expired_for_capture")


def cancel(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/cancel`: whatever is not paid yet."""
    intent, store = find(asked), asked.store
    known(asked, frozenset({"cancellation_reason", "expand"}))
    if intent["status"] not in CANCELLABLE:
        raise unexpected(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        )
    intent |= {
        "status": str(Status.CANCELED),
        "canceled_at": store.now_s(),
        "cancellation_reason": text(asked.params, "cancellation_reason"),
        "amount_capturable": 0,
    }
    store.event("payment_intent.canceled", intent, asked.request)
    store.note("canceled", intent=intent["id"], amount_minor=intent["amount"])
    return intent


def _amount(params: Params) -> tuple[int, str]:
    minor, currency = whole(params, "amount"), text(params, "currency")
    if minor is None:
        raise invalid("Missing required param: amount.", code="parameter_missing", param="amount")
    if currency is None:
        raise invalid(
            "Missing required param: currency.", code="parameter_missing", param="currency"
        )
    currency = currency.lower()
    if len(currency) != 3 or not currency.isalpha():
        raise invalid(f"Invalid currency: {currency}", code=None, param="currency")
    if minor < AMOUNT_MIN.get(currency, AMOUNT_MIN_ELSE):
        raise invalid(
            "Amount must be at least the minimum charge of the currency.",
            code="amount_too_small",
            param="amount",
        )
    if minor > AMOUNT_MAX:
        raise invalid(
            f"Amount must be no more than {AMOUNT_MAX}.", code="amount_too_large", param="amount"
        )
    return minor, currency


def known(asked: Asked, names: frozenset[str]) -> None:
    """Refuse whatever parameter is not one of these; the version decides about two of them."""
    for name in asked.params:
        if name == "payment_method_types" and "amount" in names:
            if asked.version >= NO_METHOD_TYPES_FROM:
                raise invalid(
                    "payment_method_types is no longer supported; use "
                    "allowed_payment_method_types.",
                    code="payment_method_types_no_longer_supported",
                    param=name,
                )
        elif name == "allowed_payment_method_types" and "amount" in names:
            if asked.version < ALLOWED_METHOD_TYPES_FROM:
                raise _unknown(name)
        elif name not in names:
            raise _unknown(name)


def _unknown(name: str) -> StripeError:
    return invalid(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def _method_fits(store: StripeStore, method: str | None, customer: str | None) -> None:
    if method is None or method in set(Card):
        return
    row = store.methods.get(method)
    if row is None:
        raise missing("PaymentMethod", method, "payment_method")
    if row["customer"] is not None and row["customer"] != customer:
        raise invalid(
            "The provided PaymentMethod is attached to another customer, or to none.",
            code="payment_method_customer_mismatch",
            param="payment_method",
        )


def settle(asked: Asked, intent: Json, *, off_session: bool) -> Json:
    """Ask the bank behind the card: paid, held, declined, or it wants to see its owner."""
    store = asked.store
    card = card_of(store, str(intent["payment_method"]))
    if card is Card.AUTHENTICATION_REQUIRED and not off_session:
        intent |= {
            "status": str(Status.REQUIRES_ACTION),
            "next_action": next_action(asked, intent["id"]),
        }
        store.event("payment_intent.requires_action", intent, asked.request)
        return intent
    if card in DECLINES:
        raise _declined(asked, intent, card)
    return take(asked, intent)


def card_of(store: StripeStore, method: str) -> Card:
    """How the card behind a payment method behaves."""
    return Card(method) if method in set(Card) else store.behaviour[method]


def next_action(asked: Asked, name: str) -> Json:
    """Where the guest goes: the bank's page when there is a way back from it, else their app."""
    back = text(asked.params, "return_url")
    if back is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    url = f"https://hooks.payments.twin/3d_secure/{name}"
    return {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": back}}


def take(asked: Asked, intent: Json) -> Json:
    """The bank says yes."""
    store = asked.store
    manual = intent["capture_method"] == "manual"
    charge = store.charges.put(charge_shape(store, intent, captured=not manual))
    intent |= {
        "status": str(Status.REQUIRES_CAPTURE if manual else Status.SUCCEEDED),
        "latest_charge": charge["id"],
        "amount_received": 0 if manual else intent["amount"],
        "amount_capturable": intent["amount"] if manual else 0,
        "last_payment_error": None,
        "next_action": None,
    }
    store.event("charge.succeeded", charge, asked.request)
    kind = "amount_capturable_updated" if manual else "succeeded"
    store.event(f"payment_intent.{kind}", intent, asked.request)
    store.note("authorized" if manual else "charged", **_told(asked, intent, charge))
    return intent


def _declined(asked: Asked, intent: Json, card: Card) -> StripeError:
    store = asked.store
    code, decline, advice, sentence = DECLINES[card]
    charge = store.charges.put(charge_shape(store, intent, captured=False))
    charge |= {
        "status": "failed",
        "paid": False,
        "failure_code": code,
        "failure_message": sentence,
    }
    error = {
        "advice_code": advice,
        "charge": charge["id"],
        "code": code,
        "decline_code": decline,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": sentence,
        "type": "card_error",
    }
    if (method := store.methods.get(intent["payment_method"])) is not None:
        error["payment_method"] = method
    intent |= {
        "status": str(Status.REQUIRES_PAYMENT_METHOD),
        "latest_charge": charge["id"],
        "last_payment_error": dict(error),
        "payment_method": None,
    }
    store.event("charge.failed", charge, asked.request)
    store.event("payment_intent.payment_failed", intent, asked.request)
    store.note("declined", code=code, decline_code=decline, **_told(asked, intent, charge))
    return StripeError(402, {**error, "payment_intent": dict(intent)}, executed=True)


def _told(asked: Asked, intent: Json, charge: Json) -> Json:
    return {
        "charge": charge["id"],
        "intent": intent["id"],
        "amount_minor": intent["amount"],
        "currency": intent["currency"],
        "customer": intent["customer"],
        "metadata": intent["metadata"],
        "idempotency_key": asked.request["idempotency_key"],
    }
