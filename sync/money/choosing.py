"""Which money services this property has: their accounts choose the adapters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from appliance.kernel.clock import Clock, sleep
from sync.carrier import Carrier, Pusher
from sync.gate import Gate
from sync.inbox.plaid import PlaidKeys
from sync.ledger import Ledger
from sync.looking import Looks
from sync.manners import CCAVENUE_RULES, PLAID_RULES, STRIPE_RULES
from sync.mirror import Mirror
from sync.money.ccavenue import CCAvenue, CCAvenueAccount, CCAvenuePull
from sync.money.ccavenue.pages import CCAvenuePages
from sync.money.owed import CCAVENUE, STRIPE
from sync.money.pages import GuestPages, Pages, listen
from sync.money.plaid import PlaidAccount, PlaidPull
from sync.money.stripe import Stripe, StripeAccount, StripePull
from sync.money.stripe.learning import Learning
from sync.money.stripe.pages import StripePages, link_of
from sync.pms.choosing import MakeGate

logger = logging.getLogger(__name__)

# A port that is taken is tried again: whatever holds it may go.
PORT_AGAIN_S: Final = 10.0
# A look that failed although the way is free (a broken answer) is repeated after this.
FAILED_LOOK_S: Final = 5.0


class MoneyPull(Protocol):
    """What looks at a money service for what happened there."""

    name: str
    gate: Gate

    async def look(self) -> bool:
        """Everything since the last look; False when the way was cut and nothing moved."""
        ...

    def start_over(self) -> None:
        """Something was restored: whatever was told may have been forgotten."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyAccounts:
    """The accounts of one property; None: that service is not used."""

    stripe: StripeAccount | None = None
    ccavenue: CCAvenueAccount | None = None
    plaid: PlaidAccount | None = None


@dataclass(slots=True, kw_only=True)
class Money:
    """The adapters; the pulls come when there is a carrier to tell."""

    pushers: dict[str, Pusher] = field(default_factory=dict)
    probes: dict[str, Any] = field(default_factory=dict)
    pulls: list[MoneyPull] = field(default_factory=list)
    pages: dict[str, Pages] = field(default_factory=dict)
    stripe: Stripe | None = None
    ccavenue: CCAvenue | None = None
    plaid_keys: PlaidKeys | None = None

    @property
    def provider(self) -> str | None:
        """Who takes the payments."""
        return next(iter(self.pushers), None)


def choose(
    accounts: MoneyAccounts, gate: MakeGate, ledger: Ledger, mirror: Mirror, clock: Clock
) -> Money:
    """The adapters of these accounts."""
    money = Money()
    if accounts.stripe is not None:
        stripe = Stripe(
            account=accounts.stripe,
            gate=gate(STRIPE, STRIPE_RULES),
            clock=clock,
            ledger=ledger,
            link=partial(link_of, accounts.stripe),
        )
        if accounts.stripe.guest_url:
            money.pages[STRIPE] = StripePages(
                account=accounts.stripe, client=stripe.client, ledger=ledger, clock=clock
            )
        money.stripe = stripe
        money.pushers[STRIPE], money.probes[STRIPE] = stripe, stripe.probe
    if accounts.ccavenue is not None:
        ccavenue = CCAvenue(
            account=accounts.ccavenue,
            gate=gate(CCAVENUE, CCAVENUE_RULES),
            clock=clock,
            ledger=ledger,
        )
        money.ccavenue = ccavenue
        money.pushers[CCAVENUE], money.probes[CCAVENUE] = ccavenue, ccavenue.probe
    if accounts.plaid is not None:
        plaid = PlaidPull(
            account=accounts.plaid,
            gate=gate(PlaidPull.name, PLAID_RULES),
            ledger=ledger,
            mirror=mirror,
            clock=clock,
        )
        money.pulls.append(plaid)
        money.plaid_keys = PlaidKeys(
            base_url=accounts.plaid.base_url,
            client_id=accounts.plaid.client_id,
            secret=accounts.plaid.secret,
            send=plaid.gate.send,
        )
        money.probes[PlaidPull.name] = plaid.probe
    return money


def add_pulls(money: Money, carrier: Carrier, ledger: Ledger, clock: Clock) -> None:
    """What is learned there settles effects of this carrier."""
    if (stripe := money.stripe) is not None:
        learning = Learning(
            ledger=ledger,
            clock=clock,
            learn=carrier.learn,
            on_second=stripe.second_found,
            link=stripe.link,
        )
        pull = StripePull(client=stripe.client, ledger=ledger, clock=clock, learning=learning)
        money.pulls.append(pull)
    if (ccavenue := money.ccavenue) is not None:
        orders = CCAvenuePull(pusher=ccavenue, ledger=ledger, clock=clock, learn=carrier.learn)
        money.pulls.append(orders)
        money.pages[CCAVENUE] = CCAvenuePages(pusher=ccavenue, pull=orders, ledger=ledger)


async def serve_pages(money: Money, host: str, port: int, clock: Clock) -> None:
    """Show guests our pages, for ever; a port that is taken stops nothing else (law 5)."""
    while True:
        try:
            async with listen(GuestPages(money.pages), host, port):
                await asyncio.get_running_loop().create_future()
        except OSError as error:
            logger.warning(
                "nothing can listen for guests at %s:%d (%s): free it or change"
                " payments.pages_port; tried again",
                host,
                port,
                error.strerror,
            )
        await sleep(clock, PORT_AGAIN_S)


class Looker:
    """One pull, again and again: at its interval, and at once when it is told to."""

    def __init__(
        self,
        pull: MoneyPull,
        *,
        clock: Clock,
        interval_s: float,
        on_news: Callable[[], None],
        looks: Looks,
    ) -> None:
        self.pull = pull
        self._looks = looks
        self._clock = clock
        self._interval_s = interval_s
        self._on_news = on_news
        self.now = asyncio.Event()
        pull.gate.on_open(self.now.set)

    async def look(self) -> bool:
        """One look; what it brought is put on its way."""
        done = await self.pull.look()
        self._on_news()
        return done

    async def run(self) -> None:
        """For ever."""
        while True:
            self.now.clear()
            done: bool | None = None
            if not self.pull.gate.closed_ms():
                done = await self._looks.safely(self.pull.name, self.look)
            await self._pause(FAILED_LOOK_S if done is False else self._interval_s)

    async def _pause(self, seconds: float) -> None:
        alarm = asyncio.ensure_future(sleep(self._clock, seconds))
        told = asyncio.ensure_future(self.now.wait())
        try:
            await asyncio.wait({alarm, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            told.cancel()
