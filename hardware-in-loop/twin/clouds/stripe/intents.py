"""PaymentIntents, their charges and refunds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from twin.clouds.stripe.form import Params, flag, metadata, text, whole
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import (
    ALLOWED_METHOD_TYPES_FROM,
    AMOUNT_MAX,
    AMOUNT_MIN,
    AMOUNT_MIN_ELSE,
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
    _known(asked, CREATE_PARAMS)
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
        _intent(store, amount_minor, currency, capture)
        | {"customer": customer, "payment_method": method, "metadata": metadata(params)}
        | {"description": text(params, "description")}
    )
    if method is not None:
        intent["status"] = str(Status.REQUIRES_CONFIRMATION)
    store.event("payment_intent.created", intent, asked.request)
    return _confirm(asked, intent, off_session=off_session) if confirm else intent


_CAPTURES: Final = frozenset({"automatic", "automatic_async", "manual"})


def confirm(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/confirm`."""
    intent = find(asked)
    _known(
        asked,
        frozenset(
            {"payment_method", "off_session", "return_url", "expand", "error_on_requires_action"}
        ),
    )
    if (method := text(asked.params, "payment_method")) is not None:
        _method_fits(asked.store, method, intent["customer"])
        intent["payment_method"] = method
    if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
        raise unexpected(f"This PaymentIntent could not be confirmed: it is {intent['status']}.")
    if intent["payment_method"] is None:
        raise unexpected("This PaymentIntent could not be confirmed: it has no payment method.")
    return _confirm(asked, intent, off_session=flag(asked.params, "off_session"))


def find(asked: Asked) -> Json:
    """`GET /v1/payment_intents/{id}`."""
    intent = asked.store.intents.get(asked.name)
    if intent is None:
        raise missing("payment_intent", asked.name, "intent", 404)
    return intent


def capture(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/capture`: all of it, or less and the rest is released."""
    intent, store = find(asked), asked.store
    _known(asked, frozenset({"amount_to_capture", "expand", "metadata"}))
    if intent["status"] not in CAPTURABLE:
        raise unexpected(f"This PaymentIntent could not be captured: it is {intent['status']}.")
    wanted = whole(asked.params, "amount_to_capture")
    minor = int(intent["amount"]) if wanted is None else wanted
    if not 0 < minor <= intent["amount_capturable"]:
        raise unexpected(
            "amount_to_capture is larger than the amount that can be captured.", "amount_too_large"
        )
    charge = store.charges.rows[intent["latest_charge"]]
    charge |= {"captured": True, "amount_captured": minor}
    intent |= {
        "status": str(Status.SUCCEEDED),
        "amount_received": minor,
        "amount_capturable": 0,
    }
    store.event("charge.captured", charge, asked.request)
    store.event("payment_intent.succeeded", intent, asked.request)
    store.note("captured", charge=charge["id"], intent=intent["id"], amount_minor=minor)
    return intent


def cancel(asked: Asked) -> Json:
    """`POST /v1/payment_intents/{id}/cancel`: whatever is not paid yet."""
    intent, store = find(asked), asked.store
    _known(asked, frozenset({"cancellation_reason", "expand"}))
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


def refund(asked: Asked) -> Json:
    """`POST /v1/refunds`: never more than what was captured and not yet given back."""
    store, params = asked.store, asked.params
    _known(asked, frozenset({"amount", "charge", "payment_intent", "reason", "metadata", "expand"}))
    charge = _charge_of(store, params)
    wanted, left = whole(params, "amount"), charge["amount_captured"] - charge["amount_refunded"]
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
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
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


def _known(asked: Asked, known: frozenset[str]) -> None:
    for name in asked.params:
        if name == "payment_method_types" and "amount" in known:
            if asked.version >= NO_METHOD_TYPES_FROM:
                raise invalid(
                    "payment_method_types is no longer supported; use "
                    "allowed_payment_method_types.",
                    code="payment_method_types_no_longer_supported",
                    param=name,
                )
        elif name == "allowed_payment_method_types" and "amount" in known:
            if asked.version < ALLOWED_METHOD_TYPES_FROM:
                raise _unknown(name)
        elif name not in known:
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


def _intent(store: StripeStore, minor: int, currency: str, capture: str) -> Json:
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


def _confirm(asked: Asked, intent: Json, *, off_session: bool) -> Json:
    store, method = asked.store, str(intent["payment_method"])
    card = Card(method) if method in set(Card) else store.behaviour[method]
    if card is Card.AUTHENTICATION_REQUIRED and not off_session:
        intent |= {
            "status": str(Status.REQUIRES_ACTION),
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
        }
        store.event("payment_intent.requires_action", intent, asked.request)
        return intent
    if card in DECLINES:
        raise _declined(asked, intent, card)
    manual = intent["capture_method"] == "manual"
    charge = store.charges.put(_charge(store, intent, captured=not manual))
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
    charge = store.charges.put(_charge(store, intent, captured=False))
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
        "payment_method": store.methods.get(intent["payment_method"]),
        "type": "card_error",
    }
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


def _charge(store: StripeStore, intent: Json, *, captured: bool) -> Json:
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
        "refunded": False,
        "status": "succeeded",
    }
