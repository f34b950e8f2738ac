"""The twin as a process: its locks work with no bus at all, and remember across a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner

from appliance.bus.device_sheet import BusAddress, save
from appliance.kernel.clock import SystemClock
from support.lock_bench import LockBench
from support.small_house import small_house
from twin.journal import Journal
from twin.main import twin

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 30
# Port 9 (discard) answers nobody: the box is off.
NO_BUS = BusAddress(port=9)


@asynccontextmanager
async def running(
    folder: Path, *more: str, end: signal.Signals = signal.SIGTERM
) -> AsyncGenerator[dict[str, str], None]:
    """A twin process; gives the addresses it said, ends it as asked."""
    sheet = folder / "sheet.json"
    save(sheet, small_house(2, bus=NO_BUS))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from twin.main import twin; twin()",
        *more,
        "--sheet",
        str(sheet),
        "--journal",
        str(folder / "journal.jsonl"),
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-in-loop'}", "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        yield json.loads(line.removeprefix("ready "))
    finally:
        process.send_signal(end)
        async with asyncio.timeout(PATIENCE_S):
            await process.communicate()
    assert process.returncode == (0 if end is signal.SIGTERM else -end)


async def hold(addresses: dict[str, str], **claims: Any) -> dict[str, Any]:
    bench = LockBench(now_ms=SystemClock(floor_path=None).read().wall_ms)
    body = {"cwt": b64encode(bench.key(**claims)).decode()}
    url = f"{addresses['control']}/lock/lock-204/credential"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def test_with_the_box_off_the_next_guest_gets_in_and_the_previous_does_not_even_after_a_kill(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "up", end=signal.SIGKILL) as addresses:
        assert (await hold(addresses, gen=2))["outcome"] == "done"
    async with running(tmp_path, "up") as addresses:
        assert (await hold(addresses, gen=1))["refusal"] == "superseded"
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.count("bolt", to="unlocked") == 1
    assert journal.count("refusal", reason="superseded") == 1
    journal.close()


async def test_one_lock_can_run_alone_and_say_so_in_a_file(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    more = ("lock", "lock-204", "--ready-file", str(ready))
    async with running(tmp_path, *more) as addresses:
        assert json.loads(ready.read_text()) == addresses
        assert addresses["control"].startswith("http://127.0.0.1:")
        url = f"{addresses['control']}/devices"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert [d["device"] for d in await response.json()] == ["lock-204"]
    assert not ready.exists()


async def test_the_clouds_come_up_beside_the_devices(tmp_path: Path) -> None:
    async with running(tmp_path, "up", "--clouds") as addresses:
        assert set(addresses) == {"control", "pms", "payments"}
        url = f"{addresses['control']}/line"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 200


def test_a_wrong_sheet_or_name_is_answered_with_a_sentence(tmp_path: Path) -> None:
    sheet, journal = tmp_path / "sheet.json", tmp_path / "journal"
    sheet.write_text("{}")
    options = ["--sheet", str(sheet), "--journal", str(journal)]
    result = CliRunner().invoke(twin, ["up", *options])
    assert (result.exit_code, "write it again" in result.output) == (1, True)
    save(sheet, small_house())
    result = CliRunner().invoke(twin, ["lock", "lock-999", *options])
    assert (result.exit_code, "no device lock-999" in result.output) == (1, True)
