"""Where the stick plugs in: a PTY with a link as in /dev/serial/by-id, or TCP as Ethernet sticks."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import random
import struct
import termios
import tty
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from twin.zigbee.znp import Znp

READ_BYTES: Final = 4096
# What a terminal's buffer holds before the host's writes wait.
WAITING_BYTES_MAX: Final = 4096
# Packet mode (tty_ioctl(4)): each read begins with 0, or with what the host did to its end.
_FLUSHED_BY_HOST: Final = 0x02
LOOPBACK: Final = "127.0.0.1"


class Port(Protocol):
    """A socket for one stick."""

    async def plug(self, stick: Znp) -> None:
        """Put the stick in: it gets power."""
        ...

    async def unplug(self) -> None:
        """Pull it out: the host's open file fails, the name is gone."""
        ...

    def stall(self, *, on: bool, flushable: bool = False) -> None:
        """The line stands still, and what the host writes waits until it goes on.

        `flushable`: it waits in the host's own driver, where a flush of the host ends it; else in
        the adapter (a USB FIFO, an Ethernet stick), out of the host's reach.
        """
        ...

    def noise(self, chance: float) -> None:
        """Of every read this share has a flipped bit or bytes of junk before it."""
        ...


class Noise:
    """Flips bits and adds junk, reproducibly."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = 0.0
        self.made = 0
        self._random = random.Random(seed)

    def spoil(self, data: bytes) -> bytes:
        """The same bytes, or worse ones."""
        if not data or self._random.random() >= self.chance:
            return data
        self.made += 1
        if self._random.random() < 0.5:
            return self._random.randbytes(self._random.randrange(1, 12)) + data
        at = self._random.randrange(len(data))
        flipped = data[at] ^ 1 << self._random.randrange(8)
        return data[:at] + bytes((flipped,)) + data[at + 1 :]


class PtyPort:
    """A pseudo terminal. The far end is ours; the link names the near end, new at every plug."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._noise = Noise()
        self._stick: Znp | None = None
        self._ours = self._theirs = -1
        self._out = bytearray()
        self._waiting = bytearray()  # from the host, while the line stands still
        self._stalled = False
        self._flushable = False

    async def plug(self, stick: Znp) -> None:
        """Make the device and its name, then power."""
        if self._stick is not None:
            return
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        fcntl.ioctl(self._ours, termios.TIOCPKT, struct.pack("i", 1))
        os.set_blocking(self._ours, False)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(self._theirs))
        fresh.replace(self.link)
        self._out.clear()
        self._waiting.clear()
        self._stick, stick.write = stick, self._write
        stick.power_on()
        asyncio.get_running_loop().add_reader(self._ours, self._readable)

    async def unplug(self) -> None:
        """The node vanishes, and whoever has it open gets EIO."""
        if self._stick is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._ours)
        loop.remove_writer(self._ours)
        self.link.unlink(missing_ok=True)
        os.close(self._ours)
        os.close(self._theirs)
        stick, self._stick = self._stick, None
        stick.write = lambda _data: None
        stick.power_off()

    def stall(self, *, on: bool, flushable: bool = False) -> None:
        """While it stands, what the host writes waits here."""
        self._flushable = flushable or (self._flushable and not on)
        if self._stick is None or on:
            self._stalled = on
            return
        loop = asyncio.get_running_loop()
        while self._stalled and self._read():  # a flush that has not been seen yet counts as well
            pass
        self._stalled = on
        waited, self._waiting = bytes(self._waiting), bytearray()
        self._stick.feed(self._noise.spoil(waited))
        loop.add_reader(self._ours, self._readable)
        self._flush()

    def noise(self, chance: float) -> None:
        """Both ways."""
        self._noise.chance = chance

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """One piece of the host's; False where there is none."""
        try:
            data = os.read(self._ours, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as why:
            if why.errno == errno.EIO:  # nobody has the near end open
                return False
            raise
        if data[:1] != b"\x00":
            if data and data[0] & _FLUSHED_BY_HOST and self._flushable:
                self._waiting.clear()
        elif self._stalled:
            self._waiting += data[1:]
            if len(self._waiting) >= WAITING_BYTES_MAX:
                asyncio.get_running_loop().remove_reader(self._ours)
        elif self._stick is not None:
            self._stick.feed(self._noise.spoil(data[1:]))
        return bool(data)

    def _write(self, data: bytes) -> None:
        self._out += self._noise.spoil(data)
        if not self._stalled:
            self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._out:
            try:
                count = os.write(self._ours, self._out)
            except BlockingIOError:
                loop.add_writer(self._ours, self._flush)
                return
            del self._out[:count]
        loop.remove_writer(self._ours)


class TcpPort:
    """One host at a time, as SLZB-06 and ser2net do; a second one takes the line over."""

    def __init__(self, host: str = LOOPBACK, port: int = 0) -> None:
        self._host, self.port = host, port
        self._noise = Noise()
        self._stick: Znp | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held = bytearray()

    @property
    def address(self) -> str:
        """For a host: socket://HOST:PORT."""
        return f"socket://{self._host}:{self.port}"

    async def plug(self, stick: Znp) -> None:
        """Listen, at the port of the first time."""
        if self._stick is not None:
            return
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._stick, stick.write = stick, self._write
        stick.power_on()

    async def unplug(self) -> None:
        """The connection breaks, and no new one is taken."""
        if self._stick is None or self._server is None:
            return
        stick, self._stick = self._stick, None
        stick.write = lambda _data: None
        stick.power_off()
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        self._server.close()
        self._server = None
        if self._serving:
            self._flowing.set()  # who waits for the line ends here too
            await asyncio.wait(self._serving)

    def stall(self, *, on: bool, flushable: bool = False) -> None:  # noqa: ARG002 - as said
        """Bytes wait in the sockets' buffers, out of the host's reach."""
        if on:
            self._flowing.clear()
            return
        self._flowing.set()
        held, self._held = bytes(self._held), bytearray()
        if self._writer is not None and held:
            self._writer.write(held)

    def noise(self, chance: float) -> None:
        """Both ways."""
        self._noise.chance = chance

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = writer
        try:
            while data := await reader.read(READ_BYTES):
                await self._flowing.wait()
                if self._stick is not None:
                    self._stick.feed(self._noise.spoil(data))
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _write(self, data: bytes) -> None:
        data = self._noise.spoil(data)
        if not self._flowing.is_set():
            self._held += data
        elif self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)
