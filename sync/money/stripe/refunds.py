"""Refunds: of a charge that is known to be paid, and never more than is left of it."""

from __future__ import annotations

from typing import Final

from sync.ledger import Effect
from sync.money.stripe.client import Row, StripeClient, TooManyRowsError, Unread, our_ref
from sync.money.stripe.deed import not_looked
from sync.money.stripe.frozen import INTENTS, REFUNDS, ref_in, thaw
from sync.outcome import Declined, Manual, NotSent, Outcome, Refused, Succeeded, Unknown

REFUND: Final = "stripe.refund"
# A bank that has not settled a charge yet is asked again after this.
UNSETTLED_MS: Final = 300_000
DISPUTES: Final = "/v1/disputes"
# How a dispute ends that leaves the money with us.
WON: Final = frozenset({"won", "warning_closed", "prevented"})


class Refunds:
    """Looked for among the refunds of its payment, by our own reference in their metadata."""

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def look_up(self, effect: Effect) -> Outcome | None:
        """Find the refund by our own reference; None: proven absent."""
        fields = thaw(effect.body).fields
        try:
            rows = await self._client.rows(REFUNDS, payment_intent=fields["payment_intent"])
        except TooManyRowsError:
            return Manual(sentence="the payment has too many refunds to look through")
        if isinstance(rows, Unread):
            return not_looked(rows)
        found = [row for row in rows if our_ref(row) == ref_in(effect.body)]
        if not found:
            return None
        good = [row for row in found if row.get("status") in {"succeeded", "pending"}]
        if len(good) > 1:
            sentence = "Stripe shows more than one refund under our reference: look at the payment"
            return Manual(sentence=sentence, code="doubled", provider_ref=str(good[-1].get("id")))
        return judge_refund((good or found)[0], effect, "found_by_reference")

    async def may_send(self, effect: Effect) -> Outcome | None:
        """Only what is paid can be given back, and only what is left of it."""
        if effect.tries > 1 and (found := await self.look_up(effect)) is not None:
            return found  # what is left was lowered by our own first try
        fields = thaw(effect.body).fields
        path = f"{INTENTS}/{fields['payment_intent']}"
        intent = await self._client.get(path, **{"expand[]": "latest_charge"})
        if isinstance(intent, Unread):
            if intent.missing:
                return Refused(sentence="Stripe does not know the payment that is to go back")
            return not_looked(intent)
        match intent.get("status"):
            case "succeeded":
                charge = intent.get("latest_charge")
                row = charge if isinstance(charge, dict) else {}
                against = await self._disputed(row, fields["payment_intent"])
                return against or _enough_left(row, int(fields["amount"]))
            case "processing":
                sentence = "the bank has not settled the charge yet"
                return NotSent(sentence=sentence, wait_ms=UNSETTLED_MS)
            case status:
                return Refused(sentence=f"the payment is {status!r} there, not paid")

    async def _disputed(self, charge: Row, payment_ref: str) -> Outcome | None:
        """A charge is called disputed for ever; the money is ours again once the dispute is won."""
        if charge.get("disputed") is not True:
            return None
        rows = await self._client.rows(DISPUTES, payment_intent=payment_ref)
        if isinstance(rows, Unread):
            return not_looked(rows)
        if rows and all(row.get("status") in WON for row in rows):
            return None
        sentence = "the guest disputes this payment: the bank holds the money already"
        return Manual(sentence=sentence, code="charge_disputed")

    def judge(self, row: Row, effect: Effect) -> Outcome:
        """The refund as they made it."""
        return judge_refund(row, effect, "answer")

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """Money that is gone already is a person's case: somebody else gave it back."""
        del effect
        if error.get("code") in {"charge_already_refunded", "charge_disputed"}:
            sentence = "the guest has this money back already: by a refund or a dispute"
            return Manual(sentence=sentence, code=str(error["code"]))
        return None


def judge_refund(row: Row, effect: Effect, evidence: str) -> Outcome:
    """What a refund of theirs means for ours."""
    ref, status = str(row.get("id") or ""), row.get("status")
    asked = thaw(effect.body).fields.get("amount")
    if not ref or (asked is not None and row.get("amount") != int(asked)):
        sentence = "Stripe has a refund under our reference that is not what we asked for"
        return Manual(sentence=sentence, code="other_amount", provider_ref=ref or None)
    match status:
        case "succeeded":
            sentence = "Stripe has given the money back"
            return Succeeded(sentence=sentence, provider_ref=ref, evidence=evidence)
        case "pending":
            sentence = "the bank is still at work on the refund"
            return Unknown(sentence=sentence, provider_ref=ref)
        case "failed" | "canceled":
            code = str(row.get("failure_reason") or status)
            sentence = f"the bank sent the refund back ({code}): give it back another way"
            return Declined(sentence=sentence, code=code, provider_ref=ref, evidence=evidence)
        case _:
            sentence = f"the refund is in the state {status!r}, which a person must look at"
            return Manual(sentence=sentence, code=str(status), provider_ref=ref)


def _enough_left(charge: Row, asked_minor: int) -> Outcome | None:
    whole, taken = charge.get("amount"), charge.get("amount_captured", charge.get("amount"))
    gone = charge.get("amount_refunded", 0)
    if not all(isinstance(each, int) for each in (whole, taken, gone)):
        return Manual(sentence="Stripe does not say what is left of the payment")
    # Where a hold was taken in part, Stripe calls the rest of it refunded.
    left = min(taken, whole - gone)
    if left < asked_minor:
        return Refused(sentence=f"only {left} is left of the payment, in minor units")
    return None
