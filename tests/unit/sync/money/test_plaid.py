"""Bank lines: every change once, half a turn of pages never, a lost login a person's work."""

from __future__ import annotations

import random

import msgspec
import pytest

from support.money_bench import MoneyBench
from sync.inbox.words import PLAID, Normalised, NotYetError
from sync.money.plaid import pull as pulling
from sync.money.plaid.account import item_of
from sync.money.plaid.pull import PlaidPull
from sync.money.plaid.words import Transaction, words_of
from twin.clouds.faults import Fault
from twin.clouds.plaid import PlaidCloud
from twin.clouds.plaid.store import Item
from twin.clouds.wire import Reply, Request
from twin.line import Cut

SYNC = "POST /transactions/sync"


def lines(money: MoneyBench) -> dict[str, tuple[int, str, bool]]:
    """What the box would have booked: amount, currency, pending; by the line's id."""
    found: dict[str, tuple[int, str, bool]] = {}
    for each in money.said("bank_line"):
        if each["removed"]:
            found.pop(each["line_id"], None)
            continue
        if each["pending_line_id"]:
            found.pop(each["pending_line_id"], None)
        told = (each["amount_minor"], each["currency"], each["pending"])
        found[each["line_id"]] = told
    return found


def at_the_bank(item: Item) -> dict[str, tuple[int, str, bool]]:
    """What the bank has, in our words."""
    return {
        name: (-round(row["amount"] * 100), row["iso_currency_code"], row["pending"])
        for name, row in item.rows.items()
    }


async def test_lines_come_home_once_with_money_in_above_zero(money: MoneyBench) -> None:
    cloud, (item,) = money.with_plaid("USD")
    paid = cloud.store.book(item, -850.10, "RENT APT 4B")
    spent = cloud.store.book(item, 19.99, "LIGHT BULBS")
    await money.turns(3)
    assert lines(money) == {paid: (85_010, "USD", False), spent: (-1_999, "USD", False)}
    assert len(money.said("bank_line")) == 2
    told = money.said("bank_line")[0]
    assert (told["reference"], told["account_ref"]) == ("RENT APT 4B", item.account_id)


