"""`nightporter twin air`: Bluetooth for processes on one machine, and what `twin lock --hci` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.kernel.clock import ClockTrust, SystemClock

if TYPE_CHECKING:
    from pathlib import Path


@click.command(epilog="Example: nightporter twin air --listen 127.0.0.1:22010 --interval-ms 30")
@click.option("--listen", default="127.0.0.1:22010", show_default=True, help="HOST:PORT, 0: any.")
@click.option("--interval-ms", type=click.FloatRange(0, 4_000), default=0.0, help="0: at once.")
@click.option("--packet-bytes", type=click.IntRange(27, 251), default=251, show_default=True)
@click.option("--per-event", type=click.IntRange(1, 8), default=4, show_default=True)
@click.option("--supervision-s", type=click.FloatRange(0.1, 32), default=2.0, show_default=True)
@click.option("--seed", type=int, default=1, help="Of everything left to chance.")
def air(
    *,
    listen: str,
    interval_ms: float,
    packet_bytes: int,
    per_event: int,
    supervision_s: float,
    seed: int,
) -> None:
    """Carry Bluetooth between processes: each TCP client (HCI, H4) is a controller of its own."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise click.ClickException("--listen wants HOST:PORT, like 127.0.0.1:22010")
    serving = _bumble()
    from twin.ble.air import Air  # noqa: PLC0415 - bumble is looked for first

    async def work() -> None:
        here = Air(
            interval_ms / 1_000 or None,
            packet_bytes=packet_bytes,
            per_event=per_event,
            supervision_s=supervision_s,
            seed=seed,
        )
        await serving.run_air(here, host, int(port), _ready)

    _run(work())


def be_lock(
    *, sheet: Path, device: str, hci: str, journal: Path, state: Path, address: str | None
) -> None:
    """Run one lock of the sheet on a Bluetooth controller."""
    serving = _bumble()
    work = serving.LockWork(
        sheet=sheet, device=device, hci=hci, journal=journal, state=state, address=address
    )
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    try:
        _run(serving.run_lock(work, clock, _ready))
    except (serving.NoTransportError, serving.BadSheetError) as why:
        raise click.ClickException(str(why)) from None


def _bumble() -> Any:
    try:
        from twin.ble import serving  # noqa: PLC0415 - a box has no bumble, an installer has
    except ImportError as error:
        raise click.ClickException(
            f"Bluetooth without BlueZ needs {error.name}: pip install bumble==0.0.236"
        ) from error
    return serving


def _ready(said: dict[str, Any]) -> None:
    click.echo(f"ready {msgspec.json.encode(said).decode()}")


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except OSError as why:
        raise click.ClickException(f"the air cannot listen there: {why.strerror}") from None
