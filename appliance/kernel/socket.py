"""The command socket: commands in and facts out, for the box's own processes and verbs.

One JSON object a line each way, matched by "n"; whoever may open the socket is a process of the
box (mode 0660, own group). `feed` waits for news, so that sync follows without polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.deciding import Asking, encode_answer
from appliance.kernel.engine import Recorded
from appliance.kernel.log import CHAIN_START
from appliance.kernel.messages import Origin, Role, Surface, Who
from appliance.kernel.reader import Reader
from appliance.kernel.tasks import Nursery
from appliance.kernel.vault import Vault

# 1 MiB: 500 facts of a feed with their bodies; a command is 64 KiB at most.
LINE_BYTES_MAX = 1_048_576
# 500 facts a page, 512 requests under way: one sync with all its lanes and a few verbs.
FEED_MAX = 500
UNDER_WAY_MAX = 512
FEED_WAIT_S_MAX = 60.0
CONNECTIONS_MAX = 16

Extra = Callable[[Any], Awaitable[Any]]
"""What another part of the role answers under its own word ("report", "status", ...)."""


class NotALineError(Exception):
    """What came in is not one JSON object of the known form; the text says what is expected."""


class CommandSocket:
    """Serves the socket; `extras` are further words, each with one argument and one answer."""

    def __init__(
        self, *, asker: Asker, reader: Reader, vault: Vault, clock: Clock, nursery: Nursery
    ) -> None:
        self._asker = asker
        self._reader = reader
        self._vault = vault
        self._clock = clock
        self._nursery = nursery
        self._extras: dict[str, Extra] = {}
        self._news = asyncio.Event()
        self._connections = 0
        asker.listen(self._notice)

    def add(self, word: str, extra: Extra) -> None:
        """Answer one more word."""
        assert word not in self._extras, f"two answers for {word!r}"
        self._extras[word] = extra

    @asynccontextmanager
    async def serve(self, path: Path) -> AsyncGenerator[None, None]:
        """Listen at a path until the context ends."""
        await asyncio.to_thread(path.unlink, missing_ok=True)
        server = await asyncio.start_unix_server(self._connected, path, limit=LINE_BYTES_MAX)
        os.chmod(path, 0o660)  # noqa: PTH101 - the mode is the access control
        try:
            yield
        finally:
            server.close()
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def _notice(self, facts: Sequence[Recorded]) -> None:
        del facts
        self._news.set()
        self._news = asyncio.Event()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections += 1
        under_way: set[asyncio.Task[Any]] = set()
        places = asyncio.Semaphore(UNDER_WAY_MAX)
        try:
            while line := await reader.readline():
                await places.acquire()
                task = self._nursery.mortal("command socket", self._serve_line(line, writer))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                task.add_done_callback(lambda _task: places.release())
        except (ValueError, ConnectionError):
            pass  # a line without an end, or a peer that went: nothing was half done
        finally:
            self._connections -= 1
            for task in under_way:
                task.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve_line(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number: Any = None
        try:
            request = _parsed(line)
            number = request["n"]
            answer = await self._answer(request)
        except (NotALineError, codec.MalformedCommandError) as error:
            answer = {"error": str(error)}
        writer.write(msgspec.json.encode({"n": number, **answer}) + b"\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if "ask" in request:
            return {"answer": msgspec.Raw(await self._ask(request["ask"]))}
        if "feed" in request:
            return await self._feed(request["feed"])
        for word, extra in self._extras.items():
            if word in request:
                return {word: await extra(request[word])}
        raise NotALineError("say one of: ask, feed, " + ", ".join(sorted(self._extras)))

    async def _ask(self, fields: Any) -> bytes:
        if not isinstance(fields, dict) or not isinstance(fields.get("id"), str):
            raise NotALineError("ask needs name, id and body")
        command = codec.decode_command(
            str(fields.get("name")), msgspec.json.encode(fields.get("body") or {})
        )
        origin = fields.get("origin")
        asking = Asking(
            command=command,
            command_id=fields["id"],
            who=Who(actor=fields.get("actor") or "sync", role=Role.SERVICE, surface=Surface.SYNC),
            origin=msgspec.convert(origin, Origin) if origin else None,
            cause=fields.get("cause"),
            trace=fields.get("trace"),
        )
        return encode_answer(await self._asker.ask(asking)).encode()

    async def _feed(self, fields: Any) -> dict[str, Any]:
        if not isinstance(fields, dict) or not isinstance(fields.get("after"), int):
            raise NotALineError("feed needs after (a position)")
        after, chain = fields["after"], fields.get("chain") or CHAIN_START.hex()
        here = await self._reader.chain_at(after)
        if here is None or (after and here.hex() != chain):
            return {"error": "chain_mismatch"}
        limit = min(int(fields.get("limit", FEED_MAX)), FEED_MAX)
        wait_s = min(float(fields.get("wait_s", 0)), FEED_WAIT_S_MAX)
        news = self._news
        facts = await self._reader.facts(after, limit)
        if not facts and wait_s > 0:
            await self._wait(news, wait_s)
            facts = await self._reader.facts(after, limit)
        return {"feed": {"facts": await self._shown(facts), "head": self._asker.head()}}

    async def _wait(self, news: asyncio.Event, wait_s: float) -> None:
        tasks = [
            asyncio.ensure_future(news.wait()),
            asyncio.ensure_future(sleep(self._clock, wait_s)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _shown(self, facts: Sequence[Recorded]) -> list[dict[str, Any]]:
        shown = []
        for fact in facts:
            chain = await self._reader.chain_at(fact.position)
            shown.append(show(fact, chain or b"", self._vault))
        return shown


def show(fact: Recorded, chain: bytes, vault: Vault) -> dict[str, Any]:
    """One fact as it crosses the socket; personal text is readable there."""
    return {
        "position": fact.position,
        "stream": fact.stream,
        "version": fact.version,
        "kind": fact.event.kind,
        "body": codec.opened(fact.event, vault),
        "command_id": fact.command_id,
        "who": msgspec.to_builtins(fact.who),
        "origin": msgspec.to_builtins(fact.origin),
        "cause": fact.cause,
        "trace": fact.trace,
        "at_wall_ms": fact.at_wall_ms,
        "chain": chain.hex(),
    }


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise NotALineError(f"not JSON: {error}") from error
    if not isinstance(request, dict) or "n" not in request:
        raise NotALineError('a request is one JSON object with a number "n"')
    return request
