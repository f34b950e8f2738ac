"""The words of the Mews Connector API that the twin speaks, and its refusals."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

CLIENT_TOKEN: Final = "TWIN-CLIENT-NIGHTPORTER"  # noqa: S105 - opens nothing but the twin
ACCESS_TOKEN: Final = "TWIN-ACCESS-PROPERTY"  # noqa: S105 - opens nothing but the twin

# The vendor's page limit, and the limit of identifiers in one filter.
COUNT_MAX = 1000
IDS_MAX = 1000
# Times outside of this are typing errors of somebody.
YEAR_MIN = 1970
YEAR_MAX = 2199
# No property of this kind sells a stay of more than five years.
STAY_S_MAX = 5 * 366 * 24 * 3600
# The longest interval a time filter may span (cloud.md 1.3; `x-max-interval-in-months`).
INTERVAL_MONTHS_MAX = 3
MONTHS_A_YEAR = 12


class State(StrEnum):
    """Life of a service order; `Canceled` and `Processed` are ends."""

    INQUIRED = "Inquired"
    REQUESTED = "Requested"
    OPTIONAL = "Optional"
    CONFIRMED = "Confirmed"
    STARTED = "Started"
    PROCESSED = "Processed"
    CANCELED = "Canceled"


# These hold a room of their category.
HOLDING: Final = frozenset({State.OPTIONAL, State.CONFIRMED, State.STARTED})


class CancellationReason(StrEnum):
    """Why a reservation was cancelled."""

    OTHER = "Other"
    CONFIRMATION_MISSED = "ConfirmationMissed"
    BOOKED_ELSEWHERE = "BookedElsewhere"
    FORCE_MAJEURE = "ForceMajeure"
    GUEST_COMPLAINT = "GuestComplaint"
    NO_SHOW = "NoShow"
    PRICE_TOO_HIGH = "PriceTooHigh"
    SERVICE_NOT_AVAILABLE = "ServiceNotAvailable"
    INPUT_ERROR = "InputError"
    INVALID_PAYMENT = "InvalidPayment"
    TRAVEL_AGENCY = "TravelAgency"
    REQUESTED_BY_GUEST = "RequestedByGuest"
    UPDATE = "Update"
    BOOKING_ABANDONED = "BookingAbandoned"
    REQUESTED_BY_BOOKER = "RequestedByBooker"


class Origin(StrEnum):
    """Who brought the reservation."""

    DISTRIBUTOR = "Distributor"
    CHANNEL_MANAGER = "ChannelManager"
    COMMANDER = "Commander"
    IMPORT = "Import"
    CONNECTOR = "Connector"
    NAVIGATOR = "Navigator"


class RoomState(StrEnum):
    """Housekeeping state of a resource."""

    DIRTY = "Dirty"
    CLEAN = "Clean"
    INSPECTED = "Inspected"
    OUT_OF_SERVICE = "OutOfService"
    OUT_OF_ORDER = "OutOfOrder"


class CommandState(StrEnum):
    """Life of a device command; the last three are ends."""

    PENDING = "Pending"
    RECEIVED = "Received"
    PROCESSING = "Processing"
    PROCESSED = "Processed"
    CANCELLED = "Cancelled"
    ERROR = "Error"


class MewsError(Exception):
    """An answer other than 200: the status and the sentence an operator would read."""

    def __init__(self, status: int, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def invalid(message: str) -> MewsError:
    """400: the request cannot be understood."""
    return MewsError(400, message)


def forbidden(message: str) -> MewsError:
    """403: a rule of the business says no; the message is meant for the operator."""
    return MewsError(403, message)


def utc_text(at_s: int) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`, the vendor's resolution."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_utc(at_s: int | None) -> str | None:
    """As `utc_text`, None stays None."""
    return None if at_s is None else utc_text(at_s)


def utc_s(text: object, name: str) -> int:
    """Seconds since 1970 of an ISO 8601 time in UTC; raises 400 with the field's name."""
    if not isinstance(text, str):
        raise invalid(f"Invalid {name}: a UTC time such as 2026-01-31T14:00:00Z is expected.")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"Invalid {name}: {text!r} is not a UTC time.") from error
    if at.tzinfo is None:
        raise invalid(f"Invalid {name}: the time zone is missing, Z is expected.")
    if not YEAR_MIN < at.year <= YEAR_MAX:
        raise invalid(f"Invalid {name}: {text!r} is out of range.")
    return int(at.timestamp())


def months_later(at_s: int, months: int) -> int:
    """The same day and time so many months later, the last day of a shorter month."""
    at = datetime.fromtimestamp(at_s, UTC)
    index = at.year * MONTHS_A_YEAR + at.month - 1 + months
    year, month = divmod(index, MONTHS_A_YEAR)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return int(at.replace(year=year, month=month + 1, day=day).timestamp())
