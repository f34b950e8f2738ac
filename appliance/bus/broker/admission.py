"""The broker's door: reads CONNECT itself, and lets nobody in whose name is not proven.

amqtt takes over a session before it authenticates, so a stranger with a wrong password could throw
a lock off the bus. Here the order is: size, time, proof, name, will; only then is the old
connection of the same name dropped, awaited, and the new one handed to the broker.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from appliance.bus.broker.packets import (
    LEVEL_311,
    Connect,
    MalformedError,
    Refusal,
    encode_connack,
    parse,
)
from appliance.bus.broker.permissions import Action, may
from appliance.bus.credentials import BusRole
from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from appliance.bus.broker.embedded import NightBroker
    from appliance.bus.broker.packets import Packet
    from appliance.bus.broker.settings import Limits
    from appliance.bus.credentials import Credentials, Identity
    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)

# MQTT 3.1.1 section 3.1.2.10: one and a half times the keepalive.
KEEPALIVE_GRACE = 1.5
# For a client without keepalive the kernel asks: first after a minute, dead after two.
TCP_ALIVE = {
    socket.TCP_KEEPIDLE: 60,
    socket.TCP_KEEPINTVL: 15,
    socket.TCP_KEEPCNT: 4,
}
# A packet once begun must end: 256 KiB in half a minute is 70 kbit/s.
PACKET_S_MAX = 30.0
# The old connection of a name only has local work left; a second would already be a bug.
TAKE_OVER_S_MAX = 3.0
# A connection that ends sooner counts as a failure: no honest client lives like that.
SHORT_S = 1.0
# Addresses whose failures are remembered: more than a guest network of the property can hold.
SUSPECTS_MAX = 4_096


class SlowError(Exception):
    """The client said nothing for longer than it may."""


@dataclass(slots=True)
class Pace:
    """A token bucket: how long a client must wait before its next packet is looked at."""

    per_s: float
    burst: float
    clock: Clock
    _left: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at_s = self.burst, self.clock.monotonic()

    async def step(self) -> None:
        """Take one token, waiting for it where the client is too fast."""
        now_s = self.clock.monotonic()
        self._left = min(self.burst, self._left + (now_s - self._at_s) * self.per_s) - 1
        self._at_s = now_s
        if self._left < 0:
            await sleep(self.clock, -self._left / self.per_s)


class Suspicion:
    """Which addresses fail too often: their connections are held back, never refused for it.

    Holding is gentle enough for an honest client behind the same address, and turns a storm of
    guesses into one try a second for each socket the stranger can keep open.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        # Failures still held against an address, and when that was so.
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def note(self, address: str) -> None:
        """Count a failure."""
        count = min(self._count(address) + 1, 2 * self._limits.failures_burst)
        self._held[address] = (count, self._clock.monotonic())
        self._held.move_to_end(address)
        while len(self._held) > SUSPECTS_MAX:
            self._held.popitem(last=False)

    async def wait(self, address: str) -> None:
        """Hold a connection from an address that has failed too often."""
        if self._count(address) >= self._limits.failures_burst:
            await sleep(self._clock, self._limits.held_s)

    def _count(self, address: str) -> float:
        count, at_s = self._held.get(address, (0.0, 0.0))
        forgiven = (self._clock.monotonic() - at_s) * self._limits.failures_per_s
        return max(0.0, count - forgiven)


class Socket:
    """One TCP, TLS or unix connection as whole packets (the `Wire` of embedded.py)."""

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


