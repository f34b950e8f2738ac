"""Starts one process per role and keeps them running, as systemd does on an installed box."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from appliance.kernel.clock import Clock, SystemClock, sleep
from appliance.kernel.settings import BusKind, PaymentKind, PmsKind, Settings
from appliance.kernel.tasks import Nursery
from appliance.where import EXIT_CONFIG, data_option, environment, say_and_stop, settings_of

# 10 s: a role that keeps dying is tried often enough to be back soon after its cause is gone.
BACK_OFF_S_MAX = 10.0
BACK_OFF_S_FIRST = 0.2
# After a minute of life a death is a new story.
SETTLED_S = 60.0
# 10 s: the appliance finishes its batch and the broker its writes in well under one.
STOP_S_MAX = 10.0
READY_S_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleProcess:
    """One role: its words on the command line, and the file that says it is ready."""

    name: str
    words: Sequence[str]
    ready: Path | None = None


@dataclass(slots=True)
class _Running:
    role: RoleProcess
    process: asyncio.subprocess.Process | None = None
    back_off_s: float = BACK_OFF_S_FIRST


class Supervisor:
    """Children in order of need: each is started when the one before is ready."""

    def __init__(
        self, roles: Sequence[RoleProcess], settings: Settings, surroundings: Mapping[str, str]
    ) -> None:
        self._running = [_Running(role) for role in roles]
        self._settings = settings
        self._surroundings = dict(surroundings)
        self._clock: Clock = SystemClock(settings.floor_file)
        self._stopping = asyncio.Event()
        self._failed: str | None = None

    async def run(self) -> int:
        """Until somebody asks to stop; the exit code is for the shell."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        nursery = Nursery(lambda name, error: self._give_up(f"{name}: {error!r}"))
        try:
            for running in self._running:
                nursery.deadly(f"role {running.role.name}", self._keep(running))
                if not await self._ready(running.role):
                    break
            if self._failed is None and not self._stopping.is_set():
                click.echo("nightporter: all roles are up. Ctrl-C stops them.", err=True)
            await self._stopping.wait()
        finally:
            await self._stop_all()
            await nursery.close()
        if self._failed:
            click.echo(f"nightporter: {self._failed}", err=True)
            return EXIT_CONFIG
        return 0

    def _give_up(self, sentence: str) -> None:
        self._failed = self._failed or sentence
        self._stopping.set()

    async def _keep(self, running: _Running) -> None:
        name = running.role.name
        while not self._stopping.is_set():
            if running.role.ready is not None:
                running.role.ready.unlink(missing_ok=True)
            started = self._clock.monotonic()
            running.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "appliance.kernel.verbs",
                *running.role.words,
                env=self._surroundings,
                start_new_session=True,  # Ctrl-C in a terminal reaches us alone, and we stop them
            )
            pid_file = self._settings.run_dir / f"{name}.pid"
            pid_file.write_text(str(running.process.pid))
            code = await running.process.wait()
            pid_file.unlink(missing_ok=True)
            if self._stopping.is_set():
                break
            if code == EXIT_CONFIG:
                self._give_up(f"{name} needs a change before it can start; see its line above.")
                break
            if self._clock.monotonic() - started > SETTLED_S:
                running.back_off_s = BACK_OFF_S_FIRST
            click.echo(f"nightporter: {name} ended ({code}); starting it again.", err=True)
            await sleep(self._clock, running.back_off_s)
            running.back_off_s = min(running.back_off_s * 2, BACK_OFF_S_MAX)
        await self._stopping.wait()

    async def _ready(self, role: RoleProcess) -> bool:
        if role.ready is None:
            return True
        deadline = self._clock.monotonic() + READY_S_MAX
        while self._clock.monotonic() < deadline and not self._stopping.is_set():
            if role.ready.exists():
                return True
            await sleep(self._clock, 0.02)
        if not self._stopping.is_set():
            self._give_up(f"{role.name} did not become ready within {READY_S_MAX:.0f} s.")
        return False

    async def _stop_all(self) -> None:
        self._stopping.set()
        for running in reversed(self._running):
            process = running.process
            if process is None or process.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_S_MAX):
                    await process.wait()
            except TimeoutError:
                process.kill()


def roles_of(settings: Settings) -> list[RoleProcess]:
    """The processes this property needs."""
    run = settings.run_dir
    roles = []
    if settings.bus.kind is BusKind.EMBEDDED:
        words = [
            "bus",
            "--credentials",
            str(settings.bus_credentials_file),
            "--listen",
            f"{settings.bus.host}:{settings.bus.port}",
            "--ready-file",
            str(run / "bus.ready"),
        ]
        if settings.bus.tls_port:
            tls = f"{settings.bus.tls_host}:{settings.bus.tls_port}"
            words += ["--tls-listen", tls, "--pki", str(settings.data_dir / "pki")]
        roles.append(RoleProcess(name="bus", words=words, ready=run / "bus.ready"))
    roles.append(
        RoleProcess(name="appliance", words=["appliance"], ready=run / "appliance.ready")
    )
    if settings.sync.pms.kind is not PmsKind.NONE or (
        settings.sync.payments.kind is not PaymentKind.NONE
    ):
        roles.append(RoleProcess(name="sync", words=["sync"]))
    return roles


def check(settings: Settings) -> str | None:
    """What would stop the roles from starting, in one sentence."""
    if not settings.log_file.exists():
        return (
            f"there is no property in {settings.data_dir}: run `nightporter init FILE`"
            " (an example: `nightporter init --example`)."
        )
    for folder in (settings.data_dir, settings.run_dir):
        if not os.access(folder, os.W_OK):
            return f"the folder {folder} is not writable for {os.environ.get('USER', 'this user')}."
    listeners = [("web.port", settings.web.host, settings.web.port)]
    if settings.bus.kind is BusKind.EMBEDDED:
        listeners.append(("bus.port", settings.bus.host, settings.bus.port))
    for key, host, port in listeners:
        if port and (reason := _taken(host, port)):
            return f"port {port} on {host} {reason}: free it, or set {key} to another one."
    return None


def _taken(host: str, port: int) -> str | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return "needs more rights than this user has"
        except OSError as error:
            return f"cannot be used ({error.strerror})"
    return None


@click.command(epilog="Example: nightporter up --data ~/riverside")
@data_option
def up(data: Path | None) -> None:
    """Start every role of this property and keep it running until Ctrl-C."""
    settings = settings_of(data)
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        say_and_stop(f"the folder {settings.run_dir} cannot be made: {error.strerror}.")
    if reason := check(settings):
        say_and_stop(reason)
    raise SystemExit(asyncio.run(_supervise(settings, environment(data))))


async def _supervise(settings: Settings, surroundings: Mapping[str, str]) -> int:
    return await Supervisor(roles_of(settings), settings, surroundings).run()
