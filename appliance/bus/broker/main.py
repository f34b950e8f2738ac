"""The bus process: the embedded broker with signals, or the files for the system's mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.bus.broker.listeners import EmbeddedBroker, PortTakenError, embedded_broker
from appliance.bus.broker.mosquitto import Housing, write_configuration
from appliance.bus.broker.settings import Address, BrokerSettings, TlsListener
from appliance.bus.credentials import CredentialsError, load
from appliance.kernel.clock import SystemClock
from appliance.kernel.discreet import start_logging
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What this process is to do."""

    credentials: Path
    settings: BrokerSettings
    ready_file: Path | None = None


@click.command(
    epilog="Example: nightporter bus --credentials ~/riverside/bus-credentials.json"
    " --listen 127.0.0.1:1883"
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="bus-credentials.json, as `nightporter init` writes it.",
)
@click.option("--listen", default="127.0.0.1:1883", help="host:port for tokens; port 0 chooses.")
@click.option("--tls-listen", default=None, help="host:port for client certificates.")
@click.option(
    "--pki",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Folder with ca.crt, ca.crl, broker.crt and broker.key; needed by --tls-listen.",
)
@click.option("--unix", "unix_path", type=click.Path(path_type=Path), default=None)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path),
    default=None,
    help='Written once the bus listens: {"tcp": 1883, "tls": 8883}.',
)
@click.option(
    "--write-mosquitto",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Only write mosquitto.conf, acl and passwords for these listeners into this folder.",
)
def bus(  # noqa: PLR0913 - one parameter per option, as click wants it
    *,
    credentials: Path,
    listen: str,
    tls_listen: str | None,
    pki: Path | None,
    unix_path: Path | None,
    ready_file: Path | None,
    write_mosquitto: Path | None,
) -> None:
    """Run the MQTT broker of the property."""
    start_logging(logging.WARNING)
    # amqtt and its state machine speak of every packet; ours are the sentences worth keeping.
    logging.getLogger("appliance").setLevel(logging.INFO)
    settings = BrokerSettings(
        plain=address(listen), tls=tls_listener(tls_listen, pki), unix_path=unix_path
    )
    try:
        if write_mosquitto is not None:
            housing = Housing(folder=write_mosquitto, state=write_mosquitto)
            click.echo(write_configuration(settings, load(credentials), housing))
            return
        work = Work(credentials=credentials, settings=settings, ready_file=ready_file)
        asyncio.run(serve(work, SystemClock(floor_path=None)))
    except (CredentialsError, PortTakenError) as error:
        raise click.ClickException(str(error)) from error


async def serve(work: Work, clock: Clock) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP takes up credentials and CRL as they are then."""
    loop = asyncio.get_running_loop()
    stop, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    try:
        async with embedded_broker(work.settings, load(work.credentials), clock) as broker:
            if work.ready_file is not None:
                write_whole(work.ready_file, msgspec.json.encode(broker.ports))
            click.echo(f"ready {msgspec.json.encode(broker.ports).decode()}")
            await _until(stop, again, work.credentials, broker)
    finally:
        if work.ready_file is not None:
            work.ready_file.unlink(missing_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _until(
    stop: asyncio.Event, again: asyncio.Event, path: Path, broker: EmbeddedBroker
) -> None:
    stopped = asyncio.ensure_future(stop.wait())
    while not stopped.done():
        asked = asyncio.ensure_future(again.wait())
        await asyncio.wait({stopped, asked}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            again.clear()
            await reload(path, broker)
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asked


async def reload(path: Path, broker: EmbeddedBroker) -> None:
    """Take the credentials file up as it is now; a bad one is said and changes nothing."""
    try:
        await broker.adopt(load(path))
    except (CredentialsError, OSError, ValueError) as error:
        logger.error("the credentials stay as they were: %s", error)  # noqa: TRY400
    else:
        click.echo("reloaded")


def address(text: str) -> Address:
    """Read `host:port` (an IPv6 host in brackets); raises click's UsageError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise click.UsageError(f"{text!r} is no address. Write host:port, such as 127.0.0.1:1883.")
    return Address(host=host.strip("[]") or "127.0.0.1", port=int(port))


def tls_listener(listen: str | None, pki: Path | None) -> TlsListener | None:
    """Put the TLS listener together from a folder of the names `nightporter init` uses."""
    if listen is None:
        return None
    if pki is None:
        raise click.UsageError("--tls-listen needs --pki, the folder with the certificates.")
    return TlsListener(
        address=address(listen),
        authority=pki / "ca.crt",
        certificate=pki / "broker.crt",
        key=pki / "broker.key",
        revocations=pki / "ca.crl",
    )


if __name__ == "__main__":
    bus()
