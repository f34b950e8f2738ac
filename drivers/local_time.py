"""The property's local time in a lock that knows no time zones: a short table of changes of offset.

The box hands over when the offset to UTC changes next, some years ahead; the lock adds, and needs no
tzdata, no rules of summer time and no update when a parliament changes its mind: the next table says
it.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.cose import DAY_MINUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.kernel.cose import Claims

# Two a year: the present offset and three and a half years ahead, 60 bytes on the wire.
CHANGES_MAX: Final = 8
# Kiribati is 14 hours ahead, Baker Island 12 behind.
OFFSET_MINUTES_MAX: Final = 14 * 60
# 1970 began on a Thursday; bit 0 of a week's mask is Monday.
_FIRST_DAY: Final = 3
_MINUTE_MS: Final = 60_000
_DAY_S: Final = 86_400
# Four years: more changes than the table takes, where there is summer time at all.
AHEAD_DAYS: Final = 1_461


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


def changes_ahead(zone: dt.tzinfo, wall_s: int) -> LocalTime:
    """What a box with time zones hands to a lock without: today's offset and its next changes.

    The same table at every visit, until a change is past: a lock writes down only what is new.
    """
    day_s = wall_s - wall_s % _DAY_S
    changes = [(0, _offset_minutes(zone, day_s))]
    for start_s in range(day_s, day_s + AHEAD_DAYS * _DAY_S, _DAY_S):
        if len(changes) == CHANGES_MAX:
            break
        after = _offset_minutes(zone, start_s + _DAY_S)
        if after != changes[-1][1]:
            changes.append((_change_between(zone, start_s, start_s + _DAY_S), after))
    return LocalTime(tuple(changes))


def local_for(claims: Claims, zone: dt.tzinfo | None, past_ms: int) -> LocalTime | None:
    """The property's time as the judge of this key needs it; None where no zone or no hours are.

    `past_ms` is a moment that is certainly past: the table holds from there on.
    """
    if zone is None or claims.schedule is None:
        return None
    return changes_ahead(zone, max(0, past_ms) // 1000)


def zone_named(name: str) -> dt.tzinfo:
    """A time zone by its name; raises ValueError with the cure where there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: write one like Europe/Lisbon") from error


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


def _offset_minutes(zone: dt.tzinfo, wall_s: int) -> int:
    offset = dt.datetime.fromtimestamp(wall_s, tz=zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def _change_between(zone: dt.tzinfo, before_s: int, after_s: int) -> int:
    """The second from which the later offset holds, by halving."""
    old = _offset_minutes(zone, before_s)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset_minutes(zone, middle_s) == old:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s
