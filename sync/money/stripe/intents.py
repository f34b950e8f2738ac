"""Payment intents: charges of saved cards, holds on them, and payments that wait for a guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sync.ledger import Effect
from sync.money.stripe.amounts import ours
from sync.money.stripe.client import (
    CLOCKS_APART_MS,
    Row,
    StripeClient,
    TooManyRowsError,
    Unread,
    our_ref,
)
from sync.money.stripe.deed import DOUBT_MS_MAX, THEIR_SENT_MS, not_looked
from sync.money.stripe.frozen import INTENTS, Charge, read_charge
from sync.outcome import (
    Declined,
    Manual,
    Outcome,
    RequiresAction,
    Succeeded,
    Unknown,
)

CHARGE: Final = "stripe.charge"
HOLD: Final = "stripe.hold"
PAY_LINK: Final = "stripe.pay_link"
# How far before our first sending the vendor's own `created` may lie, on two honest clocks.
CREATED_MARGIN_MS: Final = 86_400_000
# Where the charge does not say until when it can be captured: seven days, less an hour for two
# clocks (cloud.md 2.2: "~7 d, card rules").
HOLD_S: Final = 7 * 86_400 - 3_600

Link = Callable[[str], str | None]


class Intents:
    """Looked for among the customer's payments, by our own reference in their metadata."""

    def __init__(self, client: StripeClient, link: Link, on_second: Callable[..., Any]) -> None:
        self._client = client
        self._link = link
        self._on_second = on_second

    async def may_send(self, effect: Effect) -> Outcome | None:
        """Nothing beside its time is against it."""
        del effect
        return None

    def judge(self, row: Row, effect: Effect) -> Outcome:
        """The answer to the frozen request."""
        return judge_intent(row, read_charge(effect.body), effect.kind, "answer", self._link)

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """A decline; None: nothing that an intent knows of its own."""
        del effect
        if error.get("type") != "card_error":
            return None
        intent = error.get("payment_intent")
        ref = intent.get("id") if isinstance(intent, dict) else None
        code = str(error.get("code") or "card_declined")
        return _said_no(code, error, ref, "answer", self._link)

    async def look_up(self, effect: Effect) -> Outcome | None:
        """Find the intent by our own reference; None: proven absent."""
        charge = read_charge(effect.body)
        query = {} if charge.customer_ref is None else {"customer": charge.customer_ref}
        # With a clock in doubt, or an intent sent before a restore, nothing may be left out.
        since_ms = min(effect.made_ms, effect.first_sent_ms or effect.made_ms)
        since_ms = min(since_ms, effect.progress.get(THEIR_SENT_MS, since_ms))
        ahead = since_ms > (self._client.gate.vendor_now_ms() or since_ms) + CLOCKS_APART_MS
        if effect.tries > 1 and effect.first_sent_doubt_ms < DOUBT_MS_MAX and not ahead:
            since_ms -= CREATED_MARGIN_MS + effect.first_sent_doubt_ms
            query["created[gte]"] = str(since_ms // 1000)
        try:
            rows = await self._client.rows(INTENTS, **query)
        except TooManyRowsError:
            return Manual(sentence="the customer has too many payments to look through")
        if isinstance(rows, Unread):
            return not_looked(rows)
        found = [row for row in rows if our_ref(row) == charge.intent_id]
        return self._best(found, charge, effect)

    def _best(self, found: list[Row], charge: Charge, effect: Effect) -> Outcome | None:
        if not found:
            return None
        found.sort(key=lambda row: (int(row.get("created") or 0), str(row.get("id"))))
        paid = [row for row in found if row.get("status") in {"succeeded", "requires_capture"}]
        kept = (paid or found[-1:])[0]
        outcome = judge_intent(kept, charge, effect.kind, "found_by_reference", self._link)
        if len(paid) < 2 or not isinstance(outcome, Succeeded):
            return outcome
        return Succeeded(
            sentence=f"Stripe took it {len(paid)} times: one is kept, the rest goes back",
            provider_ref=outcome.provider_ref,
            evidence=outcome.evidence,
            detail=outcome.detail,
            within=lambda: self._on_second(effect, paid[1:]),
        )


def judge_intent(  # noqa: PLR0911 - one way out for each of their states
    intent: Row, charge: Charge, kind: str, evidence: str, link: Link
) -> Outcome:
    """What a payment intent of theirs means for ours."""
    ref = str(intent.get("id") or "")
    same = intent.get("amount") == charge.amount_minor and _same_currency(intent, charge)
    if not ref or not same:
        sentence = "Stripe has a payment under our reference that is not what we asked for"
        return Manual(sentence=sentence, code="other_amount", provider_ref=ref or None)
    match intent.get("status"):
        case "succeeded":
            return _paid(intent, kind, ref, evidence)
        case "requires_capture" if kind == HOLD:
            return Succeeded(
                sentence="Stripe keeps the money aside",
                provider_ref=ref,
                evidence=evidence,
                detail={"capture_by_s": capture_by_s(intent)},
            )
        case "processing":
            return Unknown(sentence="the bank is still at work", provider_ref=ref)
        case "requires_action":
            return _for_the_guest("requires_action", ref, evidence, link)
        case "requires_payment_method" | "canceled":
            return _unpaid(intent, kind, ref, evidence, link)
        case status:
            sentence = f"the payment is in the state {status!r}, which a person must look at"
            return Manual(sentence=sentence, code=str(status), provider_ref=ref)


def capture_by_s(intent: Row) -> int:
    """Until when a hold can be taken, seconds since 1970."""
    charge = intent.get("latest_charge")
    details = charge.get("payment_method_details") if isinstance(charge, dict) else None
    card = details.get("card") if isinstance(details, dict) else None
    said = card.get("capture_before") if isinstance(card, dict) else None
    return said if isinstance(said, int) else int(intent.get("created") or 0) + HOLD_S


def _same_currency(intent: Row, charge: Charge) -> bool:
    return str(intent.get("currency")).lower() == charge.currency.lower()


def _paid(intent: Row, kind: str, ref: str, evidence: str) -> Outcome:
    if kind != HOLD:
        sentence = "Stripe has charged the card" if kind == CHARGE else "the guest has paid"
        detail = {"amount_minor": ours(intent, "amount"), "currency": intent.get("currency")}
        return Succeeded(sentence=sentence, provider_ref=ref, evidence=evidence, detail=detail)
    # A hold that was taken already, by an effect of ours that a restore forgot or by a person.
    detail = {"captured": True, "amount_minor": ours(intent, "amount_received")}
    return Succeeded(
        sentence="Stripe kept the money aside and has taken it",
        provider_ref=ref,
        evidence=evidence,
        detail=detail,
    )


def _unpaid(intent: Row, kind: str, ref: str, evidence: str, link: Link) -> Outcome:
    error = intent.get("last_payment_error")
    code = error.get("code") if isinstance(error, dict) else None
    status = str(intent.get("status"))
    if kind == PAY_LINK and status != "canceled":
        # A card that was declined at the page may be followed by another one.
        return _for_the_guest(str(code or "waiting"), ref, evidence, link)
    if status == "canceled" and kind != CHARGE:
        reason = str(intent.get("cancellation_reason") or "canceled")
        sentence = f"it was let go at Stripe ({reason})"
        return Declined(sentence=sentence, code=reason, provider_ref=ref, evidence=evidence)
    return _said_no(str(code or status), error, ref, evidence, link)


def _for_the_guest(code: str, ref: str, evidence: str, link: Link) -> RequiresAction:
    return RequiresAction(
        sentence="the guest must confirm the payment with their bank",
        code=code,
        provider_ref=ref,
        evidence=evidence,
        detail={"url": link(ref)},
    )


def _said_no(code: str, error: Any, ref: str | None, evidence: str, link: Link) -> Outcome:
    if code == "authentication_required":
        return RequiresAction(
            sentence="the bank wants to see the guest: send them the link, or ask at the desk",
            code=code,
            provider_ref=ref,
            evidence=evidence,
            detail={"url": link(ref) if ref else None},
        )
    why = error.get("decline_code") if isinstance(error, dict) else None
    return Declined(
        sentence=f"the card was declined ({why or code})",
        code=str(why or code),
        provider_ref=ref,
        evidence=evidence,
    )
