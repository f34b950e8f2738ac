"""What a replay lives through: who is in the window, how large the house is, and what is made up."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from twin.replaying.rows import NIGHTS_MAX, End, Misfit, Row

# Local hours at which guests come and go, with how many of a hundred do; made up.
COME_HOURS: Final[Mapping[int, int]] = {15: 24, 16: 20, 17: 16, 18: 13, 19: 10, 20: 8, 21: 6, 23: 3}
GO_HOURS: Final[Mapping[int, int]] = {8: 25, 9: 30, 10: 45}
# One change of a booking costs a euro a night, so that no two versions are alike; made up.
STEP_MINOR: Final = 100
DAY: Final = timedelta(days=1)

MADE_UP: Final = (
    "guests' names and addresses",
    "hours of arrival and departure",
    "room numbers, and which room of its type a guest gets",
    "what the changes of a booking changed, and on which days",
    "bookings made before the window are made on its first day",
    "currency (EUR), time zone (Europe/Lisbon), account of the hotel",
    "keys, PINs, door tries, cleaning rounds, night audits at 2 in the morning",
    "a lock in twelve is off the bus from a check-out to the next guest's first opening",
    "a technician sets the locks' clocks every 30 days",
)
"""What the file does not hold and the seed decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A booking as it is sold at some moment."""

    nights: int
    rate_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One window, both ends included; `rooms` by the file's own type names."""

    first: date
    last: date
    seed: int
    in_house: Sequence[Row]
    arriving: Sequence[Row]
    misfits: Sequence[Misfit]
    rooms: Mapping[str, int]

    def booked_on(self, row: Row) -> date:
        """The day a booking is made; nothing is made before the window."""
        return max(self.first, row.arrival - timedelta(days=row.lead_days))

    def cancelled_on(self, row: Row) -> date:
        """The day of a cancellation; never before the booking itself."""
        return max(self.booked_on(row), row.ended_on)

    def changed_on(self, row: Row) -> list[date]:
        """The days of a booking's changes, in order, before the guest comes or it is cancelled."""
        first = self.booked_on(row)
        last = min(row.arrival, self.cancelled_on(row)) if row.end is End.CANCELLED else row.arrival
        span = max((last - first).days, 0)
        chance = self.chance("changes", row)
        return sorted(first + timedelta(days=chance.randint(0, span)) for _ in range(row.changes))

    def version(self, row: Row, changes_left: int) -> Version:
        """A booking as it is so many changes before its last form, which is the file's."""
        longer = changes_left % 2 if row.nights < NIGHTS_MAX else 0
        return Version(
            nights=row.nights + longer, rate_minor=row.rate_minor + STEP_MINOR * changes_left
        )

    def comes_at(self, row: Row) -> int:
        """The local hour of an arrival; who leaves the same day comes early."""
        hours = list(COME_HOURS)
        if row.gone_on == row.arrival:
            return hours[0]
        return self.chance("come", row).choices(hours, list(COME_HOURS.values()))[0]

    def goes_at(self, row: Row) -> int:
        """The local hour of a departure."""
        hours = list(GO_HOURS)
        return self.chance("go", row).choices(hours, list(GO_HOURS.values()))[0]

    def chance(self, what: str, row: Row | None = None) -> random.Random:
        """The seed's own dice for one thing of one row, whatever else is thrown."""
        return random.Random(f"{self.seed}:{what}:{'' if row is None else row.number}")

    @property
    def ends_on(self) -> date:
        """The last day on which something happens to a booking of the window."""
        ends = [self.last, *(self._end(row) for row in (*self.in_house, *self.arriving))]
        return max(ends)

    def _end(self, row: Row) -> date:
        match row.end:
            case End.LEFT:
                return row.gone_on
            case End.CANCELLED:
                return self.cancelled_on(row)
            case End.NO_SHOW:
                return max(row.arrival, row.ended_on)


def make_plan(rows: Iterable[Row | Misfit], first: date, last: date, seed: int) -> Plan:
    """Sort a file's rows into a window's."""
    in_house: list[Row] = []
    arriving: list[Row] = []
    misfits: list[Misfit] = []
    for row in rows:
        if isinstance(row, Misfit):
            # Where even the arrival cannot be read, the row could belong to any window.
            if row.arrival is None or first <= row.arrival <= last:
                misfits.append(row)
        elif first <= row.arrival <= last:
            arriving.append(row)
        elif row.end is End.LEFT and row.arrival < first < row.gone_on:
            in_house.append(row)
    return Plan(
        first=first,
        last=last,
        seed=seed,
        in_house=in_house,
        arriving=arriving,
        misfits=misfits,
        rooms=_rooms(in_house, arriving, first),
    )


def _rooms(in_house: Sequence[Row], arriving: Sequence[Row], first: date) -> dict[str, int]:
    """As many rooms of a type as are slept in at once, and one of each type that is only sold."""
    steps: dict[str, Counter[date]] = defaultdict(Counter)
    for row in (*in_house, *arriving):
        if row.end is End.LEFT:
            begin = max(row.arrival, first)
            steps[row.assigned][begin] += 1
            # Who leaves on the day of arrival had a room that day all the same.
            steps[row.assigned][max(row.gone_on, begin + DAY)] -= 1
    rooms = {}
    for kind, changes in steps.items():
        level = most = 0
        for day in sorted(changes):
            level += changes[day]
            most = max(most, level)
        rooms[kind] = most
    sold = {row.reserved for row in (*in_house, *arriving)}
    return dict(sorted({**dict.fromkeys(sold, 1), **rooms}.items()))
