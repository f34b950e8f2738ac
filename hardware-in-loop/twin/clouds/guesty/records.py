"""What the Guesty twin knows about one account: listings, guests, reservations, payments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from twin.clouds.guesty.words import BLOCKING, CanceledBy, GuestStay, Status

# Currencies whose unit is not a hundred minor units (ISO 4217).
_MINOR = {"JPY": 1, "KRW": 1, "ISK": 1, "VND": 1, "BHD": 1000, "KWD": 1000, "TND": 1000}


def minor_per_unit(currency: str) -> int:
    """How many minor units make one unit of this currency."""
    return _MINOR.get(currency, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A unit type (`parent_id` None) or one of its units; a single listing is both at once."""

    id: str
    title: str
    nickname: str
    parent_id: str | None
    time_zone: str
    currency: str
    night_minor: int


@dataclass(slots=True, kw_only=True)
class Guest:
    """One profile."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One part of a stay, on one unit; several are a room move. Days are the property's own."""

    check_in: date
    check_out: date
    unit_type_id: str
    unit_id: str | None
    adults: int
    children: int = 0

    @property
    def nights(self) -> list[date]:
        """The nights this part takes."""
        count = (self.check_out - self.check_in).days
        return [self.check_in + timedelta(days=index) for index in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that was recorded, minor units."""

    id: str
    amount_minor: int
    currency: str
    method: str
    note: str
    at_ms: int


@dataclass(slots=True, kw_only=True)
class Reservation:
    """One reservation. `legacy`: it came by a channel and lives in the older store."""

    id: str
    status: Status
    source: str
    platform: str
    stay: list[Segment]
    guest_id: str
    confirmation_code: str
    origin: str | None
    origin_id: str | None
    fare_minor: int
    currency: str
    created_ms: int
    updated_ms: int
    legacy: bool
    confirmed_ms: int | None = None
    reserved_ms: int | None = None
    reserved_until: float | None = None
    canceled_ms: int | None = None
    canceled_by: CanceledBy | None = None
    cancellation_reason: str | None = None
    altered_ms: int | None = None
    guest_stay: GuestStay = GuestStay.NOT_SET
    guest_stay_ms: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    payments: list[Payment] = field(default_factory=list)

    @property
    def check_in(self) -> date:
        """The first day."""
        return self.stay[0].check_in

    @property
    def check_out(self) -> date:
        """The last day, not slept."""
        return self.stay[-1].check_out

    @property
    def blocks(self) -> bool:
        """Whether it takes nights."""
        return self.status in BLOCKING

    @property
    def paid_minor(self) -> int:
        """What was recorded as paid."""
        return sum(each.amount_minor for each in self.payments)
