"""Holds, their capture and release, refunds, pay links and cards that guests leave."""

from __future__ import annotations

import pytest

from support.money_bench import AMOUNT_MINOR, DAY_S, MoneyBench
from sync.ledger import EffectState
from sync.money.stripe.frozen import charge_body, read_charge, thaw
from twin.clouds.faults import Fault
from twin.clouds.stripe import disputes, guest
from twin.clouds.stripe.words import HOLD_S_MAX, SECRET_KEY, Card
from twin.clouds.wire import Request

CREATE = "POST /v1/payment_intents"


async def post(money: MoneyBench, path: str, form: str) -> None:
    """Somebody in the vendor's own pages."""
    headers = {"authorization": f"Bearer {SECRET_KEY}"}
    request = Request(method="POST", path=path, headers=headers, body=form.encode())
    assert (await money.sync.clouds.stripe.answer(request)).status == 200


async def test_a_hold_is_told_with_the_time_it_ends(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    (intent,) = money.store.intents.rows.values()
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["capture_by_s"]) == ("held", intent["created"] + HOLD_S_MAX)
    assert (money.done("authorized"), money.done("charged")) == (1, 0)


async def test_a_hold_is_taken_in_part_and_the_rest_is_free(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    money.ask_capture(amount_minor=2_000)
    await money.turn()
    assert money.said("capture")[-1]["state"] == "succeeded"
    (entry,) = money.sync.journal.read("payments.captured")
    assert entry["amount_minor"] == 2_000


async def test_a_declined_hold_is_final(money: MoneyBench) -> None:
    money.ask_hold(card=Card.INSUFFICIENT_FUNDS)
    await money.turns(2)
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["code"]) == ("declined", "insufficient_funds")


