"""The books: entries of legs that add up to nothing, never changed, taken back by a reversal only.

A leg above zero is a debit, below zero a credit, in minor units of one currency; every entry's
legs add up to zero in each currency. Nothing here updates or deletes an entry or a leg.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from appliance.kernel.engine import Connection, Recorded
from appliance.kernel.reader import Reader

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_entry (
    entry_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    reverses TEXT,
    by_whom TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_entry_subject ON payments_entry (subject, what);
CREATE UNIQUE INDEX IF NOT EXISTS payments_entry_reverses ON payments_entry (reverses)
    WHERE reverses IS NOT NULL;
CREATE TABLE IF NOT EXISTS payments_leg (
    entry_id TEXT NOT NULL,
    leg INTEGER NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    PRIMARY KEY (entry_id, leg)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_leg_account ON payments_leg (account);
CREATE TABLE IF NOT EXISTS payments_account (
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    balance_minor INTEGER NOT NULL,
    own_sale INTEGER NOT NULL,
    PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_account_owed ON payments_account (account)
    WHERE own_sale = 1 AND balance_minor > 0;
CREATE INDEX IF NOT EXISTS payments_account_credit ON payments_account (account)
    WHERE balance_minor < 0
"""
TABLES: Final = ("payments_entry", "payments_leg", "payments_account")

REVENUE_ROOMS: Final = "revenue:rooms"
REVENUE_EXTRAS: Final = "revenue:extras"
REVENUE_RENT: Final = "revenue:rent"
REVENUE_LATE_FEES: Final = "revenue:late_fees"
REFUNDS_PAYABLE: Final = "refunds_payable"
DISPUTES: Final = "disputes"
LOSSES: Final = "losses:disputes"
UNALLOCATED: Final = "unallocated"  # money whose owner nobody knows yet: a liability
SAFE: Final = "safe"
OVER_SHORT: Final = "over_short"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One side of an entry: a debit above zero, a credit below."""

    account: str
    amount_minor: int
    currency: str


class UnbalancedError(Exception):
    """An entry's legs do not add up: a posting rule is wrong; nothing was written. Cure: fix it."""


def guest(stay_id: str, folio: str = "guest") -> str:
    """The guest ledger's account of one folio."""
    return f"guest:{stay_id}" if folio == "guest" else f"guest:{stay_id}/{folio}"


def deposits(stay_id: str) -> str:
    """What was paid for a stay before it began: a liability."""
    return f"deposits:{stay_id}"


def city(stay_id: str) -> str:
    """What a company or an OTA owes for a stay."""
    return f"city:{stay_id}"


def taxes(code: str) -> str:
    """A fee or tax taken for somebody else, by its code."""
    return f"taxes:{code}"


def clearing(provider: str) -> str:
    """Money that a provider has taken for us and not paid out yet."""
    return f"clearing:{provider}"


def rent(lease_id: str) -> str:
    """What a resident owes."""
    return f"rent:{lease_id}"


def bank(account_ref: str, *, pending: bool = False) -> str:
    """Money at a bank; what the bank calls pending stands apart until it is posted."""
    return f"bank_pending:{account_ref}" if pending else f"bank:{account_ref}"


def moved(to: str, from_: str, amount_minor: int, currency: str) -> tuple[Leg, Leg]:
    """Debit one account and credit another by the same amount; below zero it goes the other way."""
    return (
        Leg(account=to, amount_minor=amount_minor, currency=currency),
        Leg(account=from_, amount_minor=-amount_minor, currency=currency),
    )


def check(legs: Iterable[Leg]) -> None:
    """Raise UnbalancedError unless the legs add up to zero in each currency."""
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount_minor
    wrong = {currency: total for currency, total in sums.items() if total != 0}
    if wrong:
        raise UnbalancedError(f"legs are out by {wrong}")


def post(
    db: Connection, recorded: Recorded, what: str, subject: str, legs: Sequence[Leg]
) -> str | None:
    """Write one entry; gives its id, or None where every leg is nothing.

    The id is the fact's position and a number: built anew from the log, the books are the same.
    """
    return _post(db, recorded, what, subject, legs, None)


def reverse(db: Connection, recorded: Recorded, entry_id: str, what: str) -> str | None:
    """Take an entry back by its opposite, once; a second time is nothing."""
    found = db.execute(
        "SELECT subject FROM payments_entry WHERE entry_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM payments_entry r WHERE r.reverses = ?)",
        (entry_id, entry_id),
    ).fetchone()
    if found is None:
        return None
    legs = [
        Leg(account=row[0], amount_minor=-row[2], currency=row[1])
        for row in db.execute(
            "SELECT account, currency, amount_minor FROM payments_leg WHERE entry_id = ?"
            " ORDER BY leg",
            (entry_id,),
        ).fetchall()
    ]
    return _post(db, recorded, what, found[0], legs, entry_id)


def standing(db: Connection, subject: str, what: str) -> str | None:
    """The newest entry of this subject that nobody took back."""
    row = db.execute(
        "SELECT entry_id FROM payments_entry e WHERE subject = ? AND what = ? AND reverses IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM payments_entry r WHERE r.reverses = e.entry_id)"
        " ORDER BY position DESC, entry_id DESC LIMIT 1",
        (subject, what),
    ).fetchone()
    return None if row is None else str(row[0])


