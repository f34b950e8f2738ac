"""What a driver process is given: its radio, the things behind it, its name on the bus, its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from appliance.bus.device_sheet import (
    ISSUERS_MAX,
    POINT_BYTES,
    SECRET_BYTES,
    SHEET_BYTES_MAX,
    BadSheetError,
    BusAddress,
)
from appliance.bus.words import DeviceKind
from appliance.kernel.durable import write_whole
from appliance.kernel.secrets import read_private
from appliance.kernel.vault import VaultError

if TYPE_CHECKING:
    from pathlib import Path

# A radio reaches some dozens of things; a broker's bridge some hundreds.
THINGS_MAX: Final = 500

Option = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioThing:
    """One thing behind a radio; the words are those of `drivers.radios.Thing`."""

    device: str
    kind: DeviceKind
    secret_hex: str
    address: str = ""
    protocol: str = ""
    door_number: int | None = None
    zones: tuple[int, ...] = ()
    room: str | None = None
    vendor: str = ""
    model: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def secret(self) -> bytes:
        """The device's own secret, 32 bytes."""
        return bytes.fromhex(self.secret_hex)

    def __repr__(self) -> str:
        """Name and kind; never the secret, nor options, which may hold a vendor's token."""
        return f"RadioThing({self.device}, {self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSheet:
    """One driver process, whole. `satellite`: it runs on another machine, with its own clock.

    With TLS, `bus.ca` and `bus.certificates` are seen from the sheet's own folder.
    """

    radio: str  # "ble0"
    kind: str
    property_id: str
    issuer_keys: tuple[str, ...]  # 65-byte points, hex, newest first
    token: str = field(repr=False)
    things: tuple[RadioThing, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)
    satellite: bool = False
    bus: BusAddress = field(default_factory=BusAddress)

    @property
    def bridge(self) -> str:
        """Its name on the bus."""
        return bridge_of(self.radio)

    @property
    def issuer_points(self) -> tuple[bytes, ...]:
        """The issuers' points, 65 bytes each."""
        return tuple(bytes.fromhex(key) for key in self.issuer_keys)


def bridge_of(radio: str) -> str:
    """What the driver of a radio is called on the bus, and its files on the disk."""
    return f"driver-{radio}"


def sheet_name(radio: str) -> str:
    """The sheet's file name."""
    return f"{bridge_of(radio)}.json"


def key_name(radio: str) -> str:
    """The file name of the key with which this driver presses locks."""
    return f"{bridge_of(radio)}.key"


def save(path: Path, sheet: DriverSheet) -> None:
    """Write the sheet, readable by its owner only, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(sheet), indent=1))


def load(path: Path) -> DriverSheet:
    """Read and check a sheet; raises BadSheetError with the cure, OSError if it cannot be read."""
    try:
        raw = read_private(path)
    except VaultError as error:
        raise BadSheetError(str(error)) from None
    if len(raw) > SHEET_BYTES_MAX:
        raise BadSheetError(f"{path} is larger than any driver's sheet: pass the file `init` wrote")
    try:
        sheet = msgspec.json.decode(raw, type=DriverSheet)
    except msgspec.MsgspecError as why:
        raise BadSheetError(
            f"{path} is no driver's sheet ({why}): write it again with `init`"
        ) from None
    _check(path, sheet)
    return sheet


def _check(path: Path, sheet: DriverSheet) -> None:
    if sheet.bus.tls and (sheet.bus.ca is None or sheet.bus.certificates is None):
        raise BadSheetError(f"{path} asks for TLS without ca and certificates: name both")
    names = [thing.device for thing in sheet.things]
    if len(set(names)) != len(names):
        raise BadSheetError(f"{path} names a device twice: each needs a name of its own")
    if len(names) > THINGS_MAX:
        raise BadSheetError(f"{path} has more than {THINGS_MAX} things: share them out")
    if len(sheet.issuer_keys) > ISSUERS_MAX:
        raise BadSheetError(f"{path} has more than {ISSUERS_MAX} issuer keys: drop the oldest")
    try:
        right = all(len(point) == POINT_BYTES for point in sheet.issuer_points)
        right = right and all(len(thing.secret) == SECRET_BYTES for thing in sheet.things)
    except ValueError:
        right = False
    if not right:
        raise BadSheetError(f"{path} has a key or secret that is cut short: write it again")
    for thing in sheet.things:
        if thing.kind is DeviceKind.LOCK and thing.door_number is None:
            raise BadSheetError(f"{path}: lock {thing.device} has no door_number: give it one")


def presser_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key with which a driver presses NPK locks; made, 0600, where there is none yet.

    Raises BadSheetError where the file is no such key or others can read it.
    """
    try:
        data = read_private(path)
    except FileNotFoundError:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole(path, pem)
        return key
    except VaultError as error:
        raise BadSheetError(str(error)) from None
    try:
        loaded = load_pem_private_key(data, password=None)
    except ValueError:
        loaded = None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise BadSheetError(
            f"{path} is no key of a driver: move it away, start again, and fit its doors anew"
        )
    return loaded
