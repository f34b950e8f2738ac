"""Money of ours that the box's log never asked for, because it was restored: told once, and only it.

What is restored here is put back as `nightporter restore` puts it: files of the hour of the backup.
"""

from __future__ import annotations

import shutil
from typing import Any
from urllib.parse import urlencode

import pytest

from appliance.engines.payments.messages import CaptureAsked
from support import news
from support.money_bench import AMOUNT_MINOR, DAY_S, MoneyBench, heard, stripe_of
from sync import follow
from sync.ledger import GENERATION, PROPERTY_ID, EffectState, Ledger
from sync.money.stripe.frozen import thaw
from sync.money.stripe.pull import CURSOR
from twin.clouds.faults import Fault
from twin.clouds.stripe import guest

OURS = "marina"
PAID = "payment_intent.succeeded"


@pytest.fixture
async def money(money: MoneyBench) -> MoneyBench:
    """The same bench, of a property that says which it is."""
    money.sync.box.say(news.property_set_up())
    await money.turn()
    return money


class Backup:
    """The log and sync.db as they are now."""

    def __init__(self, money: MoneyBench) -> None:
        self._money = money
        self._position = len(money.sync.box.facts)
        self._file = money.sync.settings.ledger_path.with_suffix(".backup")
        money.sync.running.ledger.db.execute("VACUUM INTO ?", (str(self._file),))

    def restore_log(self) -> None:
        self._money.sync.box.restore_to(self._position)
        self._money.sync.box.asked.clear()

    def restore_ledger(self) -> None:
        lose_ledger(self._money, start=False)
        settings = self._money.sync.settings
        shutil.copy(self._file, settings.ledger_path)
        settings.restored_marker.touch()
        self._money.sync.start_again(stop=False)

    def restore(self) -> None:
        self.restore_log()
        self.restore_ledger()


def lose_ledger(money: MoneyBench, *, start: bool = True) -> None:
    money.sync.running.close()
    path = money.sync.settings.ledger_path
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    if start:
        money.sync.start_again(stop=False)


def strays(money: MoneyBench) -> list[tuple[str, int, str, str]]:
    return [
        (each["provider_ref"], each["amount_minor"], each["currency"], each["our_ref"])
        for each in money.sync.box.of("payments.note_stray_payment")
    ]


def intent_id(money: MoneyBench) -> str:
    (name,) = money.store.intents.rows
    return name


async def post(money: MoneyBench, path: str, **fields: Any) -> None:
    """Somebody in the vendor's own pages, or another box."""
    account = money.sync.settings.stripe
    assert account is not None
    headers = {"Authorization": f"Bearer {account.secret_key}"}
    send = money.sync.clouds.in_process().send
    body = urlencode(fields).encode()
    reply = await send("POST", account.base_url + path, headers=headers, body=body)
    assert reply.status == 200, reply.body


