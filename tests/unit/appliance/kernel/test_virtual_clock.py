"""Promises of virtual time: it moves only when told, and nobody misses their turn."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from appliance.kernel.clock import Clock, sleep, within
from appliance.kernel.virtual_clock import VirtualClock

START_MS = 1_780_000_000_000


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START_MS)


async def test_it_is_a_clock_and_stands_still_by_itself(clock: VirtualClock) -> None:
    port: Clock = clock
    assert port.read() == port.read()
    assert port.read().wall_ms == START_MS
    assert port.monotonic() == 0
    assert port.read().sure


async def test_sleepers_wake_in_the_order_of_their_deadlines_and_finish_in_between(
    clock: VirtualClock,
) -> None:
    seen: list[tuple[str, int]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await sleep(clock, seconds)
        for _ in range(5):
            await clock.sleep_until(0)
        seen.append((name, clock.read().wall_ms - START_MS))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3.0), ("a", 1.0), ("b", 2.5), ("later", 9.0)):
            group.create_task(sleeper(name, seconds))
        await clock.advance(5)
        assert seen == [("a", 1000), ("b", 2500), ("c", 3000)]
        assert clock.monotonic() == 5
        await clock.advance(4)
    assert seen[-1] == ("later", 9000)


async def test_a_sleeper_that_sleeps_again_is_woken_again_in_one_advance(
    clock: VirtualClock,
) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await sleep(clock, 0.1)
            ticks.append(clock.monotonic())

    task = asyncio.ensure_future(tick())
    await clock.advance(1)
    task.cancel()
    assert ticks == pytest.approx([0.1 * n for n in range(1, 11)])


async def test_a_time_out_fires_at_its_virtual_second(clock: VirtualClock) -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(within(clock, 8, never))
    await clock.advance(7.9)
    assert not waiting.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await waiting


async def test_work_runs_to_its_end_over_three_virtual_days_at_once(clock: VirtualClock) -> None:
    async def outage() -> str:
        for _ in range(72):
            await sleep(clock, 3600)
        return "healed"

    assert await clock.run_until(outage(), limit_s=4 * 86_400) == "healed"
    assert clock.monotonic() == 72 * 3600


async def test_work_beyond_its_limit_is_stopped(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError, match="10 s of virtual time"):
        await clock.run_until(sleep(clock, 11), limit_s=10)
    assert clock.monotonic() == 10


async def test_time_stands_still_while_a_thread_is_at_work(clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[int] = loop.create_future()
    released = threading.Event()
    late = asyncio.ensure_future(sleep(clock, 1))

    def write() -> None:
        released.wait(10)
        loop.call_soon_threadsafe(lambda: answered.set_result(clock.read().wall_ms))

    thread = threading.Thread(target=write)
    thread.start()
    clock.watch(lambda: not answered.done())
    moved = asyncio.ensure_future(clock.advance(5))
    loop.call_later(0.02, released.set)
    assert await answered == START_MS
    await moved
    assert late.done()
    thread.join()


async def test_a_conversation_over_a_socket_ends_before_time_moves(clock: VirtualClock) -> None:
    one, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=one)
    peer_reader, peer_writer = await asyncio.open_connection(sock=other)
    heard_at: list[float] = []

    async def echo() -> None:
        while line := await peer_reader.readline():
            peer_writer.write(line)

    async def talk() -> None:
        for _ in range(20):
            writer.write(b"hello\n")
            await reader.readline()
            heard_at.append(clock.monotonic())

    echoing, talking = asyncio.ensure_future(echo()), asyncio.ensure_future(talk())
    await clock.advance(1)
    await talking
    assert heard_at == [0.0] * 20
    for each in (writer, peer_writer):
        each.close()
        await each.wait_closed()
    await asyncio.wait([echoing])


async def test_two_drivers_of_one_clock_are_told_so(clock: VirtualClock) -> None:
    first = asyncio.ensure_future(clock.advance(1))
    await clock.sleep_until(0)
    with pytest.raises(RuntimeError, match="two tasks move one virtual clock"):
        await clock.advance(1)
    await first


async def test_a_house_can_run_by_itself(clock: VirtualClock) -> None:
    driver = asyncio.ensure_future(clock.run())
    await sleep(clock, 86_400)
    assert clock.read().wall_ms == START_MS + 86_400_000
    driver.cancel()
    await asyncio.wait([driver])


async def test_a_reboot_starts_another_boot_and_keeps_the_time_of_day(clock: VirtualClock) -> None:
    await clock.advance(10)
    clock.reboot("second")
    await clock.advance(1)
    reading = clock.read()
    assert (reading.boot_id, reading.boot_ms) == ("second", 1000)
    assert reading.wall_ms == START_MS + 11_000


async def test_cancelled_sleepers_are_forgotten(clock: VirtualClock) -> None:
    task = asyncio.ensure_future(sleep(clock, 5))
    await clock.settle()
    task.cancel()
    await clock.advance(10)
    assert task.cancelled()
    assert not clock._sleepers


async def test_a_leap_wakes_whoever_slept_through_it_once_and_late(clock: VirtualClock) -> None:
    woken: list[float] = []

    async def every_second() -> None:
        while True:
            await sleep(clock, 1)
            woken.append(clock.monotonic())

    task = asyncio.ensure_future(every_second())
    await clock.leap(3_600)
    await clock.leap(3_600)
    assert woken == [3_600, 7_200]
    assert clock.read().wall_ms == START_MS + 7_200_000
    task.cancel()
