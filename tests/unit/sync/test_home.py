"""Promises of the command socket's client, against a scripted appliance on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.messages import Done, Refused
from appliance.kernel.tasks import Nursery
from sync.home import (
    Asked,
    ChainMismatchError,
    HomeAwayError,
    HomeSaidNoError,
    SocketHome,
)

Script = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]
ASKED = Asked(name="stays.link_upstream", command_id="c1", body=b'{"a":1}')


@asynccontextmanager
async def appliance(folder: Path, script: Script) -> AsyncIterator[SocketHome]:
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while line := await reader.readline():
            await script(msgspec.json.decode(line), writer)

    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    nursery = Nursery(lambda name, error: None)
    server = await asyncio.start_unix_server(connected, folder / "command.sock")
    home = SocketHome(folder / "command.sock", clock=clock, nursery=nursery)
    try:
        yield home
    finally:
        await home.close()
        await nursery.close()
        server.close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()


def say(writer: asyncio.StreamWriter, request: dict[str, Any], **fields: Any) -> None:
    writer.write(msgspec.json.encode({"n": request["n"], **fields}) + b"\n")


async def test_many_requests_are_under_way_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    waiting: list[dict[str, Any]] = []

    async def last_first(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        waiting.append(request)
        if len(waiting) == 10:
            for each in reversed(waiting):
                result = {"id": each["ask"]["id"]}
                say(writer, each, answer={"done": {"position": 1, "result": result}})

    async with appliance(tmp_path, last_first) as home:
        answers = await asyncio.gather(
            *(
                home.ask(Asked(name="x", command_id=f"c{number}", body=b"{}"))
                for number in range(10)
            )
        )
    assert [answer.result["id"] for answer in answers if isinstance(answer, Done)] == [
        f"c{number}" for number in range(10)
    ]


async def test_a_refusal_is_a_value_with_its_engine_and_code(tmp_path: Path) -> None:
    async def refuse(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        assert request["ask"]["body"] == {"a": 1}
        say(
            writer,
            request,
            answer={"refused": {"engine": "stays", "code": "unknown_stay", "detail": {}}},
        )

    async with appliance(tmp_path, refuse) as home:
        assert await home.ask(ASKED) == Refused(engine="stays", code="unknown_stay", detail={})


async def test_facts_are_read_with_their_chain(tmp_path: Path) -> None:
    fact = {
        "position": 7,
        "stream": "stay/1",
        "version": 1,
        "kind": "stays.upstream_seen.v1",
        "body": {"stay_id": "1"},
        "command_id": "c",
        "who": {"actor": "sync", "role": "service"},
        "origin": None,
        "cause": None,
        "trace": None,
        "at_wall_ms": 5,
        "chain": "ab",
    }

    async def feed(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        assert request["feed"] == {"after": 6, "chain": "aa", "limit": 5, "wait_s": 0.0}
        say(writer, request, feed={"facts": [fact], "head": 9})

    async with appliance(tmp_path, feed) as home:
        page = await home.feed(6, "aa", 5, 0.0)
    assert (page.head, page.facts[0].chain, page.facts[0].body) == (9, "ab", {"stay_id": "1"})


async def test_a_restored_log_and_an_unreadable_word_are_told_apart(tmp_path: Path) -> None:
    async def errors(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        say(writer, request, error="chain_mismatch" if "feed" in request else "not so")

    async with appliance(tmp_path, errors) as home:
        with pytest.raises(ChainMismatchError):
            await home.feed(1, "aa", 5, 0.0)
        with pytest.raises(HomeSaidNoError, match="not so"):
            await home.report({})


async def test_an_appliance_that_hangs_up_is_away_and_found_again(tmp_path: Path) -> None:
    calls = 0

    async def hang_up_once(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            writer.close()
        else:
            say(writer, request, report=True)

    async with appliance(tmp_path, hang_up_once) as home:
        with pytest.raises(HomeAwayError):
            await home.report({})
        await home.report({})


async def test_nobody_listening_is_an_answer_not_a_crash(tmp_path: Path) -> None:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    home = SocketHome(tmp_path / "none.sock", clock=clock, nursery=Nursery(lambda *_: None))
    with pytest.raises(HomeAwayError, match="nobody listens"):
        await home.report({})


async def test_a_code_is_told_and_never_shown_by_its_object(tmp_path: Path) -> None:
    code = {
        "stay_id": "s1",
        "room_id": "r1",
        "generation": 3,
        "valid_from_s": 1,
        "valid_until_s": 2,
        "digits": "480316",
    }

    async def answer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        wanted = request["door_code"]["stay_id"]
        say(writer, request, door_code=code if wanted == "s1" else None)

    async with appliance(tmp_path, answer) as home:
        told = await home.door_code("s1")
        assert await home.door_code("s2") is None
    assert told is not None
    assert (told.digits, told.generation) == ("480316", 3)
    assert "480316" not in repr(told)
