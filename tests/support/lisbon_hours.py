"""A key of Sunday mornings in Lisbon, and moments around both changes of the clocks."""

from __future__ import annotations

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

LISBON: Final = ZoneInfo("Europe/Lisbon")
SUNDAY: Final = 0b100_0000
NINE_TO_TEN: Final = (SUNDAY, 9 * 60, 10 * 60)
ONE_TO_TWO: Final = (SUNDAY, 60, 120)


def _ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}+00:00").timestamp()) * 1000


# (hours, UTC in ms, whether they hold). Clocks go back on 2026-10-25 and forward on 2027-03-28,
# each at 01:00 UTC.
MOMENTS: Final = (
    (NINE_TO_TEN, _ms("2026-10-18T08:30"), True),
    (NINE_TO_TEN, _ms("2026-10-18T09:30"), False),
    (NINE_TO_TEN, _ms("2026-10-25T08:30"), False),
    (NINE_TO_TEN, _ms("2026-10-25T09:30"), True),
    (NINE_TO_TEN, _ms("2026-10-26T09:30"), False),
    (NINE_TO_TEN, _ms("2027-03-21T09:30"), True),
    (NINE_TO_TEN, _ms("2027-03-28T08:30"), True),
    (NINE_TO_TEN, _ms("2027-03-28T09:30"), False),
    # The hour that the night in October has twice, and the one that the night in March leaves out.
    (ONE_TO_TWO, _ms("2026-10-25T00:30"), True),
    (ONE_TO_TWO, _ms("2026-10-25T01:30"), True),
    (ONE_TO_TWO, _ms("2026-10-25T02:30"), False),
    (ONE_TO_TWO, _ms("2027-03-28T00:30"), False),
    (ONE_TO_TWO, _ms("2027-03-28T01:30"), False),
)
