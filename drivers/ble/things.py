"""The sheet's things as devices of this radio: locks, sensors and radiators, by name, address, tag."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import re
from typing import TYPE_CHECKING, Final

from appliance.kernel import cose
from drivers.ble.bthome import KEY_BYTES
from drivers.ble.conversations import Fitting, Ground
from drivers.ble.courier import Courier
from drivers.ble.errands import Errands
from drivers.ble.lock import NpkLock
from drivers.ble.sensor import BthomeDevice
from drivers.ble.thermostat import Eq3Device
from drivers.local_time import zone_named
from drivers.npk import advert
from drivers.port import Alarm, Device, NeedsPersonError

if TYPE_CHECKING:
    from drivers.ble.ears import Ears
    from drivers.ble.links import Links
    from drivers.port import House
    from drivers.radios import Setting, Thing

logger = logging.getLogger(__name__)

# Locks advertise every second or two, radiators too. A sensor may speak when it likes: after six
# hours its cells are worth a look. `silent_s` of a thing overrides its own.
SILENT_S: Final = {"npk": 180.0, "eq3": 600.0, "bthome": 21_600.0}
SALT_BYTES: Final = 8
_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")


class Things:
    """Built once from the sheet; raises NeedsPersonError for what cannot be."""

    def __init__(self, setting: Setting, *, ears: Ears, links: Links) -> None:
        self._setting = setting
        self._ears = ears
        self._links = links
        issuers = cose.issuers(setting.issuer_points)
        self._zone = _zone(str(setting.options.get("time_zone", "UTC")))
        self._ground = Ground(
            ears=ears,
            links=links,
            clock=setting.clock,
            nursery=setting.nursery,
            presser=setting.presser,
            errands=Errands(
                setting.folder / "errand-keys.json",
                issuers=issuers,
                point=cose.point_of(setting.presser.public_key()),
            ),
            courier=Courier(issuers),
            zone=self._zone,
        )
        self._salt = salt_of(setting.property_id, str(setting.options.get("salt", "")))
        self.locks: dict[str, NpkLock] = {}
        self.sensors: dict[str, BthomeDevice] = {}
        self.radiators: dict[str, Eq3Device] = {}
        self.unpaired: list[str] = []  # locks of the sheet that nobody has installed yet
        self.silent_s: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        self._tags: dict[bytes, str] = {}
        for thing in setting.things:
            self._add(thing)
        self.by_name: dict[str, Device] = {}
        self.by_name.update(self.locks)
        self.by_name.update(self.sensors)
        self.by_name.update(self.radiators)

    def serve(self, house: House) -> None:
        """Report to this house from now on."""
        for lock in self.locks.values():
            lock.serve(house)
        for radiator in self.radiators.values():
            radiator.house = house

    async def say_paired(self, house: House) -> None:
        """Which locks nobody can speak to before a person has read their point, and which not."""
        for name in self.locks:
            await house.alarm(Alarm.NOT_PAIRED, device=name, on=False)
        for name in self.unpaired:
            await house.present(name, online=False)
            await house.alarm(Alarm.NOT_PAIRED, device=name)

    def at_address(self, address: str) -> str | None:
        """The thing whose address the sheet gives."""
        return self._addresses.get(address.upper())

    def of_tag(self, tag: bytes) -> str | None:
        """The lock that shouts this tag."""
        return self._tags.get(tag)

    def _add(self, thing: Thing) -> None:
        silent_s = SILENT_S.get(thing.protocol)
        if silent_s is None:
            known = ", ".join(sorted(SILENT_S))
            raise NeedsPersonError(
                f"{thing.name} speaks {thing.protocol!r}, which this radio does not: write one of"
                f" {known}"
            )
        if thing.protocol == "npk" and not thing.options.get("lock_point"):
            # One door that is still to be fitted must not keep its neighbours shut.
            logger.warning(
                "%s has no lock_point and is left out: read it from the lock, write it into the"
                " property file and run init again",
                thing.name,
            )
            self.unpaired.append(thing.name)
            return
        self.silent_s[thing.name] = float(thing.options.get("silent_s", silent_s))
        match thing.protocol:
            case "npk":
                self.locks[thing.name] = self._lock(thing)
            case "bthome":
                self.sensors[thing.name] = BthomeDevice(
                    thing.name,
                    thing.kind,
                    address=_address(thing),
                    clock=self._setting.clock,
                    key=_hex(thing, "key", KEY_BYTES),
                )
            case _:
                self.radiators[thing.name] = self._radiator(thing)
        if thing.address:
            self._addresses[_address(thing)] = thing.name

    def _lock(self, thing: Thing) -> NpkLock:
        point = _hex(thing, "lock_point", cose.POINT_BYTES)
        if thing.door_number is None or point is None:
            raise NeedsPersonError(
                f"{thing.name} has no door number or no lock_point: run `nightporter init` again"
            )
        if not thing.address:
            self._tags[advert.door_tag(self._salt, thing.door_number)] = thing.name
        try:
            return NpkLock(
                Fitting(
                    name=thing.name,
                    lock_id=thing.door_number,
                    lock_point=point,
                    log_path=self._setting.folder / f"log-{thing.door_number}.json",
                ),
                self._ground,
            )
        except ValueError as error:
            raise NeedsPersonError(f"{thing.name}: its lock_point is no key: {error}") from error

    def _radiator(self, thing: Thing) -> Eq3Device:
        _address(thing)
        sensor = str(thing.options.get("sensor", ""))

        def measured() -> int | None:
            found = self.sensors.get(sensor)
            return None if found is None else found.temperature_c10

        return Eq3Device(
            thing.name,
            ears=self._ears,
            links=self._links,
            clock=self._setting.clock,
            local_time=self._local_time,
            measured=measured,
        )

    def _local_time(self) -> dt.datetime:
        wall_s = self._setting.clock.read().wall_ms / 1000
        return dt.datetime.fromtimestamp(wall_s, tz=self._zone)


def salt_of(property_id: str, given: str = "") -> bytes:
    """The salt of a property's tags: what was given (hex), or what follows from its name."""
    if given:
        return bytes.fromhex(given)
    return hashlib.sha256(b"NPK1-TAG" + property_id.encode()).digest()[:SALT_BYTES]


def _address(thing: Thing) -> str:
    address = thing.address.upper()
    if not _ADDRESS.fullmatch(address):
        raise NeedsPersonError(
            f"{thing.name} needs its Bluetooth address, like A4:C1:38:8D:18:B2: look at its label"
        )
    return address


def _hex(thing: Thing, option: str, size: int) -> bytes | None:
    text = thing.options.get(option)
    if text is None:
        return None
    try:
        found = bytes.fromhex(str(text))
    except ValueError:
        found = b""
    if len(found) != size:
        # Never quoted: it may be a key.
        raise NeedsPersonError(f"{thing.name}: {option} has to be {2 * size} hex digits")
    return found


def _zone(name: str) -> dt.tzinfo:
    try:
        return zone_named(name)
    except ValueError as error:
        raise NeedsPersonError(str(error)) from error
