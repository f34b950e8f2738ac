"""One TCP, TLS or unix connection as whole packets, with every limit on size and silence."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from appliance.bus.broker.packets import MalformedError, parse

if TYPE_CHECKING:
    import ssl

    from appliance.bus.broker.packets import Packet
    from appliance.bus.broker.patience import Pace
    from appliance.bus.broker.settings import Limits

logger = logging.getLogger(__name__)

# For a client without keepalive the kernel asks: first after a minute, dead after two.
TCP_ALIVE = {
    socket.TCP_KEEPIDLE: 60,
    socket.TCP_KEEPINTVL: 15,
    socket.TCP_KEEPCNT: 4,
}
# A packet once begun must end: 256 KiB in half a minute is 70 kbit/s.
PACKET_S_MAX = 30.0


class SlowError(Exception):
    """The client said nothing for longer than it may."""


class Socket:
    """What the admission and the broker see of one connection (the `Wire` of embedded.py)."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self.idle_s_max: float | None = None
        self.pace: Pace | None = None

    async def receive(self) -> Packet | None:
        """Await the next packet; None where the line is lost, silent too long, or cut."""
        if self.pace is not None:
            await self.pace.step()
        try:
            return await self.packet(self._limits.packet_bytes_max, self.idle_s_max, PACKET_S_MAX)
        except (asyncio.IncompleteReadError, OSError, SlowError):
            return None

    async def packet(self, bytes_max: int, idle_s: float | None, packet_s: float) -> Packet:
        """Read and parse one packet that begins within `idle_s` and is whole `packet_s` later."""
        try:
            async with asyncio.timeout(idle_s):
                first = (await self._reader.readexactly(1))[0]
            async with asyncio.timeout(packet_s):
                body = await self._reader.readexactly(await self._length(bytes_max))
        except TimeoutError:
            raise SlowError from None
        return parse(first, body)

    async def _length(self, bytes_max: int) -> int:
        length = 0
        for shift in (0, 7, 14, 21):
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            if not byte & 128:
                break
        else:
            raise MalformedError("the length field does not end")
        if length > bytes_max:
            raise MalformedError(f"a packet of {length} bytes; {bytes_max} are allowed")
        return length

    def send(self, data: bytes) -> None:
        """Write; a client that has not read a mebibyte is cut, so that it costs nobody else."""
        if self._writer.transport.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > self._limits.write_buffer_bytes_max:
            logger.warning("a client does not read its socket: cut")
            self.cut()
            return
        self._writer.write(data)

    def cut(self) -> None:
        """Drop the connection and what is still unwritten."""
        self._writer.transport.abort()

    async def farewell(self, data: bytes) -> None:
        """Write a last packet and close in order."""
        self._writer.write(data)
        self._writer.close()

    @property
    def address(self) -> str:
        """The peer's address, empty on a unix socket."""
        peer = self._writer.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, where there is one."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    def tune(self, *, ask_kernel: bool) -> None:
        """Switch off Nagle; ask the kernel for life signs of a client without keepalive."""
        handle: socket.socket = self._writer.get_extra_info("socket")
        if handle.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ask_kernel:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in TCP_ALIVE.items():
                handle.setsockopt(socket.IPPROTO_TCP, option, value)
