"""The big promise once more, on a peer that nobody here wrote: localstripe, behind lost answers.

Real sockets, real bytes: an answer ends before its first byte, in its status line, in its headers,
in its body, before its last byte. Time is virtual, so that a key is forgotten after its 24 hours.
Left bare, the same peer charges twice for one key: the harness can see what it looks for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.payments.messages import DepositAsked, HoldAsked
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from support import news
from support.money_bench import AMOUNT_MINOR, DAY_S, MoneyBench
from support.needs import in_ci
from support.stripe_proxy import (
    KEY,
    Lost,
    NotInstalledError,
    StripeProxy,
    installed,
    localstripe,
    stripe_proxy,
)
from support.sync_bench import SyncBench
from sync.ledger import EffectState
from sync.money.stripe import StripeAccount
from sync.transport import HttpTransport

pytestmark = pytest.mark.slow

HOUR_S = 3_600.0
WAITS_S = {"1 min": 60.0, "25 h": 25 * HOUR_S, "7 days": 7 * 24 * HOUR_S}
TEST_CARD = "4242424242424242"


@pytest.fixture(scope="module")
def peer(request: pytest.FixtureRequest) -> Iterator[str]:
    assert request.config.cache is not None
    try:
        python = installed(request.config.cache.mkdir("localstripe"))
    except NotInstalledError as error:
        if in_ci():
            pytest.fail(str(error), pytrace=False)
        pytest.skip(f"localstripe is not here and cannot be fetched: {error}")
    with localstripe(python) as url:
        yield url


@dataclass(slots=True)
class Bank:
    """The bench, and the peer as a person would see it."""

    money: MoneyBench
    proxy: StripeProxy
    customer: str = ""
    method: str = ""

    async def open(self) -> None:
        """Somebody saved a card there."""
        await self.proxy._forward("DELETE", "/_config/data", b"")
        card = {"card[number]": TEST_CARD, "card[exp_month]": 12, "card[exp_year]": 2030}
        ask = self.proxy.ask
        self.customer = (await ask("POST", "/v1/customers", name="Ada"))["id"]
        made = await ask("POST", "/v1/payment_methods", type="card", **card, **{"card[cvc]": 123})
        self.method = made["id"]
        await ask("POST", f"/v1/payment_methods/{self.method}/attach", customer=self.customer)

    async def paid(self, ours: str) -> int:
        """How many payments under our reference were taken from the card."""
        rows = await self.proxy.all_of("/v1/payment_intents")
        return len(
            [r for r in rows if r["metadata"].get("outbox_id") == ours and _is(r, "succeeded")]
        )

    async def held(self, ours: str) -> int:
        rows = await self.proxy.all_of("/v1/payment_intents")
        states = ("succeeded", "requires_capture")
        return len([r for r in rows if r["metadata"].get("outbox_id") == ours and _is(r, *states)])

    async def refunded(self, ours: str) -> int:
        rows = await self.proxy.all_of("/v1/refunds")
        return len([row for row in rows if row["metadata"].get("outbox_id") == ours])

    def ask_deposit(self) -> None:
        self.money.sync.box.say(DepositAsked(**self._of_card("intent_1")))

    def ask_hold(self) -> None:
        self.money.sync.box.say(HoldAsked(**self._of_card("hold_1")))

    def _of_card(self, intent_id: str) -> dict[str, Any]:
        return {
            "intent_id": intent_id,
            "stay_id": "stay_1",
            "amount_minor": AMOUNT_MINOR,
            "currency": "EUR",
            "customer_ref": self.customer,
            "method_ref": self.method,
            "not_after_s": self.money.now_s() + 30 * DAY_S,
        }


def _is(row: dict[str, object], *states: str) -> bool:
    return row["status"] in states


@pytest.fixture
async def bank(peer: str, tmp_path: Path) -> AsyncIterator[Bank]:
    async for found in at_the_bank(peer, tmp_path, keys=True):
        yield found


@pytest.fixture
async def bare_bank(peer: str, tmp_path: Path) -> AsyncIterator[Bank]:
    async for found in at_the_bank(peer, tmp_path, keys=False):
        yield found


async def at_the_bank(peer: str, folder: Path, *, keys: bool) -> AsyncIterator[Bank]:
    clock = VirtualClock(SystemClock(floor_path=folder / "floor").read().wall_ms)
    nursery = Nursery(lambda name, error: None)
    async with stripe_proxy(peer, clock, keys=keys) as proxy:
        sync = SyncBench(folder, clock, nursery)
        transport = HttpTransport()
        sync.wrap = lambda _inside: transport
        account = StripeAccount(base_url=proxy.url, secret_key=KEY)
        sync.settings = replace(sync.settings, stripe=account)
        bank = Bank(MoneyBench(sync), proxy)
        try:
            await bank.open()
            sync.box.say(news.property_set_up())  # every payment says whose it is
            await bank.money.turn(look=False)  # what is asked from now on is news
            yield bank
        finally:
            await transport.close()
            await sync.nursery.close()
            sync.running.close()


# -- what is lost, and where -----------------------------------------------------------------------

Point = Callable[[Bank, str], Awaitable[None]]


def lost(*how: Lost) -> Point:
    async def happens(bank: Bank, _kind: str) -> None:
        bank.proxy.lost += how
        await bank.money.turn(look=False)

    return happens


async def killed_before_the_first_byte(bank: Bank, kind: str) -> None:
    await bank.money.killed_in_push(kind, sent=False)
    bank.money.sync.start_again()


async def killed_before_our_commit(bank: Bank, kind: str) -> None:
    await bank.money.killed_in_push(kind, sent=True)
    bank.money.sync.start_again()


async def killed_after_our_commit(bank: Bank, _kind: str) -> None:
    await bank.money.killed_untold()
    bank.money.sync.start_again()


POINTS: Mapping[str, Point] = {
    "killed before the first byte": killed_before_the_first_byte,
    "after send": lost(Lost(executed=False)),
    "turned away, 429": lost(Lost(executed=False, status=429)),
    "turned away, 503": lost(Lost(executed=False, status=503)),
    "before the answer's first byte": lost(Lost(cut=0)),
    "in its status line": lost(Lost(cut=7)),
    "in its headers": lost(Lost(cut=40)),
    "before its body": lost(Lost(cut=0.0)),
    "in its body": lost(Lost(cut=0.5)),
    "before its last byte": lost(Lost(cut=-1)),
    "a stored 500": lost(Lost(status=500)),
    "twice": lost(Lost(cut=0), Lost(cut=0.5)),
    "killed before our commit": killed_before_our_commit,
    "killed after our commit": killed_after_our_commit,
}
NEVER_ARRIVED = {
    "killed before the first byte",
    "after send",
    "turned away, 429",
    "turned away, 503",
}


@pytest.mark.parametrize("wait", WAITS_S)
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("act", ["charge", "capture", "refund"])
async def test_each_is_done_once(bank: Bank, act: str, point: str, wait: str) -> None:
    if act == "capture":
        bank.ask_hold()
        await bank.money.turn(look=False)
        bank.money.ask_capture()
    else:
        bank.ask_deposit()
    if act == "refund":
        await bank.money.turn(look=False)
        bank.money.ask_refund()
    await POINTS[point](bank, f"stripe.{act}")
    await bank.money.sync.clock.advance(WAITS_S[wait])
    for _ in range(4):
        await bank.money.probed()
        await bank.money.turn(look=False)
        await bank.money.sync.clock.advance(61)
    effect = bank.money.sync.effect(f"stripe.{act}")
    if act == "capture" and wait == "7 days" and point in NEVER_ARRIVED:
        assert (effect.state, await bank.paid("hold_1")) == (EffectState.EXPIRED, 0)
        return
    assert effect.state is EffectState.SUCCEEDED, effect.sentence
    counted = {
        "charge": await bank.paid("intent_1"),
        "capture": await bank.paid("hold_1"),
        "refund": await bank.refunded("refund_1"),
    }
    assert counted[act] == 1
    assert await bank.held("hold_1") == int(act == "capture")


async def test_left_bare_the_peer_charges_twice_and_the_harness_sees_it(bare_bank: Bank) -> None:
    bare_bank.ask_deposit()
    bare_bank.proxy.lost = [Lost(cut=0.5)]
    for _ in range(3):
        await bare_bank.money.turn(look=False)
        await bare_bank.money.sync.clock.advance(61)
    assert bare_bank.money.sync.effect("stripe.charge").state is EffectState.SUCCEEDED
    assert await bare_bank.paid("intent_1") == 2
