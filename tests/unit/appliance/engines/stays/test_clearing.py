"""A conflict is open as long as there is something to decide, and not longer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.stays.messages import (
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    ClearConflict,
    ConflictCleared,
    LinkUpstream,
    MarkNoShow,
    NoteOverbooked,
    Refusal,
    StayState,
    UndoCheckIn,
)
from appliance.kernel.messages import Command
from support.desk import BOX, CLERK, MANAGER
from support.hotel import Hotel, booking, day

GONE = {"state": StayState.CANCELLED, "upstream_version": "2"}


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def overbooked(hotel: Hotel, count: int = 4) -> list[str]:
    """Bookings of three doubles from today; every one beyond the third has a conflict."""
    return [hotel.learned(f"up-{number}") for number in range(count)]


def whats(hotel: Hotel, stay_id: str) -> list[str]:
    return [what for _, what in hotel.conflicts(stay_id)]


def cleared(hotel: Hotel) -> list[ConflictCleared]:
    return [fact.event for fact in hotel.facts if isinstance(fact.event, ConflictCleared)]


def test_the_conflict_of_a_cancelled_stay_closes_with_it(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    assert whats(hotel, fourth) == ["overbooked"]
    hotel.done(CancelStay(stay_id=fourth, reason="ill"))
    assert whats(hotel, fourth) == []
    assert [event.because for event in cleared(hotel)] == ["the stay is over: cancelled"]
    told = hotel.rows("SELECT settled_by, took_upstream, cleared_because FROM stays_conflict")
    assert told == [(CLERK.actor, None, "the stay is over: cancelled")]
    assert hotel.rows("SELECT sum(conflicts_open) FROM stays_stay") == [(0,)]


def test_a_cancellation_learned_from_the_pms_closes_it_too(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    hotel.learn("up-3", **GONE)
    assert whats(hotel, fourth) == []
    assert cleared(hotel)[0].because.endswith("at the PMS as well")


def test_a_guest_who_never_came_leaves_no_conflict(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    hotel.done(MarkNoShow(stay_id=fourth))
    assert whats(hotel, fourth) == []


def test_a_guest_who_left_leaves_no_question_of_room_or_nights(hotel: Hotel) -> None:
    first, *_, fourth = overbooked(hotel)
    hotel.done(CheckIn(stay_id=fourth, room_id="r101"))
    hotel.learn("up-3", upstream_version="2", departure=day(1))
    assert whats(hotel, fourth).count("dates_in_house") == 1
    hotel.done(CheckOut(stay_id=fourth))
    assert whats(hotel, fourth) == []
    assert whats(hotel, first) == []


def test_any_stay_that_lets_go_makes_room_for_an_overbooked_one(hotel: Hotel) -> None:
    first, _, _, fourth = overbooked(hotel)
    hotel.done(CancelStay(stay_id=first, reason="storm"))
    assert whats(hotel, fourth) == []
    [fact] = cleared(hotel)
    assert fact.stay_id == fourth
    assert fact.because == f"the calendar has room again: {day(0)}, {day(1)}"


def test_a_room_for_one_is_no_room_for_two(hotel: Hotel) -> None:
    first, second, _, fourth, fifth = overbooked(hotel, 5)
    hotel.done(CancelStay(stay_id=first, reason="storm"))
    assert (whats(hotel, fourth), whats(hotel, fifth)) == (["overbooked"], ["overbooked"])
    hotel.learn("up-1", **GONE)
    assert hotel.state_of(second) == StayState.CANCELLED
    assert (whats(hotel, fourth), whats(hotel, fifth)) == ([], [])


def test_room_in_one_night_is_no_room_in_both(hotel: Hotel) -> None:
    for number in range(3):
        hotel.learned(f"up-{number}", departure=day(1))
        hotel.learned(f"later-{number}", arrival=day(1))
    long = hotel.learned("long")
    hotel.learn("up-0", departure=day(1), **GONE)
    assert whats(hotel, long) == ["overbooked"]
    hotel.learn("later-0", arrival=day(1), **GONE)
    assert whats(hotel, long) == []


def test_a_stay_of_other_nights_or_another_type_makes_no_room(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    hotel.learned("suite", room_type_id="suite")
    hotel.learned("later", arrival=day(7))
    hotel.learn("suite", room_type_id="suite", **GONE)
    hotel.learn("later", arrival=day(7), **GONE)
    assert whats(hotel, fourth) == ["overbooked"]


def test_an_earlier_departure_makes_room_in_the_nights_it_drops(hotel: Hotel) -> None:
    first = hotel.learned("up-0", departure=day(2))
    for number in (1, 2):
        hotel.learned(f"up-{number}", departure=day(2))
    fourth = hotel.learned("up-3", arrival=day(1), departure=day(2))
    assert whats(hotel, fourth) == ["overbooked"]
    hotel.done(ChangeDeparture(stay_id=first, departure=day(1)))
    assert whats(hotel, fourth) == []


def test_an_overbooked_stay_that_moves_to_free_nights_is_no_conflict(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    hotel.learn("up-3", upstream_version="2", arrival=day(7), departure=day(9))
    assert whats(hotel, fourth) == []


def test_a_longer_stay_is_overbooked_where_it_was(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    hotel.learn("up-3", upstream_version="2", departure=day(3))
    assert whats(hotel, fourth) == ["overbooked"]
    hotel.learn("up-0", **GONE)
    assert whats(hotel, fourth) == []


def test_an_overbooked_stay_that_moves_to_full_nights_is_one_new_conflict(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    for number in range(3):
        hotel.learned(f"later-{number}", arrival=day(7))
    hotel.learn("up-3", upstream_version="2", arrival=day(7), departure=day(9))
    [(says,)] = hotel.rows(
        "SELECT upstream_says FROM stays_conflict WHERE stay_id = ? AND settled_at_ms IS NULL",
        fourth,
    )
    assert says == f"{day(7)}, {day(8)}"


def test_a_room_of_another_type_gives_its_own_type_room_again(hotel: Hotel) -> None:
    first, *_, fourth = overbooked(hotel)
    hotel.done(AssignRoom(stay_id=first, room_id="r201"))
    assert whats(hotel, fourth) == []


def test_a_sale_at_risk_is_at_risk_until_the_pms_knows_it(hotel: Hotel) -> None:
    for number in range(2):
        hotel.sell(room_id=f"r10{number + 1}")
    sold = str(hotel.sell(MANAGER, room_id="r103")["stay_id"])
    assert whats(hotel, sold) == ["at_risk"]
    linked = LinkUpstream(
        stay_id=sold, source="pms", upstream_id="up-9", upstream_version="1", code="C"
    )
    hotel.done(linked, BOX)
    assert whats(hotel, sold) == []


def test_a_room_taken_is_settled_by_getting_it_or_by_another_wish(hotel: Hotel) -> None:
    first = hotel.learned("up-1", room_id="r101")
    second = hotel.learned("up-2", room_id="r101", arrival=day(1))
    third = hotel.learned("up-3", room_id="r101", arrival=day(1))
    hotel.learn("up-3", upstream_version="2", room_id="r102", arrival=day(1))
    assert (whats(hotel, second), whats(hotel, third)) == (["room_taken"], [])
    hotel.done(CancelStay(stay_id=first, reason="storm"))
    assert whats(hotel, second) == ["room_taken"]
    hotel.done(AssignRoom(stay_id=second, room_id="r101"))
    assert whats(hotel, second) == []


def test_a_guest_in_house_elsewhere_is_no_conflict_once_in_house_here(hotel: Hotel) -> None:
    stay_id = hotel.learned(state=StayState.IN_HOUSE)
    assert whats(hotel, stay_id) == ["in_house_elsewhere"]
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    assert whats(hotel, stay_id) == []


def test_what_the_pms_says_of_a_guest_in_house_waits_for_a_person(hotel: Hotel) -> None:
    stay_id = hotel.learned("up-1")
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn("up-1", **GONE)
    hotel.learned("up-2")
    hotel.learn("up-2", **GONE)
    assert whats(hotel, stay_id) == ["cancelled_in_house"]
    hotel.done(CheckOut(stay_id=stay_id))
    # What is billed for a guest who was here and never existed there: not a matter of rooms.
    assert whats(hotel, stay_id) == ["cancelled_in_house"]
    hotel.learn("up-1", upstream_version="3", state=StayState.DEPARTED)
    assert whats(hotel, stay_id) == []


def test_a_wrong_check_in_that_is_cancelled_agrees_with_the_pms(hotel: Hotel) -> None:
    stay_id = hotel.learned("up-1")
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn("up-1", **GONE)
    hotel.done(UndoCheckIn(stay_id=stay_id, reason="wrong guest"))
    assert whats(hotel, stay_id) == ["cancelled_in_house"]
    hotel.done(CancelStay(stay_id=stay_id, reason="as the PMS says"))
    assert whats(hotel, stay_id) == []


def test_clearing_is_the_boxs_own_word_and_clears_one_kind_only(hotel: Hotel) -> None:
    *_, fourth = overbooked(hotel)
    other = ClearConflict(stay_id=fourth, what="room_taken", because="x")
    hotel.done(other, BOX)
    assert whats(hotel, fourth) == ["overbooked"]
    unknown: list[Command] = [ClearConflict(stay_id="stay_x", what="overbooked", because="x")]
    assert [hotel.refused(each, BOX) for each in unknown] == [Refusal.UNKNOWN_STAY]
    note = NoteOverbooked(stay_id="stay_x", room_type_id="double", nights=(day(0),))
    assert hotel.refused(note, BOX) == Refusal.UNKNOWN_STAY


def test_what_makes_room_when_asked_twice_makes_it_once(hotel: Hotel) -> None:
    overbooked(hotel)
    hotel.learn("up-0", **GONE)
    facts = len(hotel.facts)
    hotel.done(booking("up-0", **GONE), BOX)
    assert len(hotel.facts) == facts
    assert hotel.rows("SELECT count(*) FROM calendar_beyond") == [(0,)]
