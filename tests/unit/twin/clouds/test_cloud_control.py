"""The twin's remote control seeds, shows and breaks, and changes nothing on nonsense."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from support.clouds import House, Payments, Pms
from twin.clouds.control import control_routes
from twin.clouds.serve import Clouds
from twin.line import Line


@pytest.fixture
async def control(clouds: Clouds) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(control_routes(clouds))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_reservation_is_sold_shown_and_cancelled(
    control: str, session: aiohttp.ClientSession, house: House, pms: Pms
) -> None:
    sale = {
        "LastName": "Nguyễn",
        "Category": "DBL",
        "StartUtc": "2026-11-02T15:00:00Z",
        "EndUtc": "2026-11-03T11:00:00Z",
        "NightsMinor": [9_900],
        "Channel": "Booking.com",
    }
    async with session.post(f"{control}/clouds/mews/reservations", json=sale) as answer:
        assert answer.status == 201
        made = (await answer.json())["Id"]
    async with session.get(f"{control}/clouds/mews/reservations") as answer:
        assert [one["Id"] for one in (await answer.json())["Reservations"]] == [made]
    path = f"{control}/clouds/mews/reservations/{made}/cancel"
    async with session.post(path, json={}) as answer:
        assert (await answer.json())["State"] == "Canceled"
    async with session.post(path, json={}) as answer:
        assert answer.status == 400
    assert [row["State"] for row in await pms.listed(ReservationIds=[made])] == ["Canceled"]
    assert len(house.store.reservations) == 1


async def test_a_house_is_built_once_and_a_channel_changes_a_stay(
    control: str, session: aiohttp.ClientSession, clouds: Clouds, pms: Pms
) -> None:
    asked = {
        "Name": "Casa do Cais",
        "TimeZone": "Europe/Vienna",
        "Currency": "CHF",
        "Categories": [{"Short": "STD", "Name": "Standard", "Rooms": ["101", "102"]}],
    }
    async with session.post(f"{control}/clouds/mews/house", json=asked) as answer:
        assert answer.status == 200
    async with session.post(f"{control}/clouds/mews/house", json=asked) as answer:
        assert answer.status == 400
    configuration = await pms.good("configuration/get")
    assert configuration["Enterprise"]["TimeZoneIdentifier"] == "Europe/Vienna"
    assert configuration["Enterprise"]["Currencies"][0]["Currency"] == "CHF"
    sale = {
        "LastName": "Weiß",
        "Category": "STD",
        "StartUtc": "2026-11-02T14:00:00Z",
        "EndUtc": "2026-11-03T10:00:00Z",
        "NightsMinor": [9_900],
    }
    async with session.post(f"{control}/clouds/mews/reservations", json=sale) as answer:
        made = (await answer.json())["Id"]
    longer = {"EndUtc": "2026-11-04T10:00:00Z", "NightsMinor": [9_900, 8_800]}
    path = f"{control}/clouds/mews/reservations/{made}/modify"
    async with session.post(path, json=longer) as answer:
        assert (await answer.json())["EndUtc"] == "2026-11-04T10:00:00Z"
    assert clouds.mews.store.reservations[made].nights_minor == [9_900, 8_800]


async def test_a_saved_card_can_be_charged(
    control: str, session: aiohttp.ClientSession, payments: Payments
) -> None:
    async with session.post(f"{control}/clouds/stripe/cards", json={"Name": "Wei"}) as answer:
        saved = await answer.json()
    assert (await payments.charge("key-1", **saved)).body["status"] == "succeeded"


async def test_answers_carry_the_twins_own_time(pms: Pms, payments: Payments) -> None:
    told = {(await pms.ask("configuration/get")).headers["Date"]}
    told.add((await payments.get("/v1/events")).headers["Date"])
    assert told == {"Fri, 30 Oct 2026 18:00:00 GMT"}


async def test_a_fault_is_planned_and_cleared(
    control: str, session: aiohttp.ClientSession, pms: Pms
) -> None:
    plan = {"cloud": "mews", "where": "configuration/*", "fault": "server_error", "times": None}
    async with session.post(f"{control}/clouds/faults", json=plan) as answer:
        assert len((await answer.json())["mews"]) == 1
    assert (await pms.ask("configuration/get")).status == 503
    async with session.delete(f"{control}/clouds/faults") as answer:
        assert (await answer.json())["mews"] == []
    assert (await pms.ask("configuration/get")).status == 200


async def test_charges_can_be_looked_at(
    control: str, session: aiohttp.ClientSession, payments: Payments
) -> None:
    await payments.charge("key-1")
    async with session.get(f"{control}/clouds/stripe/charges") as answer:
        assert [one["amount"] for one in (await answer.json())["data"]] == [12_000]


async def test_the_line_is_cut_slowed_and_healed(
    control: str, session: aiohttp.ClientSession, line: Line
) -> None:
    for asked, state in (
        ({"state": "cut"}, "silent"),
        ({"state": "heal"}, "up"),
        ({"state": "slow", "delay_s": 0.1}, "slow"),
        ({"state": "cut", "how": "refused"}, "refused"),
    ):
        async with session.post(f"{control}/line", json=asked) as answer:
            assert (await answer.json())["state"] == state
        assert line.state == state


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clouds/faults", {"cloud": "mews", "fault": "meteor"}),
        ("/clouds/faults", {"cloud": "weather", "fault": "slow"}),
        ("/clouds/faults", {"cloud": "mews", "fault": "slow", "times": 0}),
        ("/clouds/faults", {"cloud": "mews", "fault": "slow", "delay_s": "long"}),
        ("/clouds/faults", []),
        ("/clouds/faults", {"cloud": "mews", "fault": "slow", "skip": -1}),
        ("/clouds/stripe/cards", {"Card": "4242424242424242"}),
        ("/clouds/mews/house", {"Categories": []}),
        ("/clouds/mews/reservations", {}),
        ("/clouds/mews/reservations", {"Category": "DBL", "NightsMinor": [1]}),
        ("/clouds/mews/reservations", {"Category": "DBL", "NightsMinor": "free"}),
        ("/line", {"state": "gone"}),
        ("/line", {"state": "cut", "how": "gently"}),
        ("/line", {"state": "slow", "delay_s": "a bit"}),
    ],
)
async def test_nonsense_is_a_sentence_and_changes_nothing(
    control: str,
    session: aiohttp.ClientSession,
    clouds: Clouds,
    house: House,
    path: str,
    body: Any,
) -> None:
    async with session.post(control + path, json=body) as answer:
        assert answer.status == 400
        assert await answer.text()
    assert clouds.mews.faults.waiting() == []
    assert clouds.line.up
    assert house.store.reservations == {}
