"""The property's line to the world, which can be cut, slowed and healed."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.tasks import Nursery
from twin.journal import Journal

CHUNK_BYTES: Final = 64 * 1024
BACKLOG_MAX: Final = 128


class LineState(StrEnum):
    """What the line does with bytes."""

    UP = "up"
    SLOW = "slow"
    SILENT = "silent"  # everything is swallowed, nobody is told
    REFUSED = "refused"  # connections end at once, new ones are refused


class Cut(StrEnum):
    """How a line is cut: a router that drops packets, or one that says so."""

    SILENT = "silent"
    REFUSED = "refused"


@dataclass(slots=True, eq=False)
class _Link:
    """One connection through the line; doomed ones never carry a byte again."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    doomed: bool = False

    def abort(self) -> None:
        self.doomed = True
        for writer in self.writers:
            writer.transport.abort()


@dataclass(slots=True, kw_only=True)
class _Door:
    """One port of ours that leads to one cloud."""

    name: str
    host: str
    port: int
    target_host: str
    target_port: int
    listener: socket.socket | None = None
    accepting: asyncio.Task[None] | None = None


class Line:
    """Loopback TCP proxies that share one fate, and the same fate for calls in process.

    While the line is silent, connections that existed before or are made meanwhile carry
    nothing, ever; healing resets them. A kernel accepts loopback connections by itself, so a
    silent line looks like a server that never answers, not like one that cannot be reached; a
    refused line refuses. Cuts and heals go into the journal.
    """

    def __init__(self, journal: Journal, clock: Clock, nursery: Nursery) -> None:
        self._journal = journal
        self._clock = clock
        self._nursery = nursery
        self._doors: list[_Door] = []
        self._links: set[_Link] = set()
        self.state = LineState.UP
        self.delay_s = 0.0
        self.rate_bytes_s: float | None = None

    @property
    def up(self) -> bool:
        """Whether bytes get through."""
        return self.state in {LineState.UP, LineState.SLOW}

    def add(self, name: str, target_host: str, target_port: int, host: str = "127.0.0.1") -> int:
        """Listen on a free port and carry its connections to the target; returns the port.

        Needs a running loop. Raises OSError when the address cannot be used.
        """
        door = _Door(name=name, host=host, port=0, target_host=target_host, target_port=target_port)
        self._open(door)
        self._doors.append(door)
        return door.port

    def cut(self, kind: Cut = Cut.SILENT) -> None:
        """Take the line down now; twice is once."""
        state = LineState(kind)
        if self.state is state:
            return
        self.state = state
        self._journal.note("line.cut", how=str(kind))
        for link in self._links:
            link.doomed = True
        if state is LineState.REFUSED:
            for door in self._doors:
                self._shut(door)
            self._abort_links()

    def slow(self, delay_s: float = 0.0, rate_bytes_s: float | None = None) -> None:
        """Carry every piece later and at most so fast; heals a cut line first."""
        self._mend()
        self.state = LineState.SLOW
        self.delay_s, self.rate_bytes_s = delay_s, rate_bytes_s
        self._journal.note("line.slow", delay_s=delay_s, rate_bytes_s=rate_bytes_s)

    def heal(self) -> None:
        """Make the line whole; connections from before or during the cut are reset."""
        if self.state is LineState.UP:
            return
        self._mend()
        self.state = LineState.UP
        self.delay_s, self.rate_bytes_s = 0.0, None
        self._journal.note("line.heal")

    @property
    def refused(self) -> bool:
        """Whether the line tells callers that it is down."""
        return self.state is LineState.REFUSED

    async def carry(self, size: int) -> bool:
        """Take the time this many bytes need; False when the line swallowed them."""
        if self.state is LineState.SLOW:
            slow_s = size / self.rate_bytes_s if self.rate_bytes_s else 0.0
            if self.delay_s + slow_s > 0:
                await sleep(self._clock, self.delay_s + slow_s)
        return self.up

    def close(self) -> None:
        """Stop listening and end all connections."""
        for door in self._doors:
            self._shut(door)
        self._doors.clear()
        self._abort_links()

    def _mend(self) -> None:
        if self.up:
            return
        self._abort_links()
        for door in self._doors:
            if door.listener is None:
                self._open(door)

    def _abort_links(self) -> None:
        for link in list(self._links):
            link.abort()

    def _open(self, door: _Door) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((door.host, door.port))
        listener.listen(BACKLOG_MAX)
        door.port = listener.getsockname()[1]
        door.listener = listener
        door.accepting = self._nursery.mortal(
            f"line {door.name}: accept", self._accept(door, listener)
        )

    @staticmethod
    def _shut(door: _Door) -> None:
        if door.accepting is not None:
            door.accepting.cancel()
            door.accepting = None
        if door.listener is not None:
            door.listener.close()
            door.listener = None

    async def _accept(self, door: _Door, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listener)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._nursery.mortal(f"line {door.name}: connection", self._connect(door, near))

    async def _connect(self, door: _Door, near: socket.socket) -> None:
        link = _Link(doomed=not self.up)
        self._links.add(link)
        try:
            reader, writer = await asyncio.open_connection(sock=near)
            link.writers.append(writer)
            try:
                far_reader, far_writer = await asyncio.open_connection(
                    door.target_host, door.target_port
                )
            except OSError:
                writer.transport.abort()
                return
            link.writers.append(far_writer)
            ways = [
                self._nursery.mortal(
                    f"line {door.name}: out", self._pump(link, reader, far_writer)
                ),
                self._nursery.mortal(f"line {door.name}: in", self._pump(link, far_reader, writer)),
            ]
            await asyncio.wait(ways)
        finally:
            link.abort()
            self._links.discard(link)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await reader.read(CHUNK_BYTES):
                if not await self.carry(len(piece)) or link.doomed:
                    continue
                writer.write(piece)
                await writer.drain()
            # A silent line does not carry the end of a connection either.
            if not link.doomed and writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # One end is gone without a goodbye; the other end hears of it in the same way.
            link.abort()
