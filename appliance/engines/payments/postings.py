"""What each fact of money means in the books: which accounts are debited, which credited.

Nights are posted at the night audit, fees at the check-in, what is left at the check-out. A night
whose price changes after it was posted is reversed and posted anew.
"""

from __future__ import annotations

from typing import Final

from appliance.engines.payments import journal
from appliance.engines.payments.drawers import drawer_account
from appliance.engines.payments.folio import folio_of_charge, folio_of_payment
from appliance.engines.payments.journal import moved
from appliance.engines.payments.messages import (
    ChargeCorrected,
    ChargePosted,
    ChargeTransferred,
    DisputeNoted,
    DisputeState,
    Folio,
    FolioBilled,
    FolioRouted,
    PaymentRefunded,
    PaymentSettled,
    RefundAsked,
    RefundNoted,
    SecondChargeFound,
    StrayMoneyFound,
)
from appliance.engines.payments.state import CAME_TO_NOTHING
from appliance.engines.stays.messages import (
    BookingChanged,
    BusinessDateRolled,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartureChanged,
    NoShowMarked,
    StayCancelled,
)
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event

DDL: Final = """
CREATE TABLE IF NOT EXISTS payments_posted (
    stay_id TEXT NOT NULL,
    line_id TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    account TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (stay_id, line_id)
) STRICT, WITHOUT ROWID
"""
TABLES: Final = ("payments_posted",)
# Who carries which means of payment: cloud.md 2.1 and 2.3.
CARDS: Final = "stripe"
LINKS: Final = "ccavenue"
# A link may be either's; the ids of Stripe's PaymentIntents say whose they are.
STRIPE_PAYMENT: Final = "pi_"
# In these phases a stay has a guest ledger; before and beside them money for it is a deposit.
_HERE: Final = frozenset({"in_house", "departed"})


def _here(db: Connection, stay_id: str) -> bool:
    row = db.execute("SELECT phase FROM payments_stay WHERE stay_id = ?", (stay_id,)).fetchone()
    return row is not None and row[0] in _HERE


def _owes(db: Connection, stay_id: str, folio: str = "guest") -> str:
    """Where money for a stay is credited: its folio once it is here, its deposits before."""
    if _here(db, stay_id) or folio != Folio.GUEST:
        return journal.guest(stay_id, folio)
    return journal.deposits(stay_id)


def _carrier(means: str, provider_ref: str | None) -> str:
    """Who has taken money that came by these means under this reference."""
    if means != "pay_link" or (provider_ref or "").startswith(STRIPE_PAYMENT):
        return CARDS
    return LINKS


def _has(db: Connection, means: str, provider_ref: str | None, recorded: Recorded) -> str:
    """Where money that came by these means lies."""
    if means in {"cash", "slip"}:
        return drawer_account(db, means, recorded.who.terminal)
    if means == "stray":
        return journal.UNALLOCATED
    return journal.clearing(_carrier(means, provider_ref))


# -- nights and fees ---------------------------------------------------------------------------


def _settle_stay(db: Connection, stay_id: str, recorded: Recorded) -> None:
    """Make what stands in the books of a stay's nights and fees what is due of them by now."""
    due = _due_lines(db, stay_id)
    for line_id, entry_id, *posted in db.execute(
        "SELECT line_id, entry_id, account, amount_minor, currency FROM payments_posted"
        " WHERE stay_id = ? ORDER BY line_id",
        (stay_id,),
    ).fetchall():
        if line_id in due and tuple(posted) == due[line_id][:3]:
            del due[line_id]
            continue
        journal.reverse(db, recorded, entry_id, "correction")
        db.execute(
            "DELETE FROM payments_posted WHERE stay_id = ? AND line_id = ?", (stay_id, line_id)
        )
    for line_id, (account, amount_minor, currency, revenue) in due.items():
        legs = moved(account, revenue, amount_minor, currency)
        entry_id = journal.post(db, recorded, line_id.partition(":")[0], stay_id, legs)
        if entry_id is not None:
            db.execute(
                "INSERT INTO payments_posted VALUES (?, ?, ?, ?, ?, ?)",
                (stay_id, line_id, entry_id, account, amount_minor, currency),
            )


def _due_lines(db: Connection, stay_id: str) -> dict[str, tuple[str, int, str, str]]:
    stay = db.execute(
        "SELECT s.phase, s.on_folio, h.business_date FROM payments_stay s, payments_house h"
        " WHERE s.stay_id = ?",
        (stay_id,),
    ).fetchone()
    if stay is None or not stay[1] or stay[0] not in _HERE:
        return {}
    through = None if stay[0] == "departed" else stay[2]
    lines = db.execute(
        "SELECT line_id, kind, folio, amount_minor, currency, text FROM payments_line"
        " WHERE stay_id = ? AND kind IN ('night', 'fee') ORDER BY line_id",
        (stay_id,),
    ).fetchall()
    due = {}
    for line_id, kind, folio, amount_minor, currency, text in lines:
        # The text of a night is its date: it is due when its day has been closed.
        if kind == "night" and through is not None and text >= through:
            continue
        revenue = journal.REVENUE_ROOMS if kind == "night" else journal.taxes(text)
        due[line_id] = (journal.guest(stay_id, folio), amount_minor, currency, revenue)
    return due


