"""Which things of a property stand behind which radio, as the property's file says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from appliance.bus import credentials
from appliance.bus.credentials import BusRole, CredentialsError
from appliance.bus.driver_sheet import THINGS_MAX, Option
from appliance.bus.words import DeviceKind
from appliance.engines.inventory.messages import AddDevice, LockProtocol

# A USB hub's worth; each is a process of 40 MB.
RADIOS_MAX: Final = 16
KINDS: Final = ("ble", "http", "mqtt", "zigbee")
# With "driver-" before it a name on the bus and of files.
# What a lock behind such a radio speaks where nothing else is said.
_SPOKEN: Final = {"ble": "npk", "zigbee": "zigbee"}
# How a lock behind a radio is spoken to: the drivers' words are inventory's (docs/adapters.md).
LOCK_PROTOCOLS: Final = frozenset(LockProtocol) - {LockProtocol.BUS}
_RADIO: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadPlacingError(ValueError):
    """Radios and things do not fit together; the text says which and what to write."""


@dataclass(frozen=True, kw_only=True)
class RadioEntry:
    """A radio of this property; `satellite`: on another machine, which is given a folder by `init`.

    `options` are the radio's own words (`port`, `adapter`, `url`); `also` are topics of other
    makers on our bus, for a radio of the kind "mqtt".
    """

    id: str
    kind: str
    satellite: bool = False
    also: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class ThingEntry:
    """Where one thing is found. With a `kind` it is a new one, otherwise one of a room or door."""

    device: str
    radio: str | None = None
    kind: DeviceKind | None = None
    room: str | None = None
    address: str = ""
    protocol: str = ""
    vendor: str = ""
    model: str = ""
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One thing behind a radio."""

    radio: str
    entry: ThingEntry


def new_things(entries: Iterable[ThingEntry]) -> Iterator[AddDevice]:
    """The things that no room and no door brings."""
    for entry in entries:
        if entry.kind is not None:
            yield AddDevice(device_id=entry.device, kind=entry.kind, room_id=entry.room)


def placed(
    radios: Iterable[RadioEntry],
    entries: Iterable[ThingEntry],
    locks: Mapping[str, tuple[str, str]],
    known: Iterable[AddDevice],
) -> dict[str, Placed]:
    """Every thing behind a radio, by name. `locks` are (radio, protocol) that rooms and doors name.

    Raises BadPlacingError.
    """
    kinds = {command.device_id: command.kind for command in known}
    by_name = {radio.id: radio for radio in radios}
    found = {
        device: Placed(radio=radio, entry=ThingEntry(device=device, protocol=protocol))
        for device, (radio, protocol) in locks.items()
    }
    named: set[str] = set()
    for entry in entries:
        if entry.device in named:
            raise BadPlacingError(f"thing {entry.device} is there twice")
        named.add(entry.device)
        if entry.device not in kinds:
            raise BadPlacingError(
                f"thing {entry.device} belongs to no room and no door; give it a kind"
            )
        before = found.get(entry.device)
        radio = entry.radio or (None if before is None else before.radio)
        if radio is None:
            raise BadPlacingError(f"thing {entry.device} names no radio")
        protocol = entry.protocol or ("" if before is None else before.entry.protocol)
        found[entry.device] = Placed(radio=radio, entry=replace(entry, protocol=protocol))
    for device, place in found.items():
        if place.radio not in by_name:
            raise BadPlacingError(f"{device} stands behind radio {place.radio!r}, which is none")
        if kinds.get(device) is DeviceKind.LOCK:
            protocol = place.entry.protocol or _SPOKEN.get(by_name[place.radio].kind, "")
            if protocol not in LOCK_PROTOCOLS:
                raise BadPlacingError(
                    f"{device} speaks {protocol!r}; give it a protocol:"
                    f" {', '.join(sorted(LOCK_PROTOCOLS))}"
                )
            entry = replace(place.entry, protocol=protocol)
            found[device] = Placed(radio=place.radio, entry=entry)
    return found


def check_radios(radios: Iterable[RadioEntry], entries: Iterable[ThingEntry]) -> None:
    """Raises BadPlacingError where a name, a kind or a number of them is none."""
    names = []
    for radio in radios:
        names.append(radio.id)
        if not _RADIO.fullmatch(radio.id):
            raise BadPlacingError(
                f"radio {radio.id!r}: a radio's name is up to 32 small letters, digits and hyphens"
            )
        if radio.kind not in KINDS:
            raise BadPlacingError(
                f"radio {radio.id} is of the kind {radio.kind!r}; write one of {', '.join(KINDS)}"
            )
        try:
            credentials.check_also(BusRole.BRIDGE, radio.also)
        except CredentialsError as error:
            raise BadPlacingError(f"radio {radio.id}: {error}") from error
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadPlacingError(f"radio {twice} is there twice")
    if len(names) > RADIOS_MAX:
        raise BadPlacingError(f"{len(names)} radios; one box drives {RADIOS_MAX}")
    things = [entry.device for entry in entries]
    if len(things) > THINGS_MAX * RADIOS_MAX:
        raise BadPlacingError(f"{len(things)} things; {RADIOS_MAX} radios have {THINGS_MAX} each")
    for name in things:
        if not _DEVICE.fullmatch(name):
            raise BadPlacingError(
                f"thing {name!r}: a name here is up to 63 letters, digits, dots, hyphens and"
                " underscores, as it stands in topics"
            )
