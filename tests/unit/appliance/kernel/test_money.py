"""Promises of money: whole minor units, exact both ways, ISO 4217's decimals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel.money import AMOUNT_MINOR_MAX, decimal_of, exponent, minor, say_money, split


@pytest.mark.parametrize(
    ("currency", "places"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("RSD", 2), ("IQD", 3)]
)
def test_a_currency_has_the_decimals_of_its_standard(currency: str, places: int) -> None:
    assert exponent(currency) == places


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "QQQ", "€"])
def test_what_is_no_currency_is_refused_with_a_sentence(currency: str) -> None:
    with pytest.raises(ValueError, match="three letters, such as EUR"):
        exponent(currency)


@given(
    st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX), st.sampled_from(["EUR", "JPY", "KWD", "CLF"])
)
def test_minor_units_survive_the_way_to_decimals_and_back(amount: int, currency: str) -> None:
    assert minor(decimal_of(amount, currency), currency) == amount


@pytest.mark.parametrize("amount", ["12.505", "x", "", "NaN", "Infinity", "1e400", "1e30", "12,50"])
def test_an_amount_that_is_not_exact_is_refused_with_a_sentence(amount: str) -> None:
    with pytest.raises(ValueError, match=r"decimals|not an amount|more than can be kept"):
        minor(amount, "EUR")


def test_amounts_are_said_with_all_their_decimals() -> None:
    assert minor("12.50", "EUR") == 1250
    assert decimal_of(1250, "EUR") == Decimal("12.50")
    assert say_money(125_050, "EUR", "en") == "€1,250.50"
    assert say_money(125_050, "EUR", "de") == "1.250,50\u00a0€"
    assert "1,250" in say_money(1250, "JPY", "en")
    assert "1.250" in say_money(1250, "KWD", "en")
    assert "12.50" in say_money(1250, "RSD", "en")


@given(st.integers(-10_000, 10_000), st.integers(1, 60))
def test_parts_add_up_and_differ_by_one_at_most(amount: int, parts: int) -> None:
    shares = split(amount, parts)
    assert sum(shares) == amount
    assert max(shares) - min(shares) <= 1
