"""The tables of the folio: stays, their lines and payments, and what of them stands in the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from appliance.engines.inventory.messages import PropertySetUp
from appliance.engines.payments.messages import (
    CardReferenceSaved,
    ChargeCorrected,
    ChargePosted,
    ChargeTransferred,
    Folio,
    FolioBilled,
    FolioRouted,
    IntentState,
    PaymentRefunded,
    PaymentSettled,
    RefundAsked,
    RefundNoted,
)
from appliance.engines.payments.state import CAME_TO_NOTHING
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    BusinessDateRolled,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    DepartureChanged,
    Fee,
    Night,
    NoShowMarked,
    Reinstated,
    StayCancelled,
)
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.sealed import Sealed

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_house (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    currency TEXT NOT NULL,
    business_date TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS payments_stay (
    stay_id TEXT PRIMARY KEY,
    on_folio INTEGER NOT NULL,
    saved_card INTEGER NOT NULL,
    phase TEXT NOT NULL,
    ours INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_stay_phase ON payments_stay (phase);
CREATE TABLE IF NOT EXISTS payments_line (
    stay_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    folio TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    text TEXT NOT NULL,
    place TEXT,
    subject TEXT,
    box BLOB,
    PRIMARY KEY (stay_id, line_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_charge (
    charge_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    folio TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    corrected INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_route (
    stay_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (stay_id, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments_payment (
    payment_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    folio TEXT NOT NULL,
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
CREATE TABLE IF NOT EXISTS payments_cash_back (
    refund_id TEXT PRIMARY KEY,
    shift TEXT,
    amount_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payments_cash_back_shift ON payments_cash_back (shift)
"""
TABLES: Final = (
    "payments_house",
    "payments_stay",
    "payments_line",
    "payments_charge",
    "payments_route",
    "payments_payment",
    "payments_cash_back",
)
CHARGE_PLACE: Final = f"{ChargePosted.kind}:text"


def _property_set_up(db: Connection, event: PropertySetUp, _recorded: Recorded) -> None:
    db.execute("INSERT INTO payments_house VALUES (1, ?, NULL)", (event.currency,))


def _booked(db: Connection, event: Booked, recorded: Recorded) -> None:
    # What the PMS sold may have been paid there: only of our own sales do we know what is missing.
    ours = int(event.source is None)
    db.execute("INSERT INTO payments_stay VALUES (?, 1, 0, 'expected', ?)", (event.stay_id, ours))
    _keep_nights(db, event.stay_id, event.nights, recorded)
    _keep_fees(db, event.stay_id, event.fees, recorded)


def _booking_changed(db: Connection, event: BookingChanged, recorded: Recorded) -> None:
    _keep_nights(db, event.stay_id, event.nights, recorded)
    _keep_fees(db, event.stay_id, event.fees, recorded)


def _departure_changed(db: Connection, event: DepartureChanged, recorded: Recorded) -> None:
    _keep_nights(db, event.stay_id, event.nights, recorded)


def _phase(phase: str, *, on_folio: int | None = None) -> Apply:
    """Where the stay is in its life: expected, in_house, departed, elsewhere or off.

    The nights of one that is off stay for a reinstatement; what it costs is a charge somebody
    posts.
    """

    def apply(db: Connection, event: Any, _recorded: Recorded) -> None:
        db.execute(
            "UPDATE payments_stay SET phase = ?, on_folio = coalesce(?, on_folio)"
            " WHERE stay_id = ?",
            (phase, on_folio, event.stay_id),
        )
        if isinstance(event, CheckedIn):
            db.execute(
                "UPDATE payments_house SET business_date = ?", (event.business_date.isoformat(),)
            )

    return apply


