"""A payment cloud that speaks Stripe's PaymentIntents, idempotency keys and declines."""

from twin.clouds.stripe.cloud import StripeCloud
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import DEFAULT_VERSION, SECRET_KEY, Card, Status

__all__ = ["DEFAULT_VERSION", "SECRET_KEY", "Card", "Status", "StripeCloud", "StripeStore"]
