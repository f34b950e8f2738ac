"""Reads a hotel's booking file for the feed: what each row asks the replay to live through.

The oracle (twin.bookings_file) reads the same file by itself; nothing here is shared with it, so
that a misreading on either side shows as a difference.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Final

# Without these nobody knows who came when, into which kind of room, and how it ended.
NEEDED: Final = (
    "arrival_date_year",
    "arrival_date_month",
    "arrival_date_day_of_month",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "adults",
    "reserved_room_type",
    "reservation_status",
    "reservation_status_date",
)
UNKNOWN: Final = ("", "NA", "NULL")
MONTH_NAMES: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
# What the box sells at once (kernel.values.NIGHTS_MAX), and numbers beyond which a field is noise.
NIGHTS_MAX: Final = 730
PEOPLE_MAX: Final = 1_000
LEAD_DAYS_MAX: Final = 36_500
RATE_MAX: Final = 1_000_000
CHANGES_MAX: Final = 1_000


class End(StrEnum):
    """How a booking ends, in the file's words."""

    LEFT = "Check-Out"
    CANCELLED = "Canceled"
    NO_SHOW = "No-Show"


class Unfit(StrEnum):
    """Why a row cannot be lived through; the closed list."""

    UNREADABLE = "unreadable"
    ZERO_NIGHTS = "zero nights"
    ZERO_GUESTS = "zero guests"


class NotBookingsError(Exception):
    """The file holds no bookings; the text says what is missing or wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One booking; `number` counts data rows from 1, `rate_minor` is a night's price."""

    number: int
    arrival: date
    nights: int
    adults: int
    children: int  # with the babies
    reserved: str
    assigned: str
    end: End
    ended_on: date
    rate_minor: int
    lead_days: int
    changes: int
    channel: str

    @property
    def booked_until(self) -> date:
        """The day of departure as booked."""
        return self.arrival + timedelta(days=self.nights)

    @property
    def gone_on(self) -> date:
        """The day a guest who came was gone; never before the arrival."""
        return max(self.ended_on, self.arrival)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One row that cannot be a booking, with its arrival where that could be read."""

    number: int
    why: Unfit
    arrival: date | None


@contextmanager
def _text(path: Path) -> Iterator[IO[str]]:
    with path.open("rb") as peek:
        packed = peek.read(2) == b"\x1f\x8b"
    opened = gzip.open if packed else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as text:
        yield text


def read_rows(path: Path) -> Iterator[Row | Misfit]:
    """Every row of a CSV, gzipped or not, in the file's order.

    Raises NotBookingsError with a sentence for a file of another kind or a damaged one.
    """
    try:
        with _text(path) as text:
            table = csv.DictReader(text)
            missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
            if missing:
                raise NotBookingsError(f"{path} lacks the columns {', '.join(missing)}")
            for number, fields in enumerate(table, start=1):
                yield _row(number, fields)
    except UnicodeDecodeError as error:
        raise NotBookingsError(f"{path} is not text in UTF-8 (byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise NotBookingsError(f"{path} is a damaged gzip file: {error}") from error
    except csv.Error as error:
        raise NotBookingsError(f"{path} is no table of comma-separated values: {error}") from error
    except OSError as error:
        raise NotBookingsError(f"{path} cannot be read: {error.strerror or error}") from error


def _row(number: int, fields: Mapping[str, str | None]) -> Row | Misfit:
    arrival: date | None = None
    try:
        arrival = _arrival(fields)
        row = _booking(number, arrival, fields)
    except (ValueError, OverflowError):
        return Misfit(number=number, why=Unfit.UNREADABLE, arrival=arrival)
    if row.nights < 1:
        return Misfit(number=number, why=Unfit.ZERO_NIGHTS, arrival=arrival)
    if row.adults + row.children < 1:
        return Misfit(number=number, why=Unfit.ZERO_GUESTS, arrival=arrival)
    return row


def _arrival(fields: Mapping[str, str | None]) -> date:
    month = _word(fields, "arrival_date_month").lower()
    number = MONTH_NAMES.index(month) + 1 if month in MONTH_NAMES else int(month)
    year, day = (_word(fields, f"arrival_date_{part}") for part in ("year", "day_of_month"))
    return date(int(year), number, int(day))


def _booking(number: int, arrival: date, fields: Mapping[str, str | None]) -> Row:
    weekend = _count(fields, "stays_in_weekend_nights", NIGHTS_MAX)
    week = _count(fields, "stays_in_week_nights", NIGHTS_MAX)
    if weekend + week > NIGHTS_MAX:
        raise ValueError("longer than anybody sells")
    children = _count(fields, "children", PEOPLE_MAX) + _count(fields, "babies", PEOPLE_MAX)
    ended_on = date.fromisoformat(_word(fields, "reservation_status_date"))
    if (ended_on - arrival).days > NIGHTS_MAX:
        raise ValueError("it ended later than anybody can stay")
    reserved = _kind(_word(fields, "reserved_room_type"))
    assigned = _kind(_word(fields, "assigned_room_type"))
    return Row(
        number=number,
        arrival=arrival,
        nights=weekend + week,
        adults=_count(fields, "adults", PEOPLE_MAX),
        children=children,
        reserved=reserved or assigned or "none",
        assigned=assigned or reserved or "none",
        end=End(_word(fields, "reservation_status")),
        ended_on=ended_on,
        rate_minor=_rate(_word(fields, "adr")),
        lead_days=_count(fields, "lead_time", LEAD_DAYS_MAX),
        changes=_count(fields, "booking_changes", CHANGES_MAX),
        channel=_word(fields, "distribution_channel") or "unknown",
    )


def _word(fields: Mapping[str, str | None], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""


def _kind(word: str) -> str:
    return "" if word in UNKNOWN else word


def _count(fields: Mapping[str, str | None], name: str, most: int) -> int:
    word = _word(fields, name)
    if word in UNKNOWN:
        return 0
    value = float(word)
    if not 0 <= value <= most:
        raise ValueError(f"{name} is {word}")
    return int(value)


def _rate(word: str) -> int:
    if word in UNKNOWN:
        return 0
    value = float(word)
    if not -RATE_MAX <= value <= RATE_MAX:
        raise ValueError("no rate of a night")
    # Hundredths have two digits in the file; a third one is rounded to even as bankers do.
    return round(round(value * 10_000) / 100)
