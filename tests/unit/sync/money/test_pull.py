"""What happened at Stripe is found: by events, by webhooks in any order, by lists after long dark."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from support.money_bench import AMOUNT_MINOR, DAY_S, MoneyBench, heard, money_bench, stripe_of
from sync.inbox.words import NotYetError
from sync.ledger import EffectState
from sync.money.stripe.pull import CURSOR
from twin.clouds.faults import Fault
from twin.clouds.stripe import disputes, guest, refunds
from twin.clouds.stripe.words import Card
from twin.line import Cut

NEEDS_OWNER = Card.AUTHENTICATION_REQUIRED


def intent_id(money: MoneyBench) -> str:
    """The one payment there is, by the vendor's id."""
    (name,) = money.store.intents.rows
    return name


async def test_a_guest_who_confirms_later_is_told_home(money: MoneyBench) -> None:
    money.sync.ask_deposit(card=NEEDS_OWNER)
    await money.turn()
    assert money.said("intent")[-1]["state"] == "requires_action"
    guest.comes_back(money.store, intent_id(money), NEEDS_OWNER)
    await money.turn()
    guest.authenticates(money.store, intent_id(money))
    await money.turn()
    assert money.said("intent")[-1]["state"] == "succeeded"
    assert money.done("charged") == 1
    assert money.sync.effect("stripe.charge").body == b"{}"


async def test_a_guest_whose_bank_says_no_is_a_decline(money: MoneyBench) -> None:
    money.sync.ask_deposit(card=NEEDS_OWNER)
    await money.turn()
    guest.comes_back(money.store, intent_id(money), NEEDS_OWNER)
    guest.authenticates(money.store, intent_id(money), success=False)
    await money.turn()
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["code"]) == (
        "declined",
        "payment_intent_authentication_failure",
    )


@pytest.mark.parametrize("won", [True, False])
async def test_a_dispute_is_told_from_its_beginning_to_its_end(
    money: MoneyBench, *, won: bool
) -> None:
    money.sync.ask_deposit()
    await money.turn()
    (charge,) = money.store.charges.rows
    one = disputes.opened(money.store, charge)
    await money.turn()
    disputes.closed(money.store, one["id"], won=won)
    await money.turns(2)
    told = money.said("dispute")
    assert [each["state"] for each in told] == ["open", "won" if won else "lost"]
    assert told[0]["provider_ref"] == intent_id(money)
    assert (told[0]["amount_minor"], told[0]["currency"]) == (AMOUNT_MINOR, "EUR")
    assert told[0]["due_s"] > money.now_s()


async def test_each_event_is_read_once_and_a_quiet_look_costs_one_request(
    money: MoneyBench,
) -> None:
    money.sync.ask_deposit()
    await money.turns(3)
    asked = money.sync.clouds.stripe.asked
    await money.turn()
    assert money.sync.clouds.stripe.asked == asked + 1


async def test_a_look_that_is_cut_moves_nothing(money: MoneyBench) -> None:
    money.sync.ask_deposit(card=NEEDS_OWNER)
    await money.turns(2)
    before = money.sync.running.ledger.kept(CURSOR, str)
    guest.comes_back(money.store, intent_id(money))
    money.sync.clouds.stripe.faults.plan("GET /v1/payment_intents/{id}", Fault.CUT_BODY)
    await money.turn()
    assert money.sync.running.ledger.kept(CURSOR, str) == before
    await money.turn()
    assert money.said("intent")[-1]["state"] == "succeeded"


async def test_after_more_than_thirty_days_the_objects_are_listed(money: MoneyBench) -> None:
    money.sync.ask_deposit(card=NEEDS_OWNER)
    await money.turn()
    money.sync.clouds.line.cut(Cut.REFUSED)
    guest.comes_back(money.store, intent_id(money))
    (charge,) = [row for row, each in money.store.charges.rows.items() if each["captured"]]
    disputes.opened(money.store, charge)
    await money.sync.clock.advance(40 * DAY_S)
    money.sync.clouds.line.heal()
    assert money.store.recent_events() == []
    await money.turns(2)
    assert money.said("intent")[-1]["state"] == "succeeded"
    assert money.said("dispute")[-1]["state"] == "open"


