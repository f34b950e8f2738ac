"""Makes a property from one file: data folder, keys, inventory, people, the bus's credentials."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from appliance.bus import credentials as bus_credentials
from appliance.bus import device_sheet
from appliance.driver_installing import fittings
from appliance.engines.identity import pins
from appliance.engines.identity.messages import AddStaff
from appliance.engines.inventory.messages import DoorShared
from appliance.engines.inventory.room import STREAM as INVENTORY
from appliance.installing import make_pki, write_sheet
from appliance.kernel import log as kernel_log
from appliance.kernel import rebuild
from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.deciding import Asking, Deciding
from appliance.kernel.durable import sync_directory, write_whole
from appliance.kernel.log import Log
from appliance.kernel.messages import Answer, Command, Done, Refused, Role, Who
from appliance.kernel.secrets import load_masters, make_master
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import SettingsError, load_settings
from appliance.kernel.vault import Vault, VaultError, open_vault
from appliance.plan import listens
from appliance.property_file import (
    BadPropertyFileError,
    PropertyEntry,
    PropertyFile,
    StaffEntry,
    behind_radios,
    commands,
    read,
)
from appliance.rooms import ENGINES
from appliance.where import (
    DEVICE_SHEET,
    OWN_SETTINGS,
    environment,
    own_folder,
    say_and_stop,
)

INSTALLER = Who(actor="box:init", role=Role.INSTALLER)
SCRATCH = ".init-"
# A hundred at a time: a commit is shared, and nothing else waits.
BATCH = 100


class NotMadeError(Exception):
    """The property cannot be made or extended as it is; nothing was changed. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run of init did: counts of what the property has now, and what was not done."""

    rooms: int
    devices: int
    staff: int
    facts: int  # new ones; 0 when all was there
    differing: tuple[str, ...]  # there already, in another form
    refused: tuple[str, ...]
    later: tuple[str, ...] = ()  # what waits for a change of the settings


def own_settings(
    data: Path | str = ".",
    run: Path | str = "run",
    *,
    web_port: int,
    bus_port: int,
    place: PropertyEntry | None = None,
) -> str:
    """The settings file of a property that lives in one folder, wherever that folder is."""
    named = "" if place is None else _named(place)
    return (
        "# Written by `nightporter init`; change what you need, then restart.\n"
        "# Paths are seen from this file's folder. `nightporter settings` explains every key.\n"
        f'data_dir = "{data}"\nrun_dir = "{run}"\n\n{named}'
        f"[web]\nport = {web_port}\n\n[bus]\nport = {bus_port}\n\n"
        '# Whose time is believed: "synchronised", "hardware" or "system".\n'
        '[clock]\ntrust = "system"\n'
    )


def _named(place: PropertyEntry) -> str:
    # JSON's texts are TOML's too.
    name = json.dumps(place.title, ensure_ascii=False)
    return f"[property]\nid = {json.dumps(place.id)}\nname = {name}\n\n"


def ask_pins(described: PropertyFile, known: Sequence[str]) -> Mapping[str, str]:
    """The PIN of everybody who is new here, by person; asked for where the file has none.

    Raises BadPropertyFileError, which never quotes a PIN.
    """
    found = {}
    for person in described.staff:
        if person.id in known:
            continue
        if person.pin is None:
            found[person.id] = _prompted(person)
            continue
        try:
            pins.check(person.pin)
        except pins.BadPinError as error:
            raise BadPropertyFileError(f"the PIN of {person.name}: {error}") from error
        found[person.id] = person.pin
    return found


def _prompted(person: StaffEntry) -> str:
    def good(typed: str) -> str:
        try:
            pins.check(typed)
        except pins.BadPinError as error:
            raise click.BadParameter(str(error)) from error
        return typed

    asked = f"PIN of {person.name}"
    pin: str = click.prompt(asked, hide_input=True, confirmation_prompt=True, value_proc=good)
    return pin


def make_property(described: PropertyFile, settings: Settings, clock: Clock) -> Made:
    """Make the property, or add what is new; safe to run again. Raises NotMadeError, OSError.

    A new one grows in a scratch folder and moves in when it is whole, the log last: an init that
    was cut short is simply done again.
    """
    new_pins = ask_pins(described, known_staff(settings))
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    if listens(settings.command_socket):
        # The log has one writer.
        raise NotMadeError("the box is running: stop it, then add to it.")
    if settings.bus.tls_port:
        make_pki(settings, described.property.id, clock)
    if settings.log_file.exists():
        return _fill(described, settings, settings, new_pins, clock)
    if settings.keys_file.exists():
        raise NotMadeError(
            f"{settings.data_dir} holds keys but no log: restore a backup, or move keys.db away."
        )
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=SCRATCH) as name:
        scratch = settings.model_copy(update={"data_dir": Path(name)})
        if not settings.master_file.exists() and "CREDENTIALS_DIRECTORY" not in os.environ:
            make_master(scratch.master_file)
        made = _fill(described, scratch, settings, new_pins, clock)
        if made.refused:
            raise NotMadeError("; ".join(made.refused))
        for path in sorted(Path(name).iterdir(), key=lambda path: path.name == "log.db"):
            path.rename(settings.data_dir / path.name)
        sync_directory(settings.data_dir)
    return made


def _fill(
    described: PropertyFile,
    here: Settings,
    settings: Settings,
    new_pins: Mapping[str, str],
    clock: Clock,
) -> Made:
    """Decide everything over the files of `here`; `settings` are those in force."""
    masters = settings if settings.master_file.exists() else here
    wanted = list(commands(described))
    with _deciding(here, masters, clock) as (rules, vault):
        before = rules.log.head.position
        said = _ask_all(rules, [(_id(key, command), command) for key, command in wanted])
        for person in described.staff:
            if (pin := new_pins.get(person.id)) is not None:
                said += _ask_all(rules, [_staff(person, pin, vault)])
        written = write_sheet(described, wanted, (here, settings), vault, clock, _groups(rules.log))
        said += _ask_all(rules, _fittings(described, wanted, here.data_dir, before))
        facts = rules.log.head.position - before
    return Made(
        rooms=sum(key.startswith("init:room:") for key, _ in wanted),
        devices=written.devices,
        staff=len(described.staff),
        facts=facts,
        differing=tuple(what for what, code in said if code == "exists"),
        refused=tuple(f"{what}: {code}" for what, code in said if code != "exists"),
        later=written.later,
    )


def _groups(log: Log) -> dict[str, int]:
    """The zones that common doors were given since, by door id; the property's file has none."""
    shared = {
        event.door_id: event.zone
        for event in log.events_of(INVENTORY)
        if isinstance(event, DoorShared)
    }
    return {door_id: zone for door_id, zone in shared.items() if zone is not None}


