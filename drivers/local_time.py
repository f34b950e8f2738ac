"""The property's local time in a lock that knows no time zones: a short table of changes of offset.

The box hands over when the offset to UTC changes next, some years ahead; the lock adds, and needs no
tzdata, no rules of summer time and no update when a parliament changes its mind: the next table says
it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.cose import DAY_MINUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

# Two a year: the present offset and three and a half years ahead, 60 bytes on the wire.
CHANGES_MAX: Final = 8
# Kiribati is 14 hours ahead, Baker Island 12 behind.
OFFSET_MINUTES_MAX: Final = 14 * 60
# 1970 began on a Thursday; bit 0 of a week's mask is Monday.
_FIRST_DAY: Final = 3
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class LocalTime:
    """(UTC second, minutes east of UTC from then on), rising; before the first, the first holds."""

    changes: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        """Raises ValueError for a table that is none."""
        if not 1 <= len(self.changes) <= CHANGES_MAX:
            raise ValueError(f"no change or more than {CHANGES_MAX}")
        if any(b[0] <= a[0] for a, b in zip(self.changes, self.changes[1:], strict=False)):
            raise ValueError("changes that do not rise")
        if any(at < 0 or abs(offset) > OFFSET_MINUTES_MAX for at, offset in self.changes):
            raise ValueError("an offset of more than 14 hours or a moment before 1970")

    def minute_of_week(self, wall_ms: int) -> tuple[int, int]:
        """Weekday (0 is Monday) and minute of the day on the property's clocks."""
        at = bisect_right(self.changes, wall_ms // 1000, key=lambda change: change[0])
        _, offset = self.changes[max(0, at - 1)]
        day, minute = divmod(wall_ms // _MINUTE_MS + offset, DAY_MINUTES)
        return (day + _FIRST_DAY) % 7, minute


UTC: Final = LocalTime(((0, 0),))


def in_hours(hours: Sequence[int], wall_ms: int, uncertainty_ms: int, local: LocalTime) -> bool:
    """Whether (weekdays, from, to) holds now, widened by the device's own doubt.

    A minute that summer time repeats counts both times, one that it leaves out not at all.
    """
    moments = (wall_ms, wall_ms - uncertainty_ms, wall_ms + uncertainty_ms)
    return any(_holds(hours, *local.minute_of_week(moment)) for moment in moments)


def _holds(hours: Sequence[int], day: int, minute: int) -> bool:
    days, start, end = hours
    if start < end:
        return bool(days >> day & 1) and start <= minute < end
    # Over midnight: the evening of a day in the mask, or the morning after one.
    evening = bool(days >> day & 1) and minute >= start
    return evening or (bool(days >> (day - 1) % 7 & 1) and minute < end)
