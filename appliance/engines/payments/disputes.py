"""Money that somebody takes back or nobody knows: disputes of cardholders, strays at providers."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    DisputeNoted,
    DisputeState,
    NoteDispute,
    NoteStrayPayment,
    Refusal,
    StrayMoneyFound,
)
from appliance.engines.payments.rules import REFERENCE_CHARS_MAX, text_refusal
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.money import AMOUNT_MINOR_MAX
from appliance.kernel.values import derived_id, looks_like_card_number

ENDED = frozenset({DisputeState.WON, DisputeState.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeScene:
    """What is known of a dispute (None: nothing yet), and whose payment it is about."""

    state: DisputeState | None = None
    due_s: int | None = None
    payment_id: str | None = None
    stay_id: str | None = None


def note_dispute(  # noqa: PLR0911 - one way out for each reason
    scene: DisputeScene, command: NoteDispute, _context: Context
) -> Decision:
    """The same news twice is one fact; what the bank decided stays decided."""
    refusal = _reference_refusal(command.dispute_id, command.provider_ref)
    if refusal is not None:
        return refusal
    if not 0 < command.amount_minor <= AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    if len(command.reason) > REFERENCE_CHARS_MAX:
        return Refusal.TOO_LONG
    if looks_like_card_number(command.reason):
        return Refusal.CARD_NUMBER
    if scene.state is command.state and scene.due_s == (command.due_s or scene.due_s):
        return Yes(events=[])
    if scene.state in ENDED:
        if command.state not in ENDED:
            # Webhooks come in any order: an older word after the last one is no news.
            return Yes(events=[])
        return No(refusal=Refusal.ALREADY_FINAL, detail={"state": str(scene.state)})
    event = DisputeNoted(
        dispute_id=command.dispute_id,
        provider=command.provider,
        provider_ref=command.provider_ref,
        payment_id=scene.payment_id,
        stay_id=scene.stay_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        state=command.state,
        reason=command.reason,
        due_s=command.due_s or scene.due_s,
        evidence=command.evidence,
    )
    return Yes(events=[event], result={"state": command.state.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayScene:
    """Whether this money is known already, as a payment or as a stray."""

    known: bool = False


def note_stray_payment(scene: StrayScene, command: NoteStrayPayment, _context: Context) -> Decision:
    """Once for each reference of the provider's, and never of money that is on a folio."""
    refusal = _reference_refusal(command.provider_ref, command.provider)
    if refusal is not None:
        return refusal
    if not 0 < command.amount_minor <= AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    if looks_like_card_number(command.our_ref):
        return Refusal.CARD_NUMBER
    stray_id = stray_id_of(command.provider_ref)
    if scene.known:
        return Yes(events=[])
    event = StrayMoneyFound(
        stray_id=stray_id,
        provider=command.provider,
        provider_ref=command.provider_ref,
        amount_minor=command.amount_minor,
        currency=command.currency,
        our_ref=command.our_ref[:REFERENCE_CHARS_MAX],
        evidence=command.evidence,
    )
    return Yes(events=[event], result={"stray_id": stray_id})


def stray_id_of(provider_ref: str) -> str:
    """The id of a stray: the provider's reference again, always the same."""
    return derived_id("stray", provider_ref)


def _reference_refusal(*references: str) -> Refusal | None:
    found = (text_refusal(each, REFERENCE_CHARS_MAX) for each in references)
    return next((each for each in found if each is not None), None)
