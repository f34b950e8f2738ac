"""The verb `nightporter driver RADIO`: composition root of one driver process."""

from __future__ import annotations

import asyncio
import datetime as dt
import fcntl
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import click

from appliance.bus import driver_sheet
from appliance.bus.client import BusSettings, MqttBus, TlsFiles
from appliance.bus.device_sheet import BadSheetError, BusAddress
from appliance.bus.driver_sheet import DriverSheet, bridge_of, key_name, sheet_name
from appliance.bus.words import DeviceKind
from appliance.kernel import cose
from appliance.kernel.clock import SystemClock
from appliance.kernel.cose import point_of
from appliance.kernel.discreet import start_logging, where
from appliance.kernel.durable import write_whole
from appliance.kernel.settings_files import SettingsError, load_settings
from appliance.kernel.tasks import Nursery
from drivers.doorman import Doorman
from drivers.judge import DoorFacts, Judge
from drivers.keep import Keep, KeepNotDurableError, connect
from drivers.local_time import zone_named
from drivers.memory import Memory
from drivers.port import NeedsPersonError
from drivers.radios import NoSuchRadioError, Setting, Thing, factory_of
from drivers.running import Parts, run
from drivers.switchboard import will_of

# sysexits.h EX_CONFIG: starting it again will not help, a person must change something.
EXIT_CONFIG = 78
# The name by which every role finds the same settings (appliance/where.py).
ENVIRONMENT = "NIGHTPORTER_CONFIG"
OWN_SETTINGS = "nightporter.toml"
# Their DEBUG lines hold frames, and frames hold PINs.
TALKATIVE = ("zigpy", "zigpy_znp", "bellows", "serialx", "bleak", "bumble", "aiohttp", "mqttium")

logger = logging.getLogger(__name__)


class RadioInUseError(Exception):
    """Another process has this radio's file; it may be one that is just ending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one driver process is told: its sheet, where its files are, whose clock it reads."""

    sheet: DriverSheet
    folder: Path
    clock: SystemClock
    ready_file: Path | None = None


@click.command(epilog="Example: nightporter driver ble0 --data ~/riverside")
@click.argument("radio")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The property's folder, on the box itself (default: $NIGHTPORTER_CONFIG decides).",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="On a satellite: the sheet that `nightporter init` wrote for this radio.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Written once orders are taken (the radio itself may still be away).",
)
def driver(radio: str, data: Path | None, sheet: Path | None, ready_file: Path | None) -> None:
    """Drive one radio and the things behind it, until SIGTERM."""
    try:
        work = _on_satellite(radio, sheet) if sheet is not None else _on_box(radio, data)
    except (BadSheetError, SettingsError) as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"{error.filename} cannot be read: {error.strerror}. Run `nightporter init FILE`.")
    _hush()
    sys.exit(asyncio.run(_drive(replace(work, ready_file=ready_file))))


def _on_box(radio: str, data: Path | None) -> Work:
    surroundings = dict(os.environ)
    if data is not None:
        surroundings[ENVIRONMENT] = str(data.absolute() / OWN_SETTINGS)
    settings = load_settings(surroundings).settings
    start_logging(settings.log_level.upper())
    sheet = driver_sheet.load(settings.data_dir / sheet_name(radio))
    # The box's own broker, wherever its settings have it by now.
    bus = BusAddress(host=settings.bus.host, port=settings.bus.port)
    return Work(
        sheet=replace(sheet, bus=bus),
        folder=settings.data_dir,
        clock=SystemClock(floor_path=settings.floor_file, trust=settings.clock.trust),
    )


def _on_satellite(radio: str, path: Path) -> Work:
    start_logging("INFO")
    sheet = driver_sheet.load(path)
    if sheet.radio != radio:
        raise BadSheetError(f"{path} is the sheet of {sheet.radio}, not of {radio}")
    folder = path.absolute().parent
    return Work(
        sheet=replace(sheet, satellite=True),
        folder=folder,
        clock=SystemClock(floor_path=folder / "clock.floor"),
    )


async def _drive(work: Work) -> int:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    def died(name: str, error: BaseException | None) -> None:
        logger.error("%s ended: %s", name, "stopped" if error is None else where(error))
        end(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, 0)
    nursery = Nursery(died)
    try:
        with _held(work) as db:
            return await _serve(work, db, nursery, ended)
    except (BadSheetError, NoSuchRadioError, NeedsPersonError, KeepNotDurableError) as error:
        _stop(str(error))
    except RadioInUseError as error:
        click.echo(f"nightporter: {error}", err=True)
        return 1