def _checked_in(db: Connection, event: CheckedIn, recorded: Recorded) -> None:
    _settle_stay(db, event.stay_id, recorded)
    _use_deposits(db, event.stay_id, recorded)


def _use_deposits(db: Connection, stay_id: str, recorded: Recorded) -> None:
    for currency, held in journal.balance(db, journal.deposits(stay_id)).items():
        # A deposit is a credit: it moves as it stands.
        legs = moved(journal.deposits(stay_id), journal.guest(stay_id), -held, currency)
        journal.post(db, recorded, "deposit_used", stay_id, legs)


def _undone(db: Connection, event: CheckInUndone, recorded: Recorded) -> None:
    _settle_stay(db, event.stay_id, recorded)
    for currency, stands in journal.balance(db, journal.guest(event.stay_id)).items():
        if stands < 0:
            legs = moved(
                journal.guest(event.stay_id), journal.deposits(event.stay_id), -stands, currency
            )
            journal.post(db, recorded, "deposit_again", event.stay_id, legs)


def _stay_changed(
    db: Connection,
    event: BookingChanged | DepartureChanged | CheckedOut | StayCancelled | NoShowMarked,
    recorded: Recorded,
) -> None:
    _settle_stay(db, event.stay_id, recorded)


def _folio_routed(db: Connection, event: FolioRouted, recorded: Recorded) -> None:
    _settle_stay(db, event.stay_id, recorded)


def _rolled(db: Connection, _event: BusinessDateRolled, recorded: Recorded) -> None:
    rows = db.execute(
        "SELECT stay_id FROM payments_stay WHERE phase = 'in_house' ORDER BY stay_id"
    ).fetchall()
    for (stay_id,) in rows:
        _settle_stay(db, stay_id, recorded)


# -- charges -----------------------------------------------------------------------------------


def _charged(db: Connection, event: ChargePosted, recorded: Recorded) -> None:
    folio = journal.guest(event.stay_id, folio_of_charge(db, event))
    legs = moved(folio, journal.REVENUE_EXTRAS, event.amount_minor, event.currency)
    journal.post(db, recorded, "charge", event.charge_id, legs)


def _corrected(db: Connection, event: ChargeCorrected, recorded: Recorded) -> None:
    # A charge that has moved is taken back where it stands now, not where it was posted.
    (folio,) = db.execute(
        "SELECT folio FROM payments_charge WHERE charge_id = ?", (event.charge_id,)
    ).fetchone()
    moved_on = journal.standing(db, event.charge_id, "transfer")
    entry_id = journal.standing(db, event.charge_id, "charge")
    if moved_on is None and entry_id is not None:
        journal.reverse(db, recorded, entry_id, "correction")
        return
    account = journal.guest(event.stay_id, folio)
    legs = moved(journal.REVENUE_EXTRAS, account, event.amount_minor, event.currency)
    journal.post(db, recorded, "correction", event.charge_id, legs)


def _transferred(db: Connection, event: ChargeTransferred, recorded: Recorded) -> None:
    legs = moved(
        journal.guest(event.to_stay_id, event.to_folio),
        journal.guest(event.stay_id, event.folio),
        event.amount_minor,
        event.currency,
    )
    journal.post(db, recorded, "transfer", event.charge_id, legs)


def _billed(db: Connection, event: FolioBilled, recorded: Recorded) -> None:
    folio = _owes(db, event.stay_id, event.folio)
    legs = moved(journal.city(event.stay_id), folio, event.amount_minor, event.currency)
    journal.post(db, recorded, "billed", event.bill_id, legs)


# -- payments ----------------------------------------------------------------------------------


def _settled(db: Connection, event: PaymentSettled, recorded: Recorded) -> None:
    owes = _owes(db, event.stay_id, event.folio)
    has = _has(db, event.means, event.provider_ref, recorded)
    legs = moved(has, owes, event.amount_minor, event.currency)
    journal.post(db, recorded, "payment", event.payment_id, legs)


def _refund_asked(db: Connection, event: RefundAsked, recorded: Recorded) -> None:
    if event.because == "second_charge":
        return  # it has been owed since it was found
    owes = journal.UNALLOCATED
    if event.because == "asked":
        owes = _owes(db, event.stay_id, folio_of_payment(db, event.payment_id))
    legs = moved(owes, journal.REFUNDS_PAYABLE, event.amount_minor, event.currency)
    journal.post(db, recorded, "refund_asked", event.refund_id, legs)


