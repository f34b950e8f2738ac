"""Stripe: charges, holds, refunds and saved cards, each asked for once."""

from sync.money.stripe.client import StripeAccount, StripeClient
from sync.money.stripe.pull import StripePull
from sync.money.stripe.pusher import Stripe

__all__ = ["Stripe", "StripeAccount", "StripeClient", "StripePull"]
