"""The words of the Guesty Open API that the twin speaks, and its refusals. Unverified."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

CLIENT_ID: Final = "twin-client-nightporter"
CLIENT_SECRET: Final = "twin-secret"  # noqa: S105 - opens nothing but the twin
ACCOUNT_ID: Final = "5f1a0000000000000000acc0"

# The vendor's own limits (cloud.md 1.1).
IDS_MAX: Final = 10
LIMIT_MAX: Final = 100
LIMIT_DEFAULT: Final = 25
CODE_LENGTH_MAX: Final = 50
NOTE_LENGTH_MAX: Final = 500
RESERVED_UNTIL: Final = (-1, 0.17, 0.25, 0.5, 12, 24, 36, 48, 72)
# Nobody sells a stay of more than five years here.
NIGHTS_MAX: Final = 5 * 366
GUESTS_MAX: Final = 100
DAY_S: Final = 86_400
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    """The first machine: whether there is a booking."""

    INQUIRY = "inquiry"
    RESERVED = "reserved"
    AWAITING_PAYMENT = "awaiting_payment"
    CONFIRMED = "confirmed"
    CANCELED = "canceled"
    DECLINED = "declined"
    EXPIRED = "expired"
    CLOSED = "closed"


# These take nights from the calendar, a booking that still waits for its money among them.
BLOCKING: Final = frozenset({Status.RESERVED, Status.AWAITING_PAYMENT, Status.CONFIRMED})
ENDS: Final = frozenset({Status.CANCELED, Status.DECLINED, Status.EXPIRED, Status.CLOSED})


class GuestStay(StrEnum):
    """The second machine: where the guest is."""

    NOT_SET = "not_set"
    CHECKED_IN = "checked_in"
    CHECKED_OUT = "checked_out"
    NO_SHOW = "no_show"


class CanceledBy(StrEnum):
    """Who cancelled."""

    OWNER = "OWNER"
    GUEST = "GUEST"
    TEAM_MEMBER = "TEAM_MEMBER"
    HOST = "HOST"


class GuestyError(Exception):
    """An answer other than 2xx: the status, a sentence and a word for programs."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def invalid(message: str) -> GuestyError:
    """400: the request cannot be understood."""
    return GuestyError(400, message, "VALIDATION_ERROR")


def refused(message: str) -> GuestyError:
    """422: a rule says no."""
    return GuestyError(422, message, "UNPROCESSABLE_ENTITY")


def missing(message: str) -> GuestyError:
    """404: it is not there, or not for this route."""
    return GuestyError(404, message, "NOT_FOUND")


def moment(at_ms: int) -> str:
    """`2026-08-14T16:00:00.000Z`, as every time of theirs."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def maybe_moment(at_ms: int | None) -> str | None:
    """As `moment`, None stays None."""
    return None if at_ms is None else moment(at_ms)


def moment_ms(value: object, name: str) -> int:
    """Milliseconds since 1970; raises 400 with the field's name."""
    try:
        at = datetime.fromisoformat(str(value))
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        return (at - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise invalid(f"{name} must be an ISO 8601 time.") from error


def day_of(value: object, name: str) -> date:
    """A property-local day `YYYY-MM-DD`; raises 400 with the field's name."""
    text = value if isinstance(value, str) else ""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"{name} must be a date written YYYY-MM-DD.") from error
    if len(text) != len("YYYY-MM-DD") or not 1970 <= day.year <= 2199:
        raise invalid(f"{name} must be a date written YYYY-MM-DD.")
    return day
