"""The sheet an installer carries from the box to the things: who each is and what it must know."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceKind
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from pathlib import Path

SECRET_BYTES: Final = 32
POINT_BYTES: Final = 65
# A lock keeps four issuers: this year's, last year's, and the same of a neighbour house.
ISSUERS_MAX: Final = 4
# 2,000 devices at 400 bytes; a longer file is not a sheet.
SHEET_BYTES_MAX: Final = 1_000_000


class BadSheetError(ValueError):
    """The file is no device sheet; the text says what to correct."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusAddress:
    """Where the bus listens.

    With TLS, `ca` is the path of the authority's certificate and `certificates` the folder of
    `<device>.crt` and `<device>.key`.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    tls: bool = False
    ca: str | None = None
    certificates: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetDevice:
    """One thing: its name on the bus, its secret (32 bytes, hex) and its bus token.

    `door_number` (uint32) is what keys name; `zones` are group numbers this lock also answers to
    (0x8000 and above). `battery_pct`, `set_point_c10` and `measured_c10` (tenths of a degree
    Celsius) are where a simulated one starts.
    """

    device: str
    kind: DeviceKind
    secret_hex: str
    token: str
    door_number: int | None = None
    zones: tuple[int, ...] = ()
    room: str | None = None
    battery_pct: int = 100
    set_point_c10: int = 210
    measured_c10: int = 195

    @property
    def secret(self) -> bytes:
        """The device's own secret, 32 bytes."""
        return bytes.fromhex(self.secret_hex)

    def __repr__(self) -> str:
        """Name and kind; never the secret or the token."""
        return f"SheetDevice({self.device}, {self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSheet:
    """Everything a property's devices are given when they are provisioned.

    `time_zone` is by whose clocks a key's weekly hours count; a lock without one refuses such keys.
    """

    property_id: str
    issuer_keys: tuple[str, ...]  # 65-byte points, hex, newest first
    devices: tuple[SheetDevice, ...]
    time_zone: str | None = None
    bus: BusAddress = field(default_factory=BusAddress)

    @property
    def issuer_points(self) -> tuple[bytes, ...]:
        """The issuers' points, 65 bytes each."""
        return tuple(bytes.fromhex(key) for key in self.issuer_keys)


def save(path: Path, sheet: DeviceSheet) -> None:
    """Write the sheet, readable by its owner only, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(sheet), indent=1))


def load(path: Path) -> DeviceSheet:
    """Read and check a sheet; raises BadSheetError with the cure, OSError if it cannot be read."""
    raw = path.read_bytes()
    if len(raw) > SHEET_BYTES_MAX:
        raise BadSheetError(f"{path} is larger than any device sheet: pass the file `init` wrote")
    try:
        sheet = msgspec.json.decode(raw, type=DeviceSheet)
    except msgspec.MsgspecError as why:
        raise BadSheetError(
            f"{path} is no device sheet ({why}): write it again with `init`"
        ) from None
    _check(path, sheet)
    return sheet


def _check(path: Path, sheet: DeviceSheet) -> None:
    if sheet.bus.tls and (sheet.bus.ca is None or sheet.bus.certificates is None):
        raise BadSheetError(f"{path} asks for TLS without ca and certificates: name both")
    names = [d.device for d in sheet.devices]
    if len(set(names)) != len(names):
        raise BadSheetError(f"{path} names a device twice: each needs a name of its own")
    if len(sheet.issuer_keys) > ISSUERS_MAX:
        raise BadSheetError(f"{path} has more than {ISSUERS_MAX} issuer keys: drop the oldest")
    try:
        right = all(len(p) == POINT_BYTES for p in sheet.issuer_points)
        right = right and all(len(d.secret) == SECRET_BYTES for d in sheet.devices)
    except ValueError:
        right = False
    if not right:
        raise BadSheetError(f"{path} has a key or secret that is cut short: write it again")
    if sheet.time_zone is not None:
        try:
            zoneinfo.ZoneInfo(sheet.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise BadSheetError(
                f"{path}: there is no time zone {sheet.time_zone!r}: write one like Europe/Lisbon"
            ) from None
    for device in sheet.devices:
        if device.kind == "lock" and device.door_number is None:
            raise BadSheetError(f"{path}: lock {device.device} has no door_number: give it one")
