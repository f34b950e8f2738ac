"""When rent is owed, for which days, and when it is late. Nothing here knows of a door or a key."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from appliance.engines.payments.messages import NoteBankFeed, Refusal
from appliance.engines.payments.rent_messages import (
    AgreeRent,
    BankFeedRead,
    BankLineMatched,
    ChargeRents,
    EndRent,
    LateFeeCharged,
    MatchBankLine,
    RecordRent,
    RentAgreed,
    RentCharged,
    RentEnded,
    RentReceived,
    RentsCharged,
)
from appliance.engines.payments.rents import (
    REFERENCE_CHARS_MAX,
    REFERENCE_CHARS_MIN,
    Charge,
    heard_since,
    plain_reference,
)
from appliance.engines.payments.rules import AMOUNT_MINOR_MAX, TEXT_CHARS_MAX, text_refusal
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event
from appliance.kernel.values import derived_id

GRACE_DAYS = 5
LATE_FEE_MINOR = 0
# A bulk batch takes 16 commands, each of so many leases: two commits' time of a door's patience.
LEASES_MAX = 16
# A box that was in a drawer for a year catches up, one month after the other.
MONTHS_MAX = 12
DUE_DAY_MAX = 28
# The feed's own news are noted a few times a day, not with every look.
FEED_STEP_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenancy:
    """One lease's rent and where it stands. Charges are those still open, oldest first."""

    lease_id: str
    monthly_minor: int
    currency: str
    starts: date
    ends: date | None
    due_day: int
    charged_month: date | None
    open: tuple[Charge, ...] = ()
    fees_for: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RentScene:
    """What is known of one lease's rent (None: none agreed)."""

    currency: str
    tenancy: Tenancy | None = None
    reference_of: str | None = None  # the lease that has this reference already


@dataclass(frozen=True, slots=True, kw_only=True)
class RentDay:
    """The next leases of a rent day, and the live rules."""

    tenancies: Sequence[Tenancy]
    more: bool
    feed_through_s: int | None
    grace_days: int = GRACE_DAYS
    late_fee_minor: int = LATE_FEE_MINOR


@dataclass(frozen=True, slots=True, kw_only=True)
class LineScene:
    """A bank's line, and whether the lease that is named pays rent."""

    known: bool
    lease_known: bool
    lease_id: str | None = None  # whose it is already
    amount_minor: int = 0
    same_currency: bool = True


def agree_rent(scene: RentScene, command: AgreeRent, _context: Context) -> Decision:
    """The rent of a lease; agreed anew it changes what is charged from now on."""
    refusal = _agreement_refusal(scene, command)
    if refusal is not None:
        return refusal
    event = RentAgreed(
        lease_id=command.lease_id,
        monthly_minor=command.monthly_minor,
        currency=command.currency,
        starts=command.starts,
        ends=command.ends,
        due_day=command.due_day,
        reference=plain_reference(command.reference),
    )
    return [event]


def _agreement_refusal(scene: RentScene, command: AgreeRent) -> Refusal | None:
    refusal = text_refusal(command.reference, TEXT_CHARS_MAX) or text_refusal(
        command.lease_id, TEXT_CHARS_MAX
    )
    if refusal is not None:
        return refusal
    plain = plain_reference(command.reference)
    if not REFERENCE_CHARS_MIN <= len(plain) <= REFERENCE_CHARS_MAX:
        return Refusal.TOO_LONG if len(plain) > REFERENCE_CHARS_MAX else Refusal.EMPTY
    if scene.reference_of not in {None, command.lease_id}:
        return Refusal.RENT_AGREED
    if command.currency != scene.currency:
        return Refusal.BAD_CURRENCY
    if not 0 < command.monthly_minor <= AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    ends = command.ends or command.starts
    fits = 1 <= command.due_day <= DUE_DAY_MAX and ends >= command.starts
    return None if fits else Refusal.BAD_DATES


def end_rent(scene: RentScene, command: EndRent, _context: Context) -> Decision:
    """Rent is owed through this day; what was charged beyond it is a manager's to take back."""
    tenancy = scene.tenancy
    if tenancy is None:
        return Refusal.UNKNOWN_LEASE
    if command.ends < tenancy.starts:
        return Refusal.BAD_DATES
    same = tenancy.ends == command.ends
    return [] if same else [RentEnded(lease_id=command.lease_id, ends=command.ends)]


