"""Incoming messages in lanes: in order for each device, and no device waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bus.broker.packets import matches
from appliance.bus.words import answer_topic, device_of
from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from appliance.bus.port import Handler, Message
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# Three: a handler that fails thrice within a second meets a poisoned message, not a busy disk.
ATTEMPTS_MAX = 3
RETRY_S = 0.2
# 5 s: acknowledgements leave in order, so one stuck handler would stop the window of twenty.
HANDLER_S_MAX = 5.0
# Topics whose handlers are remembered.
ROUTES_MAX = 8_192

Settled = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: Message
    settled: Settled | None
    since_s: float


class Lanes:
    """Handlers by filter, and lanes that live while they have something to do.

    Each device has two: one for its answers, one for everything else.
    """

    def __init__(
        self, *, clock: Clock, nursery: Nursery, handler_s_max: float | None = HANDLER_S_MAX
    ) -> None:
        self._clock = clock
        self._nursery = nursery
        self._handler_s_max = handler_s_max
        self._handlers: dict[str, list[Handler]] = {}
        self._routes: dict[str, list[Handler]] = {}
        self._lanes: dict[str, deque[_Waiting]] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.parked = 0

    @property
    def filters(self) -> list[str]:
        """Every filter that somebody handles."""
        return list(self._handlers)

    @property
    def waiting(self) -> int:
        """Messages received and not yet handled."""
        return sum(map(len, self._lanes.values()))

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest of them has waited, in seconds."""
        oldest = [lane[0].since_s for lane in self._lanes.values() if lane]
        return self._clock.monotonic() - min(oldest) if oldest else 0.0

    def add(self, topic_filter: str, handler: Handler) -> None:
        """Have messages under this filter handled."""
        self._handlers.setdefault(topic_filter, []).append(handler)
        self._routes.clear()

    def put(self, message: Message, settled: Settled | None = None) -> None:
        """Queue a message; `settled` is awaited once every handler of it has returned."""
        name = device_of(message.topic) or ""
        # Answers overtake: a handler of events may be waiting for one, and so may a guest.
        if message.topic == answer_topic(name):
            name += " answers"
        lane = self._lanes.get(name)
        waiting = _Waiting(message, settled, self._clock.monotonic())
        if lane is not None:
            lane.append(waiting)
            return
        self._quiet.clear()
        lane = self._lanes[name] = deque([waiting])
        self._nursery.mortal(f"bus lane {name}", self._drain(name, lane))

    async def quiet(self) -> None:
        """Return once no message waits."""
        await self._quiet.wait()

    async def _drain(self, name: str, lane: deque[_Waiting]) -> None:
        try:
            while lane:
                # Left in the lane while it is handled, so that its age is seen.
                waiting = lane[0]
                for handler in self._handlers_of(waiting.message.topic):
                    await self._handle(handler, waiting.message)
                if waiting.settled is not None:
                    await waiting.settled()
                lane.popleft()
        finally:
            del self._lanes[name]
            if not self._lanes:
                self._quiet.set()

    async def _handle(self, handler: Handler, message: Message) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                if self._handler_s_max is None:
                    await handler(message)
                else:
                    async with asyncio.timeout(self._handler_s_max):
                        await handler(message)
            except Exception:
                logger.exception("a message on %s failed, try %d", message.topic, attempt)
            else:
                return
            if attempt < ATTEMPTS_MAX:
                await sleep(self._clock, RETRY_S * attempt)
        self.parked += 1
        logger.error("a message on %s is given up", message.topic)

    def _handlers_of(self, topic: str) -> list[Handler]:
        found = self._routes.get(topic)
        if found is None:
            if len(self._routes) >= ROUTES_MAX:
                self._routes.clear()
            found = self._routes[topic] = [
                handler
                for topic_filter, handlers in self._handlers.items()
                if matches(topic_filter, topic)
                for handler in handlers
            ]
        return found
