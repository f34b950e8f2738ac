"""What an installer's `init` writes for each radio: credential, sheet, key, a satellite's folder."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
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
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from appliance.bus.words import DeviceKind
    from appliance.kernel.clock import Clock
    from appliance.kernel.settings import Settings
    from appliance.kernel.vault import Vault
    from appliance.placing import Placed, RadioEntry

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


def write_driver(  # noqa: PLR0913 - what one sheet is made of, each by its own name
    radio: RadioEntry,
    credentials: Credentials,
    *,
    behind: Mapping[str, Placed],
    kinds: Mapping[str, DeviceKind],
    numbers: Mapping[str, int],
    rooms: Mapping[str, str | None],
    issuer_keys: Sequence[str],
    property_id: str,
    places: tuple[Settings, Settings],
    vault: Vault,
    clock: Clock,
) -> Credentials:
    """One radio's credential and sheet; tokens and keys that exist are kept."""
    here, settings = places
    folder = here.data_dir / satellite_folder(radio.id) if radio.satellite else here.data_dir
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / sheet_name(radio.id)
    mine = {name: place for name, place in behind.items() if place.radio == radio.id}
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
        property_id=property_id,
        issuer_keys=tuple(issuer_keys),
        token=token,
        things=tuple(
            RadioThing(
                device=name,
                kind=kinds[name],
                secret_hex=vault.derive("device-secret", name).hex(),
                address=place.entry.address,
                protocol=place.entry.protocol,
                door_number=numbers.get(name),
                room=rooms.get(name),
                vendor=place.entry.vendor,
                model=place.entry.model,
                options=dict(place.entry.options),
            )
            for name, place in mine.items()
        ),
        options=dict(radio.options),
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
