"""Promises of closed nights: what is free is closed, nobody's nights are taken, all is given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.calendar.closing import NIGHTS_MAX
from appliance.engines.calendar.messages import CloseNights, OpenNights, Refusal, Stretch
from appliance.engines.stays.messages import AssignRoom, CheckIn
from appliance.kernel.messages import Command, Refused, Who
from support.desk import CLERK, SYNC
from support.hotel import Hotel, day, walk_in


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    found = Hotel(tmp_path, allotment=3)
    yield found
    found.close()


def closure(
    *stretches: tuple[int, int], room_id: str | None = "r101", since: int = 0, **more: str
) -> CloseNights:
    return CloseNights(
        closure_id=more.get("closure_id", "closure:a"),
        room_type_id=more.get("room_type_id", "double"),
        room_id=room_id,
        since=day(since),
        stretches=tuple(Stretch(start=day(first), end=day(last)) for first, last in stretches),
    )


def closed(hotel: Hotel, closure_id: str = "closure:a") -> list[str]:
    return [night for _, night in hotel.held(closure_id)]


def no(hotel: Hotel, command: Command, who: Who = SYNC) -> str:
    answer = hotel.ask(command, who)
    assert isinstance(answer, Refused), answer
    return answer.code


def test_a_closed_room_is_nobodys(hotel: Hotel) -> None:
    hotel.done(closure((0, 2)), SYNC)
    assert closed(hotel) == [day(0).isoformat(), day(1).isoformat()]
    stay_id = hotel.learned()
    assert no(hotel, AssignRoom(stay_id=stay_id, room_id="r101"), CLERK) == "room_taken"
    hotel.done(AssignRoom(stay_id=stay_id, room_id="r102"))


def test_a_closed_type_sells_one_room_less(hotel: Hotel) -> None:
    hotel.done(closure((0, 1), room_id=None), SYNC)
    hotel.sell()
    hotel.sell()
    assert no(hotel, walk_in(), CLERK) == Refusal.SOLD_OUT


def test_what_somebody_holds_stays_theirs(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    held, claims = hotel.held(stay_id), hotel.claims(stay_id)
    hotel.done(closure((0, 4)), SYNC)
    assert (hotel.held(stay_id), hotel.claims(stay_id)) == (held, claims)
    assert closed(hotel) == [day(2).isoformat(), day(3).isoformat()]
    assert hotel.conflicts(stay_id) == []


def test_a_closure_overbooks_nothing(hotel: Hotel) -> None:
    for number in range(3):
        hotel.learned(f"up-{number}")
    hotel.done(closure((0, 3)), SYNC)
    assert closed(hotel) == [day(2).isoformat()]


def test_the_same_again_is_no_fact_and_other_nights_replace(hotel: Hotel) -> None:
    hotel.done(closure((0, 2), (5, 7)), SYNC)
    facts = len(hotel.facts)
    hotel.done(closure((0, 2), (5, 7)), SYNC)
    hotel.done(closure((5, 7), (0, 1), (1, 2)), SYNC)
    assert len(hotel.facts) == facts
    hotel.done(closure((6, 8)), SYNC)
    assert closed(hotel) == [day(6).isoformat(), day(7).isoformat()]
    hotel.done(closure(), SYNC)
    assert closed(hotel) == []
    assert hotel.claims("closure:a") == []


def test_nights_that_are_over_stay_as_they_were(hotel: Hotel) -> None:
    hotel.done(closure((0, 4)), SYNC)
    facts = len(hotel.facts)
    hotel.done(closure((2, 4), since=2), SYNC)
    assert len(hotel.facts) == facts
    hotel.done(closure(since=3), SYNC)
    assert closed(hotel) == [day(number).isoformat() for number in (0, 1, 2)]


def test_the_same_nights_of_another_room_are_another_closure(hotel: Hotel) -> None:
    hotel.done(closure((0, 1)), SYNC)
    hotel.done(closure((0, 1), room_id="r102"), SYNC)
    assert hotel.claims("closure:a") == [("r102", day(0).isoformat())]


def test_who_was_beyond_the_rooms_has_room_again(hotel: Hotel) -> None:
    hotel.done(closure((0, 2)), SYNC)
    stays = [hotel.learned(f"up-{number}") for number in range(3)]
    assert [what for _, what in hotel.conflicts(stays[2])] == ["overbooked"]
    hotel.done(closure(), SYNC)
    assert hotel.conflicts(stays[2]) == []


def opening(first: int, last: int, room_id: str | None = "r101") -> OpenNights:
    return OpenNights(room_type_id="double", room_id=room_id, start=day(first), end=day(last))


def test_a_clerk_opens_closed_nights_for_the_guest_who_is_here(hotel: Hotel) -> None:
    hotel.done(closure((0, 3)), SYNC)
    hotel.done(opening(0, 2), CLERK)
    assert closed(hotel) == [day(2).isoformat()]
    stay_id = hotel.sell(room_id="r101")["stay_id"]
    hotel.done(CheckIn(stay_id=stay_id))
    # Whoever closed it closes what was not sold again.
    hotel.done(closure((0, 3)), SYNC)
    assert closed(hotel) == [day(1).isoformat(), day(2).isoformat()]


def test_closures_of_a_type_and_of_a_room_are_opened_apart(hotel: Hotel) -> None:
    hotel.done(closure((0, 1), closure_id="closure:room"), SYNC)
    hotel.done(closure((0, 1), room_id=None, closure_id="closure:type"), SYNC)
    hotel.done(opening(0, 1, room_id=None), CLERK)
    assert (len(closed(hotel, "closure:room")), closed(hotel, "closure:type")) == (1, [])


def test_nobodys_stay_is_opened(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    for command in (opening(0, 2), opening(0, 2, room_id=None), opening(0, 2, room_id="r9")):
        assert no(hotel, command, CLERK) == Refusal.NOT_HELD
    assert no(hotel, opening(2, 2), CLERK) == Refusal.BAD_DATES
    assert len(hotel.held(stay_id)) == 2


def test_what_cannot_be_closed_is_refused(hotel: Hotel) -> None:
    assert no(hotel, closure((0, 1), room_type_id="tent")) == Refusal.UNKNOWN_ROOM_TYPE
    assert no(hotel, closure((0, 1), room_id="r999")) == Refusal.UNKNOWN_RESOURCE
    assert no(hotel, closure((0, 1), room_id="r201")) == Refusal.UNKNOWN_RESOURCE
    assert no(hotel, closure((2, 1))) == Refusal.BAD_DATES
    assert no(hotel, closure((2, 4), since=3)) == Refusal.BAD_DATES
    assert no(hotel, closure((0, NIGHTS_MAX + 1))) == Refusal.BAD_DATES
    assert isinstance(hotel.ask(closure((0, 1)), CLERK), Refused)


def test_who_was_beyond_the_rooms_has_room_again_once_a_clerk_opens_them(hotel: Hotel) -> None:
    hotel.done(closure((0, 2), closure_id="closure:a"), SYNC)
    hotel.done(closure((0, 2), room_id="r102", closure_id="closure:b"), SYNC)
    stays = [hotel.learned(f"up-{number}") for number in range(3)]
    beyond = [each for each in stays if hotel.conflicts(each)]
    assert len(beyond) == 2
    hotel.done(opening(0, 1), CLERK)
    assert all(hotel.conflicts(each) for each in beyond), "the second night is closed still"
    hotel.done(opening(1, 2), CLERK)
    hotel.done(opening(0, 2, room_id="r102"), CLERK)
    assert [hotel.conflicts(each) for each in beyond] == [[], []]
