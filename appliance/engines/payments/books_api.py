"""GraphQL of the books: drawers, what is left over, disputes, rents and arrears, the trial balance."""

from __future__ import annotations

from datetime import date

import strawberry

from appliance.asked import Answer, Asked, Date, Info, Minor, NotForYouError, answer
from appliance.engines.payments import drawers, journal, queries, recovery, rents
from appliance.engines.payments.api import Intent, currency_of, load_pending_intents
from appliance.engines.payments.drawer_messages import CloseDrawer, OpenDrawer
from appliance.engines.payments.messages import AcceptUnpaid, SettleStray
from appliance.engines.payments.rent_messages import AgreeRent, EndRent, MatchBankLine, RecordRent
from appliance.kernel.messages import Role

HEADS = frozenset({Role.MANAGER, Role.ADMIN})
READERS = HEADS | {Role.OWNER}
DESK = HEADS | {Role.FRONT_DESK}


def _only(asked: Asked, roles: frozenset[Role]) -> Role:
    role = asked.staff().role
    if role not in roles:
        raise NotForYouError
    return role


@strawberry.type
class Drawer:
    """One opening of a drawer: an X report while it is open, a Z report when it is closed.

    Whoever counts is not told what should be in it: `expectedMinor` of an open one is a manager's.
    """

    id: strawberry.ID
    terminal: str
    opened_at_ms: Minor
    opened_by: str
    float_minor: Minor
    currency: str
    closed_at_ms: Minor | None
    closed_by: str | None
    counted_minor: Minor | None
    expected_minor: Minor | None
    over_short_minor: Minor | None
    slips_minor: Minor | None
    slips_expected_minor: Minor | None


@strawberry.type
class RecoveryItem:
    """Money without a booking or a booking without money, in a sentence, and what can be done."""

    id: strawberry.ID
    what: str
    stay_id: strawberry.ID | None
    subject_id: strawberry.ID
    amount_minor: Minor
    currency: str
    by_s: Minor | None
    at_ms: Minor
    sentence: str
    actions: list[str]


@strawberry.type
class Dispute:
    """A cardholder's dispute. Evidence is wanted until `dueS`."""

    id: strawberry.ID
    provider: str
    payment_id: strawberry.ID | None
    stay_id: strawberry.ID | None
    amount_minor: Minor
    currency: str
    state: str
    reason: str
    due_s: Minor | None


@strawberry.type
class RentCharge:
    """A rent or a late fee, and what of it is open."""

    id: strawberry.ID
    kind: str
    due_on: Date
    amount_minor: Minor
    open_minor: Minor


@strawberry.type
class Arrears:
    """What a lease owes. `unconfirmed`: expected, the bank has not been heard since."""

    lease_id: strawberry.ID
    owed_minor: Minor
    currency: str
    oldest_due: Date
    days_late: int
    unconfirmed: bool
    sentence: str
    charges: list[RentCharge]


@strawberry.type
class Rent:
    """A lease's rent; `owedMinor` below zero is a credit."""

    lease_id: strawberry.ID
    monthly_minor: Minor
    currency: str
    starts: str
    ends: str | None
    due_day: int
    reference: str
    owed_minor: Minor


@strawberry.type
class BankLine:
    """Money at the bank that nobody knows the owner of."""

    id: strawberry.ID
    account_ref: str
    amount_minor: Minor
    currency: str
    booked_on: str
    pending: bool
    reference: str


@strawberry.type
class Account:
    """What stands on an account: debit above zero, credit below."""

    account: str
    currency: str
    balance_minor: Minor


@strawberry.type
class TrialBalance:
    """Every account that is not empty; each currency adds up to zero, or the books are broken.

    In a large house the folios stand together as `guest:*`, and so do deposits, rents and drawers.
    """

    accounts: list[Account]
    balanced: bool


@strawberry.type
class EntryLeg:
    """One side of an entry."""

    account: str
    amount_minor: Minor
    currency: str


@strawberry.type
class Entry:
    """One entry of the books; `reverses` is the entry that it takes back."""

    id: strawberry.ID
    at_ms: Minor
    what: str
    subject: str
    reverses: strawberry.ID | None
    by_whom: str
    legs: list[EntryLeg]


def _maybe(value: int | None) -> Minor | None:
    return None if value is None else Minor(value)


