"""What the desks of one radio share, and how long each thing may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.judge import DeviceTime

if TYPE_CHECKING:
    from appliance.bus.words import DeviceAnswer, State
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.keep import Keep
    from drivers.outbox import Outbox
    from drivers.port import Device

# 6 s: what a radio gets of the 8 s a person waits (zigbee.md 4, rule 2); the rest is for the answer.
CARRY_S_MAX: Final = 6.0
# A port returns a few seconds after its deadline (it listens for a late word): then we answer.
SETTLE_S_MAX: Final = 4.0
# A call that has not returned by then never will: the radio is started anew.
HUNG_S_MAX: Final = 30.0
CANCEL_S_MAX: Final = 5.0
STATE_S_MAX: Final = 5.0
# Orders at once for one device: a day's deliveries to a door are a tenth of it.
WAITING_MAX: Final = 64
# A disk that refuses for some seconds is another alarm's business.
STORE_TRIES_MAX: Final = 5
STORE_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The parts that every desk works with.

    `reach` gives a device while its radio serves, `answer` returns whether the bus took the words,
    `ring` says that there are events to tell, `hung` is told of a device whose call never returns.
    `shares_clock`: whoever sets the expiries reads the same clock as we do.
    """

    keep: Keep
    outbox: Outbox
    clock: Clock
    nursery: Nursery
    reach: Callable[[str], Device | None]
    answer: Callable[[str, DeviceAnswer], Awaitable[bool]]
    stated: Callable[[str, State], Awaitable[None]]
    ring: Callable[[], None]
    hung: Callable[[str], None]
    shares_clock: bool = True

    def now_ms(self) -> int:
        """The time, never before a moment by which orders were refused or forgotten."""
        return max(self.clock.read().wall_ms, self.keep.floor_ms)

    def time(self) -> DeviceTime:
        """The same as a lock's clock would have it.

        The box signed a press by the clock that we read, so its doubt is no doubt between the two.
        """
        doubt_ms = 0 if self.shares_clock else self.clock.read().uncertainty_ms
        return DeviceTime(self.now_ms(), doubt_ms, known=True)
