"""An event loop on which waiting takes no time: whole minutes of radio in a second of a test."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from appliance.kernel.clock import Reading

T = TypeVar("T")

# 2026-03-01 00:00 UTC, a Sunday: any moment after the release that a test can compute with.
START_WALL_MS = 1_772_323_200_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """When nothing is ready, its time leaps to the next timer. For work without threads or peers.

    Everything that waits by the loop's own time (bumble, bleak, timeouts) runs unchanged.
    """

    def __init__(self) -> None:
        self._leapt_s = 1_000.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Seconds since the loop was made, and a thousand."""
        return self._leapt_s

    def leap(self, seconds: float) -> None:
        """Move on."""
        self._leapt_s += seconds


class LoopClock:
    """The `Clock` of whoever lives on the running loop, virtual or not."""

    def __init__(self, start_wall_ms: int = START_WALL_MS) -> None:
        self._start_wall_ms = start_wall_ms
        self._start_s = asyncio.get_running_loop().time()

    def read(self) -> Reading:
        """Look at the clock. Never goes back."""
        passed_ms = int((self.monotonic() - self._start_s) * 1_000)
        return Reading(
            wall_ms=self._start_wall_ms + passed_ms,
            boot_ms=passed_ms,
            boot_id="loop",
            uncertainty_ms=0,
        )

    def monotonic(self) -> float:
        """Seconds on a line that only moves forward."""
        return asyncio.get_running_loop().time()

    async def sleep_until(self, monotonic_s: float) -> None:
        """Wait until `monotonic()` reaches this."""
        woken = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_at(monotonic_s, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()


def run_at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class _Leaping(selectors.DefaultSelector):
    """Looks at files without waiting, and lets the loop leap instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; with nothing ready the loop's time moves instead of ours."""
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready if timeout is not None else super().select(None)
        self._loop.leap(timeout)
        return ready
