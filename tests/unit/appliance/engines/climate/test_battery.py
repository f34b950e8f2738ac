"""Somebody hears of tired cells days before they are empty, and of nothing else."""

from __future__ import annotations

import random

import pytest

from appliance.engines.climate.battery import DAY_MS, Forecast, forecast

SIX_HOURS_MS = DAY_MS // 4


def falling(pct_a_day: float, days: float, start_pct: float = 100.0) -> list[tuple[int, float]]:
    """Four readings a day of cells that fall steadily."""
    count = int(days * 4) + 1
    return [(n * SIX_HOURS_MS, round(start_pct - pct_a_day * n / 4)) for n in range(count)]


def test_nothing_is_foretold_from_nothing() -> None:
    assert forecast([]) is None
    assert forecast([(0, 80.0)]) == Forecast(pct=80.0, days_left=None)


def test_a_steady_decline_is_foretold_to_the_day() -> None:
    told = forecast(falling(1.0, 30))
    assert told is not None
    assert told.days_left is not None
    assert abs(told.days_left - 60) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_a_gauge_that_swings_does_not_move_the_forecast_much(seed: int) -> None:
    chance = random.Random(seed)
    noisy = [(at, pct + chance.uniform(-3, 3)) for at, pct in falling(1.0, 60)]
    told = forecast(noisy)
    assert told is not None
    assert told.days_left is not None
    assert 12 <= told.days_left <= 50  # the truth is 30


def test_one_wrong_reading_raises_nothing() -> None:
    readings = falling(0.1, 30)
    readings[60] = (readings[60][0], 3.0)
    told = forecast(readings)
    assert told is not None
    assert not told.pressing(14)


def test_full_cells_that_do_not_fall_last_for_ever() -> None:
    told = forecast(falling(0.0, 30))
    assert told == Forecast(pct=100.0, days_left=None)
    assert not told.pressing(90)


def test_new_cells_begin_a_new_life() -> None:
    old = falling(2.0, 40)
    start = old[-1][0] + SIX_HOURS_MS
    told = forecast([*old, *((start + at, pct) for at, pct in falling(0.0, 5))])
    assert told == Forecast(pct=100.0, days_left=None)


def test_a_lead_of_days_remains_before_the_cells_are_empty() -> None:
    """Cells that hold 90 days are said to be low with 14 days of life left, give or take two."""
    readings = falling(1.0, 90)
    first = next(
        number
        for number in range(1, len(readings))
        if (told := forecast(readings[:number])) is not None and told.pressing(14)
    )
    days_left = 90 - readings[first - 1][0] / DAY_MS
    assert 12 <= days_left <= 16


def test_cells_that_fall_off_at_their_end_are_seen_by_their_last_week() -> None:
    slow, fast = falling(0.2, 60), falling(4.0, 6, start_pct=88.0)
    start = slow[-1][0] + SIX_HOURS_MS
    told = forecast([*slow, *((start + at, pct) for at, pct in fast)])
    assert told is not None
    assert told.days_left is not None
    assert told.days_left <= 20


def test_a_low_level_is_pressing_whatever_the_curve() -> None:
    assert Forecast(pct=15.0, days_left=None).pressing(1)
