"""The words of inventory: account > property > building > room, with its doors and devices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.bus.words import DeviceKind
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact

# What a door says of itself fits in a name; a bridge is called like its driver, "driver-ble0".
BRIDGE_CHARS_MAX = 64
# ble.md 2.8: groups of doors are numbered above every door; 0x8000 is the whole house, for masters.
ZONE_MIN = 0x8001
SET_UP = frozenset({Role.INSTALLER, Role.ADMIN, Role.MANAGER, Role.SERVICE})


class LockProtocol(StrEnum):
    """How a door's lock is spoken to; all but BUS are the drivers' words for it."""

    BUS = "bus"  # speaks our words on the bus by itself
    NPK = "npk"
    ZIGBEE = "zigbee"
    NUKI = "nuki"
    SHELLY = "shelly"
    ZIGBEE2MQTT = "zigbee2mqtt"
    ESPHOME = "esphome"
    TASMOTA = "tasmota"
    ZWAVEJS = "zwavejs"
    HOMEASSISTANT = "homeassistant"


class SharedWith(StrEnum):
    """Who is given a key for a common door without being asked."""

    STAY = "stay"
    LEASE = "lease"
    STAFF = "staff"


class Refusal(StrEnum):
    """Why the inventory stays as it is."""

    EXISTS = "exists"
    UNKNOWN_PROPERTY = "unknown_property"
    UNKNOWN_BUILDING = "unknown_building"
    UNKNOWN_ROOM_TYPE = "unknown_room_type"
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_DEVICE = "unknown_device"
    NUMBER_TAKEN = "number_taken"
    BAD_TIME_ZONE = "bad_time_zone"
    BAD_CURRENCY = "bad_currency"
    BAD_TIME = "bad_time"  # not "HH:MM"
    BAD_NUMBER = "bad_number"  # below zero, or a door's number beyond a uint32
    NOT_A_LOCK = "not_a_lock"
    DEVICE_TAKEN = "device_taken"  # one lock, one door
    UNKNOWN_DOOR = "unknown_door"
    NOT_COMMON = "not_common"  # the door of a room
    BAD_ZONE = "bad_zone"
    BAD_HOURS = "bad_hours"
    BAD_POINT = "bad_point"  # not 65 bytes of a point on P-256, in hex
    NO_POINT = "no_point"  # an NPK lock knows its driver by a point
    BAD_BRIDGE = "bad_bridge"  # a name beyond 64 characters, or none where a radio stands between


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SetUpProperty(Command):
    """Say which property this box serves; once. Times are local, "HH:MM"."""

    name: ClassVar[str] = "inventory.set_up_property"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = SET_UP
    account_id: str
    property_id: str
    title: str
    time_zone: str
    currency: str
    check_in_from: str = "15:00"
    check_out_until: str = "11:00"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddBuilding(Command):
    """A building of the property."""

    name: ClassVar[str] = "inventory.add_building"
    roles: ClassVar[frozenset[Role]] = SET_UP
    building_id: str
    title: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddRoomType(Command):
    """What is sold. `offline_allotment` is how many per night the box may sell unconfirmed."""

    name: ClassVar[str] = "inventory.add_room_type"
    roles: ClassVar[frozenset[Role]] = SET_UP
    room_type_id: str
    title: str
    sleeps: int
    rate_minor: int
    offline_allotment: int
    upstream_id: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddRoom(Command):
    """A room of one type in one building."""

    name: ClassVar[str] = "inventory.add_room"
    roles: ClassVar[frozenset[Role]] = SET_UP
    room_id: str
    building_id: str
    room_type_id: str
    number: str
    floor: int = 0
    upstream_id: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddDevice(Command):
    """A thing on the bus and where it is."""

    name: ClassVar[str] = "inventory.add_device"
    roles: ClassVar[frozenset[Role]] = SET_UP
    device_id: str
    kind: DeviceKind
    room_id: str | None = None
    vendor: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddDoor(Command):
    """A door with its lock. `number` is what credentials name it by (uint32, unique)."""

    name: ClassVar[str] = "inventory.add_door"
    roles: ClassVar[frozenset[Role]] = SET_UP
    door_id: str
    number: int
    title: str
    device_id: str
    room_id: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class FitDoor(Command):
    """Say which lock a door has and how it is spoken to; also how a door changes its vendor.

    `bridge` is the driver's name on the bus. `presser_point` is the key with which that driver
    presses NPK locks, `lock_point` the lock's own: 65 bytes in hex. `new_lock`: another lock under
    the same name, whose events are numbered from the start.
    """

    name: ClassVar[str] = "inventory.fit_door"
    roles: ClassVar[frozenset[Role]] = SET_UP
    door_id: str
    device_id: str
    protocol: LockProtocol
    bridge: str = ""
    presser_point: str | None = None
    lock_point: str | None = None
    new_lock: bool = False


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDoor(Command):
    """A common door (entrance, lift, pool): who has a key for it by being here; nobody: no more.

    `zone` is the group that its lock answers to, with others. `hours` bind guests and residents:
    (weekdays, from minute, to minute) of the property's day, bit 0 is Monday.
    """

    name: ClassVar[str] = "inventory.share_door"
    roles: ClassVar[frozenset[Role]] = SET_UP
    door_id: str
    shared_with: tuple[SharedWith, ...]
    zone: int | None = None
    hours: tuple[int, int, int] | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PropertySetUp(Event):
    """This box serves this property."""

    kind: ClassVar[str] = "inventory.property_set_up.v1"
    account_id: str
    property_id: str
    title: str
    time_zone: str
    currency: str
    check_in_from: str
    check_out_until: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BuildingAdded(Event):
    """A building exists."""

    kind: ClassVar[str] = "inventory.building_added.v1"
    building_id: str
    title: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTypeAdded(Event):
    """A room type is sold here."""

    kind: ClassVar[str] = "inventory.room_type_added.v1"
    room_type_id: str
    title: str
    sleeps: int
    rate_minor: int
    currency: str
    offline_allotment: int
    upstream_id: str | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAdded(Event):
    """A room exists."""

    kind: ClassVar[str] = "inventory.room_added.v1"
    room_id: str
    building_id: str
    room_type_id: str
    number: str
    floor: int
    upstream_id: str | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAdded(Event):
    """A thing is on the bus."""

    kind: ClassVar[str] = "inventory.device_added.v1"
    device_id: str
    device_kind: DeviceKind
    room_id: str | None
    vendor: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DoorAdded(Event):
    """A door exists and has a lock."""

    kind: ClassVar[str] = "inventory.door_added.v1"
    door_id: str
    number: int
    title: str
    device_id: str
    room_id: str | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DoorFitted(Event):
    """A door has this lock, spoken to like this. Without one it speaks on the bus by itself."""

    kind: ClassVar[str] = "inventory.door_fitted.v1"
    door_id: str
    device_id: str
    protocol: LockProtocol
    bridge: str
    presser_point: str | None
    lock_point: str | None
    new_lock: bool = False


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DoorShared(Event):
    """A common door and who has a key for it by being here."""

    kind: ClassVar[str] = "inventory.door_shared.v1"
    door_id: str
    shared_with: tuple[SharedWith, ...]
    zone: int | None
    hours: tuple[int, int, int] | None
