"""What the box is told of an effect at Stripe: each kind in its own words, each state once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.engines.payments.messages import (
    IntentState,
    NoteCapture,
    NoteCardSetUp,
    NoteIntent,
    NotePayLink,
    NoteRefund,
)
from appliance.kernel.guest_page import is_guest_page
from appliance.kernel.messages import Command
from appliance.kernel.values import derived_id
from sync.ledger import Effect, EffectState
from sync.money.stripe.holds import CAPTURE, RELEASE
from sync.money.stripe.intents import HOLD, HOLD_S, PAY_LINK, Link
from sync.money.stripe.refunds import REFUND
from sync.money.stripe.set_ups import SET_UP
from sync.outcome import Homeward, NotSent, Outcome

NOTED: Final = {
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

# How the natural key of an effect ends that undoes a second hold.
SECOND: Final = ":second"


def told(effect: Effect, state: EffectState, outcome: Outcome | None) -> list[Homeward]:
    """The command for one turn of an effect; none where the box knows it already."""
    if state is EffectState.QUEUED and isinstance(outcome, NotSent):
        return []
    said = _Said(
        state=NOTED[state],
        ref=getattr(outcome, "provider_ref", None) or effect.provider_ref,
        code=getattr(outcome, "code", None),
        evidence=getattr(outcome, "evidence", "") or state.value,
        detail=getattr(outcome, "detail", None) or {},
    )
    return _letters(effect, said)


def retold(effect: Effect, generation: int, link: Link) -> list[Homeward]:
    """The same for a box that was restored."""
    if effect.state is EffectState.QUEUED:
        return []
    detail: dict[str, Any] = {}
    if effect.kind == HOLD and effect.first_sent_ms is not None:
        detail["capture_by_s"] = effect.first_sent_ms // 1000 + HOLD_S
    if effect.provider_ref:
        detail["url"] = link(effect.provider_ref)
    said = _Said(
        state=NOTED[effect.state],
        ref=effect.provider_ref,
        code=None,
        evidence=f"told again after a restore ({generation})",
        detail=detail,
    )
    return _letters(effect, said, generation)


def second(effect: Effect, ref: str) -> Homeward:
    """Another charge for the same intent: the box asks for its refund by itself."""
    intent_id = our_id(effect)
    return Homeward(
        command_id=derived_id("note", effect.id, "second", ref),
        lane=f"intent:{intent_id}",
        command=NoteIntent(
            intent_id=intent_id,
            state=IntentState.SUCCEEDED,
            provider_ref=ref,
            evidence="found_by_reference",
        ),
        cause=effect.id,
        trace=effect.trace,
    )


def our_id(effect: Effect) -> str:
    """The box's own id of what an effect does."""
    return effect.natural_key.split(":")[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """The words that every note has, and what else is known."""

    state: IntentState
    ref: str | None
    code: str | None
    evidence: str
    detail: Mapping[str, Any]

    @property
    def page(self) -> str | None:
        """The page that waits for the guest; one that nobody may be sent to is not told."""
        url = self.detail.get("url") if self.state is IntentState.REQUIRES_ACTION else None
        return url if isinstance(url, str) and is_guest_page(url) else None

    def common(self, state: IntentState | None = None) -> dict[str, Any]:
        return {
            "state": state or self.state,
            "provider_ref": self.ref,
            "code": self.code,
            "evidence": self.evidence,
        }


def _letters(effect: Effect, said: _Said, generation: int = 0) -> list[Homeward]:
    command = _COMMANDS.get(effect.kind, _charge)(effect, said)
    if command is None:
        return []
    # The reference is part of the id: what is learned later is another thing to say.
    told = (effect.id, str(effect.attempt), said.state.value, said.ref or "", str(generation))
    return [
        Homeward(
            command_id=derived_id("note", *told),
            # One lane for all of an intent: its capture is told after its hold.
            lane=effect.lane,
            command=command,
            cause=effect.id,
            trace=effect.trace,
        )
    ]


def _charge(effect: Effect, said: _Said) -> Command:
    return NoteIntent(intent_id=our_id(effect), **said.common(), url=said.page)


def _capture(effect: Effect, said: _Said) -> Command:
    return NoteCapture(capture_id=our_id(effect), **said.common())


def _refund(effect: Effect, said: _Said) -> Command:
    return NoteRefund(refund_id=our_id(effect), **said.common())


def _set_up(effect: Effect, said: _Said) -> Command:
    return NoteCardSetUp(
        set_up_id=our_id(effect),
        **said.common(),
        url=said.page,
        customer_ref=said.detail.get("customer_ref"),
        method_ref=said.detail.get("method_ref"),
    )


def _pay_link(effect: Effect, said: _Said) -> Command:
    currency = said.detail.get("currency")
    return NotePayLink(
        link_id=our_id(effect),
        **said.common(),
        url=said.page,
        amount_minor=said.detail.get("amount_minor"),
        currency=currency.upper() if isinstance(currency, str) else None,
    )


def _hold(effect: Effect, said: _Said) -> Command:
    if said.state is not IntentState.SUCCEEDED:
        return _charge(effect, said)
    if said.detail.get("captured"):
        return _taken(effect, said)
    return NoteIntent(
        intent_id=our_id(effect),
        **said.common(IntentState.HELD),
        capture_by_s=said.detail.get("capture_by_s"),
    )


def _release(effect: Effect, said: _Said) -> Command | None:
    """Only its end is told: while it is under way the hold is still held."""
    # A hold too many was never asked for by the box.
    if effect.natural_key.endswith(SECOND) or said.state is not IntentState.SUCCEEDED:
        return None
    if said.detail.get("captured"):
        return _taken(effect, said)
    return NoteIntent(intent_id=our_id(effect), **said.common(IntentState.RELEASED))


def _taken(effect: Effect, said: _Said) -> Command:
    """To the box, a hold that succeeded is one whose money was taken."""
    amount_minor = said.detail.get("amount_minor")
    return NoteIntent(intent_id=our_id(effect), **said.common(), amount_minor=amount_minor)


_COMMANDS: Final[Mapping[str, Callable[[Effect, _Said], Command | None]]] = {
    CAPTURE: _capture,
    HOLD: _hold,
    PAY_LINK: _pay_link,
    REFUND: _refund,
    RELEASE: _release,
    SET_UP: _set_up,
}
