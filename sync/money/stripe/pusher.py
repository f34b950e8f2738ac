"""Stripe: each effect once, whatever the line does. Same key and bytes for 23 h, then evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from appliance.kernel.clock import Clock
from sync.gate import Gate, Held
from sync.ledger import Draft, Effect, EffectState, Ledger, Priority
from sync.money.stripe import notes
from sync.money.stripe.client import (
    CLOCKS_APART_MS,
    Reply,
    Row,
    StripeAccount,
    StripeClient,
    error_of,
    fields_of,
)
from sync.money.stripe.deed import DOUBT_MS_MAX, THEIR_SENT_MS, Deed
from sync.money.stripe.frozen import Frozen, release_body, thaw
from sync.money.stripe.holds import CAPTURE, RELEASE, Captures, Releases
from sync.money.stripe.intents import CHARGE, HOLD, PAY_LINK, Intents, Link
from sync.money.stripe.refunds import REFUND, Refunds
from sync.money.stripe.set_ups import SET_UP, SetUps
from sync.outcome import (
    Expired,
    Homeward,
    Manual,
    NewAttempt,
    NotSent,
    Outcome,
    Refused,
    Unknown,
)
from sync.transport import Answer, NoAnswer

NAME: Final = "stripe"
# What moves money, or waits for a guest's: done only for a box that asks for it. To let a hold go
# is not among them: nobody's money moves, and one too many is let go without being asked.
MOVES_MONEY: Final = frozenset({CHARGE, HOLD, CAPTURE, PAY_LINK, REFUND})
# What a restored log did not ask for and may still arrive is looked for this often.
LOST_LOOK_MS: Final = 3_600_000
# Stripe may forget a key after 24 h; then the same request charges again (cloud.md 2.1).
SAME_KEY_MS_MAX: Final = 23 * 3_600_000
# A request that was sent is carried out within this, or never: ten times as long as we wait for it.
UNDER_WAY_MS_MAX: Final = 600_000
_NO_TIME: Final = NotSent(sentence="we do not know the time, and Stripe has not told it yet")


class Stripe:
    """Pushes `stripe.*` effects; the effect's body is the request, byte for byte."""

    gives_up = False  # money is settled by evidence, not by losing patience
    late_ms = 0  # the key, or an order id of its own, makes it one

    def __init__(
        self,
        *,
        account: StripeAccount,
        gate: Gate,
        clock: Clock,
        ledger: Ledger,
        link: Link = lambda _ref: None,
    ) -> None:
        self.gate = gate
        self.client = StripeClient(account=account, gate=gate, clock=clock)
        self.link = link
        self._clock = clock
        self._ledger = ledger
        self._set_ups = SetUps(self.client, ledger, link)
        intents = Intents(self.client, link, self.second_found)
        self._deeds: Mapping[str, Deed] = {
            CHARGE: intents,
            HOLD: intents,
            PAY_LINK: intents,
            CAPTURE: Captures(self.client),
            RELEASE: Releases(self.client),
            REFUND: Refunds(self.client),
            SET_UP: self._set_ups,
        }

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free, and their time."""
        await self.client.probe()

    async def reconcile(self, effect: Effect) -> Outcome | None:
        """Look for it there; None: absent so far, and the same key may be used."""
        # What is looked for is dated by their clock; one that is not ours is believed the second time.
        for _ in range(2):
            if self.gate.vendor_now_ms() is None:
                await self.client.probe()
        now_ms = await self.client.sure_now_ms()
        if now_ms is None:
            return _NO_TIME
        found = await self._deeds[effect.kind].look_up(effect)
        if found is not None:
            return found
        if _age_ms(effect, now_ms) >= SAME_KEY_MS_MAX:
            return _absent(effect, now_ms)
        # Our first request may still be on its way, so the key stays the same.
        return None

    async def push(self, effect: Effect) -> Outcome:
        """Try it once; where its key may be forgotten there, evidence goes first."""
        now_ms = await self.client.sure_now_ms()
        if now_ms is None:
            return _NO_TIME
        if effect.kind in MOVES_MONEY and self._ledger.is_unasked(effect):
            return self._of_a_lost_log(effect)
        self._note_their_time(effect, now_ms)
        in_doubt = (
            effect.first_sent_doubt_ms >= DOUBT_MS_MAX
            and effect.tries > 1
            and THEIR_SENT_MS not in effect.progress
        )
        old = _age_ms(effect, now_ms) >= SAME_KEY_MS_MAX
        late = effect.not_after_ms is not None and now_ms > effect.not_after_ms
        # The carrier has reconciled already where the effect says so.
        if (in_doubt or old or (late and effect.tries > 1)) and not effect.look_first:
            found = await self.reconcile(effect)
            if found is not None:
                return found
        if late:
            return _too_late(effect, now_ms)
        against = await self._deeds[effect.kind].may_send(effect)
        return against if against is not None else await self._send(effect, now_ms)

    def told(self, effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
        """Every state is told to the box, with its evidence."""
        return notes.told(effect, state, outcome)

    def retell(self, effect: Effect, generation: int) -> list[Homeward]:
        """A restored box hears again what became of it."""
        return notes.retold(effect, generation, self.link)

    def second_found(self, effect: Effect, rows: Sequence[Row]) -> None:
        """One intent was taken more than once: the box refunds what is paid, a hold is let go."""
        now_ms = self._clock.read().wall_ms
        for row in rows:
            ref = str(row["id"])
            if row.get("status") == "succeeded":
                self._ledger.post(notes.second(effect, ref), now_ms)
                continue
            draft = Draft(
                natural_key=f"{RELEASE}:{ref}{notes.SECOND}",
                counterparty=NAME,
                lane=effect.lane,
                kind=RELEASE,
                body=release_body(provider_ref=ref),
                priority=Priority.STAY,
                made_ms=now_ms,
                trace=effect.trace,
            )
            self._ledger.owe(draft, now_ms)

    # -- sending ---------------------------------------------------------------------------------

    def _of_a_lost_log(self, effect: Effect) -> Outcome:
        """The box was restored: what its log does not ask for any more is sent to nobody.

        What was sent before, and is proven absent so far, may still arrive until its key is old.
        """
        if not self._ledger.log_is_read():
            return NotSent(sentence="the box's log is read first: it was restored")
        if effect.tries <= 1:
            return Expired(sentence="the box was restored, and asks for it no more")
        sentence = "the box was restored, and asks for it no more: only looked for"
        return NotSent(sentence=sentence, wait_ms=LOST_LOOK_MS)

    def _note_their_time(self, effect: Effect, now_ms: int) -> None:
        """A box that woke in the past would take each key for old, and begin anew for ever."""
        if effect.tries > 1:
            return
        apart = abs(now_ms - (effect.first_sent_ms or now_ms)) > CLOCKS_APART_MS
        if apart or THEIR_SENT_MS in effect.progress:
            effect.progress[THEIR_SENT_MS] = now_ms
            self._ledger.note_progress(effect.id, effect.progress)

    def _request(self, effect: Effect) -> Frozen:
        return self._set_ups.request(effect) if effect.kind == SET_UP else thaw(effect.body)

    async def _send(self, effect: Effect, now_ms: int) -> Outcome:
        frozen, deed = self._request(effect), self._deeds[effect.kind]
        reply = await self.client.post(frozen.path, frozen.form, effect.idempotency_key)
        if not isinstance(reply, Answer) or not _key_is_spent(reply):
            return _judged(reply, effect, deed)
        # The answer under this key is kept for ever and settles nothing: only evidence does.
        found = await deed.look_up(effect)
        if found is not None:
            return found
        if reply.status < 500:
            return Manual(sentence="Stripe knows this key with another body", code="key_reused")
        return _absent(effect, now_ms)


def _judged(  # noqa: PLR0911 - one way out for each kind of answer
    reply: Reply, effect: Effect, deed: Deed
) -> Outcome:
    if isinstance(reply, Held):
        return NotSent(sentence=reply.sentence, wait_ms=reply.wait_ms)
    if isinstance(reply, NoAnswer):
        if not reply.sent:
            return NotSent(sentence=f"no connection to Stripe ({reply.why})")
        sentence = f"Stripe's answer never came ({reply.why}): asked again with the same key"
        return Unknown(sentence=sentence, look_first=False)
    fields = fields_of(reply)
    if fields is None:
        sentence = "Stripe's answer was cut short: asked again with the same key"
        return Unknown(sentence=sentence, look_first=False)
    status = reply.status
    if status < 300:
        return deed.judge(fields, effect)
    if status in {401, 403}:
        return NotSent(sentence="Stripe refuses our key: a person must look at the settings")
    if status in {409, 429} or status >= 500:
        return _unsettled(reply, status)
    error = error_of(reply)
    if status == 402:
        error["type"] = "card_error"
    own = deed.refused(error, effect)
    if own is not None:
        return own
    said = str(error.get("code") or error.get("type") or status)
    return Refused(sentence=f"Stripe refused the request ({said})")


def _age_ms(effect: Effect, now_ms: int) -> int:
    """How long ago its key was first used; none before anything was sent under it."""
    if effect.tries <= 1:
        return 0
    sent_ms: int = effect.progress.get(THEIR_SENT_MS, effect.first_sent_ms or now_ms)
    age_ms = now_ms - sent_ms
    # Sent in the future: our clock was ahead, and how old the key is nobody knows.
    return SAME_KEY_MS_MAX if age_ms < -CLOCKS_APART_MS else age_ms


def _too_late(effect: Effect, now_ms: int) -> Outcome:
    """Not there, and past its time: the key must not carry out now what never arrived."""
    if effect.tries > 1 and _age_ms(effect, now_ms) < UNDER_WAY_MS_MAX:
        sentence = "its time has passed, and what was sent may be under way still: looked up again"
        return Unknown(sentence=sentence)
    return Expired(sentence="it was to be done by a certain time, which has passed")


def _absent(effect: Effect, now_ms: int) -> Outcome:
    """Sent once, and proven not to exist there."""
    if effect.not_after_ms is not None and now_ms > effect.not_after_ms:
        return Expired(sentence="Stripe has no such thing, and its time has passed")
    return NewAttempt(sentence="Stripe has no such thing: asked anew, with a new key")


def _key_is_spent(reply: Answer) -> bool:
    """A stored 500 is said again for ever under its key; so is a key that means another body."""
    if reply.status >= 500:
        return reply.headers.get("idempotent-replayed") == "true"
    return reply.status == 400 and error_of(reply).get("type") == "idempotency_error"


def _unsettled(reply: Answer, status: int) -> Unknown:
    look = reply.headers.get("stripe-should-retry") == "false"
    then = "looked up first" if look else "asked again with the same key"
    return Unknown(sentence=f"Stripe answered {status}: {then}", look_first=look)
