"""Promises of the calendar: one holder for each room-night, one winner for the last room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from appliance.engines.calendar.messages import (
    ClaimResource,
    ConfirmHold,
    HoldNights,
    Refusal,
    ReleaseHolder,
    ReleaseResource,
)
from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Done, Refused
from support.desk import BOX, CLERK, MANAGER
from support.hotel import Hotel, day, walk_in


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def hold(
    holder: str,
    *,
    confirmed: bool = False,
    beyond: bool = False,
    start: date | None = None,
    end: date | None = None,
) -> HoldNights:
    return HoldNights(
        holder_id=holder,
        room_type_id="double",
        confirmed=confirmed,
        beyond_allotment=beyond,
        start=start or day(0),
        end=end or day(2),
    )


def claim(holder: str, start: date, end: date, resource: str = "room:r101") -> ClaimResource:
    return ClaimResource(resource=resource, holder_id=holder, start=start, end=end)


def test_ten_to_twelve_and_eleven_to_thirteen_exclude_each_other(hotel: Hotel) -> None:
    """Anchors defect 5: a lock named after the start alone would let both in."""
    hotel.done(claim("ada", date(2026, 11, 10), date(2026, 11, 12)), BOX)
    overlapping = claim("ben", date(2026, 11, 11), date(2026, 11, 13))
    assert hotel.refused(overlapping, BOX) == Refusal.ROOM_TAKEN
    touching = claim("ben", date(2026, 11, 12), date(2026, 11, 13))
    hotel.done(touching, BOX)
    assert hotel.claims("ben") == [("r101", "2026-11-12")]


def test_a_refused_claim_leaves_nothing_behind(hotel: Hotel) -> None:
    hotel.done(claim("ada", day(1), day(2)), BOX)
    assert hotel.refused(claim("ben", day(0), day(3)), BOX) == Refusal.ROOM_TAKEN
    assert hotel.claims("ben") == []


def test_claiming_what_one_has_is_no_news(hotel: Hotel) -> None:
    hotel.done(claim("ada", day(0), day(2)), BOX)
    facts = len(hotel.facts)
    hotel.done(claim("ada", day(0), day(2)), BOX)
    assert len(hotel.facts) == facts


def test_nobody_lets_go_of_anothers_claim(hotel: Hotel) -> None:
    """Anchors defect 5: a `finally` that deletes whatever lock is there frees somebody else's."""
    hotel.done(claim("ada", day(0), day(2)), BOX)
    theft = ReleaseResource(resource="room:r101", holder_id="ben", start=day(0))
    assert hotel.refused(theft, BOX) == Refusal.NOT_HELD
    assert len(hotel.claims("ada")) == 2


def test_only_rooms_that_exist_can_be_claimed(hotel: Hotel) -> None:
    for resource in ("room:r999", "golf", "r101", "room:"):
        wrong = claim("ada", day(0), day(1), resource)
        assert hotel.refused(wrong, BOX) == Refusal.UNKNOWN_RESOURCE
    gone = ReleaseResource(resource="room:r999", holder_id="ada", start=day(0))
    assert hotel.refused(gone, BOX) == Refusal.UNKNOWN_RESOURCE


@pytest.mark.parametrize("end", [day(0), day(-1), day(5_000)])
def test_a_stretch_has_at_least_one_night_and_an_end_in_sight(hotel: Hotel, end: date) -> None:
    assert hotel.refused(claim("ada", day(0), end), BOX) == Refusal.BAD_DATES
    assert hotel.refused(hold("ada", end=end), BOX) == Refusal.BAD_DATES


def test_the_pms_is_never_refused_and_hears_where_it_overbooked(hotel: Hotel) -> None:
    for number in range(4):
        hotel.done(hold(f"h{number}", confirmed=True), BOX)
    last = hotel.facts[-1].event
    assert getattr(last, "overbooked", None) == (day(0), day(1))


def test_the_box_sells_only_inside_its_allotment(hotel: Hotel) -> None:
    hotel.done(hold("h1"), BOX)
    hotel.done(hold("h2"), BOX)
    assert hotel.refused(hold("h3"), BOX) == Refusal.ALLOTMENT_SPENT
    hotel.done(hold("h3", beyond=True), BOX)
    assert getattr(hotel.facts[-1].event, "at_risk", None) is True
    assert hotel.refused(hold("h4", beyond=True), BOX) == Refusal.SOLD_OUT


