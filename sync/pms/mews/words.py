"""The words of the Mews Connector API: times, states, amounts, and what its answers mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from appliance.engines.stays.messages import StayState
from appliance.kernel.money import decimal_of

SOURCE: Final = "mews"
DAY_S: Final = 86_400
# The vendor's own: page of at most 1,000 rows, filter of at most 1,000 ids, 3 months a window.
COUNT_MAX: Final = 1_000
IDS_MAX: Final = 1_000
# 85 days are less than any three months.
WINDOW_S_MAX: Final = 85 * DAY_S

# Mews' states that are bookings for the box; a reservation that is only asked for is none yet.
STATE_OF: Final = {
    "Optional": StayState.CONFIRMED,
    "Confirmed": StayState.CONFIRMED,
    "Started": StayState.IN_HOUSE,
    "Processed": StayState.DEPARTED,
    "Canceled": StayState.CANCELLED,
}
NOT_YET: Final = frozenset({"Inquired", "Requested"})
OVER: Final = frozenset({"Processed", "Canceled"})

_OFFSET: Final = re.compile(
    r"P(?:\d+Y)?(?:\d+M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:[\d.]+S)?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The property as Mews has it configured; offsets are minutes after local midnight."""

    service_id: str
    rate_id: str
    adult_id: str
    child_id: str | None
    time_zone: str
    currency: str
    start_minute: int
    end_minute: int
    resources: dict[str, str]  # id -> name, for rooms "204"
    categories: dict[str, tuple[str, ...]]  # id -> names, short names, external identifier

    def start_s(self, day: date) -> int:
        """When a stay that arrives on this local day starts, UTC seconds."""
        return self._at(day, self.start_minute)

    def end_s(self, day: date) -> int:
        """When a stay that departs on this local day ends, UTC seconds."""
        return self._at(day, self.end_minute)

    def day(self, at_s: int) -> date:
        """The property's day of a moment."""
        return datetime.fromtimestamp(at_s, UTC).astimezone(ZoneInfo(self.time_zone)).date()

    def _at(self, day: date, minute: int) -> int:
        zone = ZoneInfo(self.time_zone)
        return int(datetime.combine(day, time(minute // 60, minute % 60), zone).timestamp())


def utc_text(at_s: int) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`, as Mews wants it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_ms(text: str) -> int:
    """Milliseconds since 1970 of a time of theirs; raises ValueError for anything else."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


def utc_s(text: str) -> int:
    """Whole seconds since 1970 of a time of theirs."""
    return utc_ms(text) // 1000


def version_of(text: str) -> str:
    """`UpdatedUtc` in one form, so that later is greater also as text."""
    at_ms = utc_ms(text)
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def minutes_of(offset: Any, default: int) -> int:
    """Minutes of an ISO 8601 duration such as `P0M0DT15H0M0S` or `PT11H`."""
    found = _OFFSET.fullmatch(offset) if isinstance(offset, str) else None
    if found is None:
        return default
    hours, minutes = int(found[2] or 0), int(found[3] or 0)
    return min(hours * 60 + minutes, 23 * 60 + 59)


def amount(minor: int, currency: str) -> dict[str, Any]:
    """An amount as a request wants it; `TaxCodes` is required, and the box knows none."""
    value = float(decimal_of(minor, currency))
    return {"Currency": currency, "GrossValue": value, "TaxCodes": []}


def nights_of(nights: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`TimeUnitPrices` of a stay's priced nights, in order."""
    return [
        {"Index": index, "Amount": amount(night["amount_minor"], night["currency"])}
        for index, night in enumerate(nights)
    ]


def window(start_s: int, end_s: int) -> dict[str, str]:
    """A time filter of theirs."""
    return {"StartUtc": utc_text(start_s), "EndUtc": utc_text(end_s)}


def windows(first_s: int, last_s: int) -> list[tuple[int, int]]:
    """Cut a long stretch into windows that Mews accepts."""
    found = []
    while first_s < last_s:
        found.append((first_s, min(first_s + WINDOW_S_MAX, last_s)))
        first_s += WINDOW_S_MAX
    return found


def days_between(first: date, last: date) -> list[date]:
    """The nights of a stay."""
    return [first + timedelta(days=index) for index in range(max((last - first).days, 0))]


def object_of(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or None for anything that is not a whole one."""
    try:
        fields = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return fields if isinstance(fields, dict) else None
