"""Orders: sent once, matched by id and device, and three-valued when it matters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.requests import Orders
from appliance.bus.words import (
    DeviceAnswer,
    LockRefusal,
    Order,
    Outcome,
    Verb,
    answer_topic,
    command_topic,
    decode,
    encode,
)
from appliance.kernel.clock import SystemClock
from support.bus_house import nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from appliance.bus.port import Message


class Lock:
    """A device that answers what it is told to answer, when it is told to."""

    def __init__(self, bus: InProcessBus) -> None:
        self.bus = bus
        self.orders: asyncio.Queue[Order] = asyncio.Queue()
        self.outcome: Outcome | None = Outcome.DONE

    async def command(self, message: Message) -> None:
        order = decode(message.payload, Order)
        assert order is not None
        self.orders.put_nowait(order)
        if self.outcome is not None:
            await self.answer(order.id)

    async def answer(self, order_id: str, as_device: str | None = None) -> None:
        outcome = self.outcome or Outcome.DONE
        refusal = LockRefusal.DENIED if outcome is Outcome.REFUSED else None
        word = DeviceAnswer(id=order_id, outcome=outcome, refusal=refusal)
        await self.bus.publish(answer_topic(as_device or self.bus.identity), encode(word))


class Bench:
    """The appliance's end and two locks."""

    def __init__(self, hub: InProcessHub) -> None:
        self.core = hub.join("core", role=BusRole.CORE)
        self.lock = Lock(hub.join("lock-1", role=BusRole.DEVICE))
        self.other = Lock(hub.join("lock-2", role=BusRole.DEVICE))
        self.late: asyncio.Queue[tuple[str, DeviceAnswer]] = asyncio.Queue()
        self.orders = Orders(
            bus=self.core, clock=SystemClock(floor_path=None), on_late_answer=self._late
        )

    async def start(self) -> None:
        for lock in (self.lock, self.other):
            await lock.bus.subscribe(command_topic(lock.bus.identity), lock.command)
        await self.orders.start()

    async def _late(self, device: str, answer: DeviceAnswer) -> None:
        self.late.put_nowait((device, answer))


@pytest.fixture
async def bench() -> AsyncGenerator[Bench, None]:
    """Everything in one loop."""
    async with nursery() as owner:
        opened = Bench(InProcessHub(clock=SystemClock(floor_path=None), nursery=owner))
        await opened.start()
        yield opened
        await opened.orders.close()


def _order(order_id: str = "o1") -> Order:
    return Order(
        id=order_id, verb=Verb.UNLOCK, expires_at_ms=2**41, reply_topic=answer_topic("lock-1")
    )


async def test_an_answer_in_time_is_the_outcome(bench: Bench) -> None:
    told = await bench.orders.order("lock-1", _order())
    assert told.outcome is Outcome.DONE
    bench.lock.outcome = Outcome.REFUSED
    told = await bench.orders.order("lock-1", _order("o2"))
    assert told.answer is not None
    assert (told.outcome, told.answer.refusal) == (Outcome.REFUSED, LockRefusal.DENIED)


async def test_without_a_line_the_order_is_not_sent_and_may_be_asked_again(bench: Bench) -> None:
    await bench.core.cut()
    told = await bench.orders.order("lock-1", _order())
    assert (told.outcome, told.answer) == (Outcome.NOT_SENT, None)
    assert bench.lock.orders.empty()
    await bench.core.connect()
    assert (await bench.orders.order("lock-1", _order())).outcome is Outcome.DONE


async def test_silence_is_unknown_and_nothing_is_sent_again(bench: Bench) -> None:
    bench.lock.outcome = None
    told = await bench.orders.order("lock-1", _order(), answer_s_max=0.02)
    assert (told.outcome, told.answer) == (Outcome.UNKNOWN, None)
    again = await bench.orders.order("lock-1", _order(), answer_s_max=0.02)
    assert again.outcome is Outcome.UNKNOWN
    assert bench.lock.orders.qsize() == 1


async def test_a_late_answer_is_handed_on(bench: Bench) -> None:
    bench.lock.outcome = None
    await bench.orders.order("lock-1", _order(), answer_s_max=0.02)
    await bench.lock.answer("o1")
    device, answer = await bench.late.get()
    assert (device, answer.id, answer.outcome) == ("lock-1", "o1", Outcome.DONE)


async def test_a_better_word_right_behind_an_unknown_is_not_lost(bench: Bench) -> None:
    bench.lock.outcome = None
    asked = asyncio.ensure_future(bench.orders.order("lock-1", _order()))
    await bench.lock.orders.get()
    # Both arrive before the asker has had its turn.
    for outcome in (Outcome.UNKNOWN, Outcome.DONE, Outcome.DONE):
        bench.lock.outcome = outcome
        await bench.lock.answer("o1")
    assert (await asked).outcome in {Outcome.UNKNOWN, Outcome.DONE}
    device, answer = await bench.late.get()
    assert (device, answer.outcome) == ("lock-1", Outcome.DONE)


async def test_one_device_cannot_answer_for_another(bench: Bench) -> None:
    bench.lock.outcome = None
    asked = asyncio.ensure_future(bench.orders.order("lock-1", _order(), answer_s_max=0.2))
    await bench.lock.orders.get()
    # Under its own name the id matches nothing; under the other's name the bus drops it.
    await bench.other.answer("o1")
    await bench.other.answer("o1", as_device="lock-1")
    assert (await bench.late.get())[0] == "lock-2"
    assert (await asked).outcome is Outcome.UNKNOWN


async def test_the_same_id_twice_at_once_moves_one_bolt(bench: Bench) -> None:
    told = await asyncio.gather(*(bench.orders.order("lock-1", _order()) for _ in range(20)))
    assert {each.outcome for each in told} == {Outcome.DONE}
    assert bench.lock.orders.qsize() == 1


async def test_an_asker_that_gives_up_takes_nothing_back(bench: Bench) -> None:
    bench.lock.outcome = None
    asked = asyncio.ensure_future(bench.orders.order("lock-1", _order()))
    await bench.lock.orders.get()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    joined = asyncio.ensure_future(bench.orders.order("lock-1", _order()))
    await bench.lock.answer("o1")
    assert (await joined).outcome is Outcome.DONE


@pytest.mark.parametrize(
    "payload", [b"", b"{", b'{"id": 7}', b"[" * 20_000, b'{"id":"o1","outcome":"perhaps"}']
)
async def test_an_unreadable_answer_changes_nothing(bench: Bench, payload: bytes) -> None:
    bench.lock.outcome = None
    asked = asyncio.ensure_future(bench.orders.order("lock-1", _order()))
    await bench.lock.orders.get()
    await bench.lock.bus.publish(answer_topic("lock-1"), payload)
    await bench.lock.answer("o1")
    assert (await asked).outcome is Outcome.DONE
    assert bench.core.standing().parked == 0
