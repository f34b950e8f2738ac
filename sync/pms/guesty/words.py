"""The words of the Guesty Open API: states, days, moments, amounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from appliance.engines.stays.messages import StayState
from appliance.kernel.money import AMOUNT_MINOR_MAX, exponent

SOURCE: Final = "guesty"
TITLE: Final = "Guesty"
# What we call ourselves in a reservation that we made.
ORIGIN: Final = "Nightporter"
DAY_S: Final = 86_400

# The first machine. These take nights, a booking that still waits for its money among them.
BLOCKING: Final = frozenset({"confirmed", "reserved", "awaiting_payment"})
ENDED: Final = frozenset({"canceled", "declined", "expired", "closed"})
# The older list tells the second machine in the word of the first.
LEGACY_STAYS: Final = frozenset({"checked_in", "checked_out"})
NO_BOOKING: Final = frozenset({"inquiry"})
# The second machine.
STAY_OF: Final = {
    "not_set": StayState.CONFIRMED,
    "checked_in": StayState.IN_HOUSE,
    "checked_out": StayState.DEPARTED,
    "no_show": StayState.NO_SHOW,
}


# Whatever is dated outside of these was typed wrong: 2200-01-01 as milliseconds, and two days.
MOMENT_MS_MAX: Final = 7_258_118_400_000
DAY_FIRST: Final = date(1970, 1, 2)
DAY_LAST: Final = date(2199, 12, 30)


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


class UnreadableError(Exception):
    """A record says something that cannot be understood; the text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A unit type or a unit; minutes are after local midnight."""

    names: tuple[str, ...]
    parent_id: str | None
    time_zone: str
    currency: str
    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The account's listings as last read, by id."""

    listings: dict[str, Listing]

    def names(self, listing_id: str | None) -> tuple[str, ...]:
        """What people call it; nothing for one that is not known."""
        found = self.listings.get(listing_id or "")
        return () if found is None else found.names

    def is_unit(self, listing_id: str) -> bool:
        """Whether it is one unit of a type."""
        found = self.listings.get(listing_id)
        return found is not None and found.parent_id is not None

    def has_units(self, listing_id: str) -> bool:
        """Whether it is a type with units of its own."""
        return any(each.parent_id == listing_id for each in self.listings.values())

    def start_s(self, listing_id: str, day: date) -> int:
        """When a stay that arrives on this local day starts, UTC seconds."""
        listing = self._listing(listing_id)
        return _at(day, listing.start_minute, listing.time_zone)

    def end_s(self, listing_id: str, day: date) -> int:
        """When a stay that departs on this local day ends, UTC seconds."""
        listing = self._listing(listing_id)
        return _at(day, listing.end_minute, listing.time_zone)

    def day(self, at_s: int) -> date:
        """The house's day of a moment, by its first listing's clock."""
        zone = next(iter(self.listings.values())).time_zone if self.listings else "UTC"
        return datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(zone)).date()

    def _listing(self, listing_id: str) -> Listing:
        found = self.listings.get(listing_id)
        return found or next(iter(self.listings.values()), NOWHERE)


# For a record of a listing that the account no longer has, in an account that has none.
NOWHERE: Final = Listing(
    names=(), parent_id=None, time_zone="UTC", currency="", start_minute=15 * 60, end_minute=11 * 60
)


def _at(day: date, minute: int, time_zone: str) -> int:
    at = datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(time_zone))
    return int(at.timestamp())


def moment_ms(value: Any) -> int | None:
    """Milliseconds since 1970 of a time of theirs; None for anything else, and before 1970."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
        # Whole numbers all the way: a float of seconds loses a millisecond now and then.
        at_ms = (at - EPOCH) // MILLISECOND
    except (ValueError, OverflowError):
        return None
    return at_ms if 0 <= at_ms <= MOMENT_MS_MAX else None


def moment(at_ms: int) -> str:
    """A moment in one form, so that later is greater also as text; also how we ask for one."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def day_of(value: Any, name: str) -> date:
    """A property-local day `YYYY-MM-DD`; raises UnreadableError."""
    if isinstance(value, str) and len(value) >= 10:
        try:
            day = date.fromisoformat(value[:10])
        except ValueError:
            day = date.min
        if DAY_FIRST <= day <= DAY_LAST:
            return day
    raise UnreadableError(f"its {name} is no date")


def minor_of(value: Any, currency: str) -> int | None:
    """A number of theirs as minor units; None where there is none that can be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        # Through text: a JSON number such as 81.33 is not exact, its shortest text is.
        scaled = Decimal(str(value)).scaleb(exponent(currency))
        minor = int(scaled.quantize(Decimal(1), ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return minor if abs(minor) <= AMOUNT_MINOR_MAX else None


def minute_of(value: Any, default: int) -> int:
    """Minutes after midnight of `15:00`."""
    if not isinstance(value, str):
        return default
    try:
        at = time.fromisoformat(value)
    except ValueError:
        return default
    return at.hour * 60 + at.minute
