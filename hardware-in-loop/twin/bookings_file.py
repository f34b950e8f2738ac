"""An independent reader of a hotel's booking file: the oracle a replay is compared with."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

# The columns without which a row is no booking; all others may be missing.
NEEDED: Final = frozenset(
    {
        "arrival_date_year",
        "arrival_date_month",
        "arrival_date_day_of_month",
        "stays_in_weekend_nights",
        "stays_in_week_nights",
        "adults",
        "reserved_room_type",
        "reservation_status",
        "reservation_status_date",
    }
)
COLUMNS: Final = NEEDED | {
    "adr",
    "assigned_room_type",
    "babies",
    "booking_changes",
    "children",
    "country",
    "distribution_channel",
    "lead_time",
    "market_segment",
}
# What the file writes where it knows nothing.
NOTHING: Final = frozenset({"", "NA", "NULL"})
# A night that costs more than this is looked at twice by a person; it is booked all the same.
ADR_ODD_MINOR: Final = 100_000
# Beyond these a number is noise, and the row cannot be read: two years of nights, as many guests
# as a large house has beds, a century of lead time, a million a night.
NIGHTS_MAX: Final = 730
PEOPLE_MAX: Final = 1_000
LEAD_DAYS_MAX: Final = 36_500
CHANGES_MAX: Final = 1_000
ADR_MAX: Final = 1_000_000


class Status(StrEnum):
    """How a booking ended, in the file's own words."""

    CHECK_OUT = "Check-Out"
    CANCELED = "Canceled"
    NO_SHOW = "No-Show"


class Impossible(StrEnum):
    """Why a row cannot be a booking at all. The list is closed; the first that fits counts."""

    UNREADABLE = "unreadable"  # a date, a number or a status that is none
    ZERO_NIGHTS = "zero nights"
    ZERO_GUESTS = "zero guests"


