"""What may be added to the inventory, and in which order: what is referred to must exist."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from appliance.bus.words import DeviceKind
from appliance.engines.inventory.messages import (
    BRIDGE_CHARS_MAX,
    ZONE_MIN,
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    BuildingAdded,
    DeviceAdded,
    DoorAdded,
    DoorFitted,
    DoorShared,
    FitDoor,
    LockProtocol,
    PropertySetUp,
    Refusal,
    RoomAdded,
    RoomTypeAdded,
    SetUpProperty,
    ShareDoor,
)
from appliance.kernel.cose import DAY_MINUTES, POINT_BYTES, WEEK_MASK_MAX, point_key
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event
from appliance.kernel.money import exponent

# A credential names a door by an unsigned 32-bit number (AIF scope).
DOOR_NUMBER_MAX = 2**32 - 1
_UNCOMPRESSED = 4
_LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

V = TypeVar("V")


def _none() -> MappingProxyType[str, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What exists, as far as later additions refer to it."""

    currency: str | None = None  # None: the property is not set up
    buildings: frozenset[str] = frozenset()
    room_types: frozenset[str] = frozenset()
    rooms: MappingProxyType[str, str] = field(default_factory=_none)  # id -> number
    devices: MappingProxyType[str, DeviceKind] = field(default_factory=_none)
    doors: MappingProxyType[str, int] = field(default_factory=_none)  # id -> number
    door_devices: MappingProxyType[str, str] = field(default_factory=_none)  # door id -> its lock
    common: frozenset[str] = frozenset()  # doors of no room
    shares: MappingProxyType[str, DoorShared] = field(default_factory=_none)  # by door id
    fittings: MappingProxyType[str, DoorFitted] = field(default_factory=_none)  # by door id


def fold(state: Inventory | None, events: Iterable[Event]) -> Inventory:
    """The inventory after more facts."""
    now = state or Inventory()
    for event in events:
        now = _after(now, event)
    return now


def _after(now: Inventory, event: Event) -> Inventory:  # noqa: PLR0911 - one for each kind
    match event:
        case PropertySetUp():
            return replace(now, currency=event.currency)
        case BuildingAdded():
            return replace(now, buildings=now.buildings | {event.building_id})
        case RoomTypeAdded():
            return replace(now, room_types=now.room_types | {event.room_type_id})
        case RoomAdded():
            return replace(now, rooms=_with(now.rooms, event.room_id, event.number))
        case DeviceAdded():
            return replace(now, devices=_with(now.devices, event.device_id, event.device_kind))
        case DoorAdded():
            return replace(
                now,
                doors=_with(now.doors, event.door_id, event.number),
                door_devices=_with(now.door_devices, event.door_id, event.device_id),
                common=now.common | ({event.door_id} if event.room_id is None else set()),
            )
        case DoorShared():
            return replace(now, shares=_with(now.shares, event.door_id, event))
        case DoorFitted():
            return replace(
                now,
                door_devices=_with(now.door_devices, event.door_id, event.device_id),
                fittings=_with(now.fittings, event.door_id, event),
            )
        case _:
            return now


def _with(entries: MappingProxyType[str, V], key: str, value: V) -> MappingProxyType[str, V]:
    return MappingProxyType({**entries, key: value})


