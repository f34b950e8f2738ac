"""A nursery and a clock for tests of the bus, and a bus of any identity on a running broker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.bus.client import BusSettings, MqttBus
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from appliance.bus.port import Message, Standing
    from support.brokers import House, Running


@asynccontextmanager
async def nursery() -> AsyncGenerator[Nursery, None]:
    """A nursery that is empty afterwards."""
    opened = Nursery(lambda name, error: None)
    try:
        yield opened
    finally:
        await opened.close()


class Inbox:
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()

    async def __call__(self, message: Message) -> None:
        """Keep it."""
        self._messages.put_nowait(message)

    async def next(self) -> Message:
        """Await the next one."""
        async with asyncio.timeout(10):
            return await self._messages.get()

    def empty(self) -> bool:
        """Whether everything has been looked at."""
        return self._messages.empty()


@dataclass(slots=True)
class Callers:
    """Makes buses on one broker."""

    broker: Running
    house: House
    nursery: Nursery

    def bus(self, name: str, **unusual: object) -> MqttBus:
        """A bus of this name, not yet started."""
        settings = BusSettings(
            identity=name, token=self.house.tokens[name], port=self.broker.port, keepalive_s=5
        )
        settings = replace(settings, **unusual)  # type: ignore[arg-type]
        return MqttBus(settings, clock=SystemClock(floor_path=None), nursery=self.nursery)


async def up(bus: MqttBus) -> Standing:
    """Start a bus and return once it is connected."""
    connected = asyncio.Event()

    async def greeting() -> None:
        connected.set()

    bus.on_connect(greeting)
    bus.start()
    async with asyncio.timeout(10):
        await connected.wait()
    return bus.standing()
