"""The words of Stripe's API that the twin speaks, and its refusals."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

SECRET_KEY: Final = "sk_test_nightportertwin"  # noqa: S105 - opens nothing but the twin

# The version the account is pinned to when a request names none.
DEFAULT_VERSION: Final = "2026-10-28.endive"
# From here on `payment_method_types` is refused (cloud.md 0.4).
NO_METHOD_TYPES_FROM: Final = "2026-09-30"
# From here on `allowed_payment_method_types` exists.
ALLOWED_METHOD_TYPES_FROM: Final = "2026-07-29"

# Keys are kept at least so long; the twin forgets them exactly then (cloud.md 2.1).
KEY_KEPT_S: Final = 24 * 3600
KEY_LENGTH_MAX: Final = 255
# Events can be read for thirty days.
EVENT_KEPT_S: Final = 30 * 24 * 3600

# An authorisation can be captured for seven days (most cards, most of the time; cloud.md 6).
HOLD_S_MAX: Final = 7 * 24 * 3600

# Smallest charge of a currency, minor units; 50 where nothing else is known.
AMOUNT_MIN: Final = {"jpy": 50, "gbp": 30, "czk": 1500, "huf": 17500, "sek": 300, "nok": 300}
AMOUNT_MIN_ELSE: Final = 50
AMOUNT_MAX: Final = 99_999_999


class Status(StrEnum):
    """Life of a PaymentIntent."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    CANCELED = "canceled"
    SUCCEEDED = "succeeded"


class Card(StrEnum):
    """How a test card behaves; the values are Stripe's own payment method names."""

    GOOD = "pm_card_visa"
    DECLINED = "pm_card_chargeDeclined"
    INSUFFICIENT_FUNDS = "pm_card_chargeDeclinedInsufficientFunds"
    EXPIRED = "pm_card_chargeDeclinedExpiredCard"
    PROCESSING_ERROR = "pm_card_chargeDeclinedProcessingError"
    AUTHENTICATION_REQUIRED = "pm_card_authenticationRequired"


class StripeError(Exception):
    """An answer with an error body.

    `executed` says whether the endpoint had begun: only then an idempotency key keeps the answer.
    """

    def __init__(self, status: int, error: dict[str, Any], *, executed: bool = False) -> None:
        super().__init__(error.get("message", ""))
        self.status = status
        self.error = error
        self.executed = executed


def invalid(message: str, *, code: str | None, param: str | None = None) -> StripeError:
    """400 of a validation: not kept under any key."""
    error: dict[str, Any] = {"type": "invalid_request_error", "message": message}
    if code is not None:
        error["code"] = code
        error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    if param is not None:
        error["param"] = param
    return StripeError(400, error)


def missing(kind: str, name: str, param: str, status: int = 400) -> StripeError:
    """There is no such object; 404 when the address names it, 400 when a parameter does."""
    error = invalid(f"No such {kind}: '{name}'", code="resource_missing", param=param)
    return StripeError(status, error.error)


def unexpected(message: str, code: str = "payment_intent_unexpected_state") -> StripeError:
    """400 because of the object's state: the endpoint had begun, so a key keeps it."""
    return StripeError(400, invalid(message, code=code).error, executed=True)
