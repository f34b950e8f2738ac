"""The words of the Hostaway API: times, statuses, amounts, and what its answers mean."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from appliance.kernel.money import AMOUNT_MINOR_MAX, exponent
from sync.manners import Rule

SOURCE: Final = "hostaway"
TITLE: Final = "Hostaway"
# `?provider=` becomes the `source` of a reservation made through the interface (at most 50 letters).
PROVIDER: Final = "nightporter"
DAY_S: Final = 86_400
# The vendor's page (docs, "Retrieve a reservations list").
LIMIT: Final = 100
# Hours of check-in and check-out where neither the reservation nor its listing says one.
IN_HOUR, OUT_HOUR = 15, 11

# 15 in 10 s by address and 20 in 10 s by account, both at once, and nobody says how many are left
# (cloud.md 1.2). One of each is kept for a probe after a restart, and a third of a second is added
# because requests bunch up on their way. That is 79 requests a minute.
RULES: Final = (
    Rule(requests_max=14, window_ms=10_300),
    Rule(requests_max=19, window_ms=10_300),
)


class Life(StrEnum):
    """What a status of theirs is to the box."""

    BOOKED = "booked"  # its nights are taken
    CANCELLED = "cancelled"  # a booking that was, and is not any more
    ENDED = "ended"  # it was asked for and came to nothing: news only where we knew it
    NOTHING = "nothing"  # a question of a guest, or their word for not knowing


# cloud.md 1.2. `pending` and `unconfirmed` are requests to book: they block the calendar.
LIFE_OF: Final = {
    "new": Life.BOOKED,
    "modified": Life.BOOKED,
    "confirmed": Life.BOOKED,
    "ownerStay": Life.BOOKED,
    "awaitingPayment": Life.BOOKED,
    "awaitingGuestVerification": Life.BOOKED,
    "pending": Life.BOOKED,
    "unconfirmed": Life.BOOKED,
    "cancelled": Life.CANCELLED,
    "declined": Life.ENDED,
    "expired": Life.ENDED,
    "inquiryDenied": Life.ENDED,
    "inquiryTimedout": Life.ENDED,
    "inquiryNotPossible": Life.ENDED,
    "inquiry": Life.NOTHING,
    "inquiryPreapproved": Life.NOTHING,
    "unknown": Life.NOTHING,
}
REQUESTS: Final = frozenset({"pending", "unconfirmed"})
OVER: Final = frozenset({"cancelled", "declined", "expired"})

# How our id is written into a host's note, and found again.
NOTE: Final = "Sold at the desk with Nightporter, {}"
_NOTED: Final = re.compile(r"Sold at the desk with Nightporter, ([A-Za-z0-9_-]{1,64})")
# What our ids look like; a channel's own id in the same field is no id of ours.
_OURS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def utc_ms(text: object) -> int:
    """Milliseconds since 1970 of `2026-03-13 18:00:54`, UTC; raises ValueError, OverflowError."""
    at = datetime.fromisoformat(text if isinstance(text, str) else "")
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


def utc_text(at_s: int) -> str:
    """`2026-03-13 18:00:54`, as they write times."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def utc_day(at_s: int) -> str:
    """The UTC day of a moment, as a query wants it."""
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def version_of(text: str) -> str:
    """`updatedOn` in one form, so that later is greater also as text."""
    return utc_text(utc_ms(text) // 1000)


def day_of(text: object) -> date:
    """A listing-local day; raises ValueError."""
    return date.fromisoformat(text[:10] if isinstance(text, str) else "")


def at_hour_s(day: date, hour: int, time_zone: str) -> int:
    """UTC seconds of an hour of a listing-local day; an unknown zone is taken as UTC."""
    try:
        zone: Any = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        zone = UTC
    return int(datetime.combine(day, time(min(max(hour, 0), 23)), zone).timestamp())


def days_between(first: date, last: date) -> list[date]:
    """The nights of a stay."""
    return [first + timedelta(days=index) for index in range(max((last - first).days, 0))]


def minor_of(value: object, currency: str) -> int:
    """An amount of theirs in minor units; raises ValueError for anything that is no amount."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("an amount of theirs is no number")  # noqa: TRY004 - bad data, not a bug
    try:
        # Through text: a JSON number such as 81.33 is not exact, its shortest text is.
        exact = Decimal(str(value)).scaleb(exponent(currency))
        whole = int(exact.to_integral_value())
    except ArithmeticError as error:
        raise ValueError("an amount of theirs is no number") from error
    if abs(whole) > AMOUNT_MINOR_MAX:
        raise ValueError("an amount of theirs is more than can be kept")
    return whole


def our_ref(row: dict[str, Any]) -> str | None:
    """Our stay id, from either place it was written to; only on what was made by us."""
    if row.get("source") != PROVIDER:
        return None
    kept = row.get("channelReservationId")
    if isinstance(kept, str) and _OURS.fullmatch(kept):
        return kept
    found = _NOTED.search(str(row.get("hostNote") or ""))
    return None if found is None else found[1]


def object_of(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None for anything that is not a whole one."""
    try:
        fields = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return fields if isinstance(fields, dict) else None
