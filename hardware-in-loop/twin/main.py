"""The verb `nightporter twin`: a simulated property as a process of its own."""

from __future__ import annotations

import asyncio
import logging
import signal
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from aiohttp import web

from appliance.bus.device_sheet import BadSheetError, DeviceSheet, load
from appliance.kernel.clock import Clock, ClockTrust, SystemClock
from appliance.kernel.tasks import Nursery
from twin.ble.verb import air, be_lock
from twin.control import Control
from twin.journal import Journal
from twin.property import Property, Surroundings, mqtt_wire
from twin.weather import Curve, Recorded, Weather
from twin.zigbee.verb import stick

if TYPE_CHECKING:
    from twin.clouds.serve import Clouds

LOOPBACK = "127.0.0.1"
SHUTDOWN_S = 0.2
# The twin answers in milliseconds; a machine that is busy starting things takes a second.
ANSWER_S_MAX = 10.0
LINE_SAYS = {
    "cut": "The line is cut: neither cloud can be reached.",
    "heal": "The line is whole again.",
    "slow": "The line is slow.",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one twin process is asked to be."""

    sheet: DeviceSheet
    journal: Path
    state: Path
    clouds: bool = False
    control_port: int = 0
    ready_file: Path | None = None
    weather: Weather = field(default_factory=Curve)
    seed: int = 0


@click.group(epilog="Example: nightporter twin line cut --at http://127.0.0.1:8700")
def twin() -> None:
    """A simulated property: locks, thermostats, sensors, clouds and the line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


twin.add_command(stick)
twin.add_command(air)

_SHEET = click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="The device sheet that `nightporter init` wrote.",
)
_JOURNAL = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the twin writes down what really happened (JSON lines, appended to).",
)
_STATE = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder of the devices' flash. Default: `twin` beside the sheet.",
)
_PORT = click.option("--control-port", type=click.IntRange(0, 65_535), default=0, help="0: any.")
_READY = click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Written with the addresses once everything is up.",
)


@twin.command(
    epilog="Example: nightporter twin up --sheet ~/riverside/device-sheet.json"
    " --journal journal.jsonl --clouds"
)
@_SHEET
@_JOURNAL
@_STATE
@_PORT
@_READY
@click.option("--clouds", is_flag=True, help="Run the PMS and payment clouds and the line too.")
@click.option(
    "--climate",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="Outside temperatures from a file like room-climate-uci.csv.gz instead of a curve.",
)
@click.option("--seed", type=int, default=0, help="Of everything left to chance.")
def up(  # noqa: PLR0913 - one parameter per option, as click wants it
    *,
    sheet: Path,
    journal: Path,
    state: Path | None,
    control_port: int,
    ready_file: Path | None,
    clouds: bool,
    climate: Path | None,
    seed: int,
) -> None:
    """Run a whole property until SIGTERM or Ctrl-C."""
    work = Work(
        sheet=_load(sheet),
        journal=journal,
        state=state or sheet.parent / "twin",
        clouds=clouds,
        control_port=control_port,
        ready_file=ready_file,
        weather=Curve() if climate is None else Recorded(climate),
        seed=seed,
    )
    _run(work)


@twin.command(
    epilog="Example: nightporter twin lock lock-204 --sheet ~/riverside/device-sheet.json"
    " --journal journal.jsonl"
)
@_SHEET
@_JOURNAL
@_STATE
@_PORT
@_READY
@click.option(
    "--hci",
    default=None,
    help="Be an NPK lock on this Bluetooth controller instead: tcp-client:HOST:PORT (see `twin"
    " air`), usb:0, serial:/dev/ttyACM0. The sheet may be a driver's.",
)
@click.option("--address", default=None, help="With --hci: its Bluetooth address. Default: random.")
@click.argument("device")
def lock(  # noqa: PLR0913 - one parameter per option, as click wants it
    *,
    sheet: Path,
    journal: Path,
    state: Path | None,
    control_port: int,
    ready_file: Path | None,
    hci: str | None,
    address: str | None,
    device: str,
) -> None:
    """Run the one lock (or other thing) DEVICE of the sheet."""
    if hci is not None:
        be_lock(
            sheet=sheet,
            device=device,
            hci=hci,
            journal=journal,
            state=state or sheet.parent / "twin",
            address=address,
        )
        return
    whole = _load(sheet)
    one = tuple(d for d in whole.devices if d.device == device)
    if not one:
        raise click.ClickException(f"{sheet} has no device {device}")
    work = Work(
        sheet=replace(whole, devices=one),
        journal=journal,
        state=state or sheet.parent / "twin",
        control_port=control_port,
        ready_file=ready_file,
    )
    _run(work)


