"""`nightporter relay`: a small program for a machine that the internet can reach."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click

from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.discreet import start_logging
from appliance.kernel.secrets import read_private
from appliance.kernel.vault import VaultError
from sync.inbox.endpoint import listen
from sync.relay.mailboxes import Mailboxes
from sync.relay.server import Relay
from sync.relay.wire import Pairing, PairingError, new_pairing, read_pairing

EXIT_CONFIG = 78


@click.group(epilog="Example: nightporter relay pair")
def relay() -> None:
    """Keep webhooks for boxes that the internet cannot reach; see docs/relay.md."""


@relay.command(epilog="Example: nightporter relay pair >> pairings")
def pair() -> None:
    """Make a mailbox: one line for the relay's pairings and the same for the box's key file."""
    click.echo(new_pairing().line())


@relay.command(epilog="Example: nightporter relay run --pairings pairings --data relay.db")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65_535))
@click.option(
    "--pairings",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The file (mode 0600) with one pairing a line.",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The database of what waits.",
)
def run(host: str, port: int, pairings: Path, data: Path) -> None:
    """Take webhooks and hand them out, behind a proxy that speaks TLS."""
    start_logging("INFO")
    try:
        lines = read_private(pairings).decode().splitlines()
        known = [read_pairing(line) for line in lines if line.strip()]
    except (VaultError, PairingError) as error:
        click.echo(f"nightporter: {error}", err=True)
        sys.exit(EXIT_CONFIG)
    asyncio.run(_serve(host, port, {each.mailbox: each for each in known}, data))


async def _serve(host: str, port: int, pairings: dict[str, Pairing], data: Path) -> None:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    mailboxes = Mailboxes(data)
    await mailboxes.open()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = Relay(mailboxes, pairings, clock)
    forgetting = asyncio.ensure_future(server.forget_for_ever())
    try:
        async with listen(server, host, port) as bound:
            click.echo(f"ready http://{host}:{bound}, {len(pairings)} mailboxes")
            await ended.wait()
    finally:
        forgetting.cancel()
        await asyncio.gather(forgetting, return_exceptions=True)
        mailboxes.writer.close()