async def test_a_capture_past_its_time_is_never_sent(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    money.ask_capture()
    asked = money.sync.clouds.stripe.asked
    await money.sync.clock.advance(HOLD_S_MAX + 1)
    await money.turn(look=False)
    assert money.said("capture")[-1]["state"] == "expired"
    assert money.sync.clouds.stripe.asked == asked


@pytest.mark.parametrize(
    ("withdrawn", "state", "code"),
    [
        (True, "declined", "capture_charge_authorization_expired"),
        (False, "expired", "charge_expired_for_capture"),
    ],
)
async def test_two_ways_in_which_a_hold_is_gone_have_words_of_their_own(
    money: MoneyBench, *, withdrawn: bool, state: str, code: str
) -> None:
    money.ask_hold()
    await money.turn()
    (intent,) = money.store.intents.rows.values()
    if withdrawn:
        guest.withdraws(money.store, intent["id"])
    else:
        intent["created"] -= HOLD_S_MAX  # the bank counts from another moment than we
    money.ask_capture()
    await money.turn(look=False)
    noted = money.said("capture")[-1]
    assert (noted["state"], noted["code"]) == (state, code)
    assert money.done("captured") == 0


async def test_a_hold_taken_by_hand_there_is_no_second_capture(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    (name,) = money.store.intents.rows
    await post(money, f"/v1/payment_intents/{name}/capture", "amount_to_capture=1000")
    money.ask_capture()
    await money.turns(3)
    assert money.sync.effect("stripe.capture").state is EffectState.MANUAL
    assert money.done("captured") == 1


async def test_a_hold_is_let_go(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    money.ask_release()
    await money.turns(2)
    assert money.said("intent")[-1]["state"] == "released"
    assert money.done("canceled") == 1


async def test_a_release_that_comes_after_the_capture_says_so(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    (name,) = money.store.intents.rows
    await post(money, f"/v1/payment_intents/{name}/capture", "")
    money.ask_release()
    await money.turns(2)
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["amount_minor"]) == ("succeeded", AMOUNT_MINOR)


# -- refunds ---------------------------------------------------------------------------------------


async def test_two_refunds_have_two_keys_and_both_go_back(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    money.ask_refund("refund_1", amount_minor=2_000)
    money.ask_refund("refund_2", amount_minor=3_000)
    await money.turns(2)
    given = [entry["amount_minor"] for entry in money.sync.journal.read("payments.refunded")]
    assert given == [2_000, 3_000]
    assert [each["state"] for each in money.said("refund")].count("succeeded") == 2


async def test_more_than_is_left_is_not_even_asked(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    (name,) = money.store.intents.rows
    await post(money, "/v1/refunds", f"payment_intent={name}&amount=4000")
    money.ask_refund(amount_minor=2_000)
    await money.turns(2)
    effect = money.sync.effect("stripe.refund")
    assert effect.state is EffectState.PARKED
    assert "only 1000 is left" in effect.sentence
    assert money.done("refunded") == 1


async def test_a_refund_waits_until_its_charge_is_known(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    money.sync.clouds.stripe.faults.plan(CREATE, Fault.LOST_ANSWER, times=3)
    await money.turn(look=False)
    money.ask_refund(intent=("intent_1", next(iter(money.store.intents.rows))))
    await money.turn(look=False)
    assert money.done("refunded") == 0
    await money.turns(4)
    assert (money.done("charged"), money.done("refunded")) == (1, 1)


async def test_what_was_taken_of_a_hold_goes_back_whole(money: MoneyBench) -> None:
    """Stripe calls the rest that was never taken refunded."""
    money.ask_hold()
    await money.turn()
    money.ask_capture(amount_minor=2_000)
    await money.turns(2)
    hold = money.said("intent")[-1]
    money.ask_refund(amount_minor=2_000, intent=("hold_1", hold["provider_ref"]))
    await money.turns(2)
    effect = money.sync.effect("stripe.refund")
    assert effect.state is EffectState.SUCCEEDED, effect.sentence
    money.ask_refund("refund_2", amount_minor=1, intent=("hold_1", hold["provider_ref"]))
    await money.turns(2)
    (second,) = money.sync.running.ledger.effects("natural_key = 'stripe.refund:refund_2'")
    assert second.state is EffectState.PARKED
    assert "only 0 is left" in second.sentence


@pytest.mark.parametrize("won", [True, False])
async def test_only_a_dispute_that_was_won_leaves_the_money_to_be_given_back(
    money: MoneyBench, *, won: bool
) -> None:
    money.sync.ask_deposit()
    await money.turn()
    dispute = disputes.opened(money.store, next(iter(money.store.charges.rows)))
    disputes.closed(money.store, dispute["id"], won=won)
    money.ask_refund()
    await money.turns(2)
    state = money.sync.effect("stripe.refund").state
    assert state is (EffectState.SUCCEEDED if won else EffectState.MANUAL)


async def test_a_disputed_payment_is_not_given_back_twice(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    disputes.opened(money.store, next(iter(money.store.charges.rows)))
    money.ask_refund()
    await money.turns(2)
    assert money.sync.effect("stripe.refund").state is EffectState.MANUAL
    assert money.done("refunded") == 0


# -- one intent taken twice ------------------------------------------------------------------------


async def double(money: MoneyBench) -> list[str]:
    """Somebody repeats our charge under another key: the classic after a restore."""
    effect = money.sync.running.ledger.effects("kind = 'stripe.charge'")[0]
    headers = {"authorization": f"Bearer {SECRET_KEY}", "idempotency-key": "another"}
    frozen = thaw(effect.body)
    request = Request(method="POST", path=frozen.path, headers=headers, body=frozen.form)
    assert (await money.sync.clouds.stripe.answer(request)).status == 200
    return list(money.store.intents.rows)


async def test_of_two_charges_one_is_kept_and_the_box_hears_of_the_other(
    money: MoneyBench,
) -> None:
    money.sync.ask_deposit()
    money.sync.clouds.stripe.faults.plan(CREATE, Fault.LOST_ANSWER)
    await money.turn(look=False)
    await money.sync.clock.advance(60)
    kept, other = await double(money)
    await money.sync.clock.advance(DAY_S)
    await money.turns(3)
    told = [each["provider_ref"] for each in money.said("intent") if each["state"] == "succeeded"]
    assert told == [kept, other]
    assert "2 times" in money.sync.effect("stripe.charge").sentence


async def test_a_second_charge_that_only_an_event_shows_is_told_too(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    while await money.sync.running.follower.turn():
        pass
    frozen = thaw(money.sync.effect("stripe.charge").body)
    await money.turns(2)
    await post(money, frozen.path, frozen.form.decode())
    await money.turns(2)
    told = [each["provider_ref"] for each in money.said("intent") if each["state"] == "succeeded"]
    assert told == list(money.store.intents.rows)
    assert money.done("charged") == 2


# -- pages for guests ------------------------------------------------------------------------------


async def test_a_pay_link_waits_for_the_guest_and_is_told_when_it_is_paid(
    money: MoneyBench,
) -> None:
    money.ask_pay_link()
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "requires_action"
    (name,) = money.store.intents.rows
    guest.comes_back(money.store, name)
    await money.turns(2)
    noted = money.said("pay_link")[-1]
    assert (noted["state"], noted["provider_ref"]) == ("succeeded", name)
    assert (noted["amount_minor"], noted["currency"]) == (AMOUNT_MINOR, "EUR")


@pytest.mark.parametrize("known", [True, False])
async def test_a_card_is_left_once_and_charged_later(money: MoneyBench, *, known: bool) -> None:
    customer = money.store.add_customer("Ada", None, {})["id"] if known else None
    money.ask_card_set_up(customer)
    money.sync.clouds.stripe.faults.plan("POST /v1/setup_intents", Fault.LOST_ANSWER)
    await money.turns(3)
    assert money.said("card_set_up")[-1]["state"] == "requires_action"
    (setup,) = money.store.setups.rows.values()
    path = f"/v1/setup_intents/{setup['id']}/confirm"
    await post(money, path, f"payment_method={Card.AUTHENTICATION_REQUIRED}")
    guest.authenticates(money.store, setup["id"])
    await money.turns(2)
    noted = money.said("card_set_up")[-1]
    assert (noted["state"], noted["method_ref"]) == ("succeeded", setup["payment_method"])
    assert noted["customer_ref"] == setup["customer"]
    assert len(money.store.customers.rows) == 1


# -- the frozen body -------------------------------------------------------------------------------


def test_a_body_of_the_first_release_is_still_a_charge() -> None:
    fields = {
        "intent_id": "intent_1",
        "amount_minor": 5_000,
        "currency": "EUR",
        "customer_ref": "cus_1",
        "method_ref": "pm_1",
    }
    body = charge_body(**fields)  # type: ignore[arg-type]
    bare = body.partition(b"?")[2]
    assert read_charge(bare) == read_charge(body)
    assert thaw(bare).path == thaw(body).path == "/v1/payment_intents"
    assert thaw(bare).form == thaw(body).form == bare
