"""Every role is a process that is kept running; whoever stops `up` stops all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.kernel.clock import SystemClock
from appliance.plan import RoleProcess
from appliance.up import Supervisor
from appliance.where import EXIT_CONFIG
from support.house import ROOT
from support.roles import DEAF, NEEDS_A_CHANGE, lives, python_environment, role, runs, until


def _supervisor(folder: Path, *roles: RoleProcess) -> Supervisor:
    return Supervisor(roles, folder, os.environ, SystemClock(floor_path=None))


async def test_every_role_is_started_and_the_person_is_told_when_all_are_ready(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = _supervisor(tmp_path, role(tmp_path, "bus"), role(tmp_path, "appliance"))
    running = asyncio.ensure_future(supervisor.run())
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "all roles are up" in said

    await until(told)
    assert int((tmp_path / "bus.pid").read_text()) == lives(tmp_path, "bus")[0]
    supervisor.stop()
    assert await running == 0


async def test_a_role_that_stands_alone_is_ready_before_the_next_begins(tmp_path: Path) -> None:
    first = role(tmp_path, "first", "signal.pause()", alone=True)  # never ready
    supervisor = _supervisor(tmp_path, first, role(tmp_path, "second"))
    running = asyncio.ensure_future(supervisor.run())
    await until(lambda: bool(lives(tmp_path, "first")))
    assert lives(tmp_path, "second") == []
    (tmp_path / "first.ready").touch()
    await until(lambda: bool(lives(tmp_path, "second")))
    supervisor.stop()
    assert await running == 0


async def test_a_role_that_is_killed_is_started_again_and_the_others_live_on(
    tmp_path: Path,
) -> None:
    supervisor = _supervisor(tmp_path, role(tmp_path, "bus"), role(tmp_path, "appliance"))
    running = asyncio.ensure_future(supervisor.run())
    await until((tmp_path / "appliance.ready").exists)
    await until((tmp_path / "bus.ready").exists)
    os.kill(lives(tmp_path, "appliance")[0], signal.SIGKILL)
    await until(lambda: len(lives(tmp_path, "appliance")) == 2)
    await until((tmp_path / "appliance.ready").exists)
    assert len(lives(tmp_path, "bus")) == 1
    supervisor.stop()
    assert await running == 0


async def test_a_role_that_needs_a_person_stops_everything_with_its_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    roles = (role(tmp_path, "bus"), role(tmp_path, "appliance", NEEDS_A_CHANGE, alone=True))
    assert await _supervisor(tmp_path, *roles).run() == EXIT_CONFIG
    said = capfd.readouterr().err
    assert "the moon is too near: move it" in said
    assert "appliance needs a change before it can start" in said
    assert len(lives(tmp_path, "appliance")) == 1
    assert not any(runs(pid) for pid in lives(tmp_path, "bus"))


async def test_stopping_leaves_no_process_and_no_note_of_one(tmp_path: Path) -> None:
    supervisor = _supervisor(tmp_path, role(tmp_path, "bus"), role(tmp_path, "appliance"))
    running = asyncio.ensure_future(supervisor.run())
    await until((tmp_path / "appliance.ready").exists)
    await until((tmp_path / "bus.ready").exists)
    supervisor.stop()
    assert await running == 0
    everybody = lives(tmp_path, "bus") + lives(tmp_path, "appliance")
    assert len(everybody) == 2
    assert not any(runs(pid) for pid in everybody)
    assert not any((tmp_path / f"{name}.pid").exists() for name in ("up", "bus", "appliance"))


async def test_a_role_that_does_not_hear_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = role(tmp_path, "deaf", DEAF)
    clock = SystemClock(floor_path=None)
    supervisor = Supervisor([deaf], tmp_path, os.environ, clock, stop_s_max=0.2)
    running = asyncio.ensure_future(supervisor.run())
    await until((tmp_path / "deaf.ready").exists)
    supervisor.stop()
    assert await running == 0
    assert not runs(lives(tmp_path, "deaf")[0])


async def test_a_stop_in_the_middle_of_starting_leaves_nothing_running(tmp_path: Path) -> None:
    roles = (role(tmp_path, "first", "signal.pause()", alone=True), role(tmp_path, "second"))
    supervisor = _supervisor(tmp_path, *roles)
    running = asyncio.ensure_future(supervisor.run())
    await until(lambda: bool(lives(tmp_path, "first")))
    supervisor.stop()
    assert await running == 0
    assert lives(tmp_path, "second") == []
    assert not runs(lives(tmp_path, "first")[0])


async def test_a_note_of_yesterday_that_a_role_was_ready_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "first.ready").touch()
    first = role(tmp_path, "first", "signal.pause()", alone=True)
    supervisor = _supervisor(tmp_path, first, role(tmp_path, "second"))
    running = asyncio.ensure_future(supervisor.run())
    await until(lambda: bool(lives(tmp_path, "first")))
    assert lives(tmp_path, "second") == []
    supervisor.stop()
    await running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_to_up_stops_every_role(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import asyncio, os\n"
        "from pathlib import Path\n"
        "from appliance.up import _supervise\n"
        "from support.roles import role\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "roles = [role(folder, 'bus'), role(folder, 'appliance')]\n"
        "raise SystemExit(asyncio.run(_supervise(roles, folder, os.environ)))\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=python_environment() | {"PYTHONPATH": path}, cwd=ROOT
    )
    await until((tmp_path / "appliance.ready").exists)
    await until((tmp_path / "bus.ready").exists)
    process.send_signal(number)
    assert await process.wait() == 0
    everybody = lives(tmp_path, "bus") + lives(tmp_path, "appliance")
    assert not any(runs(pid) for pid in everybody)


def test_the_supervisor_never_imports_settings_engines_or_the_web() -> None:
    program = (
        "import sys, appliance.up\n"
        "heavy = {'pydantic', 'strawberry', 'aiohttp', 'cryptography', 'appliance.engines'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert _said(program) == "[]\n"


def _said(program: str) -> str:
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return found.stdout


async def test_a_role_that_is_not_needed_stops_nobody_when_it_cannot_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radio = replace(role(tmp_path, "driver-ble0", NEEDS_A_CHANGE), ready=None, needed=False)
    supervisor = _supervisor(tmp_path, role(tmp_path, "appliance"), radio)
    running = asyncio.ensure_future(supervisor.run())
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "Everything else goes on" in said and "all roles are up" in said

    await until(told)
    assert len(lives(tmp_path, "driver-ble0")) == 1
    assert len(lives(tmp_path, "appliance")) == 1
    supervisor.stop()
    assert await running == 0
