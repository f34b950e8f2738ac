"""A guest is not sent to a door that may not open, unless a person takes the room as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind
from appliance.engines.climate.messages import AlarmKind, ClearAlarm, RaiseAlarm
from appliance.engines.climate.room import ENGINE as CLIMATE
from appliance.engines.inventory.messages import AddDevice
from appliance.engines.stays.messages import CheckIn, Refusal
from support.desk import BOX, MANAGER
from support.hotel import Hotel

JAMMED = RaiseAlarm(device_id="lock-101", alarm=AlarmKind.JAMMED)


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[CLIMATE])
    for name, kind in (("lock-101", DeviceKind.LOCK), ("warm-101", DeviceKind.THERMOSTAT)):
        hotel.done(AddDevice(device_id=name, kind=kind, room_id="r101"), MANAGER)
    yield hotel
    hotel.close()


def test_a_room_whose_bolt_is_stuck_is_taken_only_as_it_is(hotel: Hotel) -> None:
    wish = CheckIn(stay_id=hotel.learned(), room_id="r101")
    hotel.done(JAMMED, BOX)
    assert hotel.refused(wish) == Refusal.DOOR_IN_TROUBLE
    hotel.done(replace(wish, accept_not_ready=True))


def test_a_lock_that_is_well_again_is_given_again(hotel: Hotel) -> None:
    hotel.done(JAMMED, BOX)
    hotel.done(ClearAlarm(device_id="lock-101", alarm=AlarmKind.JAMMED), BOX)
    hotel.done(CheckIn(stay_id=hotel.learned(), room_id="r101"))


@pytest.mark.parametrize(
    ("device_id", "days_left", "pct", "given"),
    [
        ("lock-101", 14, 40, True),
        ("lock-101", 2, 20, False),
        ("lock-101", None, 9, False),
        ("warm-101", 0, 1, True),
    ],
)
def test_only_a_locks_cells_at_their_end_keep_a_room_back(
    hotel: Hotel, device_id: str, days_left: int | None, pct: int, *, given: bool
) -> None:
    low = RaiseAlarm(
        device_id=device_id, alarm=AlarmKind.BATTERY, battery_pct=pct, days_left=days_left
    )
    hotel.done(low, BOX)
    wish = CheckIn(stay_id=hotel.learned(), room_id="r101")
    if given:
        hotel.done(wish)
    else:
        assert hotel.refused(wish) == Refusal.DOOR_IN_TROUBLE


def test_a_walk_in_is_given_another_room_while_there_is_one(hotel: Hotel) -> None:
    hotel.done(JAMMED, BOX)
    assert hotel.room_of(hotel.sell()["stay_id"]) == "r102"
