"""Promises of a quote."""

from __future__ import annotations

from datetime import date

import pytest

from appliance.engines.pricing.messages import QUOTE_TTL_S, quote, quote_id, total_minor

FRIDAY, SUNDAY = date(2026, 10, 30), date(2026, 11, 1)


def test_every_night_is_priced_and_says_where_the_price_comes_from() -> None:
    quoted = quote("double", 12_000, "EUR", FRIDAY, SUNDAY)
    assert [night.date for night in quoted] == [FRIDAY, date(2026, 10, 31)]
    assert {night.price_source for night in quoted} == {"rate:double"}
    assert total_minor(quoted) == 24_000


def test_the_same_quote_has_the_same_id_for_five_minutes() -> None:
    quoted = quote("double", 12_000, "EUR", FRIDAY, SUNDAY)
    first = quote_id(quoted, 0)
    assert quote_id(quoted, QUOTE_TTL_S - 1) == first
    assert quote_id(quoted, QUOTE_TTL_S) != first
    assert quote_id(quote("double", 12_001, "EUR", FRIDAY, SUNDAY), 0) != first


def test_a_stay_that_ends_before_it_begins_has_no_price() -> None:
    with pytest.raises(ValueError, match="nights"):
        quote("double", 12_000, "EUR", SUNDAY, FRIDAY)
