"""A line that is cut carries nothing, says so or not as asked, and is whole after healing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from twin.journal import Journal
from twin.line import Cut, Line


@dataclass(slots=True)
class Town:
    """A line that leads to a server which says everything back."""

    line: Line
    journal: Journal
    clock: VirtualClock
    port: int
    heard: list[bytes]

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    clock = VirtualClock(0)
    journal = Journal(clock=clock)
    nursery = Nursery(lambda _name, _error: None)
    heard: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1024):
            heard.append(piece)
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    line = Line(journal, clock, nursery)
    port = line.add("echo", "127.0.0.1", server.sockets[0].getsockname()[1])
    yield Town(line, journal, clock, port, heard)
    line.close()
    server.close()
    await nursery.close()


async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await reader.readexactly(len(text))


async def test_a_whole_line_carries_both_ways_and_ends_when_one_side_ends(town: Town) -> None:
    reader, writer = await town.call()
    assert await says(reader, writer, b"hello") == b"hello"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_a_refusing_cut_ends_old_connections_and_refuses_new_ones(town: Town) -> None:
    reader, writer = await town.call()
    await says(reader, writer, b"hello")
    town.line.cut(Cut.REFUSED)
    assert not town.line.up
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await says(reader, writer, b"anyone?")
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await town.call()


async def test_a_silent_cut_swallows_bytes_of_old_and_new_connections(town: Town) -> None:
    old = await town.call()
    await says(*old, b"hello")
    town.line.cut(Cut.SILENT)
    new = await town.call()
    for reader, writer in (old, new):
        writer.write(b"anyone?")
        waiting = asyncio.ensure_future(reader.read(1))
        for _ in range(20):
            await town.clock.settle()
        assert not waiting.done()
        waiting.cancel()
    assert town.heard == [b"hello"]
    for _, writer in (old, new):
        writer.close()


async def test_healing_resets_what_the_cut_swallowed_and_keeps_the_port(town: Town) -> None:
    for kind in Cut:
        reader, writer = await town.call()
        await says(reader, writer, b"hello")
        town.line.cut(kind)
        town.line.heal()
        assert town.line.up
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await says(reader, writer, b"anyone?")
        writer.close()
        again = await town.call()
        assert await says(*again, b"hello") == b"hello"
        again[1].close()


async def test_a_slow_line_takes_its_time_on_the_twins_clock(town: Town) -> None:
    town.line.slow(delay_s=3, rate_bytes_s=5)
    reader, writer = await town.call()
    answer = asyncio.ensure_future(says(reader, writer, b"hello"))
    assert await town.clock.run_until(answer, limit_s=60) == b"hello"
    # Each way: 3 s of delay and 1 s for five bytes.
    assert town.clock.monotonic() == pytest.approx(8)
    writer.close()


async def test_every_change_is_in_the_journal_once(town: Town) -> None:
    town.line.heal()
    town.line.cut(Cut.SILENT)
    town.line.cut(Cut.SILENT)
    town.line.heal()
    town.line.heal()
    town.line.slow(delay_s=1)
    kinds = [entry["kind"] for entry in town.journal.read()]
    assert kinds == ["line.cut", "line.heal", "line.slow"]


async def test_a_target_that_is_not_there_ends_the_connection(town: Town) -> None:
    closed = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    nowhere = closed.sockets[0].getsockname()[1]
    closed.close()
    port = town.line.add("nowhere", "127.0.0.1", nowhere)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await says(reader, writer, b"hello")
    writer.close()
