"""Mews' event stream: an outbound WebSocket of hints, without acknowledgement and without replay.

cloud.md 1.3 and the vendor's guide on WebSockets. What was told while nobody listened is lost, so
every (re)connect is followed by a look for everything that changed and by the whole device queue;
what is told while we listen only says where to look.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from appliance.kernel.clock import Clock, sleep, within
from sync.manners import full_jitter_ms

logger = logging.getLogger(__name__)

PATH: Final = "/ws/connector"
# The vendor does not say how often it pings: ours go every 20 s, below the 60 s after which the
# meanest of home routers forgets a connection.
PING_S: Final = 20.0
# Two pings without an answer, and a little: the line is gone although nobody said so.
SILENCE_S: Final = 50.0
# Mews tells a connection of those devices only that were there when it was made.
AGE_S_MAX: Final = 3_600.0
# A handshake that takes longer than this is a cut line, not a slow one.
CONNECT_S_MAX: Final = 20.0
RECONNECT_MS_MIN: Final = 1_000
RECONNECT_MS_MAX: Final = 60_000
# 1 MiB: an event is about 200 bytes, and a message of thousands of them is still taken.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
# What one message may hint at; beyond it a whole look costs less.
HINTS_MAX: Final = 1_000


class StreamAwayError(Exception):
    """There is no connection, or it ended; the text says why and names no token."""


class Line(Protocol):
    """One connection."""

    async def heard(self) -> str:
        """The next message, "" for a sign of life without one; raises StreamAwayError."""
        ...

    async def ping(self) -> None:
        """Ask for a sign of life; raises StreamAwayError."""
        ...

    async def close(self) -> None:
        """Hang up; never raises."""
        ...


Dial = Callable[[], Awaitable[Line]]
"""Makes a connection; raises StreamAwayError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Where a message says that something changed; what it says of it is not believed."""

    reservations: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def hints_of(text: str) -> Hints | None:
    """What a message hints at, each once; None for what is not one of theirs.

    Room states and prices are left out: how a room is, the box knows better, and it sells at its
    own price until the next look.
    """
    try:
        fields = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    events = fields.get("Events") if isinstance(fields, dict) else None
    if not isinstance(events, list) or len(events) > HINTS_MAX:
        return None
    return Hints(
        reservations=_named(events, "Reservation"), commands=_named(events, "DeviceCommand")
    )


def _named(events: list[Any], kind: str) -> tuple[str, ...]:
    of_kind = (each for each in events if isinstance(each, dict) and each.get("Type") == kind)
    return tuple(dict.fromkeys(name for each in of_kind if (name := _uuid(each.get("Id")))))


def _uuid(value: Any) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


class Stream:
    """Listens for ever; `listening` says whether anybody is on the other end at the moment."""

    def __init__(
        self,
        *,
        dial: Dial,
        clock: Clock,
        on_connect: Callable[[], None],
        on_hints: Callable[[Hints], None],
        chance: random.Random | None = None,
    ) -> None:
        self._dial = dial
        self._clock = clock
        self._on_connect = on_connect
        self._on_hints = on_hints
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self.listening = False

    async def run(self) -> None:
        """Connect, listen, and connect again, each time a little later while nobody answers."""
        tries = 0
        while True:
            began_s = self._clock.monotonic()
            why = await self._once()
            # A server that takes every call and hangs up at once is waited for like one that is down.
            tries = 0 if self._clock.monotonic() - began_s > PING_S else tries + 1
            logger.info("mews: the stream ended: %s", why)
            wait_ms = full_jitter_ms(
                max(tries, 1), RECONNECT_MS_MIN, RECONNECT_MS_MAX, self._chance
            )
            await sleep(self._clock, wait_ms / 1000)

    async def _once(self) -> str:
        dialling = asyncio.ensure_future(self._dial())
        try:
            line = await within(self._clock, CONNECT_S_MAX, dialling)
        except TimeoutError:
            return "the connection was not made in time"
        except StreamAwayError as error:
            return str(error)
        finally:
            _drop(dialling)
        try:
            self.listening = True
            # Before the first message: what happened until now is told by nobody.
            self._on_connect()
            return await self._listen(line)
        except StreamAwayError as error:
            return str(error)
        finally:
            self.listening = False
            await line.close()

    async def _listen(self, line: Line) -> str:
        began_s = heard_s = self._clock.monotonic()
        hearing = asyncio.ensure_future(line.heard())
        try:
            while (now_s := self._clock.monotonic()) - began_s < AGE_S_MAX:
                if now_s - heard_s >= SILENCE_S:
                    return f"nothing was heard for {now_s - heard_s:.0f} s"
                try:
                    text = await within(self._clock, PING_S, hearing)
                except TimeoutError:
                    await line.ping()
                    continue
                hearing = asyncio.ensure_future(line.heard())
                heard_s = self._clock.monotonic()
                if text:
                    self._take(text)
        finally:
            _drop(hearing)
        return "it was an hour old, and devices may have been added"

    def _take(self, text: str) -> None:
        hints = hints_of(text)
        if hints is None:
            # Never the text itself. A look finds what it may have meant.
            logger.warning(
                "mews: a message of the stream (%d bytes) is of no known form", len(text)
            )
            self._on_connect()
        elif hints != Hints():
            self._on_hints(hints)


def _drop(future: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more; what it raised meanwhile was said or does not matter."""
    if not future.cancel() and not future.cancelled():
        future.exception()
