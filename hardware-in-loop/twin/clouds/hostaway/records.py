"""What the cloud knows of one account: listings, reservations, charges, calendar, webhooks.

Times are seconds since 1970 UTC, money is minor units, days are the listing's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from twin.clouds.hostaway.words import BLOCKING, DIRECT, Status


@dataclass(slots=True, kw_only=True)
class Listing:
    """What is sold: one flat, or a type with several units."""

    id: int
    name: str
    currency: str
    time_zone: str
    price_minor: int
    units: dict[int, str] = field(default_factory=dict)  # unit id -> number; empty: a single flat
    check_in_hour: int = 15
    check_out_hour: int = 11

    @property
    def capacity(self) -> int:
        """How many stays a night can hold."""
        return max(len(self.units), 1)


@dataclass(slots=True, kw_only=True)
class Reservation:
    """One reservation, inquiries included."""

    id: int
    listing_id: int
    channel_id: int = DIRECT
    source: str | None = None
    status: Status | str = Status.NEW
    arrival: date
    departure: date
    guest_first: str = ""
    guest_last: str = ""
    guest_email: str | None = None
    phone: str | None = None
    adults: int = 1
    children: int = 0
    total_minor: int = 0
    currency: str = "EUR"
    channel_reservation_id: str | None = None
    confirmation_code: str | None = None
    host_note: str | None = None
    guest_note: str | None = None
    comment: str | None = None
    check_in_hour: int | None = None
    check_out_hour: int | None = None
    unit_id: int | None = None
    is_paid: bool | None = None
    door_code: str | None = None
    door_code_vendor: str | None = None
    door_code_instruction: str | None = None
    previous_arrival: date | None = None
    previous_departure: date | None = None
    cancelled_by: str | None = None
    cancelled_on: date | None = None
    finance: list[dict[str, object]] = field(default_factory=list)
    made_s: int = 0
    updated_s: int = 0

    @property
    def blocks(self) -> bool:
        """Whether the nights are taken."""
        return self.status in BLOCKING


@dataclass(slots=True, kw_only=True)
class Charge:
    """Money on a reservation; what is taken offline is only written down here."""

    id: int
    listing_id: int
    reservation_id: int
    title: str
    description: str | None
    amount_minor: int
    currency: str
    method: str
    status: str
    scheduled: str
    charged: str | None


@dataclass(slots=True, kw_only=True)
class Day:
    """What a person or the interface wrote on a day of a listing; None keeps the listing's own."""

    price_minor: int | None = None
    minimum_stay: int | None = None
    maximum_stay: int | None = None
    closed_on_arrival: bool | None = None
    closed_on_departure: bool | None = None
    blocked: bool = False
    note: str | None = None
    desired_units: int | None = None


@dataclass(slots=True, kw_only=True)
class Webhook:
    """One registration of a unified webhook."""

    id: int
    enabled: bool
    url: str
    login: str | None
    password: str | None = field(default=None, repr=False)
    alerting: str | None = None
    failing_since_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One attempt to deliver, as `unifiedWebhookLogs` shows it."""

    id: int
    webhook: Webhook
    listing_id: int
    object_id: int
    event: str
    status: int | None
