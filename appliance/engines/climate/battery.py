"""How long a device's cells will last: days of lead, from what it said of them so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

DAY_MS: Final = 86_400_000
# A motor needs a quarter more current when cold; below a tenth of the charge a lock may not turn.
EMPTY_PCT: Final = 10.0
# Whatever the curve says: at this level a person is told.
LOW_PCT: Final = 15.0
# New cells read 90 to 100; a reading swings by a few percent with temperature, never by this much.
NEW_CELLS_PCT: Final = 20.0
# Slopes between readings less than a day apart are noise of the gauge.
STEP_MS_MIN: Final = DAY_MS
# Three days of readings, so that one cold night makes no forecast.
SPAN_MS_MIN: Final = 3 * DAY_MS
# What a battery gauge resolves over a month; slower than this is no decline.
DECLINE_PCT_A_DAY_MIN: Final = 0.05
# The last month tells of the season and of the guests; older readings are another life.
WINDOW_MS: Final = 30 * DAY_MS
# 4 readings a day for a month; pairs of them are 7,000.
READINGS_MAX: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the cells have now, in percent, and the whole days until they are empty, if known."""

    pct: float
    days_left: int | None

    def pressing(self, lead_days: int) -> bool:
        """Whether somebody should put new cells on the list."""
        soon = self.days_left is not None and self.days_left <= lead_days
        return soon or self.pct <= LOW_PCT


def forecast(readings: Sequence[tuple[int, float]]) -> Forecast | None:
    """Readings (UTC ms, percent), oldest first; None where there is none.

    The slope is the median over all pairs of readings (Theil and Sen), which a single wrong
    reading, a cold night or a reboot does not move; the steeper of the last week and the last month
    counts, since cells fall off at their end.
    """
    living = _since_new_cells(readings)[-READINGS_MAX:]
    if not living:
        return None
    now_ms, pct = living[-1][0], median(value for _, value in living[-3:])
    month = [reading for reading in living if reading[0] >= now_ms - WINDOW_MS]
    week = [reading for reading in month if reading[0] >= now_ms - 7 * DAY_MS]
    slopes = [slope for part in (week, month) if (slope := _decline(part)) is not None]
    steepest = max(slopes, default=0.0)
    if steepest < DECLINE_PCT_A_DAY_MIN:
        return Forecast(pct=pct, days_left=None)
    return Forecast(pct=pct, days_left=max(0, int((pct - EMPTY_PCT) / steepest)))


def _since_new_cells(readings: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    start = 0
    lowest = 100.0
    for number, (_, pct) in enumerate(readings):
        if pct >= lowest + NEW_CELLS_PCT:
            start, lowest = number, pct
        lowest = min(lowest, pct)
    return readings[start:]


def _decline(readings: Sequence[tuple[int, float]]) -> float | None:
    """Percent a day, positive while it falls; None where too little is known."""
    if not readings or readings[-1][0] - readings[0][0] < SPAN_MS_MIN:
        return None
    slopes = [
        (before - after) * DAY_MS / (later - earlier)
        for number, (earlier, before) in enumerate(readings)
        for later, after in readings[number + 1 :]
        if later - earlier >= STEP_MS_MIN
    ]
    return median(slopes) if slopes else None