async def test_a_hold_that_was_let_go_or_taken_there_is_told(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    await ask(money, "POST", f"/v1/payment_intents/{intent_id(money)}/capture", b"")
    await money.turn()
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["amount_minor"]) == ("succeeded", AMOUNT_MINOR)


async def test_a_hold_that_ran_out_is_told(money: MoneyBench) -> None:
    money.ask_hold()
    await money.turn()
    path = f"/v1/payment_intents/{intent_id(money)}/cancel"
    await ask(money, "POST", path, b"cancellation_reason=abandoned")
    await money.turn()
    noted = money.said("intent")[-1]
    assert (noted["state"], noted["code"]) == ("expired", "abandoned")


async def test_an_object_of_another_form_keeps_no_other_away(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    money.ask_refund()
    await money.turn()
    (charge,) = money.store.charges.rows
    del disputes.opened(money.store, charge)["currency"]
    (refund,) = money.store.refunds.rows
    refunds.fails(money.store, refund)
    await money.turn()
    assert money.said("dispute") == []
    assert money.said("refund")[-1]["state"] == "declined"
    assert await money.sync.clock.run_until(money.sync.running.lookers[0].look(), limit_s=60)


async def test_kronur_are_asked_for_and_told_in_kronur(money: MoneyBench) -> None:
    money.ask_pay_link(amount_minor=9_900, currency="ISK")
    await money.turn()
    (intent,) = money.store.intents.rows.values()
    assert (intent["amount"], intent["currency"]) == (990_000, "isk")
    guest.comes_back(money.store, intent["id"])
    await money.turn()
    noted = money.said("pay_link")[-1]
    assert (noted["state"], noted["amount_minor"], noted["currency"]) == ("succeeded", 9_900, "ISK")
    disputes.opened(money.store, intent["latest_charge"])
    await money.turn()
    assert money.said("dispute")[-1]["amount_minor"] == 9_900


async def test_a_refund_that_came_back_is_told(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    money.ask_refund()
    await money.turn()
    assert money.said("refund")[-1]["state"] == "succeeded"
    (refund,) = money.store.refunds.rows
    refunds.fails(money.store, refund)
    # It is said by two events, each in a look of its own.
    for _ in range(2):
        await money.turn()
    effect = money.sync.effect("stripe.refund")
    assert effect.state is EffectState.DECLINED
    noted = money.said("refund")[-1]
    assert (noted["state"], noted["code"]) == ("declined", "lost_or_stolen_card")


async def test_a_webhook_that_cannot_be_looked_at_comes_again(money: MoneyBench) -> None:
    money.sync.ask_deposit()
    await money.turn()
    event = money.store.recent_events()[0]
    money.sync.clouds.line.cut(Cut.REFUSED)
    with pytest.raises(NotYetError):
        await money.sync.clock.run_until(stripe_of(money).heard(heard(event)), limit_s=600)


async def test_what_is_not_ours_is_left_alone(money: MoneyBench) -> None:
    foreign = b"amount=900&currency=eur&payment_method=pm_card_visa&confirm=true"
    await ask(money, "POST", "/v1/payment_intents", foreign)
    await money.turns(2)
    assert money.said("intent") == []


async def ask(money: MoneyBench, method: str, path: str, body: bytes) -> None:
    """Somebody in the vendor's own pages."""
    account = money.sync.settings.stripe
    assert account is not None
    headers = {"Authorization": f"Bearer {account.secret_key}"}
    send = money.sync.clouds.in_process().send
    reply = await send(method, account.base_url + path, headers=headers, body=body)
    assert reply.status == 200, reply.body


# -- every order -----------------------------------------------------------------------------------

WATCHED = (
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "charge.dispute.created",
    "charge.dispute.closed",
)


class Life:
    """One payment from its birth to the bank's last word, a step at a time."""

    def __init__(self, money: MoneyBench) -> None:
        self.money = money
        self.at = 0
        self.steps: list[Callable[[], Any]] = [
            self._asked,
            lambda: guest.comes_back(money.store, intent_id(money), NEEDS_OWNER),
            lambda: guest.authenticates(money.store, intent_id(money)),
            self._refunded,
            lambda: disputes.opened(money.store, self._charge()),
            lambda: disputes.closed(money.store, next(iter(money.store.disputes.rows)), won=False),
        ]

    async def until(self, step: int) -> dict[str, Any]:
        """Live on until this step has happened; its event."""
        while self.at <= step:
            self.steps[self.at]()
            self.at += 1
            if self.at in {1, 4}:
                await self.money.turn(look=False)
        rows = self.money.store.events.rows.values()
        return next(row for row in rows if row["type"] == WATCHED[step])

    def _asked(self) -> None:
        self.money.sync.ask_deposit(card=NEEDS_OWNER)

    def _refunded(self) -> None:
        # Its answer is lost, so that only the webhook tells of it.
        self.money.sync.clouds.stripe.faults.plan("POST /v1/refunds", Fault.LOST_ANSWER)
        self.money.ask_refund(intent=("intent_1", intent_id(self.money)))

    def _charge(self) -> str:
        return str(next(k for k, row in self.money.store.charges.rows.items() if row["captured"]))


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder without a disk below it: hundreds of ledgers are made here."""
    place = Path("/dev/shm")  # noqa: S108 - a folder with a random name inside it
    with TemporaryDirectory(dir=place if place.is_dir() else None) as name:
        yield Path(name)


def new(folder: Path) -> Path:
    """A folder that was not there before."""
    folder.mkdir()
    return folder


async def told_after(folder: Path, order: tuple[int, ...]) -> dict[str, Any]:
    """The last word of everything that the box was told, and the states of our own effects."""
    async with money_bench(new(folder)) as money:
        life, pull = Life(money), stripe_of(money)
        for step in order:
            await pull.heard(heard(await life.until(step)))
        running = money.sync.running
        while await running.deliverer.turn():
            pass
        last: dict[str, Any] = {}
        for name, body in money.sync.box.asked:
            ours = next(
                body[key] for key in ("intent_id", "refund_id", "dispute_id") if key in body
            )
            last[f"{name}:{ours}"] = body["state"]
        kinds = {each.kind: each.state for each in running.ledger.effects("1")}
        counts = {what: money.done(what) for what in ("charged", "refunded")}
        refused = running.ledger.letters("refused IS NOT NULL")
        return {"told": sorted(last.values()), "effects": kinds, **counts, "refused": refused}


VENDORS_STATE = {
    "told": ["lost", "succeeded", "succeeded"],
    "effects": {
        "stripe.charge": EffectState.SUCCEEDED,
        "stripe.refund": EffectState.SUCCEEDED,
    },
    "charged": 1,
    "refunded": 1,
    "refused": [],
}


@pytest.mark.parametrize("first", range(6))
async def test_every_order_of_six_webhooks_ends_in_the_vendors_state(
    memory: Path, first: int
) -> None:
    others = [step for step in range(6) if step != first]
    for number, rest in enumerate(itertools.permutations(others)):
        order = (first, *rest)
        assert await told_after(memory / str(number), order) == VENDORS_STATE, order


@pytest.mark.parametrize("seed", range(40))
async def test_duplicates_in_any_order_change_nothing(memory: Path, seed: int) -> None:
    order = [*range(6), *range(6), *range(3)]
    random.Random(seed).shuffle(order)
    assert await told_after(memory / "one", tuple(order)) == VENDORS_STATE, order
