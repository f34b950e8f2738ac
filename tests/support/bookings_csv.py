"""A hand-made booking file: a handful of days with every kind of dirt, small enough to count."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

COLUMNS = (
    "lead_time",
    "arrival_date_year",
    "arrival_date_month",
    "arrival_date_day_of_month",
    "stays_in_weekend_nights",
    "stays_in_week_nights",
    "adults",
    "children",
    "babies",
    "distribution_channel",
    "reserved_room_type",
    "assigned_room_type",
    "booking_changes",
    "adr",
    "reservation_status",
    "reservation_status_date",
)


def row(day: int, nights: int, status: str, ended: str, **changes: str) -> dict[str, str]:
    """One row of August 2016: `day` of arrival, `ended` is the reservation_status_date."""
    return {
        "lead_time": "10",
        "arrival_date_year": "2016",
        "arrival_date_month": "August",
        "arrival_date_day_of_month": str(day),
        "stays_in_weekend_nights": "0",
        "stays_in_week_nights": str(nights),
        "adults": "2",
        "children": "0",
        "babies": "0",
        "distribution_channel": "TA/TO",
        "reserved_room_type": "A",
        "assigned_room_type": "A",
        "booking_changes": "0",
        "adr": "80",
        "reservation_status": status,
        "reservation_status_date": ended,
        **changes,
    }


def left(day: int, nights: int, *, on: int | None = None, **changes: str) -> dict[str, str]:
    """A guest who came and left, by default after the last night."""
    gone = day + nights if on is None else on
    return row(day, nights, "Check-Out", f"2016-08-{gone:02d}", **changes)


def cancelled(day: int, nights: int, on: str, **changes: str) -> dict[str, str]:
    """A booking that was cancelled on a day."""
    return row(day, nights, "Canceled", on, **changes)


def no_show(day: int, nights: int, **changes: str) -> dict[str, str]:
    """A guest who did not come."""
    return row(day, nights, "No-Show", f"2016-08-{day:02d}", **changes)


HAND_MADE = (
    left(1, 4),  # in house when the window begins
    left(1, 1),  # gone when it begins
    left(3, 2),
    left(3, 2),  # equal in every column, and a booking of its own
    left(3, 1, assigned_room_type="D", adr="101.335"),
    left(3, 3, on=4, lead_time="NULL"),  # left early
    left(3, 2, on=3, adr="0"),  # left on the day of arrival
    left(4, 1, on=6, adr="55.5"),  # stayed two nights more than booked
    left(4, 2, adults="0", babies="1", adr="-6.38"),
    left(4, 1, children="NA", booking_changes="3"),
    left(4, 1, assigned_room_type="NULL", distribution_channel="Undefined"),
    left(5, 1),  # into a room that somebody has just left
    cancelled(4, 2, "2016-07-01", lead_time="60"),  # before the window
    cancelled(5, 2, "2016-08-05", lead_time="1", booking_changes="1"),  # on the very day
    cancelled(3, 1, "2016-08-04"),  # after the night it was for
    cancelled(5, 1, "2016-08-04", reserved_room_type="P"),  # of a type that nobody was given
    no_show(3, 2),
    no_show(5, 1, lead_time="0"),
    left(4, 0),  # no night
    left(5, 1, adults="0"),  # nobody
    left(5, 1, adults="two"),
    left(5, 1, adr="1e999"),
    row(4, 1, "Lost", "2016-08-05"),
    left(32, 1, on=31),  # no such day
    left(6, 1),  # after the window
)
"""25 rows; 21 of them arrive from 3 to 5 August, and 16 of those can be bookings."""


def write_csv(path: Path, rows: Iterable[dict[str, str]] = HAND_MADE, *without: str) -> Path:
    """Write rows as a file, leaving out some columns."""
    names = [name for name in COLUMNS if name not in without]
    lines = [",".join(names), *(",".join(each[name] for name in names) for each in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
