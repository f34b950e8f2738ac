"""How long a key is good for: departure days, grace, clocks that are unsure, nights that change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

from appliance.engines.doors.messages import HolderKind
from appliance.kernel.clock import Reading
from appliance.kernel.cose import DAY_MINUTES, WEEK_MASK_MAX

# DESIGN law 6: what is signed on an unsure clock ends soon, whatever was asked for.
UNSURE_S_MAX = 4 * 3_600
# ble.md 2.9: staff keys live 12 to 24 h and are cut again at the start of a shift.
STAFF_S = 24 * 3_600
# A clerk may let a guest stay a day beyond the agreed end; more is a change of departure.
OVERHANG_S_MAX = 24 * 3_600
# ble.md 2.4: an issuer's certificate ends after a year, and so does what it signs.
LENGTH_S_MAX = 366 * 24 * 3_600
# A week: a painter's job. Who comes for longer is asked for again.
VENDOR_S_MAX = 7 * 24 * 3_600
# A key just cut is used at once at a lock whose clock may be behind the box's by some seconds.
BACKDATED_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command says of the window, and what is known of the holder's departure."""

    holder_kind: HolderKind
    from_s: int | None
    until_s: int | None
    departure_end_s: int | None  # stays only: the departure day's end with the grace


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWindow:
    """Half-open, UTC seconds."""

    from_s: int
    until_s: int
    unsure: bool


def departure_end_s(departure: date, check_out_until: str, time_zone: str, grace_min: int) -> int:
    """The moment a stay's keys end: the property's local time that day, plus the grace.

    Of a local time that happens twice, or not at all, the later reading counts, so that nobody is
    locked out by a change of the clocks. The grace is real time.
    """
    return max(_readings(departure, check_out_until, time_zone)) + grace_min * 60


def in_hours(hours: tuple[int, int, int], at_s: int, time_zone: str) -> bool:
    """Whether weekly hours hold at a moment, by the property's own clocks.

    A minute that summer time repeats counts both times; hours that end before they start run into
    the next day and belong to the day on which they began.
    """
    days, start, end = hours
    local = datetime.fromtimestamp(at_s, _zone(time_zone))
    minute, today = local.hour * 60 + local.minute, local.weekday()
    if start < end:
        return bool(days >> today & 1) and start <= minute < end
    yesterday = (today - 1) % 7
    return (bool(days >> today & 1) and minute >= start) or (
        bool(days >> yesterday & 1) and minute < end
    )


def is_week(hours: tuple[int, int, int]) -> bool:
    """Whether these are hours of a week, as a credential carries them."""
    days, start, end = hours
    return (
        1 <= days <= WEEK_MASK_MAX
        and 0 <= start < DAY_MINUTES
        and 1 <= end <= DAY_MINUTES
        and start != end
    )


def arrival_start_s(arrival: date, check_in_from: str, time_zone: str) -> int:
    """The moment from which a stay's prepared keys open: the property's local time that day.

    Of a local time that happens twice, or not at all, the earlier reading counts.
    """
    return min(_readings(arrival, check_in_from, time_zone))


def _readings(day: date, local: str, time_zone: str) -> list[int]:
    hour, minute = (int(part) for part in local.split(":"))
    return [
        int(
            datetime.combine(
                day, time(hour, minute, fold=fold), tzinfo=_zone(time_zone)
            ).timestamp()
        )
        for fold in (0, 1)
    ]


def window(asked: Asked, now: Reading) -> KeyWindow | None:
    """The window a key gets, or None where there is none to give."""
    start = now.wall_s - BACKDATED_S if asked.from_s is None else asked.from_s
    end = asked.until_s
    if end is None:
        end = asked.departure_end_s
    if end is None and asked.holder_kind in {HolderKind.STAFF, HolderKind.VENDOR}:
        end = start + STAFF_S
    if asked.holder_kind is HolderKind.LEASE and asked.until_s is None and end is not None:
        end = min(end, now.wall_s + LENGTH_S_MAX)  # a home of many years is signed year by year
    if end is None or _beyond_departure(asked, end):
        return None
    if not now.sure:
        # Which moment this is nobody knows: whoever stands here gets in for some hours.
        soon = now.wall_s + UNSURE_S_MAX
        end = soon if end <= now.wall_s else min(end, soon)
    most = VENDOR_S_MAX if asked.holder_kind is HolderKind.VENDOR else LENGTH_S_MAX
    if end <= max(start, now.wall_s) or end - start > most + BACKDATED_S:
        return None
    return KeyWindow(from_s=start, until_s=end, unsure=not now.sure)


def _beyond_departure(asked: Asked, end: int) -> bool:
    return asked.departure_end_s is not None and end > asked.departure_end_s + OVERHANG_S_MAX


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