def set_up_property(state: Inventory, command: SetUpProperty, _context: Context) -> Decision:
    """Once: the same box never changes its property."""
    if state.currency is not None:
        return Refusal.EXISTS
    try:
        ZoneInfo(command.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return No(refusal=Refusal.BAD_TIME_ZONE, detail={"time_zone": command.time_zone})
    try:
        exponent(command.currency)
    except ValueError:
        return No(refusal=Refusal.BAD_CURRENCY, detail={"currency": command.currency})
    times = (command.check_in_from, command.check_out_until)
    if not all(_LOCAL_TIME.fullmatch(time) for time in times):
        return No(refusal=Refusal.BAD_TIME, detail={"expected": "HH:MM"})
    event = PropertySetUp(
        account_id=command.account_id,
        property_id=command.property_id,
        title=command.title,
        time_zone=command.time_zone,
        currency=command.currency,
        check_in_from=command.check_in_from,
        check_out_until=command.check_out_until,
    )
    return Yes(events=[event], result={"property_id": command.property_id})


def add_building(state: Inventory, command: AddBuilding, _context: Context) -> Decision:
    """A building needs the property."""
    if state.currency is None:
        return Refusal.UNKNOWN_PROPERTY
    if command.building_id in state.buildings:
        return Refusal.EXISTS
    event = BuildingAdded(building_id=command.building_id, title=command.title)
    return Yes(events=[event], result={"building_id": command.building_id})


def add_room_type(state: Inventory, command: AddRoomType, _context: Context) -> Decision:
    """A room type is priced in the property's currency."""
    if state.currency is None:
        return Refusal.UNKNOWN_PROPERTY
    if command.room_type_id in state.room_types:
        return Refusal.EXISTS
    if command.sleeps < 1 or command.rate_minor < 0 or command.offline_allotment < 0:
        return Refusal.BAD_NUMBER
    event = RoomTypeAdded(
        room_type_id=command.room_type_id,
        title=command.title,
        sleeps=command.sleeps,
        rate_minor=command.rate_minor,
        currency=state.currency,
        offline_allotment=command.offline_allotment,
        upstream_id=command.upstream_id,
    )
    return Yes(events=[event], result={"room_type_id": command.room_type_id})


def add_room(state: Inventory, command: AddRoom, _context: Context) -> Decision:
    """A room needs its building and its type, and a number nobody else has."""
    if state.currency is None:
        return Refusal.UNKNOWN_PROPERTY
    if command.building_id not in state.buildings:
        return No(refusal=Refusal.UNKNOWN_BUILDING, detail={"building_id": command.building_id})
    if command.room_type_id not in state.room_types:
        return No(refusal=Refusal.UNKNOWN_ROOM_TYPE, detail={"room_type_id": command.room_type_id})
    if command.room_id in state.rooms:
        return Refusal.EXISTS
    if command.number in state.rooms.values():
        return No(refusal=Refusal.NUMBER_TAKEN, detail={"number": command.number})
    event = RoomAdded(
        room_id=command.room_id,
        building_id=command.building_id,
        room_type_id=command.room_type_id,
        number=command.number,
        floor=command.floor,
        upstream_id=command.upstream_id,
    )
    return Yes(events=[event], result={"room_id": command.room_id})


def add_device(state: Inventory, command: AddDevice, _context: Context) -> Decision:
    """A device may hang in a room or belong to the house."""
    if state.currency is None:
        return Refusal.UNKNOWN_PROPERTY
    if command.room_id is not None and command.room_id not in state.rooms:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": command.room_id})
    if command.device_id in state.devices:
        return Refusal.EXISTS
    event = DeviceAdded(
        device_id=command.device_id,
        device_kind=command.kind,
        room_id=command.room_id,
        vendor=command.vendor,
    )
    return Yes(events=[event], result={"device_id": command.device_id})


def add_door(state: Inventory, command: AddDoor, _context: Context) -> Decision:
    """A door has one lock, and a lock one door."""
    refusal = _door_refusal(state, command)
    if refusal is not None:
        return refusal
    event = DoorAdded(
        door_id=command.door_id,
        number=command.number,
        title=command.title,
        device_id=command.device_id,
        room_id=command.room_id,
    )
    return Yes(events=[event], result={"door_id": command.door_id})


def _door_refusal(state: Inventory, command: AddDoor) -> Decision | None:
    if state.currency is None:
        return Refusal.UNKNOWN_PROPERTY
    if command.door_id in state.doors:
        return Refusal.EXISTS
    if command.room_id is not None and command.room_id not in state.rooms:
        return No(refusal=Refusal.UNKNOWN_ROOM, detail={"room_id": command.room_id})
    return _lock_refusal(state, command)


def _lock_refusal(state: Inventory, command: AddDoor) -> Decision | None:
    if (refusal := _device_refusal(state, command.door_id, command.device_id)) is not None:
        return refusal
    if not 0 <= command.number <= DOOR_NUMBER_MAX:
        return Refusal.BAD_NUMBER
    if command.number in state.doors.values():
        return No(refusal=Refusal.NUMBER_TAKEN, detail={"number": command.number})
    return None


def fit_door(state: Inventory, command: FitDoor, _context: Context) -> Decision:
    """Which lock a door has. The same said again is no news, unless another lock has the name."""
    if command.door_id not in state.doors:
        return No(refusal=Refusal.UNKNOWN_DOOR, detail={"door_id": command.door_id})
    refusal = _device_refusal(state, command.door_id, command.device_id) or _radio_refusal(command)
    if refusal is not None:
        return refusal
    event = DoorFitted(
        door_id=command.door_id,
        device_id=command.device_id,
        protocol=command.protocol,
        bridge=command.bridge,
        presser_point=_lower(command.presser_point),
        lock_point=_lower(command.lock_point),
        new_lock=command.new_lock,
    )
    same = state.fittings.get(command.door_id) == event and not command.new_lock
    return Yes(events=[] if same else [event], result={"door_id": command.door_id})


def share_door(state: Inventory, command: ShareDoor, _context: Context) -> Decision:
    """Who has a key for a common door. The same said again is no news."""
    if command.door_id not in state.doors:
        return No(refusal=Refusal.UNKNOWN_DOOR, detail={"door_id": command.door_id})
    if command.door_id not in state.common:
        return Refusal.NOT_COMMON
    if command.zone is not None and not ZONE_MIN <= command.zone <= DOOR_NUMBER_MAX:
        return Refusal.BAD_ZONE
    if command.hours is not None and not _is_week(*command.hours):
        return Refusal.BAD_HOURS
    event = DoorShared(
        door_id=command.door_id,
        shared_with=tuple(sorted(set(command.shared_with))),
        zone=command.zone,
        hours=command.hours,
    )
    same = state.shares.get(command.door_id) == event
    return Yes(events=[] if same else [event], result={"door_id": command.door_id})


def _is_week(days: int, start: int, end: int) -> bool:
    return (
        1 <= days <= WEEK_MASK_MAX
        and 0 <= start < DAY_MINUTES
        and 1 <= end <= DAY_MINUTES
        and start != end
    )


def _device_refusal(state: Inventory, door_id: str, device_id: str) -> Decision | None:
    kind = state.devices.get(device_id)
    if kind is None:
        return No(refusal=Refusal.UNKNOWN_DEVICE, detail={"device_id": device_id})
    if kind is not DeviceKind.LOCK:
        return No(refusal=Refusal.NOT_A_LOCK, detail={"kind": kind.value})
    if any(device_id == lock and door_id != at for at, lock in state.door_devices.items()):
        return No(refusal=Refusal.DEVICE_TAKEN, detail={"device_id": device_id})
    return None


def _radio_refusal(command: FitDoor) -> Decision | None:
    points = [point for point in (command.presser_point, command.lock_point) if point is not None]
    if not all(map(_is_point, points)):
        return No(refusal=Refusal.BAD_POINT, detail={"door_id": command.door_id})
    if command.protocol is LockProtocol.NPK and command.presser_point is None:
        return No(refusal=Refusal.NO_POINT, detail={"door_id": command.door_id})
    alone = command.protocol is LockProtocol.BUS
    if len(command.bridge) > BRIDGE_CHARS_MAX or (not command.bridge and not alone):
        return No(refusal=Refusal.BAD_BRIDGE, detail={"bridge": command.bridge[:BRIDGE_CHARS_MAX]})
    return None


def _is_point(text: str) -> bool:
    try:
        point = bytes.fromhex(text) if len(text) == 2 * POINT_BYTES else b""
        point_key(point)
    except ValueError:
        return False
    return point[0] == _UNCOMPRESSED


def _lower(point: str | None) -> str | None:
    return None if point is None else point.lower()
