"""Makes a property from one file: data folder, keys, inventory, people, the bus's credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from appliance.bus import credentials as bus_credentials
from appliance.bus import device_sheet
from appliance.bus.credentials import BusRole, Credentials
from appliance.bus.device_sheet import BusAddress, DeviceSheet, SheetDevice
from appliance.engines.identity import pins
from appliance.engines.identity.messages import AddStaff
from appliance.engines.inventory.messages import AddDoor
from appliance.kernel import log as kernel_log
from appliance.kernel import rebuild
from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.cose import point_of
from appliance.kernel.deciding import Asking, Deciding
from appliance.kernel.durable import write_whole
from appliance.kernel.log import Log
from appliance.kernel.messages import Answer, Command, Done, Refused, Role, Who
from appliance.kernel.secrets import issuer_key, load_masters, make_master
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import SettingsError, load_settings
from appliance.kernel.vault import Vault, VaultError, open_vault
from appliance.property_file import (
    BadPropertyFileError,
    PropertyFile,
    StaffEntry,
    commands,
    devices,
    read,
)
from appliance.rooms import ENGINES
from appliance.where import OWN_SETTINGS, environment, home, say_and_stop

CORE = "core"
INSTALLER = Who(actor="box:init", role=Role.INSTALLER)
DEVICE_SHEET = "device-sheet.json"
CORE_TOKEN = "bus-core.token"  # noqa: S105 - the name of a file
# A hundred at a time: progress is seen, and a commit is shared.
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run of init did."""

    rooms: int
    devices: int
    staff: int
    refused: tuple[str, ...]


def own_settings(data: Path, run: Path, *, web_port: int, bus_port: int) -> str:
    """The settings file of a property that lives in one folder."""
    return (
        "# Written by `nightporter init`; change what you need, then restart.\n"
        f'data_dir = "{data}"\nrun_dir = "{run}"\n\n'
        f"[web]\nport = {web_port}\n\n[bus]\nport = {bus_port}\n\n"
        '# Whose time is believed: "synchronised", "hardware" or "system".\n'
        '[clock]\ntrust = "system"\n'
    )


@contextmanager
def deciding(settings: Settings, clock: Clock) -> Iterator[tuple[Deciding, Vault]]:
    """The rules over this property's files, without a server: for init and offline verbs."""
    vault = open_vault(settings.keys_file, load_masters(settings.master_file, os.environ))
    db = kernel_log.connect(settings.log_file)
    try:
        rebuild.settle_forms(db, ENGINES)
        yield Deciding(Log(db), vault, clock, ENGINES), vault
    finally:
        db.close()
        vault.close()