def charge_rents(day: RentDay, command: ChargeRents, _context: Context) -> Decision:
    """Each month once, each late rent one fee; the rest of the leases in the next command."""
    events: list[Event] = []
    for tenancy in day.tenancies:
        rents = _rents_due(tenancy, command.on)
        events += [*rents, *_late_fees(day, tenancy, command.on)]
    through = day.tenancies[-1].lease_id if day.tenancies else command.after
    charged = len(events)
    if events or day.more:
        events.append(RentsCharged(on=command.on, through=through, more=day.more))
    return Yes(events=events, result={"charged": charged, "more": day.more})


def _rents_due(tenancy: Tenancy, on: date) -> list[RentCharged]:
    month = tenancy.starts.replace(day=1)
    if tenancy.charged_month is not None:
        month = _next_month(tenancy.charged_month)
    found: list[RentCharged] = []
    for _ in range(MONTHS_MAX):
        charged = _rent_of(tenancy, month)
        if charged is None or charged.due_on > on:
            break
        found.append(charged)
        month = _next_month(month)
    return found


def _rent_of(tenancy: Tenancy, month: date) -> RentCharged | None:
    """The rent of one month, by the days that are lived in; None: it is after the end."""
    of_days = calendar.monthrange(month.year, month.month)[1]
    last = month.replace(day=of_days)
    first = max(month, tenancy.starts)
    end = last if tenancy.ends is None else min(last, tenancy.ends)
    days = (end - first).days + 1
    if days <= 0:
        return None
    return RentCharged(
        charge_id=derived_id("rent", tenancy.lease_id, month.isoformat()),
        lease_id=tenancy.lease_id,
        month=month,
        due_on=max(month.replace(day=tenancy.due_day), first),
        amount_minor=prorated(tenancy.monthly_minor, days, of_days),
        currency=tenancy.currency,
        days=days,
        of_days=of_days,
    )


def prorated(monthly_minor: int, days: int, of_days: int) -> int:
    """The part of a month's rent for some of its days, half a unit rounded up."""
    return (2 * monthly_minor * days + of_days) // (2 * of_days)


def _next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _late_fees(day: RentDay, tenancy: Tenancy, on: date) -> list[LateFeeCharged]:
    """Only where the bank was heard after the grace: a late feed makes nobody late."""
    if day.late_fee_minor <= 0:
        return []
    late = (
        each
        for each in tenancy.open
        if each.kind == "rent" and each.charge_id not in tenancy.fees_for
    )
    return [
        LateFeeCharged(
            charge_id=derived_id("late", each.charge_id),
            lease_id=tenancy.lease_id,
            for_charge_id=each.charge_id,
            due_on=on,
            amount_minor=day.late_fee_minor,
            currency=tenancy.currency,
        )
        for each in late
        if each.due_on + timedelta(days=day.grace_days) < on
        and heard_since(day.feed_through_s, each.due_on + timedelta(days=day.grace_days))
    ]


def record_rent(scene: RentScene, command: RecordRent, context: Context) -> Decision:
    """Rent at the desk; more than is owed is a credit."""
    if scene.tenancy is None:
        return Refusal.UNKNOWN_LEASE
    if command.currency != scene.tenancy.currency:
        return Refusal.BAD_CURRENCY
    if not 0 < command.amount_minor <= AMOUNT_MINOR_MAX:
        return Refusal.BAD_AMOUNT
    if command.means not in {"cash", "slip"}:
        return Refusal.WRONG_NEWS
    refusal = None
    if command.means == "slip" or command.slip_number:
        refusal = text_refusal(command.slip_number, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    payment_id = context.new_id("rentpay")
    event = RentReceived(
        payment_id=payment_id,
        lease_id=command.lease_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        means=command.means,
        slip_number=command.slip_number.strip(),
    )
    return Yes(events=[event], result={"payment_id": payment_id})


def match_bank_line(scene: LineScene, command: MatchBankLine, _context: Context) -> Decision:
    """Money of nobody's becomes a lease's; what is somebody's already stays theirs."""
    if not scene.known or scene.amount_minor <= 0:
        return Refusal.UNKNOWN_LINE
    if not scene.lease_known:
        return Refusal.UNKNOWN_LEASE
    if not scene.same_currency:
        return Refusal.BAD_CURRENCY
    if scene.lease_id is not None:
        return [] if scene.lease_id == command.lease_id else Refusal.ALREADY_SETTLED
    return [BankLineMatched(line_id=command.line_id, lease_id=command.lease_id)]


def note_bank_feed(through_s: int | None, command: NoteBankFeed, _context: Context) -> Decision:
    """The furthest moment counts, and an hour is a step worth a fact."""
    refusal = text_refusal(command.account_ref, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    if through_s is not None and command.through_s < through_s + FEED_STEP_S:
        return []
    return [BankFeedRead(account_ref=command.account_ref, through_s=command.through_s)]