def test_what_the_pms_knows_frees_the_allotment(hotel: Hotel) -> None:
    hotel.done(hold("h1"), BOX)
    hotel.done(hold("h2"), BOX)
    hotel.done(ConfirmHold(holder_id="h1"), BOX)
    hotel.done(hold("h3"), BOX)
    assert hotel.refused(ConfirmHold(holder_id="nobody"), BOX) == Refusal.NOT_HELD


def test_a_room_out_of_order_is_not_sold(hotel: Hotel) -> None:
    broken = SetRoomStatus(room_id="r101", status=RoomStatus.OUT_OF_ORDER, reason="leak")
    hotel.done(broken)
    hotel.done(hold("h1", confirmed=True), BOX)
    hotel.done(hold("h2", confirmed=True), BOX)
    assert hotel.refused(hold("h3"), BOX) == Refusal.SOLD_OUT
    hotel.done(SetRoomStatus(room_id="r101", status=RoomStatus.CLEAN))
    hotel.done(hold("h3"), BOX)


def test_holding_again_replaces_and_adding_keeps(hotel: Hotel) -> None:
    hotel.done(hold("h1"), BOX)
    hotel.done(hold("h1", start=day(1), end=day(3)), BOX)
    assert [night for _, night in hotel.held("h1")] == [str(day(1)), str(day(2))]
    more = HoldNights(
        holder_id="h1",
        room_type_id="double",
        start=day(3),
        end=day(4),
        confirmed=False,
        adding=True,
    )
    hotel.done(more, BOX)
    assert [night for _, night in hotel.held("h1")] == [str(day(n)) for n in (1, 2, 3)]


def test_an_unknown_type_is_not_held(hotel: Hotel) -> None:
    cave = HoldNights(holder_id="h", room_type_id="cave", start=day(0), end=day(1), confirmed=True)
    assert hotel.refused(cave, BOX) == Refusal.UNKNOWN_ROOM_TYPE


def test_letting_go_of_nothing_is_no_error_and_no_fact(hotel: Hotel) -> None:
    hotel.done(ReleaseHolder(holder_id="nobody"), BOX)
    assert hotel.facts == []


def test_letting_go_from_a_date_keeps_the_nights_before_it(hotel: Hotel) -> None:
    hotel.done(hold("h1"), BOX)
    hotel.done(claim("h1", day(0), day(2)), BOX)
    hotel.done(ReleaseHolder(holder_id="h1", start=day(1)), BOX)
    assert hotel.held("h1") == [("double", str(day(0)))]
    assert hotel.claims("h1") == [("r101", str(day(0)))]


def test_people_reach_the_calendar_only_through_what_they_do(hotel: Hotel) -> None:
    for who in (CLERK, MANAGER):
        assert hotel.refused(ReleaseHolder(holder_id="h1"), who) == "wrong_role"


def test_asking_twice_holds_once(hotel: Hotel) -> None:
    first = hotel.ask(hold("h1"), BOX, command_id="same")
    assert hotel.ask(hold("h1"), BOX, command_id="same") == first
    assert hotel.events() == ["calendar.nights_held.v1"]


def test_two_desks_sell_the_last_room_and_exactly_one_wins(tmp_path: Path) -> None:
    hotel = Hotel(tmp_path, doubles=1, allotment=5)
    batch = [
        Asking(command=walk_in(room_id="r101"), command_id=f"desk-{number}", who=CLERK)
        for number in range(2)
    ]
    answers = [decided.answer for decided in hotel.deciding.carry_out(batch)]
    assert isinstance(answers[0], Done)
    assert isinstance(answers[1], Refused)
    assert answers[1].code == Refusal.SOLD_OUT
    hotel.close()


def test_200_askers_for_20_rooms_are_20_sales_and_180_refusals(tmp_path: Path) -> None:
    """Load-decide-append with retries sold 6 of the 20: deciding belongs on the writer."""
    hotel = Hotel(tmp_path, doubles=20, allotment=200)
    askings = [
        Asking(command=walk_in(), command_id=f"asker-{number}", who=CLERK) for number in range(200)
    ]
    answers = []
    for start in range(0, 200, 32):
        batch = askings[start : start + 32]
        answers += [decided.answer for decided in hotel.deciding.carry_out(batch)]
    codes = Counter(answer.code if isinstance(answer, Refused) else "sold" for answer in answers)
    assert codes == {"sold": 20, Refusal.SOLD_OUT: 180}
    rooms = [answer.result["room_id"] for answer in answers if isinstance(answer, Done)]
    assert len(set(rooms)) == 20
    assert hotel.deciding.faults == {}
    hotel.close()
