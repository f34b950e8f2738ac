"""Promises of reading a channel's calendar: real files, their quirks, and half of one."""

from __future__ import annotations

from collections import Counter
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.shared_data import shared_data
from sync.feeds.entries import Kind, Snapshot
from sync.feeds.reading import ENTRIES_MAX, FILE_BYTES_MAX, NoCalendar, read

VIENNA = ZoneInfo("Europe/Vienna")


def snapshot(content: bytes) -> Snapshot:
    found = read(content, VIENNA)
    assert isinstance(found, Snapshot), found
    return found


def one(*lines: str, summary: str = "Reserved") -> bytes:
    body = ["BEGIN:VEVENT", "UID:u1", f"SUMMARY:{summary}", *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", *body, "END:VCALENDAR", ""]).encode()


def sample(name: str) -> Snapshot:
    return snapshot((shared_data("ics/ota-samples") / name).read_bytes())


def test_a_merged_airbnb_file_is_read_whole() -> None:
    found = sample("airbnb-merged-2026-08-22.ics")
    assert Counter(each.kind for each in found.entries) == {Kind.RESERVED: 173, Kind.BLOCKED: 3}
    assert len({each.uid for each in found.entries}) == 176
    assert not found.unread
    assert found.entries[0].code == "HMXXXXXXXX"


def test_everything_of_booking_com_is_closed() -> None:
    found = sample("bookingcom-2026-08-22.ics")
    assert {each.kind for each in found.entries} == {Kind.CLOSED}
    assert found.entries[0].start == date(2026, 8, 22)
    assert found.entries[0].end == date(2026, 8, 31)


def test_an_empty_calendar_is_a_calendar() -> None:
    assert sample("bookingcom-empty-2026-04-14.ics") == Snapshot()


def test_an_end_before_its_start_is_there_and_not_used() -> None:
    found = sample("airbnb-dtend-before-dtstart.ics")
    assert len(found.entries) == 2
    assert found.unread == {"6fec1092d3fa-1cd15623feaf53a9895d3bee6b10556f@airbnb.com"}


def test_one_uid_twice_is_two_entries() -> None:
    found = sample("airbnb-dup-uids.ics")
    assert len(found.entries) == 2
    assert len({each.uid for each in found.entries}) == 1


@pytest.mark.parametrize("name", ["airbnb-merged-2026-08-22.ics", "bookingcom-2026-08-22.ics"])
def test_half_a_file_is_no_calendar(name: str) -> None:
    content = (shared_data("ics/ota-samples") / name).read_bytes().rstrip()
    for end in range(0, len(content), 997):
        assert isinstance(read(content[:end], VIENNA), NoCalendar), end
    assert isinstance(read(content[:-1], VIENNA), NoCalendar)


@pytest.mark.parametrize(
    ("summary", "kind"),
    [
        ("Reserved", Kind.RESERVED),
        ("Reserved - Ann", Kind.RESERVED),
        ("Airbnb (Not available)", Kind.BLOCKED),
        ("Not available", Kind.BLOCKED),
        ("Blocked", Kind.BLOCKED),
        ("CLOSED - Not available", Kind.CLOSED),
        ("Ann and Bob", Kind.CLOSED),
        ("", Kind.CLOSED),
    ],
)
def test_a_summary_says_whether_a_guest_may_come(summary: str, kind: Kind) -> None:
    days = ("DTSTART;VALUE=DATE:20261101", "DTEND;VALUE=DATE:20261103")
    [entry] = snapshot(one(*days, summary=summary)).entries
    assert entry.kind is kind


@pytest.mark.parametrize(
    ("lines", "nights"),
    [
        (["DTSTART;VALUE=DATE:20261101", "DTEND;VALUE=DATE:20261103"], (1, 3)),
        (["DTSTART;VALUE=DATE:20261101"], (1, 2)),
        (["DTSTART;VALUE=DATE:20261101", "DURATION:P3D"], (1, 4)),
        (["DTSTART:20261101T150000", "DTEND:20261103T110000"], (1, 3)),
        # 23:30 UTC is half past midnight in Vienna: the next day.
        (["DTSTART:20261101T233000Z", "DTEND:20261104T090000Z"], (2, 4)),
    ],
)
def test_nights_are_counted_to_the_morning_of_the_departure(
    lines: list[str], nights: tuple[int, int]
) -> None:
    [entry] = snapshot(one(*lines)).entries
    assert (entry.start, entry.end) == (date(2026, 11, nights[0]), date(2026, 11, nights[1]))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["DTSTART;VALUE=DATE:20261301"],
        ["DTSTART;VALUE=DATE:20261101", "DTEND:nonsense"],
        ["DTSTART;VALUE=DATE:20261101", "DTEND;VALUE=DATE:20261101"],
        ["DTSTART;VALUE=DATE:20261101", "DTEND;VALUE=DATE:99991231"],
        ["DTSTART;VALUE=DATE:99991230", "DURATION:P900000000D"],
        ["DTSTART:20261101T100000", "DTEND:20261101T120000"],
    ],
)
def test_an_entry_without_nights_is_there_and_not_used(lines: list[str]) -> None:
    assert snapshot(one(*lines)).unread == {"u1"}


def test_a_cancelled_status_is_the_channels_own_word() -> None:
    days = ("DTSTART;VALUE=DATE:20261101", "DTEND;VALUE=DATE:20261103")
    assert snapshot(one(*days, "STATUS:CANCELLED")).cancelled == {"u1"}
    assert snapshot(one(*days, "TRANSP:TRANSPARENT")) == Snapshot()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Sorry</body></html>",
        b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\nEND:VCALENDAR",
        b"BEGIN:VCALENDAR\r\nguest Ann Bee\r\nEND:VCALENDAR",
        b"BEGIN:VCALENDAR" + b"\r\nX-A:" + b"a" * FILE_BYTES_MAX + b"\r\nEND:VCALENDAR",
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * (ENTRIES_MAX + 1) + b"END:VCALENDAR",
    ],
)
def test_what_is_no_calendar_says_so_and_quotes_nothing(content: bytes) -> None:
    found = read(content, VIENNA)
    assert isinstance(found, NoCalendar)
    assert "Ann" not in found.sentence


@given(st.lists(st.sampled_from([b"BEGIN:VEVENT", b"END:VEVENT", b"UID:a", b"DTSTART:1", b"x"])))
def test_no_file_raises(lines: list[bytes]) -> None:
    content = b"\n".join([b"BEGIN:VCALENDAR", *lines, b"END:VCALENDAR"])
    assert isinstance(read(content, VIENNA), Snapshot | NoCalendar)


@given(st.binary(max_size=300))
def test_no_bytes_raise(content: bytes) -> None:
    inside = b"BEGIN:VCALENDAR\n" + content + b"\nEND:VCALENDAR"
    assert isinstance(read(inside, VIENNA), Snapshot | NoCalendar)
