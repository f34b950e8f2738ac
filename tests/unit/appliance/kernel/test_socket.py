"""What the command socket promises: a sentence to every line, and nobody signs as somebody else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.kernel import socket as kernel_socket
from appliance.kernel.log import verify_file
from appliance.kernel.messages import Done
from appliance.kernel.socket import REQUEST_BYTES_MAX
from support.kernel_house import open_house, open_line
from support.toy import Shelve

BODY = {"shelf": "a", "owner": "ida"}


async def _ask(line: Any, **fields: Any) -> dict[str, Any]:
    asked: dict[str, Any] = await line.request(
        ask={"name": "toy.shelve", "id": "1", "body": BODY} | fields
    )
    return asked


async def test_a_command_and_the_facts_it_caused_cross_the_socket(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        answer = await _ask(line)
        assert answer["answer"]["done"]["position"] == 1
        assert await _ask(line) == answer
        page = await line.request(feed={"after": 0})
        [fact] = page["feed"]["facts"]
        assert fact["body"] == {"shelf": "a", "owner": "ida", "what": "parcel"}
        assert (fact["who"]["actor"], fact["who"]["role"]) == ("sync", "service")
        more = await line.request(feed={"after": 1, "chain": fact["chain"]})
        assert more["feed"] == {"facts": [], "head": 1}
        other = await line.request(feed={"after": 1, "chain": "00"})
        assert other["error"] == "chain_mismatch"


@pytest.mark.parametrize("actor", ["staff:manager", "stay:1", "engine:doors", "", 7])
async def test_nobody_on_the_socket_signs_as_somebody_else(tmp_path: Path, actor: object) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        answer = await _ask(line, actor=actor)
        assert "error" in answer
        assert await house.reader.head() == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage",
        b"[]",
        b"{}",
        b'{"n": 1}',
        b'{"n": 1, "ask": 5}',
        b'{"n": 1, "ask": {"name": "toy.shelve"}}',
        b'{"n": 1, "ask": {"name": "toy.none", "id": "1"}}',
        b'{"n": 1, "ask": {"name": "toy.shelve", "id": "1", "body": {"shelf": 3}}}',
        b'{"n": 1, "ask": {"name": "toy.shelve", "id": "1", "origin": {"source": 1}}}',
        b'{"n": 1, "ask": {"name": "toy.shelve", "id": "1", "trace": 1.5}}',
        b'{"n": 1, "feed": {}}',
        b'{"n": 1, "feed": {"after": -1}}',
        b'{"n": 1, "feed": {"after": 0, "limit": -1}}',
        b'{"n": 1, "feed": {"after": 0, "limit": "x"}}',
        b'{"n": 1, "feed": {"after": 99999999999999999999}}',
        b'{"n": 1, "boom": "secret words"}',
    ],
)
async def test_every_bad_line_gets_a_sentence_and_the_next_one_is_served(
    tmp_path: Path, sent: bytes
) -> None:
    async def boom(word: Any) -> Any:
        raise ValueError(word)

    async with open_house(tmp_path) as house, open_line(house) as line:
        line.server.add("boom", boom)
        answer = await asyncio.wait_for(line.say(sent), 5)
        assert answer["error"]
        assert "secret words" not in answer["error"]
        assert await house.reader.head() == 0
        assert "answer" in await _ask(line)


async def test_what_is_no_trace_never_reaches_the_log(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        await _ask(line, trace="not a trace", cause="because")
        page = await line.request(feed={"after": 0})
        assert page["feed"]["facts"][0]["trace"] is None
        assert verify_file(tmp_path / "log.db").position == 1


async def test_a_line_without_an_end_is_told_the_limit(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        answer = await line.say(b"x" * (REQUEST_BYTES_MAX + 10))
        assert str(REQUEST_BYTES_MAX) in answer["error"]
        assert await line.reader.read() == b""


async def test_one_connection_too_many_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_socket, "CONNECTIONS_MAX", 1)
    async with open_house(tmp_path) as house, open_line(house) as line:
        await _ask(line)
        reader, writer = await asyncio.open_unix_connection(line.path)
        assert b"close one" in await reader.readline()
        writer.close()


async def test_a_page_of_long_facts_is_cut_short_of_what_a_reader_takes(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        for number in range(40):
            await house.ask(Shelve(shelf=f"s{number}", owner="x", what="w" * 30_000))
        after, chain, seen, pages = 0, None, 0, 0
        while seen < 40:
            page = await line.request(feed={"after": after, "chain": chain})
            facts = page["feed"]["facts"]
            after, chain = facts[-1]["position"], facts[-1]["chain"]
            seen, pages = seen + len(facts), pages + 1
        assert (seen, pages) == (40, 2)


async def test_people_who_are_forgotten_and_kinds_nobody_knows_do_not_stop_the_feed(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, start=False) as house, open_line(house) as line:
        house.asker.start()
        for number in range(4):
            await house.ask(Shelve(shelf=f"s{number}", owner=f"p{number}"))
        facts = (await line.request(feed={"after": 0}))["feed"]["facts"]
        raw = await house.reader.rows("SELECT body FROM event ORDER BY position")
        house.desk.vault.forget(msgspec.json.decode(raw[0][0])["owner"]["subject"], 1)

        def spoil(db: Any) -> None:
            db.execute("UPDATE event SET kind = 'later.v9' WHERE position = 2")
            db.execute("UPDATE event SET body = ? WHERE position = 3", (raw[2][0][:-12] + 'x"}',))

        await house.asker.apply(spoil)
        again = (await line.request(feed={"after": 0}))["feed"]["facts"]
        assert [fact["position"] for fact in again] == [1, 2, 3, 4]
        assert again[0]["body"]["owner"] is None
        assert again[1]["kind"] == "later.v9"
        assert again[2]["body"] is None
        assert again[3] == facts[3]


async def test_one_page_tells_of_facts_that_came_shortly_after_one_another(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, open_line(house) as line:
        page = asyncio.ensure_future(line.request(feed={"after": 0, "wait_s": 20.0}))
        await house.desk.clock.advance(1.0)
        for shelf in ("a", "b", "c"):
            assert isinstance(await house.ask(Shelve(shelf=shelf, owner="x")), Done)
        for _ in range(20):
            await house.desk.clock.advance(0.1)
        facts = (await page)["feed"]["facts"]
        assert [fact["position"] for fact in facts] == [1, 2, 3]
