"""Plaid: the lines of the property's own bank accounts, as they come."""

from sync.money.plaid.account import PlaidAccount
from sync.money.plaid.pull import PlaidPull

__all__ = ["PlaidAccount", "PlaidPull"]
