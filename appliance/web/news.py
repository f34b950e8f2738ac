"""What changed, told to whoever listens: topics and ids, never content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

import strawberry

from appliance.asked import Info
from appliance.kernel.engine import Recorded
from appliance.kernel.messages import Event

# 256: a second of a very busy house. Who is further behind is slow and is cut off.
WAITING_MAX: Final = 256

# The first part of a kind -> the topic, and the fields that may hold the id.
TOPICS: Final = {
    "stays": ("stay", ("stay_id",)),
    "housekeeping": ("room", ("room_id",)),
    "inventory": ("room", ("room_id",)),
    "climate": ("room", ("room_id",)),
    "doors": ("door", ("door_id",)),
    "payments": ("payment", ("stay_id",)),
    "concierge": ("request", ("request_id",)),
}


@strawberry.type
class Change:
    """Something changed: read again what you show of it."""

    topic: str
    id: strawberry.ID | None
    position: int


class TooSlowError(Exception):
    """The listener did not keep up and is cut off. Cure: connect again and read anew."""


class News:
    """Hears every batch of facts and tells its listeners."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Change | None]] = set()

    def notice(self, facts: Sequence[Recorded]) -> None:
        """Called with every batch after its commit."""
        if not self._listeners:
            return
        for fact in facts:
            change = change_of(fact.event, fact.position)
            if change is not None:
                self._tell(change)

    def health_changed(self, position: int) -> None:
        """A part of the box stands otherwise than before."""
        self._tell(Change(topic="health", id=None, position=position))

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def changes(self, topics: frozenset[str] | None) -> AsyncGenerator[Change, None]:
        """Changes from now on; raises TooSlowError for a listener that does not keep up."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(WAITING_MAX)
        self._listeners.add(queue)
        try:
            while True:
                change = await queue.get()
                if change is None:
                    raise TooSlowError
                if topics is None or change.topic in topics:
                    yield change
        finally:
            self._listeners.discard(queue)

    def _tell(self, change: Change) -> None:
        for queue in list(self._listeners):
            try:
                queue.put_nowait(change)
            except asyncio.QueueFull:
                self._listeners.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)


def change_of(event: Event, position: int) -> Change | None:
    """What a fact changes for a screen; None where no screen shows it."""
    room, _, what = event.kind.partition(".")
    if room not in TOPICS:
        return None
    topic, fields = TOPICS[room]
    if what.startswith("alarm_"):
        topic, fields = "alarm", ("device_id",)
    if what.startswith("conflict_"):
        topic, fields = "conflict", ("conflict_id",)
    found = next((getattr(event, name) for name in fields if getattr(event, name, None)), None)
    return Change(
        topic=topic, id=None if found is None else strawberry.ID(found), position=position
    )


@strawberry.type
class Subscription:
    """News of the house."""

    @strawberry.subscription
    async def changes(
        self, info: Info, topics: list[str] | None = None
    ) -> AsyncGenerator[Change, None]:
        """What changed, by topic: stay, room, door, alarm, payment, request, conflict, health."""
        info.context.staff()
        wanted = None if topics is None else frozenset(topics)
        async for change in info.context.ports.news.changes(wanted):
            yield change
