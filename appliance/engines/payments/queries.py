"""What can be asked of the folios: balances, statements, what is asked of providers, cash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.engines.payments.messages import BankLineNoted, IntentState
from appliance.engines.payments.state import BLOCKING, Kind
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed
from appliance.kernel.vault import Vault

# Pending is what may still arrive by itself; a card that wants its guest does not.
PENDING = BLOCKING
# Charges of a stay: a cancelled stay or a no-show owes only what somebody posted.
_ON_FOLIO = "(s.on_folio = 1 OR l.kind NOT IN ('night', 'fee'))"
# What goes back makes what was paid less; what a company pays later is paid on the folio.
_OF_PAYMENT = frozenset({"payment", "refund", "billed"})
_NOT_CHARGES = "('refund', 'billed')"
CHARGES = (
    "SELECT coalesce(sum(l.amount_minor), 0) FROM payments_line l JOIN payments_stay s"  # noqa: S608
    f" ON s.stay_id = l.stay_id WHERE l.stay_id = ? AND {_ON_FOLIO}"
    f" AND l.kind NOT IN {_NOT_CHARGES}"
)
PAID = (
    "SELECT coalesce((SELECT sum(amount_minor) FROM payments_payment WHERE stay_id = ?1), 0)"  # noqa: S608
    " - coalesce((SELECT sum(amount_minor) FROM payments_line WHERE stay_id = ?1"
    f" AND kind IN {_NOT_CHARGES}), 0)"
)
_MARKS = ", ".join(f"'{state.value}'" for state in sorted(PENDING))
PENDING_SUM = (
    "SELECT coalesce(sum(amount_minor), 0) FROM payments_intent"  # noqa: S608 - our own states
    f" WHERE stay_id = ? AND kind IN ('deposit', 'capture') AND state IN ({_MARKS})"
)
_INTENT = (
    "intent_id, stay_id, amount_minor, currency, state, code, asked_at_ms, not_after_s, kind, of_id,"
    " capture_by_s, url, releasing"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """One line of a folio: what is owed above zero, what was paid below."""

    line_id: str
    kind: str  # "night", "fee", "charge", "correction", "transfer", "refund", "billed", "payment"
    at_ms: int
    text: str
    amount_minor: int
    folio: str = "guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRow:
    """One thing asked of a provider."""

    intent_id: str
    stay_id: str
    amount_minor: int
    currency: str
    state: IntentState
    code: str | None
    asked_at_ms: int
    not_after_s: int  # until when it may be sent, or paid; 0: no end
    kind: Kind
    of_id: str  # the hold of a capture, the payment of a refund
    capture_by_s: int | None  # of a hold
    url: str | None
    releasing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceRow:
    """What a stay owes. Pending money is not paid; due is what is owed without it."""

    charges_minor: int
    paid_minor: int
    pending_minor: int
    currency: str
    saved_card: bool
    lines: Sequence[LineRow] = field(default_factory=tuple)
    intents: Sequence[IntentRow] = field(default_factory=tuple)

    @property
    def due_minor(self) -> int:
        """Charges less what has arrived; below zero the house owes the guest."""
        return self.charges_minor - self.paid_minor


async def balance(
    reader: Reader, vault: Vault, stay_id: str, folio: str | None = None
) -> BalanceRow:
    """The balance of one stay, or of one of its folios; of an unknown one, nothing."""
    house = await reader.row("SELECT currency FROM payments_house")
    stay = await reader.row(
        "SELECT saved_card, on_folio FROM payments_stay WHERE stay_id = ?", (stay_id,)
    )
    saved_card, on_folio = stay or (0, 0)
    lines = await _lines(reader, vault, stay_id, on_folio=bool(on_folio))
    if folio is not None:
        lines = [each for each in lines if each.folio == folio]
    intents = await intents_of(reader, stay_id)
    return BalanceRow(
        charges_minor=sum(each.amount_minor for each in lines if each.kind not in _OF_PAYMENT),
        paid_minor=-sum(each.amount_minor for each in lines if each.kind in _OF_PAYMENT),
        pending_minor=sum(
            each.amount_minor
            for each in intents
            if each.kind in {Kind.DEPOSIT, Kind.CAPTURE} and each.state in PENDING
        ),
        currency=house[0] if house else "",
        saved_card=bool(saved_card),
        lines=lines,
        intents=intents,
    )


async def _lines(reader: Reader, vault: Vault, stay_id: str, *, on_folio: bool) -> list[LineRow]:
    rows = await reader.rows(
        "SELECT line_id, kind, at_ms, text, amount_minor, subject, box, place, folio"
        " FROM payments_line WHERE stay_id = ? AND (? OR kind NOT IN ('night', 'fee'))"
        " ORDER BY kind = 'night' DESC, kind = 'fee' DESC, at_ms, line_id",
        (stay_id, on_folio),
    )
    paid = await reader.rows(
        "SELECT payment_id, 'payment', at_ms, means, -amount_minor, NULL, NULL,"
        " NULL, folio FROM payments_payment WHERE stay_id = ? ORDER BY at_ms, payment_id",
        (stay_id,),
    )
    return [
        LineRow(
            line_id=row[0],
            kind=row[1],
            at_ms=row[2],
            text=_text(vault, row),
            amount_minor=row[4],
            folio=row[8],
        )
        for row in (*rows, *paid)
    ]


def _text(vault: Vault, row: tuple[Any, ...]) -> str:
    if row[6] is None:
        return str(row[3])
    # A forgotten guest's charge keeps its amount and loses its words.
    sealed = Sealed(subject=row[5], box=bytes(row[6]))
    return vault.open(sealed, str(row[7]).encode()) or ""


async def intents_of(reader: Reader, stay_id: str) -> list[IntentRow]:
    """Every deposit asked for of one stay, oldest first."""
    rows = await reader.rows(
        f"SELECT {_INTENT} FROM payments_intent WHERE stay_id = ?"  # noqa: S608
        " ORDER BY asked_at_ms, intent_id",
        (stay_id,),
    )
    return [_intent(row) for row in rows]


# 500: more than any shift hands over; the next ones follow as these are explained.
PENDING_MAX = 500


async def pending_intents(reader: Reader) -> list[IntentRow]:
    """Everything asked whose end is not known, oldest first: for the hand-over."""
    rows = await reader.rows(
        f"SELECT {_INTENT} FROM payments_intent WHERE state IN ({_MARKS})"  # noqa: S608
        " ORDER BY asked_at_ms, intent_id LIMIT ?",
        (PENDING_MAX,),
    )
    return [_intent(row) for row in rows]


def _intent(row: tuple[Any, ...]) -> IntentRow:
    return IntentRow(
        intent_id=row[0],
        stay_id=row[1],
        amount_minor=row[2],
        currency=row[3],
        state=IntentState(row[4]),
        code=row[5],
        asked_at_ms=row[6],
        not_after_s=row[7],
        kind=Kind(row[8]),
        of_id=row[9],
        capture_by_s=row[10],
        url=row[11],
        releasing=bool(row[12]),
    )


async def cash_of_shift(reader: Reader, shift: str | None) -> int:
    """Cash taken in one shift, rents too, less what was given back; None is outside of any."""
    row = await reader.row(
        "SELECT coalesce((SELECT sum(amount_minor) FROM payments_payment"
        " WHERE means = 'cash' AND shift IS ?1), 0)"
        " + coalesce((SELECT sum(amount_minor) FROM payments_rent_cash WHERE shift IS ?1), 0)"
        " - coalesce((SELECT sum(amount_minor) FROM payments_cash_back WHERE shift IS ?1), 0)",
        (shift,),
    )
    return int(row[0]) if row else 0


async def currency(reader: Reader) -> str:
    """The property's currency; empty before it is set up."""
    row = await reader.row("SELECT currency FROM payments_house")
    return str(row[0]) if row else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeRow:
    """One dispute of a cardholder."""

    dispute_id: str
    provider: str
    payment_id: str | None
    stay_id: str | None
    amount_minor: int
    currency: str
    state: str
    reason: str
    due_s: int | None


