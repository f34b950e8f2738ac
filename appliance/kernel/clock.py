"""The one place that asks what time it is, and how sure the answer is."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec

from appliance.kernel.durable import write_whole
from appliance.kernel.kerneltime import kernel_uncertainty_ms

logger = logging.getLogger(__name__)

T = TypeVar("T")

# 600 s: the same doubt at which a lock refuses time-bound keys (ble.md 2.9).
UNCERTAINTY_SURE_MS_MAX = 600_000
# Ten years: what a box knows of the time after a dark boot without a battery-backed clock.
UNCERTAINTY_UNKNOWN_MS = 315_360_000_000
# A crystal of this class gains or loses at most 100 ppm over the temperatures of a cupboard.
DRIFT_PPM = 100
# What a battery-backed clock read at boot adds: its seconds have no fractions (ble.md 2.9).
HARDWARE_UNCERTAINTY_MS = 2_000
# Below this a step is the everyday slewing of a time service, not worth a note.
STEP_MS = 2_000
# The kernel is asked this often whether a time service vouches for its clock.
ASK_KERNEL_MS = 10_000
# Six writes an hour: what the floor file costs the card, and what a dark boot can lose.
FLOOR_WRITE_S = 600
# 2026-01-01: no box ran before its software was written, so an earlier time is wrong.
RELEASE_WALL_MS = 1_767_225_600_000
# Jumps kept for the status page.
JUMPS_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the clock: a claim with a confidence."""

    wall_ms: int  # milliseconds since 1970, UTC; never below the floor
    boot_ms: int  # milliseconds since this boot, monotonic
    boot_id: str
    uncertainty_ms: int  # half-width of the interval that holds true time

    @property
    def sure(self) -> bool:
        """Whether time-bound rights of full length may be signed."""
        return self.uncertainty_ms <= UNCERTAINTY_SURE_MS_MAX

    @property
    def wall_s(self) -> int:
        """Whole seconds since 1970, UTC."""
        return self.wall_ms // 1000


class Clock(Protocol):
    """What every role and the twin are handed; nothing else may ask for the time."""

    def read(self) -> Reading:
        """Look at the clock. Never goes back."""
        ...

    def monotonic(self) -> float:
        """Seconds on a line that only moves forward; for measuring, not for writing down."""
        ...

    async def sleep_until(self, monotonic_s: float) -> None:
        """Wait until `monotonic()` reaches this."""
        ...


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait this long on that clock."""
    await clock.sleep_until(clock.monotonic() + seconds)


async def within(clock: Clock, seconds: float, future: asyncio.Future[T]) -> T:
    """Await at most this long on that clock; raises TimeoutError, leaves the future alone."""
    alarm = asyncio.ensure_future(sleep(clock, seconds))
    try:
        either: set[asyncio.Future[Any]] = {alarm, future}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise TimeoutError
        return future.result()
    finally:
        alarm.cancel()


class ClockTrust(StrEnum):
    """Whose word about the time of day is taken."""

    SYNCHRONISED = "synchronised"  # a time service, as the operating system knows it
    HARDWARE = "hardware"  # also a battery-backed clock, since its last synchronisation
    SYSTEM = "system"  # the operating system whatever it says: a container, a virtual machine


class TimeSources:
    """What the operating system knows; a test hands in another one."""

    def wall_ms(self) -> int:
        """The system's time of day, milliseconds since 1970, which may jump."""
        return time.time_ns() // 1_000_000

    def boot_ms(self) -> int:
        """Milliseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def vouched_ms(self) -> int | None:
        """How far off a time service says the system's time may be; None when none vouches."""
        return kernel_uncertainty_ms(self.wall_ms())


class JumpKind(StrEnum):
    """What was done about a step of the system's time."""

    FORWARD = "forward"  # followed
    FORWARD_IGNORED = "forward_ignored"  # nobody vouched for it
    BACK_ABSORBED = "back_absorbed"  # our time went on


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """One step of the system's time, noted so that facts around it can be read rightly."""

    kind: JumpKind
    boot_ms: int
    ours_ms: int  # what we held the time to be
    theirs_ms: int  # what the system said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Floor:
    """What survives a boot: a moment that has certainly passed, and how sure it was."""

    wall_ms: int
    boot_id: str
    boot_ms: int
    uncertainty_ms: int
    sure_at_wall_ms: int | None  # when somebody last vouched


