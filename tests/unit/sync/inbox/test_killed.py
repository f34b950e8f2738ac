"""kill -9 between storing and answering, between answering and handing over, and anywhere."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from appliance.kernel.clock import SystemClock, sleep
from support import webhooks
from support.house import ROOT
from support.webhooks import Posted
from twin.stage import free_port

CLOCK = SystemClock(floor_path=None)
DEADLINE_S = 30.0


@asynccontextmanager
async def child(folder: Path, port: int, dies: str) -> AsyncIterator[asyncio.subprocess.Process]:
    path = os.pathsep.join(str(ROOT / each) for each in (".", "tests"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.inbox_child", str(folder), dies, str(port),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def deliver(port: int, posted: Posted) -> bool:
    """One attempt of a vendor; True when it was acknowledged."""
    url = f"http://127.0.0.1:{port}{posted.path}"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers=posted.headers, data=posted.body) as reply,
        ):
            return reply.status == 200
    except aiohttp.ClientError:
        return False


async def until_heard(folder: Path, wanted: set[str]) -> None:
    """Wait until everything was heard at least once."""
    end_s = CLOCK.monotonic() + DEADLINE_S
    while not wanted <= heard(folder):
        assert CLOCK.monotonic() < end_s, f"never heard: {wanted - heard(folder)}"
        await sleep(CLOCK, 0.02)


def heard(folder: Path) -> set[str]:
    path = folder / "heard.txt"
    return set(path.read_text().splitlines()) if path.exists() else set()


@pytest.mark.parametrize("dies", ["stored", "answered", "heard"])
async def test_nothing_is_lost_wherever_it_is_killed(tmp_path: Path, dies: str) -> None:
    port = free_port()
    now_s = CLOCK.read().wall_s
    posts = {
        "guesty r1": webhooks.guesty("m1", "r1", now_s),
        "stripe pi_1": webhooks.stripe("evt_1", "pi_1", now_s),
        "hostaway 7": webhooks.hostaway(7),
    }
    owed = dict(posts)
    async with child(tmp_path, port, dies) as process:
        for name, posted in posts.items():
            if await deliver(port, posted):
                del owed[name]
        await process.wait()
    assert (dies == "stored") == ("guesty r1" in owed)
    async with child(tmp_path, port, "never"):
        for posted in owed.values():
            assert await deliver(port, posted)
        await until_heard(tmp_path, set(posts))


async def test_killed_anywhere_under_a_stream(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(11)
    now_s = CLOCK.read().wall_s
    posts = [webhooks.guesty(f"m{number}", f"r{number}", now_s) for number in range(120)]
    owed = posts + chance.sample(posts, 24)
    chance.shuffle(owed)
    for _ in range(3):
        async with child(tmp_path, port, "never") as process:
            doom = asyncio.ensure_future(_kill_after(process, chance.uniform(0.02, 0.15)))
            answers = await asyncio.gather(*(deliver(port, posted) for posted in owed))
            await doom
        # The vendor forgets what was acknowledged; the rest it sends again.
        owed = [each for each, taken in zip(owed, answers, strict=True) if not taken]
    async with child(tmp_path, port, "never"):
        for posted in owed:
            assert await deliver(port, posted)
        await until_heard(tmp_path, {f"guesty r{number}" for number in range(120)})


async def _kill_after(process: asyncio.subprocess.Process, seconds: float) -> None:
    await sleep(CLOCK, seconds)
    process.kill()