async def test_the_box_hears_by_the_hour_how_far_the_bank_was_read(money: MoneyBench) -> None:
    _, (item,) = money.with_plaid("USD")
    await money.turns(3)
    [told] = money.said("bank_feed")
    assert told["account_ref"] == item_of(item.access_token)
    hour_s = 3_600
    now_s = money.sync.clock.read().wall_ms // 1_000
    assert told["through_s"] == (now_s // hour_s - 1) * hour_s


async def test_a_pending_line_is_posted_changed_and_taken_back(money: MoneyBench) -> None:
    cloud, (item,) = money.with_plaid("USD")
    pending = cloud.store.book(item, -100.0, "TRANSFER", pending=True)
    await money.turn()
    posted = cloud.store.book(item, -100.0, "TRANSFER 4B", replaces=pending)
    await money.turn()
    assert lines(money) == {posted: (10_000, "USD", False)}
    cloud.store.modify(item, posted, amount=-99.0)
    await money.turn()
    assert lines(money) == {posted: (9_900, "USD", False)}
    cloud.store.remove(item, posted)
    await money.turn()
    assert lines(money) == {}


async def test_many_pages_are_one_commit(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    cloud, (item,) = money.with_plaid("USD")
    for number in range(35):
        cloud.store.book(item, -1.0 - number, f"LINE {number}")
    cloud.faults.plan(SYNC, Fault.CUT_BODY, skip=2)
    await money.turn()
    assert money.said("bank_line") == []  # the third page was cut: nothing of the two is kept
    await money.turn()
    assert lines(money) == at_the_bank(item)


async def test_a_change_while_pages_turn_starts_the_turning_again(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 10)
    cloud, (item,) = money.with_plaid("USD")
    for number in range(25):
        cloud.store.book(item, -1.0 - number, f"LINE {number}")
    answer = cloud._answer
    pages: list[Request] = []

    def booked_meanwhile(request: Request) -> Reply:
        pages.append(request)
        if len(pages) == 2:
            cloud.store.book(item, -500.0, "LATE")
        return answer(request)

    monkeypatch.setattr(cloud, "_answer", booked_meanwhile)
    await money.turn()
    assert lines(money) == at_the_bank(item)
    assert len(money.said("bank_line")) == 26
    assert len(pages) == 2 + 3


@pytest.mark.parametrize("code", ["ITEM_LOGIN_REQUIRED", "INVALID_ACCESS_TOKEN", "ITEM_LOCKED"])
async def test_a_lost_login_is_shown_until_it_is_mended_and_stops_no_other(
    money: MoneyBench, code: str
) -> None:
    cloud, (item, other) = money.with_plaid("USD", "EUR")
    item.error = code
    cloud.store.book(other, -5.0, "RENT")
    await money.turn()
    (shown,) = money.sync.running.report()["parked"]
    assert shown["id"] == f"plaid:{item_of(item.access_token)}"
    assert item.access_token not in str(shown)
    assert len(lines(money)) == 1
    item.error = None
    await money.turn()
    assert money.sync.running.report()["parked"] == []


async def test_a_row_of_another_form_is_shown_and_stops_nothing(money: MoneyBench) -> None:
    cloud, (item,) = money.with_plaid("USD")
    strange = cloud.store.book(item, -5.0, "RENT")
    cloud.store.modify(item, strange, pending=None)
    good = cloud.store.book(item, -7.0, "RENT")
    await money.turn()
    assert set(lines(money)) == {good}
    (shown,) = money.sync.running.report()["parked"]
    assert shown["id"] == f"plaid:{strange}"
    assert "RENT" not in str(shown)
    # The bank tells it again as it should be.
    cloud.store.modify(item, strange, pending=False)
    await money.turn()
    assert set(lines(money)) == {good, strange}
    assert money.sync.running.report()["parked"] == []


async def test_money_without_a_currency_of_ours_is_shown_and_stops_nothing(
    money: MoneyBench,
) -> None:
    cloud, (item,) = money.with_plaid("USD")
    cloud.store.book(item, -5.0, "COINS", unofficial="BTC")
    good = cloud.store.book(item, -6.0, "RENT")
    await money.turn()
    assert set(lines(money)) == {good}
    (shown,) = money.sync.running.report()["parked"]
    assert "BTC" in shown["sentence"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LOST_REQUEST,
        Fault.LOST_ANSWER,
        Fault.CUT_BODY,
        Fault.SERVER_ERROR,
        Fault.BROKEN_STORED,
        Fault.TOO_MANY_BARE,
    ],
)
async def test_a_look_that_fails_loses_nothing(money: MoneyBench, fault: Fault) -> None:
    cloud, (item,) = money.with_plaid("USD")
    cloud.store.book(item, -5.0, "RENT")
    cloud.faults.plan(SYNC, fault)
    await money.turns(3)
    assert lines(money) == at_the_bank(item)
    assert len(money.said("bank_line")) == 1


@pytest.mark.parametrize("seed", range(10))
async def test_any_life_of_an_account_ends_equal(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(pulling, "PAGE_ROWS", 3)
    chance = random.Random(seed)
    cloud, (item,) = money.with_plaid("EUR")
    for _ in range(60):
        live(cloud, item, chance)
        if chance.random() < 0.2:
            cloud.faults.plan(SYNC, chance.choice([Fault.CUT_BODY, Fault.LOST_ANSWER]))
        if chance.random() < 0.1:
            money.sync.start_again()
        if chance.random() < 0.3:
            await money.turn()
    cloud.faults.clear()
    await money.turns(3)
    assert lines(money) == at_the_bank(item)


def live(cloud: PlaidCloud, item: Item, chance: random.Random) -> None:
    """One thing that happens at a bank."""
    pending = [name for name, row in item.rows.items() if row["pending"]]
    match chance.randrange(4):
        case 0:
            cloud.store.book(item, -chance.randrange(1, 10_000) / 100, "RENT", pending=True)
        case 1 if pending:
            amount = -chance.randrange(1, 10_000) / 100
            cloud.store.book(item, amount, "RENT", replaces=chance.choice(pending))
        case 2 if item.rows:
            name = chance.choice(list(item.rows))
            cloud.store.modify(item, name, amount=-chance.randrange(1, 10_000) / 100)
        case 3 if item.rows:
            cloud.store.remove(item, chance.choice(list(item.rows)))
        case _:
            cloud.store.book(item, chance.randrange(1, 10_000) / 100, "SOAP")


async def test_a_webhook_is_looked_at_at_once_or_comes_again(money: MoneyBench) -> None:
    cloud, (item,) = money.with_plaid("USD")
    await money.turn()
    cloud.store.book(item, -5.0, "RENT")
    event = Normalised(
        source=PLAID,
        key="1",
        type="TRANSACTIONS.SYNC_UPDATES_AVAILABLE",
        aggregates=(),
        time_ms=0,
        received_ms=0,
        trace="",
    )
    pull = money.sync.running.money.pulls[0]
    assert isinstance(pull, PlaidPull)
    await money.sync.clock.run_until(pull.heard(event), limit_s=60)
    await money.turn(look=False)
    assert lines(money) == at_the_bank(item)
    money.sync.clouds.line.cut(Cut.REFUSED)
    with pytest.raises(NotYetError):
        await money.sync.clock.run_until(pull.heard(event), limit_s=60)


def test_a_lines_words_are_each_said_once_and_cut() -> None:
    row = {
        "transaction_id": "1",
        "account_id": "a",
        "amount": -5,
        "date": "2026-08-01",
        "pending": False,
        "iso_currency_code": "USD",
        "name": "Rent  Apt",
        "original_description": "RENT APT 4B " + "x" * 300,
        "payment_meta": {"reference_number": "4B", "payer": "Ada"},
    }
    words = words_of(msgspec.convert(row, Transaction, strict=False))
    assert words.startswith("RENT APT 4B")
    assert len(words) <= 255
