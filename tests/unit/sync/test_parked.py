"""Promises about parked items: what the desk asks is done once, also when sync was down meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from appliance.engines.stays.parked_messages import (
    ParkedAct,
    ParkedChange,
    ParkedDecided,
    ParkedField,
)
from support.sync_bench import SyncBench
from sync.ledger import Effect, EffectState
from sync.outcome import Refused
from sync.parked import answers, carry_out, wishes
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


def edit(bench: SyncBench, item_id: str, field: ParkedField, value: str) -> None:
    change = ParkedChange(field=field, value=value)
    bench.box.say(ParkedDecided(item_id=item_id, act=ParkedAct.EDIT, changes=(change,)))


async def parked_room(bench: SyncBench) -> Effect:
    """A room that the PMS does not have, given to a stay that it knows."""
    bench.sell(room_id=None)
    await bench.turns(2)
    bench.running.mirror.put_room("r900", "900", None)
    bench.say_assigned("stay_1", "r900")
    await bench.turns(2)
    effect: Effect = bench.effect("pms.assign")
    assert effect.state is EffectState.PARKED
    await bench.clock.advance(1)
    return effect


def said(bench: SyncBench, item_id: str) -> str:
    return answers(bench.running.ledger)[item_id].sentence


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


async def test_an_edit_is_told_to_the_vendor_once(bench: SyncBench) -> None:
    effect = await parked_room(bench)
    edit(bench, effect.id, ParkedField.ROOM, "101")
    await up(bench)
    assert bench.effect("pms.assign").state is EffectState.SUCCEEDED
    [booking] = bench.clouds.mews.store.reservations.values()
    assert bench.clouds.mews.store.room_name(booking.room_id) == "101"
    assert said(bench, effect.id).startswith("it is queued again")
    assert wishes(bench.running.ledger) == []


async def test_an_edit_that_a_crash_repeats_changes_nothing_more(bench: SyncBench) -> None:
    effect = await parked_room(bench)
    edit(bench, effect.id, ParkedField.ROOM, "101")
    while await bench.running.follower.turn():
        pass

    async def killed(act: ParkedAct, name: str, changes: Mapping[str, str]) -> str:
        await bench.running.act(act, name, changes)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await carry_out(bench.running.ledger, killed, lambda: bench.clock.read().wall_ms)
    assert len(wishes(bench.running.ledger)) == 1
    bench.start_again()
    await up(bench)
    story = [sentence for _, _, sentence in bench.running.ledger.told(effect.id)]
    assert story.count("a person changed room to 101") == 1
    assert bench.effect("pms.assign").state is EffectState.SUCCEEDED
    assert bench.effect("pms.assign").takes_room == "r101"
    assert wishes(bench.running.ledger) == []


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (ParkedField.ROOM, "999", "there is no room '999'"),
        (ParkedField.ADULTS, "2", "adults cannot be changed here, only room"),
    ],
)
async def test_an_edit_that_does_not_fit_is_answered_and_leaves_it_parked(
    bench: SyncBench, field: ParkedField, value: str, sentence: str
) -> None:
    effect = await parked_room(bench)
    edit(bench, effect.id, field, value)
    await up(bench)
    now = bench.effect("pms.assign")
    assert (now.state, now.body) == (EffectState.PARKED, effect.body)
    [item] = [each for each in bench.running.report()["parked"] if each["id"] == effect.id]
    assert item["said"].startswith(sentence)


async def test_an_edit_older_than_the_last_change_is_left_out(bench: SyncBench) -> None:
    effect = await parked_room(bench)
    edit(bench, effect.id, ParkedField.ROOM, "101")
    await bench.clock.advance(1)
    bench.running.carrier.retry(effect.id)
    await bench.turns(2)
    assert bench.effect("pms.assign").state is EffectState.PARKED
    await up(bench)
    assert bench.effect("pms.assign").body == effect.body
    assert "left out" in said(bench, effect.id)


@pytest.mark.parametrize(
    "item_id", ["look:mews", "inbox:7", "mews:0f1e", "ical:sea-101", "learn_1"]
)
async def test_what_is_no_act_cannot_be_edited(bench: SyncBench, item_id: str) -> None:
    await up(bench)
    edit(bench, item_id, ParkedField.ROOM, "101")
    await bench.clock.advance(60)
    assert said(bench, item_id).startswith(f"{item_id} cannot be edited")


async def test_an_act_that_is_not_there_cannot_be_edited(bench: SyncBench) -> None:
    await up(bench)
    edit(bench, "eff_none", ParkedField.ROOM, "101")
    await bench.clock.advance(60)
    assert said(bench, "eff_none") == "there is no effect eff_none"


async def test_money_is_frozen(bench: SyncBench) -> None:
    await up(bench)
    bench.ask_deposit()
    await bench.clock.advance(60)
    [effect] = bench.running.ledger.effects("kind LIKE 'stripe.%'")
    bench.running.ledger.turn(effect.id, EffectState.MANUAL, "look at it", 0)
    await bench.clock.advance(1)
    edit(bench, effect.id, ParkedField.ADULTS, "2")
    await bench.clock.advance(60)
    [item] = bench.running.report()["parked"]
    assert "frozen" in item["said"]
    assert "editable" not in item


async def test_the_report_says_what_can_be_edited_and_nothing_of_the_guest(
    bench: SyncBench,
) -> None:
    await parked_sale(bench)
    [item] = bench.running.report()["parked"]
    assert item["editable"] == {"room": "none", "adults": "2", "children": "0"}
    report = msgspec.json.encode(bench.running.report())
    assert b"Ada" not in report
    assert b"Lovelace" not in report


async def test_a_decision_that_breaks_a_rule_of_ours_stops_no_other(bench: SyncBench) -> None:
    await bench.turn()
    ask(bench, ParkedAct.RETRY, "eff_1")
    ask(bench, ParkedAct.RETRY, "eff_2")
    while await bench.running.follower.turn():
        pass
    seen = []

    async def breaks(_act: ParkedAct, name: str, _changes: Mapping[str, str]) -> str:
        seen.append(name)
        raise KeyError("Lovelace")

    assert await carry_out(bench.running.ledger, breaks, lambda: 1) == 2
    assert seen == ["eff_1", "eff_2"]
    assert (
        said(bench, "eff_1") == "Nightporter itself failed on it (KeyError); look, then ask again"
    )


async def test_a_full_disk_keeps_the_decision(bench: SyncBench) -> None:
    await bench.turn()
    ask(bench, ParkedAct.RETRY, "eff_1")
    while await bench.running.follower.turn():
        pass

    async def full(_act: ParkedAct, _name: str, _changes: Mapping[str, str]) -> str:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(sqlite3.OperationalError):
        await carry_out(bench.running.ledger, full, lambda: 1)
    assert len(wishes(bench.running.ledger)) == 1
