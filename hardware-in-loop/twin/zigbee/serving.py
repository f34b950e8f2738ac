"""A stick as a process: site, control address and signals, from start to end."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import msgspec
from aiohttp import web

from twin.journal import Journal
from twin.zigbee.control import Control, Pairing
from twin.zigbee.port import LOOPBACK, Port, PtyPort, TcpPort
from twin.zigbee.site import site

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.kernel.clock import Clock

SHUTDOWN_S = 0.2
# A real device in pairing mode tries every second or two.
PAIRING_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one stick process is asked to be."""

    state: Path
    journal: Path
    link: Path | None = None
    tcp: tuple[str, int] | None = None
    devices: tuple[str, ...] = ()
    control_port: int = 0
    ready_file: Path | None = None
    seed: int = 0


async def serve(work: Work, clock: Clock) -> None:
    """Run until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    work.state.mkdir(parents=True, exist_ok=True)
    journal = Journal(work.journal, clock)
    async with site(
        work.state, clock=clock, journal=journal, port=_port(work),
        latency_s=0.004, scale=1.0, seed=work.seed,
    ) as here:  # fmt: skip
        pairing = Pairing(here)
        for number, kind in enumerate(work.devices, 1):
            pairing.make(f"{kind}-{number}", kind)
        holding = pairing.press(list(pairing.known), PAIRING_PAUSE_S)
        here.air.timers.start("zigbee pairing", holding)
        app = Control(here, pairing).app()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await _listen(runner, work.control_port)
            control = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
            _say_ready(work.ready_file, {"stick": here.path, "control": control})
            await stop.wait()
        finally:
            await runner.cleanup()
            if work.ready_file is not None:
                work.ready_file.unlink(missing_ok=True)
    journal.close()


def _port(work: Work) -> Port:
    if work.tcp is not None:
        return TcpPort(*work.tcp)
    return PtyPort(work.link or work.state / "zigbee-stick")


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
    except OSError as why:
        raise click.ClickException(
            f"the stick's control port {port} is taken: pass another --control-port ({why.strerror})"
        ) from None


def _say_ready(ready_file: Path | None, addresses: dict[str, str]) -> None:
    said = msgspec.json.encode(addresses)
    if ready_file is not None:
        fresh = ready_file.with_suffix(ready_file.suffix + ".new")
        fresh.write_bytes(said)
        fresh.replace(ready_file)
    click.echo(f"ready {said.decode()}")
