"""The Friday-18:00 story as `nightporter tour` tells it, and the demo as somebody tries it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from appliance.kernel.clock import ClockTrust, SystemClock
from twin.tour import both, table, verdicts


@pytest.mark.timeout(600)
async def test_the_same_screens_the_same_seconds_charged_once_nothing_lost(tmp_path: Path) -> None:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    online, dark = await both(tmp_path, clock)
    assert not verdicts(online, dark), table(online, dark)
    assert len(online.steps) == len(dark.steps) > 20


@pytest.mark.timeout(180)
async def test_the_demo_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "appliance.kernel.verbs",
        "demo",
        "--headless",
        "--folder",
        str(tmp_path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said = b""
    while b"Serving." not in said:
        line = await process.stdout.readline()
        assert line, f"the demo ended early: {said.decode()}"
        said += line
    url = next(word for word in said.decode().split() if word.startswith("http://"))
    async with aiohttp.ClientSession() as web, web.get(url) as page:
        assert page.status == 200
        assert "lang=" in await page.text()
    assert b"PIN" in said
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
