"""A plan takes every row of the window, sizes the house by its peaks, and follows the seed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from support.bookings_csv import cancelled, left, write_csv
from twin.replaying.plan import Plan, make_plan
from twin.replaying.rows import Row, read_rows

FIRST, LAST = date(2016, 8, 3), date(2016, 8, 5)


def plan_of(folder: Path, rows: Iterable[dict[str, str]] | None = None, seed: int = 1) -> Plan:
    path = folder / "b.csv"
    write_csv(path) if rows is None else write_csv(path, rows)
    return make_plan(read_rows(path), FIRST, LAST, seed)


def test_the_window_the_guests_in_house_and_what_cannot_be_are_kept_apart(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert [row.number for row in plan.in_house] == [1]
    assert [row.number for row in plan.arriving] == list(range(3, 19))
    assert [row.number for row in plan.misfits] == [19, 20, 21, 22, 23, 24]


def test_rooms_are_as_many_as_are_slept_in_at_once_and_one_of_what_is_only_sold(
    tmp_path: Path,
) -> None:
    rooms = plan_of(tmp_path).rooms
    # The night of the 4th: one from before, two twins, four who came that day.
    assert rooms == {"A": 7, "D": 1, "P": 1}


def test_a_room_left_in_the_morning_is_slept_in_again_in_the_evening(tmp_path: Path) -> None:
    assert plan_of(tmp_path, [left(3, 1), left(4, 1), left(5, 1)]).rooms == {"A": 1}


def test_who_leaves_on_the_day_of_arrival_still_needs_a_room_that_day(tmp_path: Path) -> None:
    assert plan_of(tmp_path, [left(3, 2, on=3), left(3, 1)]).rooms == {"A": 2}


def test_nothing_is_booked_before_the_window_nor_cancelled_before_it_is_booked(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, [cancelled(5, 1, "2016-07-01", lead_time="1")])
    [row] = plan.arriving
    assert plan.booked_on(row) == date(2016, 8, 4)
    assert plan.cancelled_on(row) == date(2016, 8, 4)
    early = plan_of(tmp_path, [cancelled(5, 1, "2016-07-01", lead_time="90")])
    assert early.cancelled_on(early.arriving[0]) == FIRST


def test_changes_come_in_order_before_the_guest_and_end_in_the_files_own_words(
    tmp_path: Path,
) -> None:
    plan = plan_of(tmp_path, [left(5, 2, booking_changes="4", lead_time="2")])
    [row] = plan.arriving
    days = plan.changed_on(row)
    assert days == sorted(days)
    assert len(days) == 4
    assert FIRST <= days[0] <= days[-1] <= row.arrival
    versions = [plan.version(row, changes_left) for changes_left in (4, 3, 2, 1, 0)]
    assert len(set(versions)) == 5
    assert (versions[-1].nights, versions[-1].rate_minor) == (row.nights, row.rate_minor)


def test_the_same_seed_makes_the_same_hours_and_another_one_others(tmp_path: Path) -> None:
    rows = [left(3, 1, adr=str(number)) for number in range(50)]

    def hours(seed: int) -> list[tuple[int, int]]:
        plan = plan_of(tmp_path, rows, seed)
        return [(plan.comes_at(row), plan.goes_at(row)) for row in plan.arriving]

    assert hours(1) == hours(1) != hours(2)


def test_a_plan_ends_when_the_last_of_its_bookings_has(tmp_path: Path) -> None:
    assert plan_of(tmp_path, [left(5, 9), left(3, 1)]).ends_on == date(2016, 8, 14)
    assert all(isinstance(row, Row) for row in plan_of(tmp_path).arriving)
