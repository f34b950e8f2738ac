"""A Zigbee lock from the property file to the bolt, by the verbs alone, on a stick without a radio."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from support.own_property import free_port
from support.roles import until
from twin.caller import CHECK_IN, CUT_KEY, OPEN_DOOR, SELL_WALK_IN, Caller

READY_S: Final = 60.0
PROPERTY: Final = """
[property]
id = "radios"
title = "House of radios"
time_zone = "Europe/Lisbon"
currency = "EUR"
[[building]]
id = "main"
title = "Main house"
[[room_type]]
id = "double"
title = "Double"
sleeps = 2
rate = "120.00"
offline_allotment = 2
[[radio]]
id = "zigbee0"
kind = "zigbee"
options = {{ port = "{port}" }}
[[rooms]]
numbers = ["101"]
type = "double"
building = "main"
radio = "zigbee0"
protocol = "zigbee"
thermostats = false
[[staff]]
id = "manager"
name = "Manager"
roles = ["manager"]
pin = "835291"
[[staff]]
id = "desk"
name = "Front desk"
roles = ["front_desk"]
pin = "407318"
"""


@asynccontextmanager
async def verb(folder: Path, *words: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """One of our verbs as a process that is ended as a person would end it."""
    with (folder / f"{words[0]}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance.kernel.verbs", *words, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def run(folder: Path, *words: str) -> str:
    """A verb that ends by itself, and everything it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.kernel.verbs", *words,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def moves(journal: Path) -> list[dict[str, Any]]:
    """Every time the motor ran to open, by the twin's own count."""
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    return [row for row in rows if row["kind"] == "bolt" and row["to"] == "unlocked"]


async def guest_in(desk: Caller) -> str:
    """A walk-in with a key to room 101; the stay's id."""
    day = (await desk.one("{house{businessDate}}"))["businessDate"]
    sold = await desk.one(
        SELL_WALK_IN, id="sell-0123456789", type="double", arrival=day,
        departure=(date.fromisoformat(day) + timedelta(days=1)).isoformat(),
        guests=[{"given": "Nobody", "family": "Here"}],
    )  # fmt: skip
    stay: str = sold["result"]["stay_id"]
    for call, more in ((CHECK_IN, {"room": "101"}), (CUT_KEY, {"why": "first"})):
        answer = await desk.one(call, id=f"{len(call)}-0123456789", stay=stay, **more)
        assert answer["done"], answer
    return stay


async def test_a_zigbee_lock_joins_opens_and_opens_again_behind_a_driver_that_was_killed(
    tmp_path: Path,
) -> None:
    data, stick, ready = tmp_path / "data", tmp_path / "stick", tmp_path / "stick.ready"
    data.mkdir()
    web = free_port()
    (data / "nightporter.toml").write_text(
        f'data_dir = "{data}"\nrun_dir = "{data / "run"}"\n[web]\nport = {web}\n'
        f'[bus]\nport = {free_port()}\n[clock]\ntrust = "system"\n'
    )
    box = ("--data", str(data))
    async with verb(
        tmp_path, "twin", "stick", "--state", str(stick), "--devices", "lock",
        "--ready-file", str(ready),
    ):  # fmt: skip
        await until(ready.exists, READY_S)
        port = json.loads(ready.read_text())["stick"]
        (tmp_path / "property.toml").write_text(PROPERTY.format(port=port))
        (tmp_path / "property.toml").chmod(0o600)
        await run(tmp_path, "init", "property.toml", *box)
        async with verb(tmp_path, "up", *box):
            await until((data / "run" / "appliance.ready").exists, READY_S)
            await until(lambda: bool(list(data.glob("driver-zigbee0/*"))), READY_S)
            pid = data / "run" / "driver-zigbee0.pid"
            await joined(tmp_path, box)
            async with Caller(f"http://127.0.0.1:{web}") as desk:
                await desk.sign_in("desk", "407318")
                stay = await guest_in(desk)
                opening = await desk.one(OPEN_DOOR, id="open-0123456789", stay=stay)
                assert opening["outcome"] == "DONE", opening
                assert len(moves(stick / "journal.jsonl")) == 1
                killed = int(pid.read_text())
                os.kill(killed, signal.SIGKILL)
                await until(
                    lambda: pid.exists() and pid.read_text() not in {"", str(killed)}, READY_S
                )
                await joined(tmp_path, box)
                again = await desk.one(OPEN_DOOR, id="again-0123456789", stay=stay)
                assert again["outcome"] == "DONE", again
                assert len(moves(stick / "journal.jsonl")) == 2


async def joined(folder: Path, box: tuple[str, ...]) -> None:
    """Let the lock of 101 in, or wait until the driver that came back knows it again."""
    async with asyncio.timeout(READY_S):
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "appliance.kernel.verbs", "zigbee", *box, "permit", "101",
                "--seconds", "3",
                cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            await process.communicate()
            if process.returncode == 0 and "lock-101" in await run(
                folder, "zigbee", *box, "things"
            ):
                return
