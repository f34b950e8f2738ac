"""A lock with eight numbers in flash keeps the property's hours through summer time."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.local_time import UTC, LocalTime, changes_ahead, in_hours

MADRID = ZoneInfo("Europe/Madrid")
# The changes of 2026 and 2027, as the box hands them over.
TABLE = LocalTime(
    (
        (1_761_440_400, 60),
        (1_774_746_000, 120),
        (1_792_890_000, 60),
        (1_806_195_600, 120),
        (1_824_944_400, 60),
    )
)
EVERY_DAY = 0b111_1111
DOUBT_MS = 2_000


def at(text: str, fold: int = 0) -> int:
    """Milliseconds since 1970 of a moment on Madrid's clocks."""
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=MADRID, fold=fold)
    return int(moment.timestamp()) * 1000


@settings(max_examples=300, deadline=None)
@given(st.integers(1_767_225_600, 1_830_000_000))
def test_the_table_says_what_the_zones_rules_say(wall_s: int) -> None:
    truth = dt.datetime.fromtimestamp(wall_s, MADRID)
    assert TABLE.minute_of_week(wall_s * 1000) == (
        truth.weekday(),
        truth.hour * 60 + truth.minute,
    )


@pytest.mark.parametrize("day", ["2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"])
def test_a_shift_keeps_its_hours_on_both_sides_of_summer_time(day: str) -> None:
    shift = (0b001_1111, 420, 900)  # Monday to Friday, 7:00 to 15:00
    held = [in_hours(shift, at(f"{day}T{t}"), DOUBT_MS, TABLE) for t in ("06:59", "07:00", "14:59")]
    assert held == [False, True, True]
    assert not in_hours(shift, at(f"{day}T15:01"), DOUBT_MS, TABLE)


def test_the_hour_that_comes_twice_counts_twice() -> None:
    night = (EVERY_DAY, 120, 180)
    assert in_hours(night, at("2026-10-25T02:30", fold=0), DOUBT_MS, TABLE)
    assert in_hours(night, at("2026-10-25T02:30", fold=1), DOUBT_MS, TABLE)


def test_a_night_shift_runs_into_the_next_morning_and_no_further() -> None:
    night = (0b000_0001, 1_320, 360)  # Monday 22:00 to Tuesday 6:00
    assert in_hours(night, at("2026-06-01T23:00"), DOUBT_MS, TABLE)
    assert in_hours(night, at("2026-06-02T05:00"), DOUBT_MS, TABLE)
    assert not in_hours(night, at("2026-06-02T23:00"), DOUBT_MS, TABLE)
    assert not in_hours(night, at("2026-06-01T05:00"), DOUBT_MS, TABLE)


def test_hours_are_widened_by_the_locks_doubt() -> None:
    shift = (EVERY_DAY, 420, 900)
    early = at("2026-06-01T06:52")
    assert not in_hours(shift, early, DOUBT_MS, TABLE)
    assert in_hours(shift, early, 600_000, TABLE)


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ((5, 0), (5, 60)),
        ((9, 0), (5, 60)),
        ((0, 900),),
        ((-1, 0),),
        tuple((n, 0) for n in range(9)),
    ],
)
def test_a_table_that_is_none_is_refused(changes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        LocalTime(changes)


def test_a_lock_before_its_first_change_uses_the_first() -> None:
    assert UTC.minute_of_week(0) == (3, 0)
    assert LocalTime(((2_000_000_000, 60),)).minute_of_week(0) == (3, 60)


@pytest.mark.parametrize(
    "zone", ["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
)
def test_the_box_hands_over_what_its_zone_will_do(zone: str) -> None:
    truth = ZoneInfo(zone)
    start_s = 1_789_992_000
    table = changes_ahead(truth, start_s)
    assert table == changes_ahead(truth, start_s + 7 * 86_400)
    for wall_s in range(start_s, start_s + 3 * 365 * 86_400, 9_001):
        local = dt.datetime.fromtimestamp(wall_s, truth)
        expected = (local.weekday(), local.hour * 60 + local.minute)
        assert table.minute_of_week(wall_s * 1000) == expected
