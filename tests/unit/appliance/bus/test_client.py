"""The port over a real broker: acknowledged after the handler, back after every loss."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.bus.broker.settings import Address, BrokerSettings
from appliance.bus.client import BusSettings, TlsFiles, open_bus
from appliance.bus.port import BusRefusedError, Message, Published, Will
from appliance.kernel.clock import SystemClock
from support.brokers import KINDS, new_pki, running, small_house
from support.bus_house import Callers, Inbox, nursery, up
from support.mqtt_probe import Hello, close_probes, probe

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

COMMAND = "np/lock-1/down/command"
EVENT = "np/lock-1/up/event"


@asynccontextmanager
async def _callers(
    kind: str, folder: Path, settings: BrokerSettings | None = None
) -> AsyncGenerator[Callers, None]:
    house = small_house()
    async with (
        running(kind, settings or BrokerSettings(), house.identities, folder) as broker,
        nursery() as owner,
    ):
        yield Callers(broker, house, owner)
        await close_probes()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_goes_from_one_end_to_the_other(kind: str, tmp_path: Path) -> None:
    async with _callers(kind, tmp_path) as callers:
        core, lock, inbox = callers.bus("core"), callers.bus("lock-1"), Inbox()
        await core.subscribe("np/+/up/#", inbox)
        await up(core)
        standing = await up(lock)
        assert standing.connected
        assert standing.confirmed_age_s is not None
        assert await lock.publish(EVENT, b"x") is Published.ACCEPTED
        assert (await inbox.next()).payload == b"x"
        assert await lock.publish(EVENT, b"y", qos=0) is Published.ACCEPTED
        assert (await inbox.next()).qos == 0
        await core.close()
        await lock.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_consumer_killed_before_its_handler_is_done_gets_the_message_again(
    kind: str, tmp_path: Path
) -> None:
    async with _callers(kind, tmp_path) as callers:
        begun, never = asyncio.Event(), asyncio.Event()

        async def hangs(_message: Message) -> None:
            begun.set()
            await never.wait()

        async with nursery() as doomed:
            victim = Callers(callers.broker, callers.house, doomed).bus("core")
            await victim.subscribe(EVENT, hangs)
            await up(victim)
            lock = callers.bus("lock-1")
            await up(lock)
            assert await lock.publish(EVENT, b"opened 17") is Published.ACCEPTED
            await begun.wait()
        successor, inbox = callers.bus("core"), Inbox()
        await successor.subscribe(EVENT, inbox)
        await up(successor)
        again = await inbox.next()
        assert (again.payload, again.repeated) == (b"opened 17", True)
        await successor.close()
        await lock.close()


async def test_without_a_broker_a_publication_is_known_not_to_have_left(tmp_path: Path) -> None:
    house = small_house()
    async with (
        running("embedded", BrokerSettings(), house.identities, tmp_path) as broker,
        nursery() as owner,
    ):
        bus = Callers(broker, house, owner).bus("core")
        assert not bus.connected
        assert await bus.publish(COMMAND, b"x") is Published.NOT_SENT
        assert bus.standing().confirmed_age_s is None


async def test_after_a_broker_restart_subscriptions_and_retained_states_are_there_again(
    tmp_path: Path,
) -> None:
    house = small_house()
    async with nursery() as owner:
        greeted: asyncio.Queue[None] = asyncio.Queue()
        async with running("embedded", BrokerSettings(), house.identities, tmp_path) as first:
            port = first.port
            callers = Callers(first, house, owner)
            core, lock, inbox = callers.bus("core"), callers.bus("lock-1"), Inbox()

            async def say_state() -> None:
                await lock.publish("np/lock-1/up/state", b"locked", retain=True)
                greeted.put_nowait(None)

            lock.on_connect(say_state)
            await core.subscribe("np/+/up/state", inbox)
            await up(core)
            await up(lock)
            await greeted.get()
            assert (await inbox.next()).payload == b"locked"
        settings = BrokerSettings(plain=Address(port=port))
        async with running("embedded", settings, house.identities, tmp_path):
            assert (await inbox.next()).payload == b"locked"
            await core.close()
            await lock.close()


async def test_a_refused_subscription_is_a_sentence(tmp_path: Path) -> None:
    async with _callers("embedded", tmp_path) as callers:
        lock = callers.bus("lock-1")
        await up(lock)
        with pytest.raises(BusRefusedError, match="Look at its role"):
            await lock.subscribe("np/lock-2/down/#", Inbox())
        await lock.close()


async def test_a_will_tells_of_an_end_that_vanished(tmp_path: Path) -> None:
    async with _callers("embedded", tmp_path) as callers:
        core, inbox = callers.bus("core"), Inbox()
        await core.subscribe("np/+/up/online", inbox)
        await up(core)
        async with nursery() as doomed:
            will = Will(topic="np/lock-1/up/online", payload=b"gone")
            lock = Callers(callers.broker, callers.house, doomed).bus("lock-1", will=will)
            await up(lock)
            # Somebody with the same credential takes the name over.
            stranger = await probe(callers.broker.port)
            token = callers.house.tokens["lock-1"]
            await stranger.hello(Hello(client_id="lock-1", username="lock-1", password=token))
            assert (await inbox.next()).payload == b"gone"
        await core.close()


async def test_one_device_with_a_failing_handler_delays_no_other(tmp_path: Path) -> None:
    async with _callers("embedded", tmp_path) as callers:
        core, good = callers.bus("core"), Inbox()

        async def bad(message: Message) -> None:
            raise ValueError(message.topic)

        await core.subscribe("np/lock-1/up/#", bad)
        await core.subscribe("np/lock-2/up/#", good)
        await up(core)
        sick, well = callers.bus("lock-1"), callers.bus("lock-2")
        await up(sick)
        await up(well)
        await sick.publish(EVENT, b"poison")
        await well.publish("np/lock-2/up/event", b"fine")
        assert (await good.next()).payload == b"fine"
        assert core.standing().parked == 0
        await core.close()
        await sick.close()
        await well.close()


async def test_a_certificate_is_enough_to_come_in(tmp_path: Path) -> None:
    pki = new_pki(tmp_path)
    pki.device("lock-1")
    settings = BrokerSettings(tls=pki.listener())
    async with _callers("embedded", tmp_path, settings) as callers:
        files = TlsFiles(
            authority=tmp_path / "ca.crt",
            certificate=tmp_path / "lock-1.crt",
            key=tmp_path / "lock-1.key",
        )
        lock = callers.bus("lock-1", token=None, tls=files, port=callers.broker.tls_port)
        await up(lock)
        assert await lock.publish(EVENT, b"x") is Published.ACCEPTED
        await lock.close()


async def test_a_unix_socket_works_like_tcp(tmp_path: Path) -> None:
    path = tmp_path / "bus.sock"
    async with _callers("embedded", tmp_path, BrokerSettings(unix_path=path)) as callers:
        core = callers.bus("core", unix_path=path)
        await up(core)
        assert await core.publish(COMMAND, b"x") is Published.ACCEPTED
        await core.close()


async def test_opening_a_bus_waits_for_nothing(tmp_path: Path) -> None:
    house = small_house()
    async with (
        running("embedded", BrokerSettings(), house.identities, tmp_path) as broker,
        nursery() as owner,
    ):
        settings = BusSettings(identity="core", token=house.tokens["core"], port=broker.port)
        bus = await open_bus(settings, clock=SystemClock(floor_path=None), nursery=owner)
        assert not bus.connected
        await bus.close()
