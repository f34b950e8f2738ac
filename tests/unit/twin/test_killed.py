"""The twin's process killed at random while orders fly: nothing moves twice, nothing is invented."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import msgspec
import pytest

from appliance.bus.broker.listeners import embedded_broker
from appliance.bus.broker.settings import Address, BrokerSettings
from appliance.bus.client import BusSettings, MqttBus
from appliance.bus.credentials import BusRole, Credentials, add
from appliance.bus.device_sheet import BusAddress, save
from appliance.bus.port import Message
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    EventKind,
    Order,
    Outcome,
    command_topic,
    encode,
)
from appliance.kernel.clock import ClockTrust, SystemClock, sleep
from appliance.kernel.tasks import Nursery
from support.lock_bench import LockBench
from support.small_house import small_house
from twin.journal import Journal

ROOT = Path(__file__).resolve().parents[4]
KILLS = 12
PATIENCE_S = 30


async def start(folder: Path) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from twin.main import twin; twin()",
        "up",
        "--sheet",
        str(folder / "sheet.json"),
        "--journal",
        str(folder / "journal.jsonl"),
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'hardware-in-loop'}"},
        stdout=PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        json.loads((await process.stdout.readline()).decode().removeprefix("ready "))
    return process


class Box:
    """What the box hears of the lock."""

    def __init__(self) -> None:
        self.done: set[str] = set()
        self.events: dict[int, DeviceEvent] = {}
        self.changed = asyncio.Event()

    async def hear(self, message: Message) -> None:
        """Note answers and events; a number must always mean the same event."""
        if message.topic == "np/lock-204/up/answer":
            answer = msgspec.json.decode(message.payload, type=DeviceAnswer)
            if answer.outcome is Outcome.DONE:
                self.done.add(answer.id)
        elif message.topic == "np/lock-204/up/event":
            event = msgspec.json.decode(message.payload, type=DeviceEvent)
            assert self.events.setdefault(event.seq, event) == event
        self.changed.set()

    async def until_done(self, order: Order) -> None:
        """Wait for this order's DONE."""
        async with asyncio.timeout(PATIENCE_S):
            while order.id not in self.done:
                self.changed.clear()
                await self.changed.wait()


@pytest.mark.slow
async def test_killed_at_random_no_order_moves_the_bolt_twice_and_no_done_is_false(
    tmp_path: Path,
) -> None:
    dice = random.Random(22)
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    nursery = Nursery(lambda name, error: None)
    credentials, box_token = add(Credentials(identities={}), "box", BusRole.CORE)
    tokens: dict[str, str] = {}
    for device in small_house().devices:
        credentials, tokens[device.device] = add(credentials, device.device, BusRole.DEVICE)
    settings = BrokerSettings(plain=Address(host="127.0.0.1", port=0))
    async with embedded_broker(settings, credentials, clock) as broker:
        port = broker.ports["tcp"]
        save(tmp_path / "sheet.json", small_house(tokens=tokens, bus=BusAddress(port=port)))
        heard = Box()
        box = MqttBus(
            BusSettings(identity="box", token=box_token, port=port), clock=clock, nursery=nursery
        )
        await box.subscribe("np/+/up/#", heard.hear)
        box.start()
        bench = LockBench(now_ms=clock.read().wall_ms)
        for _ in range(KILLS):
            twin = await start(tmp_path)
            await flood(box, bench, clock, dice)
            twin.send_signal(signal.SIGKILL)
            await twin.wait()
        twin = await start(tmp_path)
        bench.now_ms = clock.read().wall_ms
        last = bench.order(credential=bench.key())
        await box.publish(command_topic("lock-204"), encode(last))
        await heard.until_done(last)
        await sleep(clock, 1.0)
        twin.terminate()
        await twin.wait()
        await box.close()
        await nursery.close()
    assert bench.numbers > 500
    compare(heard, tmp_path / "journal.jsonl")


async def flood(box: MqttBus, bench: LockBench, clock: SystemClock, dice: random.Random) -> None:
    """Send orders, some of them twice, for a random part of a second."""
    end_s = clock.monotonic() + dice.uniform(0.2, 0.9)
    key = bench.key()
    while clock.monotonic() < end_s:
        bench.now_ms = clock.read().wall_ms
        order = bench.order(credential=key)
        for _ in range(dice.choice([1, 1, 2])):
            await box.publish(command_topic("lock-204"), encode(order))
        await sleep(clock, 0.002)


def compare(heard: Box, path: Path) -> None:
    """What the box believes against what the bolt did."""
    journal = Journal(path)
    acts = [e for e in journal.read() if e["kind"] in {"bolt", "held"} and e["via"] == "order"]
    ids = [e["order_id"] for e in acts]
    assert len(ids) == len(set(ids))
    assert heard.done <= set(ids), "a DONE that never was"
    told = {e.order_id for e in heard.events.values() if e.kind is EventKind.UNLOCKED}
    assert told <= set(ids)
    # A lock killed between the act and its note knows of neither: one per kill at most.
    assert len(set(ids) - told) <= KILLS
    assert sorted(heard.events) == list(range(1, len(heard.events) + 1)), "no number is missing"
    journal.close()
