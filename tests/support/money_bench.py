"""Money between a box in memory and the payment cloud: what the desk asks, what the bank has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.engines.payments.messages import (
    CaptureAsked,
    CardSetUpAsked,
    HoldAsked,
    HoldReleaseAsked,
    PayLinkAsked,
    RefundAsked,
)
from support.sync_bench import SyncBench, sync_bench
from sync.inbox.words import STRIPE, Aggregate, Normalised
from sync.money.ccavenue import CCAvenueAccount
from sync.money.plaid import PlaidAccount
from sync.money.stripe.pull import StripePull
from twin.clouds.ccavenue import ACCESS_CODE, MERCHANT_ID, WORKING_KEY, CCAvenueCloud
from twin.clouds.plaid import CLIENT_ID, SECRET, PlaidCloud
from twin.clouds.plaid.store import Item
from twin.clouds.serve import in_process_url
from twin.clouds.stripe.words import Card
from twin.clouds.wire import Cloud

DAY_S = 86_400
AMOUNT_MINOR = 5_000
# More than any test lets the probe itself fail.
PROBES_MAX = 8


class MoneyBench:
    """One property's money. `sync` is the whole bench underneath."""

    def __init__(self, sync: SyncBench) -> None:
        self.sync = sync
        self.store = sync.clouds.stripe.store
        # Nobody looks at a booking system here: these tests wait for weeks.
        sync.settings = replace(sync.settings, pms=None)
        sync.start_again()

    def now_s(self) -> int:
        """The time of everybody."""
        return self.sync.clock.read().wall_s

    # -- other services --------------------------------------------------------------------------

    def with_ccavenue(self) -> CCAvenueCloud:
        """The property takes payments by CCAvenue instead."""
        cloud = CCAvenueCloud(self.sync.clock, self.sync.journal)
        self._others(ccavenue=cloud)
        account = CCAvenueAccount(
            page_url=in_process_url("ccavenue"),
            api_url=in_process_url("ccavenue"),
            merchant_id=MERCHANT_ID,
            access_code=ACCESS_CODE,
            working_key=WORKING_KEY,
            guest_url="https://box.example",
        )
        self.sync.settings = replace(self.sync.settings, stripe=None, ccavenue=account)
        self.sync.start_again()
        return cloud

    def with_plaid(self, *currencies: str) -> tuple[PlaidCloud, list[Item]]:
        """The property's bank accounts are told by Plaid; one bank login each."""
        cloud = PlaidCloud(self.sync.clock, self.sync.journal)
        items = [cloud.store.add_item(currency) for currency in currencies]
        self._others(plaid=cloud)
        account = PlaidAccount(
            base_url=in_process_url("plaid"),
            client_id=CLIENT_ID,
            secret=SECRET,
            access_tokens=tuple(item.access_token for item in items),
        )
        self.sync.settings = replace(self.sync.settings, stripe=None, plaid=account)
        self.sync.start_again()
        return cloud, items

    def _others(self, **clouds: Cloud) -> None:
        self.sync.clouds.others = {**self.sync.clouds.others, **clouds}

    # -- the desk --------------------------------------------------------------------------------

    def ask_hold(self, intent_id: str = "hold_1", *, card: Card = Card.GOOD) -> None:
        """50.00 are to be set aside."""
        customer = self.store.add_customer("Ada", None, {})["id"]
        self.sync.box.say(
            HoldAsked(
                intent_id=intent_id,
                stay_id="stay_1",
                amount_minor=AMOUNT_MINOR,
                currency="EUR",
                customer_ref=customer,
                method_ref=self.store.save_card(customer, card),
                not_after_s=self.now_s() + 30 * DAY_S,
            )
        )

    def ask_capture(self, *, amount_minor: int = AMOUNT_MINOR) -> None:
        """The hold is to be taken; the box asks once it has heard that it is held."""
        noted = self.sync.box.of("payments.note_intent")[-1]
        assert noted["state"] == "held", noted
        self.sync.box.say(
            CaptureAsked(
                capture_id="capture_1",
                intent_id=noted["intent_id"],
                stay_id="stay_1",
                amount_minor=amount_minor,
                currency="EUR",
                provider_ref=noted["provider_ref"],
                capture_by_s=noted["capture_by_s"],
            )
        )

    def ask_release(self) -> None:
        """The hold is to be let go."""
        noted = self.sync.box.of("payments.note_intent")[-1]
        self.sync.box.say(
            HoldReleaseAsked(
                intent_id=noted["intent_id"], stay_id="stay_1", provider_ref=noted["provider_ref"]
            )
        )

    def ask_refund(
        self,
        refund_id: str = "refund_1",
        *,
        amount_minor: int = AMOUNT_MINOR,
        intent: tuple[str, str] | None = None,
    ) -> None:
        """A payment is to go back: the last one told, or this one by our id and theirs."""
        if intent is None:
            noted = self.sync.box.of("payments.note_intent")[-1]
            intent = (noted["intent_id"], noted["provider_ref"])
        self.sync.box.say(
            RefundAsked(
                refund_id=refund_id,
                payment_id="payment_1",
                stay_id="stay_1",
                intent_id=intent[0],
                provider_ref=intent[1],
                amount_minor=amount_minor,
                currency="EUR",
                because="asked",
            )
        )

    def ask_card_set_up(self, customer_ref: str | None = None) -> None:
        """A guest is to leave their card."""
        self.sync.box.say(
            CardSetUpAsked(set_up_id="set_up_1", stay_id="stay_1", customer_ref=customer_ref)
        )

    def ask_pay_link(
        self,
        order_ref: str = "NP-0001",
        *,
        link_id: str = "link_1",
        amount_minor: int = AMOUNT_MINOR,
        currency: str = "EUR",
    ) -> None:
        """A guest is to pay by themselves."""
        self.sync.box.say(
            PayLinkAsked(
                link_id=link_id,
                stay_id="stay_1",
                order_ref=order_ref,
                amount_minor=amount_minor,
                currency=currency,
                expires_s=self.now_s() + 7 * DAY_S,
            )
        )

    # -- the role --------------------------------------------------------------------------------

    async def turn(self, *, look: bool = True) -> None:
        """Follow, carry, look at the money, tell home."""
        await self.sync.clock.run_until(self._turn(look=look), limit_s=600)

    async def _turn(self, *, look: bool) -> None:
        running = self.sync.running
        while await running.follower.turn():
            pass
        await running.carrier.step()
        for looker in running.lookers if look else ():
            await looker.look()
            await running.carrier.step()
        while await running.deliverer.turn():
            pass

    async def turns(self, number: int = 4) -> None:
        """Several, so that every back-off has passed."""
        for _ in range(number):
            await self.probed()
            await self.turn()
            await self.sync.clock.advance(61.0)

    async def probed(self) -> None:
        """The way is found free again, as the prober does every few seconds."""
        running, clock = self.sync.running, self.sync.clock
        for name, probe in running.money.probes.items():
            for _ in range(PROBES_MAX):
                if running.gates[name].breaker.standing == "ok":
                    break
                await clock.advance(61.0)
                await clock.run_until(probe(), limit_s=600)

    async def killed_in_push(self, kind: str, *, sent: bool) -> None:
        """The process ends after the intent's commit: before its first byte, or after the answer."""
        running = self.sync.running
        while await running.follower.turn():
            pass
        effect = self.sync.effect(kind)
        ready = running.carrier._commit_intent(effect.id)
        assert ready is not None
        if sent:
            await self.sync.clock.run_until(running.pushers["stripe"].push(ready), limit_s=600)

    async def killed_untold(self) -> None:
        """The process ends after the outcome's commit, before the box has heard of it."""
        running = self.sync.running
        while await running.follower.turn():
            pass
        await self.sync.clock.run_until(running.carrier.step(), limit_s=600)

    # -- the bank --------------------------------------------------------------------------------

    def said(self, what: str) -> list[dict[str, Any]]:
        """What the box was told by one command, such as `capture`."""
        return self.sync.box.of(f"payments.note_{what}")

    def done(self, what: str) -> int:
        """How often the bank did it: charged, authorized, captured, canceled, refunded."""
        return self.sync.journal.count(f"payments.{what}")


@asynccontextmanager
async def money_bench(folder: Path) -> AsyncIterator[MoneyBench]:
    """A property whose sync stands still until it is told to take a turn."""
    async with sync_bench(folder) as bench:
        money = MoneyBench(bench)
        # What is asked from now on is news: an old log would be proven there before it is sent.
        await money.turn(look=False)
        yield money


def stripe_of(money: MoneyBench) -> StripePull:
    """What looks at Stripe here."""
    (looker,) = money.sync.running.lookers
    assert isinstance(looker.pull, StripePull)
    return looker.pull


def heard(event: dict[str, Any]) -> Normalised:
    """A webhook as the inbox hands it on."""
    thing = event["data"]["object"]
    return Normalised(
        source=STRIPE,
        key=event["id"],
        type=event["type"],
        aggregates=(Aggregate(kind=thing["object"], id=thing["id"]),),
        time_ms=event["created"] * 1000,
        received_ms=event["created"] * 1000,
        trace="",
    )
