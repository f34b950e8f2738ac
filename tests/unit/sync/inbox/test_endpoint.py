"""The address itself, over real sockets: answers, limits, strangers, and what a flood is told."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from support import webhooks
from support.inbox_house import InboxHouse, inbox_house
from support.webhooks import Posted
from sync.inbox import endpoint as endpoints
from sync.inbox.endpoint import BODY_BYTES_MAX, Endpoint, listen
from sync.inbox.inbox import OPEN_MAX
from sync.inbox.words import GUESTY, HOSTAWAY


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[InboxHouse]:
    async with inbox_house(tmp_path / "sync.db") as found:
        yield found


class Sender:
    """A vendor."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session, self.port = session, port
        self.base = f"http://127.0.0.1:{port}"

    async def post(self, posted: Posted) -> tuple[int, str]:
        url = self.base + posted.path
        async with self.session.post(url, headers=posted.headers, data=posted.body) as reply:
            return reply.status, (await reply.json())["sentence"]


@pytest.fixture
async def sender(house: InboxHouse) -> AsyncIterator[Sender]:
    async with (
        listen(Endpoint(house.inbox, house.clock), "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Sender(session, port)


async def test_every_vendor_is_answered(house: InboxHouse, sender: Sender) -> None:
    for posted in (
        webhooks.guesty("m1", "r1", house.now_s),
        webhooks.stripe("evt_1", "pi_1", house.now_s),
        webhooks.hostaway(1),
        webhooks.mews("a", "b"),
    ):
        assert await sender.post(posted) == (200, "Stored.")
    assert await sender.post(webhooks.guesty("m1", "r1", house.now_s)) == (200, "Known already.")
    assert len(await house.rows()) == 4


async def test_no_is_a_sentence_and_leaves_nothing(house: InboxHouse, sender: Sender) -> None:
    now_s = house.now_s
    forged = webhooks.stripe("evt_1", "pi_1", now_s, secret="whsec_forged")
    bare = Posted(path="/hooks/guesty", headers={}, body=b"{}")
    for posted, status in (
        (forged, 401),
        (bare, 400),
        (webhooks.hostaway(1, token="wrong"), 401),
        (webhooks.mews("a", token="wrong"), 401),
        (Posted(path="/hooks/nobody", headers={}, body=b"{}"), 404),
        (Posted(path="/hooks/mews/a/b", headers={}, body=b"{}"), 404),
        (Posted(path="/", headers={}, body=b"{}"), 404),
    ):
        found, sentence = await sender.post(posted)
        assert found == status
        assert sentence.endswith(".")
    assert await house.rows() == []


async def test_a_look_with_a_browser_changes_nothing(sender: Sender) -> None:
    async with sender.session.get(f"{sender.base}/hooks/mews/mewsPathToken") as reply:
        assert reply.status == 405


async def test_raw_bytes_are_what_is_verified(house: InboxHouse, sender: Sender) -> None:
    # The same JSON written again is another body; packed bytes are verified packed.
    posted = webhooks.stripe("evt_1", "pi_1", house.now_s)
    tidy = posted.body.replace(b"\n", b"")
    assert (await sender.post(Posted(path=posted.path, headers=posted.headers, body=tidy)))[
        0
    ] == 401
    packed = {**posted.headers, "content-encoding": "gzip"}
    url = sender.base + posted.path
    async with sender.session.post(url, headers=packed, data=posted.body) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_too_large_is_refused(
    house: InboxHouse, sender: Sender, *, told: bool
) -> None:
    body = b"x" * (BODY_BYTES_MAX + 1)

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    data = io.BytesIO(body) if told else in_pieces()
    with contextlib.suppress(aiohttp.ClientError):
        async with sender.session.post(f"{sender.base}/hooks/guesty", data=data) as reply:
            assert reply.status == 413
    assert await house.rows() == []
    assert (await sender.post(webhooks.mews("a")))[0] == 200


async def test_one_who_never_ends_is_left(
    house: InboxHouse, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "BODY_S_MAX", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.port)
    writer.write(b"POST /hooks/guesty HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408")
    writer.close()


async def test_headers_that_never_end_are_left(
    house: InboxHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "IDLE_S_MAX", 0.05)
    async with listen(Endpoint(house.inbox, house.clock), "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /hooks/guesty HTTP/1.1\r\nX-Slow: a")
        assert await reader.read() == b""
        writer.close()


async def test_connections_are_counted(house: InboxHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "CONNECTIONS_MAX", 2)
    endpoint = Endpoint(house.inbox, house.clock)
    async with listen(endpoint, "127.0.0.1", 0) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert endpoint.turned_away == 1
        for _, each in [*kept, (reader, writer)]:
            each.close()


@pytest.fixture
def slow_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "RATE_BURST", 5.0)
    monkeypatch.setattr(endpoints, "RATE_PER_S", 0.001)


async def test_a_flood_is_told_to_come_again(slow_rates: None, sender: Sender) -> None:
    answers = [(await sender.post(webhooks.hostaway(number)))[0] for number in range(7)]
    assert answers == [200] * 5 + [503] * 2
    # Another source has a measure of its own.
    assert (await sender.post(webhooks.mews("a")))[0] == 200


async def test_a_full_inbox_is_told_before_the_body_is_read(
    house: InboxHouse, sender: Sender
) -> None:
    house.inbox.open_items = OPEN_MAX
    assert (await sender.post(webhooks.hostaway(1)))[0] == 503


async def test_too_much_at_once_is_told_to_come_again(
    house: InboxHouse, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "BODIES_BYTES_MAX", 10)
    assert (await sender.post(webhooks.hostaway(1)))[0] == 503


async def test_a_fault_of_ours_is_never_a_4xx(
    house: InboxHouse, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_delivery: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr(house.inbox.vendors[HOSTAWAY], "judge", broken)
    assert (await sender.post(webhooks.hostaway(1)))[0] == 503
    house.inbox.listeners.pop(GUESTY)
    assert (await sender.post(webhooks.guesty("m1", "r1", house.now_s)))[0] == 503
