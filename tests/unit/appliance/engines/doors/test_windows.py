"""A key ends once, at the property's own eleven o'clock, whatever the clocks do that night."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from appliance.engines.doors.windows import departure_end_s


def ends(day: date, local: str, zone: str, grace_min: int = 0) -> str:
    end_s = departure_end_s(day, local, zone, grace_min)
    return datetime.fromtimestamp(end_s, UTC).strftime("%d %H:%M")


@pytest.mark.parametrize(
    ("day", "local", "zone", "end"),
    [
        (date(2026, 10, 24), "11:00", "Europe/Berlin", "24 09:00"),
        (date(2026, 10, 25), "11:00", "Europe/Berlin", "25 10:00"),  # the long night before
        (date(2026, 3, 29), "11:00", "Europe/Berlin", "29 09:00"),  # the short night before
        (date(2026, 10, 25), "02:30", "Europe/Berlin", "25 01:30"),  # twice: the second one
        (date(2026, 3, 29), "02:30", "Europe/Berlin", "29 01:30"),  # never: when it would be
        (date(2026, 4, 5), "11:00", "Australia/Lord_Howe", "05 00:30"),  # half an hour
        (date(2026, 1, 1), "11:00", "Pacific/Kiritimati", "31 21:00"),
    ],
)
def test_the_departure_day_ends_at_the_propertys_time(
    day: date, local: str, zone: str, end: str
) -> None:
    assert ends(day, local, zone) == end


def test_the_grace_is_real_time() -> None:
    assert ends(date(2026, 10, 25), "01:30", "Europe/Berlin", 120) == "25 01:30"
