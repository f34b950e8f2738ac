"""The words of pricing: a quote at the desk's own rates, the same for the same question.

It is pure and lies here because the rooms that sell nights may know no other file of pricing.
"""

from __future__ import annotations

from datetime import date

from appliance.engines.stays.messages import Night
from appliance.kernel.money import AMOUNT_MINOR_MAX
from appliance.kernel.values import derived_id, nights

# Five minutes: how long a quoted price stands (DESIGN section 5).
QUOTE_TTL_S = 300


def quote(
    room_type_id: str, rate_minor: int, currency: str, arrival: date, departure: date
) -> tuple[Night, ...]:
    """Every night of [arrival, departure) at the type's rate, in minor units.

    Raises ValueError, a sentence, for a departure before the arrival or more than 730 nights.
    """
    assert 0 <= rate_minor <= AMOUNT_MINOR_MAX, "the inventory refuses such a rate"
    return tuple(
        Night(
            date=night,
            amount_minor=rate_minor,
            currency=currency,
            price_source=f"rate:{room_type_id}",
        )
        for night in nights(arrival, departure)
    )


def total_minor(quoted: tuple[Night, ...]) -> int:
    """The sum of the nights."""
    return sum(night.amount_minor for night in quoted)


def quote_id(quoted: tuple[Night, ...], now_s: int) -> str:
    """An id that is the same for the same nights and prices within one five-minute window."""
    said = [
        f"{each.date}:{each.amount_minor}:{each.currency}:{each.price_source}" for each in quoted
    ]
    return derived_id("quote", str(now_s // QUOTE_TTL_S), *said)