@twin.command(epilog="Example: nightporter twin line cut --at http://127.0.0.1:8700")
@click.argument("state", type=click.Choice(["cut", "heal", "slow"]))
@click.option("--at", required=True, help="The twin's address, as `twin up` or `demo` printed it.")
def line(state: str, at: str) -> None:
    """Cut, heal or slow the line between the box and the clouds of a running twin."""
    asked = urllib.request.Request(  # noqa: S310 - the address is the user's own word
        f"{at.rstrip('/')}/line",
        data=msgspec.json.encode({"state": state}),
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_S_MAX):  # noqa: S310 - as above
            pass
    except (OSError, ValueError) as why:
        raise click.ClickException(f"no twin answers at {at}: {why}") from None
    click.echo(LINE_SAYS[state])


async def serve(work: Work, clock: Clock) -> int:
    """Run until SIGTERM, SIGINT or the death of a part; returns the process's exit status."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    died: list[str] = []

    def on_death(name: str, error: BaseException | None) -> None:
        died.append(name)
        logger.error("%s ended (%r), so the twin ends", name, error)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    nursery = Nursery(on_death)
    journal = Journal(work.journal, clock)
    house = Property(
        work.sheet,
        wire=mqtt_wire(work.sheet, clock=clock, nursery=nursery),
        clock=clock,
        nursery=nursery,
        journal=journal,
        around=Surroundings(folder=work.state, weather=work.weather, seed=work.seed),
    )
    if house.left_out:
        logger.warning("not simulated: %s", ", ".join(house.left_out))
    clouds = await _clouds(journal, clock, nursery) if work.clouds else None
    control = Control(house, clock=clock, nursery=nursery, journal=journal)
    runner = web.AppRunner(
        control.app(_cloud_routes(clouds)), access_log=None, shutdown_timeout=SHUTDOWN_S
    )
    try:
        await runner.setup()
        await _listen(runner, work.control_port)
        await house.start()
        _say_ready(work.ready_file, _addresses(runner, clouds))
        await stop.wait()
    finally:
        await house.close()
        await runner.cleanup()
        if clouds is not None:
            await clouds.close()
        await nursery.close()
        journal.close()
        if work.ready_file is not None:
            work.ready_file.unlink(missing_ok=True)
    return 1 if died else 0


async def _clouds(journal: Journal, clock: Clock, nursery: Nursery) -> Clouds:
    # Only here: a twin without clouds starts without loading them.
    from twin.clouds.serve import serve as serve_clouds  # noqa: PLC0415
    from twin.line import Line  # noqa: PLC0415

    return await serve_clouds(journal, clock, Line(journal, clock, nursery), nursery, LOOPBACK)


def _cloud_routes(clouds: Clouds | None) -> list[web.RouteDef]:
    if clouds is None:
        return []
    from twin.clouds.control import control_routes  # noqa: PLC0415 - as above

    return control_routes(clouds)


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
    except OSError as why:
        raise click.ClickException(
            f"the twin's control port {port} is taken: pass another --control-port ({why.strerror})"
        ) from None


def _addresses(runner: web.AppRunner, clouds: Clouds | None) -> dict[str, Any]:
    found: dict[str, Any] = {"control": f"http://{LOOPBACK}:{runner.addresses[0][1]}"}
    if clouds is not None:
        found |= {"pms": clouds.pms_url, "payments": clouds.payments_url}
    return found


def _say_ready(ready_file: Path | None, addresses: dict[str, Any]) -> None:
    said = msgspec.json.encode(addresses)
    if ready_file is not None:
        fresh = ready_file.with_suffix(ready_file.suffix + ".new")
        fresh.write_bytes(said)
        fresh.replace(ready_file)
    click.echo(f"ready {said.decode()}")


def _load(path: Path) -> DeviceSheet:
    try:
        return load(path)
    except (BadSheetError, OSError) as why:
        raise click.ClickException(str(why)) from None


def _run(work: Work) -> None:
    # The world's clock is the system's: what is simulated is the devices' own.
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    status = asyncio.run(serve(work, clock))
    if status:
        raise SystemExit(status)