def _fittings(
    described: PropertyFile, wanted: Sequence[tuple[str, Command]], folder: Path, position: int
) -> list[tuple[str, Command]]:
    behind = behind_radios(described, wanted)
    # By the position too: a door that goes back to its old radio is fitted again, and what is so
    # already makes no fact.
    return [
        (_id(f"init:fitting:{command.door_id}:{position}", command), command)
        for command in fittings(wanted, behind, described.radio, folder)
    ]


@contextmanager
def _deciding(here: Settings, masters: Settings, clock: Clock) -> Iterator[tuple[Deciding, Vault]]:
    """The rules over a property's files, without a server."""
    vault = open_vault(here.keys_file, load_masters(masters.master_file, os.environ))
    if not here.log_file.exists():
        # 0600 from the first moment; SQLite gives its -wal and -shm the same mode.
        os.close(os.open(here.log_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = kernel_log.connect(here.log_file)
    try:
        rebuild.settle_forms(db, ENGINES)
        yield Deciding(Log(db), vault, clock, ENGINES), vault
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
        vault.close()


def _id(key: str, command: Command) -> str:
    """The same entry is the same command for ever; a corrected one is another."""
    body = f"{key} {command!r}".encode()
    return f"{key}:{hashlib.sha256(body).hexdigest()[:12]}"


def _ask_all(rules: Deciding, wanted: Sequence[tuple[str, Command]]) -> list[tuple[str, str]]:
    """(entry, code) of everything that was refused."""
    refused = []
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        decided = rules.carry_out(
            [Asking(command=command, command_id=key, who=INSTALLER) for key, command in part]
        )
        for (key, _), one in zip(part, decided, strict=True):
            if (code := _code(one.answer)) is not None:
                refused.append((" ".join(key.split(":")[1:3]), code))
    return refused


def _code(answer: Answer) -> str | None:
    match answer:
        case Done():
            return None
        case Refused(engine="kernel", code=code, detail=detail):
            return " ".join([code, *(str(value) for value in detail.values())])
        case Refused(code=code):
            return code


def _staff(person: StaffEntry, pin: str, vault: Vault) -> tuple[str, Command]:
    key = f"init:staff:{person.id}"
    command = AddStaff(
        person_id=person.id,
        display_name=person.name,
        staff_roles=person.roles,
        pin_hash=pins.hash_pin(pin, vault, actor=INSTALLER.actor, command_id=key),
    )
    return _id(key, command), command


def known_staff(settings: Settings) -> list[str]:
    """Who is on the staff of a property that exists, or was once: they are asked for no PIN."""
    if not settings.log_file.exists():
        return []
    with closing(sqlite3.connect(f"file:{settings.log_file}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT person_id FROM identity_staff")]


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
        with _settings(described, data, web_port, bus_port) as settings:
            made = make_property(described, settings, SystemClock(floor_path=settings.floor_file))
    except (
        BadPropertyFileError,
        NotMadeError,
        SettingsError,
        VaultError,
        bus_credentials.CredentialsError,
        device_sheet.BadSheetError,
    ) as error:
        say_and_stop(str(error))
    except sqlite3.Error as error:
        say_and_stop(f"the log cannot be used ({error}): run `nightporter doctor`.")
    except OSError as error:
        say_and_stop(f"{error.filename} cannot be written: {error.strerror}.")
    _tell(described, settings, made, data)


def _tell(described: PropertyFile, settings: Settings, made: Made, data: Path | None) -> None:
    for what in made.differing:
        click.echo(f"left as it is: {what} is there already, in another form.", err=True)
    for sentence in made.refused:
        click.echo(f"not done: {sentence}", err=True)
    for sentence in made.later:
        click.echo(f"not done yet: {sentence}.", err=True)
    news = f"{made.facts} new facts" if made.facts else "nothing was new"
    click.echo(
        f"{described.property.title}: {made.rooms} rooms, {made.devices} devices,"
        f" {made.staff} people, in {settings.data_dir}; {news}.\n"
        f"Give {settings.data_dir / DEVICE_SHEET} to whoever installs the devices, then keep it"
        " locked away.\nNext: nightporter up" + (f" --data {data}" if data else "")
    )
    if made.refused:
        raise SystemExit(1)


@contextmanager
def _settings(
    described: PropertyFile, data: Path | None, web_port: int, bus_port: int
) -> Iterator[Settings]:
    """The settings in force. A folder without any gets its own file, if the rest succeeds."""
    folder = own_folder(data)
    made: list[Path] = []
    if folder is not None and not (folder / OWN_SETTINGS).exists():
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            made.append(folder)
        text = own_settings(web_port=web_port, bus_port=bus_port, place=described.property)
        write_whole(folder / OWN_SETTINGS, text.encode())
        made.append(folder / OWN_SETTINGS)
        made.append(folder / "run")
    try:
        yield load_settings(environment(data)).settings
    except BaseException:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        raise
