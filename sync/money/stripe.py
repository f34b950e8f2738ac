"""Stripe: one charge, whatever the line does. Same key and bytes for 23 hours, then evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from appliance.engines.payments.messages import IntentState, NoteIntent
from appliance.kernel.clock import Clock
from appliance.kernel.values import derived_id
from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.ledger import Effect, EffectState
from sync.money.charge import Charge, read_charge
from sync.outcome import (
    Declined,
    Expired,
    Homeward,
    Manual,
    NewAttempt,
    NotSent,
    Outcome,
    Refused,
    RequiresAction,
    Succeeded,
    Unknown,
)
from sync.transport import Answer, NoAnswer, Request

# The version this client is written against; pinned, because 2026-09-30 broke older bodies.
API_VERSION: Final = "2026-10-28.endive"
# Stripe may forget a key after 24 h; then the same request charges again (cloud.md 2.1).
SAME_KEY_MS_MAX: Final = 23 * 3_600_000
# How far before our first sending the vendor's own `created` may lie, on two honest clocks.
CREATED_MARGIN_MS: Final = 86_400_000
# A box without the time cannot say when it sent: then everything of this customer is listed.
DOUBT_MS_MAX: Final = 30 * 86_400_000
PAGE_MAX: Final = 100
# A customer with more payments than this in the window is looked at by a person.
PAGES_MAX: Final = 20
# Stripe holds the line open while a bank thinks.
TIMEOUT_S: Final = 60.0

_NO_TIME: Final = NotSent(sentence="we do not know the time, and Stripe has not told it yet")
_NOTED: Final = {
    EffectState.SENDING: IntentState.SENDING,
    EffectState.UNKNOWN: IntentState.UNKNOWN,
    EffectState.RECONCILING: IntentState.UNKNOWN,
    EffectState.SUCCEEDED: IntentState.SUCCEEDED,
    EffectState.DECLINED: IntentState.DECLINED,
    EffectState.REQUIRES_ACTION: IntentState.REQUIRES_ACTION,
    EffectState.EXPIRED: IntentState.EXPIRED,
    EffectState.PARKED: IntentState.MANUAL,
    EffectState.MANUAL: IntentState.MANUAL,
    EffectState.QUEUED: IntentState.QUEUED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeAccount:
    """Where and as whom we ask; the key is never logged."""

    base_url: str
    secret_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"StripeAccount({self.base_url})"


class Stripe:
    """Pushes `stripe.charge` effects; the effect's body is the request, byte for byte."""

    gives_up = False  # money is settled by evidence, not by losing patience

    def __init__(self, *, account: StripeAccount, gate: Gate, clock: Clock) -> None:
        self.gate = gate
        self._account = account
        self._clock = clock

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free, and their time."""
        await self._ask("GET", "/v1/payment_intents?limit=1", timeout_s=PROBE_TIMEOUT_S, probe=True)

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Look for it by our own reference; None: absent so far, and the same key may be used."""
        now_ms = await self._sure_now_ms()
        if now_ms is None:
            return _NO_TIME
        found = await self._look_up(effect)
        if found is not None:
            return found
        if now_ms - (effect.first_sent_ms or now_ms) >= SAME_KEY_MS_MAX:
            return self._absent(effect, now_ms)
        # Our first request may still be on its way, so the key stays the same.
        return None

    async def push(self, effect: Effect) -> Outcome:
        """Try one charge once; where its key may be forgotten there, evidence goes first."""
        now_ms = await self._sure_now_ms()
        if now_ms is None:
            return _NO_TIME
        in_doubt = effect.first_sent_doubt_ms >= DOUBT_MS_MAX and effect.tries > 1
        old = now_ms - (effect.first_sent_ms or now_ms) >= SAME_KEY_MS_MAX
        # The carrier has reconciled already where the effect says so.
        if (in_doubt or old) and not effect.look_first:
            found = await self.reconcile(effect)
            if found is not None:
                return found
        if effect.tries <= 1 and effect.not_after_ms is not None and now_ms > effect.not_after_ms:
            return Expired(sentence="it was to be charged by a certain time, which has passed")
        return await self._send(effect, now_ms)

    async def _send(self, effect: Effect, now_ms: int) -> Outcome:
        reply = await self._create(effect)
        if not isinstance(reply, Answer) or not _key_is_spent(reply):
            return self._judge(reply, read_charge(effect.body))
        # The answer under this key is kept for ever and settles nothing: only evidence does.
        found = await self._look_up(effect)
        if found is not None:
            return found
        if reply.status < 500:
            return Manual(sentence="Stripe knows this key with another body", code="key_reused")
        return self._absent(effect, now_ms)

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """Every state of an intent is told to the box, with its evidence."""
        evidence = getattr(outcome, "evidence", "") or state.value
        code = getattr(outcome, "code", None)
        ref = getattr(outcome, "provider_ref", None) or effect.provider_ref
        if state is EffectState.QUEUED and isinstance(outcome, NotSent):
            return []
        return [_note(effect, _NOTED[state], provider_ref=ref, code=code, evidence=evidence)]

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again what became of the intent."""
        if effect.state is EffectState.QUEUED:
            return []
        evidence = f"told again after a restore ({generation})"
        return [
            _note(
                effect,
                _NOTED[effect.state],
                provider_ref=effect.provider_ref,
                code=None,
                evidence=evidence,
                generation=generation,
            )
        ]

    # -- asking ----------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        probe: bool = False,
    ) -> Answer | NoAnswer | Held:
        headers = {
            "Authorization": f"Bearer {self._account.secret_key}",
            "Stripe-Version": API_VERSION,
        }
        if key is not None:
            headers["Idempotency-Key"] = key
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = Request(
            method=method,
            url=self._account.base_url + path,
            headers=headers,
            body=body,
            timeout_s=timeout_s,
        )
        return await self.gate.send(request, probe=probe)

    async def _create(self, effect: Effect) -> Answer | NoAnswer | Held:
        return await self._ask(
            "POST", "/v1/payment_intents", body=effect.body, key=effect.idempotency_key
        )

    async def _sure_now_ms(self) -> int | None:
        """Our time when it is sure, else the vendor's by its `Date` header, else None."""
        reading = self._clock.read()
        if reading.sure:
            return reading.wall_ms
        if self.gate.vendor_now_ms() is None:
            await self.probe()
        return self.gate.vendor_now_ms()

    # -- judging ---------------------------------------------------------------------------------

    def _judge(  # noqa: PLR0911 - one way out for each kind of answer
        self, reply: Answer | NoAnswer | Held, charge: Charge
    ) -> Outcome:
        if isinstance(reply, Held):
            return NotSent(sentence=reply.sentence, wait_ms=reply.wait_ms)
        if isinstance(reply, NoAnswer):
            if not reply.sent:
                return NotSent(sentence=f"no connection to Stripe ({reply.why})")
            sentence = f"Stripe's answer never came ({reply.why}): asked again with the same key"
            return Unknown(sentence=sentence, look_first=False)
        fields = _object(reply)
        if fields is None:
            sentence = "Stripe's answer was cut short: asked again with the same key"
            return Unknown(sentence=sentence, look_first=False)
        status = reply.status
        if status < 300:
            return judge_intent(fields, charge, "answer")
        error = fields.get("error")
        error = error if isinstance(error, dict) else {}
        if status == 402:
            return _card_said_no(error)
        if status in {401, 403}:
            return NotSent(sentence="Stripe refuses our key: a person must look at the settings")
        if status in {409, 429} or status >= 500:
            return _unsettled(reply, status)
        said = str(error.get("code") or error.get("type") or status)
        return Refused(sentence=f"Stripe refused the request ({said})")

    def _absent(self, effect: Effect, now_ms: int) -> Outcome:
        """Sent once, and proven not to exist there."""
        if effect.not_after_ms is not None and now_ms > effect.not_after_ms:
            return Expired(sentence="Stripe has no such charge, and its time has passed")
        return NewAttempt(sentence="Stripe has no such charge: asked anew, with a new key")

    # -- looking up ------------------------------------------------------------------------------

    async def _look_up(self, effect: Effect) -> Outcome | None:
        """Find the intent by our own reference; None: proven absent."""
        charge = read_charge(effect.body)
        query = {"customer": charge.customer_ref, "limit": str(PAGE_MAX)}
        # With a clock in doubt, or an intent sent before a restore, nothing may be left out.
        if effect.tries > 1 and effect.first_sent_doubt_ms < DOUBT_MS_MAX:
            since_ms = min(effect.made_ms, effect.first_sent_ms or effect.made_ms)
            since_ms -= CREATED_MARGIN_MS + effect.first_sent_doubt_ms
            query["created[gte]"] = str(since_ms // 1000)
        found: list[dict[str, Any]] = []
        for _ in range(PAGES_MAX):
            reply = await self._ask("GET", f"/v1/payment_intents?{urlencode(query)}")
            page = _page(reply)
            if not isinstance(page, dict):
                return _not_looked(page)
            rows = page["data"]
            found += [row for row in rows if _outbox_id(row) == charge.intent_id]
            if not page.get("has_more") or not rows:
                break
            query["starting_after"] = str(rows[-1]["id"])
        else:
            return Manual(sentence="the customer has too many payments to look through")
        return _best(found, charge)


def _note(
    effect: Effect,
    state: IntentState,
    *,
    provider_ref: str | None,
    code: str | None,
    evidence: str,
    generation: int = 0,
) -> Homeward:
    intent_id = effect.natural_key.partition(":")[2]
    # The reference is part of the id: what is learned later is another thing to say.
    told = (effect.id, str(effect.attempt), state.value, provider_ref or "", str(generation))
    return Homeward(
        command_id=derived_id("note", *told),
        lane=f"intent:{intent_id}",
        command=NoteIntent(
            intent_id=intent_id,
            state=state,
            provider_ref=provider_ref,
            code=code,
            evidence=evidence,
        ),
        cause=effect.id,
        trace=effect.trace,
    )


def judge_intent(intent: dict[str, Any], charge: Charge, evidence: str) -> Outcome:
    """What a payment intent of theirs means for ours."""
    ref = str(intent.get("id") or "")
    status = intent.get("status")
    if not ref or intent.get("amount") != charge.amount_minor:
        sentence = "Stripe has a payment under our reference that is not what we asked for"
        return Manual(sentence=sentence, code="other_amount", provider_ref=ref or None)
    match status:
        case "succeeded":
            return Succeeded(
                sentence="Stripe has charged the card", provider_ref=ref, evidence=evidence
            )
        case "processing":
            return Unknown(sentence="the bank is still at work", provider_ref=ref)
        case "requires_action":
            return RequiresAction(
                sentence="the guest must confirm the payment with their bank",
                code="requires_action",
                provider_ref=ref,
                evidence=evidence,
            )
        case "requires_payment_method" | "canceled":
            error = intent.get("last_payment_error")
            code = error.get("code") if isinstance(error, dict) else None
            return _said_no(str(code or status), error, ref, evidence)
        case _:
            sentence = f"the payment is in the state {status!r}, which a person must look at"
            return Manual(sentence=sentence, code=str(status), provider_ref=ref)


def _card_said_no(error: dict[str, Any]) -> Outcome:
    intent = error.get("payment_intent")
    ref = intent.get("id") if isinstance(intent, dict) else None
    return _said_no(str(error.get("code") or "card_declined"), error, ref, "answer")


def _said_no(code: str, error: Any, ref: str | None, evidence: str) -> Outcome:
    if code == "authentication_required":
        return RequiresAction(
            sentence="the bank wants to see the guest: send them the link, or ask at the desk",
            code=code,
            provider_ref=ref,
            evidence=evidence,
        )
    why = error.get("decline_code") if isinstance(error, dict) else None
    return Declined(
        sentence=f"the card was declined ({why or code})",
        code=str(why or code),
        provider_ref=ref,
        evidence=evidence,
    )


def _key_is_spent(reply: Answer) -> bool:
    """A stored 500 is said again for ever under its key; so is a key that means another body."""
    if reply.status >= 500:
        return reply.headers.get("idempotent-replayed") == "true"
    error = (_object(reply) or {}).get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    return reply.status == 400 and kind == "idempotency_error"


def _unsettled(reply: Answer, status: int) -> Unknown:
    look = reply.headers.get("stripe-should-retry") == "false"
    then = "looked up first" if look else "asked again with the same key"
    return Unknown(sentence=f"Stripe answered {status}: {then}", look_first=look)


def _object(reply: Answer) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _page(reply: Answer | NoAnswer | Held) -> dict[str, Any] | Answer | NoAnswer | Held:
    if not isinstance(reply, Answer) or reply.status != 200:
        return reply
    fields = _object(reply)
    if fields is None or not isinstance(fields.get("data"), list):
        return NoAnswer(sent=True, why="the list was cut short")
    return fields


def _not_looked(reply: Answer | NoAnswer | Held) -> Outcome:
    """Looking changes nothing, so whatever went wrong, the effect is as unknown as before."""
    if isinstance(reply, Held):
        return NotSent(sentence=reply.sentence, wait_ms=reply.wait_ms)
    why = reply.why if isinstance(reply, NoAnswer) else f"answer {reply.status}"
    return Unknown(sentence=f"it could not be looked up yet ({why})")


def _outbox_id(row: Any) -> str | None:
    metadata = row.get("metadata") if isinstance(row, dict) else None
    return metadata.get("outbox_id") if isinstance(metadata, dict) else None


def _best(found: list[dict[str, Any]], charge: Charge) -> Outcome | None:
    if not found:
        return None
    paid = [row for row in found if row.get("status") == "succeeded"]
    if len(paid) > 1:
        sentence = "Stripe shows more than one payment under our reference: refund what is too much"
        return Manual(sentence=sentence, code="doubled", provider_ref=str(paid[0].get("id")))
    return judge_intent((paid or found)[0], charge, "found_by_reference")
