"""What every thing behind the stick is given: the radio's life, its turn to speak, and an ear."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from appliance.kernel.clock import sleep
from drivers.port import Evidence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.port import House
    from drivers.zigbee.stack import Kind

T = TypeVar("T")

# 17 to 26 commands at once make a coordinator drop some (zha#422, HA core #133736): a checkout of
# 200 thermostats goes out at this rate, and a door waits for none of it.
COMMANDS_A_SECOND_MAX: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each wait may last, in s of the clock. A test has less of it."""

    answer_s: float = 5.5  # a press is told within 8 s, evidence included (DESIGN section 7)
    settle_s: float = 1.0  # after that, how long a late word is listened for
    read_s: float = 1.4  # and how long reading the bolt may take beside
    look_s: float = 6.0  # the same where nobody stands at the door any more
    air_s: float = 8.0  # a stick keeps a frame for a sleeping child for 7.68 s, then drops it
    owed_s: float = 30.0  # an event that comes later than this belongs to nothing
    request_s: float = 10.0  # anything that is no door
    watch_every_s: float = 5.0  # a hung stick is noticed within twice this (zigpy: 45 s)
    tidy_s: float = 1.0  # joins within this share one backup


class NoWordError(Exception):
    """A request has no answer; `evidence` says why, `note` is a technical word."""

    def __init__(self, evidence: Evidence, note: str = "") -> None:
        super().__init__(f"{evidence} {note}".strip())
        self.evidence = evidence
        self.note = note


class Air(Protocol):
    """The radio as its things see it."""

    kind: Kind
    clock: Clock
    nursery: Nursery
    patience: Patience
    lost: asyncio.Event  # set while there is no stick
    up_s: float  # when the stick was last started, and so reset

    @property
    def app(self) -> Any:
        """The running stack, or None."""
        ...

    def say(self, telling: Callable[[House], Awaitable[None]]) -> None:
        """Tell the house something, in order, after what was said before."""
        ...

    async def turn(self) -> None:
        """Wait until a command that is no door may go out."""
        ...

    def remember(self) -> None:
        """A thing learned something that must outlive the process."""
        ...


class Pace:
    """Turns that are at least a quarter of a second apart."""

    def __init__(self, clock: Clock, a_second: float = COMMANDS_A_SECOND_MAX) -> None:
        self._clock = clock
        self._gap_s = 1 / a_second
        self._next_s = clock.monotonic()

    async def turn(self) -> None:
        """Wait for the next turn."""
        now_s = self._clock.monotonic()
        mine_s = max(now_s, self._next_s)
        self._next_s = mine_s + self._gap_s
        await self._clock.sleep_until(mine_s)


async def reach(air: Air, call: Coroutine[Any, Any, T], until_s: float) -> T:
    """Await a request of the stack until then, or until the stick is gone.

    The stack does not fail what is in the air when the stick goes (27.98 s, measured), and what it
    raises then is anything at all. Raises NoWordError.
    """
    task = asyncio.ensure_future(call)
    gone = asyncio.ensure_future(air.lost.wait())
    late = asyncio.ensure_future(air.clock.sleep_until(until_s))
    either: set[asyncio.Future[Any]] = {task, gone, late}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in (task, gone, late):
            waiting.cancel()
        ends = await asyncio.gather(task, gone, late, return_exceptions=True)
    end = ends[0]
    if isinstance(end, asyncio.CancelledError):
        raise NoWordError(Evidence.LINK_LOST if air.lost.is_set() else Evidence.DEADLINE)
    if isinstance(end, BaseException):
        raise NoWordError(Evidence.DEADLINE, type(end).__name__) from end
    return end


async def pause(air: Air, seconds: float) -> None:
    """Wait on the radio's clock."""
    await sleep(air.clock, seconds)
