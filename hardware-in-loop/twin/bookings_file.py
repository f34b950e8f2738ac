"""An independent reader of a hotel's booking file: the oracle a replay is compared with."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
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

COLUMNS: Final = frozenset(
    {
        "is_canceled",
        "lead_time",
        "arrival_date_year",
        "arrival_date_month",
        "arrival_date_day_of_month",
        "stays_in_weekend_nights",
        "stays_in_week_nights",
        "adults",
        "children",
        "babies",
        "country",
        "market_segment",
        "distribution_channel",
        "reserved_room_type",
        "assigned_room_type",
        "adr",
        "reservation_status",
        "reservation_status_date",
    }
)
# What the file writes where it knows nothing.
NOTHING: Final = frozenset({"", "NA", "NULL"})
# A night that costs more than this is looked at twice by a person; it is booked all the same.
ADR_ODD_MINOR: Final = 100_000


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
        table = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
        missing = COLUMNS - set(table.fieldnames or ())
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
            if (whole := tuple(row.values())) in seen:
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


def _number(text: str) -> int:
    return 0 if text in NOTHING else int(Decimal(text))


def _booking(number: int, row: dict[str, str]) -> Booking | Refused:
    arrival: date | None = None
    status: Status | None = None
    try:
        month = MONTHS.index(row["arrival_date_month"]) + 1
        arrival = date(int(row["arrival_date_year"]), month, int(row["arrival_date_day_of_month"]))
        status = Status(row["reservation_status"])
        booking = Booking(
            row_number=number,
            arrival=arrival,
            nights=_number(row["stays_in_weekend_nights"]) + _number(row["stays_in_week_nights"]),
            adults=_number(row["adults"]),
            children=_number(row["children"]),
            babies=_number(row["babies"]),
            reserved_type=row["reserved_room_type"].strip(),
            assigned_type=row["assigned_room_type"].strip(),
            status=status,
            status_date=date.fromisoformat(row["reservation_status_date"]),
            adr_minor=int((Decimal(row["adr"]) * 100).to_integral_value()),
            lead_days=_number(row["lead_time"]),
            channel=row["distribution_channel"],
            segment=row["market_segment"],
            country="" if row["country"] in NOTHING else row["country"],
        )
    except (ValueError, InvalidOperation, TypeError, AttributeError):
        return Refused(row_number=number, why=Impossible.UNREADABLE, arrival=arrival, status=status)
    if booking.nights <= 0:
        why = Impossible.ZERO_NIGHTS
    elif booking.adults + booking.children + booking.babies <= 0:
        why = Impossible.ZERO_GUESTS
    else:
        return booking
    return Refused(row_number=number, why=why, arrival=arrival, status=status)


def _dirt(row: dict[str, str], one: Booking) -> Iterator[Dirt]:
    if row["children"] in NOTHING:
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