def _id(value: str | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(value)


def _drawer(row: drawers.DrawerRow, role: Role) -> Drawer:
    closed = row.closed_at_ms is not None
    seen = closed or role in HEADS
    over = None
    if row.counted_minor is not None:
        over = Minor(row.counted_minor - row.expected_minor)
    return Drawer(
        id=strawberry.ID(row.drawer_id),
        terminal=row.terminal,
        opened_at_ms=Minor(row.opened_at_ms),
        opened_by=row.opened_by,
        float_minor=Minor(row.float_minor),
        currency=row.currency,
        closed_at_ms=_maybe(row.closed_at_ms),
        closed_by=row.closed_by,
        counted_minor=_maybe(row.counted_minor),
        expected_minor=Minor(row.expected_minor) if seen else None,
        over_short_minor=over,
        slips_minor=_maybe(row.slips_minor),
        slips_expected_minor=Minor(row.slips_expected_minor) if seen else None,
    )


def _arrears(asked: Asked, row: rents.Arrears) -> Arrears:
    key = "unconfirmed" if row.unconfirmed else "late"
    return Arrears(
        lease_id=strawberry.ID(row.lease_id),
        owed_minor=Minor(row.owed_minor),
        currency=row.currency,
        oldest_due=Date(row.oldest_due),
        days_late=row.days_late,
        unconfirmed=row.unconfirmed,
        sentence=asked.text(f"payments.rent.{key}", days=row.days_late),
        charges=[
            RentCharge(
                id=strawberry.ID(each.charge_id),
                kind=each.kind,
                due_on=Date(each.due_on),
                amount_minor=Minor(each.amount_minor),
                open_minor=Minor(each.open_minor),
            )
            for each in row.charges
        ],
    )


async def load_recovery(asked: Asked) -> list[RecoveryItem]:
    """What a person must see to, the most urgent first."""
    rows = await asked.reader.rows(recovery.LIST, (asked.clock.read().wall_s,))
    return [
        RecoveryItem(
            id=strawberry.ID(each.item_id),
            what=each.what,
            stay_id=_id(each.stay_id),
            subject_id=strawberry.ID(each.subject_id),
            amount_minor=Minor(each.amount_minor),
            currency=each.currency,
            by_s=_maybe(each.by_s),
            at_ms=Minor(each.at_ms),
            sentence=asked.text(f"payments.recovery.{each.what}"),
            actions=list(recovery.ACTIONS[each.what]),
        )
        for each in recovery.items_from(rows)
    ]


@strawberry.type
class Query:
    """Questions of the books, each for those whose work it is."""

    @strawberry.field
    async def drawers(self, info: Info, *, open_only: bool = True) -> list[Drawer]:
        """Drawers, newest first."""
        role = _only(info.context, DESK)
        rows = await drawers.drawers(info.context.reader, open_only=open_only)
        return [_drawer(row, role) for row in rows]

    @strawberry.field
    async def recovery(self, info: Info) -> list[RecoveryItem]:
        """Money without a booking, and bookings without money."""
        _only(info.context, DESK)
        return await load_recovery(info.context)

    @strawberry.field
    async def pending_intents(self, info: Info) -> list[Intent]:
        """Whatever was asked of a provider and has no end yet, oldest first."""
        _only(info.context, DESK)
        return await load_pending_intents(info.context)

    @strawberry.field
    async def disputes(self, info: Info) -> list[Dispute]:
        """Disputes, open ones first."""
        _only(info.context, DESK)
        return [
            Dispute(
                id=strawberry.ID(row.dispute_id),
                provider=row.provider,
                payment_id=_id(row.payment_id),
                stay_id=_id(row.stay_id),
                amount_minor=Minor(row.amount_minor),
                currency=row.currency,
                state=row.state,
                reason=row.reason,
                due_s=_maybe(row.due_s),
            )
            for row in await queries.disputes(info.context.reader)
        ]

    @strawberry.field
    async def arrears(self, info: Info, on: Date | None = None) -> list[Arrears]:
        """Leases that owe what is due, the oldest first."""
        asked = info.context
        _only(asked, READERS)
        today: date | None = on or await asked.business_date()
        if today is None:
            return []
        return [_arrears(asked, row) for row in await rents.arrears(asked.reader, today)]

    @strawberry.field
    async def rent(self, info: Info, lease_id: strawberry.ID) -> Rent | None:
        """The rent of one lease."""
        _only(info.context, READERS | DESK)
        row = await rents.rent_of(info.context.reader, lease_id)
        if row is None:
            return None
        return Rent(
            lease_id=strawberry.ID(row.lease_id),
            monthly_minor=Minor(row.monthly_minor),
            currency=row.currency,
            starts=row.starts,
            ends=row.ends,
            due_day=row.due_day,
            reference=row.reference,
            owed_minor=Minor(row.owed_minor),
        )

    @strawberry.field
    async def unmatched_lines(self, info: Info) -> list[BankLine]:
        """Money at the bank that no lease is known for, newest first."""
        _only(info.context, HEADS)
        return [
            BankLine(
                id=strawberry.ID(row.line_id),
                account_ref=row.account_ref,
                amount_minor=Minor(row.amount_minor),
                currency=row.currency,
                booked_on=row.booked_on,
                pending=row.pending,
                reference=row.reference,
            )
            for row in await queries.unmatched_lines(info.context.reader, info.context.vault)
        ]

    @strawberry.field
    async def trial_balance(self, info: Info) -> TrialBalance:
        """Every account; over all of them each currency is zero."""
        _only(info.context, READERS)
        rows = await journal.trial_balance(info.context.reader)
        sums: dict[str, int] = {}
        for row in rows:
            sums[row.currency] = sums.get(row.currency, 0) + row.balance_minor
        return TrialBalance(
            accounts=[
                Account(
                    account=row.account,
                    currency=row.currency,
                    balance_minor=Minor(row.balance_minor),
                )
                for row in rows
            ],
            balanced=not any(sums.values()),
        )

    @strawberry.field
    async def account_entries(
        self, info: Info, account: str, before: strawberry.ID | None = None
    ) -> list[Entry]:
        """Entries that touch an account, newest first, at most 200; older than `before`."""
        _only(info.context, READERS)
        return [
            Entry(
                id=strawberry.ID(row.entry_id),
                at_ms=Minor(row.at_ms),
                what=row.what,
                subject=row.subject,
                reverses=_id(row.reverses),
                by_whom=row.by_whom,
                legs=[
                    EntryLeg(
                        account=leg.account,
                        amount_minor=Minor(leg.amount_minor),
                        currency=leg.currency,
                    )
                    for leg in row.legs
                ],
            )
            for row in await journal.entries_of(info.context.reader, account, before or "~")
        ]


@strawberry.type
class Mutation:
    """Acts on drawers, on what is left over, and on rents; amounts in the property's currency."""

    @strawberry.mutation
    async def open_drawer(self, info: Info, id: str, float_minor: Minor) -> Answer:
        """Open the drawer of this terminal with what is in it."""
        command = OpenDrawer(float_minor=float_minor, currency=await currency_of(info.context))
        return await answer(info, command, id)

    @strawberry.mutation
    async def close_drawer(
        self,
        info: Info,
        id: str,
        drawer_id: strawberry.ID,
        counted_minor: Minor,
        slips_minor: Minor,
    ) -> Answer:
        """Count and close a drawer, once; the answer says what is over or short."""
        command = CloseDrawer(
            drawer_id=drawer_id,
            counted_minor=counted_minor,
            slips_minor=slips_minor,
            currency=await currency_of(info.context),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def accept_unpaid(
        self,
        info: Info,
        id: str,
        item_id: strawberry.ID,
        reason: str,
    ) -> Answer:
        """Take a recovery item on your word."""
        command = AcceptUnpaid(item_id=item_id, reason=reason)
        return await answer(info, command, id)

    @strawberry.mutation
    async def settle_stray(
        self,
        info: Info,
        id: str,
        stray_id: strawberry.ID,
        reason: str,
        stay_id: strawberry.ID | None = None,
    ) -> Answer:
        """Say whose money it is, or give it back."""
        command = SettleStray(stray_id=stray_id, stay_id=stay_id, reason=reason)
        return await answer(info, command, id)

    @strawberry.mutation
    async def agree_rent(  # noqa: PLR0913, PLR0917 - the terms of a lease
        self,
        info: Info,
        id: str,
        lease_id: strawberry.ID,
        monthly_minor: Minor,
        starts: Date,
        due_day: int,
        reference: str,
        ends: Date | None = None,
    ) -> Answer:
        """The rent of a lease."""
        command = AgreeRent(
            lease_id=lease_id,
            monthly_minor=monthly_minor,
            currency=await currency_of(info.context),
            starts=starts,
            due_day=due_day,
            reference=reference,
            ends=ends,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def end_rent(self, info: Info, id: str, lease_id: strawberry.ID, ends: Date) -> Answer:
        """The last day for which rent is owed."""
        command = EndRent(lease_id=lease_id, ends=ends)
        return await answer(info, command, id)

    @strawberry.mutation
    async def record_rent(
        self,
        info: Info,
        id: str,
        lease_id: strawberry.ID,
        amount_minor: Minor,
        means: str,
        slip_number: str = "",
    ) -> Answer:
        """Rent taken at the desk: cash, or a slip."""
        command = RecordRent(
            lease_id=lease_id,
            amount_minor=amount_minor,
            currency=await currency_of(info.context),
            means=means,
            slip_number=slip_number,
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def match_bank_line(
        self,
        info: Info,
        id: str,
        line_id: strawberry.ID,
        lease_id: strawberry.ID,
    ) -> Answer:
        """Say whose rent a line of the bank is."""
        command = MatchBankLine(line_id=line_id, lease_id=lease_id)
        return await answer(info, command, id)
