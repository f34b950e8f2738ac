"""The stick as a process: an installer's host finds it, its devices come in, its flash outlives it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from click.testing import CliRunner
from zigpy_znp.zigbee.application import ControllerApplication

from support.zigpy_host import settings, soon
from twin.journal import Journal
from twin.main import twin

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 30


@asynccontextmanager
async def running(folder: Path, *more: str) -> AsyncGenerator[dict[str, str], None]:
    """A stick's process; gives the addresses it said, and ends it with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from twin.main import twin; twin()",
        "stick", "--state", str(folder / "stick"), *more,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-in-loop'}", "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        yield json.loads(line.removeprefix("ready "))
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
    assert process.returncode == 0


@asynccontextmanager
async def host(path: str, folder: Path) -> AsyncGenerator[Any, None]:
    app = await soon(ControllerApplication.new(settings(path, folder), auto_form=True))
    try:
        yield app
    finally:
        await soon(app.shutdown())


async def test_devices_that_hold_their_buttons_come_in_and_a_bolt_moves(tmp_path: Path) -> None:
    async with (
        running(tmp_path, "--devices", "lock") as addresses,
        host(addresses["stick"], tmp_path) as app,
        aiohttp.ClientSession() as session,
    ):
        found: asyncio.Queue[Any] = asyncio.Queue()

        class Listener:
            def device_initialized(self, device: Any) -> None:
                found.put_nowait(device)

        app.add_listener(Listener())
        await app.permit(60)
        device = await soon(found.get())
        answer = await device.endpoints[1].in_clusters[0x0101].unlock_door(pin_code="")
        assert answer.status == 0
        async with session.get(f"{addresses['control']}/device/lock-1") as response:
            state = await response.json()
        assert (state["joined"], state["bolt"], state["moves"]) == (True, "unlocked", 1)
    journal = Journal(tmp_path / "stick" / "journal.jsonl")
    assert journal.count("bolt", device="lock-1", to="unlocked") == 1


async def test_a_stick_keeps_its_network_when_its_process_ends(tmp_path: Path) -> None:
    tcp = ("--tcp", "127.0.0.1:0")
    async with running(tmp_path, *tcp) as addresses, host(addresses["stick"], tmp_path) as app:
        before = app.state.network_info.extended_pan_id
    async with running(tmp_path, *tcp) as addresses, host(addresses["stick"], tmp_path) as app:
        assert app.state.network_info.extended_pan_id == before


def test_a_kind_that_is_not_there_is_said() -> None:
    said = CliRunner().invoke(twin, ["stick", "--state", "x", "--devices", "lock,toaster"])
    assert said.exit_code == 2
    assert "no such device: toaster" in said.output


def test_an_address_that_is_none_is_said() -> None:
    said = CliRunner().invoke(twin, ["stick", "--state", "x", "--tcp", "here"])
    assert said.exit_code == 2
    assert "HOST:PORT" in said.output