def _refund_noted(db: Connection, event: RefundNoted, recorded: Recorded) -> None:
    if event.state in CAME_TO_NOTHING:
        gone = journal.standing(db, event.refund_id, "refund")
        if gone is not None:
            journal.reverse(db, recorded, gone, "refund_came_back")
        entry_id = journal.standing(db, event.refund_id, "refund_asked")
        if entry_id is not None:
            journal.reverse(db, recorded, entry_id, "refund_refused")
            if _here(db, event.stay_id):
                # Asked for before the check-in: what is a deposit again belongs to the folio now.
                _use_deposits(db, event.stay_id, recorded)


def _refunded(db: Connection, event: PaymentRefunded, recorded: Recorded) -> None:
    row = db.execute(
        "SELECT 1 FROM payments_intent WHERE intent_id = ?", (event.refund_id,)
    ).fetchone()
    if row is None:
        owes = _owes(db, event.stay_id, folio_of_payment(db, event.payment_id))
        has = _has(db, event.means, _ref_of(db, event.payment_id), recorded)
    else:
        owes = journal.REFUNDS_PAYABLE
        has = journal.clearing(_provider(db, event))
    legs = moved(owes, has, event.amount_minor, event.currency)
    journal.post(db, recorded, "refund", event.refund_id, legs)


def _provider(db: Connection, event: PaymentRefunded) -> str:
    if event.means != "stray":
        return _carrier(event.means, _ref_of(db, event.payment_id))
    # Given back as it was found, or as the payment of the stay that it was settled to.
    row = db.execute(
        "SELECT provider FROM payments_stray WHERE stray_id = ?1 OR provider_ref ="
        " (SELECT provider_ref FROM payments_payment WHERE payment_id = ?1)",
        (event.payment_id,),
    ).fetchone()
    return str(row[0]) if row and row[0] else CARDS


def _ref_of(db: Connection, payment_id: str) -> str | None:
    row = db.execute(
        "SELECT provider_ref FROM payments_payment WHERE payment_id = ?", (payment_id,)
    ).fetchone()
    return row[0] if row else None


def _second(db: Connection, event: SecondChargeFound, recorded: Recorded) -> None:
    legs = moved(
        journal.clearing(CARDS), journal.REFUNDS_PAYABLE, event.amount_minor, event.currency
    )
    journal.post(db, recorded, "second_charge", event.payment_id, legs)


def _stray(db: Connection, event: StrayMoneyFound, recorded: Recorded) -> None:
    has = journal.clearing(event.provider or CARDS)
    legs = moved(has, journal.UNALLOCATED, event.amount_minor, event.currency)
    journal.post(db, recorded, "stray", event.stray_id, legs)


def _disputed(db: Connection, event: DisputeNoted, recorded: Recorded) -> None:
    """A provider takes disputed money at once; a won dispute gives it back, a lost one is lost."""
    taken = journal.standing(db, event.dispute_id, "dispute")
    if taken is None:
        if event.state is DisputeState.WON:
            return
        has = journal.clearing(event.provider or CARDS)
        legs = moved(journal.DISPUTES, has, event.amount_minor, event.currency)
        taken = journal.post(db, recorded, "dispute", event.dispute_id, legs)
    if taken is None:
        return
    if event.state is DisputeState.WON:
        journal.reverse(db, recorded, taken, "dispute_won")
    elif event.state is DisputeState.LOST:
        row = db.execute(
            "SELECT amount_minor, currency FROM payments_leg WHERE entry_id = ? AND account = ?",
            (taken, journal.DISPUTES),
        ).fetchone()
        legs = moved(journal.LOSSES, journal.DISPUTES, row[0], row[1])
        journal.post(db, recorded, "dispute_lost", event.dispute_id, legs)


ON: Final[dict[type[Event], Apply]] = {
    CheckedIn: _checked_in,
    CheckInUndone: _undone,
    CheckedOut: _stay_changed,
    BookingChanged: _stay_changed,
    DepartureChanged: _stay_changed,
    StayCancelled: _stay_changed,
    NoShowMarked: _stay_changed,
    FolioRouted: _folio_routed,
    BusinessDateRolled: _rolled,
    ChargePosted: _charged,
    ChargeCorrected: _corrected,
    ChargeTransferred: _transferred,
    FolioBilled: _billed,
    PaymentSettled: _settled,
    RefundAsked: _refund_asked,
    RefundNoted: _refund_noted,
    PaymentRefunded: _refunded,
    SecondChargeFound: _second,
    StrayMoneyFound: _stray,
    DisputeNoted: _disputed,
}
