"""One file that describes a property, and the commands that make it true."""

from __future__ import annotations

import re
import tomllib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from appliance.bus.words import DeviceKind
from appliance.engines.inventory.messages import (
    AddBuilding,
    AddDevice,
    AddDoor,
    AddRoom,
    AddRoomType,
    SetUpProperty,
)
from appliance.kernel.messages import Command, Role
from appliance.kernel.money import exponent, minor
from appliance.placing import (
    BadPlacingError,
    Placed,
    RadioEntry,
    ThingEntry,
    check_radios,
    new_things,
    placed,
)

# 64 KiB: 2,000 rooms written one by one; ranges need far less.
FILE_BYTES_MAX = 65_536
ROOMS_MAX = 2_000
DOOR_NUMBER_END = 0x8000
# The settings' own rule for a property's id (kernel/settings.py).
_PROPERTY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
# With "thermostat-" before it a name of a thing on the bus, of 63 characters at most.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class BadPropertyFileError(ValueError):
    """The file does not describe a property; the text says which line of thought to correct."""


@dataclass(frozen=True, kw_only=True)
class PropertyEntry:
    """The property itself."""

    id: str
    title: str
    time_zone: str
    currency: str
    account: str = "account"
    check_in_from: str = "15:00"
    check_out_until: str = "11:00"


@dataclass(frozen=True, kw_only=True)
class BuildingEntry:
    """A building."""

    id: str
    title: str


@dataclass(frozen=True, kw_only=True)
class RoomTypeEntry:
    """A room type; `rate` is decimal text in the property's currency."""

    id: str
    title: str
    sleeps: int
    rate: str
    offline_allotment: int
    upstream: str | None = None


@dataclass(frozen=True, kw_only=True)
class RoomsEntry:
    """Rooms of one type, by number and range ("101-106")."""

    numbers: tuple[str, ...]
    type: str
    building: str
    thermostats: bool = True
    leak_sensors: bool = False
    valves: bool = False
    radio: str | None = None  # the locks are behind this one
    protocol: str = ""


@dataclass(frozen=True, kw_only=True)
class DoorEntry:
    """A door that belongs to no room."""

    id: str
    title: str
    radio: str | None = None  # its lock is behind this one
    protocol: str = ""


@dataclass(frozen=True, kw_only=True)
class ValveEntry:
    """A valve that belongs to no room: the main, or one of a floor."""

    id: str


@dataclass(frozen=True, kw_only=True)
class StaffEntry:
    """A person of the staff."""

    id: str
    name: str
    roles: tuple[Role, ...]
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class PropertyFile:
    """A whole property as written by whoever installs it."""

    property: PropertyEntry
    building: tuple[BuildingEntry, ...]
    room_type: tuple[RoomTypeEntry, ...]
    rooms: tuple[RoomsEntry, ...]
    staff: tuple[StaffEntry, ...]
    door: tuple[DoorEntry, ...] = ()
    valve: tuple[ValveEntry, ...] = ()
    radio: tuple[RadioEntry, ...] = ()
    thing: tuple[ThingEntry, ...] = ()


