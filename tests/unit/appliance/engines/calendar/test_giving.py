"""Promises of what a channel is told: nobody's name, steady ids, and never its own bookings."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given as examples
from hypothesis import strategies as st

from appliance.engines.calendar.giving import Given, given

DAY = date(2026, 11, 1)
NOBODY: frozenset[str] = frozenset()


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def nights(holder: str, *numbers: int) -> list[tuple[date, str]]:
    return [(day(number), holder) for number in numbers]


def spans(entries: tuple[Given, ...]) -> list[tuple[int, int, bool]]:
    return [((each.start - DAY).days, (each.end - DAY).days, each.reserved) for each in entries]


def test_a_stay_is_one_entry_to_the_morning_of_its_departure() -> None:
    found = given(nights("stay_1", 0, 1, 4), [], own=NOBODY, salt=b"s")
    assert spans(found) == [(0, 2, True), (4, 5, True)]
    assert len({each.uid for each in found}) == 2
    assert all("stay_1" not in each.uid for each in found)


def test_an_id_is_steady_and_another_feeds_is_another() -> None:
    [first] = given(nights("stay_1", 0, 1), [], own=NOBODY, salt=b"s")
    [longer] = given(nights("stay_1", 0, 1, 2), [], own=NOBODY, salt=b"s")
    [elsewhere] = given(nights("stay_1", 0, 1), [], own=NOBODY, salt=b"t")
    assert first.uid == longer.uid != elsewhere.uid


def test_what_came_from_a_channel_is_not_given_back_to_it() -> None:
    claims = [*nights("stay_1", 0), *nights("closure:ical:sea:1", 1), *nights("stay_2", 2)]
    own = frozenset({"stay_1", "closure:ical:sea:1"})
    assert spans(given(claims, [day(0), day(1), day(3)], own=own, salt=b"s")) == [
        (2, 3, True),
        (3, 4, False),
    ]


def test_closed_and_sold_out_nights_are_not_available() -> None:
    found = given(nights("closure:ical:hill:1", 0), [day(2), day(3)], own=NOBODY, salt=b"s")
    assert spans(found) == [(0, 1, False), (2, 4, False)]


@examples(
    st.dictionaries(st.integers(0, 30), st.sampled_from(["a", "b", "closure:x"])),
    st.sets(st.integers(0, 30)),
    st.sets(st.sampled_from(["a", "b", "closure:x"])),
)
def test_every_night_is_given_once_or_is_the_channels_own(
    claims: dict[int, str], full: set[int], own: set[str]
) -> None:
    rows = [(day(number), holder) for number, holder in sorted(claims.items())]
    found = given(rows, map(day, sorted(full)), own=frozenset(own), salt=b"s")
    told = [number for first, last, _ in spans(found) for number in range(first, last)]
    wanted = {number for number, holder in claims.items() if holder not in own}
    assert sorted(told) == sorted(wanted | (full - set(claims)))
    assert len({each.uid for each in found}) == len(found)
