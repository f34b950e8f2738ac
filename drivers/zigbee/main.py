"""The verb `nightporter zigbee`: what an installer asks of a running Zigbee driver."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from appliance.bus.driver_sheet import bridge_of
from appliance.bus.words import DeviceKind
from appliance.kernel.settings_files import SettingsError, load_settings

# The name by which every role finds the same settings (appliance/where.py).
ENVIRONMENT: Final = "NIGHTPORTER_CONFIG"
OWN_SETTINGS: Final = "nightporter.toml"
SOCKET: Final = "zigbee.sock"
# The longest question: a window of 254 s, and a channel move of a minute in a busy house.
ANSWER_S_MAX: Final = 300.0


@click.group(epilog="Example: nightporter zigbee --data ~/riverside permit 101")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The property's folder (default: $NIGHTPORTER_CONFIG decides).",
)
@click.option("--radio", default="zigbee0", show_default=True, help="Which stick.")
@click.pass_context
def zigbee(ctx: click.Context, data: Path | None, radio: str) -> None:
    """Take things into a Zigbee network and look after it, while its driver runs."""
    surroundings = dict(os.environ)
    if data is not None:
        surroundings[ENVIRONMENT] = str(data.absolute() / OWN_SETTINGS)
    try:
        folder = load_settings(surroundings).settings.data_dir
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    ctx.obj = folder / bridge_of(radio) / SOCKET


@zigbee.command(epilog="Example: nightporter zigbee scan")
@click.pass_obj
def scan(path: Path) -> None:
    """How loud each channel is, and which one a new network would take."""
    found = _ask(path, ask="scan")
    for channel, energy in found["energy"].items():
        mark = "  <- now" if int(channel) == found["now"] else ""
        click.echo(f"{channel:>3} {'#' * (int(energy) // 5):<51} {energy:>3}{mark}")
    click.echo(f"quietest of 11, 15, 20 and 25: {found['quietest']}")


@zigbee.command(epilog="Example: nightporter zigbee permit 101 --seconds 180 --kind valve")
@click.argument("room")
@click.option("--seconds", type=click.IntRange(1, 254), default=120, show_default=True)
@click.option("--through", default=None, help="Only by the router with this address.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in DeviceKind]),
    default=None,
    help="What it is, where its clusters leave it open: a water valve looks like a socket.",
)
@click.pass_obj
def permit(path: Path, room: str, seconds: int, through: str | None, kind: str | None) -> None:
    """Let things of a room join, and say how far each one is."""
    came = _ask(path, ask="permit", room=room, seconds=seconds, through=through, kind=kind)
    click.echo("\n".join(came) if came else "nothing joined")


@zigbee.command(epilog="Example: nightporter zigbee things")
@click.pass_obj
def things(path: Path) -> None:
    """Everything that has joined, half-joined things included."""
    for thing in _ask(path, ask="things"):
        if "waits_for" in thing:
            click.echo(f"{'?':<20} {thing['address']}  waits for {thing['waits_for']}")
            continue
        heard = thing["heard_s_ago"]
        how = "ready" if thing["ready"] else "half-joined"
        when = "not heard yet" if heard is None else f"heard {heard} s ago"
        click.echo(f"{thing['name']:<20} {thing['address']}  {how}, {when}")


@zigbee.command(epilog="Example: nightporter zigbee backup")
@click.pass_obj
def backup(path: Path) -> None:
    """Take a backup now, read it back, and say what is in it.

    A dead stick is replaced by plugging in an empty one: the newest backup is restored by itself.
    """
    taken = _ask(path, ask="backup")
    click.echo(f"backup {taken['generation']}: {taken['keys']} keys, {len(taken['kept'])} kept")
    for ieee in taken["missing"]:
        click.echo(f"no key of {ieee}: let it join again, or a new stick will not know it")


@zigbee.command(epilog="Example: nightporter zigbee move-channel 20")
@click.argument("channel", type=click.Choice(["11", "15", "20", "25"]))
@click.confirmation_option(
    prompt="Sleeping things may miss the move and need their button pressed. Go on?"
)
@click.pass_obj
def move_channel(path: Path, channel: str) -> None:
    """Move the whole network to another channel."""
    click.echo(_ask(path, ask="move-channel", channel=int(channel)))


@zigbee.command(epilog="Example: nightporter zigbee forget lock-101")
@click.argument("name")
@click.confirmation_option(
    prompt="It must join again afterwards, and its PINs are struck out. Go on?"
)
@click.pass_obj
def forget(path: Path, name: str) -> None:
    """Ask a thing to leave, and strike it out."""
    click.echo(_ask(path, ask="forget", name=name))


def _ask(path: Path, **asked: Any) -> Any:
    """One question; progress goes to the terminal, the end is returned."""
    for line in _lines(path, asked):
        if "say" in line:
            click.echo(line["say"])
        elif "no" in line:
            raise click.ClickException(line["no"])
        else:
            return line["done"]
    raise click.ClickException("the driver went away in the middle; look at `nightporter status`")


def _lines(path: Path, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_S_MAX)
        try:
            line.connect(str(path))
            line.sendall(json.dumps(asked).encode() + b"\n")
            with line.makefile("rb") as answers:
                yield from map(json.loads, answers)
        except OSError as error:
            raise click.ClickException(
                f"no Zigbee driver answers at {path} ({error.strerror}): is it running,"
                " and is its stick plugged in?"
            ) from error
