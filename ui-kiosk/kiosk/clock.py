"""The terminal's own clock: the one place of the kiosk that asks what time it is."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What every part of the kiosk is handed; a test hands in one that stands still."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970, as this terminal believes."""
        ...

    def monotonic(self) -> float:
        """Seconds on a line that only moves forward; for ages and idle time."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait between two tries."""
        ...


class TerminalClock:
    """The operating system's clock."""

    def wall_ms(self) -> int:
        """The system's time of day."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """The system's monotonic clock."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """Real waiting."""
        await asyncio.sleep(seconds)
