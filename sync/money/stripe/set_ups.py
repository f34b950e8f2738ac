"""Saving a card with its owner there: a customer, a set-up, and a page where the guest says yes."""

from __future__ import annotations

from typing import Any, Final

from sync.gate import Held
from sync.ledger import Effect, Ledger
from sync.money.stripe.client import (
    Row,
    StripeClient,
    TooManyRowsError,
    Unread,
    fields_of,
    our_ref,
)
from sync.money.stripe.deed import not_looked
from sync.money.stripe.frozen import CUSTOMERS, SET_UPS, Frozen, ref_in, set_up_body, thaw
from sync.money.stripe.intents import Link
from sync.outcome import (
    Declined,
    Manual,
    NotSent,
    Outcome,
    RequiresAction,
    Succeeded,
    Unknown,
)
from sync.transport import Answer, NoAnswer

SET_UP: Final = "stripe.card_set_up"


class SetUps:
    """A second set-up costs nothing and saves nothing, but it is looked for like the rest."""

    def __init__(self, client: StripeClient, ledger: Ledger, link: Link) -> None:
        self._client = client
        self._ledger = ledger
        self._link = link

    def request(self, effect: Effect) -> Frozen:
        """The set-up's own request; its customer may have been made by `may_send`."""
        frozen = thaw(effect.body)
        if frozen.path != CUSTOMERS:
            return frozen
        customer = str(effect.progress["customer"])
        return thaw(set_up_body(set_up_id=ref_in(effect.body), customer_ref=customer))

    async def may_send(self, effect: Effect) -> Outcome | None:
        """A guest without a customer there gets one first, under a key of its own."""
        frozen = thaw(effect.body)
        if frozen.path != CUSTOMERS or "customer" in effect.progress:
            return None
        key = f"{effect.idempotency_key}.customer"
        reply = await self._client.post(CUSTOMERS, frozen.form, key)
        if isinstance(reply, Held):
            return NotSent(sentence=reply.sentence, wait_ms=reply.wait_ms)
        made = fields_of(reply) if isinstance(reply, Answer) and reply.status == 200 else None
        if made is None or not made.get("id"):
            why = reply.why if isinstance(reply, NoAnswer) else f"answer {reply.status}"
            # A customer too many holds no money and no card.
            return NotSent(sentence=f"the guest is not known to Stripe yet ({why})")
        effect.progress["customer"] = made["id"]
        self._ledger.note_progress(effect.id, effect.progress)
        return None

    async def look_up(self, effect: Effect) -> Outcome | None:
        """Find it by our own reference; None: proven absent, or its customer was never made."""
        customer = thaw(effect.body).fields.get("customer") or effect.progress.get("customer")
        if customer is None:
            return None
        try:
            rows = await self._client.rows(SET_UPS, customer=str(customer))
        except TooManyRowsError:
            return Manual(sentence="the customer has too many set-ups to look through")
        if isinstance(rows, Unread):
            return not_looked(rows)
        found = [row for row in rows if our_ref(row) == ref_in(effect.body)]
        done = [row for row in found if row.get("status") == "succeeded"]
        best = (done or found)[:1]
        return judge_set_up(best[0], "found_by_reference", self._link) if best else None

    def judge(self, row: Row, effect: Effect) -> Outcome:
        """The set-up as they made it."""
        del effect
        return judge_set_up(row, "answer", self._link)

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """Nothing of its own."""
        del error, effect
        return None


def judge_set_up(row: Row, evidence: str, link: Link) -> Outcome:
    """What a set-up of theirs means for ours."""
    ref, status = str(row.get("id") or ""), row.get("status")
    error: Any = row.get("last_setup_error")
    code = error.get("code") if isinstance(error, dict) else None
    match status:
        case "succeeded":
            detail = {"customer_ref": row.get("customer"), "method_ref": row.get("payment_method")}
            return Succeeded(
                sentence="the guest's card is saved at Stripe",
                provider_ref=ref,
                evidence=evidence,
                detail=detail,
            )
        case "requires_payment_method" | "requires_confirmation" | "requires_action":
            return RequiresAction(
                sentence="the guest must leave their card at the link",
                code=str(code or status),
                provider_ref=ref,
                evidence=evidence,
                detail={"url": link(ref)},
            )
        case "processing":
            return Unknown(sentence="the bank is still at work", provider_ref=ref)
        case "canceled":
            reason = str(row.get("cancellation_reason") or status)
            sentence = f"the set-up was let go at Stripe ({reason})"
            return Declined(sentence=sentence, code=reason, provider_ref=ref, evidence=evidence)
        case _:
            sentence = f"the set-up is in the state {status!r}, which a person must look at"
            return Manual(sentence=sentence, code=str(status), provider_ref=ref)
