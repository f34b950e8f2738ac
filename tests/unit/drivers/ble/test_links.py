"""A lock's turn and an adapter's places are always given back, whenever somebody stops waiting."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.ble.conversations import Conversations
from drivers.ble.links import Link, Links, NoLinkError

WHAT = {"service": "s", "write": "w", "notify": "n"}
DEVICE: Any = SimpleNamespace(address="AA")


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop, no time


class Client:
    """A stack's client that has none of our services."""

    services = SimpleNamespace(get_service=lambda _: None)
    is_connected = True
    hung_up = 0

    async def clear_cache(self) -> None:
        pass

    async def disconnect(self) -> None:
        self.hung_up += 1


def links_of(clock: VirtualClock) -> Links:
    stack: Any = SimpleNamespace(slots_max=3)
    return Links(stack, clock=clock, nursery=Nursery(lambda _name, _error: None))


@pytest.mark.parametrize("late", range(8))
async def test_a_visitor_who_leaves_while_it_is_given_the_turn_gives_it_back(late: int) -> None:
    ground: Any = SimpleNamespace(clock=VirtualClock(0))
    fitting: Any = SimpleNamespace(name="lock-101")
    conversations = Conversations(fitting, ground)
    await conversations.turn.acquire()
    taking = asyncio.ensure_future(conversations._take_turn(60.0))
    await turns_of_the_loop(5)
    conversations.turn.release()
    await turns_of_the_loop(late)
    taking.cancel()
    await asyncio.wait({taking})
    await turns_of_the_loop(5)
    # Whoever was not told that the turn is theirs does not have it.
    assert conversations.turn.locked() is not taking.cancelled()


@pytest.mark.parametrize("late", range(8))
async def test_a_link_that_is_made_when_nobody_waits_any_more_is_hung_up(late: int) -> None:
    clock = VirtualClock(0)
    links, client = links_of(clock), Client()
    made: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

    async def establish(*_: Any, **__: Any) -> Link:
        return await made

    links._establish = establish  # type: ignore[method-assign] # the stack
    opening = asyncio.ensure_future(links._open(DEVICE, 60.0, cached=True))
    await turns_of_the_loop(5)
    made.set_result(Link(client, clock=clock))  # type: ignore[arg-type] # the part that is used
    await turns_of_the_loop(late)
    opening.cancel()
    await asyncio.wait({opening})
    await turns_of_the_loop(5)
    await links.idle()
    assert links._slots._value == (3 if opening.cancelled() else 2)


async def test_a_device_that_is_gone_the_second_time_gives_its_place_back_once() -> None:
    clock = VirtualClock(0)
    links, client = links_of(clock), Client()
    tries: list[Link | str] = ["connect: gone", Link(client, clock=clock)]  # type: ignore[arg-type] # as above

    async def establish(*_: Any, **__: Any) -> Link | str:
        return tries.pop()

    links._establish = establish  # type: ignore[method-assign] # the stack
    with pytest.raises(NoLinkError):
        async with links.to(DEVICE, 60.0, **WHAT):
            pass
    await links.idle()
    assert links._slots._value == 3
    assert client.hung_up == 1