def _rolled(db: Connection, event: BusinessDateRolled, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_house SET business_date = ?", (event.opened.isoformat(),))


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


def _keep_line(  # noqa: PLR0913 - the parts of one line
    db: Connection,
    stay_id: str,
    line: tuple[str, str, int, int, str],
    text: str,
    sealed: Sealed | None = None,
    *,
    place: str | None = None,
    folio: Folio | None = None,
) -> None:
    line_id, kind, at_ms, amount_minor, currency = line
    who = (None, None) if sealed is None else (sealed.subject, sealed.box)
    # A PMS that names a night twice means both amounts: the day counts as one line.
    db.execute(
        "INSERT INTO payments_line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET amount_minor = amount_minor + excluded.amount_minor",
        (
            stay_id,
            line_id,
            kind,
            folio or _routed(db, stay_id, kind),
            at_ms,
            amount_minor,
            currency,
            text,
            place,
            *who,
        ),
    )


def _routed(db: Connection, stay_id: str, kind: str) -> str:
    row = db.execute(
        "SELECT 1 FROM payments_route WHERE stay_id = ? AND kind = ?", (stay_id, kind)
    ).fetchone()
    return Folio.GUEST if row is None else Folio.COMPANY


def _card_saved(db: Connection, event: CardReferenceSaved, _recorded: Recorded) -> None:
    db.execute("UPDATE payments_stay SET saved_card = 1 WHERE stay_id = ?", (event.stay_id,))


def _settled(db: Connection, event: PaymentSettled, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO payments_payment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.payment_id,
            event.stay_id,
            event.folio.value,
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


def folio_of_charge(db: Connection, event: ChargePosted) -> str:
    """On which folio a charge goes: the one it names, or the company's by its route."""
    if event.folio is Folio.COMPANY:
        return Folio.COMPANY
    return _routed(db, event.stay_id, "charge")


def _charge_posted(db: Connection, event: ChargePosted, recorded: Recorded) -> None:
    line = (event.charge_id, "charge", recorded.at_wall_ms, event.amount_minor, event.currency)
    folio = Folio(folio_of_charge(db, event))
    _keep_line(db, event.stay_id, line, "", event.text, place=CHARGE_PLACE, folio=folio)
    db.execute(
        "INSERT INTO payments_charge VALUES (?, ?, ?, ?, ?, 0)",
        (event.charge_id, event.stay_id, folio.value, event.amount_minor, event.currency),
    )


def _corrected(db: Connection, event: ChargeCorrected, recorded: Recorded) -> None:
    (folio,) = db.execute(
        "SELECT folio FROM payments_charge WHERE charge_id = ?", (event.charge_id,)
    ).fetchone()
    line_id = f"correction:{event.charge_id}"
    line = (line_id, "correction", recorded.at_wall_ms, -event.amount_minor, event.currency)
    place = f"{event.kind}:reason"
    _keep_line(db, event.stay_id, line, "", event.reason, place=place, folio=Folio(folio))
    db.execute("UPDATE payments_charge SET corrected = 1 WHERE charge_id = ?", (event.charge_id,))


def _transferred(db: Connection, event: ChargeTransferred, recorded: Recorded) -> None:
    out = f"out:{recorded.position}:{event.charge_id}"
    line = (out, "transfer", recorded.at_wall_ms, -event.amount_minor, event.currency)
    place = f"{event.kind}:reason"
    _keep_line(db, event.stay_id, line, "", event.reason, place=place, folio=event.folio)
    into = (f"in:{recorded.position}:{event.charge_id}", *line[1:3], event.amount_minor, line[4])
    _keep_line(db, event.to_stay_id, into, "", event.reason, place=place, folio=event.to_folio)
    db.execute(
        "UPDATE payments_charge SET stay_id = ?, folio = ? WHERE charge_id = ?",
        (event.to_stay_id, event.to_folio.value, event.charge_id),
    )


def _folio_routed(db: Connection, event: FolioRouted, _recorded: Recorded) -> None:
    db.execute("DELETE FROM payments_route WHERE stay_id = ?", (event.stay_id,))
    for kind in event.kinds:
        db.execute("INSERT INTO payments_route VALUES (?, ?)", (event.stay_id, kind.value))
    # Nights and fees follow at once; a charge stays where it was posted until it is transferred.
    db.execute(
        "UPDATE payments_line SET folio = CASE WHEN kind IN (SELECT kind FROM payments_route r"
        " WHERE r.stay_id = payments_line.stay_id) THEN 'company' ELSE 'guest' END"
        " WHERE stay_id = ? AND kind IN ('night', 'fee')",
        (event.stay_id,),
    )


def _billed(db: Connection, event: FolioBilled, recorded: Recorded) -> None:
    line = (event.bill_id, "billed", recorded.at_wall_ms, -event.amount_minor, event.currency)
    place = f"{event.kind}:payer"
    _keep_line(db, event.stay_id, line, "", event.payer, place=place, folio=event.folio)


def _refund_asked(db: Connection, event: RefundAsked, recorded: Recorded) -> None:
    if event.because == "asked":
        _keep_refund(db, event, recorded)


def _refunded(db: Connection, event: PaymentRefunded, recorded: Recorded) -> None:
    # What a provider gives back stands on the folio since it was asked for.
    asked = db.execute(
        "SELECT 1 FROM payments_intent WHERE intent_id = ?", (event.refund_id,)
    ).fetchone()
    if asked is None:
        _keep_refund(db, event, recorded)
    if event.means == "cash":
        db.execute(
            "INSERT INTO payments_cash_back VALUES (?, ?, ?)",
            (event.refund_id, recorded.who.shift, event.amount_minor),
        )


def _keep_refund(db: Connection, event: RefundAsked | PaymentRefunded, recorded: Recorded) -> None:
    line = (event.refund_id, "refund", recorded.at_wall_ms, event.amount_minor, event.currency)
    folio = folio_of_payment(db, event.payment_id)
    place = f"{event.kind}:reason"
    _keep_line(db, event.stay_id, line, event.means, event.reason, place=place, folio=Folio(folio))


def folio_of_payment(db: Connection, payment_id: str) -> str:
    """On which folio a payment stands."""
    row = db.execute(
        "SELECT folio FROM payments_payment WHERE payment_id = ?", (payment_id,)
    ).fetchone()
    return Folio.GUEST if row is None else str(row[0])


def _refund_noted(db: Connection, event: RefundNoted, recorded: Recorded) -> None:
    if event.state not in CAME_TO_NOTHING:
        return
    row = db.execute(
        "SELECT amount_minor, currency, folio FROM payments_line WHERE stay_id = ? AND line_id = ?",
        (event.stay_id, event.refund_id),
    ).fetchone()
    if row is not None:
        line = (f"refused:{event.refund_id}", "refund", recorded.at_wall_ms, -row[0], row[1])
        _keep_line(db, event.stay_id, line, IntentState.DECLINED, folio=Folio(row[2]))


ON: Final[dict[type[Event], Apply]] = {
    PropertySetUp: _property_set_up,
    Booked: _booked,
    BookingChanged: _booking_changed,
    DepartureChanged: _departure_changed,
    CheckedIn: _phase("in_house"),
    CheckInUndone: _phase("expected"),
    CheckedOut: _phase("departed"),
    DepartedElsewhere: _phase("elsewhere"),
    StayCancelled: _phase("off", on_folio=0),
    NoShowMarked: _phase("off", on_folio=0),
    Reinstated: _phase("expected", on_folio=1),
    BusinessDateRolled: _rolled,
    CardReferenceSaved: _card_saved,
    PaymentSettled: _settled,
    ChargePosted: _charge_posted,
    ChargeCorrected: _corrected,
    ChargeTransferred: _transferred,
    FolioRouted: _folio_routed,
    FolioBilled: _billed,
    RefundAsked: _refund_asked,
    RefundNoted: _refund_noted,
    PaymentRefunded: _refunded,
}
