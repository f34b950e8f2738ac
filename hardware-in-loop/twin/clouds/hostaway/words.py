"""The words of the Hostaway API that the twin speaks, and its refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

ACCOUNT_ID: Final = 10450  # the account of the vendor's own examples
CLIENT_SECRET: Final = "twin-hostaway-client"  # noqa: S105 - opens nothing but the twin
PREFIX: Final = "/v1/"

# The vendor's page: 100 rows unless the caller says less (docs, "Retrieve a reservations list").
LIMIT_MAX: Final = 100
# The vendor's list of charges may be longer (docs, "Get guest charges list").
CHARGES_MAX: Final = 500
# `provider` becomes `source`; a longer one is rejected (changelog of 2026-09-01).
SOURCE_CHARS_MAX: Final = 50
# No property sells a stay of more than five years, nor a night for more than this.
NIGHTS_MAX: Final = 5 * 366
AMOUNT_MAX: Final = 10**9
# Years that a property's calendar can hold; everything else is somebody's typing error.
YEAR_MIN, YEAR_MAX = 1970, 2199

DIRECT: Final = 2000
AIRBNB: Final = 2018
CHANNELS: Final = {2000: "direct", 2005: "bookingcom", 2018: "airbnbOfficial", 2020: "partner"}
# Only these may be given when a reservation is made through the interface.
CREATABLE: Final = frozenset({2000, 2002, 2020})


class Status(StrEnum):
    """What a reservation is (docs, "Reservation statuses"; cloud.md 1.2)."""

    NEW = "new"
    MODIFIED = "modified"
    OWNER_STAY = "ownerStay"
    PENDING = "pending"
    UNCONFIRMED = "unconfirmed"
    AWAITING_PAYMENT = "awaitingPayment"
    AWAITING_GUEST_VERIFICATION = "awaitingGuestVerification"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    INQUIRY = "inquiry"
    INQUIRY_PREAPPROVED = "inquiryPreapproved"
    INQUIRY_DENIED = "inquiryDenied"
    INQUIRY_TIMEDOUT = "inquiryTimedout"
    INQUIRY_NOT_POSSIBLE = "inquiryNotPossible"
    UNKNOWN = "unknown"


# These block the calendar; `pending` and `unconfirmed` are requests to book.
BLOCKING: Final = frozenset(
    {
        Status.NEW,
        Status.MODIFIED,
        Status.OWNER_STAY,
        Status.AWAITING_PAYMENT,
        Status.AWAITING_GUEST_VERIFICATION,
        Status.PENDING,
        Status.UNCONFIRMED,
    }
)

PAYMENT_METHODS: Final = frozenset(
    {
        "credit_card",
        "vcc",
        "cash",
        "paypal",
        "venmo",
        "bank_transfer",
        "bank_check",
        "ota",
        "other",
    }
)


class HostawayError(Exception):
    """An answer other than success: the status and the sentence in the envelope."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def invalid(text: str) -> HostawayError:
    """400: the request cannot be understood, or a rule says no."""
    return HostawayError(400, text)


def missing(what: str) -> HostawayError:
    """404: there is no such thing in this account."""
    return HostawayError(404, f"{what} not found")


def utc_text(at_s: int) -> str:
    """`2026-03-13 18:00:54`, UTC, the vendor's resolution."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def maybe_utc(at_s: int | None) -> str | None:
    """As `utc_text`, None stays None."""
    return None if at_s is None else utc_text(at_s)


def day_of(text: object, name: str) -> date:
    """A day such as 2026-10-30; raises 400 with the field's name."""
    if not isinstance(text, str):
        raise invalid(f"{name} must be a date such as 2026-10-30")
    try:
        found = date.fromisoformat(text[:10]) if len(text) in {10, 19} else None
    except ValueError:
        found = None
    if found is None or not YEAR_MIN <= found.year <= YEAR_MAX:
        raise invalid(f"{name} must be a date such as 2026-10-30")
    return found
