"""Promises of the twin's calendar files: real quirks, conditional answers, faults for a while."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from appliance.kernel.virtual_clock import VirtualClock
from sync.feeds.entries import Kind, Snapshot
from sync.feeds.reading import NoCalendar, read
from twin.clouds.faults import Fault
from twin.clouds.ical import ICalCloud, Style, Taken
from twin.clouds.wire import Delivery, Reply, Request
from twin.journal import Journal

NOVEMBER = date(2026, 11, 1)
VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture
def cloud(clock: VirtualClock, journal: Journal) -> ICalCloud:
    found = ICalCloud(clock, journal)
    found.store.add("sea")
    for listing, number in (("L1", 1), ("L1", 2), ("L2", 3)):
        taken = Taken(
            uid=f"{listing}-{number}@airbnb.com",
            start=date(2026, 11, number),
            end=date(2026, 11, number + 2),
            reserved=number != 2,
            listing=listing,
        )
        found.store.put("sea", taken)
    return found


async def get(cloud: ICalCloud, headers: Mapping[str, str] | None = None) -> Reply:
    return await cloud.answer(Request(method="GET", path="/sea.ics", headers=headers or {}))


async def entries(cloud: ICalCloud) -> list[tuple[str, Kind]]:
    found = read((await get(cloud)).body, VIENNA)
    assert isinstance(found, Snapshot)
    return [(each.uid, each.kind) for each in found.entries]


async def test_a_calendar_says_what_is_taken(cloud: ICalCloud) -> None:
    assert await entries(cloud) == [
        ("L1-1@airbnb.com", Kind.RESERVED),
        ("L1-2@airbnb.com", Kind.BLOCKED),
        ("L2-3@airbnb.com", Kind.RESERVED),
    ]
    body = (await get(cloud)).body
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert len(Calendar.from_ical(body).walk("VEVENT")) == 3


async def test_booking_com_says_closed_to_everything(cloud: ICalCloud) -> None:
    cloud.store.calendars["sea"].style = Style.BOOKING
    assert {kind for _, kind in await entries(cloud)} == {Kind.CLOSED}


async def test_nothing_new_is_a_304_until_something_is(cloud: ICalCloud) -> None:
    etag = (await get(cloud)).headers["ETag"]
    assert (await get(cloud, {"if-none-match": etag})).status == 304
    cloud.store.take_away("sea", "L1-1@airbnb.com")
    assert (await get(cloud, {"if-none-match": etag})).status == 200


async def test_a_listing_drops_out_and_comes_back(cloud: ICalCloud) -> None:
    cloud.store.drop_out("sea", "L1")
    assert [uid for uid, _ in await entries(cloud)] == ["L2-3@airbnb.com"]
    cloud.store.bring_back("sea")
    assert len(await entries(cloud)) == 3


@pytest.mark.parametrize("fault", [Fault.NO_CALENDAR, Fault.HALF_FILE])
async def test_what_is_no_calendar_is_answered_with_200(cloud: ICalCloud, fault: Fault) -> None:
    cloud.faults.plan("sea", fault)
    reply = await get(cloud)
    assert reply.status == 200
    assert isinstance(read(reply.body, VIENNA), NoCalendar)
    assert len(await entries(cloud)) == 3


async def test_an_empty_calendar_is_well_formed(cloud: ICalCloud) -> None:
    cloud.faults.plan("sea", Fault.EMPTY)
    assert read((await get(cloud)).body, VIENNA) == Snapshot()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.GONE, 404),
        (Fault.NOTHING_NEW, 304),
        (Fault.SERVER_ERROR, 503),
        (Fault.TOO_MANY, 429),
        (Fault.BROKEN_STORED, 500),
        (Fault.SLOW, 200),
    ],
)
async def test_other_answers(
    cloud: ICalCloud, clock: VirtualClock, fault: Fault, status: int
) -> None:
    cloud.faults.plan("sea", fault)
    assert (await clock.run_until(get(cloud), limit_s=60)).status == status


async def test_no_answer_and_half_of_one(cloud: ICalCloud) -> None:
    for fault, delivery in (
        (Fault.LOST_REQUEST, Delivery.DROPPED),
        (Fault.LOST_ANSWER, Delivery.DROPPED),
        (Fault.CUT_BODY, Delivery.CUT),
    ):
        cloud.faults.plan("sea", fault)
        assert (await get(cloud)).delivery is delivery


async def test_another_name_or_method_is_not_there(cloud: ICalCloud) -> None:
    for method, path, status in (
        ("GET", "/other.ics", 404),
        ("GET", "/sea", 404),
        ("POST", "/sea.ics", 405),
    ):
        assert (await cloud.answer(Request(method=method, path=path))).status == status
