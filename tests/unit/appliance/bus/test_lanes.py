"""Lanes: order inside a device, none between devices, and poison stops its own lane only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.bus.lanes import ATTEMPTS_MAX, Lanes
from appliance.bus.port import Message
from appliance.kernel.clock import SystemClock
from support.bus_house import nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class SwiftClock(SystemClock):
    """The real clock, except that waiting takes no time."""

    def __init__(self) -> None:
        super().__init__(floor_path=None)

    async def sleep_until(self, monotonic_s: float) -> None:
        """Return at once."""
        await super().sleep_until(min(monotonic_s, self.monotonic()))


@pytest.fixture
async def lanes() -> AsyncGenerator[Lanes, None]:
    """Lanes that give a handler 50 ms."""
    async with nursery() as owner:
        yield Lanes(clock=SwiftClock(), nursery=owner, handler_s_max=0.05)


def _message(device: str, payload: bytes = b"") -> Message:
    return Message(topic=f"np/{device}/up/event", payload=payload)


async def test_a_stuck_device_delays_no_other(lanes: Lanes) -> None:
    done, never = asyncio.Event(), asyncio.Event()

    async def handler(message: Message) -> None:
        if "lock-1" in message.topic:
            await never.wait()
        done.set()

    lanes.add("np/+/up/#", handler)
    lanes.put(_message("lock-1"))
    lanes.put(_message("lock-2"))
    await done.wait()
    assert lanes.waiting == 1
    assert lanes.oldest_wait_s >= 0


async def test_an_answer_overtakes_the_events_of_its_device(lanes: Lanes) -> None:
    answered, finished = asyncio.Event(), asyncio.Event()

    async def event(_message: Message) -> None:
        await answered.wait()
        finished.set()

    async def answer(_message: Message) -> None:
        answered.set()

    lanes.add("np/+/up/event", event)
    lanes.add("np/+/up/answer", answer)
    lanes.put(_message("lock-1"))
    lanes.put(Message(topic="np/lock-1/up/answer", payload=b""))
    await finished.wait()
    assert lanes.parked == 0


async def test_a_message_is_settled_only_after_its_last_handler(lanes: Lanes) -> None:
    steps: list[str] = []

    async def first(_message: Message) -> None:
        steps.append("first")

    async def second(_message: Message) -> None:
        steps.append("second")

    async def settled() -> None:
        steps.append("settled")

    lanes.add("np/#", first)
    lanes.add("np/lock-1/#", second)
    lanes.put(_message("lock-1"), settled)
    await lanes.quiet()
    assert steps == ["first", "second", "settled"]


async def test_a_handler_that_recovers_is_given_the_message_again(lanes: Lanes) -> None:
    tries: list[bytes] = []

    async def handler(message: Message) -> None:
        tries.append(message.payload)
        if len(tries) < ATTEMPTS_MAX:
            raise OSError("the disk is busy")

    lanes.add("np/#", handler)
    lanes.put(_message("lock-1", b"x"))
    await lanes.quiet()
    assert tries == [b"x"] * ATTEMPTS_MAX
    assert lanes.parked == 0


@pytest.mark.parametrize("hangs", [False, True], ids=["raises", "hangs"])
async def test_poison_is_parked_and_the_next_message_is_handled(
    lanes: Lanes, *, hangs: bool
) -> None:
    handled: list[bytes] = []

    async def handler(message: Message) -> None:
        if message.payload == b"poison":
            if hangs:
                await asyncio.Event().wait()
            raise ValueError("poison")
        handled.append(message.payload)

    lanes.add("np/#", handler)
    lanes.put(_message("lock-1", b"poison"))
    lanes.put(_message("lock-1", b"good"))
    await lanes.quiet()
    assert (handled, lanes.parked) == ([b"good"], 1)
