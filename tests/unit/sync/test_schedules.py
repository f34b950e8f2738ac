"""Promises under random weather: cuts, lost answers, kills; equal ends, nothing twice."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.stays.messages import CheckedIn
from support.sync_bench import ARRIVAL, DEPARTURE, SyncBench, sync_bench
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.clouds.mews import State
from twin.line import Cut

MEWS_FAULTS = [
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.SERVER_ERROR,
    Fault.BROKEN_STORED,
    Fault.TOO_MANY,
    Fault.TOO_MANY_BARE,
    Fault.CONFLICT,
    Fault.SPARSE,
]
STRIPE_FAULTS = MEWS_FAULTS[:-1]
ROUNDS = 12


async def rough_weather(bench: SyncBench, chance: random.Random) -> None:
    """One round of whatever goes wrong."""
    match chance.randrange(5):
        case 0:
            bench.clouds.line.cut(chance.choice(list(Cut)))
        case 1:
            bench.clouds.line.heal()
        case 2:
            where = chance.choice(["*", "reservations/*", "customers/add", "reservations/add"])
            bench.clouds.mews.faults.plan(where, chance.choice(MEWS_FAULTS), times=2)
        case 3:
            fault = chance.choice(STRIPE_FAULTS)
            bench.clouds.stripe.faults.plan("POST /v1/payment_intents", fault, times=2)
        case _:
            await kill(bench)
    await bench.clock.advance(chance.choice([0.01, 0.5, 7, 61, 600]))


def slow(bench: SyncBench) -> None:
    """Look every ten minutes: these tests wait for days."""
    bench.settings = replace(bench.settings, pull_interval_s=600.0, report_interval_s=600.0)
    bench.start_again()


async def kill(bench: SyncBench) -> None:
    """End the process wherever it is; start another on the same file."""
    await bench.nursery.close()
    bench.fresh_nursery()
    bench.start_again().start()


def act(bench: SyncBench, number: int, chance: random.Random) -> None:
    """Something happens at the desk and at a channel."""
    if chance.random() < 0.5:
        bench.sell(f"stay_{number}", room_id=None)
    if chance.random() < 0.3:
        bench.ask_deposit(intent_id=f"intent_{number}", not_after_s=4_000_000_000)
    if chance.random() < 0.3:
        bench.book_upstream()


@pytest.mark.parametrize("seed", range(20))
async def test_any_schedule_ends_equal_and_nothing_is_doubled(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with sync_bench(tmp_path) as bench:
        slow(bench)
        bench.running.start()
        for number in range(ROUNDS):
            act(bench, number, chance)
            await rough_weather(bench, chance)
        bench.clouds.line.heal()
        bench.clouds.mews.faults.clear()
        bench.clouds.stripe.faults.clear()
        await bench.clock.advance(120)
        await bench.clock.run_until(bench.running.quiet(), limit_s=3_600)
        ledger = bench.running.ledger
        sales = ledger.effects("kind = 'pms.book'")
        charges = ledger.effects("kind = 'stripe.charge'")
        assert {each.state for each in sales + charges} <= {EffectState.SUCCEEDED}
        upstream = list(bench.clouds.mews.store.reservations.values())
        ours = [one.channel_number for one in upstream if one.channel_number]
        assert sorted(ours) == sorted(each.natural_key.partition(":")[2] for each in sales)
        assert bench.charges() == len(charges)
        learned = {body["upstream_id"] for body in bench.box.of("stays.learn_booking")}
        assert learned == {one.id for one in upstream}
        links = [body["upstream_id"] for body in bench.box.of("stays.link_upstream")]
        assert len(links) == len(set(links)) == len(sales)


@pytest.mark.parametrize("hours", [2, pytest.param(72, marks=pytest.mark.slow)])
async def test_sixty_rooms_are_reconciled_five_minutes_after_the_dark(
    bench: SyncBench, hours: int
) -> None:
    slow(bench)
    store = bench.clouds.mews.store
    category = next(iter(store.categories.values()))
    due = [bench.book_upstream() for _ in range(60)]
    bench.running.start()
    await bench.clock.run_until(bench.running.quiet(), limit_s=600)
    bench.clouds.line.cut(Cut.SILENT)
    for number, upstream in enumerate(due):
        room = store.add_room(str(300 + number), category)
        bench.running.mirror.put_room(f"r{300 + number}", room.name, room.id)
        bench.box.say_booked(upstream, f"due_{number}")
        bench.box.say(
            CheckedIn(
                stay_id=f"due_{number}",
                room_id=f"r{300 + number}",
                arrival=ARRIVAL,
                departure=DEPARTURE,
                business_date=ARRIVAL,
            )
        )
        bench.sell(f"walk_in_{number}", room_id=None)
        bench.ask_deposit(intent_id=f"intent_{number}", not_after_s=4_000_000_000)
        bench.book_upstream()
    await bench.clock.advance(hours * 3_600)
    bench.clouds.line.heal()
    healed_s = bench.clock.monotonic()
    while bench.bookings() < 180:
        await bench.clock.advance(1)
    sales_s = bench.clock.monotonic() - healed_s
    await bench.clock.run_until(bench.running.quiet(), limit_s=3_600)
    all_s = bench.clock.monotonic() - healed_s
    assert (bench.bookings(), bench.charges()) == (180, 60)
    assert [store.reservations[name].state for name in due] == [State.STARTED] * 60
    assert bench.clouds.mews.limits.refused == 0
    print(f"{hours} h dark: sales told after {sales_s:.0f} s, everything after {all_s:.0f} s")  # noqa: T201 - the figures
    assert sales_s <= 30
    assert all_s <= 300
