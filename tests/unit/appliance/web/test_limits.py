"""How much a stranger may ask, of whom, and what every answer carries."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from appliance.kernel.virtual_clock import VirtualClock
from appliance.web.context import Ports
from appliance.web.limits import (
    ADDRESSES_MAX,
    BODY_BYTES_MAX,
    RATE_BURST,
    RATE_PER_S,
    Networks,
    Rates,
)
from appliance.web.server import GUARD_KEY, build_app
from support.desk import FRIDAY_18_MS
from support.whole_house import WholeHouse, copied, open_whole_house

PATHS = [
    "/",
    "/sign-in",
    "/stay",
    "/door/x",
    "/climate",
    "/help",
    "/k/x",
    "/healthz",
    "/metrics",
    "/health",
    "/console",
    "/graphql",
    "/staff-names",
    "/static/nightporter.css",
    "/nowhere",
]


async def test_every_answer_carries_the_security_headers(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        for path in PATHS:
            async with session.get(house.url + path, allow_redirects=False) as answer:
                assert answer.status < 500, path
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy, path
                assert "unsafe" not in policy
                assert "http" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff", path
                assert answer.headers["X-Frame-Options"] == "DENY", path


async def test_a_request_for_another_name_is_refused(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        for name in ("evil.example", "127.0.0.1.evil.example", "", "[::2]:80", "localhost@x"):
            async with session.get(house.url + "/sign-in", headers={"Host": name}) as answer:
                assert answer.status == 421


async def test_a_body_beyond_the_limit_is_refused(house: WholeHouse) -> None:
    async with aiohttp.ClientSession() as session:
        for path, kind in (
            ("/graphql", "application/json"),
            ("/sign-in", "application/x-www-form-urlencoded"),
            ("/sign-in/staff", "application/json"),
        ):
            async with session.post(
                house.url + path,
                data=b"x=" + b"y" * (BODY_BYTES_MAX + 1),
                headers={"Content-Type": kind},
            ) as answer:
                assert answer.status == 413
                assert (await answer.json())["sentence"]


async def test_a_body_that_unpacks_to_a_large_one_is_not_unpacked(house: WholeHouse) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            house.url + "/graphql",
            json={"query": "{ me { name } }" + " " * 200_000},
            compress="gzip",
        ) as answer,
    ):
        assert answer.status == 400


def test_a_bucket_empties_refills_and_forgets_the_oldest() -> None:
    clock = VirtualClock(FRIDAY_18_MS)
    rates = Rates(clock)
    assert all(rates.wait_s("a") == 0.0 for _ in range(int(RATE_BURST)))
    assert rates.wait_s("a") == pytest.approx(1 / RATE_PER_S)
    assert rates.wait_s("b") == 0.0
    for number in range(ADDRESSES_MAX):
        rates.wait_s(f"flood-{number}")
    assert rates.wait_s("a") == 0.0, "forgotten, so the memory stays bounded"


async def test_a_bucket_refills_with_time() -> None:
    clock = VirtualClock(FRIDAY_18_MS)
    rates = Rates(clock, per_s=2, burst=2)
    assert [rates.wait_s("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    await clock.advance(0.5)
    assert rates.wait_s("a") == 0.0


async def test_a_strangers_flood_is_told_to_wait_and_the_desk_is_not(
    property_folder: Path, tmp_path: Path
) -> None:
    def as_strangers(ports: Ports) -> Ports:
        # Loopback is the desk's own network; here nobody is.
        settings = ports.settings.model_copy(update={"desk_networks": ("10.9.8.0/24",)})
        return replace(ports, settings=settings)

    settings = copied(property_folder, tmp_path)
    async with (
        open_whole_house(settings, tmp_path, change=as_strangers) as house,
        aiohttp.ClientSession() as session,
    ):
        statuses = []
        for _ in range(int(RATE_BURST) + 60):
            async with session.get(house.url + "/healthz") as answer:
                statuses.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert (await answer.json())["wait_s"] >= 1
        assert statuses.count(429) > 0
        assert set(statuses) == {200, 429}
        for path in ("/staff-names", "/health", "/console"):
            async with session.get(house.url + path) as answer:
                assert answer.status in {404, 429}


def test_networks_know_their_own() -> None:
    desk = Networks(["10.0.5.0/24", "::1/128"])
    assert desk.hold("10.0.5.7")
    assert desk.hold("::ffff:10.0.5.7")
    assert desk.hold("::1")
    assert not any(desk.hold(address) for address in ("10.0.6.7", "", "x", None, "fe80::1"))


async def test_a_request_that_hangs_is_ended(house: WholeHouse) -> None:
    app = build_app(house.ports)

    async def hangs(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    app.router.add_get("/hangs", hangs)
    app[GUARD_KEY].request_s_max = 0.05
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/hangs") as answer,
        ):
            assert answer.status == 503
            assert "try again" in (await answer.json())["sentence"]
    finally:
        await runner.cleanup()


async def test_a_handler_that_raises_says_nothing_of_the_inside(
    house: WholeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    app = build_app(house.ports)

    async def breaks(_request: web.Request) -> web.StreamResponse:
        raise ValueError("Jonas Weber, PIN 4711")

    app.router.add_get("/breaks", breaks)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/breaks") as answer,
        ):
            assert answer.status == 500
            text = await answer.text()
            assert "ValueError" not in text
            assert "4711" not in text
    finally:
        await runner.cleanup()
    assert "broke: ValueError in breaks" in caplog.text
    assert "4711" not in caplog.text


async def test_accepted_sockets_do_not_wait_to_send(house: WholeHouse) -> None:
    seen: list[int] = []
    app = build_app(house.ports)

    async def look(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        accepted = request.transport.get_extra_info("socket")
        seen.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return web.Response()

    app.router.add_get("/look", look)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            port = runner.addresses[0][1]
            async with session.get(f"http://127.0.0.1:{port}/look") as answer:
                assert answer.status == 200
    finally:
        await runner.cleanup()
    assert seen[0] != 0


async def raw(house: WholeHouse, request: bytes) -> bytes:
    """What comes back for these bytes, until the other side closes."""
    port = int(house.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def test_random_bytes_paths_and_headers_never_make_it_stumble(house: WholeHouse) -> None:
    chance = random.Random(18)
    seeds = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in PATHS]
    seeds += [
        (
            b"POST /door HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\nid=1&do=2"
        ),
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/../../keys.db HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /static/%2e%2e%2fkeys.db HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nAccept-Language: "
        + b"x" * 9_000
        + b"\r\n\r\n",
        b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nAccept-Language: ;;q=9,*;q=x\r\n\r\n",
        b"GET /stay HTTP/1.1\r\nHost: localhost\r\nCookie: np_guest=\xff\xfe\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"DELETE /door HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    for round_number in range(200):
        request = bytearray(seeds[round_number % len(seeds)])
        for _ in range(round_number // len(seeds)):
            request[chance.randrange(len(request))] = chance.randrange(256)
        said = await raw(house, bytes(request))
        assert not said.partition(b" ")[2].startswith(b"5"), (bytes(request), said[:300])
    async with (
        aiohttp.ClientSession() as session,
        session.get(house.url + "/healthz") as answer,
    ):
        assert answer.status == 200
