"""The folio of every stay: nights and fees as stays says them, charges, payments and intents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.engines.inventory.messages import PropertySetUp
from appliance.engines.payments.messages import (
    BankLineNoted,
    BankLineRemoved,
    CardReferenceSaved,
    ChargePosted,
    DisputeNoted,
    HoldReleaseAsked,
    IntentState,
    PaymentSettled,
    StrayMoneyFound,
)
from appliance.engines.payments.state import ASKED, BLOCKING, NOTED, Kind
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    DepartureChanged,
    Fee,
    Night,
    NoShowMarked,
    Reinstated,
    StayCancelled,
)
from appliance.kernel.engine import Apply, Connection, Projection, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed
from appliance.kernel.vault import Vault

DDL = """
CREATE TABLE IF NOT EXISTS payments_house (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    currency TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS payments_stay (
    stay_id TEXT PRIMARY KEY,
    on_folio INTEGER NOT NULL,
    saved_card INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_line (
    stay_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    text TEXT NOT NULL,
    subject TEXT,
    box BLOB,
    PRIMARY KEY (stay_id, line_id)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE IF NOT EXISTS payments_payment (
    payment_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    means TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    slip_number TEXT,
    at_ms INTEGER NOT NULL,
    taken_by TEXT NOT NULL,
    terminal TEXT,
    shift TEXT,
    provider_ref TEXT,
    intent_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_payment_stay ON payments_payment (stay_id);
CREATE INDEX IF NOT EXISTS payments_payment_ref ON payments_payment (provider_ref);
CREATE INDEX IF NOT EXISTS payments_payment_shift ON payments_payment (shift, means);
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
    at_ms INTEGER NOT NULL
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
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
CHARGE_PLACE = f"{ChargePosted.kind}:text"
# Pending is what may still arrive by itself; a card that wants its guest does not.
PENDING = BLOCKING


def _property_set_up(db: Connection, event: PropertySetUp, _recorded: Recorded) -> None:
    db.execute("INSERT INTO payments_house VALUES (1, ?)", (event.currency,))


def _booked(db: Connection, event: Booked, recorded: Recorded) -> None:
    db.execute("INSERT INTO payments_stay VALUES (?, 1, 0)", (event.stay_id,))
    _keep_nights(db, event.stay_id, event.nights, recorded)
    _keep_fees(db, event.stay_id, event.fees, recorded)


def _booking_changed(db: Connection, event: BookingChanged, recorded: Recorded) -> None:
    _keep_nights(db, event.stay_id, event.nights, recorded)
    _keep_fees(db, event.stay_id, event.fees, recorded)


def _departure_changed(db: Connection, event: DepartureChanged, recorded: Recorded) -> None:
    _keep_nights(db, event.stay_id, event.nights, recorded)


def _off_folio(db: Connection, event: StayCancelled | NoShowMarked, _recorded: Recorded) -> None:
    # The nights stay for a reinstatement; what such a stay costs is a charge somebody posts.
    db.execute("UPDATE payments_stay SET on_folio = 0 WHERE stay_id = ?", (event.stay_id,))


def _reinstated(db: Connection, event: Reinstated, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_stay SET on_folio = 1 WHERE stay_id = ?", (event.stay_id,))


def _keep_nights(db: Connection, stay_id: str, nights: Sequence[Night], recorded: Recorded) -> None:
    _forget_lines(db, stay_id, "night")
    for night in nights:
        day = night.date.isoformat()
        line = (f"night:{day}", "night", recorded.at_wall_ms, night.amount_minor, night.currency)
        _keep_line(db, stay_id, line, day)


def _keep_fees(db: Connection, stay_id: str, fees: Sequence[Fee], recorded: Recorded) -> None:
    _forget_lines(db, stay_id, "fee")
    for number, fee in enumerate(fees):
        line = (f"fee:{number}", "fee", recorded.at_wall_ms, fee.amount_minor, fee.currency)
        _keep_line(db, stay_id, line, fee.code)


def _forget_lines(db: Connection, stay_id: str, kind: str) -> None:
    db.execute("DELETE FROM payments_line WHERE stay_id = ? AND kind = ?", (stay_id, kind))


def _keep_line(
    db: Connection,
    stay_id: str,
    line: tuple[str, str, int, int, str],
    text: str,
    sealed: Sealed | None = None,
) -> None:
    who = (None, None) if sealed is None else (sealed.subject, sealed.box)
    # A PMS that names a night twice means both amounts: the day counts as one line.
    db.execute(
        "INSERT INTO payments_line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET amount_minor = amount_minor + excluded.amount_minor",
        (stay_id, *line, text, *who),
    )


def _card_saved(db: Connection, event: CardReferenceSaved, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_stay SET saved_card = 1 WHERE stay_id = ?", (event.stay_id,))


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
            " provider_ref = coalesce(?, provider_ref), url = coalesce(?, url),"
            " capture_by_s = coalesce(?, capture_by_s) WHERE intent_id = ?",
            (
                event.state.value,
                event.code,
                getattr(event, "provider_ref", None),
                getattr(event, "url", None),
                getattr(event, "capture_by_s", None),
                getattr(event, id_field),
            ),
        )

    return apply


def _releasing(db: Connection, event: HoldReleaseAsked, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_intent SET releasing = 1 WHERE intent_id = ?", (event.intent_id,))


def _settled(db: Connection, event: PaymentSettled, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_payment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.payment_id,
            event.stay_id,
            event.means,
            event.amount_minor,
            event.currency,
            event.slip_number,
            recorded.at_wall_ms,
            recorded.who.actor,
            recorded.who.terminal,
            recorded.who.shift,
            event.provider_ref,
            event.intent_id,
        ),
    )


def _charge_posted(db: Connection, event: ChargePosted, recorded: Recorded) -> None:
    line = (event.charge_id, "charge", recorded.at_wall_ms, event.amount_minor, event.currency)
    _keep_line(db, event.stay_id, line, "", event.text)


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
        "INSERT OR IGNORE INTO payments_stray VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
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
        "INSERT OR REPLACE INTO payments_bank_line VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)",
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
        ),
    )


def _bank_line_removed(db: Connection, event: BankLineRemoved, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_bank_line SET removed = 1 WHERE line_id = ?", (event.line_id,))


PROJECTION = Projection(
    name="payments",
    ddl=DDL.strip().split(";\n"),
    tables=[
        "payments_house",
        "payments_stay",
        "payments_line",
        "payments_intent",
        "payments_payment",
        "payments_dispute",
        "payments_stray",
        "payments_bank_line",
    ],
    on={
        PropertySetUp: _property_set_up,
        Booked: _booked,
        BookingChanged: _booking_changed,
        DepartureChanged: _departure_changed,
        StayCancelled: _off_folio,
        NoShowMarked: _off_folio,
        Reinstated: _reinstated,
        CardReferenceSaved: _card_saved,
        **{event: _asked(event) for event in ASKED},
        **{event: _noted(event) for event in NOTED},
        HoldReleaseAsked: _releasing,
        DisputeNoted: _dispute_noted,
        StrayMoneyFound: _stray_found,
        BankLineNoted: _bank_line,
        BankLineRemoved: _bank_line_removed,
        PaymentSettled: _settled,
        ChargePosted: _charge_posted,
    },
)

# Charges of a stay: a cancelled stay or a no-show owes only what somebody posted.
CHARGES = (
    "SELECT coalesce(sum(l.amount_minor), 0) FROM payments_line l JOIN payments_stay s"
    " ON s.stay_id = l.stay_id WHERE l.stay_id = ? AND (s.on_folio = 1 OR l.kind = 'charge')"
)
PAID = "SELECT coalesce(sum(amount_minor), 0) FROM payments_payment WHERE stay_id = ?"
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
    kind: str  # "night", "fee", "charge", "payment"
    at_ms: int
    text: str
    amount_minor: int


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


async def balance(reader: Reader, vault: Vault, stay_id: str) -> BalanceRow:
    """The balance of one stay; of an unknown one, nothing."""
    house = await reader.row("SELECT currency FROM payments_house")
    stay = await reader.row(
        "SELECT saved_card, on_folio FROM payments_stay WHERE stay_id = ?", (stay_id,)
    )
    saved_card, on_folio = stay or (0, 0)
    lines = await _lines(reader, vault, stay_id, on_folio=bool(on_folio))
    intents = await intents_of(reader, stay_id)
    return BalanceRow(
        charges_minor=sum(line.amount_minor for line in lines if line.kind != "payment"),
        paid_minor=-sum(line.amount_minor for line in lines if line.kind == "payment"),
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
        "SELECT line_id, kind, at_ms, text, amount_minor, subject, box FROM payments_line"
        " WHERE stay_id = ? AND (? OR kind = 'charge') ORDER BY kind DESC, line_id",
        (stay_id, on_folio),
    )
    paid = await reader.rows(
        "SELECT payment_id, 'payment', at_ms, means, -amount_minor, NULL, NULL"
        " FROM payments_payment WHERE stay_id = ? ORDER BY at_ms, payment_id",
        (stay_id,),
    )
    return [
        LineRow(
            line_id=row[0],
            kind=row[1],
            at_ms=row[2],
            text=_text(vault, row),
            amount_minor=row[4],
        )
        for row in (*rows, *paid)
    ]


def _text(vault: Vault, row: tuple[Any, ...]) -> str:
    if row[6] is None:
        return str(row[3])
    # A forgotten guest's charge keeps its amount and loses its words.
    sealed = Sealed(subject=row[5], box=bytes(row[6]))
    return vault.open(sealed, CHARGE_PLACE.encode()) or ""


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
    """Cash taken in one shift, in minor units; None is cash taken outside of any."""
    row = await reader.row(
        "SELECT coalesce(sum(amount_minor), 0) FROM payments_payment"
        " WHERE means = 'cash' AND shift IS ?",
        (shift,),
    )
    return int(row[0]) if row else 0


async def currency(reader: Reader) -> str:
    """The property's currency; empty before it is set up."""
    row = await reader.row("SELECT currency FROM payments_house")
    return str(row[0]) if row else ""
