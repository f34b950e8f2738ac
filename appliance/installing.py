"""What an installer carries to the things: credentials for the bus, their sheet, certificates."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from appliance.bus import credentials as bus_credentials
from appliance.bus import device_sheet
from appliance.bus.certificates import Authority, new_authority
from appliance.bus.credentials import BusRole, Credentials
from appliance.bus.device_sheet import BusAddress, DeviceSheet, SheetDevice
from appliance.bus.driver_sheet import bridge_of
from appliance.driver_installing import in_the_way, without_moved, write_driver
from appliance.engines.doors.credentials import HOUSE_ZONE
from appliance.engines.inventory.messages import AddDoor
from appliance.kernel.clock import Clock
from appliance.kernel.cose import point_of
from appliance.kernel.durable import write_whole
from appliance.kernel.messages import Command
from appliance.kernel.secrets import issuer_key
from appliance.kernel.settings import Settings
from appliance.kernel.vault import Vault
from appliance.property_file import PropertyFile, behind_radios, devices
from appliance.where import CORE, CORE_TOKEN, DEVICE_SHEET

PKI = ("ca.crt", "ca.key", "ca.crl", "broker.crt", "broker.key")
# Where a listener on every address listens; no name to certify.
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How many things have a sheet, and which radios have none yet, each with what to do."""

    devices: int
    later: tuple[str, ...] = ()


def make_pki(settings: Settings, property_id: str, clock: Clock) -> None:
    """The property's own authority and the broker's certificate, for bus.tls_port; made once."""
    folder = settings.data_dir / "pki"
    if all((folder / name).exists() for name in PKI):
        return
    folder.mkdir(exist_ok=True, mode=0o700)
    now_s = clock.read().wall_s
    if (folder / "ca.crt").exists() and (folder / "ca.key").exists():
        # Devices trust this one: whatever is missing beside it is made by it.
        authority = Authority((folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes())
    else:
        authority = new_authority(property_id, now_s=now_s)
        write_whole(folder / "ca.key", authority.key)
        write_whole(folder / "ca.crt", authority.certificate)
    names = [socket.gethostname(), "localhost", "127.0.0.1", settings.bus.tls_host]
    known = [name for name in dict.fromkeys(names) if name not in EVERYWHERE]
    broker = authority.issue_broker(known, now_s=now_s)
    write_whole(folder / "broker.key", broker.key)
    write_whole(folder / "broker.crt", broker.certificate)
    if not (folder / "ca.crl").exists():
        write_whole(folder / "ca.crl", authority.revocations([], now_s=now_s))


def write_sheet(
    described: PropertyFile,
    wanted: Sequence[tuple[str, Command]],
    places: tuple[Settings, Settings],
    vault: Vault,
    clock: Clock,
    groups: Mapping[str, int],
) -> Written:
    """The bus's credentials, the sheet of what each device must know, and one for each radio.

    `groups` are zones of common doors, by door id. Tokens are kept. A thing that has moved behind a radio loses its own name on the bus.
    """
    here, settings = places
    behind = behind_radios(described, wanted)
    path = here.data_dir / DEVICE_SHEET
    known = (
        {entry.device: entry for entry in device_sheet.load(path).devices} if path.exists() else {}
    )
    file = here.bus_credentials_file
    credentials = bus_credentials.load(file) if file.exists() else Credentials(identities={})
    if CORE not in credentials.identities or not (here.data_dir / CORE_TOKEN).exists():
        credentials, token = bus_credentials.add(credentials, CORE, BusRole.CORE)
        write_whole(here.data_dir / CORE_TOKEN, token.encode())
    numbers = {
        command.device_id: command.number for _, command in wanted if isinstance(command, AddDoor)
    }
    zones = {
        command.device_id: _zones(groups.get(command.door_id))
        for _, command in wanted
        if isinstance(command, AddDoor)
    }
    bridges = {bridge_of(radio.id) for radio in described.radio}
    credentials = without_moved(credentials, behind.keys(), bridges, here.data_dir)
    for name in behind:
        known.pop(name, None)
        if credentials.active(name) is not None:
            credentials = bus_credentials.revoke(credentials, name)
    for command in devices(wanted):
        if command.device_id in known or command.device_id in behind:
            continue
        credentials, token = bus_credentials.add(credentials, command.device_id, BusRole.DEVICE)
        known[command.device_id] = SheetDevice(
            device=command.device_id,
            kind=command.kind,
            secret_hex=vault.derive("device-secret", command.device_id).hex(),
            token=token,
            door_number=numbers.get(command.device_id),
            room=command.room_id,
        )
    # A door may have come into a group, or left it, since its sheet was written.
    known = {n: replace(entry, zones=zones.get(n, entry.zones)) for n, entry in known.items()}
    issuer_keys = (point_of(issuer_key(vault).public_key()).hex(),)
    later = []
    for radio in described.radio:
        if (sentence := in_the_way(radio, settings)) is not None:
            later.append(sentence)
            continue
        credentials = write_driver(
            radio,
            credentials,
            behind=behind,
            kinds={command.device_id: command.kind for command in devices(wanted)},
            numbers=numbers,
            zones=zones,
            rooms={command.device_id: command.room_id for command in devices(wanted)},
            issuer_keys=issuer_keys,
            place=described.property,
            places=places,
            vault=vault,
            clock=clock,
        )
    bus_credentials.write(file, credentials)
    sheet = DeviceSheet(
        property_id=described.property.id,
        issuer_keys=issuer_keys,
        devices=tuple(known.values()),
        time_zone=described.property.time_zone,
        bus=BusAddress(host=settings.bus.host, port=settings.bus.port),
    )
    device_sheet.save(path, sheet)
    return Written(devices=len(sheet.devices) + len(behind), later=tuple(later))


def _zones(group: int | None) -> tuple[int, ...]:
    """What a lock answers to beside its own number: the whole house, and its group if it has one."""
    return (HOUSE_ZONE,) if group is None else tuple(dict.fromkeys((HOUSE_ZONE, group)))
