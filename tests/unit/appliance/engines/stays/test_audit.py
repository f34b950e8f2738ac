"""Promises of the business date and the night audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.stays.messages import CheckIn, Refusal, RunNightAudit, StayState
from appliance.kernel.messages import Refused
from support.hotel import Hotel, day


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def date_of(hotel: Hotel) -> str:
    [(found,)] = hotel.rows("SELECT business_date FROM stays_business_date")
    return str(found)


async def test_the_business_date_rolls_by_decision_and_not_by_the_clock(hotel: Hotel) -> None:
    assert date_of(hotel) == str(day(0))
    await hotel.clock.advance(3 * 86_400)
    hotel.learn()
    assert date_of(hotel) == str(day(0))
    hotel.done(RunNightAudit(closing=day(0)))
    assert date_of(hotel) == str(day(1))


def test_a_second_audit_finds_nothing_and_gives_the_same_totals(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.learned("up-2")
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    first = hotel.done(RunNightAudit(closing=day(0)))
    assert first["room_revenue_minor"] == 10_000
    assert (first["in_house"], first["arrivals_left"]) == (1, 1)
    again = hotel.ask(RunNightAudit(closing=day(0)))
    assert isinstance(again, Refused)
    assert again.code == Refusal.NOTHING_TO_AUDIT
    assert again.detail == first
    assert date_of(hotel) == str(day(1))


def test_only_the_open_day_can_be_closed(hotel: Hotel) -> None:
    assert hotel.refused(RunNightAudit(closing=day(1))) == Refusal.BAD_DATES
    assert hotel.refused(RunNightAudit(closing=day(-1))) == Refusal.BAD_DATES


def test_a_no_show_is_named_and_dated_on_the_day_that_is_closed(hotel: Hotel) -> None:
    absent, late = hotel.learned("up-1"), hotel.learned("up-2")
    hotel.done(RunNightAudit(closing=day(0), no_shows=(absent, absent)))
    assert hotel.state_of(absent) == StayState.NO_SHOW
    assert hotel.state_of(late) == StayState.CONFIRMED
    marked = [fact.event for fact in hotel.facts if fact.event.kind == "stays.no_show_marked.v1"]
    assert [getattr(event, "business_date", None) for event in marked] == [day(0)]


def test_an_audit_with_one_impossible_no_show_does_nothing_at_all(hotel: Hotel) -> None:
    absent = hotel.learned("up-1")
    future = hotel.learned("up-2", arrival=day(1))
    wrong = RunNightAudit(closing=day(0), no_shows=(absent, future))
    assert hotel.refused(wrong) == Refusal.NOT_DUE_YET
    assert hotel.state_of(absent) == StayState.CONFIRMED
    assert date_of(hotel) == str(day(0))
