"""The first day of a box, by the verbs alone: init, up, status, kill, backup, restore, up again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.kernel import log as kernel_log
from support.own_box import WITH_PINS
from support.own_property import free_port
from support.roles import runs, until

ROLES = ("bus", "appliance")


async def _verb(*words: str) -> tuple[int, str]:
    """Exit code and everything a verb said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "appliance.kernel.verbs", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def _pid(data: Path, role: str) -> int:
    path = data / "run" / f"{role}.pid"
    return int(path.read_text() or 0) if path.exists() else 0


@asynccontextmanager
async def _up(data: Path) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A property that is up; at the end nothing of it runs."""
    with (data.parent / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance.kernel.verbs", "up", "--data", str(data),
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        await until((data / "run" / "appliance.ready").exists, 60)
        await until((data / "run" / "bus.ready").exists, 60)
        yield process
    finally:
        pids = [_pid(data, role) for role in ROLES]
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        code = await process.wait()
    assert code == 0
    assert not any(runs(pid) for pid in pids if pid)


@pytest.fixture
async def property_folder(tmp_path: Path) -> Path:
    file = tmp_path / "property.toml"
    file.write_text(WITH_PINS)
    data = tmp_path / "house"
    ports = ["--web-port", str(free_port()), "--bus-port", str(free_port())]
    code, said = await _verb("init", str(file), "--data", str(data), *ports)
    assert code == 0, said
    return data


async def test_a_property_comes_up_survives_a_kill_and_moves_to_another_box(
    property_folder: Path, tmp_path: Path
) -> None:
    data, archive, new = property_folder, tmp_path / "night.npb", tmp_path / "new box"
    async with _up(data):
        code, said = await _verb("status", "--data", str(data))
        assert code == 0, said
        assert "facts on disk" in said
        code, said = await _verb("up", "--data", str(data))
        assert code == 78
        assert "this property is up already" in said

        killed = _pid(data, "appliance")
        os.kill(killed, signal.SIGKILL)
        await until(lambda: _pid(data, "appliance") not in {0, killed}, 60)
        await until((data / "run" / "appliance.ready").exists, 60)
        code, said = await _verb("rebuild", "--data", str(data))
        assert code == 0, said
        assert "stays: built anew" in said

        code, said = await _verb("backup", str(archive), "--data", str(data))
        assert code == 0, said
        code, said = await _verb("restore", str(archive), "--data", str(data))
        assert code == 78
        assert "up already" in said
    code, said = await _verb("restore", str(archive), "--data", str(new))
    assert code == 0, said
    code, said = await _verb("log", "verify", "--data", str(new))
    assert code == 0, said
    async with _up(new):
        code, said = await _verb("status", "--json", "--data", str(new))
        assert code == 0, said
        assert {"log", "bus"} <= {vital["name"] for vital in json.loads(said)["vitals"]}
        code, said = await _verb("doctor", "--data", str(new))
        assert code == 0, said
    facts = [kernel_log.verify_file(folder / "log.db").position for folder in (data, new)]
    assert facts[0] <= facts[1]