def make_property(described: PropertyFile, settings: Settings, clock: Clock) -> Made:
    """Everything of a first run after the settings exist; safe to run again."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    if not settings.master_file.exists() and "CREDENTIALS_DIRECTORY" not in os.environ:
        make_master(settings.master_file)
    wanted = list(commands(described))
    with deciding(settings, clock) as (rules, vault):
        refused = _ask_all(rules, wanted)
        for person in described.staff:
            refused += _ask_all(rules, [_staff(person, vault)])
        sheet = _sheet(described, wanted, settings, vault)
    return Made(
        rooms=sum(key.startswith("init:room:") for key, _ in wanted),
        devices=len(sheet.devices),
        staff=len(described.staff),
        refused=tuple(refused),
    )


def _ask_all(rules: Deciding, wanted: Sequence[tuple[str, Command]]) -> list[str]:
    refused = []
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        decided = rules.carry_out(
            [Asking(command=command, command_id=key, who=INSTALLER) for key, command in part]
        )
        refused += [
            sentence
            for (key, _), one in zip(part, decided, strict=True)
            if (sentence := _refusal(key, one.answer))
        ]
    return refused


def _refusal(key: str, answer: Answer) -> str | None:
    match answer:
        case Done():
            return None
        case Refused(code="exists"):
            return None
        case Refused(engine=engine, code=code):
            return f"{key.removeprefix('init:')}: {engine} says {code}"


def _staff(person: StaffEntry, vault: Vault) -> tuple[str, Command]:
    key = f"init:staff:{person.id}"
    pin = person.pin or click.prompt(f"PIN of {person.name}", hide_input=True)
    command = AddStaff(
        person_id=person.id,
        display_name=person.name,
        staff_roles=person.roles,
        pin_hash=pins.hash_pin(pin, vault, actor=INSTALLER.actor, command_id=key),
    )
    return key, command


def _sheet(
    described: PropertyFile,
    wanted: Sequence[tuple[str, Command]],
    settings: Settings,
    vault: Vault,
) -> DeviceSheet:
    """The bus's credentials and the sheet of what each device must know; tokens are kept."""
    path = settings.data_dir / DEVICE_SHEET
    known = {entry.device: entry for entry in device_sheet.load(path).devices} if path.exists() else {}
    file = settings.bus_credentials_file
    credentials = bus_credentials.load(file) if file.exists() else Credentials(identities={})
    if CORE not in credentials.identities:
        credentials, token = bus_credentials.add(credentials, CORE, BusRole.CORE)
        write_whole(settings.data_dir / CORE_TOKEN, token.encode())
    numbers = {command.device_id: command.number for _, command in wanted if isinstance(command, AddDoor)}
    for command in devices(wanted):
        if command.device_id in known:
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
    bus_credentials.write(file, credentials)
    sheet = DeviceSheet(
        property_id=described.property.id,
        issuer_keys=(point_of(issuer_key(vault).public_key()).hex(),),
        devices=tuple(known.values()),
        bus=BusAddress(host=settings.bus.host, port=settings.bus.port),
    )
    device_sheet.save(path, sheet)
    return sheet


@click.command(epilog="Example: nightporter init --example > riverside.toml")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--example", is_flag=True, help="Print an example file and do nothing else.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The property's folder (default: ~/.local/share/nightporter).",
)
@click.option("--web-port", default=8080, show_default=True, help="Port of desk and guest pages.")
@click.option("--bus-port", default=1883, show_default=True, help="Port of the MQTT broker.")
def init(
    file: Path | None, data: Path | None, web_port: int, bus_port: int, *, example: bool
) -> None:
    """Make a property from FILE: rooms, doors, devices, staff, keys. Safe to run again."""
    if example:
        click.echo((files("appliance") / "example-property.toml").read_text(), nl=False)
        return
    if file is None:
        say_and_stop("name the property's file (an example: `nightporter init --example`).")
    try:
        described = read(file)
        settings = _settings(data, web_port, bus_port)
        made = make_property(described, settings, SystemClock(floor_path=settings.floor_file))
    except (BadPropertyFileError, SettingsError, VaultError, pins.BadPinError) as error:
        say_and_stop(str(error))
    except OSError as error:
        say_and_stop(f"{error.filename} cannot be written: {error.strerror}.")
    for sentence in made.refused:
        click.echo(f"not done: {sentence}", err=True)
    click.echo(
        f"{described.property.title}: {made.rooms} rooms, {made.devices} devices,"
        f" {made.staff} people, in {settings.data_dir}.\n"
        f"Give {settings.data_dir / DEVICE_SHEET} to whoever installs the devices, then keep it"
        " locked away.\nNext: nightporter up" + (f" --data {data}" if data else "")
    )
    if made.refused:
        raise SystemExit(1)


def _settings(data: Path | None, web_port: int, bus_port: int) -> Settings:
    """The settings in force; a folder without any gets its own file."""
    found = environment(data)
    folder = (data or home()).resolve()
    own = folder / OWN_SETTINGS
    if "NIGHTPORTER_CONFIG" in found and not own.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = own_settings(folder, folder / "run", web_port=web_port, bus_port=bus_port)
        write_whole(own, text.encode())
    return load_settings(found).settings