class Dirt(StrEnum):
    """What is odd in a row and changes nothing: the row is a booking."""

    CHILDREN_UNKNOWN = "children NA, read as 0"
    NO_ADULT = "children without an adult"
    RATE_NEGATIVE = "negative rate"
    RATE_ZERO = "rate of zero"
    RATE_ODD = "rate above 1,000"
    LEFT_EARLY = "left before the last night"
    OTHER_TYPE = "assigned another room type than reserved"
    CHANNEL_UNDEFINED = "channel undefined"
    TWIN_ROW = "equal to an earlier row in every column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One row that can be a booking; `row_number` counts data rows from 1."""

    row_number: int
    arrival: date
    nights: int
    adults: int
    children: int
    babies: int
    reserved_type: str
    assigned_type: str
    status: Status
    status_date: date
    adr_minor: int  # per night, in hundredths; the file names no currency
    lead_days: int
    changes: int  # how often it was changed between the booking and the arrival
    channel: str
    segment: str
    country: str

    @property
    def departure(self) -> date:
        """The day the booking says the guest leaves."""
        return self.arrival + timedelta(days=self.nights)

    @property
    def left_on(self) -> date:
        """The day the guest was gone: earlier than booked in a few rows."""
        return self.status_date if self.status is Status.CHECK_OUT else self.departure

    @property
    def booked_on(self) -> date:
        """The day the booking came in."""
        return self.arrival - timedelta(days=self.lead_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One row that cannot be a booking; what could be read of it is kept for the totals."""

    row_number: int
    why: Impossible
    arrival: date | None
    status: Status | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A window's rows counted twice: every row of the file, and those that can be bookings.

    `rows` = `bookings` + the sum of `impossible`; `rows_by_status` is the file's own total.
    """

    rows: int
    rows_by_status: Counter[Status]
    bookings: int
    bookings_by_status: Counter[Status]
    impossible: Counter[Impossible]
    impossible_by_status: Counter[Status]
    dirt: Counter[Dirt]


class BookingsFile:
    """A whole file in memory, in its own order."""

    def __init__(
        self, bookings: list[Booking], refused: list[Refused], dirt: dict[int, set[Dirt]]
    ) -> None:
        self.bookings = bookings
        self.refused = refused
        self.dirt = dirt  # by row number

    @classmethod
    def read(cls, path: Path) -> BookingsFile:
        """Read a CSV, gzipped or not.

        Raises ValueError with the missing columns when it is another kind of file, OSError when
        it cannot be read.
        """
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        # A row with more fields than the header has them under None: they are its own business.
        table = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        missing = NEEDED - set(table.fieldnames or ())
        if missing:
            raise ValueError(f"{path.name} lacks the columns {', '.join(sorted(missing))}")
        return cls._sort(table)

    @classmethod
    def _sort(cls, rows: Iterable[dict[str, str]]) -> BookingsFile:
        bookings: list[Booking] = []
        refused: list[Refused] = []
        dirt: dict[int, set[Dirt]] = {}
        seen: set[tuple[str, ...]] = set()
        for number, row in enumerate(rows, start=1):
            found = _booking(number, row)
            if isinstance(found, Refused):
                refused.append(found)
                continue
            bookings.append(found)
            odd = set(_dirt(row, found))
            # Equal rows are real bookings all the same: a content key would lose them.
            if (whole := tuple(map(str, row.values()))) in seen:
                odd.add(Dirt.TWIN_ROW)
            seen.add(whole)
            if odd:
                dirt[number] = odd
        return cls(bookings, refused, dirt)

    def arriving(self, first: date, last: date) -> list[Booking]:
        """Bookings whose arrival lies in the window, both ends included."""
        return [one for one in self.bookings if first <= one.arrival <= last]

    def in_house(self, day: date) -> list[Booking]:
        """Stays that began before this day and still hold its night."""
        return [
            one
            for one in self.bookings
            if one.status is Status.CHECK_OUT and one.arrival < day < one.left_on
        ]

    def totals(self, first: date, last: date) -> Totals:
        """What a replay of the window must add up to."""
        bookings = self.arriving(first, last)
        refused = [one for one in self.refused if one.arrival and first <= one.arrival <= last]
        good = Counter(one.status for one in bookings)
        bad = Counter(one.status for one in refused if one.status is not None)
        return Totals(
            rows=len(bookings) + len(refused),
            rows_by_status=good + bad,
            bookings=len(bookings),
            bookings_by_status=good,
            impossible=Counter(one.why for one in refused),
            impossible_by_status=bad,
            dirt=Counter(odd for one in bookings for odd in self.dirt.get(one.row_number, ())),
        )

    def peaks(self, first: date, last: date) -> dict[str, int]:
        """The most rooms of each assigned type that are needed in one night of the window.

        Stays count for the nights slept, no-shows for their first night: nobody knows before its
        end that they will not come. Guests of earlier arrivals count too.
        """
        nights: Counter[tuple[str, date]] = Counter()
        for one in self.bookings:
            if one.status is Status.CANCELED or one.arrival > last:
                continue
            # A guest who left on the day of arrival had a room all the same.
            slept = max((one.left_on - one.arrival).days, 1)
            if one.status is Status.NO_SHOW:
                slept = 1
            for index in range(slept):
                night = one.arrival + timedelta(days=index)
                if first <= night:
                    nights[one.assigned_type, night] += 1
        peaks: dict[str, int] = {}
        for (kind, _), count in nights.items():
            peaks[kind] = max(peaks.get(kind, 0), count)
        return dict(sorted(peaks.items()))


def _number(text: str | None, most: int) -> int:
    if text is None or text.strip() in NOTHING:
        return 0
    value = Decimal(text)
    if not 0 <= value <= most:
        raise ValueError(f"{text} is not between 0 and {most}")
    return int(value)


def _adr_minor(text: str | None) -> int:
    if text is None or text.strip() in NOTHING:
        return 0
    value = Decimal(text)
    if not -ADR_MAX <= value <= ADR_MAX:
        raise ValueError(f"{text} is no rate")
    return int((value * 100).to_integral_value())


def _ended(text: str, arrival: date) -> date:
    day = date.fromisoformat(text.strip())
    if (day - arrival).days > NIGHTS_MAX:
        raise ValueError(f"nobody who came on {arrival} is here until {text}")
    return day


def _month(text: str) -> int:
    name = text.strip().title()
    return MONTHS.index(name) + 1 if name in MONTHS else int(name)


def _text(text: str | None) -> str:
    return "" if text is None or text.strip() in NOTHING else text.strip()


def _booking(number: int, row: dict[str, str]) -> Booking | Refused:
    arrival: date | None = None
    status: Status | None = None
    try:
        month = _month(row["arrival_date_month"])
        arrival = date(int(row["arrival_date_year"]), month, int(row["arrival_date_day_of_month"]))
        status = Status(row["reservation_status"].strip())
        nights = [
            _number(row[f"stays_in_{part}_nights"], NIGHTS_MAX) for part in ("weekend", "week")
        ]
        reserved, assigned = _text(row["reserved_room_type"]), _text(row.get("assigned_room_type"))
        booking = Booking(
            row_number=number,
            arrival=arrival,
            nights=_number(str(sum(nights)), NIGHTS_MAX),
            adults=_number(row["adults"], PEOPLE_MAX),
            children=_number(row.get("children"), PEOPLE_MAX),
            babies=_number(row.get("babies"), PEOPLE_MAX),
            reserved_type=reserved,
            assigned_type=assigned or reserved,
            status=status,
            status_date=_ended(row["reservation_status_date"], arrival),
            adr_minor=_adr_minor(row.get("adr")),
            lead_days=_number(row.get("lead_time"), LEAD_DAYS_MAX),
            changes=_number(row.get("booking_changes"), CHANGES_MAX),
            channel=_text(row.get("distribution_channel")),
            segment=_text(row.get("market_segment")),
            country=_text(row.get("country")),
        )
    except (ArithmeticError, ValueError, TypeError, AttributeError):
        return Refused(row_number=number, why=Impossible.UNREADABLE, arrival=arrival, status=status)
    if booking.nights <= 0:
        why = Impossible.ZERO_NIGHTS
    elif booking.adults + booking.children + booking.babies <= 0:
        why = Impossible.ZERO_GUESTS
    else:
        return booking
    return Refused(row_number=number, why=why, arrival=arrival, status=status)


def _dirt(row: dict[str, str], one: Booking) -> Iterator[Dirt]:
    if (row.get("children") or "") in NOTHING and "children" in row:
        yield Dirt.CHILDREN_UNKNOWN
    if one.adults == 0:
        yield Dirt.NO_ADULT
    if one.adr_minor < 0:
        yield Dirt.RATE_NEGATIVE
    if one.adr_minor == 0:
        yield Dirt.RATE_ZERO
    if one.adr_minor > ADR_ODD_MINOR:
        yield Dirt.RATE_ODD
    if one.left_on < one.departure:
        yield Dirt.LEFT_EARLY
    if one.assigned_type != one.reserved_type:
        yield Dirt.OTHER_TYPE
    if one.channel == "Undefined":
        yield Dirt.CHANNEL_UNDEFINED
