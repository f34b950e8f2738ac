"""The command socket: commands in and facts out, for the box's own processes and verbs.

One JSON object a line each way, matched by "n"; whoever may open the socket is a process of the
box (mode 0660, own group). `feed` waits for news, so that sync follows without polling.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.deciding import Asking, encode_answer
from appliance.kernel.engine import Recorded
from appliance.kernel.log import recorded
from appliance.kernel.messages import Origin, Role, Surface, Who
from appliance.kernel.reader import Reader
from appliance.kernel.tasks import Nursery
from appliance.kernel.telemetry import valid_traceparent
from appliance.kernel.vault import TamperedError, Vault

logger = logging.getLogger(__name__)

# 1 MiB: what a reader of our lines must take in; a page of the feed ends before it is longer.
LINE_BYTES_MAX = 1_048_576
# 128 KiB inwards: a command is 64 KiB at most, and its body may be escaped.
REQUEST_BYTES_MAX = 131_072
# 768 KiB: the facts of one page; a booking of 365 priced nights alone is 30 kB.
PAGE_BYTES_MAX = 786_432
# 500 facts a page, 512 requests under way: one sync with all its lanes and a few verbs.
FEED_MAX = 500
UNDER_WAY_MAX = 512
FEED_WAIT_S_MAX = 60.0
# 50 ms from a fact to its page: no effect outside the box is in such a hurry, and a door is.
FEED_LINGER_S = 0.05
CONNECTIONS_MAX = 16

# Who may speak here, and the surface written beside what they cause. A process is not a person:
# nobody on this socket can sign as staff, as a guest or as one of the engines.
SURFACES: Mapping[str, Surface] = {"sync": Surface.SYNC, "box": Surface.BOX}

Extra = Callable[[Any], Awaitable[Any]]
"""What another part of the role answers under its own word ("report", "status", ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ask:
    """A command as it crosses the socket."""

    name: str
    id: str
    body: dict[str, Any] = field(default_factory=dict)
    actor: str = "sync"
    origin: Origin | None = None
    cause: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """What a follower outside this process asks for."""

    after: Annotated[int, msgspec.Meta(ge=0)]
    chain: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] = FEED_MAX
    wait_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0


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
        server = await asyncio.start_unix_server(self._connected, path, limit=REQUEST_BYTES_MAX)
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
            await _hang_up(writer, f"{CONNECTIONS_MAX} connections are open: close one")
            return
        self._connections += 1
        under_way: set[asyncio.Task[Any]] = set()
        where = _Line(asyncio.Semaphore(UNDER_WAY_MAX), asyncio.Lock(), writer)
        sentence: str | None = None
        try:
            while line := await reader.readline():
                await where.places.acquire()
                task = self._nursery.mortal("command socket", self._serve_line(line, where))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                task.add_done_callback(lambda _task: where.places.release())
        except ValueError:
            sentence = f"a request is one line of at most {REQUEST_BYTES_MAX} bytes"
        except ConnectionError:
            pass  # the peer went: what it asked goes on and is found by asking again
        finally:
            self._connections -= 1
            for task in under_way:
                task.cancel()
            await _hang_up(writer, sentence)

    async def _serve_line(self, line: bytes, where: _Line) -> None:
        number: Any = None
        try:
            request = _parsed(line)
            number = request["n"]
            answer = await self._answer(request)
        except (NotALineError, codec.MalformedCommandError) as error:
            answer = {"error": str(error)}
        except msgspec.ValidationError as error:
            answer = {"error": f"not of the known form: {error}"}
        except Exception as error:
            # The type only: the text may quote what somebody typed. Whoever asked must not wait.
            logger.exception("a request on the command socket could not be answered")
            answer = {"error": f"broken: {type(error).__name__}"}
        with contextlib.suppress(ConnectionError):
            # One after the other: a peer that does not read holds one answer in our memory.
            async with where.writing:
                where.writer.write(msgspec.json.encode({"n": number, **answer}) + b"\n")
                await where.writer.drain()

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
        ask = msgspec.convert(fields, _Ask)
        if ask.actor not in SURFACES:
            raise NotALineError(f"nobody asks here as {ask.actor!r}: be one of {sorted(SURFACES)}")
        command = codec.decode_command(ask.name, msgspec.json.encode(ask.body))
        asking = Asking(
            command=command,
            command_id=ask.id,
            who=Who(actor=ask.actor, role=Role.SERVICE, surface=SURFACES[ask.actor]),
            origin=ask.origin,
            cause=ask.cause,
            trace=valid_traceparent(ask.trace),
        )
        return encode_answer(await self._asker.ask(asking)).encode()

    async def _feed(self, fields: Any) -> dict[str, Any]:
        feed = msgspec.convert(fields, _Feed)
        here = await self._reader.chain_at(feed.after)
        if here is None or (feed.after and here.hex() != feed.chain):
            return {"error": "chain_mismatch"}
        limit = min(feed.limit, FEED_MAX)
        wait_s = min(feed.wait_s, FEED_WAIT_S_MAX)
        news = self._news
        rows = await self._reader.chained_rows(feed.after, limit)
        if not rows and wait_s > 0:
            await self._wait(news, wait_s)
            if news.is_set():
                # One page for the three commits of a press, and none while it is under way.
                await sleep(self._clock, FEED_LINGER_S)
            rows = await self._reader.chained_rows(feed.after, limit)
        return {"feed": {"facts": self._page(rows), "head": self._asker.head()}}

    def _page(self, rows: Sequence[tuple[Any, ...]]) -> list[msgspec.Raw]:
        page: list[msgspec.Raw] = []
        size = 0
        for row in rows:
            fact = msgspec.json.encode(_shown(row, self._vault))
            size += len(fact)
            if page and size > PAGE_BYTES_MAX:
                break  # the follower asks for the rest from where this page ends
            page.append(msgspec.Raw(fact))
        return page

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


@dataclass(frozen=True, slots=True)
class _Line:
    """One connection: how much may be under way, and who may write next."""

    places: asyncio.Semaphore
    writing: asyncio.Lock
    writer: asyncio.StreamWriter


async def _hang_up(writer: asyncio.StreamWriter, sentence: str | None) -> None:
    with contextlib.suppress(OSError):
        if sentence is not None:
            writer.write(msgspec.json.encode({"n": None, "error": sentence}) + b"\n")
        writer.close()
        await writer.wait_closed()


def _shown(row: tuple[Any, ...], vault: Vault) -> dict[str, Any]:
    """One row of the feed. What cannot be read or opened is shown as it stands, and stops nobody.

    A kind of a newer release (after a roll-back) and a sealed text that was moved are the two.
    """
    *columns, chain = row
    try:
        return show(recorded(tuple(columns)), chain, vault)
    except (codec.UnreadableEventError, TamperedError) as error:
        logger.error("the fact at position %d is shown sealed: %s", row[0], error)  # noqa: TRY400
    return {
        "position": row[0],
        "stream": row[1],
        "version": row[2],
        "kind": row[3],
        "body": _as_it_stands(row[4]),
        "command_id": row[5],
        "who": _as_it_stands(row[6]),
        "origin": None if row[7] is None else _as_it_stands(row[7]),
        "cause": row[8],
        "trace": row[9],
        "at_wall_ms": row[10],
        "chain": chain.hex(),
    }


def _as_it_stands(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None  # not JSON at all: the chain tells who changed it, `nightporter log verify`


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
