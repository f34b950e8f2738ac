"""Ten months of five real Booking.com feeds through the whole pipeline: who is told of what."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.feed_house import FeedHouse, moved
from support.hotel import FRIDAY
from support.shared_data import shared_data
from sync import carrier, deliver
from sync.feeds.absence import is_horizon
from sync.feeds.entries import Kind
from twin.clouds.ical import Style, Taken

FEEDS = ("b1", "b2", "b3", "b4", "b5")


class Replay:
    """The five feeds as the log of their changes tells them, moved to the hotel's Friday."""

    def __init__(self, house: FeedHouse, days: int) -> None:
        self.house = house
        self.days = days

    def _taken(self, row: list[str]) -> Taken:
        uid, start, end, _kind = row
        ahead = timedelta(days=self.days)
        return Taken(uid=uid, start=_day(start) + ahead, end=_day(end) + ahead, reserved=False)

    def apply(self, row: dict[str, Any]) -> bool:
        """Take one snapshot's changes over; True where only the horizon moved."""
        name = row["feed"].lower()
        changed = [self._taken([uid, *now]) for uid, _, now in row.get("changed", [])]
        for uid, *_ in row.get("removed", []):
            self.house.store.take_away(name, uid)
        self.house.store.put(name, *(self._taken(each) for each in row.get("added", [])), *changed)
        today = datetime.fromtimestamp(self.house.clock.read().wall_s).date()  # noqa: DTZ006 - a day more or less
        others = row.get("added") or row.get("removed")
        return not others and all(is_horizon(Kind.CLOSED, each.end, today) for each in changed)


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date


@pytest.mark.parametrize(
    "feeds", [FEEDS[:1], pytest.param(FEEDS, marks=pytest.mark.slow)], ids=["one", "all-five"]
)
async def test_the_moving_horizon_makes_less_than_one_notice_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feeds: tuple[str, ...]
) -> None:
    """A notice is a fact in the box's log or something that waits for a person."""
    # Nobody waits for these looks here, and ten months of them take minutes.
    monkeypatch.setattr(deliver, "LOOK_S", 86_400.0)
    monkeypatch.setattr(carrier, "LOOK_S_MAX", 86_400.0)
    lines = shared_data("ota-changes-bookingcom.jsonl").read_text().splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["t"])
    rows = [row for row in rows if row["feed"].lower() in feeds]
    first = datetime.fromisoformat(rows[0]["t"])
    house = FeedHouse(
        tmp_path,
        {name: str(101 + number) for number, name in enumerate(feeds)},
        doubles=len(feeds),
        style=Style.BOOKING,
    )
    await house.settle()
    replay = Replay(house, moved(first.date()))
    began_s = house.clock.read().wall_s
    moves = notices = others = 0
    for row in rows:
        at_s = (datetime.fromisoformat(row["t"]) - first).total_seconds()
        await house.clock.advance(max(0.0, began_s + at_s - house.clock.read().wall_s))
        before = len(house.hotel.facts) + len(house.parked())
        only_horizon = replay.apply(row)
        await house.look(row["feed"].lower())
        new = len(house.hotel.facts) + len(house.parked()) - before
        if only_horizon and not row["initial"]:
            moves += 1
            notices += new
        else:
            others += new
    days = (house.clock.read().wall_s - began_s) / 86_400
    print(  # noqa: T201 - the figure asked for
        f"\n{len(rows)} snapshots of {len(feeds)} feeds in {days:.0f} days: the horizon moved"
        f" {moves} times and made {notices} notices, {notices / days:.3f} a day;"
        f" everything else made {others}"
    )
    assert moves > 100 * len(feeds)
    assert notices / days < 1
    assert others > 30 * len(feeds)
    assert house.stays() == {}
    held = [date.fromisoformat(night) for night in house.closed()]
    assert max(held, default=FRIDAY) < FRIDAY + timedelta(days=int(days) + 365)
    await house.close()
