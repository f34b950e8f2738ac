"""What an object at Stripe, read just now, means for our effects and for the box."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from appliance.engines.payments.messages import (
    DisputeState,
    IntentState,
    NoteDispute,
    NoteIntent,
    NoteStrayPayment,
)
from appliance.kernel.clock import Clock
from appliance.kernel.values import derived_id
from sync.ledger import FINAL, PROPERTY_ID, Effect, EffectState, Ledger
from sync.money.learning import Learn
from sync.money.stripe import notes
from sync.money.stripe.amounts import ours
from sync.money.stripe.client import Row, our_ref, property_of
from sync.money.stripe.frozen import read_charge
from sync.money.stripe.holds import CAPTURE, RELEASE, intent_in, judge_capture, judge_release
from sync.money.stripe.intents import CHARGE, HOLD, PAY_LINK, Link, judge_intent
from sync.money.stripe.refunds import REFUND, judge_refund
from sync.money.stripe.set_ups import SET_UP, judge_set_up
from sync.outcome import Declined, Homeward

logger = logging.getLogger(__name__)

_INTENT_KINDS: Final = (CHARGE, HOLD, PAY_LINK)

# A hold is gone after this for every card there is; older ones are over.
HOLD_MS_MAX: Final = 31 * 86_400_000
DISPUTES: Final = {
    "needs_response": DisputeState.OPEN,
    "warning_needs_response": DisputeState.OPEN,
    "under_review": DisputeState.UNDER_REVIEW,
    "warning_under_review": DisputeState.UNDER_REVIEW,
    "won": DisputeState.WON,
    "warning_closed": DisputeState.WON,
    "prevented": DisputeState.WON,
    "lost": DisputeState.LOST,
    "charge_refunded": DisputeState.LOST,
}

OnSecond = Callable[[Effect, Sequence[Row]], Any]


class Learning:
    """Takes objects in; call inside the transaction that moves the cursor."""

    def __init__(
        self, *, ledger: Ledger, clock: Clock, learn: Learn, on_second: OnSecond, link: Link
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._learn = learn
        self._on_second = on_second
        self._link = link

    def take(self, rows: Iterable[Row]) -> None:
        """Each object once, whatever its kind; what is not ours is left alone."""
        for row in rows:
            try:
                self._take(row)
            except (KeyError, TypeError, ValueError, AttributeError):
                # An object of a newer form than ours: it is left out and said, the others go on.
                logger.exception("a %s of Stripe's could not be read", row.get("object"))

    def _take(self, row: Row) -> None:
        match row.get("object"):
            case "payment_intent":
                self._intent(row)
            case "refund":
                self._refund(row)
            case "setup_intent":
                self._set_up(row)
            case "dispute":
                self._dispute(row)
            case _:
                pass

    def open_ones(self) -> list[tuple[str, str]]:
        """The objects of ours that may still change there or may be strays, as (kind, id)."""
        since_ms = self._clock.read().wall_ms - HOLD_MS_MAX
        found = self._ledger.effects(
            "counterparty = 'stripe' AND provider_ref IS NOT NULL AND"
            " (state IN ('requires_action', 'unknown', 'reconciling', 'manual', 'parked')"
            "  OR kind = ? AND state = 'succeeded' AND changed_ms > ?"
            "  OR kind IN (?, ?, ?) AND state = 'succeeded' AND generation < ?)",
            HOLD,
            since_ms,
            *_INTENT_KINDS,
            self._ledger.generation(),
        )
        kinds = {REFUND: "refund", SET_UP: "setup_intent"}
        return [(kinds.get(each.kind, "payment_intent"), str(each.provider_ref)) for each in found]

    def strays_among(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        """Payments that the box's log never asked for, as (kind, id).

        They are to be read by their id, where their charge says what went back already.
        """
        intents = (row for row in rows if row.get("object") == "payment_intent")
        return [
            ("payment_intent", str(row.get("id")))
            for row in intents
            if row.get("status") == "succeeded" and self._is_stray(row, self._effect_of(row))
        ]

    # -- one kind each ---------------------------------------------------------------------------

    def _intent(self, row: Row) -> None:
        ref = str(row.get("id"))
        effect = self._effect_of(row)
        if self._is_stray(row, effect):
            self._stray(row, effect)
        if effect is None:
            return
        if effect.state not in FINAL:
            charge = read_charge(effect.body)
            self._learn(effect.id, judge_intent(row, charge, effect.kind, "event", self._link))
            return
        if self._ledger.is_forgotten(effect):
            return
        paid = row.get("status") in {"succeeded", "requires_capture"}
        if effect.state is not EffectState.SUCCEEDED:
            # They said no, and now the money is there: the box asks a person whose it is.
            if row.get("status") == "succeeded":
                self._post(notes.second(effect, ref))
        elif paid and ref != effect.provider_ref:
            self._on_second(effect, [row])
        elif effect.kind == HOLD and row.get("status") in {"succeeded", "canceled"}:
            self._hold_ended(effect, row)

    def _effect_of(self, row: Row) -> Effect | None:
        ours = our_ref(row)
        return self._effect(*(f"{kind}:{ours}" for kind in _INTENT_KINDS)) if ours else None

    def _is_stray(self, row: Row, effect: Effect | None) -> bool:
        """Whether the box's log never asked for this payment of ours: it was restored since.

        Before the log is read no effect is known, and nothing can be said. What we have no effect
        of is ours only by our property: several may share one account.
        """
        if effect is not None:
            return self._ledger.is_forgotten(effect)
        ours = our_ref(row) and property_of(row)
        return (
            bool(ours)
            and ours == self._ledger.kept(PROPERTY_ID, str)
            and self._ledger.log_is_read()
        )

    def _stray(self, row: Row, effect: Effect | None) -> None:
        """Money that was taken and is there still; a hold that nobody took ends by itself."""
        left = {"amount": _left_of(row), "currency": row.get("currency")}
        ref, amount_minor = str(row["id"]), ours(left, "amount") or 0
        if row.get("status") != "succeeded" or amount_minor <= 0:
            return
        self._post(
            Homeward(
                # With the amount: another one under the same id would be another command.
                command_id=derived_id("note", "stray", ref, str(amount_minor)),
                lane=f"stray:{ref}",
                command=NoteStrayPayment(
                    provider="stripe",
                    provider_ref=ref,
                    amount_minor=amount_minor,
                    currency=str(row["currency"]).upper(),
                    our_ref=our_ref(row),
                    evidence="found_by_reference",
                ),
                cause=None if effect is None else effect.id,
                trace=None if effect is None else effect.trace,
            )
        )

    def _hold_ended(self, hold: Effect, row: Row) -> None:
        """By our own act where there is one; else by time, or by somebody's hand there."""
        ref = str(row["id"])
        for kind, judge in ((CAPTURE, judge_capture), (RELEASE, judge_release)):
            for act in self._ledger.effects("lane = ? AND kind = ?", hold.lane, kind):
                if self._ledger.is_forgotten(act):
                    continue  # to the restored box it is as if by somebody's hand
                if act.state in FINAL:
                    if act.state is EffectState.SUCCEEDED:
                        return
                    continue
                if intent_in(act.body) == ref:
                    self._learn(act.id, judge(row, act, "event"))
                    return
        taken = row.get("status") == "succeeded"
        reason = str(row.get("cancellation_reason") or "canceled")
        self._post(
            Homeward(
                command_id=derived_id("note", hold.id, "ended", ref, str(row["status"])),
                lane=hold.lane,
                command=NoteIntent(
                    intent_id=notes.our_id(hold),
                    state=IntentState.SUCCEEDED if taken else IntentState.EXPIRED,
                    provider_ref=ref,
                    code=None if taken else reason,
                    evidence="event",
                    amount_minor=ours(row, "amount_received") if taken else None,
                ),
                cause=hold.id,
                trace=hold.trace,
            )
        )

    def _refund(self, row: Row) -> None:
        effect = self._effect(f"{REFUND}:{our_ref(row)}")
        if effect is None:
            return
        outcome = judge_refund(row, effect, "event")
        if effect.state not in FINAL:
            self._learn(effect.id, outcome)
        elif effect.state is EffectState.SUCCEEDED and isinstance(outcome, Declined):
            # The box has told its guest that it went back: it hears that it came back.
            now_ms = self._clock.read().wall_ms
            self._ledger.turn(effect.id, EffectState.DECLINED, outcome.sentence, now_ms)
            for letter in notes.told(effect, EffectState.DECLINED, outcome):
                self._post(letter)

    def _set_up(self, row: Row) -> None:
        effect = self._effect(f"{SET_UP}:{our_ref(row)}")
        if effect is not None and effect.state not in FINAL:
            self._learn(effect.id, judge_set_up(row, "event", self._link))

    def _dispute(self, row: Row) -> None:
        state = DISPUTES.get(str(row.get("status")))
        if state is None:
            logger.warning("a dispute is in the state %r, which we do not know", row.get("status"))
            return
        details = row.get("evidence_details")
        due_s = details.get("due_by") if isinstance(details, dict) else None
        name = str(row["id"])
        self._post(
            Homeward(
                command_id=derived_id("note", name, state.value, str(due_s)),
                lane=f"dispute:{name}",
                command=NoteDispute(
                    dispute_id=name,
                    provider="stripe",
                    provider_ref=str(row.get("payment_intent") or row.get("charge") or ""),
                    amount_minor=ours(row, "amount") or 0,
                    currency=str(row["currency"]).upper(),
                    state=state,
                    reason=str(row.get("reason") or ""),
                    due_s=due_s if isinstance(due_s, int) else None,
                    evidence=str(row.get("status")),
                ),
            )
        )

    # -- inside ----------------------------------------------------------------------------------

    def _effect(self, *natural_keys: str) -> Effect | None:
        for natural_key in natural_keys:
            found = self._ledger.effects("natural_key = ?", natural_key)
            if found:
                return found[0]
        return None

    def _post(self, letter: Homeward) -> None:
        self._ledger.post(letter, self._clock.read().wall_ms)


def _left_of(row: Row) -> int:
    """What a paid intent has received and not given back, in minor units.

    Where a hold was taken in part, its charge may call the rest refunded: that was never received.
    """
    received = row.get("amount_received")
    left = received if isinstance(received, int) else 0
    charge = row.get("latest_charge")
    if not isinstance(charge, dict):
        return left
    whole, back = charge.get("amount"), charge.get("amount_refunded")
    if charge.get("refunded") is True:
        return 0
    return min(left, whole - back) if isinstance(whole, int) and isinstance(back, int) else left
