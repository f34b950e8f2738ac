"""Taking a hold and letting it go: the intent itself remembers, so it is the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sync.ledger import Effect
from sync.money.stripe.amounts import ours
from sync.money.stripe.client import Row, StripeClient, Unread
from sync.money.stripe.deed import not_looked
from sync.money.stripe.frozen import INTENTS, thaw
from sync.outcome import Declined, Expired, Manual, Outcome, Succeeded, Unknown

CAPTURE: Final = "stripe.capture"
RELEASE: Final = "stripe.release"


def intent_in(body: bytes) -> str:
    """The id of the intent that a frozen capture or release acts on."""
    return thaw(body).path.removeprefix(f"{INTENTS}/").partition("/")[0]


class _OfOneIntent:
    def __init__(self, client: StripeClient, read: Callable[[Row, Effect, str], Outcome]) -> None:
        self._client = client
        self._read = read

    async def may_send(self, effect: Effect) -> Outcome | None:
        """Nothing beside its time is against it: they refuse what is done or gone."""
        del effect
        return None

    async def look_up(self, effect: Effect) -> Outcome | None:
        """Read the intent; None: still held, so nothing was done."""
        row = await self._client.get(f"{INTENTS}/{intent_in(effect.body)}")
        if isinstance(row, Unread):
            if row.missing:
                return Manual(sentence="Stripe does not know this hold", code="resource_missing")
            return not_looked(row)
        if row.get("status") == "requires_capture":
            return None
        return self._read(row, effect, "found_by_reference")

    def judge(self, row: Row, effect: Effect) -> Outcome:
        """The intent as it is after the act."""
        return self._read(row, effect, "answer")


class Captures(_OfOneIntent):
    """`POST /v1/payment_intents/{id}/capture`, all or a part."""

    def __init__(self, client: StripeClient) -> None:
        super().__init__(client, judge_capture)

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """Two ways in which a hold is gone; anything about its state is looked up."""
        ref = intent_in(effect.body)
        match error.get("code"):
            case "charge_expired_for_capture":
                sentence = (
                    "the hold ran out before it was taken: a new charge needs the guest's yes"
                )
                return Expired(sentence=sentence, code="charge_expired_for_capture")
            case "capture_charge_authorization_expired":
                sentence = (
                    "the bank has taken its authorisation back: ask the guest for another card"
                )
                code = "capture_charge_authorization_expired"
                return Declined(sentence=sentence, code=code, provider_ref=ref)
            case "payment_intent_unexpected_state" | "charge_already_captured":
                return Unknown(sentence="Stripe says it is not held any longer: looked up first")
            case _:
                return None


class Releases(_OfOneIntent):
    """`POST /v1/payment_intents/{id}/cancel`."""

    def __init__(self, client: StripeClient) -> None:
        super().__init__(client, judge_release)

    def refused(self, error: Row, effect: Effect) -> Outcome | None:
        """Whatever they say about its state is looked up."""
        del effect
        if error.get("code") == "payment_intent_unexpected_state":
            return Unknown(sentence="Stripe says it is not held any longer: looked up first")
        return None


def judge_capture(row: Row, effect: Effect, evidence: str) -> Outcome:
    """What the intent means for a capture of ours."""
    ref, status = str(row.get("id") or ""), row.get("status")
    taken = row.get("amount_received")
    asked = int(thaw(effect.body).fields["amount_to_capture"])
    if status == "canceled":
        sentence = "the hold ran out or was let go before it was taken"
        return Expired(sentence=sentence, code=str(row.get("cancellation_reason") or status))
    if status != "succeeded":
        return Unknown(sentence=f"the hold is in the state {status!r}", provider_ref=ref)
    if taken is not None and taken != asked:
        sentence = "the hold was taken with another amount than we asked for"
        return Manual(sentence=sentence, code="other_amount", provider_ref=ref)
    return Succeeded(sentence="Stripe has taken the hold", provider_ref=ref, evidence=evidence)


def judge_release(row: Row, effect: Effect, evidence: str) -> Outcome:
    """What the intent means for a release of ours."""
    del effect
    ref, status = str(row.get("id") or ""), row.get("status")
    if status == "canceled":
        sentence = "Stripe has let the money go"
        return Succeeded(sentence=sentence, provider_ref=ref, evidence=evidence)
    if status == "succeeded":
        return Succeeded(
            sentence="the hold was taken before it could be let go: refund it instead",
            provider_ref=ref,
            evidence=evidence,
            detail={"captured": True, "amount_minor": ours(row, "amount_received")},
        )
    return Unknown(sentence=f"the hold is in the state {status!r}", provider_ref=ref)
