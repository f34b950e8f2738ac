"""What exists, as tables, and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.engines.inventory.messages import (
    BuildingAdded,
    DeviceAdded,
    DoorAdded,
    DoorFitted,
    LockProtocol,
    PropertySetUp,
    RoomAdded,
    RoomTypeAdded,
)
from appliance.kernel.engine import Connection, Projection, Recorded
from appliance.kernel.reader import Reader

DDL = """
CREATE TABLE IF NOT EXISTS inventory_property (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    account_id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    title TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    currency TEXT NOT NULL,
    check_in_from TEXT NOT NULL,
    check_out_until TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS inventory_building (
    building_id TEXT PRIMARY KEY,
    title TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inventory_room_type (
    room_type_id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    sleeps INTEGER NOT NULL,
    rate_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    offline_allotment INTEGER NOT NULL,
    upstream_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inventory_room (
    room_id TEXT PRIMARY KEY,
    building_id TEXT NOT NULL,
    room_type_id TEXT NOT NULL,
    number TEXT NOT NULL UNIQUE,
    floor INTEGER NOT NULL,
    upstream_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inventory_device (
    device_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    room_id TEXT,
    vendor TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inventory_door (
    door_id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    title TEXT NOT NULL,
    device_id TEXT NOT NULL UNIQUE,
    room_id TEXT,
    protocol TEXT NOT NULL,
    bridge TEXT NOT NULL,
    presser_point TEXT,
    lock_point TEXT
) STRICT, WITHOUT ROWID
"""


def _property_set_up(db: Connection, event: PropertySetUp, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO inventory_property VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.account_id,
            event.property_id,
            event.title,
            event.time_zone,
            event.currency,
            event.check_in_from,
            event.check_out_until,
        ),
    )


def _building_added(db: Connection, event: BuildingAdded, _recorded: Recorded) -> None:
    db.execute("INSERT INTO inventory_building VALUES (?, ?)", (event.building_id, event.title))


def _room_type_added(db: Connection, event: RoomTypeAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO inventory_room_type VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            event.room_type_id,
            event.title,
            event.sleeps,
            event.rate_minor,
            event.currency,
            event.offline_allotment,
            event.upstream_id,
        ),
    )


def _room_added(db: Connection, event: RoomAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO inventory_room VALUES (?, ?, ?, ?, ?, ?)",
        (
            event.room_id,
            event.building_id,
            event.room_type_id,
            event.number,
            event.floor,
            event.upstream_id,
        ),
    )


def _device_added(db: Connection, event: DeviceAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO inventory_device VALUES (?, ?, ?, ?)",
        (event.device_id, event.device_kind.value, event.room_id, event.vendor),
    )


def _door_added(db: Connection, event: DoorAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO inventory_door VALUES (?, ?, ?, ?, ?, ?, '', NULL, NULL)",
        (
            event.door_id,
            event.number,
            event.title,
            event.device_id,
            event.room_id,
            LockProtocol.BUS.value,
        ),
    )


def _door_fitted(db: Connection, event: DoorFitted, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE inventory_door SET device_id = ?, protocol = ?, bridge = ?, presser_point = ?,"
        " lock_point = ? WHERE door_id = ?",
        (
            event.device_id,
            event.protocol.value,
            event.bridge,
            event.presser_point,
            event.lock_point,
            event.door_id,
        ),
    )


PROJECTION = Projection(
    name="inventory",
    ddl=DDL.strip().split(";\n"),
    tables=[
        "inventory_property",
        "inventory_building",
        "inventory_room_type",
        "inventory_room",
        "inventory_device",
        "inventory_door",
    ],
    on={
        PropertySetUp: _property_set_up,
        BuildingAdded: _building_added,
        RoomTypeAdded: _room_type_added,
        RoomAdded: _room_added,
        DeviceAdded: _device_added,
        DoorAdded: _door_added,
        DoorFitted: _door_fitted,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyRow:
    """The one property of this box; times are local "HH:MM"."""

    account_id: str
    property_id: str
    title: str
    time_zone: str
    currency: str
    check_in_from: str
    check_out_until: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTypeRow:
    """What is sold."""

    room_type_id: str
    title: str
    sleeps: int
    rate_minor: int
    currency: str
    offline_allotment: int
    upstream_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRow:
    """One room."""

    room_id: str
    building_id: str
    room_type_id: str
    number: str
    floor: int
    upstream_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRow:
    """One door, its lock, and how that is spoken to. Points are 65 bytes in hex."""

    door_id: str
    number: int
    title: str
    device_id: str
    room_id: str | None
    protocol: str
    bridge: str
    presser_point: str | None
    lock_point: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One thing on the bus."""

    device_id: str
    kind: str
    room_id: str | None
    vendor: str


_PROPERTY = "account_id, property_id, title, time_zone, currency, check_in_from, check_out_until"
_ROOM_TYPE = "room_type_id, title, sleeps, rate_minor, currency, offline_allotment, upstream_id"
_ROOM = "room_id, building_id, room_type_id, number, floor, upstream_id"
_DOOR = "door_id, number, title, device_id, room_id, protocol, bridge, presser_point, lock_point"
_DEVICE = "device_id, kind, room_id, vendor"


async def the_property(reader: Reader) -> PropertyRow | None:
    """The property, or None before it is set up."""
    row = await reader.row(f"SELECT {_PROPERTY} FROM inventory_property")  # noqa: S608
    return None if row is None else _named(PropertyRow, _PROPERTY, row)


async def room_types(reader: Reader) -> list[RoomTypeRow]:
    """Every room type by title."""
    rows = await reader.rows(
        f"SELECT {_ROOM_TYPE} FROM inventory_room_type ORDER BY title, room_type_id"  # noqa: S608
    )
    return [_named(RoomTypeRow, _ROOM_TYPE, row) for row in rows]


async def rooms(reader: Reader) -> list[RoomRow]:
    """Every room, as people count: 9 before 10."""
    rows = await reader.rows(
        f"SELECT {_ROOM} FROM inventory_room ORDER BY length(number), number"  # noqa: S608
    )
    return [_named(RoomRow, _ROOM, row) for row in rows]


async def doors(reader: Reader, room_id: str | None = None) -> list[DoorRow]:
    """Every door, or the doors of one room."""
    rows = await reader.rows(
        f"SELECT {_DOOR} FROM inventory_door"  # noqa: S608
        " WHERE ?1 IS NULL OR room_id = ?1 ORDER BY number",
        (room_id,),
    )
    return [_named(DoorRow, _DOOR, row) for row in rows]


async def devices(reader: Reader, room_id: str | None = None) -> list[DeviceRow]:
    """Every device, or the devices of one room."""
    rows = await reader.rows(
        f"SELECT {_DEVICE} FROM inventory_device"  # noqa: S608
        " WHERE ?1 IS NULL OR room_id = ?1 ORDER BY device_id",
        (room_id,),
    )
    return [_named(DeviceRow, _DEVICE, row) for row in rows]


def _named(form: type[Any], columns: str, row: tuple[Any, ...]) -> Any:
    return form(**dict(zip(columns.split(", "), row, strict=True)))