# More disputes than this at once, and the provider has closed the account.
DISPUTES_MAX = 200


async def disputes(reader: Reader) -> list[DisputeRow]:
    """Disputes, open ones first, the next end first."""
    rows = await reader.rows(
        "SELECT dispute_id, provider, payment_id, stay_id, amount_minor, currency, state, reason,"
        " due_s FROM payments_dispute ORDER BY state IN ('won', 'lost'), due_s IS NULL, due_s,"
        " dispute_id LIMIT ?",
        (DISPUTES_MAX,),
    )
    names = tuple(DisputeRow.__dataclass_fields__)
    return [DisputeRow(**dict(zip(names, row, strict=True))) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLineRow:
    """A line of the bank without a lease."""

    line_id: str
    account_ref: str
    amount_minor: int
    currency: str
    booked_on: str
    pending: bool
    reference: str


# What a manager goes through in an hour; the next ones follow as these are matched.
LINES_MAX = 200
_LINE_PLACE = f"{BankLineNoted.kind}:reference".encode()


async def unmatched_lines(reader: Reader, vault: Vault) -> list[BankLineRow]:
    """Money that came in and is nobody's yet, newest first."""
    rows = await reader.rows(
        "SELECT line_id, account_ref, amount_minor, currency, booked_on, pending, subject, box"
        " FROM payments_bank_line WHERE lease_id IS NULL AND removed = 0 AND amount_minor > 0"
        " ORDER BY booked_on DESC, line_id LIMIT ?",
        (LINES_MAX,),
    )
    return [
        BankLineRow(
            line_id=row[0],
            account_ref=row[1],
            amount_minor=row[2],
            currency=row[3],
            booked_on=row[4],
            pending=bool(row[5]),
            reference=vault.open(Sealed(subject=row[6], box=bytes(row[7])), _LINE_PLACE) or "",
        )
        for row in rows
    ]
