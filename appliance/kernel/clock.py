"""The one place that asks what time it is, and how sure the answer is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")

# 600 s: the same doubt at which a lock refuses time-bound keys (ble.md 2.9).
UNCERTAINTY_SURE_MS_MAX = 600_000


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
        await asyncio.wait({alarm, future}, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            raise TimeoutError
        return future.result()
    finally:
        alarm.cancel()
