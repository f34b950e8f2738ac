"""The embedded broker with its sockets open: TCP for the box, TLS for devices, unix if wanted."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.bus import certificates
from appliance.bus.broker.admission import Admission
from appliance.bus.broker.embedded import NightBroker
from appliance.bus.port import NO_CHECK_TIME

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from appliance.bus.broker.settings import BrokerSettings, TlsListener
    from appliance.bus.credentials import Credentials
    from appliance.kernel.clock import Clock

HANDSHAKE_S_MAX = 5.0


class PortTakenError(Exception):
    """A listener cannot be opened; the text says which and what to do."""


class EmbeddedBroker:
    """A running broker: its ports, and the way to give it other credentials."""

    def __init__(
        self, *, settings: BrokerSettings, admission: Admission, servers: dict[str, asyncio.Server]
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._servers = servers

    @property
    def port(self) -> int:
        """The plain listener's port."""
        return self._port("tcp")

    @property
    def tls_port(self) -> int:
        """The TLS listener's port."""
        return self._port("tls")

    @property
    def ports(self) -> dict[str, int]:
        """Every TCP listener's port by its name, `tcp` and `tls`."""
        return {name: self._port(name) for name in self._servers if name != "unix"}

    async def adopt(self, credentials: Credentials) -> None:
        """Take other credentials and the CRL file as it is now; cut whoever is shut out."""
        tls = self._settings.tls
        serials = frozenset[int]()
        if tls is not None:
            serials = certificates.revoked_serials(tls.revocations.read_bytes())
        await self._admission.adopt(credentials, serials)

    def _port(self, name: str) -> int:
        return int(self._servers[name].sockets[0].getsockname()[1])


@asynccontextmanager
async def embedded_broker(
    settings: BrokerSettings, credentials: Credentials, clock: Clock
) -> AsyncGenerator[EmbeddedBroker, None]:
    """Open every listener; at the end cut everybody and forget everything."""
    night = NightBroker(credentials, settings.limits)
    admission = Admission(
        broker=night, credentials=credentials, limits=settings.limits, clock=clock
    )
    servers: dict[str, asyncio.Server] = {}
    await night.start()
    try:
        await _open(settings, admission, servers)
        running = EmbeddedBroker(settings=settings, admission=admission, servers=servers)
        await running.adopt(credentials)
        yield running
    finally:
        for server in servers.values():
            server.close()
        await admission.close()
        await night.shutdown()


async def _open(
    settings: BrokerSettings, admission: Admission, servers: dict[str, asyncio.Server]
) -> None:
    limit = settings.limits.packet_bytes_max * 2
    plain, tls, path = settings.plain, settings.tls, settings.unix_path
    where = ""
    try:
        if plain is not None:
            where = f"{plain.host}:{plain.port}"
            servers["tcp"] = await asyncio.start_server(
                admission, plain.host, plain.port, limit=limit
            )
        if tls is not None:
            where = f"{tls.address.host}:{tls.address.port}"
            servers["tls"] = await asyncio.start_server(
                admission,
                tls.address.host,
                tls.address.port,
                limit=limit,
                ssl=tls_context(tls),
                ssl_handshake_timeout=HANDSHAKE_S_MAX,
            )
        if path is not None:
            where = str(path)
            # A socket file that a killed broker left behind answers nobody.
            path.unlink(missing_ok=True)
            servers["unix"] = await asyncio.start_unix_server(admission, path, limit=limit)
            path.chmod(0o660)
    except OSError as error:
        sentence = (
            f"The bus cannot listen on {where} ({error.strerror or error}). "
            "Stop what holds it, or choose another address in the settings."
        )
        raise PortTakenError(sentence) from error


def tls_context(listener: TlsListener) -> ssl.SSLContext:
    """Client certificates of the property's CA only, minus those revoked.

    Validity dates are not compared: a box that boots without a clock must not lock its own locks
    out (DESIGN laws 4 and 6). What ends a device's right is the CRL and the credentials file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(listener.authority)
    context.load_verify_locations(listener.revocations)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
    context.load_cert_chain(listener.certificate, listener.key)
    return context
