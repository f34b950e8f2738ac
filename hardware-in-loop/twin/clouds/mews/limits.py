"""The vendor's limit: 200 requests in 30 seconds for each access token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from appliance.kernel.clock import Clock

# cloud.md 1.3: the window begins with the first request of a burst.
REQUESTS_MAX: Final = 200
WINDOW_S: Final = 30.0


@dataclass(slots=True)
class _Window:
    opened_s: float
    used: int


class Limits:
    """Counts requests per token on the twin's clock."""

    def __init__(self, clock: Clock, requests_max: int = REQUESTS_MAX) -> None:
        self.requests_max = requests_max
        self.refused = 0
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def wait_s(self, token: str) -> int:
        """Count one request; 0 when it may pass, else whole seconds until it may come again."""
        now_s = self._clock.monotonic()
        window = self._windows.get(token)
        if window is None or now_s - window.opened_s >= WINDOW_S:
            window = self._windows[token] = _Window(now_s, 0)
        if window.used >= self.requests_max:
            self.refused += 1
            return max(1, math.ceil(window.opened_s + WINDOW_S - now_s))
        window.used += 1
        return 0
