"""The tables of what was asked of providers, of disputes and strays, and of banks' lines."""

from __future__ import annotations

from typing import Any, Final

from appliance.engines.payments.messages import (
    BankLineNoted,
    BankLineRemoved,
    DisputeNoted,
    HoldReleaseAsked,
    IntentState,
    RecoveryDue,
    SecondChargeFound,
    StrayMoneyFound,
    StraySettled,
    UnpaidAccepted,
)
from appliance.engines.payments.rent_messages import BankLineMatched
from appliance.engines.payments.state import ASKED, FINAL, NOTED, Kind
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_intent (
    intent_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    of_id TEXT NOT NULL,
    stay_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    code TEXT,
    provider_ref TEXT,
    asked_at_ms INTEGER NOT NULL,
    not_after_s INTEGER NOT NULL,
    capture_by_s INTEGER,
    releasing INTEGER NOT NULL,
    url TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_intent_stay ON payments_intent (stay_id);
CREATE INDEX IF NOT EXISTS payments_intent_state ON payments_intent (state);
CREATE INDEX IF NOT EXISTS payments_intent_of ON payments_intent (of_id);
CREATE TABLE IF NOT EXISTS payments_dispute (
    dispute_id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    provider_ref TEXT NOT NULL,
    payment_id TEXT,
    stay_id TEXT,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    due_s INTEGER,
    opened_at_ms INTEGER NOT NULL,
    changed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_stray (
    stray_id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    provider_ref TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    our_ref TEXT NOT NULL,
    stay_id TEXT,
    at_ms INTEGER NOT NULL,
    settled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_bank_line (
    line_id TEXT PRIMARY KEY,
    account_ref TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    booked_on TEXT NOT NULL,
    pending INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    lease_id TEXT,
    matched TEXT NOT NULL,
    subject TEXT NOT NULL,
    box BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    pending_line_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_bank_line_pending ON payments_bank_line (pending_line_id)
    WHERE pending_line_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS payments_second (
    payment_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    refund_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_told (
    item_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_accepted (
    item_id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    by_whom TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
TABLES: Final = (
    "payments_intent",
    "payments_dispute",
    "payments_stray",
    "payments_bank_line",
    "payments_second",
    "payments_told",
    "payments_accepted",
)


def _asked(event: type[Event]) -> Apply:
    """Something is asked of a provider: one row, whatever it is."""
    kind, id_field, of_field = ASKED[event]
    end = _ENDS.get(kind)

    def apply(db: Connection, event: Any, recorded: Recorded) -> None:
        db.execute(
            "INSERT INTO payments_intent VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, NULL, 0,"
            " NULL)",
            (
                getattr(event, id_field),
                kind.value,
                getattr(event, of_field) if of_field else "",
                event.stay_id,
                getattr(event, "amount_minor", 0),
                getattr(event, "currency", ""),
                IntentState.QUEUED.value,
                recorded.at_wall_ms,
                getattr(event, end) if end else 0,
            ),
        )

    return apply


_ENDS = {
    Kind.DEPOSIT: "not_after_s",
    Kind.HOLD: "not_after_s",
    Kind.CAPTURE: "capture_by_s",
    Kind.LINK: "expires_s",
}


def _noted(event: type[Event]) -> Apply:
    """A provider said something of it."""
    id_field = NOTED[event]

    def apply(db: Connection, event: Any, _recorded: Recorded) -> None:
        db.execute(
            "UPDATE payments_intent SET state = ?, code = ?,"
            " provider_ref = coalesce(?, provider_ref),"
            " url = CASE WHEN ? THEN NULL ELSE coalesce(?, url) END,"
            " capture_by_s = coalesce(?, capture_by_s) WHERE intent_id = ?",
            (
                event.state.value,
                event.code,
                getattr(event, "provider_ref", None),
                event.state in FINAL,
                getattr(event, "url", None),
                getattr(event, "capture_by_s", None),
                getattr(event, id_field),
            ),
        )

    return apply


def _releasing(db: Connection, event: HoldReleaseAsked, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_intent SET releasing = 1 WHERE intent_id = ?", (event.intent_id,))


def _dispute_noted(db: Connection, event: DisputeNoted, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_dispute VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason,"
        " due_s = excluded.due_s, amount_minor = excluded.amount_minor,"
        " changed_at_ms = excluded.changed_at_ms",
        (
            event.dispute_id,
            event.provider,
            event.provider_ref,
            event.payment_id,
            event.stay_id,
            event.amount_minor,
            event.currency,
            event.state.value,
            event.reason,
            event.due_s,
            recorded.at_wall_ms,
            recorded.at_wall_ms,
        ),
    )


def _stray_found(db: Connection, event: StrayMoneyFound, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR IGNORE INTO payments_stray VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (
            event.stray_id,
            event.provider,
            event.provider_ref,
            event.amount_minor,
            event.currency,
            event.our_ref,
            event.stay_id,
            recorded.at_wall_ms,
        ),
    )


def _bank_line(db: Connection, event: BankLineNoted, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO payments_bank_line VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        (
            event.line_id,
            event.account_ref,
            event.amount_minor,
            event.currency,
            event.booked_on.isoformat(),
            int(event.pending),
            event.lease_id,
            event.matched,
            event.reference.subject,
            event.reference.box,
            recorded.at_wall_ms,
            event.pending_line_id,
        ),
    )


def _bank_line_removed(db: Connection, event: BankLineRemoved, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_bank_line SET removed = 1 WHERE line_id = ?", (event.line_id,))


def _stray_settled(db: Connection, event: StraySettled, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_stray SET settled = 1 WHERE stray_id = ?", (event.stray_id,))


def _matched(db: Connection, event: BankLineMatched, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE payments_bank_line SET lease_id = ?, matched = 'person' WHERE line_id = ?",
        (event.lease_id, event.line_id),
    )


def _second(db: Connection, event: SecondChargeFound, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR IGNORE INTO payments_second VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            event.payment_id,
            event.stay_id,
            event.intent_id,
            event.refund_id,
            event.amount_minor,
            event.currency,
            recorded.at_wall_ms,
        ),
    )


def _told(db: Connection, event: RecoveryDue, _recorded: Recorded) -> None:
    db.execute("INSERT OR IGNORE INTO payments_told VALUES (?)", (event.item_id,))


def _accepted(db: Connection, event: UnpaidAccepted, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO payments_accepted VALUES (?, ?, ?)",
        (event.item_id, recorded.at_wall_ms, recorded.who.actor),
    )


ON: Final[dict[type[Event], Apply]] = {
    **{event: _asked(event) for event in ASKED},
    **{event: _noted(event) for event in NOTED},
    HoldReleaseAsked: _releasing,
    DisputeNoted: _dispute_noted,
    StrayMoneyFound: _stray_found,
    StraySettled: _stray_settled,
    BankLineNoted: _bank_line,
    BankLineRemoved: _bank_line_removed,
    BankLineMatched: _matched,
    SecondChargeFound: _second,
    RecoveryDue: _told,
    UnpaidAccepted: _accepted,
}
