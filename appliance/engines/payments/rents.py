"""The tables of rents: who owes how much a month, what was charged, and what the bank has said."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from appliance.engines.payments import journal
from appliance.engines.payments.drawers import drawer_account
from appliance.engines.payments.messages import BankLineNoted, BankLineRemoved
from appliance.engines.payments.rent_messages import (
    BankFeedRead,
    BankLineMatched,
    LateFeeCharged,
    RentAgreed,
    RentCharged,
    RentEnded,
    RentReceived,
)
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.reader import Reader

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_rent (
    lease_id TEXT PRIMARY KEY,
    monthly_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    starts TEXT NOT NULL,
    ends TEXT,
    due_day INTEGER NOT NULL,
    reference TEXT NOT NULL,
    charged_month TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_rent_reference ON payments_rent (reference);
CREATE TABLE IF NOT EXISTS payments_rent_charge (
    lease_id TEXT NOT NULL,
    due_on TEXT NOT NULL,
    charge_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    for_charge_id TEXT,
    PRIMARY KEY (lease_id, due_on, charge_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_bank_feed (
    account_ref TEXT PRIMARY KEY,
    through_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_rent_cash (
    payment_id TEXT PRIMARY KEY,
    shift TEXT,
    amount_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_rent_cash_shift ON payments_rent_cash (shift);
CREATE INDEX IF NOT EXISTS payments_rent_owed ON payments_account (balance_minor)
    WHERE account >= 'rent:' AND account < 'rent;' AND balance_minor > 0
"""
TABLES: Final = (
    "payments_rent",
    "payments_rent_charge",
    "payments_bank_feed",
    "payments_rent_cash",
)
# Payments are taken for the oldest charges first, so what is open is the newest: three years of
# rents and fees are more than any house waits for.
OPEN_MAX: Final = 72
_WORD: Final = re.compile(r"[A-Z0-9]+")
REFERENCE_CHARS_MIN, REFERENCE_CHARS_MAX = 4, 20
# A line of a statement has 140 characters (SEPA, unstructured remittance information).
WORDS_MAX: Final = 40


def plain_reference(text: str) -> str:
    """A reference as it is compared: letters and digits, upper case."""
    return "".join(_WORD.findall(text.upper()))


def words_of(text: str) -> tuple[str, ...]:
    """What in a line of a statement may be a reference: its words, and each two that stand together."""
    words = _WORD.findall(text.upper())[:WORDS_MAX]
    pairs = [one + other for one, other in itertools.pairwise(words)]
    fits = range(REFERENCE_CHARS_MIN, REFERENCE_CHARS_MAX + 1)
    return tuple(dict.fromkeys(each for each in (*words, *pairs) if len(each) in fits))


def _agreed(db: Connection, event: RentAgreed, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_rent VALUES (?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET"
        " monthly_minor = excluded.monthly_minor, due_day = excluded.due_day,"
        " reference = excluded.reference, ends = excluded.ends",
        (
            event.lease_id,
            event.monthly_minor,
            event.currency,
            event.starts.isoformat(),
            event.ends.isoformat() if event.ends else None,
            event.due_day,
            event.reference,
        ),
    )


def _ended(db: Connection, event: RentEnded, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE payments_rent SET ends = ? WHERE lease_id = ?",
        (event.ends.isoformat(), event.lease_id),
    )


def _charged(db: Connection, event: RentCharged, recorded: Recorded) -> None:
    _keep_charge(db, event, "rent", None)
    db.execute(
        "UPDATE payments_rent SET charged_month = ? WHERE lease_id = ?",
        (event.month.isoformat(), event.lease_id),
    )
    legs = journal.moved(
        journal.rent(event.lease_id), journal.REVENUE_RENT, event.amount_minor, event.currency
    )
    journal.post(db, recorded, "rent", event.charge_id, legs)


def _late_fee(db: Connection, event: LateFeeCharged, recorded: Recorded) -> None:
    _keep_charge(db, event, "late_fee", event.for_charge_id)
    legs = journal.moved(
        journal.rent(event.lease_id), journal.REVENUE_LATE_FEES, event.amount_minor, event.currency
    )
    journal.post(db, recorded, "late_fee", event.charge_id, legs)


def _keep_charge(
    db: Connection, event: RentCharged | LateFeeCharged, kind: str, of: str | None
) -> None:
    db.execute(
        "INSERT INTO payments_rent_charge VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            event.lease_id,
            event.due_on.isoformat(),
            event.charge_id,
            kind,
            event.amount_minor,
            event.currency,
            of,
        ),
    )


