"""The page where a guest pays, confirms with their bank, or leaves a card: Stripe's own fields.

The card is typed into frames of Stripe's, on this page but not in it (SAQ A, cloud.md 2.1): no
number reaches the box. The client secret is fetched for each showing and kept nowhere. What the
browser says afterwards is not listened to: the events tell.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.kernel.clock import Clock
from sync.ledger import Effect, Ledger
from sync.money.pages import NOWHERE, ROOT, Page, is_ours
from sync.money.stripe.client import Row, StripeAccount, StripeClient, Unread
from sync.money.stripe.frozen import INTENTS, SET_UPS

NAME: Final = "stripe"
# What a guest can still do something about.
OPEN: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_AWAY: Final = Page(sentence="The payment service cannot be reached now. Please try again later.")
_ENDED: Final = Page(sentence="This link has ended. Please ask the front desk for a new one.")
_THANKS: Final = Page(sentence="Thank you. The front desk sees what became of it in a moment.")
_FORM: Final = """
<form id="pay"><div id="card"></div><button>{act}</button></form><p id="said"></p>
<script src="https://js.stripe.com/v3/"></script>
<script>
const told = {told};
const stripe = Stripe(told.key);
const elements = stripe.elements({{clientSecret: told.secret}});
elements.create("payment").mount("#card");
document.getElementById("pay").addEventListener("submit", async (event) => {{
  event.preventDefault();
  const done = await stripe[told.confirm]({{elements, confirmParams: {{return_url: told.back}}}});
  document.getElementById("said").textContent = done.error ? done.error.message : "";
}});
</script>
"""


def link_of(account: StripeAccount, ref: str) -> str | None:
    """The page for an object of theirs; None while the settings name no way to it."""
    if not account.guest_url or not account.publishable_key:
        return None
    return f"{account.guest_url}/{ROOT}/{NAME}/{ref}/{token_of(account, ref)}"


def token_of(account: StripeAccount, ref: str) -> str:
    """What makes a link one that we gave."""
    key = account.secret_key.encode()
    return hmac.new(key, f"link {ref}".encode(), hashlib.sha256).hexdigest()[:24]


class StripePages:
    """Only what waits for a guest is shown, and only until its time."""

    def __init__(
        self, *, account: StripeAccount, client: StripeClient, ledger: Ledger, clock: Clock
    ) -> None:
        self._account = account
        self._client = client
        self._ledger = ledger
        self._clock = clock

    async def open(self, rest: list[str]) -> Page:
        """/pay/stripe/REF/TOKEN, and /pay/stripe/return/done, where Stripe sends them back."""
        if rest == ["return", "done"]:
            return _THANKS
        if len(rest) != 2 or not is_ours(rest[1], token_of(self._account, rest[0])):
            return NOWHERE
        ref = rest[0]
        effect = self._effect(ref)
        if effect is None or self._is_late(effect):
            return _ENDED
        path = SET_UPS if ref.startswith("seti_") else INTENTS
        row = await self._client.get(f"{path}/{ref}")
        if isinstance(row, Unread):
            return _AWAY
        if row.get("status") not in OPEN or not row.get("client_secret"):
            return _THANKS
        return self._form(row, saves=path == SET_UPS)

    async def come_back(self, fields: Mapping[str, str]) -> Page:
        """Stripe sends browsers back by reading, never by posting."""
        del fields
        return _THANKS

    def _effect(self, ref: str) -> Effect | None:
        found = self._ledger.effects(
            "counterparty = ? AND state = 'requires_action' AND provider_ref = ?", NAME, ref
        )
        return found[0] if found else None

    def _is_late(self, effect: Effect) -> bool:
        return effect.not_after_ms is not None and (
            self._clock.read().wall_ms > effect.not_after_ms
        )

    def _form(self, row: Row, *, saves: bool) -> Page:
        told = {
            "key": self._account.publishable_key,
            "secret": row["client_secret"],
            "confirm": "confirmSetup" if saves else "confirmPayment",
            "back": f"{self._account.guest_url}/{ROOT}/{NAME}/return/done",
        }
        # Inside a script only `<` could end it.
        text = msgspec.json.encode(told).decode().replace("<", "\\u003c")
        sentence = "Please leave your card." if saves else "Please pay here."
        form = _FORM.format(act="Save the card" if saves else "Pay", told=text)
        return Page(sentence=sentence, inner=form)
