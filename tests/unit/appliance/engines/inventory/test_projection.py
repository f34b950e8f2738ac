"""Promises of the inventory's tables and questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind
from appliance.engines.inventory import projection
from appliance.engines.inventory.messages import (
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    SetUpProperty,
)
from appliance.engines.inventory.room import ENGINE
from appliance.kernel.reader import Reader, open_reader
from support.desk import MANAGER, Desk


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    desk = Desk(tmp_path, [ENGINE])
    commands = [
        SetUpProperty(
            account_id="acc",
            property_id="prop",
            title="Hotel",
            time_zone="Europe/Vienna",
            currency="EUR",
        ),
        AddBuilding(building_id="main", title="Main"),
        AddRoomType(
            room_type_id="double", title="Double", sleeps=2, rate_minor=12_000, offline_allotment=2
        ),
        *(
            AddRoom(room_id=f"r{n}", building_id="main", room_type_id="double", number=str(n))
            for n in (10, 9)
        ),
        AddDevice(device_id="lock-9", kind=DeviceKind.LOCK, room_id="r9"),
        AddDoor(door_id="d9", number=9, title="Room 9", device_id="lock-9", room_id="r9"),
    ]
    for command in commands:
        desk.done(command, MANAGER)
    async with open_reader(tmp_path / "log.db") as reader:
        yield reader
    desk.close()


async def test_the_property_is_known_with_its_zone_and_currency(reader: Reader) -> None:
    found = await projection.the_property(reader)
    assert found is not None
    assert (found.time_zone, found.currency, found.check_out_until) == (
        "Europe/Vienna",
        "EUR",
        "11:00",
    )


async def test_rooms_come_in_the_order_people_count(reader: Reader) -> None:
    assert [room.number for room in await projection.rooms(reader)] == ["9", "10"]


async def test_doors_and_devices_are_found_by_their_room(reader: Reader) -> None:
    assert [door.door_id for door in await projection.doors(reader, "r9")] == ["d9"]
    assert await projection.doors(reader, "r10") == []
    assert [device.device_id for device in await projection.devices(reader, "r9")] == ["lock-9"]
    assert len(await projection.devices(reader)) == 1


async def test_a_room_type_says_what_it_costs_in_minor_units(reader: Reader) -> None:
    [double] = await projection.room_types(reader)
    assert (double.rate_minor, double.currency, double.offline_allotment) == (12_000, "EUR", 2)
