"""The vendor's two limits at once: 15 requests in 10 s by address, 20 in 10 s by account.

A refusal says nothing about when to come again (cloud.md 1.2): no `Retry-After`, no remainder.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from appliance.kernel.clock import Clock

ADDRESS_MAX: Final = 15
ACCOUNT_MAX: Final = 20
WINDOW_S: Final = 10.0


class Limits:
    """Sliding windows, the strictest reading of the vendor's words."""

    def __init__(self, clock: Clock) -> None:
        self.refused = 0
        self._clock = clock
        self._used: dict[str, deque[float]] = {}

    def admits_address(self, address: str) -> bool:
        """Count one request of an address; False when it is one too many."""
        return self._admits(f"address {address}", ADDRESS_MAX)

    def admits_account(self, account_id: int) -> bool:
        """Count one request of an account; False when it is one too many."""
        return self._admits(f"account {account_id}", ACCOUNT_MAX)

    def _admits(self, who: str, requests_max: int) -> bool:
        now_s = self._clock.monotonic()
        used = self._used.setdefault(who, deque())
        while used and used[0] <= now_s - WINDOW_S:
            used.popleft()
        if len(used) >= requests_max:
            self.refused += 1
            return False
        used.append(now_s)
        return True
