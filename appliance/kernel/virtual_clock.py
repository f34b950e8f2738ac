"""A clock that moves when it is told to: for tests, replay, and the simulated property."""
# ruff: noqa: TID251 - asyncio.sleep is what virtual time itself is made of

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from appliance.kernel.clock import Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# Rounds of the loop with nothing ready before the house counts as quiet: what one side of a
# socket pair writes is readable in the next round, and its answer in the one after.
QUIET_ROUNDS = 3
# Real time between looks while a thread or another process is at work.
BUSY_LOOK_S = 0.0005
# Real time without any progress before we say that the house hangs.
HANG_S_MAX = 60.0
_NS = 1_000_000_000


class VirtualClock:
    """Time as a number. One event loop sleeps on it; reading is safe from any thread."""

    def __init__(
        self, start_wall_ms: int, *, boot_id: str = "virtual", uncertainty_ms: int = 0
    ) -> None:
        """Start at this time of day, just booted."""
        self.uncertainty_ms = uncertainty_ms
        self._start_wall_ms = start_wall_ms
        self._boot_id = boot_id
        self._boot_ns = 0
        self._now_ns = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = itertools.count()
        self._busy: list[Callable[[], bool]] = []
        self._driven = False

    def read(self) -> Reading:
        """Look at the clock. Never goes back."""
        now_ns = self._now_ns
        return Reading(
            wall_ms=self._start_wall_ms + now_ns // 1_000_000,
            boot_ms=(now_ns - self._boot_ns) // 1_000_000,
            boot_id=self._boot_id,
            uncertainty_ms=self.uncertainty_ms,
        )

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now_ns / _NS

    async def sleep_until(self, monotonic_s: float) -> None:
        """Wait until somebody moved the clock to this."""
        deadline_ns = round(monotonic_s * _NS)
        if deadline_ns <= self._now_ns:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (deadline_ns, next(self._number), woken))
        await woken

    def reboot(self, boot_id: str) -> None:
        """Begin another boot: the time of day goes on, the time since boot starts again."""
        self._boot_id = boot_id
        self._boot_ns = self._now_ns

    def watch(self, busy: Callable[[], bool]) -> None:
        """Let time stand still while this is true: work the loop cannot see, in threads."""
        self._busy.append(busy)

    def unwatch(self, busy: Callable[[], bool]) -> None:
        """Stop heeding what `watch` was given."""
        self._busy.remove(busy)

    async def advance(self, seconds: float) -> None:
        """Move on by this much; who sleeps is woken in order, and ends its work before the next."""
        target_ns = self._now_ns + round(seconds * _NS)
        await self.settle()
        while (deadline_ns := self._next_deadline_ns()) is not None and deadline_ns <= target_ns:
            self._wake(deadline_ns)
            await self.settle()
        self._now_ns = max(self._now_ns, target_ns)
        await self.settle()

    async def leap(self, seconds: float) -> None:
        """Move on at once, as a machine that was suspended: who slept through it wakes once, late.

        What `advance` would do every second of a quiet night is done once here.
        """
        await self.settle()
        self._wake(self._now_ns + round(seconds * _NS))
        await self.settle()

    async def run_until(self, work: Awaitable[T], limit_s: float) -> T:
        """Do some work, moving from sleeper to sleeper whenever the house is quiet.

        Raises TimeoutError when it takes longer than `limit_s` of virtual time.
        """
        limit_ns = self._now_ns + round(limit_s * _NS)
        task = asyncio.ensure_future(work)
        try:
            while not await self._ended(task):
                deadline_ns = self._next_deadline_ns()
                if deadline_ns is None or deadline_ns > limit_ns:
                    self._now_ns = max(self._now_ns, limit_ns)
                    raise TimeoutError(f"not done after {limit_s} s of virtual time")
                self._wake(deadline_ns)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def run(self) -> NoReturn:
        """Move from sleeper to sleeper for ever: a task beside a house that runs by itself."""
        while True:
            await self.settle()
            deadline_ns = self._next_deadline_ns()
            if deadline_ns is None:
                await asyncio.sleep(BUSY_LOOK_S)
            else:
                self._wake(deadline_ns)

    async def settle(self) -> None:
        """Let the loop run until nothing is ready and nothing watched is busy."""
        if self._driven:
            raise RuntimeError("two tasks move one virtual clock: let one of them wait instead")
        self._driven = True
        try:
            await self._until_quiet(asyncio.get_running_loop())
        finally:
            self._driven = False

    async def _until_quiet(self, loop: asyncio.AbstractEventLoop) -> None:
        give_up_s = loop.time() + HANG_S_MAX
        quiet = 0
        while quiet < QUIET_ROUNDS:
            await asyncio.sleep(0)
            busy = any(busy() for busy in self._busy)
            quiet = 0 if busy or _ready(loop) else quiet + 1
            if busy:
                await asyncio.sleep(BUSY_LOOK_S)
            if loop.time() > give_up_s:
                raise TimeoutError(f"the house was not quiet for {HANG_S_MAX:.0f} real seconds")

    async def _ended(self, task: asyncio.Future[Any]) -> bool:
        await self.settle()
        if not task.done() and self._next_deadline_ns() is None:
            # Nobody sleeps: an answer of a socket or a thread nobody watches may be on its way.
            await asyncio.wait([task], timeout=1.0)
        return task.done()

    def _next_deadline_ns(self) -> int | None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def _wake(self, deadline_ns: int) -> None:
        self._now_ns = max(self._now_ns, deadline_ns)
        while self._sleepers and self._sleepers[0][0] <= deadline_ns:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


def _ready(loop: asyncio.AbstractEventLoop) -> bool:
    # The loop has no public word for "is there more to run?"; without it (another loop than
    # asyncio's own) the rounds alone must do.
    return bool(getattr(loop, "_ready", ()))
