"""Lines of bank accounts as a feed tells them, late, twice and pending first: one posting each."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.engines.payments.messages import (
    BankLineNoted,
    BankLineRemoved,
    NoteBankLine,
    Refusal,
)
from appliance.engines.payments.rules import REFERENCE_CHARS_MAX, text_refusal
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event
from appliance.kernel.money import AMOUNT_MINOR_MAX
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id, looks_like_card_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the last fact of a line said."""

    amount_minor: int
    currency: str
    pending: bool
    removed: bool
    lease_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankScene:
    """A line as it is known (None: not), the pending one it stands for, and whose rent it may be.

    `by_reference` are leases whose reference is among the line's words, `by_amount` those that owe
    exactly this much; two of a kind are none.
    """

    line: Line | None = None
    replaced: Line | None = None
    posted: bool = False  # another line has taken its place
    by_reference: tuple[str, ...] = ()
    by_amount: tuple[str, ...] = ()


def note_bank_line(scene: BankScene, command: NoteBankLine, _context: Context) -> Decision:
    """A line once; posted takes the place of pending; removed takes it back."""
    refusal = _refusal(command)
    if refusal is not None:
        return refusal
    stands = scene.line is not None and not scene.line.removed
    if command.removed:
        gone = BankLineRemoved(line_id=command.line_id, evidence=command.evidence)
        return [gone] if stands else []
    if scene.posted and command.pending:
        return Yes(events=[])
    if stands and scene.line is not None and _same(scene.line, command):
        return Yes(events=[])
    events: list[Event] = []
    if scene.replaced is not None and not scene.replaced.removed and command.pending_line_id:
        events.append(BankLineRemoved(line_id=command.pending_line_id, evidence="posted"))
    lease_id, matched = _whose(scene, command)
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
        lease_id=lease_id,
        matched=matched,
    )
    return Yes(events=[*events, noted])


def _same(line: Line, command: NoteBankLine) -> bool:
    told = (command.amount_minor, command.currency, command.pending)
    return (line.amount_minor, line.currency, line.pending) == told


def _whose(scene: BankScene, command: NoteBankLine) -> tuple[str | None, str]:
    """Money that came in: whose it was said to be before, else by reference, else by amount."""
    if command.amount_minor <= 0:
        return None, ""
    for before in (scene.line, scene.replaced):
        if before is not None and before.lease_id is not None:
            return before.lease_id, "before"
    if len(scene.by_reference) == 1:
        return scene.by_reference[0], "reference"
    if not scene.by_reference and len(scene.by_amount) == 1:
        return scene.by_amount[0], "amount"
    return None, ""


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