def read(path: Path) -> PropertyFile:
    """Read and check a file; raises BadPropertyFileError with one sentence that cures it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadPropertyFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise BadPropertyFileError(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    return parse(data.decode(errors="replace"), str(path))


def parse(text: str, name: str = "the property file") -> PropertyFile:
    """The same from text."""
    try:
        described = msgspec.convert(tomllib.loads(text), PropertyFile, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadPropertyFileError(f"{name}: {error}") from error
    _check(described, name)
    return described


def _check(described: PropertyFile, name: str) -> None:
    _check_names(described, name)
    _check_place(described.property, name)
    types = {entry.id for entry in described.room_type}
    buildings = {entry.id for entry in described.building}
    for entry in described.rooms:
        if entry.type not in types:
            raise BadPropertyFileError(f"{name}: rooms of type {entry.type!r}, which is no type")
        if entry.building not in buildings:
            raise BadPropertyFileError(f"{name}: rooms in {entry.building!r}, which is no building")
    numbers = [number for entry in described.rooms for number in numbers_of(entry)]
    if len(numbers) > ROOMS_MAX:
        raise BadPropertyFileError(f"{name}: {len(numbers)} rooms; one box serves {ROOMS_MAX}")
    if not any(Role.MANAGER in person.roles for person in described.staff):
        raise BadPropertyFileError(f"{name}: nobody on the staff has the role manager")
    wanted = list(commands(described))  # rates are amounts, ranges are ranges
    try:
        check_radios(described.radio, described.thing)
        behind_radios(described, wanted)
    except BadPlacingError as error:
        raise BadPropertyFileError(f"{name}: {error}") from error
    names = [command.device_id for command in devices(wanted)]
    if twice := {one for one in names if names.count(one) > 1}:
        raise BadPropertyFileError(f"{name}: thing {min(twice)} is one of a room already")


def _check_place(place: PropertyEntry, name: str) -> None:
    try:
        ZoneInfo(place.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadPropertyFileError(
            f"{name}: there is no time zone {place.time_zone!r}; write one such as Europe/Lisbon"
        ) from error
    try:
        exponent(place.currency)
    except ValueError as error:
        raise BadPropertyFileError(
            f"{name}: there is no currency {place.currency!r}; write one such as EUR"
        ) from error
    for time in (place.check_in_from, place.check_out_until):
        if not _LOCAL_TIME.fullmatch(time):
            raise BadPropertyFileError(f'{name}: {time!r} is no time of day; write "15:00"')


def _check_names(described: PropertyFile, name: str) -> None:
    if not _PROPERTY_ID.fullmatch(described.property.id):
        raise BadPropertyFileError(
            f"{name}: the property's id {described.property.id!r} is not made of up to 63 small"
            " letters, digits and hyphens; it stands in keys and topics"
        )
    groups = {
        "building": [entry.id for entry in described.building],
        "room type": [entry.id for entry in described.room_type],
        "door": [entry.id for entry in described.door],
        "valve": [entry.id for entry in described.valve],
        "room": [number for entry in described.rooms for number in numbers_of(entry)],
        "person": [entry.id for entry in described.staff],
    }
    for what, names in groups.items():
        for one in names:
            if not _ID.fullmatch(one):
                raise BadPropertyFileError(
                    f"{name}: {what} {one!r}: a name here is up to 40 letters, digits, dots,"
                    " hyphens and underscores, as it stands in topics"
                )
        if len(set(names)) < len(names):
            twice = next(one for one in names if names.count(one) > 1)
            raise BadPropertyFileError(f"{name}: {what} {twice} is there twice")
    for what in ("door", "valve"):
        if clash := set(groups[what]) & set(groups["room"]):
            raise BadPropertyFileError(f"{name}: {what} {min(clash)} is called like a room")


def numbers_of(entry: RoomsEntry) -> Iterator[str]:
    """Every room number of an entry, ranges opened."""
    for text in entry.numbers:
        first, dash, last = text.partition("-")
        if not dash:
            yield text
            continue
        if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
            raise BadPropertyFileError(f"{text!r} is no range of room numbers")
        if int(last) - int(first) >= ROOMS_MAX:
            raise BadPropertyFileError(f"{text!r} is more than {ROOMS_MAX} rooms")
        for number in range(int(first), int(last) + 1):
            yield str(number).zfill(len(first))


def commands(described: PropertyFile) -> Iterator[tuple[str, Command]]:
    """(command id, command) that make the property exist; asking them twice changes nothing."""
    place = described.property
    yield (
        "init:property",
        SetUpProperty(
            account_id=place.account,
            property_id=place.id,
            title=place.title,
            time_zone=place.time_zone,
            currency=place.currency,
            check_in_from=place.check_in_from,
            check_out_until=place.check_out_until,
        ),
    )
    for building in described.building:
        yield (
            f"init:building:{building.id}",
            AddBuilding(building_id=building.id, title=building.title),
        )
    for kind in described.room_type:
        yield (
            f"init:room-type:{kind.id}",
            AddRoomType(
                room_type_id=kind.id,
                title=kind.title,
                sleeps=kind.sleeps,
                rate_minor=_minor(kind.rate, place.currency),
                offline_allotment=kind.offline_allotment,
                upstream_id=kind.upstream,
            ),
        )
    taken: set[int] = set()
    for entry in described.rooms:
        for number in numbers_of(entry):
            yield from _room(entry, number, _door_number(number, taken))
    for door in described.door:
        yield from _door(door, _door_number(door.id, taken))
    for valve in described.valve:
        device_id = f"valve-{valve.id}"
        command = AddDevice(device_id=device_id, kind=DeviceKind.VALVE, room_id=None)
        yield (f"init:device:{device_id}", command)
    for command in new_things(described.thing):
        yield (f"init:device:{command.device_id}", command)


def behind_radios(
    described: PropertyFile, wanted: Sequence[tuple[str, Command]]
) -> dict[str, Placed]:
    """The things behind radios, by name; raises BadPlacingError where they do not fit together."""
    locks = {
        f"lock-{number}": (entry.radio, entry.protocol)
        for entry in described.rooms
        if entry.radio is not None
        for number in numbers_of(entry)
    }
    locks |= {
        f"lock-{door.id}": (door.radio, door.protocol)
        for door in described.door
        if door.radio is not None
    }
    return placed(described.radio, described.thing, locks, devices(wanted))


def _room(entry: RoomsEntry, number: str, door_number: int) -> Iterator[tuple[str, Command]]:
    floor = int(number[:-2]) if number[:-2].isdigit() else 0
    yield (
        f"init:room:{number}",
        AddRoom(
            room_id=number,
            building_id=entry.building,
            room_type_id=entry.type,
            number=number,
            floor=floor,
        ),
    )
    things: list[tuple[str, DeviceKind]] = [(f"lock-{number}", DeviceKind.LOCK)]
    if entry.thermostats:
        things.append((f"thermostat-{number}", DeviceKind.THERMOSTAT))
    if entry.leak_sensors:
        things.append((f"leak-{number}", DeviceKind.LEAK))
    if entry.valves:
        things.append((f"valve-{number}", DeviceKind.VALVE))
    for device_id, kind in things:
        yield (
            f"init:device:{device_id}",
            AddDevice(device_id=device_id, kind=kind, room_id=number),
        )
    yield (
        f"init:door:{number}",
        AddDoor(
            door_id=f"door-{number}",
            number=door_number,
            title=f"Room {number}",
            device_id=f"lock-{number}",
            room_id=number,
        ),
    )


def _door(door: DoorEntry, number: int) -> Iterator[tuple[str, Command]]:
    device_id = f"lock-{door.id}"
    yield (
        f"init:device:{device_id}",
        AddDevice(device_id=device_id, kind=DeviceKind.LOCK, room_id=None),
    )
    yield (
        f"init:door:{door.id}",
        AddDoor(door_id=f"door-{door.id}", number=number, title=door.title, device_id=device_id),
    )


def devices(described: Sequence[tuple[str, Command]]) -> list[AddDevice]:
    """The things among the commands."""
    return [command for _, command in described if isinstance(command, AddDevice)]


def _minor(rate: str, currency: str) -> int:
    try:
        amount = minor(rate, currency)
    except (ValueError, ArithmeticError) as error:
        raise BadPropertyFileError(f"the rate {rate!r} is no amount of {currency}") from error
    if amount < 0:
        raise BadPropertyFileError(f"the rate {rate!r} is less than nothing")
    return amount


def _door_number(name: str, taken: set[int]) -> int:
    """A number that stays the same when rooms are added: the room's own, or one by the name.

    Credentials name a door by it; 0x8000 and above are zones (ble.md 2.8).
    """
    number = int(name) if name.isdigit() and 0 < int(name) < DOOR_NUMBER_END else 0
    if not number or number in taken:
        number = zlib.crc32(name.encode()) % DOOR_NUMBER_END
        while number in taken or not number:
            number = (number + 1) % DOOR_NUMBER_END
    taken.add(number)
    return number
