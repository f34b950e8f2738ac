"""The hub keeps the brokers' promises without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.bus.port import BusRefusedError, Message, Published, Will
from appliance.kernel.clock import SystemClock
from support.bus_house import Inbox, nursery

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

EVENT = "np/lock-1/up/event"


@pytest.fixture
async def hub() -> AsyncGenerator[InProcessHub, None]:
    """An empty hub."""
    async with nursery() as owner:
        yield InProcessHub(clock=SystemClock(floor_path=None), nursery=owner)


async def test_a_message_reaches_who_subscribed_and_nobody_else(hub: InProcessHub) -> None:
    core, other, inbox, wrong = (
        hub.join("core", role=BusRole.CORE),
        hub.join("lock-2", role=BusRole.DEVICE),
        Inbox(),
        Inbox(),
    )
    await core.subscribe("np/+/up/#", inbox)
    await other.subscribe("np/lock-2/down/#", wrong)
    lock = hub.join("lock-1", role=BusRole.DEVICE)
    await lock.publish("np/lock-2/up/event", b"forged")
    await lock.publish(EVENT, b"true")
    await hub.quiet()
    assert (await inbox.next()).payload == b"true"
    assert inbox.empty()
    assert wrong.empty()


async def test_permissions_are_the_brokers(hub: InProcessHub) -> None:
    lock = hub.join("lock-1", role=BusRole.DEVICE)
    with pytest.raises(BusRefusedError, match="lock-1"):
        await lock.subscribe("np/+/down/#", Inbox())


async def test_retained_states_are_shown_to_late_subscribers_until_cleared(
    hub: InProcessHub,
) -> None:
    lock = hub.join("lock-1", role=BusRole.DEVICE)
    await lock.publish("np/lock-1/up/state", b"locked", retain=True)
    core, inbox = hub.join("core", role=BusRole.CORE), Inbox()
    await core.subscribe("np/+/up/state", inbox)
    shown = await inbox.next()
    assert (shown.payload, shown.retained) == (b"locked", True)
    await lock.publish("np/lock-1/up/state", b"", retain=True)
    assert not (await inbox.next()).retained
    late, empty = hub.join("ha", role=BusRole.READER), Inbox()
    await late.subscribe("np/+/up/state", empty)
    await hub.quiet()
    assert empty.empty()


async def test_a_cut_line_publishes_the_will_and_keeps_what_must_not_be_lost(
    hub: InProcessHub,
) -> None:
    core, inbox, greeted = hub.join("core", role=BusRole.CORE), Inbox(), []
    await core.subscribe("np/+/up/#", inbox)
    will = Will(topic="np/lock-1/up/online", payload=b"gone")
    lock, commands = hub.join("lock-1", role=BusRole.DEVICE, will=will), Inbox()
    await lock.subscribe("np/lock-1/down/#", commands)

    async def greeting() -> None:
        greeted.append(1)

    lock.on_connect(greeting)
    # Cut before the first greeting had its turn: only the second connect is greeted.
    await lock.cut()
    assert await lock.publish(EVENT, b"x") is Published.NOT_SENT
    assert (await inbox.next()).payload == b"gone"
    await core.publish("np/lock-1/down/command", b"1")
    await core.publish("np/lock-1/down/command", b"2", qos=0)
    assert commands.empty()
    await lock.connect()
    assert (await commands.next()).payload == b"1"
    assert commands.empty()
    assert greeted == [1]


async def test_a_successor_gets_what_its_predecessor_never_handled(hub: InProcessHub) -> None:
    async with nursery() as doomed:
        victim = hub.join("core", role=BusRole.CORE, nursery=doomed)
        begun = Inbox()

        async def hangs(message: Message) -> None:
            await begun(message)
            await Inbox().next()

        await victim.subscribe(EVENT, hangs)
        lock = hub.join("lock-1", role=BusRole.DEVICE)
        await lock.publish(EVENT, b"opened 17")
        await begun.next()
    successor, inbox = hub.join("core", role=BusRole.CORE, connected=False), Inbox()
    await successor.subscribe(EVENT, inbox)
    await successor.connect()
    again = await inbox.next()
    assert (again.payload, again.repeated) == (b"opened 17", True)


async def test_messages_of_one_device_are_handled_in_order(hub: InProcessHub) -> None:
    core, seen = hub.join("core", role=BusRole.CORE), []

    async def keep(message: Message) -> None:
        seen.append(int(message.payload))

    await core.subscribe("np/+/up/#", keep)
    lock = hub.join("lock-1", role=BusRole.DEVICE)
    for number in range(1_000):
        await lock.publish(EVENT, b"%d" % number)
    await hub.quiet()
    assert seen == list(range(1_000))


async def test_overlapping_filters_of_one_member_do_not_double_a_message(
    hub: InProcessHub,
) -> None:
    core, wide, narrow = hub.join("core", role=BusRole.CORE), Inbox(), Inbox()
    await core.subscribe("np/#", wide)
    await core.subscribe(EVENT, narrow)
    lock = hub.join("lock-1", role=BusRole.DEVICE)
    await lock.publish(EVENT, b"x")
    await hub.quiet()
    await wide.next()
    await narrow.next()
    assert wide.empty()
    assert narrow.empty()
