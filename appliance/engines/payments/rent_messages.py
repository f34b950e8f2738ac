"""The words of rents: what residents owe each month, and how it comes. No key hears of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from appliance.engines.payments.messages import BOX, DESK, MANAGERS
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AgreeRent(Command):
    """The rent of a lease: so much a month from a day on, due on a day of each month (1 to 28).

    `reference` is what the resident writes on a transfer: 4 to 20 letters and digits.
    """

    name: ClassVar[str] = "payments.agree_rent"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = MANAGERS
    lease_id: str
    monthly_minor: int
    currency: str
    starts: date
    due_day: int
    reference: str
    ends: date | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EndRent(Command):
    """The last day for which a lease pays rent."""

    name: ClassVar[str] = "payments.end_rent"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = MANAGERS
    lease_id: str
    ends: date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRents(Command):
    """Charge the rents and late fees that are due on this day, a few leases after `after`."""

    name: ClassVar[str] = "payments.charge_rents"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = BOX
    on: date
    after: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRent(Command):
    """Rent taken at the desk, in cash or by a slip."""

    name: ClassVar[str] = "payments.record_rent"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = DESK
    lease_id: str
    amount_minor: int
    currency: str
    means: str  # "cash", "slip"
    slip_number: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MatchBankLine(Command):
    """A person says whose rent a line of the bank is."""

    name: ClassVar[str] = "payments.match_bank_line"
    admission: ClassVar[Admission] = Admission.MONEY
    roles: ClassVar[frozenset[Role]] = MANAGERS
    line_id: str
    lease_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RentAgreed(Event):
    """A lease pays this rent."""

    kind: ClassVar[str] = "payments.rent_agreed.v1"
    lease_id: str
    monthly_minor: int
    currency: str
    starts: date
    ends: date | None
    due_day: int
    reference: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RentEnded(Event):
    """A lease pays rent through this day."""

    kind: ClassVar[str] = "payments.rent_ended.v1"
    lease_id: str
    ends: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RentCharged(Event):
    """The rent of one month, or of the part of it that is lived in."""

    kind: ClassVar[str] = "payments.rent_charged.v1"
    charge_id: str
    lease_id: str
    month: date  # its first day
    due_on: date
    amount_minor: int
    currency: str
    days: int
    of_days: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class LateFeeCharged(Event):
    """A fee on a rent that had not come in time."""

    kind: ClassVar[str] = "payments.late_fee_charged.v1"
    charge_id: str
    lease_id: str
    for_charge_id: str
    due_on: date
    amount_minor: int
    currency: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RentsCharged(Event):
    """The rents of a day were charged as far as this lease; `more` leases wait."""

    kind: ClassVar[str] = "payments.rents_charged.v1"
    on: date
    through: str
    more: bool


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RentReceived(Event):
    """Rent was taken at the desk."""

    kind: ClassVar[str] = "payments.rent_received.v1"
    payment_id: str
    lease_id: str
    amount_minor: int
    currency: str
    means: str
    slip_number: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BankLineMatched(Event):
    """A person said whose rent a line is."""

    kind: ClassVar[str] = "payments.bank_line_matched.v1"
    line_id: str
    lease_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BankFeedRead(Event):
    """All lines of an account through this moment are known."""

    kind: ClassVar[str] = "payments.bank_feed_read.v1"
    account_ref: str
    through_s: int
