"""How long a client is made to wait: floods are slowed, guessers are held back."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from appliance.bus.broker.settings import Limits
    from appliance.kernel.clock import Clock

# Addresses whose failures are remembered: more than a guest network of the property can hold.
SUSPECTS_MAX = 4_096
# The golden ratio's fraction: its multiples never bunch.
GOLDEN = 0.618_034


@dataclass(slots=True)
class Pace:
    """A token bucket: how long a client must wait before its next packet is looked at."""

    per_s: float
    burst: float
    clock: Clock
    _left: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at_s = self.burst, self.clock.monotonic()

    async def step(self) -> None:
        """Take one token, waiting for it where the client is too fast."""
        now_s = self.clock.monotonic()
        self._left = min(self.burst, self._left + (now_s - self._at_s) * self.per_s) - 1
        self._at_s = now_s
        if self._left < 0:
            await sleep(self.clock, -self._left / self.per_s)


class Suspicion:
    """Which addresses fail too often: their connections are held back, never refused for it.

    Holding is gentle enough for an honest client behind the same address, and turns a storm of
    guesses into one try a second for each socket the stranger can keep open.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        # Failures still held against an address, and when that was so.
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._turn = 0.0

    def note(self, address: str) -> None:
        """Count a failure."""
        count = min(self._count(address) + 1, 2 * self._limits.failures_burst)
        self._held[address] = (count, self._clock.monotonic())
        self._held.move_to_end(address)
        while len(self._held) > SUSPECTS_MAX:
            self._held.popitem(last=False)

    async def wait(self, address: str) -> None:
        """Hold a connection from an address that has failed too often."""
        if self._count(address) >= self._limits.failures_burst:
            # Spread out, so that those held together are not let through together.
            self._turn = (self._turn + GOLDEN) % 1
            await sleep(self._clock, self._limits.held_s * (0.5 + self._turn))

    def _count(self, address: str) -> float:
        count, at_s = self._held.get(address, (0.0, 0.0))
        forgiven = (self._clock.monotonic() - at_s) * self._limits.failures_per_s
        return max(0.0, count - forgiven)
