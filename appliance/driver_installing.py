"""What an installer's `init` writes for each radio: credential, sheet, key, a satellite's folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from appliance.bus import credentials as bus_credentials
from appliance.bus import driver_sheet
from appliance.bus.certificates import Authority
from appliance.bus.credentials import BusRole, Credentials
from appliance.bus.device_sheet import BusAddress
from appliance.bus.driver_sheet import (
    DriverSheet,
    RadioThing,
    bridge_of,
    key_name,
    presser_key,
    sheet_name,
)
from appliance.engines.inventory.messages import AddDoor, FitDoor, LockProtocol
from appliance.kernel.cose import point_of
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from appliance.bus.words import DeviceKind
    from appliance.kernel.clock import Clock
    from appliance.kernel.messages import Command
    from appliance.kernel.settings import Settings
    from appliance.kernel.vault import Vault
    from appliance.placing import Placed, RadioEntry
    from appliance.property_file import PropertyEntry

EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here
TLS = "tls"


def satellite_folder(radio: str) -> str:
    """The folder to carry to the machine of a satellite radio, whole."""
    return f"satellite-{radio}"


def in_the_way(radio: RadioEntry, settings: Settings) -> str | None:
    """Why a radio cannot be given its sheet yet, in one sentence with its cure."""
    if not radio.satellite or settings.bus.tls_port:
        return None
    return (
        f"radio {radio.id} is on a satellite, and the bus listens on this machine alone: set"
        " bus.tls_port and bus.tls_host in nightporter.toml, then run init again"
    )


def fittings(
    wanted: Sequence[tuple[str, Command]],
    behind: Mapping[str, Placed],
    radios: Sequence[RadioEntry],
    data_dir: Path,
) -> Iterator[FitDoor]:
    """How each door behind a radio is spoken to; the drivers' keys must have been made."""
    by_id = {radio.id: radio for radio in radios}
    for _, command in wanted:
        place = behind.get(command.device_id) if isinstance(command, AddDoor) else None
        if place is None or not isinstance(command, AddDoor):
            continue
        folder = folder_of(by_id[place.radio], data_dir)
        key = folder / key_name(place.radio)
        if not key.exists():
            continue  # a satellite that has no folder yet
        point = place.entry.options.get("lock_point")
        yield FitDoor(
            door_id=command.door_id,
            device_id=command.device_id,
            protocol=LockProtocol(place.entry.protocol),
            bridge=bridge_of(place.radio),
            presser_point=point_of(presser_key(key).public_key()).hex(),
            lock_point=point if isinstance(point, str) else None,
        )


def without_moved(
    credentials: Credentials, moved: AbstractSet[str], named: AbstractSet[str], data_dir: Path
) -> Credentials:
    """Take things that have moved from the radios that the file names no more.

    Two bridges must not speak for one lock. A radio that has nothing left is not driven any more;
    its file of orders stays.
    """
    for name, who in list(credentials.identities.items()):
        if who.role is not BusRole.BRIDGE or who.revoked or name in named:
            continue
        left = tuple(device for device in who.devices if device not in moved)
        if left == who.devices:
            continue
        if not left:
            credentials = bus_credentials.revoke(credentials, name)
            (data_dir / f"{name}.json").unlink(missing_ok=True)
            continue
        stays = replace(who, devices=left)
        credentials = Credentials(identities={**credentials.identities, name: stays})
        path = data_dir / f"{name}.json"
        if path.exists():
            sheet = driver_sheet.load(path)
            things = tuple(thing for thing in sheet.things if thing.device in left)
            driver_sheet.save(path, replace(sheet, things=things))
    return credentials


def folder_of(radio: RadioEntry, data_dir: Path) -> Path:
    """Where the files of one radio are written."""
    return data_dir / satellite_folder(radio.id) if radio.satellite else data_dir


def write_driver(  # noqa: PLR0913 - what one sheet is made of, each by its own name
    radio: RadioEntry,
    credentials: Credentials,
    *,
    behind: Mapping[str, Placed],
    kinds: Mapping[str, DeviceKind],
    numbers: Mapping[str, int],
    zones: Mapping[str, tuple[int, ...]],
    rooms: Mapping[str, str | None],
    issuer_keys: Sequence[str],
    place: PropertyEntry,
    places: tuple[Settings, Settings],
    vault: Vault,
    clock: Clock,
) -> Credentials:
    """One radio's credential and sheet; tokens and keys that exist are kept."""
    here, settings = places
    folder = folder_of(radio, here.data_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / sheet_name(radio.id)
    mine = {name: at for name, at in behind.items() if at.radio == radio.id}
    bridge = bridge_of(radio.id)
    known = credentials.active(bridge)
    if path.exists() and known is not None:
        token = driver_sheet.load(path).token
        known = replace(known, devices=tuple(mine), also=radio.also)
        credentials = Credentials(identities={**credentials.identities, bridge: known})
    else:
        credentials, token = bus_credentials.add(
            credentials, bridge, BusRole.BRIDGE, devices=tuple(mine), also=radio.also
        )
    sheet = DriverSheet(
        radio=radio.id,
        kind=radio.kind,
        property_id=place.id,
        issuer_keys=tuple(issuer_keys),
        token=token,
        things=tuple(
            RadioThing(
                device=name,
                kind=kinds[name],
                secret_hex=vault.derive("device-secret", name).hex(),
                address=at.entry.address,
                protocol=at.entry.protocol,
                door_number=numbers.get(name),
                zones=zones.get(name, ()),
                room=rooms.get(name),
                vendor=at.entry.vendor,
                model=at.entry.model,
                options=dict(at.entry.options),
            )
            for name, at in mine.items()
        ),
        options={"time_zone": place.time_zone, **radio.options},
        satellite=radio.satellite,
        bus=BusAddress(host=settings.bus.host, port=settings.bus.port),
    )
    if radio.satellite:
        sheet = replace(sheet, bus=_reach(radio.id, settings, folder, clock))
    driver_sheet.save(path, sheet)
    presser_key(folder / key_name(radio.id))
    return credentials


def _reach(radio: str, settings: Settings, folder: Path, clock: Clock) -> BusAddress:
    """How a satellite comes to the bus: over TLS, with a certificate of its own."""
    pki = settings.data_dir / "pki"
    own = folder / TLS
    own.mkdir(mode=0o700, exist_ok=True)
    authority = (pki / "ca.crt").read_bytes()
    write_whole(own / "ca.crt", authority)
    bridge = bridge_of(radio)
    if not _is_signed(own / f"{bridge}.crt", authority):
        signer = Authority(authority, (pki / "ca.key").read_bytes())
        issued = signer.issue_device(bridge, now_s=clock.read().wall_s)
        write_whole(own / f"{bridge}.key", issued.key)
        write_whole(own / f"{bridge}.crt", issued.certificate)
    host = settings.bus.tls_host
    return BusAddress(
        host=socket.gethostname() if host in EVERYWHERE else host,
        port=settings.bus.tls_port,
        tls=True,
        ca=f"{TLS}/ca.crt",
        certificates=TLS,
    )


def _is_signed(path: Path, authority: bytes) -> bool:
    """Whether there is a certificate of today's authority."""
    if not path.exists():
        return False
    mine = x509.load_pem_x509_certificate(path.read_bytes())
    return mine.issuer == x509.load_pem_x509_certificate(authority).subject
