"""The sync role: composition root, and the words a person may say to it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from appliance.kernel.clock import Clock, SystemClock
from appliance.kernel.discreet import start_logging, where
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import SettingsError, load_settings
from appliance.kernel.tasks import Nursery
from appliance.kernel.vault import VaultError
from sync.control import SyncAwayError, ask, serve
from sync.home import Home, SocketHome
from sync.manners import utc_text
from sync.running import Running
from sync.settings import SyncSettings, SyncUnsetError, from_box
from sync.transport import HttpTransport, Transport

# sysexits.h EX_CONFIG: starting it again will not help, a person must change something.
EXIT_CONFIG = 78
EXIT_AWAY = 69
EXIT_USAGE = 64

logger = logging.getLogger(__name__)


async def run(
    settings: SyncSettings, clock: Clock, home: Home, transport: Transport, nursery: Nursery
) -> Running:
    """Build and start one sync role in the running loop; its tasks live in the nursery.

    End it by closing the nursery, then `Running.close()`.
    """
    running = Running(settings, clock=clock, home=home, transport=transport, nursery=nursery)
    running.start()
    return running


@click.group(invoke_without_command=True, epilog="Example: nightporter sync status")
@click.option(
    "--config",
    "files",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="A settings file that goes over the others.",
)
@click.pass_context
def sync(context: click.Context, files: tuple[Path, ...]) -> None:
    """Carry effects to the PMS and the payment service, and bring home what they say."""
    try:
        context.obj = load_settings(os.environ, files).settings
    except SettingsError as error:
        _stop(str(error), EXIT_CONFIG)
    if context.invoked_subcommand is None:
        settings: Settings = context.obj
        start_logging(settings.log_level.upper())
        try:
            told = from_box(settings, os.environ)
        except (SyncUnsetError, VaultError) as error:
            _stop(str(error), EXIT_CONFIG)
        sys.exit(asyncio.run(_serve(settings, told)))


@sync.command(epilog="Example: nightporter sync status")
@click.pass_obj
def status(settings: Settings) -> None:
    """Show each counterparty, what waits, and what waits for a person."""
    said = _ask(settings, ["status"])["status"]
    for each in said["counterparties"]:
        _say_counterparty(each, said["now_ms"])
    for each in said.get("webhooks", ()):
        click.echo(_webhooks(each, said["now_ms"]))
    for each in said["parked"]:
        click.echo(f"parked {each['id']}  since {utc_text(each['since_ms'])}  {each['sentence']}")
    if said["unknown_payments"]:
        click.echo(f"{said['unknown_payments']} payments whose outcome is not known yet")


@sync.command(epilog="Example: nightporter sync explain eff_7k2")
@click.argument("name", metavar="ID")
@click.pass_obj
def explain(settings: Settings, name: str) -> None:
    """Tell the whole story of one effect."""
    _say_lines(settings, ["explain", name])


@sync.command(epilog="Example: nightporter sync retry eff_7k2")
@click.argument("name", metavar="ID")
@click.pass_obj
def retry(settings: Settings, name: str) -> None:
    """Try a parked effect again; it is looked up at the vendor before anything is sent."""
    _say_lines(settings, ["retry", name])


@sync.command(epilog="Example: nightporter sync edit eff_7k2 room=204")
@click.argument("name", metavar="ID")
@click.argument("changes", metavar="FIELD=VALUE", nargs=-1, required=True)
@click.pass_obj
def edit(settings: Settings, name: str, changes: tuple[str, ...]) -> None:
    """Change what a parked act tells the vendor (room, departure, ...), and try it again."""
    if strange := [each for each in changes if "=" not in each]:
        _stop(f"{strange[0]!r} is no FIELD=VALUE, such as room=204", EXIT_USAGE)
    _say_lines(settings, ["edit", name, *changes])


@sync.command(epilog="Example: nightporter sync done eff_7k2")
@click.argument("name", metavar="ID")
@click.pass_obj
def done(settings: Settings, name: str) -> None:
    """Say that a person did a parked effect at the vendor."""
    _say_lines(settings, ["done", name])


@sync.command(epilog="Example: nightporter sync feeds accept sea-101")
@click.argument("words", metavar="[accept NAME]", nargs=-1)
@click.pass_obj
def feeds(settings: Settings, words: tuple[str, ...]) -> None:
    """Show the calendar feeds, or take for gone what vanished from a frozen one."""
    if words and (words[0] != "accept" or len(words) != 2):
        raise click.UsageError("say `feeds`, or `feeds accept NAME`")
    _say_lines(settings, ["feeds", *words])


async def _serve(settings: Settings, told: SyncSettings) -> int:
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
    clock = SystemClock(floor_path=settings.floor_file, trust=settings.clock.trust)
    nursery = Nursery(died)
    home = SocketHome(settings.command_socket, clock=clock, nursery=nursery)
    transport = HttpTransport()
    running = await run(told, clock, home, transport, nursery)
    try:
        async with serve(running, settings.run_dir / "sync.sock"):
            return await ended
    finally:
        await nursery.close()
        await home.close()
        await transport.close()
        running.close()


def _ask(settings: Settings, words: list[str]) -> dict[str, Any]:
    try:
        return ask(settings.run_dir / "sync.sock", words)
    except SyncAwayError as error:
        _stop(str(error), EXIT_AWAY)


def _say_lines(settings: Settings, words: list[str]) -> None:
    for line in _ask(settings, words)["lines"]:
        click.echo(line)


def _say_counterparty(each: dict[str, Any], now_ms: int) -> None:
    heard = each["last_confirmed_ms"]
    age = "never heard from" if heard is None else f"last heard {_age(now_ms - heard)} ago"
    oldest = "" if each["oldest_ms"] is None else f", oldest {_age(now_ms - each['oldest_ms'])}"
    click.echo(
        f"{each['name']}: {each['state']}, {age}, {each['queued']} waiting{oldest}"
        f"{'. ' + each['sentence'] if each['sentence'] else ''}"
    )


def _webhooks(each: dict[str, Any], now_ms: int) -> str:
    if each["source"] == "relay":
        heard_ms = each["heard_ms"]
        age = (
            "never heard from" if heard_ms is None else f"last heard {_age(now_ms - heard_ms)} ago"
        )
        return f"relay: {age}{'. ' + each['sentence'] if each['sentence'] else ''}"
    waiting, oldest_ms = each.get("waiting", 0), each.get("oldest_ms")
    oldest = "" if oldest_ms is None else f", oldest {_age(now_ms - oldest_ms)}"
    text = f"webhooks of {each['source']}: {waiting} waiting{oldest}"
    for word, what in (
        ("quarantined", "not verified yet"),
        ("count_new", "taken since the start"),
        ("count_known", "known already"),
        ("count_unproven", "without proof"),
        ("count_age_wrong", "too old or in the future"),
        ("count_away", "that could not be stored"),
    ):
        text += f", {each[word]} {what}" if each.get(word) else ""
    return text if each.get("listening") else f"{text}. Nobody here acts on them yet"


def _age(ms: int) -> str:
    seconds = max(0, ms // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _stop(sentence: str, code: int) -> NoReturn:
    click.echo(f"nightporter: {sentence}", err=True)
    sys.exit(code)