def _received(db: Connection, event: RentReceived, recorded: Recorded) -> None:
    if event.means == "cash":
        db.execute(
            "INSERT INTO payments_rent_cash VALUES (?, ?, ?)",
            (event.payment_id, recorded.who.shift, event.amount_minor),
        )
    has = drawer_account(db, event.means, recorded.who.terminal)
    legs = journal.moved(has, journal.rent(event.lease_id), event.amount_minor, event.currency)
    journal.post(db, recorded, "rent_payment", event.payment_id, legs)


def _line_noted(db: Connection, event: BankLineNoted, recorded: Recorded) -> None:
    _take_back(db, event.line_id, recorded)
    to = journal.UNALLOCATED if event.lease_id is None else journal.rent(event.lease_id)
    has = journal.bank(event.account_ref, pending=event.pending)
    legs = journal.moved(has, to, event.amount_minor, event.currency)
    journal.post(db, recorded, "bank_line", event.line_id, legs)


def _line_removed(db: Connection, event: BankLineRemoved, recorded: Recorded) -> None:
    _take_back(db, event.line_id, recorded)


def _take_back(db: Connection, line_id: str, recorded: Recorded) -> None:
    for what in ("bank_matched", "bank_line"):
        entry_id = journal.standing(db, line_id, what)
        if entry_id is not None:
            journal.reverse(db, recorded, entry_id, "bank_line_back")


def _line_matched(db: Connection, event: BankLineMatched, recorded: Recorded) -> None:
    row = db.execute(
        "SELECT amount_minor, currency FROM payments_bank_line WHERE line_id = ?", (event.line_id,)
    ).fetchone()
    legs = journal.moved(journal.UNALLOCATED, journal.rent(event.lease_id), row[0], row[1])
    journal.post(db, recorded, "bank_matched", event.line_id, legs)


def _feed_read(db: Connection, event: BankFeedRead, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_bank_feed VALUES (?, ?) ON CONFLICT DO UPDATE"
        " SET through_s = excluded.through_s",
        (event.account_ref, event.through_s),
    )