def balance(db: Connection, account: str) -> Mapping[str, int]:
    """What stands on an account, by currency."""
    rows = db.execute(
        "SELECT currency, balance_minor FROM payments_account WHERE account = ?", (account,)
    ).fetchall()
    return {row[0]: row[1] for row in rows if row[1]}


def _post(
    db: Connection,
    recorded: Recorded,
    what: str,
    subject: str,
    legs: Sequence[Leg],
    reverses: str | None,
) -> str | None:
    legs = [leg for leg in legs if leg.amount_minor]
    if not legs:
        return None
    check(legs)
    (number,) = db.execute(
        "SELECT count(*) FROM payments_entry WHERE entry_id >= ? AND entry_id < ?",
        # ':' follows '9': every id of this position lies between the two.
        (f"{recorded.position:012d}.0", f"{recorded.position:012d}.:"),
    ).fetchone()
    entry_id = f"{recorded.position:012d}.{number:05d}"
    db.execute(
        "INSERT INTO payments_entry VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            entry_id,
            recorded.position,
            recorded.at_wall_ms,
            what,
            subject,
            reverses,
            recorded.who.actor,
        ),
    )
    for leg_number, leg in enumerate(legs):
        db.execute(
            "INSERT INTO payments_leg VALUES (?, ?, ?, ?, ?)",
            (entry_id, leg_number, leg.account, leg.currency, leg.amount_minor),
        )
        db.execute(
            "INSERT INTO payments_account VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET balance_minor = balance_minor + excluded.balance_minor",
            (leg.account, leg.currency, leg.amount_minor, _own_sale(db, leg.account)),
        )
    return entry_id


def _own_sale(db: Connection, account: str) -> bool:
    """Whether it is a folio of a stay that we sold: these alone are looked through for debts."""
    name, _, of = account.partition(":")
    if name != "guest":
        return False
    row = db.execute(
        "SELECT ours FROM payments_stay WHERE stay_id = ?", (of.partition("/")[0],)
    ).fetchone()
    return row is not None and bool(row[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """What stands on one account in one currency: debit above zero."""

    account: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One entry with its legs."""

    entry_id: str
    at_ms: int
    what: str
    subject: str
    reverses: str | None
    by_whom: str
    legs: tuple[Leg, ...]


# One by one as long as a person reads them; beyond that what parties owe is one line each.
ACCOUNTS_MAX: Final = 2_000
_PARTIES: Final = "('guest', 'deposits', 'city', 'rent', 'cash', 'slips')"


async def trial_balance(reader: Reader) -> list[AccountRow]:
    """Every account that is not empty; over all of them each currency adds up to zero.

    In a house of more than `ACCOUNTS_MAX` the folios stand together as `guest:*`, and so on.
    """
    rows = await reader.rows(
        "SELECT account, currency, balance_minor FROM payments_account WHERE balance_minor != 0"
        " ORDER BY account, currency LIMIT ?",
        (ACCOUNTS_MAX + 1,),
    )
    if len(rows) > ACCOUNTS_MAX:
        head = "substr(account, 1, instr(account, ':') - 1)"
        rows = await reader.rows(
            f"SELECT CASE WHEN {head} IN {_PARTIES} THEN {head} || ':*' ELSE account END,"  # noqa: S608 - our own names
            " currency, sum(balance_minor) FROM payments_account WHERE balance_minor != 0"
            " GROUP BY 1, 2 HAVING sum(balance_minor) != 0 ORDER BY 1, 2"
        )
    return [AccountRow(account=row[0], currency=row[1], balance_minor=row[2]) for row in rows]


# A statement on a screen; what is older is asked for by `before`.
ENTRIES_MAX: Final = 200


async def entries_of(reader: Reader, account: str, before: str = "~") -> list[EntryRow]:
    """The newest entries that touch an account, newest first, at most 200; older than `before`."""
    rows = await reader.rows(
        "SELECT e.entry_id, e.at_ms, e.what, e.subject, e.reverses, e.by_whom"
        # The newest are picked from the account's own index: revenue has an entry for every night.
        " FROM (SELECT DISTINCT entry_id FROM payments_leg WHERE account = ? AND entry_id < ?"
        "  ORDER BY entry_id DESC LIMIT ?) l"
        " JOIN payments_entry e ON e.entry_id = l.entry_id ORDER BY e.entry_id DESC",
        (account, before, ENTRIES_MAX),
    )
    legs: dict[str, list[Leg]] = {row[0]: [] for row in rows}
    for entry_id, other, amount_minor, currency in await reader.rows(
        "SELECT entry_id, account, amount_minor, currency FROM payments_leg"
        " WHERE entry_id IN (SELECT value FROM json_each(?)) ORDER BY entry_id, leg",
        (json.dumps(list(legs)),),
    ):
        legs[entry_id].append(Leg(account=other, amount_minor=amount_minor, currency=currency))
    return [
        EntryRow(
            entry_id=row[0],
            at_ms=row[1],
            what=row[2],
            subject=row[3],
            reverses=row[4],
            by_whom=row[5],
            legs=tuple(legs[row[0]]),
        )
        for row in rows
    ]
