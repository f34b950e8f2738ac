"""A client that can misbehave: raw MQTT 3.1.1 over a socket, one packet at a time."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bus.broker.packets import Publish, encode_answer, encode_publish

if TYPE_CHECKING:
    import ssl

# Longer than any answer of a broker on this machine, shorter than a person's patience.
ANSWER_S_MAX = 5.0
CONNACK, PUBLISH, PUBACK, PUBREC, PUBCOMP = 0x20, 0x30, 0x40, 0x50, 0x70
SUBACK, UNSUBACK, PINGRESP = 0x90, 0xB0, 0xD0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A CONNECT, in all the ways it can be right or wrong."""

    client_id: str
    username: str | None = None
    password: str | None = None
    clean: bool = True
    keepalive_s: int = 60
    will: Publish | None = None
    level: int = 4

    def encode(self) -> bytes:
        """Write the packet; level 5 gets an empty property list."""
        will = self.will
        flags = (
            self.clean << 1 | (self.username is not None) << 7 | (self.password is not None) << 6
        )
        if will is not None:
            flags |= 4 | will.qos << 3 | will.retain << 5
        body = _text("MQTT") + bytes([self.level, flags]) + struct.pack("!H", self.keepalive_s)
        body += b"\0" if self.level == 5 else b""
        body += _text(self.client_id)
        if will is not None:
            body += (b"\0" if self.level == 5 else b"") + _text(will.topic) + _binary(will.payload)
        body += b"" if self.username is None else _text(self.username)
        body += b"" if self.password is None else _text(self.password)
        return frame(0x10, body)


class Probe:
    """One connection. Every read has a deadline; `gone` tells that the broker has hung up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._early: list[tuple[int, bytes]] = []

    async def hello(self, hello: Hello) -> tuple[int, bool]:
        """Send CONNECT; gives the return code and whether a session was there before."""
        self.send(hello.encode())
        _, body = await self.answer(CONNACK)
        return body[1], bool(body[0])

    async def subscribe(self, topic_filter: str, qos: int = 1) -> int:
        """Send SUBSCRIBE; gives the granted QoS or 0x80."""
        self.send(frame(0x82, b"\0\x01" + _text(topic_filter) + bytes([qos])))
        _, body = await self.answer(SUBACK)
        return body[2]

    async def unsubscribe(self, topic_filter: str) -> None:
        """Send UNSUBSCRIBE and await its answer."""
        self.send(frame(0xA2, b"\0\x02" + _text(topic_filter)))
        await self.answer(UNSUBACK)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, number: int = 9
    ) -> None:
        """Publish, and at QoS 1 or 2 go through the whole exchange."""
        packet_id = number if qos else 0
        self.send(
            encode_publish(
                Publish(topic=topic, payload=payload, qos=qos, retain=retain, packet_id=packet_id)
            )
        )
        if qos == 1:
            await self.answer(PUBACK)
        if qos == 2:
            await self.answer(PUBREC)
            self.send(encode_answer(0x62, packet_id))
            await self.answer(PUBCOMP)

    async def message(self, *, acknowledge: bool = True) -> Publish:
        """Await the next application message."""
        first, body = await self.answer(PUBLISH)
        qos, length = first >> 1 & 3, int.from_bytes(body[:2], "big")
        rest = body[2 + length :]
        packet_id = int.from_bytes(rest[:2], "big") if qos else 0
        if qos == 1 and acknowledge:
            self.send(encode_answer(PUBACK, packet_id))
        return Publish(
            topic=body[2 : 2 + length].decode(),
            payload=rest[2:] if qos else rest,
            qos=qos,
            retain=bool(first & 1),
            duplicate=bool(first & 8),
            packet_id=packet_id,
        )

    async def nothing_more(self) -> list[Publish]:
        """Every message not yet taken that came before the answer to a PING sent now."""
        self.send(b"\xc0\0")
        await self.answer(PINGRESP)
        found = []
        while any(first & 0xF0 == PUBLISH for first, _ in self._early):
            found.append(await self.message())
        return found

    async def answer(self, kind: int) -> tuple[int, bytes]:
        """Await a packet of this kind; others that come before it are kept for later."""
        for at, packet in enumerate(self._early):
            if packet[0] & 0xF0 == kind:
                return self._early.pop(at)
        while True:
            packet = await self._next()
            if packet[0] & 0xF0 == kind:
                return packet
            self._early.append(packet)

    async def gone(self, within_s: float = ANSWER_S_MAX) -> bool:
        """Whether the broker ends the connection within the deadline."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def send(self, data: bytes) -> None:
        """Write bytes, right or wrong."""
        self.writer.write(data)

    async def leave(self) -> None:
        """Say DISCONNECT and close."""
        self.send(b"\xe0\0")
        self.writer.close()
        await _closed(self.writer)

    async def vanish(self) -> None:
        """Drop the connection without a word."""
        self.writer.transport.abort()
        await _closed(self.writer)

    async def _next(self) -> tuple[int, bytes]:
        async with asyncio.timeout(ANSWER_S_MAX):
            first = (await self.reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await self.reader.readexactly(1))[0]
                length |= (byte & 127) << shift
                shift += 7
                if not byte & 128:
                    return first, await self.reader.readexactly(length)


async def probe(port: int, context: ssl.SSLContext | None = None) -> Probe:
    """Open a connection to a broker on this machine and say nothing yet."""
    name = None if context is None else "localhost"
    opened = Probe(
        *await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    )
    _opened.append(opened)
    return opened


async def close_probes() -> None:
    """Drop every connection still open: a test leaves none behind."""
    while _opened:
        await _opened.pop().vanish()


_opened: list[Probe] = []


def frame(first: int, body: bytes) -> bytes:
    """Put a packet together, whatever is in it."""
    head, left = bytearray([first]), len(body)
    while True:
        head.append(left & 127 | (128 if left > 127 else 0))
        left >>= 7
        if not left:
            return bytes(head) + body


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


async def _closed(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        await writer.wait_closed()