async def charge(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()


async def paid_link(money: MoneyBench) -> None:
    money.ask_pay_link()
    await money.turn()
    guest.comes_back(money.store, intent_id(money))
    await money.turn()


async def captured_hold(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    money.ask_capture(amount_minor=3_000)
    await money.turn()


TAKEN = [
    (charge, AMOUNT_MINOR, "intent_1"),
    (paid_link, AMOUNT_MINOR, "link_1"),
    (captured_hold, 3_000, "hold_1"),
]


@pytest.mark.parametrize(("take", "amount_minor", "ours"), TAKEN)
@pytest.mark.parametrize("with_ledger", [True, False], ids=["both", "the log alone"])
async def test_money_taken_after_the_backup_is_told_once(
    money: MoneyBench, take: Any, amount_minor: int, ours: str, *, with_ledger: bool
) -> None:
    backup = Backup(money)
    await take(money)
    backup.restore() if with_ledger else backup.restore_log()
    await money.turns(3)
    stripe_of(money).start_over()
    await money.turns(2)
    assert strays(money) == [(intent_id(money), amount_minor, "EUR", ours)]
    assert money.said("intent") == money.said("capture") == money.said("pay_link") == []
    assert money.sync.running.report()["parked"] == []


async def test_a_box_that_is_restored_once_more_hears_of_it_again(money: MoneyBench) -> None:
    backup = Backup(money)
    await charge(money)
    for _ in range(2):
        backup.restore()
        await money.turns(2)
        assert len(strays(money)) == 1


async def test_what_the_log_asked_for_is_told_as_itself(money: MoneyBench) -> None:
    await charge(money)
    backup = Backup(money)
    backup.restore_log()
    money.sync.running.follower.start_over("a test says so")
    await money.turns(2)
    assert strays(money) == []
    assert [each["state"] for each in money.said("intent")] == ["succeeded"]


async def test_a_taken_hold_that_the_log_knows_as_held_is_told_as_taken(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    backup = Backup(money)
    money.ask_capture(amount_minor=3_000)
    await money.turn()
    backup.restore_log()
    await money.turns(2)
    assert strays(money) == []
    said = money.said("intent")
    assert [each["state"] for each in said] == ["held", "succeeded"]
    assert said[-1]["amount_minor"] == 3_000


async def test_money_that_is_only_held_is_left_to_end_by_itself(money: MoneyBench) -> None:
    backup = Backup(money)
    money.ask_hold()
    await money.turn()
    backup.restore()
    await money.turns(2)
    assert strays(money) == []


@pytest.mark.parametrize(("back", "left"), [(AMOUNT_MINOR, []), (1_000, [AMOUNT_MINOR - 1_000])])
async def test_what_went_back_since_is_not_here(
    money: MoneyBench, back: int, left: list[int]
) -> None:
    backup = Backup(money)
    await charge(money)
    money.ask_refund(amount_minor=back)
    await money.turn()
    backup.restore()
    await money.turns(2)
    assert [amount_minor for _, amount_minor, _, _ in strays(money)] == left


async def test_a_link_that_the_log_lost_and_the_guest_pays_later_is_told(money: MoneyBench) -> None:
    backup = Backup(money)
    money.ask_pay_link()
    await money.turn()
    backup.restore_log()
    await money.turns(2)
    assert strays(money) == []
    guest.comes_back(money.store, intent_id(money))
    await money.turns(2)
    assert strays(money) == [(intent_id(money), AMOUNT_MINOR, "EUR", "link_1")]


async def test_a_charge_of_months_ago_is_read_by_its_name(money: MoneyBench) -> None:
    backup = Backup(money)
    await charge(money)
    await money.sync.clock.advance(60 * DAY_S)
    await money.turns(2)  # so that the next list need not reach back so far
    backup.restore_log()
    await money.turns(2)
    assert [ref for ref, *_ in strays(money)] == [intent_id(money)]


@pytest.mark.parametrize(
    "metadata",
    [
        {"metadata[outbox_id]": "intent_7", "metadata[property_id]": "riverside"},
        {"metadata[outbox_id]": "intent_7"},
        {"metadata[property_id]": OURS},
    ],
    ids=["another property's", "nobody's", "no reference"],
)
async def test_what_does_not_say_that_it_is_ours_is_left_alone(
    money: MoneyBench, metadata: dict[str, str]
) -> None:
    backup = Backup(money)
    fields = {"amount": "900", "currency": "eur", "payment_method": "pm_card_visa"}
    await post(money, "/v1/payment_intents", **fields, confirm="true", **metadata)
    backup.restore()
    await money.turns(2)
    assert strays(money) == []


async def test_a_box_that_does_not_know_its_property_calls_nothing_its_own(
    money: MoneyBench,
) -> None:
    fields = {"amount": "900", "currency": "eur", "payment_method": "pm_card_visa"}
    ours = {"metadata[outbox_id]": "intent_7", "metadata[property_id]": OURS}
    await post(money, "/v1/payment_intents", **fields, confirm="true", **ours)
    ledger = money.sync.running.ledger
    ledger.db.execute("DELETE FROM kept WHERE name = ?", (PROPERTY_ID,))
    stripe_of(money).start_over()
    await stripe_of(money).look()
    assert ledger.letters("1") == []


# -- never a false alarm ---------------------------------------------------------------------------


async def test_a_ledger_that_was_lost_alone_waits_until_the_log_is_read(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await charge(money)
    [webhook] = [heard(row) for row in money.store.recent_events() if row["type"] == PAID]
    monkeypatch.setattr(follow, "PAGE", 1)
    lose_ledger(money)
    running = money.sync.running
    assert not await stripe_of(money).look(), "nothing was read yet"
    while not running.follower.at_head:
        assert not await stripe_of(money).look(), running.ledger.cursor()
        assert running.ledger.kept(CURSOR, str) is None, "a look that waits is not a look"
        await stripe_of(money).heard(webhook)
        await running.follower.turn()
    await money.turns(2)
    assert strays(money) == []
    assert money.sync.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert money.done("charged") == 1


async def test_a_look_during_which_the_log_is_restored_is_done_again(money: MoneyBench) -> None:
    backup = Backup(money)
    await charge(money)
    pull, follower = stripe_of(money), money.sync.running.follower
    pull.start_over()
    fetch = pull._fetch

    async def meanwhile(named: Any) -> Any:
        rows = await fetch(named)
        backup.restore_log()
        while await follower.turn() or not follower.at_head:
            pass
        return rows

    pull._fetch = meanwhile  # type: ignore[method-assign]
    assert not await pull.look()
    assert money.sync.running.ledger.kept(CURSOR, str) is None
    pull._fetch = fetch  # type: ignore[method-assign]
    await money.turns(2)
    assert [ref for ref, *_ in strays(money)] == [intent_id(money)]


async def test_a_ledger_of_before_holds_nothing_for_forgotten(
    money: MoneyBench,
) -> None:
    await charge(money)
    running = money.sync.running
    running.ledger.keep(GENERATION, 3)
    running.ledger.db.execute("ALTER TABLE effect DROP COLUMN generation")
    running.close()
    ledger = Ledger(money.sync.settings.ledger_path)
    (effect,) = ledger.effects("kind = 'stripe.charge'")
    assert effect.generation == 3
    assert not ledger.is_forgotten(effect)
    ledger.close()
    money.sync.start_again(stop=False)


# -- what was not sent yet -------------------------------------------------------------------------


@pytest.mark.parametrize("asked_again", [False, True])
async def test_what_the_restored_log_asks_for_no_more_is_not_sent(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch, *, asked_again: bool
) -> None:
    backup = Backup(money)
    money.sync.ask_deposit()
    running = money.sync.running
    await running.follower.turn()
    backup.restore_log()
    if asked_again:
        money.sync.ask_deposit()
    monkeypatch.setattr(follow, "PAGE", 1)
    await running.follower.turn()
    while not running.ledger.log_is_read():
        await money.sync.clock.run_until(running.carrier.step(), limit_s=600)
        await money.sync.clock.advance(2.0)
        assert money.done("charged") == 0, "not before the log is read"
        await running.follower.turn()
    await money.turns(3)
    assert money.done("charged") == int(asked_again)
    state = EffectState.SUCCEEDED if asked_again else EffectState.EXPIRED
    assert money.sync.effect("stripe.charge").state is state
    assert strays(money) == []


async def test_what_may_still_arrive_is_looked_for_and_not_sent_again(money: MoneyBench) -> None:
    backup = Backup(money)
    money.sync.clouds.stripe.faults.plan("POST /v1/payment_intents", Fault.LOST_REQUEST)
    money.sync.ask_deposit()
    await money.turn()
    assert money.sync.effect("stripe.charge").tries == 1
    backup.restore_log()
    await money.turns(3)
    assert money.sync.effect("stripe.charge").state is EffectState.UNKNOWN
    await money.sync.clock.advance(DAY_S)
    await money.turns(3)
    assert money.sync.effect("stripe.charge").state is EffectState.EXPIRED
    assert money.done("charged") == 0


# -- whose it is -----------------------------------------------------------------------------------


async def test_a_payment_says_for_which_property_it_is(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    money.ask_hold()
    money.ask_pay_link()
    while await money.sync.running.follower.turn():
        pass
    effects = money.sync.running.ledger.effects("counterparty = 'stripe'")
    fields = [thaw(effect.body).fields for effect in effects]
    assert [each["metadata[property_id]"] for each in fields] == [OURS] * 3


async def test_a_ledger_of_before_learns_its_property_from_the_log(money: MoneyBench) -> None:
    running = money.sync.running
    running.ledger.db.execute("DELETE FROM kept WHERE name = ?", (PROPERTY_ID,))
    running = money.sync.start_again()
    await running.follower.turn()
    assert running.ledger.kept(PROPERTY_ID, str) == OURS


async def test_a_capture_asked_after_the_restore_is_its_own_evidence(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    held = money.said("intent")[-1]
    backup = Backup(money)
    money.ask_capture()
    await money.turn()
    backup.restore_log()
    again = CaptureAsked(
        capture_id="capture_2",
        intent_id=held["intent_id"],
        stay_id="stay_1",
        amount_minor=AMOUNT_MINOR,
        currency="EUR",
        provider_ref=held["provider_ref"],
        capture_by_s=held["capture_by_s"],
    )
    money.sync.box.say(again)
    await money.turns(2)
    assert [each["state"] for each in money.said("capture")][-1] == "succeeded"
    assert money.done("captured") == 1
    assert strays(money) == []
