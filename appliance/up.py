"""Starts one process per role and keeps them running, as systemd does on an installed box."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from appliance.kernel.clock import Clock, SystemClock, sleep, within
from appliance.kernel.tasks import Nursery
from appliance.plan import RoleProcess, check, roles_of
from appliance.where import EXIT_CONFIG, data_option, environment, say_and_stop, settings_of

# 10 s: a role that keeps dying is tried often enough to be back soon after its cause is gone.
BACK_OFF_S_MAX = 10.0
BACK_OFF_S_FIRST = 0.2
# A role that served for five seconds did not die of its start: it comes back at once.
SETTLED_S = 5.0
# 10 s: the appliance finishes its batch and the broker its writes in well under one.
STOP_S_MAX = 10.0
# 30 s: a start takes one or two; longer is a read model that is being built again.
READY_S_MAX = 30.0
LOOK_S = 0.02
# Four roles with long paths are under 4 KiB.
PLAN_BYTES_MAX = 65_536


@dataclass(slots=True)
class _Running:
    role: RoleProcess
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Task[None] | None = None
    back_off_s: float = BACK_OFF_S_FIRST


class Supervisor:
    """Children in order of need; one that dies is started again, one that cannot start ends all."""

    def __init__(
        self,
        roles: Sequence[RoleProcess],
        run_dir: Path,
        surroundings: Mapping[str, str],
        clock: Clock,
        stop_s_max: float = STOP_S_MAX,
    ) -> None:
        self._running = [_Running(role) for role in roles]
        self._run_dir = run_dir
        self._surroundings = dict(surroundings)
        self._clock = clock
        self._stop_s_max = stop_s_max
        self._stopping = asyncio.Event()
        self._failed: str | None = None

    def stop(self) -> None:
        """Ask for the end; `run` returns when nothing of us runs any more."""
        self._stopping.set()

    async def run(self) -> int:
        """Until somebody asks to stop; the exit code is for the shell."""
        nursery = Nursery(self._noticed)
        own = self._run_dir / "up.pid"
        own.write_text(str(os.getpid()))
        for running in self._running:
            if running.role.ready is not None:
                running.role.ready.unlink(missing_ok=True)
        try:
            for running in self._running:
                if self._stopping.is_set():
                    break
                name = f"role {running.role.name}"
                running.ended = nursery.deadly(name, self._keep(running))
                if running.role.alone:
                    await self._until_ready(running.role)
            for running in self._running:
                await self._until_ready(running.role)
            if not self._stopping.is_set():
                click.echo(f"nightporter: all roles are up{self._where()}.", err=True)
                click.echo("nightporter: Ctrl-C stops them.", err=True)
            await self._stopping.wait()
        finally:
            await self._end_all()
            await nursery.close()
            own.unlink(missing_ok=True)
        if self._failed:
            click.echo(f"nightporter: {self._failed}", err=True)
            return EXIT_CONFIG
        return 0

    def _where(self) -> str:
        """The address that the appliance wrote into its ready file, for a person to click."""
        try:
            address = (self._run_dir / "appliance.ready").read_text().strip()
        except OSError:
            return ""
        return f": guest pages at {address}/, the desk with `nightporter kiosk --url {address}`"

    def _noticed(self, name: str, error: BaseException | None) -> None:
        # Each keeper ends when it is asked to; before that it is our own fault, and said so.
        if not self._stopping.is_set():
            self._give_up(f"{name} cannot be kept running: {error!r}")

    def _give_up(self, sentence: str) -> None:
        self._failed = self._failed or sentence
        self._stopping.set()

    async def _keep(self, running: _Running) -> None:
        role = running.role
        while not running.stop.is_set():
            if role.ready is not None:
                role.ready.unlink(missing_ok=True)
            started = self._clock.monotonic()
            code = await self._live(running)
            if code is None:
                return
            if code == EXIT_CONFIG and not role.needed:
                click.echo(
                    f"nightporter: {role.name} needs a change before it can start; see its line"
                    " above. Everything else goes on.",
                    err=True,
                )
                await running.stop.wait()
                return
            if code == EXIT_CONFIG:
                self._give_up(
                    f"{role.name} needs a change before it can start; see its line above."
                )
                return
            if self._clock.monotonic() - started > SETTLED_S:
                running.back_off_s = BACK_OFF_S_FIRST
            click.echo(f"nightporter: {role.name} ended ({code}); starting it again.", err=True)
            with contextlib.suppress(TimeoutError):
                stop = asyncio.ensure_future(running.stop.wait())
                try:
                    await within(self._clock, running.back_off_s, stop)
                finally:
                    stop.cancel()
            running.back_off_s = min(running.back_off_s * 2, BACK_OFF_S_MAX)

    async def _live(self, running: _Running) -> int | None:
        """One life of a role: its exit code, or None when it ended because we asked."""
        process = await asyncio.create_subprocess_exec(
            *running.role.command,
            env=self._surroundings,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal reaches us alone, and we stop them
        )
        pid_file = self._run_dir / f"{running.role.name}.pid"
        pid_file.write_text(str(process.pid))
        died = asyncio.ensure_future(process.wait())
        stop = asyncio.ensure_future(running.stop.wait())
        try:
            await asyncio.wait({died, stop}, return_when=asyncio.FIRST_COMPLETED)
            if died.done():
                return None if running.stop.is_set() else died.result()
            await self._end(process, died)
            return None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            stop.cancel()
            pid_file.unlink(missing_ok=True)

    async def _end(self, process: asyncio.subprocess.Process, died: asyncio.Future[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await within(self._clock, self._stop_s_max, died)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await died

    async def _until_ready(self, role: RoleProcess) -> None:
        if role.ready is None:
            return
        said_at = self._clock.monotonic() + READY_S_MAX
        while not self._stopping.is_set() and not role.ready.exists():
            if self._clock.monotonic() > said_at:
                said_at = float("inf")
                click.echo(
                    f"nightporter: {role.name} is not ready after {READY_S_MAX:.0f} s;"
                    " still waiting for it.",
                    err=True,
                )
            await sleep(self._clock, LOOK_S)

    async def _end_all(self) -> None:
        """The last started first: sync before the log it reports to, the bus after everybody."""
        self._stopping.set()
        for running in reversed(self._running):
            running.stop.set()
            if running.ended is not None:
                await asyncio.wait({running.ended})


def planned(data: Path | None) -> tuple[Path, list[RoleProcess]]:
    """Where the roles meet and which they are; ends the command with a sentence if they cannot be.

    Settings are read in a copy of this process: pydantic stays there, and the supervisor keeps
    16 MB instead of 27.
    """
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(here)
        os._exit(_plan_into(there, data))
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        written = pipe.read(PLAN_BYTES_MAX)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise SystemExit(code)
    plan = json.loads(written)
    roles = [
        RoleProcess(**fields | {"ready": fields["ready"] and Path(fields["ready"])})
        for fields in plan["roles"]
    ]
    return Path(plan["run_dir"]), roles


def _plan_into(pipe: int, data: Path | None) -> int:
    try:
        settings = settings_of(data)
        if reason := check(settings):
            say_and_stop(reason)
        roles = [asdict(role) for role in roles_of(settings)]
        text = json.dumps({"run_dir": settings.run_dir, "roles": roles}, default=str)
        os.write(pipe, text.encode())
    except SystemExit as end:
        return EXIT_CONFIG if end.code is None else int(end.code)
    except BaseException as error:  # noqa: BLE001 - a copy of a process must not live on
        click.echo(f"nightporter: {error!r}", err=True)
        return 1
    return 0


@click.command(epilog="Example: nightporter up --data ~/riverside")
@data_option
def up(data: Path | None) -> None:
    """Start every role of this property and keep it running until Ctrl-C."""
    run_dir, roles = planned(data)
    raise SystemExit(asyncio.run(_supervise(roles, run_dir, environment(data))))


async def _supervise(
    roles: Sequence[RoleProcess], run_dir: Path, surroundings: Mapping[str, str]
) -> int:
    supervisor = Supervisor(roles, run_dir, surroundings, SystemClock(floor_path=None))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # `nohup nightporter up` means to outlive its terminal; otherwise a closed one ends us.
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, supervisor.stop)
    return await supervisor.run()
