"""A whole property on a real broker: every device connects, answers, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from appliance.bus.broker.listeners import embedded_broker
from appliance.bus.broker.settings import Address, BrokerSettings
from appliance.bus.client import BusSettings, MqttBus
from appliance.bus.credentials import BusRole, Credentials, add
from appliance.bus.device_sheet import BusAddress
from appliance.bus.port import Message
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    EventKind,
    Outcome,
    Presence,
    command_topic,
    encode,
)
from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.tasks import Nursery
from support.lock_bench import LockBench
from support.small_house import small_house
from twin.journal import Journal
from twin.property import Property, mqtt_wire

ROOMS = 4
PATIENCE_S = 20


@dataclass
class House:
    """The box's end of the bus and what it has heard."""

    box: MqttBus
    twin: Property
    journal: Journal
    heard: asyncio.Queue[Message]
    nursery: Nursery

    async def next(self, what: str) -> Message:
        """The next message of this kind, from whatever device."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.heard.get()
                if message.topic.endswith(f"/up/{what}"):
                    return message


@asynccontextmanager
async def house() -> AsyncGenerator[House, None]:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    died: list[str] = []
    nursery = Nursery(lambda name, error: died.append(name))
    credentials, box_token = add(Credentials(identities={}), "box", BusRole.CORE)
    tokens: dict[str, str] = {}
    for device in small_house(ROOMS).devices:
        credentials, tokens[device.device] = add(credentials, device.device, BusRole.DEVICE)
    settings = BrokerSettings(plain=Address(host="127.0.0.1", port=0))
    async with embedded_broker(settings, credentials, clock) as broker:
        port = broker.ports["tcp"]
        box = MqttBus(
            BusSettings(identity="box", token=box_token, port=port), clock=clock, nursery=nursery
        )
        heard: asyncio.Queue[Message] = asyncio.Queue()
        await box.subscribe("np/+/up/#", heard.put)
        box.start()
        journal = Journal(clock=clock)
        sheet = small_house(ROOMS, tokens=tokens, bus=BusAddress(port=port))
        twin = Property(
            sheet,
            wire=mqtt_wire(sheet, clock=clock, nursery=nursery),
            clock=clock,
            nursery=nursery,
            journal=journal,
        )
        await twin.start()
        yield House(box=box, twin=twin, journal=journal, heard=heard, nursery=nursery)
        await twin.close()
        await box.close()
        await nursery.close()
    assert died == []


async def test_every_device_comes_up_and_opens_in_order() -> None:
    async with house() as stage:
        online: set[str] = set()
        while len(online) < 3 * ROOMS:
            message = await stage.next("online")
            if msgspec.json.decode(message.payload, type=Presence).online:
                online.add(message.topic)
        bench = LockBench(now_ms=SystemClock(floor_path=None).read().wall_ms)
        order = bench.order(credential=bench.key(doors=((204, 1), (205, 1))))
        for device in ("lock-204", "lock-205", "lock-206"):
            await stage.box.publish(command_topic(device), encode(order))
        answers = {}
        for _ in range(3):
            message = await stage.next("answer")
            answers[message.topic] = msgspec.json.decode(message.payload, type=DeviceAnswer)
        outcomes = [answers[topic].outcome for topic in sorted(answers)]
        assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.REFUSED]
        assert stage.journal.count("bolt", to="unlocked") == 2


async def test_a_device_that_was_unplugged_tells_what_happened_meanwhile() -> None:
    async with house() as stage:
        await stage.next("online")
        device = stage.twin.devices["lock-204"]
        now = SystemClock(floor_path=None).read()
        bench = LockBench(now_ms=now.wall_ms)
        bus = device.bus
        assert bus is not None
        await bus.close()
        device.happened(stage.twin.lock("lock-204").try_credential(bench.key(), now))
        await device.plug_in()
        event = msgspec.json.decode((await stage.next("event")).payload, type=DeviceEvent)
        assert (event.seq, event.kind) == (1, EventKind.UNLOCKED)
