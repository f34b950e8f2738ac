"""Which lock a door has is said once, by whoever sets up, and no lock is at two doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind
from appliance.engines.doors.credentials import HOUSE_ZONE
from appliance.engines.inventory.messages import (
    BRIDGE_CHARS_MAX,
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    FitDoor,
    LockProtocol,
    Refusal,
    SetUpProperty,
    ShareDoor,
    SharedWith,
)
from appliance.engines.inventory.room import ENGINE
from appliance.kernel.cose import point_of
from support.desk import CLERK, MANAGER, Desk

POINT = point_of(ec.derive_private_key(7, ec.SECP256R1()).public_key()).hex()
OTHER = point_of(ec.derive_private_key(8, ec.SECP256R1()).public_key()).hex()


def fit(device_id: str = "nuki-101", **more: Any) -> FitDoor:
    fields = {"protocol": LockProtocol.NUKI, "bridge": "driver-http0", **more}
    return FitDoor(door_id=fields.pop("door_id", "d101"), device_id=device_id, **fields)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Two rooms with doors, and a lock of another vendor still in its box."""
    desk = Desk(tmp_path, [ENGINE])
    setup = SetUpProperty(
        account_id="acc",
        property_id="prop",
        title="Hotel",
        time_zone="Europe/Vienna",
        currency="EUR",
    )
    desk.done(setup, MANAGER)
    desk.done(AddBuilding(building_id="main", title="Main"), MANAGER)
    kind = AddRoomType(
        room_type_id="double", title="Double", sleeps=2, rate_minor=12_000, offline_allotment=2
    )
    desk.done(kind, MANAGER)
    for number in ("101", "102"):
        room_id = f"r{number}"
        room = AddRoom(room_id=room_id, building_id="main", room_type_id="double", number=number)
        desk.done(room, MANAGER)
        for device_id in (f"lock-{number}", f"nuki-{number}"):
            lock = AddDevice(device_id=device_id, kind=DeviceKind.LOCK, room_id=room_id)
            desk.done(lock, MANAGER)
        door = AddDoor(
            door_id=f"d{number}",
            number=int(number),
            title=number,
            device_id=f"lock-{number}",
            room_id=room_id,
        )
        desk.done(door, MANAGER)
    valve = AddDevice(device_id="valve", kind=DeviceKind.VALVE, room_id="r101")
    desk.done(valve, MANAGER)
    yield desk
    desk.close()


def fitted(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.rows(
        "SELECT device_id, protocol, bridge, presser_point, lock_point FROM inventory_door"
        " WHERE door_id = 'd101'"
    )


def test_a_door_speaks_on_the_bus_until_somebody_says_otherwise(desk: Desk) -> None:
    assert fitted(desk) == [("lock-101", "bus", "", None, None)]
    desk.done(fit(), MANAGER)
    assert fitted(desk) == [("nuki-101", "nuki", "driver-http0", None, None)]


def test_the_same_fitting_said_again_is_no_news(desk: Desk) -> None:
    desk.done(fit(), MANAGER)
    before = len(desk.facts)
    desk.done(fit(), MANAGER)
    assert len(desk.facts) == before


def test_another_lock_under_the_same_name_is_news(desk: Desk) -> None:
    desk.done(fit(), MANAGER)
    before = len(desk.facts)
    desk.done(fit(new_lock=True), MANAGER)
    assert len(desk.facts) == before + 1


def test_a_lock_at_one_door_is_refused_at_another(desk: Desk) -> None:
    assert desk.refused(fit("lock-102"), MANAGER) == Refusal.DEVICE_TAKEN
    desk.done(fit("nuki-102", door_id="d102"), MANAGER)
    # The one that was taken off is free for another door.
    desk.done(fit("lock-102"), MANAGER)
    assert desk.refused(fit("lock-102", door_id="d102"), MANAGER) == Refusal.DEVICE_TAKEN


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (fit(door_id="nowhere"), Refusal.UNKNOWN_DOOR),
        (fit("nothing"), Refusal.UNKNOWN_DEVICE),
        (fit("valve"), Refusal.NOT_A_LOCK),
        (fit(bridge=""), Refusal.BAD_BRIDGE),
        (fit(bridge="b" * (BRIDGE_CHARS_MAX + 1)), Refusal.BAD_BRIDGE),
        (fit(lock_point="04" * 65), Refusal.BAD_POINT),
        (fit(lock_point="zz" * 65), Refusal.BAD_POINT),
        (fit(lock_point=POINT[:-2]), Refusal.BAD_POINT),
        (fit(protocol=LockProtocol.NPK, lock_point=POINT), Refusal.NO_POINT),
        (fit(protocol=LockProtocol.NPK, presser_point="03" + POINT[2:]), Refusal.BAD_POINT),
    ],
)
def test_a_fitting_that_cannot_be_is_refused(desk: Desk, command: FitDoor, refusal: str) -> None:
    assert desk.refused(command, MANAGER) == refusal
    assert fitted(desk) == [("lock-101", "bus", "", None, None)]


def test_points_are_kept_in_one_spelling(desk: Desk) -> None:
    points = {"presser_point": POINT.upper(), "lock_point": OTHER}
    desk.done(fit(protocol=LockProtocol.NPK, **points), MANAGER)
    assert fitted(desk) == [("nuki-101", "npk", "driver-http0", POINT, OTHER)]


def test_a_clerk_fits_no_doors(desk: Desk) -> None:
    assert desk.refused(fit(), CLERK) == "wrong_role"


def share(door_id: str = "pool", **more: Any) -> ShareDoor:
    fields = {"shared_with": (SharedWith.STAY,), **more}
    return ShareDoor(door_id=door_id, **fields)


def add_pool(desk: Desk) -> None:
    desk.done(AddDevice(device_id="lock-pool", kind=DeviceKind.LOCK), MANAGER)
    pool = AddDoor(door_id="pool", number=9, title="Pool", device_id="lock-pool", room_id=None)
    desk.done(pool, MANAGER)


def test_a_common_door_says_whose_it_is_once(desk: Desk) -> None:
    add_pool(desk)
    both = (SharedWith.STAY, SharedWith.LEASE)
    desk.done(share(shared_with=both, zone=0x8001, hours=(127, 480, 1_320)), MANAGER)
    before = len(desk.facts)
    desk.done(share(shared_with=both[::-1], zone=0x8001, hours=(127, 480, 1_320)), MANAGER)
    assert len(desk.facts) == before


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (share("nowhere"), Refusal.UNKNOWN_DOOR),
        (share("d101"), Refusal.NOT_COMMON),
        (share(zone=204), Refusal.BAD_ZONE),
        (share(zone=2**32), Refusal.BAD_ZONE),
        (share(zone=HOUSE_ZONE), Refusal.BAD_ZONE),  # its guests would come into every room
        (share(hours=(0, 1, 2)), Refusal.BAD_HOURS),
        (share(hours=(127, 480, 1_441)), Refusal.BAD_HOURS),
    ],
)
def test_a_common_door_that_cannot_be_is_refused(
    desk: Desk, command: ShareDoor, refusal: str
) -> None:
    add_pool(desk)
    assert desk.refused(command, MANAGER) == refusal
