"""Lines of bank accounts as a feed tells them, late, twice and pending first: one posting each."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    BankLineNoted,
    BankLineRemoved,
    NoteBankLine,
    Refusal,
)
from appliance.engines.payments.rules import AMOUNT_MINOR_MAX, REFERENCE_CHARS_MAX, text_refusal
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id, looks_like_card_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the last fact of a line said."""

    amount_minor: int
    currency: str
    pending: bool
    removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BankScene:
    """A line as it is known (None: not), and the pending one that it stands for."""

    line: Line | None = None
    replaced: Line | None = None


def note_bank_line(scene: BankScene, command: NoteBankLine, _context: Context) -> Decision:
    """A line once; posted takes the place of pending; removed takes it back."""
    refusal = _refusal(command)
    if refusal is not None:
        return refusal
    stands = scene.line is not None and not scene.line.removed
    if command.removed:
        gone = BankLineRemoved(line_id=command.line_id, evidence=command.evidence)
        return [gone] if stands else []
    told = Line(
        amount_minor=command.amount_minor,
        currency=command.currency,
        pending=command.pending,
        removed=False,
    )
    if scene.line == told:
        return Yes(events=[])
    events: list[Event] = []
    if scene.replaced is not None and not scene.replaced.removed and command.pending_line_id:
        events.append(BankLineRemoved(line_id=command.pending_line_id, evidence="posted"))
    noted = BankLineNoted(
        line_id=command.line_id,
        account_ref=command.account_ref,
        amount_minor=command.amount_minor,
        currency=command.currency,
        booked_on=command.booked_on,
        # Nobody's person yet: what is written in a line is forgotten with the line's account.
        reference=seal_later(derived_id("account", command.account_ref), _words(command)),
        pending=command.pending,
        pending_line_id=command.pending_line_id,
        evidence=command.evidence,
    )
    return Yes(events=[*events, noted])


def _refusal(command: NoteBankLine) -> Refusal | None:
    for each in (command.line_id, command.account_ref):
        refusal = text_refusal(each, REFERENCE_CHARS_MAX)
        if refusal is not None:
            return refusal
    if abs(command.amount_minor) > AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    return Refusal.TOO_LONG if len(command.reference) > REFERENCE_CHARS_MAX else None


def _words(command: NoteBankLine) -> str:
    """A bank's own number may pass Luhn: the line is money and stays, the words do not."""
    return "" if looks_like_card_number(command.reference) else command.reference
