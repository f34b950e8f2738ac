"""Promises of the calendars that channels read: secret addresses, no names, no echo, no line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from appliance.engines.calendar.messages import CloseNights, Stretch
from appliance.kernel.settings import FeedSettings, Settings
from support.whole_house import SYNC, WholeHouse, copied, open_whole_house, terminal
from sync.feeds.entries import Entry, Kind, Snapshot
from sync.feeds.reading import read

FEEDS = {
    "sea": FeedSettings(room_type="double", room="101"),
    "all": FeedSettings(room_type="Double"),
    "lost": FeedSettings(room_type="tent"),
}


@pytest.fixture
async def house(property_folder: Path, tmp_path: Path) -> AsyncIterator[WholeHouse]:
    settings: Settings = copied(property_folder, tmp_path)
    sync = settings.sync.model_copy(update={"feeds": FEEDS})
    fed = settings.model_copy(update={"sync": sync})
    async with open_whole_house(fed, tmp_path) as opened:
        yield opened


async def addresses(house: WholeHouse, who: str = "max") -> dict[str, str]:
    async with terminal(house, who) as desk:
        answer = await desk.ask("{ calendarAddresses { name url } }")
    found = (answer.get("data") or {}).get("calendarAddresses")
    return {each["name"]: each["url"] for each in found or []}


async def get(house: WholeHouse, url: str, **headers: str) -> tuple[int, bytes, Any]:
    path = "/" + url.split("/", 3)[3]
    async with house.browser() as browser:
        request = browser.session.get(house.url + path, headers=headers)
        async with request as answer:
            return answer.status, await answer.read(), answer.headers


async def entries(house: WholeHouse, name: str) -> list[Entry]:
    status, body, _ = await get(house, (await addresses(house))[name])
    assert status == 200
    found = read(body, ZoneInfo("Europe/Lisbon"))
    assert isinstance(found, Snapshot)
    return list(found.entries)


async def closed(house: WholeHouse, source: str, first: date, nights: int) -> None:
    await house.done(
        CloseNights(
            closure_id=f"closure:{source}:1",
            room_type_id="double",
            room_id="101",
            since=first,
            stretches=(Stretch(start=first, end=first + timedelta(days=nights)),),
        ),
        SYNC,
    )


async def test_a_channel_reads_what_it_may_not_sell_and_no_name(house: WholeHouse) -> None:
    await house.checked_in("Weber", room="101")
    today = await house.today()
    [entry] = await entries(house, "sea")
    assert (entry.kind, entry.start, entry.end) == (
        Kind.RESERVED,
        today,
        today + timedelta(days=2),
    )
    _, body, headers = await get(house, (await addresses(house))["sea"])
    assert headers["Content-Type"] == "text/calendar; charset=utf-8"
    for name in (b"Weber", b"Jonas", b"K7Q2M9X4TB"):
        assert name not in body
    assert len(Calendar.from_ical(body).walk("VEVENT")) == 1
    assert b"\r\nDTSTAMP:20" in body  # RFC 5545 3.8.7.2 wants one in each


async def test_nothing_new_is_a_304(house: WholeHouse) -> None:
    await house.checked_in(room="101")
    url = (await addresses(house))["sea"]
    _, first, headers = await get(house, url)
    status, body, _ = await get(house, url, **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    await closed(house, "ical:hill", await house.today() + timedelta(days=9), 2)
    status, second, _ = await get(house, url, **{"If-None-Match": headers["ETag"]})
    assert status == 200
    assert first != second


async def test_what_a_channel_told_us_is_not_given_back_to_it(house: WholeHouse) -> None:
    today = await house.today()
    await closed(house, "ical:sea", today + timedelta(days=5), 3)
    await closed(house, "ical:hill", today + timedelta(days=20), 1)
    assert [(each.kind, (each.start - today).days) for each in await entries(house, "sea")] == [
        (Kind.BLOCKED, 20)
    ]


async def test_a_type_is_closed_when_its_last_room_is_gone(house: WholeHouse) -> None:
    for number in range(3):
        await house.booked(code=f"K7Q2M9X4T{number}")
    assert await entries(house, "all") == []
    await house.booked(code="K7Q2M9X4T9")
    today = await house.today()
    for name in ("all", "sea"):
        [entry] = await entries(house, name)
        assert (entry.kind, entry.start, entry.end) == (
            Kind.BLOCKED,
            today,
            today + timedelta(days=2),
        )


async def test_only_who_has_the_whole_address_reads_it(house: WholeHouse) -> None:
    found = await addresses(house)
    assert sorted(found) == ["all", "lost", "sea"]
    assert len({url[-44:] for url in found.values()}) == 3
    guess = found["sea"][:-5] + ("0" if found["sea"][-5] != "0" else "1") + ".ics"
    for url in (guess, found["sea"].replace("sea-", "hill-"), found["lost"]):
        assert (await get(house, url))[0] == 404


async def test_a_clerk_learns_no_address(house: WholeHouse) -> None:
    assert await addresses(house, "ida") == {}


async def test_whoever_asks_all_the_time_is_asked_to_wait(house: WholeHouse) -> None:
    url = (await addresses(house))["sea"]
    answers = [(await get(house, url))[0] for _ in range(25)]
    assert answers[0] == 200
    assert answers[-1] == 429
