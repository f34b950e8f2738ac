"""What one session still has to be given: a window in flight, a bounded queue behind it."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.bus.broker.packets import Publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.bus.broker.settings import Limits

PACKET_IDS = 65_535


class Outgoing:
    """QoS 1 messages of one session, in order, until the client has acknowledged each.

    Connected or not makes no difference here: a session that is away simply opens no window.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._in_flight: OrderedDict[int, Publish] = OrderedDict()
        self._waiting: deque[Publish] = deque()
        self._waiting_bytes = 0
        self._last_id = 0
        self.dropped = 0  # messages refused because the queue was full

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._waiting)

    def offer(self, message: Publish) -> bool:
        """Queue a message; False where the session already holds as much as it may."""
        size = len(message.payload) + len(message.topic)
        if (
            len(self._waiting) >= self._limits.queued_messages_max
            or self._waiting_bytes + size > self._limits.queued_bytes_max
        ):
            self.dropped += 1
            return False
        self._waiting.append(message)
        self._waiting_bytes += size
        return True

    def sendable(self) -> Iterator[Publish]:
        """Move what fits into the window and give it out, each with its packet id."""
        while self._waiting and len(self._in_flight) < self._limits.in_flight_max:
            message = replace(self._waiting.popleft(), packet_id=self._next_id())
            self._waiting_bytes -= len(message.payload) + len(message.topic)
            self._in_flight[message.packet_id] = message
            yield message

    def acknowledged(self, packet_id: int) -> bool:
        """Forget a message the client has; False where no such message was in flight."""
        return self._in_flight.pop(packet_id, None) is not None

    def repeated(self) -> Iterator[Publish]:
        """Everything in flight again, marked as a repeat: what a reconnected client is owed."""
        for message in list(self._in_flight.values()):
            yield replace(message, duplicate=True)

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % PACKET_IDS + 1
            if self._last_id not in self._in_flight:
                return self._last_id
