"""Dates, ages, money and names as the desk reads them."""

from __future__ import annotations

import datetime as dt

import pytest

from kiosk import say

FRIDAY = dt.date(2026, 11, 20)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, "never"),
        (12_000, "12 s"),
        (200_000, "3 min"),
        (10_260_000, "2 h 51 m"),
        (300_000_000, "3 d"),
    ],
)
def test_an_age_is_said_in_words(ms: int | None, said: str) -> None:
    assert say.age(ms) == said


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [(12000, "EUR", "120.00 EUR"), (-5, "EUR", "-0.05 EUR"), (120, "JPY", "120 JPY")],
)
def test_money_is_written_without_floats(minor: int, currency: str, said: str) -> None:
    assert say.money(minor, currency) == said


@pytest.mark.parametrize(
    ("typed", "minor"),
    [("120", 12000), ("120,5", 12050), ("0.05", 5), ("12.345", None), ("-3", None), ("x", None)],
)
def test_an_amount_as_typed(typed: str, minor: int | None) -> None:
    assert say.minor_of(typed, "EUR") == minor


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("+2", dt.date(2026, 11, 22)),
        ("24", dt.date(2026, 11, 24)),
        ("3", dt.date(2026, 12, 3)),
        ("24.12.", dt.date(2026, 12, 24)),
        ("2.1", dt.date(2027, 1, 2)),
        ("2026-11-25", dt.date(2026, 11, 25)),
        ("31.2", None),
        ("soon", None),
    ],
)
def test_a_date_as_typed(typed: str, meant: dt.date | None) -> None:
    assert say.date_of(typed, FRIDAY) == meant


@pytest.mark.parametrize(
    ("text", "is_card"),
    [
        ("4242 4242 4242 4242", True),
        ("card 5555-5555-5555-4444 please", True),
        ("4242 4242 4242 4241", False),
        ("+49 30 1234567", False),
    ],
)
def test_a_card_number_is_seen(text: str, is_card: bool) -> None:  # noqa: FBT001
    assert say.card_number_in(text) is is_card


def test_what_does_not_fit_is_marked() -> None:
    assert say.clip("von Hohenlohe", 6) == "von H…"
    assert say.clip("two\nlines", 20) == "two lines"