ON: Final[dict[type[Event], Apply]] = {
    RentAgreed: _agreed,
    RentEnded: _ended,
    RentCharged: _charged,
    LateFeeCharged: _late_fee,
    RentReceived: _received,
    BankLineNoted: _line_noted,
    BankLineRemoved: _line_removed,
    BankLineMatched: _line_matched,
    BankFeedRead: _feed_read,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One charge of a lease, and what of it is still open."""

    charge_id: str
    kind: str  # "rent", "late_fee"
    due_on: date
    amount_minor: int
    for_charge_id: str | None = None
    open_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrears:
    """What a lease owes, oldest first; `unconfirmed` while the bank has not been heard since."""

    lease_id: str
    owed_minor: int
    currency: str
    oldest_due: date
    days_late: int
    unconfirmed: bool
    charges: tuple[Charge, ...]


def still_open(charges: Sequence[Charge], owed_minor: int) -> list[Charge]:
    """The charges (oldest first) that are not paid: what came is taken for the oldest first.

    So what is owed stands on the newest. Below zero it is a credit, and nothing is open.
    """
    found: list[Charge] = []
    left = owed_minor
    for each in reversed(charges):
        if left <= 0:
            break
        share = min(each.amount_minor, left)
        left -= share
        found.append(
            Charge(
                charge_id=each.charge_id,
                kind=each.kind,
                due_on=each.due_on,
                amount_minor=each.amount_minor,
                for_charge_id=each.for_charge_id,
                open_minor=share,
            )
        )
    return found[::-1]


CHARGES: Final = (
    "SELECT charge_id, kind, due_on, amount_minor, for_charge_id"  # noqa: S608 - our own number
    f" FROM payments_rent_charge WHERE lease_id = ? ORDER BY due_on DESC, charge_id DESC"
    f" LIMIT {OPEN_MAX}"
)
OWED: Final = "SELECT balance_minor FROM payments_account WHERE account = ? AND currency = ?"
# The feed that is the furthest behind: a house with two accounts waits for both.
FEED: Final = "SELECT min(through_s) FROM payments_bank_feed"


def charges_from(rows: Sequence[tuple[Any, ...]]) -> list[Charge]:
    """Rows of CHARGES as values, oldest first."""
    return [
        Charge(
            charge_id=row[0],
            kind=row[1],
            due_on=date.fromisoformat(row[2]),
            amount_minor=row[3],
            for_charge_id=row[4],
        )
        for row in reversed(rows)
    ]


def heard_since(through_s: int | None, due_on: date) -> bool:
    """Whether the bank was heard after the day on which something was due; without a feed, yes."""
    if through_s is None:
        return True
    return date(1970, 1, 1) + timedelta(seconds=through_s) > due_on


# As many as a person goes through; the rest follows as these pay, for the oldest debts come first.
ROWS_MAX: Final = 500
# What is owed stands on the newest charges: running from the newest back, the last one that the
# balance reaches is the oldest that is open, `still_open` in SQL. It picks whose rows are read.
_OLDEST_DUE: Final = """
SELECT account, currency, balance_minor, min(due_on) AS oldest FROM (
    SELECT a.account, a.currency, a.balance_minor, c.due_on, c.amount_minor,
        sum(c.amount_minor) OVER (PARTITION BY a.account, a.currency
            ORDER BY c.due_on DESC, c.charge_id DESC ROWS UNBOUNDED PRECEDING) AS back_to
    FROM payments_account a JOIN payments_rent_charge c ON c.lease_id = substr(a.account, 6)
    WHERE a.account >= 'rent:' AND a.account < 'rent;' AND a.balance_minor > 0
) WHERE back_to - amount_minor < balance_minor AND due_on <= ?
GROUP BY account, currency ORDER BY oldest, account LIMIT ?
"""


async def arrears(reader: Reader, today: date) -> list[Arrears]:
    """Leases that owe something that is due, the oldest first, at most 500."""
    feed = await reader.row(FEED)
    rows = await reader.rows(_OLDEST_DUE, (today.isoformat(), ROWS_MAX))
    found = []
    for account, currency, owed_minor, _ in rows:
        lease_id = account.removeprefix("rent:")
        charges = charges_from(await reader.rows(CHARGES, (lease_id,)))
        due = [each for each in still_open(charges, owed_minor) if each.due_on <= today]
        if not due:
            continue
        found.append(
            Arrears(
                lease_id=lease_id,
                owed_minor=sum(each.open_minor for each in due),
                currency=currency,
                oldest_due=due[0].due_on,
                days_late=(today - due[0].due_on).days,
                unconfirmed=not heard_since(feed[0] if feed else None, due[0].due_on),
                charges=tuple(due),
            )
        )
    return sorted(found, key=lambda each: (each.oldest_due, each.lease_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class RentRow:
    """A lease's rent and what stands on it: below zero it is a credit."""

    lease_id: str
    monthly_minor: int
    currency: str
    starts: str
    ends: str | None
    due_day: int
    reference: str
    owed_minor: int


async def rent_of(reader: Reader, lease_id: str) -> RentRow | None:
    """The rent of one lease; None: none was agreed."""
    row = await reader.row(
        "SELECT r.lease_id, r.monthly_minor, r.currency, r.starts, r.ends, r.due_day, r.reference,"
        " coalesce(a.balance_minor, 0) FROM payments_rent r LEFT JOIN payments_account a"
        " ON a.account = 'rent:' || r.lease_id AND a.currency = r.currency WHERE r.lease_id = ?",
        (lease_id,),
    )
    if row is None:
        return None
    return RentRow(**dict(zip(RentRow.__dataclass_fields__, row, strict=True)))
