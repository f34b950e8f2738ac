"""The way home: commands asked of the appliance and its log followed, over the command socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from appliance.kernel.clock import Clock, within
from appliance.kernel.messages import Answer, Done, Origin, Refused, Who
from appliance.kernel.tasks import Nursery

# The server's line limit is 1 MiB inwards; outwards a page of long facts may be larger.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
# An appliance that does not answer a command within this is restarting, or broken and says so.
ANSWER_S_MAX: Final = 60.0


class HomeAwayError(Exception):
    """The appliance is not there: start it, or look at its journal; sync waits and tries again."""


class HomeSaidNoError(Exception):
    """The appliance could not read what sync asked: the two are of different releases."""


class ChainMismatchError(Exception):
    """The log is not the one we followed: it was restored; everything is reconciled first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command as it crosses the socket; `body` is its JSON."""

    name: str
    command_id: str
    body: bytes
    origin: bytes | None = None
    cause: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of the log with personal fields readable (None where they were forgotten)."""

    position: int
    stream: str
    version: int
    kind: str
    body: dict[str, Any]
    command_id: str
    who: Who
    origin: Origin | None
    cause: str | None
    trace: str | None
    at_wall_ms: int
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some facts after a position, and where the log ends."""

    facts: tuple[Fact, ...]
    head: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorCode:
    """The PIN of a stay's room. UTC seconds, half-open; a higher `generation` is another key.

    The digits live only as long as the request that tells them: they go into no row, body, log or
    report of sync, and the text of this object does not show them.
    """

    stay_id: str
    room_id: str
    generation: int
    valid_from_s: int
    valid_until_s: int
    digits: str = field(repr=False)


class Home(Protocol):
    """What sync knows of the appliance. Each raises HomeAwayError when it is not there."""

    async def ask(self, asked: Asked) -> Answer:
        """Ask a command; its answer is on disk there."""
        ...

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """Facts after a position; waits for the first. Raises ChainMismatchError."""
        ...

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """The code that opens a stay's room now; None: there is none to be told any more.

        A pusher gets it here and nowhere else. Effects of the kind `pms.door_code` carry only
        {"stay_id", "room_id", "generation", "valid_from_s", "valid_until_s"} of the fact that made
        them; when one is pushed, ask for the code as it is by then, make the vendor's record equal
        to it (None: withdraw what we wrote there), and let it go. It may have changed since the
        fact, and then a later effect follows that finds nothing to do. HomeAwayError means
        NotSent: the appliance restarts, and the effect waits.
        """
        ...

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """The doors of the room a stay lives in or is expected in: where its keys are cut."""
        ...

    async def report(self, standing: Mapping[str, Any]) -> None:
        """Say how sync is."""
        ...


class SocketHome:
    """The command socket's client: many requests under way, matched by number."""

    def __init__(self, path: Path, *, clock: Clock, nursery: Nursery) -> None:
        self._path = path
        self._clock = clock
        self._nursery = nursery
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def ask(self, asked: Asked) -> Answer:
        """Ask a command; its answer is on disk there."""
        fields = {
            "name": asked.name,
            "id": asked.command_id,
            "body": msgspec.Raw(asked.body),
            "origin": None if asked.origin is None else msgspec.Raw(asked.origin),
            "cause": asked.cause,
            "trace": asked.trace,
        }
        answer = (await self._request({"ask": fields}, ANSWER_S_MAX))["answer"]
        if "done" in answer:
            return msgspec.convert(answer["done"], Done)
        return msgspec.convert(answer["refused"], Refused)

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """Facts after a position; waits for the first."""
        fields = {"after": after, "chain": chain, "limit": limit, "wait_s": wait_s}
        answer = await self._request({"feed": fields}, ANSWER_S_MAX + wait_s)
        return msgspec.convert(answer["feed"], Page)

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """The code that opens a stay's room now; None: there is none to be told any more."""
        answer = await self._request({"door_code": {"stay_id": stay_id}}, ANSWER_S_MAX)
        return msgspec.convert(answer["door_code"], DoorCode | None)

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """The doors of the room a stay lives in or is expected in: where its keys are cut."""
        answer = await self._request({"stay_doors": {"stay_id": stay_id}}, ANSWER_S_MAX)
        return msgspec.convert(answer["stay_doors"], tuple[str, ...])

    async def report(self, standing: Mapping[str, Any]) -> None:
        """Say how sync is."""
        await self._request({"report": standing}, ANSWER_S_MAX)

    async def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _request(self, fields: dict[str, Any], wait_s: float) -> dict[str, Any]:
        writer = await self._connected()
        self._number += 1
        number = self._number
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            writer.write(msgspec.json.encode({"n": number, **fields}) + b"\n")
            await writer.drain()
            answer = await within(self._clock, wait_s, answered)
        except (OSError, TimeoutError) as error:
            raise HomeAwayError(
                f"the appliance does not answer ({type(error).__name__})"
            ) from error
        finally:
            self._waiting.pop(number, None)
            if not answered.cancel():
                answered.exception()  # looked at, also when whoever asked was stopped meanwhile
        if (error_text := answer.get("error")) is not None:
            if error_text == "chain_mismatch":
                raise ChainMismatchError
            raise HomeSaidNoError(str(error_text))
        return answer

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is not None and not self._writer.is_closing():
                return self._writer
            try:
                reader, writer = await asyncio.open_unix_connection(
                    self._path, limit=LINE_BYTES_MAX
                )
            except OSError as error:
                raise HomeAwayError(f"nobody listens at {self._path}") from error
            self._writer = writer
            self._nursery.mortal("home: answers", self._read(reader, writer))
            return writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = msgspec.json.decode(line)
                waiting = self._waiting.get(answer.get("n"))
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except (OSError, ValueError, msgspec.DecodeError):
            pass  # told below to everybody who waits
        finally:
            writer.close()
            # Only those of this connection wait: a new one is made after this one is closing.
            for waiting in list(self._waiting.values()):
                if not waiting.done():
                    waiting.set_exception(ConnectionResetError("the appliance hung up"))