async def _serve(
    work: Work, db: sqlite3.Connection, nursery: Nursery, ended: asyncio.Future[int]
) -> int:
    sheet, clock = work.sheet, work.clock
    bus = MqttBus(_bus_settings(work), clock=clock, nursery=nursery)
    setting = setting_of(work, bus, nursery)
    point = point_of(setting.presser.public_key())
    mark = work.folder / f"{sheet.bridge}.restored"
    running = await run(
        Parts(
            radio=factory_of(sheet.kind)(setting),
            names=[thing.device for thing in sheet.things],
            db=db,
            bus=bus,
            clock=clock,
            nursery=nursery,
            hire=lambda keep, name: hire(setting, keep, name, point),
            point=point,
            shares_clock=not sheet.satellite,
            restored=mark.exists(),
        )
    )
    mark.unlink(missing_ok=True)
    bus.start()
    if sheet.satellite:
        nursery.mortal("clock floor", clock.keep_floor())
    if work.ready_file is not None:
        write_whole(work.ready_file, point.hex().encode())
    try:
        return await ended
    finally:
        await running.finish()
        await bus.close()
        await nursery.close()


def setting_of(work: Work, bus: MqttBus, nursery: Nursery) -> Setting:
    """What the radio's own factory is given."""
    sheet = work.sheet
    folder = work.folder / bridge_of(sheet.radio)
    folder.mkdir(mode=0o700, exist_ok=True)
    things = tuple(
        Thing(
            name=thing.device,
            kind=thing.kind,
            address=thing.address,
            protocol=thing.protocol,
            secret=thing.secret,
            door_number=thing.door_number,
            zones=thing.zones,
            room=thing.room,
            vendor=thing.vendor,
            model=thing.model,
            options=thing.options,
        )
        for thing in sheet.things
    )
    return Setting(
        id=sheet.radio,
        kind=sheet.kind,
        bridge=sheet.bridge,
        things=things,
        clock=work.clock,
        nursery=nursery,
        folder=folder,
        property_id=sheet.property_id,
        issuer_points=sheet.issuer_points,
        presser=driver_sheet.presser_key(work.folder / key_name(sheet.radio)),
        options=sheet.options,
        bus=bus,
    )


def hire(setting: Setting, keep: Keep, name: str, point: bytes) -> Doorman | None:
    """Somebody to stand at a door whose lock may not be able to verify a key."""
    thing = next(one for one in setting.things if one.name == name)
    if thing.kind is not DeviceKind.LOCK or thing.door_number is None:
        return None
    door = DoorFacts(
        door_number=thing.door_number,
        property_id=setting.property_id,
        issuers=cose.issuers(setting.issuer_points),
        zones=frozenset(thing.zones),
    )
    judge = Judge(door, Memory(keep, name))
    return Doorman(name, judge, secret=thing.secret, presser=point, zone=_zone(setting))


def _zone(setting: Setting) -> dt.tzinfo | None:
    """The property's, from the sheet; None in one that was written before sheets had it."""
    name = setting.options.get("time_zone")
    try:
        return None if name is None else zone_named(str(name))
    except ValueError as error:
        raise NeedsPersonError(str(error)) from error


def _bus_settings(work: Work) -> BusSettings:
    sheet = work.sheet
    tls = None
    if sheet.bus.tls and sheet.bus.ca is not None and sheet.bus.certificates is not None:
        folder = work.folder / sheet.bus.certificates
        tls = TlsFiles(
            authority=work.folder / sheet.bus.ca,
            certificate=folder / f"{sheet.bridge}.crt",
            key=folder / f"{sheet.bridge}.key",
        )
    return BusSettings(
        identity=sheet.bridge,
        token=sheet.token or None,
        host=sheet.bus.host,
        port=sheet.bus.port,
        tls=tls,
        will=will_of(sheet.bridge),
    )


@contextmanager
def _held(work: Work) -> Generator[sqlite3.Connection, None, None]:
    """The radio's file, for this process alone: two would each send what the other has begun."""
    path = work.folder / f"{work.sheet.bridge}.db"
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RadioInUseError(f"another process drives {work.sheet.radio}") from None
        db = connect(path)
        try:
            yield db
        finally:
            db.close()
    finally:
        os.close(lock)


def _hush() -> None:
    for name in TALKATIVE:
        # Their INFO tells of every frame; their DEBUG quotes PINs.
        logging.getLogger(name).setLevel(logging.WARNING)


def _stop(sentence: str) -> NoReturn:
    click.echo(f"nightporter: {sentence}", err=True)
    sys.exit(EXIT_CONFIG)


if __name__ == "__main__":
    driver()
