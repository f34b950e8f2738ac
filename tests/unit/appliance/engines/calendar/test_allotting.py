"""Promises of the offline allotment: by type and night, and whole again when the PMS knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.calendar.messages import Refusal, SetAllotment
from appliance.engines.calendar.projection import availability
from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays.messages import LinkUpstream, RunNightAudit
from appliance.kernel.reader import open_reader
from support.desk import BOX, CLERK, MANAGER
from support.hotel import Hotel, day, walk_in


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[RULES])
    yield hotel
    hotel.close()


def tonight(rooms: int | None, **more: int) -> SetAllotment:
    return SetAllotment(
        room_type_id="double", start=day(0), end=day(more.get("until", 1)), rooms=rooms
    )


def linked(hotel: Hotel, stay_id: str) -> None:
    known = LinkUpstream(
        stay_id=stay_id, source="pms", upstream_id=stay_id, upstream_version="1", code="C"
    )
    hotel.done(known, BOX)


def test_a_night_has_a_number_of_its_own_and_the_next_one_the_types(hotel: Hotel) -> None:
    hotel.done(tonight(1), MANAGER)
    hotel.sell()
    assert hotel.refused(walk_in()) == Refusal.ALLOTMENT_SPENT
    hotel.sell(arrival=day(1))
    hotel.sell(arrival=day(1))
    assert hotel.refused(walk_in(arrival=day(1))) == Refusal.ALLOTMENT_SPENT
    hotel.done(tonight(None), MANAGER)
    hotel.sell()


def test_outside_of_it_a_manager_sells_at_risk(hotel: Hotel) -> None:
    hotel.done(tonight(0), MANAGER)
    assert hotel.refused(walk_in()) == Refusal.ALLOTMENT_SPENT
    stay_id = hotel.sell(MANAGER)["stay_id"]
    assert [what for _, what in hotel.conflicts(stay_id)] == ["at_risk"]
    assert hotel.rows("SELECT at_risk FROM stays_stay") == [(1,)]


def test_the_live_rule_is_the_default_of_every_type(hotel: Hotel) -> None:
    rule = ChangeSetting(key="calendar.offline_allotment", scope=Scope.PROPERTY, value=1)
    hotel.done(rule, MANAGER)
    hotel.sell(room_type_id="suite")  # the file gives it none
    hotel.sell()
    assert hotel.refused(walk_in()) == Refusal.ALLOTMENT_SPENT


async def test_when_the_line_is_back_and_the_sales_are_told_it_is_whole_again(
    hotel: Hotel, tmp_path: Path
) -> None:
    hotel.done(tonight(1), MANAGER)
    stay_id = hotel.sell()["stay_id"]
    async with open_reader(tmp_path / "log.db") as reader:
        [double, *_] = await availability(reader, day(0), day(1))
        assert (double.allotment, double.unconfirmed, double.sellable) == (1, 1, 0)
        linked(hotel, stay_id)
        [double, *_] = await availability(reader, day(0), day(1))
        assert (double.allotment, double.unconfirmed, double.sellable) == (1, 0, 1)
    hotel.sell()


def test_only_a_manager_sets_it_and_only_to_what_there_is(hotel: Hotel) -> None:
    assert hotel.refused(tonight(1), CLERK) == "wrong_role"
    assert hotel.refused(tonight(4), MANAGER) == Refusal.TOO_MANY_ROOMS
    assert hotel.refused(tonight(1, until=0), MANAGER) == Refusal.BAD_DATES
    unknown = SetAllotment(room_type_id="tent", start=day(0), end=day(1), rooms=1)
    assert hotel.refused(unknown, MANAGER) == Refusal.UNKNOWN_ROOM_TYPE
    hotel.done(tonight(1), MANAGER)
    facts = len(hotel.facts)
    hotel.done(tonight(1), MANAGER)
    assert len(hotel.facts) == facts


def test_numbers_of_nights_that_are_over_are_forgotten(hotel: Hotel) -> None:
    hotel.done(tonight(1, until=2), MANAGER)
    hotel.done(RunNightAudit(closing=day(0)))
    assert hotel.rows("SELECT night FROM calendar_allotment") == [(str(day(1)),)]
