"""A request leaves once, on real sockets: no second GET, no redirect, no endless body, no secrets."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import tomllib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import aiohttp
import pytest

from appliance.kernel.clock import SystemClock
from drivers.http.wire import Ask, CutError, HttpWire, NotSentError
from support.brokers import new_pki
from support.house import ROOT
from twin.http.answers import Answer, Request, Served

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = SystemClock(floor_path=None)
ACTION = Ask(method="GET", path="/lockAction", query={"action": "1", "token": "bridge-token"})


class Host:
    """Counts what it was asked to do, whatever it answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Request] = []

    async def handle(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answer


async def _host(answer: Answer) -> AsyncGenerator[tuple[Host, Served, HttpWire], None]:
    host = Host(answer)
    served = Served(host.handle, CLOCK)
    wire = HttpWire(await served.start(), clock=CLOCK)
    try:
        yield host, served, wire
    finally:
        await wire.close()
        await served.close()


def _soon(seconds: float = 5.0) -> float:
    return CLOCK.monotonic() + seconds


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_dropped_connection_is_not_tried_again(method: str) -> None:
    async for host, _, wire in _host(Answer(reset=True)):
        with pytest.raises(CutError):
            await wire.ask(Ask(method=method, path="/lockAction"), deadline_s=_soon())
        assert len(host.asked) == 1


async def test_aiohttp_itself_would_have_asked_twice() -> None:
    """The reason for the middleware: if this ever fails, the library has changed its mind."""
    async for host, served, _ in _host(Answer(reset=True)):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{served.url}/lockAction")
        assert len(host.asked) == 2


async def test_a_connection_that_was_kept_and_then_dropped_is_not_used_for_a_second_action() -> (
    None
):
    async for host, _, wire in _host(Answer(body=b"{}")):
        for _ in range(3):
            await wire.ask(ACTION, deadline_s=_soon())
        assert len(host.asked) == 3
        assert all(a.headers.get("connection") == "close" for a in host.asked)
        host.answer = Answer(reset=True)
        with pytest.raises(CutError):
            await wire.ask(ACTION, deadline_s=_soon())
        assert len(host.asked) == 4


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    answer = Answer(status=302, headers={"Location": "/lockAction?action=1"})
    async for host, _, wire in _host(answer):
        assert (await wire.ask(ACTION, deadline_s=_soon())).status == 302
        assert len(host.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b'{"success": true, "batteryCritical": false}', cut=True),
        Answer(body=b" " * 70_000),
        Answer(body=b"x" * 20, headers={"X": "y" * 20_000}),
    ],
)
async def test_half_an_answer_or_one_without_end_is_none(answer: Answer) -> None:
    async for host, _, wire in _host(answer):
        with pytest.raises(CutError):
            await wire.ask(ACTION, deadline_s=_soon())
        assert len(host.asked) == 1


async def test_silence_ends_at_the_deadline_and_may_have_been_heard() -> None:
    async for host, _, wire in _host(Answer(silent=True)):
        with pytest.raises(CutError, match="TimeoutError"):
            await wire.ask(ACTION, deadline_s=_soon(0.2))
        assert len(host.asked) == 1


async def test_nobody_there_is_certainly_not_sent() -> None:
    async for _, served, wire in _host(Answer()):
        await served.close()
        with pytest.raises(NotSentError):
            await wire.ask(ACTION, deadline_s=_soon())
        with pytest.raises(NotSentError):
            await wire.ask(ACTION, deadline_s=CLOCK.monotonic() - 1)


async def test_no_error_shows_a_token() -> None:
    async for _, served, wire in _host(Answer(reset=True)):
        shown = [repr(ACTION)]
        for _ in range(2):
            try:
                await wire.ask(ACTION, deadline_s=_soon())
            except (CutError, NotSentError) as error:
                shown += [str(error), repr(error), repr(error.__cause__)]
            await served.close()
        assert len(shown) == 7
        assert "bridge-token" not in " ".join(shown)


async def test_only_the_pinned_certificate_is_believed(tmp_path: Path) -> None:
    pki = new_pki(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.crt", tmp_path / "broker.key")
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "broker.crt").read_text())
    host = Host(Answer(body=b"{}"))
    served = Served(host.handle, CLOCK)
    url = await served.start(ssl=context)
    right = aiohttp.Fingerprint(hashlib.sha256(der).digest())
    for tls, heard in ((right, 1), (aiohttp.Fingerprint(bytes(32)), 1), (None, 1)):
        wire = HttpWire(url, clock=CLOCK, tls=tls)
        if tls is right:
            assert (await wire.ask(ACTION, deadline_s=_soon())).status == 200
        else:
            with pytest.raises((NotSentError, CutError)):
                await wire.ask(ACTION, deadline_s=_soon())
        assert len(host.asked) == heard, "a stranger's certificate has heard a token"
        await wire.close()
    await served.close()
    assert pki.folder == tmp_path
    await asyncio.sleep(0)  # noqa: TID251 - a turn of the loop: TLS closes in its own


def test_no_aiohttp_is_installed_that_knows_no_middlewares_of_a_client() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [floor] = [one.removeprefix("aiohttp>=") for one in wanted if one.startswith("aiohttp>=")]
    assert tuple(int(part) for part in floor.split(".")) >= (3, 12)
