"""Promises of the inventory's rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind
from appliance.engines.inventory.messages import (
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    Refusal,
    SetUpProperty,
)
from appliance.engines.inventory.room import ENGINE
from support.desk import CLERK, MANAGER, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, [ENGINE])
    yield desk
    desk.close()


def set_up(**more: str) -> SetUpProperty:
    fields = {
        "account_id": "acc",
        "property_id": "prop",
        "title": "Hotel",
        "time_zone": "Europe/Vienna",
        "currency": "EUR",
    }
    return SetUpProperty(**{**fields, **more})


def room_type() -> AddRoomType:
    return AddRoomType(
        room_type_id="double", title="Double", sleeps=2, rate_minor=12_000, offline_allotment=2
    )


def room(room_id: str, number: str) -> AddRoom:
    return AddRoom(room_id=room_id, building_id="main", room_type_id="double", number=number)


def lock(device_id: str, room_id: str | None = None) -> AddDevice:
    return AddDevice(device_id=device_id, kind=DeviceKind.LOCK, room_id=room_id)


def door(door_id: str, number: int, device_id: str, room_id: str | None = None) -> AddDoor:
    return AddDoor(
        door_id=door_id, number=number, title=door_id, device_id=device_id, room_id=room_id
    )


@pytest.fixture
def furnished(desk: Desk) -> Desk:
    for command in (
        set_up(),
        AddBuilding(building_id="main", title="Main"),
        room_type(),
        room("r101", "101"),
        lock("lock-101", "r101"),
        door("d101", 101, "lock-101", "r101"),
    ):
        desk.done(command, MANAGER)
    return desk


def test_nothing_can_be_added_before_the_property_is_set_up(desk: Desk) -> None:
    for command in (
        AddBuilding(building_id="main", title="Main"),
        room_type(),
        room("r101", "101"),
        lock("lock-101"),
        door("d101", 101, "lock-101"),
    ):
        assert desk.refused(command, MANAGER) == Refusal.UNKNOWN_PROPERTY


def test_a_box_serves_one_property_for_ever(furnished: Desk) -> None:
    assert furnished.refused(set_up(property_id="another"), MANAGER) == Refusal.EXISTS


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe/\0"])
def test_a_time_zone_must_exist(desk: Desk, zone: str) -> None:
    assert desk.refused(set_up(time_zone=zone), MANAGER) == Refusal.BAD_TIME_ZONE


def test_a_currency_must_exist(desk: Desk) -> None:
    assert desk.refused(set_up(currency="euro"), MANAGER) == Refusal.BAD_CURRENCY


@pytest.mark.parametrize("time", ["24:00", "3 pm", "9:00", ""])
def test_times_of_day_are_hours_and_minutes(desk: Desk, time: str) -> None:
    assert desk.refused(set_up(check_in_from=time), MANAGER) == Refusal.BAD_TIME


def test_what_is_referred_to_must_exist(furnished: Desk) -> None:
    nowhere = AddRoom(room_id="r", building_id="barn", room_type_id="double", number="9")
    assert furnished.refused(nowhere, MANAGER) == Refusal.UNKNOWN_BUILDING
    typeless = AddRoom(room_id="r", building_id="main", room_type_id="cave", number="9")
    assert furnished.refused(typeless, MANAGER) == Refusal.UNKNOWN_ROOM_TYPE
    assert furnished.refused(lock("lock-x", "r999"), MANAGER) == Refusal.UNKNOWN_ROOM
    assert furnished.refused(door("dx", 5, "lock-101", "r9"), MANAGER) == Refusal.UNKNOWN_ROOM
    assert furnished.refused(door("dx", 5, "lock-404"), MANAGER) == Refusal.UNKNOWN_DEVICE


def test_every_id_is_used_once(furnished: Desk) -> None:
    for command in (
        AddBuilding(building_id="main", title="Again"),
        room_type(),
        room("r101", "102"),
        lock("lock-101"),
        door("d101", 102, "lock-101"),
    ):
        assert furnished.refused(command, MANAGER) == Refusal.EXISTS


def test_a_number_names_one_room_and_one_door(furnished: Desk) -> None:
    assert furnished.refused(room("r102", "101"), MANAGER) == Refusal.NUMBER_TAKEN
    furnished.done(lock("lock-102"), MANAGER)
    assert furnished.refused(door("d102", 101, "lock-102"), MANAGER) == Refusal.NUMBER_TAKEN


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_door_number_fits_what_a_credential_can_say(furnished: Desk, number: int) -> None:
    furnished.done(lock("lock-102"), MANAGER)
    assert furnished.refused(door("d102", number, "lock-102"), MANAGER) == Refusal.BAD_NUMBER


def test_a_room_type_sleeps_somebody_and_never_costs_less_than_nothing(furnished: Desk) -> None:
    other = replace(room_type(), room_type_id="other")
    for wrong in (
        replace(other, sleeps=0),
        replace(other, rate_minor=-1),
        replace(other, offline_allotment=-1),
    ):
        assert furnished.refused(wrong, MANAGER) == Refusal.BAD_NUMBER


def test_a_door_hangs_on_a_lock_of_its_own(furnished: Desk) -> None:
    furnished.done(AddDevice(device_id="th", kind=DeviceKind.THERMOSTAT), MANAGER)
    assert furnished.refused(door("d2", 2, "th"), MANAGER) == Refusal.NOT_A_LOCK
    assert furnished.refused(door("d2", 2, "lock-101"), MANAGER) == Refusal.DEVICE_TAKEN


def test_a_clerk_does_not_build_the_house(furnished: Desk) -> None:
    assert furnished.refused(room("r102", "102"), CLERK) == "wrong_role"


def test_asking_twice_adds_once(furnished: Desk) -> None:
    first = furnished.ask(room("r102", "102"), MANAGER, command_id="same")
    assert furnished.ask(room("r102", "102"), MANAGER, command_id="same") == first
    assert furnished.events().count("inventory.room_added.v1") == 2


def test_what_was_decided_is_what_the_next_process_finds(furnished: Desk, tmp_path: Path) -> None:
    furnished.db.execute("PRAGMA wal_checkpoint")
    state = furnished.deciding.state_of("inventory/property", ENGINE.folds)
    again = ENGINE.folds["inventory"](None, [fact.event for fact in furnished.facts])
    assert again == state
    assert dict(again.rooms) == {"r101": "101"}
