"""A bank feed that speaks Plaid's transactions sync and signs its webhooks."""

from twin.clouds.plaid.cloud import PlaidCloud
from twin.clouds.plaid.store import CLIENT_ID, SECRET, PlaidStore

__all__ = ["CLIENT_ID", "SECRET", "PlaidCloud", "PlaidStore"]
