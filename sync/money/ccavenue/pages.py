"""CCAvenue's two pages: the form that sends the browser on, and the return, which is a hint only."""

from __future__ import annotations

from collections.abc import Mapping

from sync.ledger import Effect, Ledger
from sync.money.ccavenue.account import NAME
from sync.money.ccavenue.cipher import UnreadableError
from sync.money.ccavenue.orders import ORDER, asked_of
from sync.money.ccavenue.pull import CCAvenuePull
from sync.money.ccavenue.pusher import CCAvenue
from sync.money.ccavenue.words import order_form, read_return
from sync.money.pages import NOWHERE, ROOT, Page, is_ours

_AWAY = Page(sentence="The payment service cannot be reached now. Please try again later.")


class CCAvenuePages:
    """Nothing here is believed: every page asks the tracker first."""

    def __init__(self, *, pusher: CCAvenue, pull: CCAvenuePull, ledger: Ledger) -> None:
        self._pusher = pusher
        self._pull = pull
        self._ledger = ledger

    async def open(self, rest: list[str]) -> Page:
        """/pay/ccavenue/ORDER/TOKEN: the auto-posting form of a new attempt, if one may be made."""
        if len(rest) != 2:
            return NOWHERE
        order_ref, token = rest
        effect = self._effect(order_ref)
        if effect is None or not is_ours(token, self._pusher.token(order_ref)):
            return NOWHERE
        statuses, why_not = await self._pusher.orders.look(effect)
        if why_not is not None:
            return _AWAY
        order = self._pusher.orders.open_attempt(self._fresh(effect), statuses)
        if isinstance(order, str):
            return Page(sentence=order)
        account = self._pusher.orders.account
        back_url = f"{account.guest_url}/{ROOT}/{NAME}/return"
        return Page(
            sentence="You are taken to the payment page.",
            post_to=f"{account.page_url}/transaction/transaction.do?command=initiateTransaction",
            fields=order_form(order, account, back_url),
        )

    async def come_back(self, fields: Mapping[str, str]) -> Page:
        """The browser brings what CCAvenue said; only what the tracker says is told home."""
        try:
            said = read_return(fields.get("encResp", ""), self._pusher.orders.account)
        except UnreadableError:
            return Page(sentence="That cannot be read. Please ask at the front desk.", status=400)
        if not await self._pull.look_at(said.order_id):
            return Page(sentence="Thank you. The front desk will see the payment shortly.")
        return Page(sentence="Thank you. The front desk sees what became of the payment.")

    def _effect(self, order_ref: str) -> Effect | None:
        # Few links are open at a time; those that have ended gave up their body.
        found = self._ledger.effects("kind = ? AND state = 'requires_action'", ORDER)
        return next((each for each in found if asked_of(each).order_ref == order_ref), None)

    def _fresh(self, effect: Effect) -> Effect:
        found = self._ledger.effect(effect.id)
        assert found is not None, "an effect is never deleted"
        return found
