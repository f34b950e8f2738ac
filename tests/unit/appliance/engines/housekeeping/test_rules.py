"""Promises of housekeeping: what a room is, and which list it is on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from appliance.engines.housekeeping import projection
from appliance.engines.housekeeping.messages import (
    PlanCleaning,
    Refusal,
    RoomStatus,
    SetRoomStatus,
)
from appliance.engines.stays.messages import (
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    MoveRoom,
    RunNightAudit,
    StayState,
    UndoCheckIn,
)
from appliance.kernel.messages import Role, Who
from appliance.kernel.reader import Reader, open_reader
from support.desk import BOX
from support.hotel import Hotel, day, priced

CLEANER = Who(actor="staff:ines", role=Role.HOUSEKEEPING)


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


@pytest.fixture
async def reader(hotel: Hotel, tmp_path: Path) -> AsyncIterator[Reader]:
    async with open_reader(tmp_path / "log.db") as reader:
        yield reader


def say(room_id: str, status: RoomStatus, reason: str = "") -> SetRoomStatus:
    return SetRoomStatus(room_id=room_id, status=status, reason=reason)


def status_of(hotel: Hotel, room_id: str) -> str:
    [(status,)] = hotel.rows("SELECT status FROM housekeeping_room WHERE room_id = ?", room_id)
    return str(status)


def planned(hotel: Hotel, stay_id: str) -> list[tuple[str, str]]:
    """Room and day of every line of a stay."""
    return [
        (str(room_id), str(on))
        for room_id, on in hotel.rows(
            "SELECT room_id, day FROM housekeeping_cleaning WHERE stay_id = ? ORDER BY room_id",
            stay_id,
        )
    ]


def here(hotel: Hotel) -> str:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    return stay_id


def test_a_room_is_inspected_only_after_it_was_cleaned(hotel: Hotel) -> None:
    hotel.done(say("r101", RoomStatus.DIRTY), CLEANER)
    assert hotel.refused(say("r101", RoomStatus.INSPECTED), CLEANER) == Refusal.NOT_CLEAN
    hotel.done(say("r101", RoomStatus.CLEAN), CLEANER)
    hotel.done(say("r101", RoomStatus.INSPECTED), CLEANER)
    assert status_of(hotel, "r101") == RoomStatus.INSPECTED


def test_a_room_goes_out_of_order_with_its_reason_only(hotel: Hotel) -> None:
    assert hotel.refused(say("r101", RoomStatus.OUT_OF_ORDER, " ")) == Refusal.REASON_NEEDED
    hotel.done(say("r101", RoomStatus.OUT_OF_ORDER, "leak"))
    assert hotel.refused(say("r101", RoomStatus.INSPECTED)) == Refusal.NOT_CLEAN


def test_a_reason_is_short_and_holds_no_card(hotel: Hotel) -> None:
    card = say("r101", RoomStatus.DIRTY, "found 4242 4242 4242 4242")
    assert hotel.refused(card) == Refusal.CARD_NUMBER
    assert hotel.refused(say("r101", RoomStatus.DIRTY, "x" * 501)) == Refusal.TOO_LONG


def test_only_rooms_that_exist_have_a_status_and_a_list(hotel: Hotel) -> None:
    assert hotel.refused(say("r999", RoomStatus.CLEAN)) == Refusal.UNKNOWN_ROOM
    plan = PlanCleaning(room_id="r999", stay_id="s", on=day(0), why="departure")
    assert hotel.refused(plan, BOX) == Refusal.UNKNOWN_ROOM


def test_saying_the_same_again_is_no_news(hotel: Hotel) -> None:
    hotel.done(say("r101", RoomStatus.CLEAN))
    assert hotel.facts == []


def test_a_guest_sets_no_status(hotel: Hotel) -> None:
    guest = Who(actor="stay:x", role=Role.GUEST)
    assert hotel.refused(say("r101", RoomStatus.CLEAN), guest) == "wrong_role"


def test_a_departure_leaves_a_dirty_room(hotel: Hotel) -> None:
    stay_id = here(hotel)
    assert status_of(hotel, "r101") == RoomStatus.CLEAN
    hotel.done(CheckOut(stay_id=stay_id))
    assert status_of(hotel, "r101") == RoomStatus.DIRTY
    assert planned(hotel, stay_id) == [("r101", str(day(0)))]


def test_a_move_leaves_a_dirty_room_and_plans_both(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.done(MoveRoom(stay_id=stay_id, room_id="r102", reason="noise"))
    assert status_of(hotel, "r101") == RoomStatus.DIRTY
    assert planned(hotel, stay_id) == [("r101", str(day(0))), ("r102", str(day(2)))]


def test_a_room_out_of_order_stays_so_after_a_departure(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.done(say("r101", RoomStatus.OUT_OF_ORDER, "leak"))
    hotel.done(CheckOut(stay_id=stay_id))
    assert status_of(hotel, "r101") == RoomStatus.OUT_OF_ORDER


def test_a_changed_departure_changes_the_list(hotel: Hotel) -> None:
    stay_id = here(hotel)
    longer = ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    hotel.done(longer)
    assert planned(hotel, stay_id) == [("r101", str(day(3)))]
    hotel.done(ChangeDeparture(stay_id=stay_id, departure=day(1)))
    assert planned(hotel, stay_id) == [("r101", str(day(1)))]


def test_a_changed_booking_changes_the_list(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    assert planned(hotel, stay_id) == [("r101", str(day(2)))]
    hotel.learn(upstream_version="2", room_id="r101", departure=day(4))
    assert planned(hotel, stay_id) == [("r101", str(day(4)))]
    hotel.learn(upstream_version="3", room_id="r102", departure=day(4))
    assert planned(hotel, stay_id) == [("r102", str(day(4)))]


def test_who_does_not_come_is_off_the_list(hotel: Hotel) -> None:
    cancelled = hotel.learned("up-1", room_id="r101")
    hotel.done(CancelStay(stay_id=cancelled, reason="x"))
    undone = hotel.learned("up-2")
    hotel.done(CheckIn(stay_id=undone, room_id="r102"))
    hotel.done(UndoCheckIn(stay_id=undone, reason="namesake"))
    assert planned(hotel, cancelled) == planned(hotel, undone) == []
    assert hotel.rows("SELECT count(*) FROM housekeeping_arrival") == [(0,)]


async def test_the_list_of_a_day_puts_first_where_somebody_arrives(
    hotel: Hotel, reader: Reader
) -> None:
    stay_id = here(hotel)
    hotel.done(CheckOut(stay_id=stay_id))
    hotel.done(say("r103", RoomStatus.DIRTY))
    hotel.learned("up-2", room_id="r103")
    lines = await projection.cleaning_list(reader, day(0))
    assert [(line.number, line.why, line.urgent) for line in lines] == [
        ("103", "dirty", True),
        ("101", "departure", False),
    ]
    hotel.done(say("r103", RoomStatus.CLEAN))
    assert [line.number for line in await projection.cleaning_list(reader, day(0))] == ["101"]


async def test_rooms_of_guests_who_stay_come_last(hotel: Hotel, reader: Reader) -> None:
    stay_id = here(hotel)
    hotel.done(say("r103", RoomStatus.DIRTY))
    lines = await projection.cleaning_list(reader, day(1))
    assert [(line.number, line.why) for line in lines] == [("103", "dirty"), ("101", "stayover")]
    lines = await projection.cleaning_list(reader, day(2))
    assert [(line.why, line.stay_id) for line in lines if line.occupied] == [("departure", stay_id)]


async def test_the_board_tells_status_reason_and_guest(hotel: Hotel, reader: Reader) -> None:
    stay_id = here(hotel)
    hotel.done(say("r102", RoomStatus.OUT_OF_ORDER, "leak"))
    board = {line.number: line for line in await projection.rooms(reader)}
    assert board["101"].occupied_by == stay_id
    assert (board["102"].status, board["102"].reason) == (RoomStatus.OUT_OF_ORDER, "leak")


def test_the_day_of_the_list_rolls_with_the_hotels_day(hotel: Hotel) -> None:
    assert hotel.rows("SELECT business_date FROM housekeeping_business_date") == [(str(day(0)),)]
    hotel.done(RunNightAudit(closing=day(0)))
    assert hotel.rows("SELECT business_date FROM housekeeping_business_date") == [(str(day(1)),)]


def test_a_guest_who_came_and_left_unseen_leaves_a_dirty_room(hotel: Hotel) -> None:
    hotel.learn(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.DEPARTED)
    assert status_of(hotel, "r101") == RoomStatus.DIRTY
    assert hotel.rows("SELECT count(*) FROM housekeeping_arrival") == [(0,)]
    hotel.learn("up-2", room_id="r102", state=StayState.DEPARTED)
    assert status_of(hotel, "r102") == RoomStatus.CLEAN
