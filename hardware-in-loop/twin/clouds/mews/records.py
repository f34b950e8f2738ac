"""What the PMS cloud knows about one property: rooms, guests, reservations, payments."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from twin.clouds.mews.words import CancellationReason, CommandState, Origin, RoomState, State

# Currencies whose unit is not a hundred minor units (ISO 4217).
NO_MINOR_UNITS: Final = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})
THOUSAND_MINOR_UNITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def minor_per_unit(currency: str) -> int:
    """How many minor units make one unit of this currency."""
    if currency in NO_MINOR_UNITS:
        return 1
    return 1000 if currency in THOUSAND_MINOR_UNITS else 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Enterprise:
    """The property as the cloud has it configured."""

    id: str
    chain_id: str
    service_id: str
    rate_id: str
    rate_group_id: str
    product_id: str
    adult_id: str
    child_id: str
    profile_id: str
    name: str
    time_zone: str
    currency: str
    arrival_hour: int
    departure_hour: int
    created_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A room type that is sold."""

    id: str
    name: str
    short: str
    capacity: int
    ordering: int
    updated_s: int


@dataclass(slots=True, kw_only=True)
class Room:
    """One resource."""

    id: str
    name: str
    floor: str
    category_id: str
    assignment_id: str
    state: RoomState
    created_s: int
    updated_s: int


@dataclass(slots=True, kw_only=True)
class Customer:
    """A guest's profile."""

    id: str
    number: str
    first_name: str | None
    last_name: str
    email: str | None
    phone: str | None
    nationality: str | None
    language: str | None
    notes: str | None
    created_s: int
    updated_s: int


@dataclass(slots=True, kw_only=True)
class Note:
    """A remark on a reservation."""

    id: str
    text: str
    at_s: int


@dataclass(slots=True, kw_only=True)
class Reservation:
    """One room sold for some nights; times are seconds since 1970, UTC."""

    id: str
    number: str
    group_id: str
    customer_id: str
    booker_id: str | None
    category_id: str
    room_id: str | None
    room_locked: bool
    state: State
    origin: Origin
    start_s: int
    end_s: int
    scheduled_start_s: int
    scheduled_end_s: int
    actual_start_s: int | None = None
    actual_end_s: int | None = None
    released_s: int | None = None
    created_s: int
    updated_s: int
    cancelled_s: int | None = None
    cancellation_reason: CancellationReason | None = None
    channel: str | None = None
    channel_number: str | None = None
    channel_manager_number: str | None = None
    travel_agency_id: str | None = None
    purpose: str | None = None
    adults: int
    children: int
    nights_minor: list[int]
    paid_elsewhere: bool = False  # the channel collects; nothing is open at the desk
    owner_checked_in: bool = False
    notes: list[Note] = field(default_factory=list)
    touch: int = 0  # grows with every change of any reservation; newest first is its order


@dataclass(slots=True, kw_only=True)
class Payment:
    """Money that somebody says was taken outside of the cloud."""

    id: str
    account_id: str
    reservation_id: str | None
    bill_id: str | None
    amount_minor: int
    currency: str
    type: str
    external_identifier: str | None
    notes: str | None
    at_s: int


@dataclass(slots=True, kw_only=True)
class Block:
    """A room kept out of sale."""

    id: str
    room_id: str
    name: str
    type: str
    start_s: int
    end_s: int
    notes: str | None
    created_s: int
    updated_s: int
    deleted_s: int | None = None


@dataclass(slots=True, kw_only=True)
class AccessToken:
    """A PIN or a card the box has reported for a reservation."""

    id: str
    reservation_id: str
    room_id: str | None
    companionship_id: str | None
    type: str
    value: str
    serial: str | None
    from_s: int
    until_s: int
    permissions: dict[str, bool]
    at_s: int
    updated_s: int
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A thing at the property that Mews hands commands for: a key cutter, a printer."""

    id: str
    type: str
    name: str


@dataclass(slots=True, kw_only=True)
class DeviceCommand:
    """Something the vendor's desk wants a device to do."""

    id: str
    device_id: str
    reservation_id: str | None
    room_ids: tuple[str, ...]
    count: int
    state: CommandState
    at_s: int
    progress: Decimal | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """More or fewer rooms on public sale for some nights of a category."""

    category_id: str
    first_s: int
    last_s: int
    units: int | None
    at_s: int
