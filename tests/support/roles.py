"""Small processes in place of roles: each does one thing a role might do, and says so in a file."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from appliance.kernel.clock import SystemClock, sleep
from appliance.plan import RoleProcess

# Every process here says its number in FILE, a line each life, before it does anything else.
_TELL = "import os, signal, sys, time; print(os.getpid(), file=open({lives!r}, 'a'), flush=True); "
STAYS = "open({ready!r}, 'w').close(); signal.pause()"
NEEDS_A_CHANGE = "print('the moon is too near: move it', file=sys.stderr); sys.exit(78)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); open({ready!r}, 'w').close(); time.sleep(60)"


def role(folder: Path, name: str, does: str = STAYS, *, alone: bool = False) -> RoleProcess:
    """A role that `does` something; its lives are in `folder/name.lives`."""
    ready = folder / f"{name}.ready"
    code = (_TELL + does).format(lives=str(folder / f"{name}.lives"), ready=str(ready))
    command = (sys.executable, "-c", code, name)
    return RoleProcess(name=name, command=command, ready=ready, alone=alone)


def lives(folder: Path, name: str) -> list[int]:
    """The process numbers a role has had, oldest first."""
    path = folder / f"{name}.lives"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


async def until(true: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Look until something is so; another process has no other way to tell."""
    clock = SystemClock(floor_path=None)
    async with asyncio.timeout(limit_s):
        while not true():
            await sleep(clock, 0.01)


def python_environment() -> dict[str, str]:
    """In which our own verbs run from this tree."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
