"""The feed reads every row of a booking file once, and says why a row is none."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from support.bookings_csv import left, write_csv
from twin.bookings_file import BookingsFile
from twin.replaying.rows import Misfit, NotBookingsError, Row, Unfit, read_rows


def test_every_row_is_a_booking_or_has_its_reason(tmp_path: Path) -> None:
    rows = list(read_rows(write_csv(tmp_path / "b.csv")))
    assert [row.number for row in rows] == list(range(1, 26))
    reasons = Counter(row.why for row in rows if isinstance(row, Misfit))
    assert reasons == {Unfit.UNREADABLE: 4, Unfit.ZERO_NIGHTS: 1, Unfit.ZERO_GUESTS: 1}


def test_the_feed_and_the_oracle_read_a_dirty_file_alike_by_themselves(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv")
    fed = {row.number: row for row in read_rows(path) if isinstance(row, Row)}
    oracle = {one.row_number: one for one in BookingsFile.read(path).bookings}
    assert fed.keys() == oracle.keys()
    for number, row in fed.items():
        one = oracle[number]
        assert (row.arrival, row.nights, row.end, row.ended_on, row.assigned) == (
            one.arrival,
            one.nights,
            one.status.value,
            one.status_date,
            one.assigned_type,
        )
        assert (row.rate_minor, row.changes, row.lead_days) == (
            one.adr_minor,
            one.changes,
            one.lead_days,
        )


def test_a_packed_file_and_one_with_few_columns_are_read(tmp_path: Path) -> None:
    bare = write_csv(
        tmp_path / "b.csv",
        [left(3, 2)],
        "lead_time",
        "children",
        "babies",
        "distribution_channel",
        "assigned_room_type",
        "booking_changes",
        "adr",
    )
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(bare.read_bytes()))
    [row] = read_rows(packed)
    assert isinstance(row, Row)
    assert (row.assigned, row.rate_minor, row.children, row.changes) == ("A", 0, 0, 0)
    assert len(BookingsFile.read(packed).bookings) == 1


def test_months_may_be_numbers(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "b.csv", [left(3, 2, arrival_date_month="8")])
    [row] = read_rows(path)
    assert row.arrival == date(2016, 8, 3)
    assert BookingsFile.read(path).bookings[0].arrival == date(2016, 8, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"reservation_status_date": "2099-01-01"},
        {"stays_in_week_nights": "99999999999"},
        {"adr": "Infinity"},
        {"adr": "NaN"},
        {"adults": "-1"},
        {"lead_time": "-3"},
        {"arrival_date_year": "20016"},
        {"reservation_status_date": ""},
    ],
)
def test_a_number_that_cannot_be_meant_makes_its_row_unreadable_to_both(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    wild = {**left(3, 2), **changes}
    path = write_csv(tmp_path / "b.csv", [wild])
    [row] = read_rows(path)
    assert isinstance(row, Misfit)
    assert row.why is Unfit.UNREADABLE
    assert [each.why for each in BookingsFile.read(path).refused] == ["unreadable"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "lacks the columns arrival_date_year"),
        (b"", "lacks the columns"),
        (b"\x1f\x8b\x08nonsense", "is a damaged gzip file"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
    ],
)
def test_a_file_of_another_kind_gets_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(content)
    with pytest.raises(NotBookingsError, match=sentence):
        list(read_rows(path))


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotBookingsError, match="cannot be read: No such file"):
        list(read_rows(tmp_path / "nowhere.csv"))
