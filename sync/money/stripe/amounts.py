"""Stripe's minor units: ISO 4217's, save for three currencies that it counts in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# docs.stripe.com/currencies, special cases: ISO 4217 has no decimals for kronur and shillings of
# Uganda, Stripe has two that are always 00 ("to charge 5 ISK, provide an amount value of 500").
_TIMES: Final = {"ISK": 100, "UGX": 100}
# The same, zero-decimal currencies: ISO 4217 has two decimals for ariary, Stripe has none.
_OVER: Final = {"MGA": 100}


def theirs(amount_minor: int, currency: str) -> int:
    """Our minor units as Stripe counts them; ValueError, a sentence, where it has none so small."""
    known = currency.upper()
    whole, rest = divmod(amount_minor * _TIMES.get(known, 1), _OVER.get(known, 1))
    if rest:
        raise ValueError(f"Stripe takes no fractions of {known}: ask for a whole amount")
    return whole


def ours(row: Mapping[str, Any], field: str) -> int | None:
    """An amount in an object of theirs as our minor units; None where it does not say."""
    amount, known = row.get(field), str(row.get("currency")).upper()
    if not isinstance(amount, int):
        return None
    # A fraction of a krona was never asked for by us.
    return amount * _OVER.get(known, 1) // _TIMES.get(known, 1)
