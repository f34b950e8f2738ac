"""The broker's door: reads CONNECT itself, and lets nobody in whose name is not proven.

amqtt takes over a session before it authenticates, so a stranger with a wrong password could throw
a lock off the bus. Here the order is: size, time, proof, name, will; only then is the old
connection of the same name dropped, awaited, and the new one handed to the broker.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
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
)
from appliance.bus.broker.patience import Pace, Suspicion
from appliance.bus.broker.permissions import Action, may
from appliance.bus.broker.wire import SlowError, Socket
from appliance.bus.credentials import BusRole

if TYPE_CHECKING:
    import ssl

    from appliance.bus.broker.embedded import NightBroker
    from appliance.bus.broker.settings import Limits
    from appliance.bus.credentials import Credentials, Identity
    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)

# MQTT 3.1.1 section 3.1.2.10: one and a half times the keepalive.
KEEPALIVE_GRACE = 1.5
# The old connection of a name only has local work left; a second would already be a bug.
TAKE_OVER_S_MAX = 3.0
# A connection that ends sooner counts as a failure: no honest client lives like that.
SHORT_S = 1.0


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
