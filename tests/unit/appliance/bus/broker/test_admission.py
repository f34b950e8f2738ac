"""The door: strangers are few and held back, honest clients pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.bus.broker.settings import BrokerSettings, Limits
from support.brokers import running, small_house
from support.mqtt_probe import Hello, close_probes, probe

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_honest_client_behind_a_guessers_address_still_comes_in(tmp_path: Path) -> None:
    house = small_house()
    limits = Limits(failures_burst=3, held_s=0.05)
    async with running(
        "embedded", BrokerSettings(limits=limits), house.identities, tmp_path
    ) as broker:
        hello = Hello(client_id="core", username="core", password=house.tokens["core"])
        for _ in range(10):
            guesser = await probe(broker.port)
            assert (await guesser.hello(replace(hello, password="guess")))[0] == 5
        honest = await probe(broker.port)
        assert (await honest.hello(hello))[0] == 0
        await close_probes()


async def test_sockets_that_have_proven_nothing_are_few(tmp_path: Path) -> None:
    house = small_house()
    limits = Limits(connecting_from_loopback_max=5)
    async with running(
        "embedded", BrokerSettings(limits=limits), house.identities, tmp_path
    ) as broker:
        silent = [await probe(broker.port) for _ in range(5)]
        surplus = await probe(broker.port)
        assert await surplus.gone()
        await silent.pop().vanish()
        await close_probes()


async def test_connections_beyond_the_limit_are_told_so(tmp_path: Path) -> None:
    house = small_house()
    settings = BrokerSettings(limits=Limits(connections_max=1))
    async with running("embedded", settings, house.identities, tmp_path) as broker:
        hellos = [
            Hello(client_id=name, username=name, password=house.tokens[name])
            for name in ("core", "lock-1")
        ]
        first, second = await probe(broker.port), await probe(broker.port)
        assert (await first.hello(hellos[0]))[0] == 0
        assert (await second.hello(hellos[1]))[0] == 3
        await close_probes()