class SystemClock:
    """The time of a real box: never goes back, and knows how much it can be trusted.

    Between two looks it runs on the monotonic line; the system's time of day only corrects it, and
    only forward. Safe from any thread.
    """

    def __init__(
        self,
        *,
        floor_path: Path | None,
        trust: ClockTrust = ClockTrust.SYNCHRONISED,
        sources: TimeSources | None = None,
    ) -> None:
        self._sources = sources or TimeSources()
        self._floor_path = floor_path
        self._trust = trust
        self._lock = threading.Lock()
        self._boot_id = self._sources.boot_id()
        self._jumps: deque[Jump] = deque(maxlen=JUMPS_MAX)
        self._noted_gap_ms = 0
        self._asked_kernel_ms = -ASK_KERNEL_MS
        self._vouched_ms: int | None = None
        # The line: at `_line_boot_ms` it was `_line_ms`.
        self._line_boot_ms = self._sources.boot_ms()
        self._line_ms = self._sources.wall_ms()
        # Doubt: at `_doubt_boot_ms` it was `_doubt_ms`, growing with drift since.
        self._doubt_boot_ms = self._line_boot_ms
        self._doubt_ms = UNCERTAINTY_UNKNOWN_MS
        self._sure_at_ms: int | None = None
        # A system time well below this is wrong, whoever vouches for it: facts were written later.
        self._proven_ms = RELEASE_WALL_MS
        self._line_ms = max(self._line_ms, RELEASE_WALL_MS)
        self._take_up(self._stored_floor())

    def read(self) -> Reading:
        """Look at the clock. Never goes back."""
        with self._lock:
            boot_ms = self._sources.boot_ms()
            self._move_to(boot_ms)
            drift_ms = (boot_ms - self._doubt_boot_ms) * DRIFT_PPM // 1_000_000
            return Reading(
                wall_ms=self._line_ms,
                boot_ms=boot_ms,
                boot_id=self._boot_id,
                uncertainty_ms=min(self._doubt_ms + drift_ms, UNCERTAINTY_UNKNOWN_MS),
            )

    def monotonic(self) -> float:
        """Seconds on a line that only moves forward; for measuring, not for writing down."""
        return time.monotonic()

    async def sleep_until(self, monotonic_s: float) -> None:
        """Wait until `monotonic()` reaches this."""
        # A timer of the loop may ring a hair early, so look again.
        while (left := monotonic_s - time.monotonic()) > 0:  # noqa: ASYNC110 - time is the event
            await asyncio.sleep(left)

    def raise_floor(self, wall_ms: int, boot_id: str = "", boot_ms: int = 0) -> None:
        """Hold this moment for passed: the last fact's time, with its boot and time since boot."""
        floor = _Floor(
            wall_ms=wall_ms,
            boot_id=boot_id,
            boot_ms=boot_ms,
            uncertainty_ms=UNCERTAINTY_UNKNOWN_MS,
            sure_at_wall_ms=None,
        )
        with self._lock:
            self._move_to(self._sources.boot_ms())
            self._lift(floor)

    def confirm(self, wall_ms: int, uncertainty_ms: int) -> None:
        """Take a witness's word: a person at the desk, a lock, a server's Date header.

        A witness behind our own time cannot move it back; the difference becomes our doubt.
        """
        with self._lock:
            boot_ms = self._sources.boot_ms()
            self._move_to(boot_ms)
            ahead_ms = max(0, self._line_ms - wall_ms)
            self._line_ms = max(self._line_ms, wall_ms)
            self._believe(boot_ms, uncertainty_ms + ahead_ms)
        self.persist()

    def jumps(self) -> list[Jump]:
        """The latest steps of the system's time, oldest first."""
        with self._lock:
            return list(self._jumps)

    def persist(self) -> None:
        """Write the floor file, durably. Blocks on the disk: not from an event loop's callback."""
        if self._floor_path is None:
            return
        now = self.read()
        floor = _Floor(
            wall_ms=now.wall_ms,
            boot_id=now.boot_id,
            boot_ms=now.boot_ms,
            uncertainty_ms=now.uncertainty_ms,
            sure_at_wall_ms=self._sure_at_ms,
        )
        write_whole(self._floor_path, msgspec.json.encode(floor))

    async def keep_floor(self) -> NoReturn:
        """Write the floor file every ten minutes, for ever. One role of the box runs this."""
        while True:
            try:
                await asyncio.to_thread(self.persist)
            except OSError as error:
                # A full disk is shown elsewhere; the log's last fact is a floor too.
                logger.warning("the clock's floor was not written: %s", error)
            await self.sleep_until(time.monotonic() + FLOOR_WRITE_S)

    # --- all below hold the lock

    def _move_to(self, boot_ms: int) -> None:
        passed_ms = max(0, boot_ms - self._line_boot_ms)
        theirs_ms = self._sources.wall_ms()
        ours_ms = self._line_ms + passed_ms
        gap_ms = theirs_ms - ours_ms
        vouched_ms = self._vouch(boot_ms, stepped=abs(gap_ms - self._noted_gap_ms) > STEP_MS)
        # We may have run ahead a little ourselves, so a little behind is no lie.
        earliest_ms = self._proven_ms - UNCERTAINTY_SURE_MS_MAX
        credible = vouched_ms is not None and theirs_ms >= earliest_ms
        if gap_ms >= 0 and (credible or gap_ms <= STEP_MS):
            self._note(boot_ms, gap_ms, JumpKind.FORWARD)
            moved_ms = passed_ms + gap_ms
            self._noted_gap_ms = 0
        elif gap_ms > 0:
            self._note(boot_ms, gap_ms, JumpKind.FORWARD_IGNORED)
            moved_ms = passed_ms
        else:
            self._note(boot_ms, gap_ms, JumpKind.BACK_ABSORBED)
            # Towards a clock that is vouched for we slow down, and never stand still.
            moved_ms = passed_ms - min(-gap_ms, passed_ms // 2) if credible else passed_ms
        self._line_ms += moved_ms
        self._line_boot_ms = max(boot_ms, self._line_boot_ms)
        if credible and vouched_ms is not None:
            self._believe(boot_ms, vouched_ms + max(0, self._line_ms - theirs_ms))

    def _vouch(self, boot_ms: int, *, stepped: bool) -> int | None:
        if self._trust is ClockTrust.SYSTEM:
            return 0
        # Setting the clock by hand makes the kernel forget that it was synchronised.
        if stepped or boot_ms - self._asked_kernel_ms >= ASK_KERNEL_MS:
            self._asked_kernel_ms = boot_ms
            self._vouched_ms = self._sources.vouched_ms()
        return self._vouched_ms

    def _believe(self, boot_ms: int, uncertainty_ms: int) -> None:
        self._doubt_boot_ms = boot_ms
        self._doubt_ms = min(uncertainty_ms, UNCERTAINTY_UNKNOWN_MS)
        self._sure_at_ms = self._line_ms

    def _note(self, boot_ms: int, gap_ms: int, kind: JumpKind) -> None:
        if abs(gap_ms - self._noted_gap_ms) <= STEP_MS or abs(gap_ms) <= STEP_MS:
            return
        self._noted_gap_ms = gap_ms
        ours_ms = self._line_ms + max(0, boot_ms - self._line_boot_ms)
        jump = Jump(kind=kind, boot_ms=boot_ms, ours_ms=ours_ms, theirs_ms=ours_ms + gap_ms)
        self._jumps.append(jump)
        logger.warning("the system's time stepped by %+d ms: %s", gap_ms, kind.value)

    def _take_up(self, floor: _Floor | None) -> None:
        if floor is None:
            return
        self._lift(floor)
        since_ms = self._line_ms - floor.wall_ms
        drift_ms = since_ms * DRIFT_PPM // 1_000_000
        if floor.boot_id == self._boot_id:
            # Only our process ended: what was known of the time still holds.
            self._doubt_ms = floor.uncertainty_ms + drift_ms
            self._sure_at_ms = floor.sure_at_wall_ms
        elif self._trust is ClockTrust.HARDWARE and floor.sure_at_wall_ms is not None:
            self._doubt_ms = floor.uncertainty_ms + drift_ms + HARDWARE_UNCERTAINTY_MS
            self._sure_at_ms = floor.sure_at_wall_ms

    def _lift(self, floor: _Floor) -> None:
        # In the same boot the monotonic line tells what passed since; before it, at least this
        # whole boot did.
        if not floor.boot_id:
            since_ms = 0
        elif floor.boot_id == self._boot_id:
            since_ms = self._line_boot_ms - floor.boot_ms
        else:
            since_ms = self._line_boot_ms
        self._proven_ms = max(self._proven_ms, floor.wall_ms)
        self._line_ms = max(self._line_ms, floor.wall_ms + max(0, since_ms))

    def _stored_floor(self) -> _Floor | None:
        if self._floor_path is None:
            return None
        try:
            return msgspec.json.decode(self._floor_path.read_bytes(), type=_Floor)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            # Boot waits for nothing: the log's last fact is a floor too.
            logger.warning("the clock's floor file %s is unreadable: %s", self._floor_path, error)
            return None
