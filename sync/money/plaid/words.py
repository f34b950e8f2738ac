"""What `POST /transactions/sync` answers (the vendor's OpenAPI 2020-09-14), as far as we need it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from appliance.engines.payments.messages import NoteBankFeed, NoteBankLine
from appliance.kernel.money import minor
from appliance.kernel.values import derived_id
from sync.outcome import Homeward

# What the box takes of a line's words.
REFERENCE_CHARS_MAX: Final = 255
HOUR_MS: Final = 3_600_000


class PaymentMeta(msgspec.Struct, frozen=True, kw_only=True):
    """How a transfer was named by whoever sent it."""

    reference_number: str | None = None
    payer: str | None = None
    reason: str | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `amount` is above zero when money *left* the account."""

    transaction_id: str
    account_id: str
    amount: Decimal
    date: date
    pending: bool
    iso_currency_code: str | None
    unofficial_currency_code: str | None = None
    name: str | None = None
    original_description: str | None = None
    pending_transaction_id: str | None = None
    payment_meta: PaymentMeta | None = None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is gone: a pending one that was posted, or one the bank took back."""

    transaction_id: str
    account_id: str


class SyncPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of changes. Its rows are read one by one: one of another form stops no other."""

    added: tuple[msgspec.Raw, ...]
    modified: tuple[msgspec.Raw, ...]
    removed: tuple[msgspec.Raw, ...]
    next_cursor: str
    has_more: bool


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a row that cannot be read."""

    transaction_id: str = "?"


class PlaidError(msgspec.Struct, frozen=True, kw_only=True):
    """Their error; `display_message` is theirs for people and may be missing."""

    error_type: str = ""
    error_code: str = ""


def letter_of(row: Transaction, cursor: str) -> Homeward:
    """A line on its way home. Raises ValueError for money that has no whole number of its unit."""
    currency = row.iso_currency_code
    if currency is None:
        raise ValueError(f"{row.unofficial_currency_code or 'nothing'!r} is no official currency")
    return Homeward(
        # A line may change back to what it was: only the place in the feed makes news one.
        command_id=derived_id("bank", row.transaction_id, cursor),
        lane=f"bank:{row.pending_transaction_id or row.transaction_id}",
        command=NoteBankLine(
            line_id=row.transaction_id,
            account_ref=row.account_id,
            amount_minor=-minor(row.amount, currency),
            currency=currency,
            booked_on=row.date,
            reference=words_of(row),
            pending=row.pending,
            pending_line_id=row.pending_transaction_id,
            evidence="transactions_sync",
        ),
    )


def farewell_of(row: Removed, cursor: str, today: date) -> Homeward:
    """A line that is taken back; the day is of the news, the line's own is known to the box."""
    return Homeward(
        command_id=derived_id("bank", row.transaction_id, cursor, "removed"),
        lane=f"bank:{row.transaction_id}",
        command=NoteBankLine(
            line_id=row.transaction_id,
            account_ref=row.account_id,
            amount_minor=0,
            currency="",
            booked_on=today,
            reference="",
            removed=True,
            evidence="transactions_sync",
        ),
    )


def read_through(item: str, now_ms: int) -> Homeward:
    """A bank login was read to its end: by the hour, one behind, so that its lines are home first.

    The box calls nobody late before it has heard this (anchors P6: expected, unconfirmed).
    """
    hour = now_ms // HOUR_MS
    return Homeward(
        command_id=derived_id("bankfeed", item, str(hour)),
        lane=f"bankfeed:{item}",
        command=NoteBankFeed(account_ref=item, through_s=(hour - 1) * HOUR_MS // 1_000),
    )


def words_of(row: Transaction) -> str:
    """Everything a person may have written to say whose the money is, each once."""
    meta = row.payment_meta or PaymentMeta()
    told = (row.original_description, row.name, meta.reference_number, meta.payer, meta.reason)
    parts: list[str] = []
    for part in told:
        text = " ".join((part or "").split())
        if text and not any(text in known for known in parts):
            parts.append(text)
    return " ".join(parts)[:REFERENCE_CHARS_MAX]
