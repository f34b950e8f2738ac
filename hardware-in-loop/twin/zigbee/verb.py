"""The verb `nightporter twin stick`: a simulated Zigbee stick as a process of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from appliance.kernel.clock import ClockTrust, SystemClock

# As many as the stick's table holds.
DEVICES_MAX = 64


@click.command(
    epilog="Example: nightporter twin stick --state ~/stick --link ~/stick/zigbee"
    " --devices lock,thermostat,leak"
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the stick's flash: it keeps its network there.",
)
@click.option(
    "--link",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Name of the serial device, as in /dev/serial/by-id. Default: `zigbee-stick` in --state.",
)
@click.option("--tcp", default=None, help="Serve HOST:PORT instead, as Ethernet sticks do.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Where it writes down what really happened. Default: `journal.jsonl` in --state.",
)
@click.option(
    "--devices",
    default="",
    help="Kinds, with commas. Their pairing buttons are held until somebody lets them in.",
)
@click.option("--control-port", type=click.IntRange(0, 65_535), default=0, help="0: any.")
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Written with the addresses once everything is up.",
)
@click.option("--seed", type=int, default=0, help="Of everything left to chance.")
def stick(  # noqa: PLR0913 - one parameter per option, as click wants it
    *,
    state: Path,
    link: Path | None,
    tcp: str | None,
    journal: Path | None,
    devices: str,
    control_port: int,
    ready_file: Path | None,
    seed: int,
) -> None:
    """Run a Zigbee stick and the devices around it until SIGTERM or Ctrl-C."""
    # Only here: the other verbs of the twin start without loading it.
    from twin.zigbee.serving import Work, serve  # noqa: PLC0415

    work = Work(
        state=state,
        link=link,
        tcp=None if tcp is None else address(tcp),
        journal=journal or state / "journal.jsonl",
        devices=kinds(devices),
        control_port=control_port,
        ready_file=ready_file,
        seed=seed,
    )
    asyncio.run(serve(work, SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)))


def kinds(text: str) -> tuple[str, ...]:
    """The kinds of a list with commas; raises click's UsageError."""
    from twin.zigbee.devices import KINDS  # noqa: PLC0415 - as above

    found = tuple(part.strip() for part in text.split(",") if part.strip())
    strange = sorted(set(found) - set(KINDS))
    if strange:
        raise click.UsageError(f"no such device: {strange[0]}. There are: {', '.join(KINDS)}.")
    if len(found) > DEVICES_MAX:
        raise click.UsageError(f"a stick holds {DEVICES_MAX} devices, not {len(found)}.")
    return found


def address(text: str) -> tuple[str, int]:
    """Read HOST:PORT; raises click's UsageError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise click.UsageError(f"{text!r} is no address. Write HOST:PORT, such as 127.0.0.1:6638.")
    return host or "127.0.0.1", int(port)
