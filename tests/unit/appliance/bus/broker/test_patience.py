"""Patience: a flood is slowed to its pace, and an address that keeps failing is held."""

from __future__ import annotations

from appliance.bus.broker.patience import SUSPECTS_MAX, Pace, Suspicion
from appliance.bus.broker.settings import Limits
from appliance.kernel.clock import Reading


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
    assert 1_000.5 <= clock.now_s <= 1_001.5
    clock.now_s = 1_010.0
    await suspicion.wait("192.0.2.1")
    assert clock.now_s == 1_010.0


async def test_what_is_remembered_of_strangers_is_bounded() -> None:
    suspicion = Suspicion(Limits(), HandClock())
    for number in range(SUSPECTS_MAX + 10):
        suspicion.note(f"2001:db8::{number:x}")
    assert len(suspicion._held) == SUSPECTS_MAX
