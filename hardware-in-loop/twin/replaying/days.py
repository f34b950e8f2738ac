"""The days of a replay, one after the other, until every booking has come to its end."""

from __future__ import annotations

import asyncio
import time as real_time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any, Final

from twin.replaying.channel import Channel
from twin.replaying.desk import Desk, Seen
from twin.replaying.house import MOMENT_S_MAX, House, open_house
from twin.replaying.plan import COME_HOURS, DAY, GO_HOURS, Plan
from twin.replaying.rows import End, Row

# A technician's round: a lock's clock is unsure 69 days after it was set (ble.md 2.9).
CLOCKS_SET_EVERY_DAYS: Final = 30

Progress = Callable[[date, int, int], None]
"""Called after each day with its date, how many days are over, and how many there are."""


class HouseDiedError(Exception):
    """A task that must not end has ended; the text says which. Its traceback is in the log."""


@dataclass(slots=True, kw_only=True)
class Lived:
    """What is known when the last day is over, or where the replay was stopped."""

    seen: Seen
    upstream: dict[int, str]
    days: int
    stopped_on: date | None
    real_s: float
    parked: list[str]  # what waits for a person in sync or stands still in the box


async def live(plan: Plan, folder: Path, progress: Progress, stop: asyncio.Event) -> Lived:
    """Live through a plan in a folder; afterwards the folder holds log, journal and sync.db."""
    began_s = real_time.perf_counter()
    async with open_house(plan, folder) as house:
        seen = Seen()
        channel = Channel(plan, house)
        days = Days(plan, house, channel, Desk(plan, house, channel, seen))
        stopped_on = await days.all(progress, stop)
        if stopped_on is None:
            await house.clock.run_until(house.followed(), MOMENT_S_MAX)
        parked = house.owed()
    return Lived(
        seen=seen,
        upstream=channel.upstream,
        days=days.over,
        stopped_on=stopped_on,
        real_s=real_time.perf_counter() - began_s,
        parked=parked,
    )


class Days:
    """Who comes, goes and does not come on which day."""

    def __init__(self, plan: Plan, house: House, channel: Channel, desk: Desk) -> None:
        self._plan = plan
        self._house = house
        self._channel = channel
        self._desk = desk
        self.over = 0
        self._coming: dict[date, list[Row]] = defaultdict(list)
        self._going: dict[date, list[Row]] = defaultdict(list)
        self._staying_on: dict[date, list[Row]] = defaultdict(list)
        self._missed: dict[date, list[Row]] = defaultdict(list)
        for row in (*plan.in_house, *plan.arriving):
            if row.end is End.LEFT:
                self._stay(row)
            elif row.end is End.NO_SHOW:
                self._missed[max(row.arrival, row.ended_on)].append(row)

    def _stay(self, row: Row) -> None:
        if row.arrival >= self._plan.first:
            self._coming[row.arrival].append(row)
        self._going[row.gone_on].append(row)
        if row.gone_on > row.booked_until:
            self._staying_on[max(row.booked_until, self._plan.first)].append(row)

    async def all(self, progress: Progress, stop: asyncio.Event) -> date | None:
        """Every day; gives the day on which it was told to stop, None where it got to the end."""
        day, last = self._plan.first, self._plan.ends_on
        count = (last - day).days + 1
        await self._do(self._open())
        while day <= last:
            for moment, work in self._moments(day):
                if stop.is_set():
                    return day
                await self._house.moment(moment)
                await self._do(work())
            self.over += 1
            progress(day, self.over, count)
            day += DAY
        # Two days on, every key of the window has ended also by its own date.
        await self._house.moment(datetime.combine(day + DAY, time(12)))
        await self._do(self._desk.last_tries())
        return None

    def _moments(
        self, day: date
    ) -> Iterator[tuple[datetime, Callable[[], Coroutine[Any, Any, None]]]]:
        """What happens on a day, with the local time of each."""

        def at(hour: int, minute: int = 0) -> datetime:
            return datetime.combine(day, time(hour, minute))

        yield at(6), partial(self._morning, day)
        for hour in GO_HOURS:
            going = [
                row
                for row in self._going[day]
                if row.arrival < day and self._plan.goes_at(row) == hour
            ]
            if going:
                yield at(hour), partial(self._desk.farewell, going)
        yield at(11), partial(self._noon, day)
        for hour in COME_HOURS:
            coming = [row for row in self._coming[day] if self._plan.comes_at(row) == hour]
            if coming:
                yield at(hour), partial(self._desk.welcome, coming)
        yield at(23, 30), partial(self._evening, day)
        # By the clock it is the next day; for the house, the old one is closed now.
        yield at(2) + DAY, partial(self._night, day)

    async def _open(self) -> None:
        """The first look at the PMS: who is in house, and nothing else yet."""
        await self._channel.move_in()
        await self._house.settled()
        await self._desk.take_over(self._plan.in_house)

    async def _morning(self, day: date) -> None:
        if self.over % CLOCKS_SET_EVERY_DAYS == 0:
            self._set_clocks()
        if await self._channel.sell(day):
            await self._house.settled()
        await self._channel.change(day)
        if await self._channel.cancel(day):
            await self._house.settled()

    async def _noon(self, day: date) -> None:
        if longer := self._staying_on[day]:
            await self._channel.extend(longer)
            await self._desk.extend(longer)
        await self._desk.clean()
        await self._house.settled()

    async def _evening(self, day: date) -> None:
        rows = [row for row in self._going[day] if row.arrival == day]
        if rows:
            await self._desk.farewell(rows)
            await self._desk.clean()
        await self._house.settled()

    async def _night(self, day: date) -> None:
        await self._desk.close_day(day, self._missed[day])
        await self._house.settled()

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        await self._house.clock.run_until(work, MOMENT_S_MAX)
        if self._house.died:
            raise HouseDiedError("; ".join(self._house.died))

    def _set_clocks(self) -> None:
        now = self._house.clock.read()
        for device in self._house.twin.devices.values():
            device.core.rtc.set(now.wall_ms, now)
