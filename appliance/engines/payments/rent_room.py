"""How the commands of rents and of the bank's lines are decided: what each rule is shown."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from appliance.engines.payments import bank, renting, rents
from appliance.engines.payments.messages import NoteBankFeed, NoteBankLine
from appliance.engines.payments.rent_messages import (
    AgreeRent,
    ChargeRents,
    EndRent,
    MatchBankLine,
    RecordRent,
)
from appliance.kernel.engine import Context, Facts, Handling

_RENT: Final = (
    "lease_id, monthly_minor, currency, starts, ends, due_day, charged_month FROM payments_rent"
)
# Two leases of one reference or one amount are none that money can be given to by itself.
_CANDIDATES_MAX: Final = 2


def _tenancy(facts: Facts, row: tuple[Any, ...], *, with_charges: bool = False) -> renting.Tenancy:
    found: list[rents.Charge] = []
    fees: frozenset[str] = frozenset()
    if with_charges:
        charges = rents.charges_from(facts.rows(rents.CHARGES, (row[0],)))
        owed = facts.row(rents.OWED, (f"rent:{row[0]}", row[2]))
        found = rents.still_open(charges, owed[0] if owed else 0)
        fees = frozenset(each.for_charge_id for each in charges if each.for_charge_id)
    return renting.Tenancy(
        lease_id=row[0],
        monthly_minor=row[1],
        currency=row[2],
        starts=date.fromisoformat(row[3]),
        ends=date.fromisoformat(row[4]) if row[4] else None,
        due_day=row[5],
        charged_month=date.fromisoformat(row[6]) if row[6] else None,
        open=tuple(found),
        fees_for=fees,
    )


def _load_rent(facts: Facts, command: Any, _context: Context) -> renting.RentScene:
    house = facts.row("SELECT currency FROM payments_house")
    row = facts.row(f"SELECT {_RENT} WHERE lease_id = ?", (command.lease_id,))
    reference = rents.plain_reference(getattr(command, "reference", ""))
    other = facts.row("SELECT lease_id FROM payments_rent WHERE reference = ?", (reference,))
    return renting.RentScene(
        currency=house[0] if house else "",
        tenancy=_tenancy(facts, row) if row else None,
        reference_of=other[0] if other else None,
    )


def _load_day(facts: Facts, command: ChargeRents, _context: Context) -> renting.RentDay:
    rows = facts.rows(
        f"SELECT {_RENT} WHERE lease_id > ? ORDER BY lease_id LIMIT ?",
        (command.after, renting.LEASES_MAX + 1),
    )
    feed = facts.row(rents.FEED)
    return renting.RentDay(
        tenancies=[_tenancy(facts, row, with_charges=True) for row in rows[: renting.LEASES_MAX]],
        more=len(rows) > renting.LEASES_MAX,
        feed_through_s=feed[0] if feed else None,
        grace_days=facts.setting("payments.rent_grace_days", renting.GRACE_DAYS),
        late_fee_minor=facts.setting("payments.rent_late_fee_minor", renting.LATE_FEE_MINOR),
    )


def _line(facts: Facts, line_id: str | None) -> bank.Line | None:
    row = facts.row(
        "SELECT amount_minor, currency, pending, removed, lease_id FROM payments_bank_line"
        " WHERE line_id = ?",
        (line_id,),
    )
    if row is None:
        return None
    return bank.Line(
        amount_minor=row[0],
        currency=row[1],
        pending=bool(row[2]),
        removed=bool(row[3]),
        lease_id=row[4],
    )


def _load_line(facts: Facts, command: NoteBankLine, _context: Context) -> bank.BankScene:
    words = rents.words_of(command.reference)
    marks = ", ".join("?" * len(words))
    by_reference = facts.rows(
        "SELECT lease_id FROM payments_rent WHERE currency = ?"  # noqa: S608 - marks only
        f" AND reference IN ({marks}) LIMIT {_CANDIDATES_MAX}",
        (command.currency, *words),
    )
    by_amount = facts.rows(
        "SELECT substr(account, 6) FROM payments_account WHERE account >= 'rent:'"  # noqa: S608
        " AND account < 'rent;' AND balance_minor > 0 AND balance_minor = ? AND currency = ?"
        f" LIMIT {_CANDIDATES_MAX}",
        (command.amount_minor, command.currency),
    )
    posted = facts.row(
        "SELECT 1 FROM payments_bank_line WHERE pending_line_id = ? AND removed = 0",
        (command.line_id,),
    )
    return bank.BankScene(
        posted=posted is not None,
        line=_line(facts, command.line_id),
        replaced=_line(facts, command.pending_line_id),
        by_reference=tuple(row[0] for row in by_reference),
        by_amount=tuple(row[0] for row in by_amount),
    )


def _load_match(facts: Facts, command: MatchBankLine, _context: Context) -> renting.LineScene:
    line = _line(facts, command.line_id)
    lease = facts.row("SELECT currency FROM payments_rent WHERE lease_id = ?", (command.lease_id,))
    return renting.LineScene(
        known=line is not None and not line.removed,
        lease_known=lease is not None,
        lease_id=line.lease_id if line else None,
        amount_minor=line.amount_minor if line else 0,
        same_currency=line is None or lease is None or lease[0] == line.currency,
    )


def _load_feed(facts: Facts, command: NoteBankFeed, _context: Context) -> int | None:
    row = facts.row(
        "SELECT through_s FROM payments_bank_feed WHERE account_ref = ?", (command.account_ref,)
    )
    return row[0] if row else None


def _of_lease(command: Any, _context: Context) -> str:
    return f"rents/{command.lease_id}"


def _of_account(command: Any, _context: Context) -> str:
    return f"bank/{command.account_ref}"


HANDLINGS: Final = (
    Handling(command=AgreeRent, stream=_of_lease, load=_load_rent, decide=renting.agree_rent),
    Handling(command=EndRent, stream=_of_lease, load=_load_rent, decide=renting.end_rent),
    Handling(command=RecordRent, stream=_of_lease, load=_load_rent, decide=renting.record_rent),
    Handling(
        command=ChargeRents,
        stream=lambda command, _: f"rentdays/{command.on.isoformat()}",
        load=_load_day,
        decide=renting.charge_rents,
    ),
    Handling(command=NoteBankLine, stream=_of_account, load=_load_line, decide=bank.note_bank_line),
    Handling(
        command=NoteBankFeed, stream=_of_account, load=_load_feed, decide=renting.note_bank_feed
    ),
    Handling(
        command=MatchBankLine,
        stream=lambda command, _: f"bank/{command.line_id}",
        load=_load_match,
        decide=renting.match_bank_line,
    ),
)
