"""The event stream over a real socket: no replay, no acknowledgement, and the faults of a line."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from support.clouds import House
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, RoomState
from twin.clouds.serve import Clouds

COOKIES = f"ClientToken={CLIENT_TOKEN}; AccessToken={ACCESS_TOKEN}"
WAIT_S = 5.0


def url(clouds: Clouds) -> str:
    return clouds.pms_url.replace("http", "ws", 1) + "/ws/connector"


async def events(line: aiohttp.ClientWebSocketResponse, number: int) -> list[dict[str, Any]]:
    """So many messages, one event in each."""
    return [(await line.receive_json(timeout=WAIT_S))["Events"][0] for _ in range(number)]


async def test_what_happens_is_told_while_somebody_listens_and_not_afterwards(
    clouds: Clouds, house: House, session: aiohttp.ClientSession
) -> None:
    cutter = house.store.add_device()
    missed = house.sell()
    async with session.ws_connect(url(clouds), headers={"Cookie": COOKIES}) as line:
        one = house.sell()
        house.store.set_room_state(house.room("101"), RoomState.DIRTY)
        command = house.store.ask_for_keys(one.id, cutter.id)
        told = await events(line, 3)
    assert [(each["Type"], each["Id"], each["State"]) for each in told] == [
        ("Reservation", one.id, "Confirmed"),
        ("Resource", house.room("101"), "Dirty"),
        ("DeviceCommand", command.id, "Pending"),
    ]
    assert missed.id not in {each["Id"] for each in told}


@pytest.mark.parametrize(
    "cookies", ["", "ClientToken=x; AccessToken=y", f"ClientToken={CLIENT_TOKEN}"]
)
async def test_wrong_tokens_are_refused(
    clouds: Clouds, session: aiohttp.ClientSession, cookies: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url(clouds), headers={"Cookie": cookies})
    assert refused.value.status == 401


async def test_a_device_that_came_later_is_told_of_after_a_reconnect(
    clouds: Clouds, house: House, session: aiohttp.ClientSession
) -> None:
    one = house.sell()
    async with session.ws_connect(url(clouds), headers={"Cookie": COOKIES}) as line:
        cutter = house.store.add_device()
        house.store.ask_for_keys(one.id, cutter.id)
        house.store.set_room_state(house.room("101"), RoomState.CLEAN)
        assert (await events(line, 1))[0]["Type"] == "Resource"
    async with session.ws_connect(url(clouds), headers={"Cookie": COOKIES}) as line:
        house.store.ask_for_keys(one.id, cutter.id)
        assert (await events(line, 1))[0]["Type"] == "DeviceCommand"


async def test_events_are_doubled_turned_round_and_lost(
    clouds: Clouds, house: House, session: aiohttp.ClientSession
) -> None:
    faults = clouds.mews.streams.faults
    async with session.ws_connect(url(clouds), headers={"Cookie": COOKIES}) as line:
        faults.copies, faults.hold = 2, 2
        first, second = house.sell(), house.sell()
        told = [each["Id"] for each in await events(line, 4)]
        assert told == [second.id, second.id, first.id, first.id]
        faults.copies, faults.hold, faults.lossy = 1, 1, True
        house.sell()
        faults.lossy = False
        last = house.sell()
        assert (await events(line, 1))[0]["Id"] == last.id


async def test_a_silent_stream_answers_no_ping_and_a_dropped_one_ends(
    clouds: Clouds, house: House, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(url(clouds), headers={"Cookie": COOKIES}, autoping=False) as line:
        await line.ping()
        assert (await line.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.PONG
        clouds.mews.streams.faults.silent = True
        await line.ping()
        house.sell()
        clouds.mews.streams.faults.silent = False
        clouds.mews.streams.drop()
        assert (await line.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    assert clouds.mews.streams.listeners == 0
