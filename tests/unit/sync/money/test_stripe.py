"""Promises of the one charge: whatever answer is lost, and whenever it is tried again."""

from __future__ import annotations

import pytest

from support.sync_bench import SyncBench
from sync.ledger import EffectState
from twin.clouds.faults import Fault
from twin.clouds.stripe.words import Card

CREATE = "POST /v1/payment_intents"
MINUTE, DAY = 60.0, 86_400.0


async def test_a_charge_is_made_once_and_told_home(bench: SyncBench) -> None:
    bench.ask_deposit()
    await bench.turn()
    assert bench.charges() == 1
    states = [body["state"] for body in bench.box.of("payments.note_intent")]
    assert states == ["sending", "succeeded"]
    assert bench.box.of("payments.note_intent")[-1]["provider_ref"].startswith("pi_")
    assert bench.effect("stripe.charge").body == b"{}"  # nothing of it is kept any longer


@pytest.mark.parametrize("wait_s", [MINUTE, 25 * 3600.0, 7 * DAY])
@pytest.mark.parametrize(
    "fault",
    [
        Fault.LOST_REQUEST,
        Fault.LOST_ANSWER,
        Fault.NO_ANSWER,
        Fault.CUT_BODY,
        Fault.SERVER_ERROR,
        Fault.BROKEN_STORED,
        Fault.CONFLICT,
        Fault.TOO_MANY,
        Fault.TOO_MANY_BARE,
    ],
)
async def test_a_lost_answer_never_charges_twice(
    bench: SyncBench, fault: Fault, wait_s: float
) -> None:
    bench.ask_deposit()
    bench.clouds.stripe.faults.plan(CREATE, fault)
    await bench.turn()
    assert bench.effect("stripe.charge").state is EffectState.UNKNOWN
    await bench.clock.advance(wait_s)
    await bench.turns()
    assert bench.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert bench.charges() == 1


@pytest.mark.parametrize("wait_s", [MINUTE, 25 * 3600.0, 7 * DAY])
async def test_a_kill_before_our_commit_never_charges_twice(
    bench: SyncBench, wait_s: float
) -> None:
    bench.ask_deposit()
    await bench.running.follower.turn()
    effect = bench.effect("stripe.charge")
    carrier = bench.running.carrier
    ready = carrier._commit_intent(effect.id)
    assert ready is not None
    await bench.running.pushers["stripe"].push(ready)  # charged there, and we die
    await bench.clock.advance(wait_s)
    bench.start_again()
    assert bench.effect("stripe.charge").state is EffectState.UNKNOWN
    await bench.turns()
    assert bench.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert bench.charges() == 1


@pytest.mark.parametrize("wait_s", [MINUTE, 25 * 3600.0])
async def test_a_kill_before_the_first_byte_charges_once(bench: SyncBench, wait_s: float) -> None:
    bench.ask_deposit()
    await bench.running.follower.turn()
    bench.running.carrier._commit_intent(bench.effect("stripe.charge").id)
    await bench.clock.advance(wait_s)
    bench.start_again()
    await bench.turns()
    assert bench.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert bench.charges() == 1


async def test_the_same_bytes_go_under_the_same_key(bench: SyncBench) -> None:
    bench.ask_deposit()
    await bench.running.follower.turn()
    before = bench.effect("stripe.charge")
    bench.clouds.stripe.faults.plan(CREATE, Fault.LOST_REQUEST)
    await bench.turn()
    after = bench.effect("stripe.charge")
    assert (before.body, before.idempotency_key) == (after.body, after.idempotency_key)


async def test_after_a_day_an_absent_charge_gets_a_new_key(bench: SyncBench) -> None:
    bench.ask_deposit()
    bench.clouds.stripe.faults.plan(CREATE, Fault.LOST_REQUEST)
    await bench.turn()
    first = bench.effect("stripe.charge").idempotency_key
    await bench.clock.advance(DAY)
    await bench.turns()
    effect = bench.effect("stripe.charge")
    assert (effect.attempt, effect.state) == (2, EffectState.SUCCEEDED)
    assert effect.idempotency_key != first
    assert bench.charges() == 1


async def test_a_declined_card_is_final_and_told_with_its_reason(bench: SyncBench) -> None:
    bench.ask_deposit(card=Card.DECLINED)
    await bench.turns(2)
    noted = bench.box.of("payments.note_intent")[-1]
    assert noted["state"] == "declined"
    assert noted["code"]
    assert bench.effect("stripe.charge").tries == 1


async def test_a_bank_that_wants_the_guest_is_told_as_such(bench: SyncBench) -> None:
    bench.ask_deposit(card=Card.AUTHENTICATION_REQUIRED)
    await bench.turn()
    assert bench.box.of("payments.note_intent")[-1]["state"] == "requires_action"


async def test_a_charge_whose_time_has_passed_is_never_sent(bench: SyncBench) -> None:
    bench.ask_deposit(not_after_s=bench.clock.read().wall_s + 60)
    await bench.clock.advance(DAY)
    await bench.turn()
    assert bench.effect("stripe.charge").state is EffectState.EXPIRED
    assert bench.charges() == 0
    assert bench.box.of("payments.note_intent")[-1]["state"] == "expired"


async def test_an_unsure_clock_takes_the_vendors_time_before_it_judges(bench: SyncBench) -> None:
    bench.clock.uncertainty_ms = 315_360_000_000
    bench.ask_deposit()
    await bench.turn()
    assert bench.charges() == 1


async def test_a_refused_key_is_a_state_of_its_own_and_loses_nothing(bench: SyncBench) -> None:
    bench.ask_deposit()
    bench.clouds.stripe.faults.plan(CREATE, Fault.UNAUTHORIZED)
    await bench.turn()
    assert bench.running.gates["stripe"].breaker.standing == "refused"
    assert bench.effect("stripe.charge").state is EffectState.QUEUED
    await bench.clock.advance(61)
    pusher = bench.running.pushers["stripe"]
    await pusher.probe()  # type: ignore[attr-defined]
    await bench.turn()
    assert bench.charges() == 1


async def test_a_new_ledger_on_an_old_log_proves_before_it_charges(bench: SyncBench) -> None:
    bench.ask_deposit()
    await bench.turn()
    bench.running.close()
    bench.settings.ledger_path.unlink()
    await bench.clock.advance(7 * DAY)
    bench.start_again(stop=False)
    await bench.turns(2)
    assert bench.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert bench.charges() == 1


async def test_no_key_and_no_body_is_ever_shown(bench: SyncBench) -> None:
    account = bench.settings.stripe
    assert account is not None
    assert account.secret_key not in repr(account)
    assert account.secret_key not in repr(bench.settings)
