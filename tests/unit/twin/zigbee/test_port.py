"""The serial line itself: what waits, what is flushed, what is spoilt, and what a pull does."""

from __future__ import annotations

import asyncio
import os
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twin.zigbee.port import TcpPort
from twin.zigbee.site import Site, site
from twin.zigbee.unpi import Frame, encode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

PING, VERSION = encode(Frame(0x21, 0x01, b"")), encode(Frame(0x21, 0x02, b""))
PONG = encode(Frame(0x61, 0x01, b"\x59\x06"))


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with site(tmp_path) as found:
        yield found


@pytest.fixture
def line(here: Site) -> Iterator[int]:
    """The host's open file."""
    found = os.open(here.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    yield found
    os.close(found)


def is_there(path: str) -> bool:
    return os.path.lexists(path)


async def answer(line: int) -> bytes:
    """What the host reads next."""
    ready = asyncio.Event()
    asyncio.get_running_loop().add_reader(line, ready.set)
    try:
        async with asyncio.timeout(10):
            await ready.wait()
    finally:
        asyncio.get_running_loop().remove_reader(line)
    return os.read(line, 4096)


async def test_a_ping_is_answered(line: int) -> None:
    os.write(line, PING)
    assert await answer(line) == PONG


async def test_what_waits_in_a_stalled_line_is_obeyed_late(here: Site, line: int) -> None:
    here.port.stall(on=True)
    os.write(line, PING)
    assert here.stick.requests == []
    here.port.stall(on=False)
    assert await answer(line) == PONG


async def test_what_the_host_flushed_is_never_obeyed(here: Site, line: int) -> None:
    """A driver that gave up throws away what has not left: no door opens later."""
    here.port.stall(on=True, flushable=True)
    os.write(line, VERSION)
    await asyncio.to_thread(lambda: None)  # the line is read in between
    termios.tcflush(line, termios.TCOFLUSH)
    here.port.stall(on=False)
    os.write(line, PING)
    assert await answer(line) == PONG
    assert [frame.command1 for frame in here.stick.requests] == [0x01]


async def test_what_waits_in_the_adapter_is_beyond_a_flush(here: Site, line: int) -> None:
    here.port.stall(on=True)
    os.write(line, PING)
    await asyncio.to_thread(lambda: None)
    termios.tcflush(line, termios.TCOFLUSH)
    here.port.stall(on=False)
    assert await answer(line) == PONG


async def test_noise_spoils_frames_and_the_next_good_one_is_found(here: Site, line: int) -> None:
    here.port.noise(1.0)
    for _ in range(20):
        os.write(line, PING)
        await asyncio.to_thread(lambda: None)
    here.port.noise(0.0)
    os.write(line, bytes(300))  # whatever a bent length claims is used up
    os.write(line, PING)
    heard = b""
    while PONG not in heard[-len(PONG) :]:
        heard += await answer(line)
    assert here.stick.noise_met > 0


async def test_a_pulled_stick_is_an_error_in_the_open_file_and_its_name_is_gone(
    here: Site, line: int
) -> None:
    await here.unplug()
    with pytest.raises(OSError, match="Input/output"):
        os.write(line, PING)
    assert not is_there(here.path)
    await here.plug()
    assert is_there(here.path)


async def test_a_hung_stick_is_silent_until_it_works_again(here: Site, line: int) -> None:
    here.hang()
    os.write(line, PING)
    await asyncio.to_thread(lambda: None)
    here.hang(on=False)
    os.write(line, VERSION)
    assert (await answer(line))[2:4] in (b"\x61\x02", b"\x61\x01")


async def test_over_ethernet_a_second_host_takes_the_line(tmp_path: Path) -> None:
    port = TcpPort()
    async with site(tmp_path, port=port):
        first, idle = await asyncio.open_connection("127.0.0.1", port.port)
        second, writer = await asyncio.open_connection("127.0.0.1", port.port)
        writer.write(PING)
        async with asyncio.timeout(10):
            assert await second.readexactly(len(PONG)) == PONG
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await first.readexactly(1)
        writer.close()
        idle.close()
