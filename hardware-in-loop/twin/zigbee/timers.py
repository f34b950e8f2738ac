"""Everything in the simulated network that happens later, on one clock and with one owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery


class Timer:
    """One thing that will happen unless it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self.task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        """Let it not happen. A timer may cancel itself while it rings."""
        self.cancelled = True
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()


class Timers:
    """Starts work and rings timers. What raises is kept in `broke`: a bug of the simulator."""

    def __init__(self, clock: Clock, nursery: Nursery) -> None:
        self.clock = clock
        self._nursery = nursery
        self.broke: list[Exception] = []

    def now(self) -> float:
        """Seconds on the monotonic line."""
        return self.clock.monotonic()

    def wall_s(self) -> int:
        """Whole seconds since 1970, UTC."""
        return self.clock.read().wall_s

    async def sleep(self, seconds: float) -> None:
        """Wait on the simulation's clock."""
        await sleep(self.clock, seconds)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        """Run something beside."""
        task = self._nursery.mortal(name, self._guarded(work))
        # A timer that is cancelled before its first step leaves work that nobody ever awaited.
        task.add_done_callback(lambda _: work.close())
        return task

    def after(self, seconds: float, name: str, act: Callable[[], None]) -> Timer:
        """Call `act` in so many seconds, unless the timer is cancelled first."""
        timer = Timer()
        timer.task = self.start(name, self._ring(seconds, timer, act))
        return timer

    async def _ring(self, seconds: float, timer: Timer, act: Callable[[], None]) -> None:
        await self.sleep(seconds)
        if not timer.cancelled:
            act()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.broke.append(error)
            raise
