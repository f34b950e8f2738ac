"""The reader of a real booking file is an oracle: every row counted once, nothing tidied away."""

from __future__ import annotations

import functools
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from support.shared_data import shared_data
from twin.bookings_file import COLUMNS, BookingsFile, Dirt, Impossible, Status

AUGUST = (date(2016, 8, 1), date(2016, 8, 31))


@functools.cache
def city() -> BookingsFile:
    return BookingsFile.read(shared_data("hotel-bookings-city.csv.gz"))


def test_august_2016_adds_up_to_what_the_file_says(capsys: pytest.CaptureFixture[str]) -> None:
    totals = city().totals(*AUGUST)
    assert totals.rows == 3_378
    assert totals.rows_by_status == {
        Status.CHECK_OUT: 2_131,
        Status.CANCELED: 1_214,
        Status.NO_SHOW: 33,
    }
    # Sixteen of the rows that say Check-Out cannot be a stay: nobody, or no night.
    assert totals.impossible == {Impossible.ZERO_NIGHTS: 8, Impossible.ZERO_GUESTS: 8}
    assert totals.impossible_by_status == {Status.CHECK_OUT: 16}
    assert totals.bookings_by_status == {
        Status.CHECK_OUT: 2_115,
        Status.CANCELED: 1_214,
        Status.NO_SHOW: 33,
    }
    with capsys.disabled():
        counts = ", ".join(f"{count} {why}" for why, count in totals.impossible.items())
        print(f"\n  August 2016: {totals.rows} rows, impossible: {counts}")  # noqa: T201


def test_every_row_of_the_file_is_counted_once() -> None:
    totals = city().totals(date.min, date.max)
    assert totals.rows == 79_330
    assert totals.rows == totals.bookings + sum(totals.impossible.values())
    assert totals.impossible == {Impossible.ZERO_NIGHTS: 331, Impossible.ZERO_GUESTS: 100}
    numbers = [one.row_number for one in city().bookings]
    numbers += [one.row_number for one in city().refused]
    assert sorted(numbers) == list(range(1, 79_331))


def test_dirt_is_named_and_stays_in() -> None:
    dirt = city().totals(date.min, date.max).dirt
    assert dirt[Dirt.CHILDREN_UNKNOWN] == 4
    assert dirt[Dirt.RATE_ODD] == 1
    assert dirt[Dirt.NO_ADULT] == 223
    assert dirt[Dirt.LEFT_EARLY] == 6
    assert dirt[Dirt.TWIN_ROW] == 25_856
    assert max(one.adr_minor for one in city().bookings) == 540_000


def test_each_booking_ends_on_the_day_the_file_says() -> None:
    for one in city().bookings:
        # One guest left on the day of arrival.
        assert one.arrival <= one.left_on <= one.departure
        assert one.status is Status.NO_SHOW or one.status_date <= one.left_on
        assert one.booked_on <= one.arrival


def test_the_house_is_as_full_as_an_independent_count_says() -> None:
    first, last = AUGUST
    peaks = city().peaks(first, last)
    assert set(peaks) == set("ABCDEFGK")
    nights: Counter[date] = Counter()
    for one in city().bookings:
        if one.status is Status.CHECK_OUT:
            day = one.arrival.toordinal()
            nights.update(date.fromordinal(n) for n in range(day, one.left_on.toordinal()))
    busiest = max(count for night, count in nights.items() if first <= night <= last)
    assert busiest <= sum(peaks.values())
    begun = len(city().in_house(first))
    assert nights[first] - begun == sum(
        one.arrival == first and one.status is Status.CHECK_OUT for one in city().bookings
    )


def row(**changes: str) -> dict[str, str]:
    return {
        "is_canceled": "0",
        "booking_changes": "0",
        "lead_time": "10",
        "arrival_date_year": "2016",
        "arrival_date_month": "August",
        "arrival_date_day_of_month": "3",
        "stays_in_weekend_nights": "0",
        "stays_in_week_nights": "2",
        "adults": "2",
        "children": "0",
        "babies": "0",
        "country": "PRT",
        "market_segment": "Direct",
        "distribution_channel": "Direct",
        "reserved_room_type": "A",
        "assigned_room_type": "A",
        "adr": "75.5",
        "reservation_status": "Check-Out",
        "reservation_status_date": "2016-08-05",
    } | changes


def read(tmp_path: Path, *rows: dict[str, str]) -> BookingsFile:
    names = sorted(COLUMNS)
    lines = [",".join(names)] + [",".join(one[name] for name in names) for one in rows]
    path = tmp_path / "bookings.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return BookingsFile.read(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stays_in_week_nights": "0"}, Impossible.ZERO_NIGHTS),
        ({"stays_in_week_nights": "0", "adults": "0"}, Impossible.ZERO_NIGHTS),
        ({"adults": "0"}, Impossible.ZERO_GUESTS),
        ({"adults": "0", "children": "NA"}, Impossible.ZERO_GUESTS),
        ({"arrival_date_day_of_month": "32"}, Impossible.UNREADABLE),
        ({"arrival_date_month": "Augustus"}, Impossible.UNREADABLE),
        ({"adults": "two"}, Impossible.UNREADABLE),
        ({"adr": "free"}, Impossible.UNREADABLE),
        ({"reservation_status": "Lost"}, Impossible.UNREADABLE),
    ],
)
def test_an_impossible_row_has_exactly_one_reason(
    tmp_path: Path, changes: dict[str, str], why: Impossible
) -> None:
    found = read(tmp_path, row(), row(**changes))
    assert [one.row_number for one in found.bookings] == [1]
    assert [(one.row_number, one.why) for one in found.refused] == [(2, why)]


@pytest.mark.parametrize(
    ("changes", "dirt"),
    [
        ({"children": "NA"}, Dirt.CHILDREN_UNKNOWN),
        ({"adults": "0", "children": "1"}, Dirt.NO_ADULT),
        ({"adr": "-6.38"}, Dirt.RATE_NEGATIVE),
        ({"adr": "5400"}, Dirt.RATE_ODD),
        ({"reservation_status_date": "2016-08-04"}, Dirt.LEFT_EARLY),
    ],
)
def test_an_odd_row_is_a_booking(tmp_path: Path, changes: dict[str, str], dirt: Dirt) -> None:
    found = read(tmp_path, row(**changes))
    assert len(found.bookings) == 1
    assert found.dirt == {1: {dirt}}


def test_equal_rows_are_two_bookings(tmp_path: Path) -> None:
    found = read(tmp_path, row(), row())
    assert [one.row_number for one in found.bookings] == [1, 2]
    assert found.dirt == {2: {Dirt.TWIN_ROW}}


def test_another_kind_of_file_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the columns adults, arrival_date"):
        BookingsFile.read(path)