@dataclass(slots=True)
class _Live:
    wire: Socket
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Admission:
    """Called for every new connection; knows who is in."""

    def __init__(
        self, *, broker: NightBroker, credentials: Credentials, limits: Limits, clock: Clock
    ) -> None:
        self._broker = broker
        self._credentials = credentials
        self._limits = limits
        self._clock = clock
        self._revoked_serials: frozenset[int] = frozenset()
        self._live: dict[str, _Live] = {}
        self._connecting: Counter[str] = Counter()
        self._open: set[Socket] = set()
        self._suspicion = Suspicion(limits, clock)

    async def adopt(self, credentials: Credentials, revoked_serials: frozenset[int]) -> None:
        """Use other credentials from now on; whoever is shut out is cut at once."""
        before, self._credentials = self._credentials, credentials
        self._revoked_serials = revoked_serials
        for name, live in list(self._live.items()):
            who, was = credentials.active(name), before.active(name)
            if who != was or self._certificate_revoked(live.wire):
                live.wire.cut()
        await self._broker.adopt(credentials)

    async def close(self) -> None:
        """Cut everybody and wait until the last one is gone."""
        waiting = [live.gone.wait() for live in self._live.values()]
        for wire in list(self._open):
            wire.cut()
        await asyncio.gather(*waiting)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection from accept to end."""
        wire = Socket(reader, writer, self._limits)
        if not self._has_room(wire.address):
            wire.cut()
            return
        self._open.add(wire)
        self._connecting[wire.address] += 1
        began_s = 0.0
        try:
            await self._suspicion.wait(wire.address)
            connect = await self._admit(wire)
        finally:
            self._connecting[wire.address] -= 1
            if not self._connecting[wire.address]:
                del self._connecting[wire.address]
        try:
            if connect is not None:
                began_s = self._clock.monotonic()
                await self._take_in(connect, wire)
        finally:
            self._open.discard(wire)
            if connect is None or self._clock.monotonic() - began_s < SHORT_S:
                self._suspicion.note(wire.address)

    async def _admit(self, wire: Socket) -> Connect | None:
        """Read CONNECT and decide; None where the answer was no, and has been given."""
        limit_s = self._limits.connect_s_max
        try:
            packet = await wire.packet(self._limits.connect_bytes_max, limit_s, limit_s)
        except (MalformedError, SlowError, asyncio.IncompleteReadError, OSError) as error:
            logger.info("no CONNECT from %s: %s", wire.address, str(error) or "silence")
            wire.cut()
            return None
        if not isinstance(packet, Connect):
            wire.cut()
            return None
        refusal = self._refusal(packet, wire)
        if refusal is not None:
            logger.info("CONNECT from %s refused: %s", wire.address, refusal.name)
            await wire.farewell(encode_connack(code=refusal))
            return None
        return packet

    def _refusal(self, connect: Connect, wire: Socket) -> Refusal | None:
        if connect.level != LEVEL_311:
            return Refusal.PROTOCOL_VERSION
        who = self._identify(connect, wire)
        if who is None:
            return Refusal.NOT_AUTHORISED
        if connect.client_id != who.name:
            return Refusal.CLIENT_ID
        if connect.will is not None and not may(who, Action.PUBLISH, connect.will.topic):
            return Refusal.NOT_AUTHORISED
        if len(self._live) >= self._limits.connections_max and who.name not in self._live:
            return Refusal.UNAVAILABLE
        wire.tune(ask_kernel=not connect.keepalive_s)
        wire.idle_s_max = connect.keepalive_s * KEEPALIVE_GRACE if connect.keepalive_s else None
        if who.role in {BusRole.DEVICE, BusRole.READER}:
            limits = self._limits
            wire.pace = Pace(limits.device_packets_per_s, limits.device_packets_burst, self._clock)
        return None

    def _identify(self, connect: Connect, wire: Socket) -> Identity | None:
        if wire.tls is None:
            return self._credentials.by_token(connect.username, connect.password)
        # The TLS layer has checked chain and CRL; a certificate revoked since is caught here.
        if self._certificate_revoked(wire):
            return None
        return self._credentials.active(_common_name(wire.tls))

    def _certificate_revoked(self, wire: Socket) -> bool:
        der = None if wire.tls is None else wire.tls.getpeercert(binary_form=True)
        if der is None:
            return False
        return x509.load_der_x509_certificate(der).serial_number in self._revoked_serials

    async def _take_in(self, connect: Connect, wire: Socket) -> None:
        old = self._live.get(connect.client_id)
        mine = self._live[connect.client_id] = _Live(wire)
        try:
            if old is not None:
                old.wire.cut()
                async with asyncio.timeout(TAKE_OVER_S_MAX):
                    await old.gone.wait()
            if self._live.get(connect.client_id) is mine:
                await self._broker.serve(connect, wire)
        except TimeoutError:
            logger.warning("%s must try again: its old connection lives", connect.client_id)
        finally:
            wire.cut()
            mine.gone.set()
            if self._live.get(connect.client_id) is mine:
                del self._live[connect.client_id]

    def _has_room(self, address: str) -> bool:
        if self._connecting.total() >= self._limits.connecting_max:
            return False
        local = not address or ipaddress.ip_address(address.partition("%")[0]).is_loopback
        limits = self._limits
        most = limits.connecting_from_loopback_max if local else limits.connecting_per_address_max
        return self._connecting[address] < most


def _common_name(tls: ssl.SSLObject) -> str | None:
    der = tls.getpeercert(binary_form=True)
    if der is None:
        return None
    subject = x509.load_der_x509_certificate(der).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None
