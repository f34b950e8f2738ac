"""The vendor's limits: three windows at once for each account, and so many requests under way."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from appliance.kernel.clock import Clock

# cloud.md 1.1: 15 a second, 120 a minute, 5,000 an hour.
WINDOWS: Final = (("Second", 1.0, 15), ("Minute", 60.0, 120), ("Hour", 3600.0, 5000))
# Seen in the field, in no document.
UNDER_WAY_MAX: Final = 15


class Limits:
    """Counts requests on the twin's clock, in sliding windows: the strictest reading there is."""

    def __init__(self, clock: Clock) -> None:
        self.refused = 0
        self.under_way = 0
        self._clock = clock
        self._taken: list[deque[float]] = [deque() for _ in WINDOWS]

    def wait_s(self) -> int:
        """Count one request; 0 when it may pass, else whole seconds until it may come again."""
        now_s = self._forget_old()
        waits = [
            taken[0] + width_s - now_s
            for taken, (_, width_s, most) in zip(self._taken, WINDOWS, strict=True)
            if len(taken) >= most
        ]
        if not waits and self.under_way >= UNDER_WAY_MAX:
            waits = [1.0]
        if waits:
            self.refused += 1
            return max(1, math.ceil(max(waits)))
        for taken in self._taken:
            taken.append(now_s)
        return 0

    def headers(self) -> dict[str, str]:
        """What every answer says of the windows."""
        self._forget_old()
        said: dict[str, str] = {}
        for taken, (name, _, most) in zip(self._taken, WINDOWS, strict=True):
            said[f"X-RateLimit-Limit-{name}"] = str(most)
            said[f"X-RateLimit-Remaining-{name}"] = str(max(0, most - len(taken)))
        return said

    def spend_elsewhere(self, number: int) -> None:
        """Another program of the same account asked so often just now."""
        now_s = self._clock.monotonic()
        for taken in self._taken:
            taken.extend([now_s] * number)

    def _forget_old(self) -> float:
        now_s = self._clock.monotonic()
        for taken, (_, width_s, _) in zip(self._taken, WINDOWS, strict=True):
            while taken and now_s - taken[0] >= width_s:
                taken.popleft()
        return now_s
