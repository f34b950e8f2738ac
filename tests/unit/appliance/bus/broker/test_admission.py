"""The door's patience: floods are slowed, guessers are held, and honest clients pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.bus.broker.admission import SUSPECTS_MAX, Pace, Suspicion
from appliance.bus.broker.settings import BrokerSettings, Limits
from appliance.kernel.clock import Reading
from support.brokers import running, small_house
from support.mqtt_probe import Hello, close_probes, probe

if TYPE_CHECKING:
    from pathlib import Path


class HandClock:
    """Time that moves only when somebody waits or the test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def read(self) -> Reading:
        """Nobody asks here."""
        raise NotImplementedError

    def monotonic(self) -> float:
        """The hand's position."""
        return self.now_s

    async def sleep_until(self, monotonic_s: float) -> None:
        """Move the hand."""
        self.now_s = max(self.now_s, monotonic_s)


async def test_a_flood_is_slowed_to_its_pace_after_the_burst() -> None:
    clock = HandClock()
    pace = Pace(per_s=100.0, burst=50.0, clock=clock)
    for _ in range(50):
        await pace.step()
    assert clock.now_s == 1_000.0
    for _ in range(100):
        await pace.step()
    assert 0.9 < clock.now_s - 1_000.0 < 1.1


async def test_an_address_that_keeps_failing_is_held_and_forgiven_with_time() -> None:
    clock, limits = HandClock(), Limits(failures_burst=3, failures_per_s=1, held_s=1)
    suspicion = Suspicion(limits, clock)
    for _ in range(3):
        await suspicion.wait("192.0.2.1")
        assert clock.now_s == 1_000.0
        suspicion.note("192.0.2.1")
    await suspicion.wait("192.0.2.2")
    assert clock.now_s == 1_000.0
    await suspicion.wait("192.0.2.1")
    assert clock.now_s == 1_001.0
    clock.now_s += 10
    await suspicion.wait("192.0.2.1")
    assert clock.now_s == 1_011.0


async def test_what_is_remembered_of_strangers_is_bounded() -> None:
    suspicion = Suspicion(Limits(), HandClock())
    for number in range(SUSPECTS_MAX + 10):
        suspicion.note(f"2001:db8::{number:x}")
    assert len(suspicion._held) == SUSPECTS_MAX


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
