"""Promises about parked items: what the desk asks is done once, also when sync was down meanwhile."""

from __future__ import annotations

from typing import Any

from appliance.engines.stays.parked_messages import ParkedAct, ParkedDecided
from support.sync_bench import SyncBench
from sync.ledger import EffectState
from sync.outcome import Refused
from sync.parked import answers, wishes
from sync.standing import explain


async def parked_sale(bench: SyncBench) -> Any:
    """A sale that the PMS refused for a reason that is over now."""
    await bench.turn()
    bench.sell(room_id=None)
    while await bench.running.follower.turn():
        pass
    effect = bench.effect("pms.book")
    bench.running.carrier.learn(effect.id, Refused(sentence="the PMS says no such rate"))
    assert bench.effect("pms.book").state is EffectState.PARKED
    await bench.clock.advance(1)
    return effect


def ask(bench: SyncBench, act: ParkedAct, item_id: str) -> None:
    bench.box.say(ParkedDecided(item_id=item_id, act=act))


async def up(bench: SyncBench, seconds: float = 90.0) -> None:
    bench.running.start()
    await bench.clock.advance(seconds)


async def test_what_was_asked_while_sync_was_down_is_done_once_it_is_up(bench: SyncBench) -> None:
    effect = await parked_sale(bench)
    bench.running.close()
    ask(bench, ParkedAct.RETRY, effect.id)
    bench.start_again(stop=False)
    await up(bench)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 1
    story = explain(bench.running.ledger, effect.id)
    assert any("asked at the desk (retry): it is queued again" in line for line in story)


async def test_asked_twice_is_sent_once(bench: SyncBench) -> None:
    effect = await parked_sale(bench)
    ask(bench, ParkedAct.RETRY, effect.id)
    ask(bench, ParkedAct.RETRY, effect.id)
    await up(bench)
    assert bench.bookings() == 1
    assert wishes(bench.running.ledger) == []


async def test_done_sends_nothing_any_more(bench: SyncBench) -> None:
    effect = await parked_sale(bench)
    ask(bench, ParkedAct.DONE, effect.id)
    await up(bench)
    assert bench.effect("pms.book").state is EffectState.SUCCEEDED
    assert bench.bookings() == 0


async def test_done_changes_nothing_of_what_is_not_parked(bench: SyncBench) -> None:
    await up(bench)
    bench.sell(room_id=None)
    await bench.clock.advance(60)
    effect = bench.effect("pms.book")
    ask(bench, ParkedAct.DONE, effect.id)
    await bench.clock.advance(60)
    said = answers(bench.running.ledger)[effect.id].sentence
    assert "only parked effects" in said
    assert bench.bookings() == 1


async def test_a_log_that_is_read_again_does_not_end_what_was_parked_later(
    bench: SyncBench,
) -> None:
    effect = await parked_sale(bench)
    ask(bench, ParkedAct.RETRY, effect.id)
    while await bench.running.follower.turn():
        pass
    bench.running.carrier.retry(effect.id)
    await bench.clock.advance(1)
    bench.running.carrier.learn(effect.id, Refused(sentence="the PMS says no again"))
    bench.running.follower.start_over("a test says so")
    await up(bench)
    assert bench.effect("pms.book").state is EffectState.PARKED
    assert "left out" in answers(bench.running.ledger)[effect.id].sentence


async def test_an_item_that_is_not_there_is_answered_with_a_sentence(bench: SyncBench) -> None:
    await up(bench)
    ask(bench, ParkedAct.RETRY, "eff_none")
    ask(bench, ParkedAct.DONE, "inbox:77")
    await bench.clock.advance(60)
    ledger = bench.running.ledger
    assert answers(ledger)["eff_none"].sentence == "there is no effect eff_none"
    assert answers(ledger)["inbox:77"].sentence == "there is no webhook 77"
    assert "asked at the desk" in explain(ledger, "eff_none")[-1]


async def test_the_answer_is_reported_with_what_is_still_parked(bench: SyncBench) -> None:
    await up(bench)
    bench.ask_deposit()
    await bench.clock.advance(60)
    [effect] = bench.running.ledger.effects("kind LIKE 'stripe.%'")
    bench.running.ledger.turn(effect.id, EffectState.MANUAL, "look at it", 0)
    await bench.clock.advance(1)
    ask(bench, ParkedAct.DONE, effect.id)
    await bench.clock.advance(60)
    [item] = bench.running.report()["parked"]
    assert "only parked effects of the PMS" in item["said"]
    assert item["said_of_ms"] > item["since_ms"]
