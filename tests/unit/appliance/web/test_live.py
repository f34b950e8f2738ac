"""Live news over a WebSocket: signed in first, bounded, and cut where it is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.identity.messages import SessionEnded
from appliance.web.limits import SOCKETS_PER_ADDRESS_MAX
from appliance.web.news import WAITING_MAX, Change, News, TooSlowError, change_of
from support.whole_house import WholeHouse, terminal

PROTOCOLS = ("graphql-transport-ws",)
CHANGES = "subscription ($t: [String!]) { changes(topics: $t) { topic id position } }"


@asynccontextmanager
async def connected(
    house: WholeHouse, access: str | None, session: aiohttp.ClientSession
) -> AsyncGenerator[aiohttp.ClientWebSocketResponse, None]:
    async with session.ws_connect(house.url + "/graphql", protocols=PROTOCOLS) as socket:
        payload = {} if access is None else {"authorization": f"Bearer {access}"}
        await socket.send_json({"type": "connection_init", "payload": payload})
        yield socket


async def subscribe(
    socket: aiohttp.ClientWebSocketResponse, query: str, number: str = "1", **variables: Any
) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send_json({"type": "subscribe", "id": number, "payload": payload})


async def started(house: WholeHouse, count: int = 1) -> None:
    """Until the news has its listeners; each question is a turn of the server's loop."""
    async with aiohttp.ClientSession() as session:
        while house.ports.news.listeners < count:
            async with session.get(house.url + "/healthz"):
                pass


async def test_a_change_arrives_with_its_topic_and_id_and_no_content(house: WholeHouse) -> None:
    async with terminal(house) as clerk, connected(house, clerk.access, clerk.session) as socket:
        assert await socket.receive_json() == {"type": "connection_ack"}
        await subscribe(socket, CHANGES, t=["room"])
        await started(house)
        await house.booked()
        await house.done(SetRoomStatus(room_id="103", status=RoomStatus.DIRTY))
        told = await socket.receive_json()
        change = told["payload"]["data"]["changes"]
        assert (told["type"], change["topic"], change["id"]) == ("next", "room", "103")
        assert change["position"] <= house.box.asker.head()
        await socket.send_json({"type": "ping"})
        assert await socket.receive_json() == {"type": "pong"}
        await socket.send_json({"type": "complete", "id": "1"})
    async with aiohttp.ClientSession() as session:
        while house.ports.news.listeners:
            async with session.get(house.url + "/healthz"):
                pass


async def test_a_press_is_followed_to_its_end(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    ask = """mutation ($s: ID!) { openDoor(id: "press-1", stayId: $s) { id } }"""
    async with terminal(house) as clerk, connected(house, clerk.access, clerk.session) as socket:
        await socket.receive_json()
        opened = (await clerk.data(ask, s=stay_id))["openDoor"]
        query = "subscription ($id: ID!) { opening(id: $id) { outcome sentence } }"
        await subscribe(socket, query, id=opened["id"])
        told = await socket.receive_json()
        assert told["payload"]["data"]["opening"]["outcome"] == "DONE"
        assert (await socket.receive_json())["type"] == "complete"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "1", "payload": {"query": CHANGES}}], 4401),
        ([{"type": "connection_init", "payload": {"authorization": "Bearer x"}}], 4403),
        ([{"type": "connection_init"}], 4403),
        (["not json"], 4400),
        ([{"type": 1}], 4400),
    ],
)
async def test_nobody_listens_before_signing_in(
    house: WholeHouse, messages: list[Any], code: int
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(house.url + "/graphql", protocols=PROTOCOLS) as socket,
    ):
        for message in messages:
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_json(message)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == code
    assert house.ports.news.listeners == 0


async def test_what_cannot_be_subscribed_to_is_an_error_of_that_operation_only(
    house: WholeHouse,
) -> None:
    async with terminal(house) as clerk, connected(house, clerk.access, clerk.session) as socket:
        await socket.receive_json()
        bad = [
            "{",
            "{ nonsense }",
            "subscription { nonsense }",
            "x" * 20_000,
            "query A { me { name } } query B { me { name } }",
        ]
        for number, query in enumerate(bad):
            await subscribe(socket, query, str(number))
            told = await socket.receive_json()
            assert (told["type"], told["id"]) == ("error", str(number))
        await socket.send_json({"type": "subscribe", "id": "p", "payload": 5})
        assert (await socket.receive_json())["type"] == "error"
        await subscribe(socket, "{ me { name } }", "ok")
        assert (await socket.receive_json())["payload"]["data"]["me"]["name"] == "Ida"
        assert (await socket.receive_json())["type"] == "complete"


async def test_a_guest_hears_no_news_of_the_house(house: WholeHouse) -> None:
    await house.checked_in()
    async with house.browser() as browser:
        await browser.sign_in()
        async with connected(house, None, browser.session) as socket:
            assert (await socket.receive_json())["type"] == "connection_ack"
            await subscribe(socket, CHANGES)
            told = await socket.receive_json()
            assert told["type"] == "error"
            assert told["payload"][0]["extensions"]["code"] == "NOT_FOR_YOU"


async def test_a_page_of_another_site_cannot_listen(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(
                house.url + "/graphql", protocols=PROTOCOLS, origin="https://evil.example"
            )
        assert refused.value.status == 403


async def test_one_address_has_only_so_many_connections(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        held = [
            await session.ws_connect(house.url + "/graphql", protocols=PROTOCOLS)
            for _ in range(SOCKETS_PER_ADDRESS_MAX)
        ]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(house.url + "/graphql", protocols=PROTOCOLS)
        assert refused.value.status == 429
        for socket in held:
            await socket.close()
        again = await session.ws_connect(house.url + "/graphql", protocols=PROTOCOLS)
        await again.close()


async def test_a_listener_that_does_not_keep_up_is_cut_off_and_others_go_on() -> None:
    news = News()
    slow, quick = news.changes(None), news.changes(frozenset({"health"}))
    first = [asyncio.ensure_future(anext(each)) for each in (slow, quick)]
    await asyncio.wait(first, timeout=0)
    for number in range(WAITING_MAX + 2):
        news.health_changed(number)
        if number == 0:
            await asyncio.wait(first)
        await anext(quick) if number else None
    assert news.listeners == 1
    with pytest.raises(TooSlowError):
        async for _ in slow:
            pass
    await quick.aclose()
    assert news.listeners == 0


def test_a_fact_that_no_screen_shows_is_no_news() -> None:
    ended = SessionEnded(session_hash="x", reason="signed_out")
    assert change_of(ended, 1) is None
    assert Change(topic="stay", id=None, position=1).topic == "stay"
