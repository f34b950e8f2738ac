"""Both brokers of the product, started alike: the embedded one and the system's mosquitto."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from appliance.bus import certificates, credentials
from appliance.bus.broker.listeners import EmbeddedBroker, embedded_broker
from appliance.bus.broker.mosquitto import Housing, write_configuration
from appliance.bus.broker.settings import Address, BrokerSettings, TlsListener
from appliance.bus.credentials import BusRole, Credentials
from appliance.kernel.clock import SystemClock
from support.needs import needs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

KINDS = ("embedded", "mosquitto")
# Moments of the present are of no interest to certificates: any fixed one does.
ISSUED_S = 1_767_225_600
START_S_MAX = 10.0


class Running(Protocol):
    """A broker that serves."""

    @property
    def port(self) -> int:
        """The plain listener's port."""
        ...

    @property
    def tls_port(self) -> int:
        """The TLS listener's port."""
        ...

    async def adopt(self, identities: Credentials) -> None:
        """Give it other credentials and the CRL as it is now."""
        ...


@dataclass(slots=True)
class House:
    """Names and tokens of a small property: the appliance, two locks, a reader, a driver."""

    identities: Credentials = field(default_factory=Credentials)
    tokens: dict[str, str] = field(default_factory=dict)

    def admit(
        self,
        name: str,
        role: BusRole,
        *,
        devices: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
    ) -> None:
        """Give a name a token."""
        self.identities, self.tokens[name] = credentials.add(
            self.identities, name, role, devices=devices, also=also
        )


def small_house() -> House:
    """The property all broker tests use."""
    house = House()
    house.admit("core", BusRole.CORE)
    for name in ("lock-1", "lock-2"):
        house.admit(name, BusRole.DEVICE)
    house.admit("ha", BusRole.READER)
    house.admit("driver-ble0", BusRole.BRIDGE, devices=("lock-7", "lock-8"))
    house.admit(
        "driver-mqtt0", BusRole.BRIDGE, devices=("plug-9",), also=("zigbee2mqtt", "homeassistant")
    )
    house.admit("z2m", BusRole.BRIDGE, also=("zigbee2mqtt",))
    house.admit("esp-9", BusRole.BRIDGE, also=("esphome/room9", "homeassistant/sensor/room9"))
    return house


@dataclass(frozen=True, slots=True, kw_only=True)
class Pki:
    """A CA in a folder, with a broker's certificate and an empty CRL."""

    folder: Path
    authority: certificates.Authority

    def listener(self) -> TlsListener:
        """The TLS listener over this folder, on a free port."""
        return TlsListener(
            address=Address(port=0),
            authority=self.folder / "ca.crt",
            certificate=self.folder / "broker.crt",
            key=self.folder / "broker.key",
            revocations=self.folder / "ca.crl",
        )

    def device(self, name: str) -> certificates.Issued:
        """Issue a device's certificate and leave it in the folder as NAME.crt and NAME.key."""
        issued = self.authority.issue_device(name, now_s=ISSUED_S)
        (self.folder / f"{name}.crt").write_bytes(issued.certificate)
        (self.folder / f"{name}.key").write_bytes(issued.key)
        return issued

    def revoke(self, *serials: int) -> None:
        """Sign a CRL over exactly these."""
        crl = self.authority.revocations(serials, now_s=ISSUED_S)
        (self.folder / "ca.crl").write_bytes(crl)


def new_pki(folder: Path) -> Pki:
    """Make a property's CA and the broker's certificate."""
    authority = certificates.new_authority("test", now_s=ISSUED_S)
    issued = authority.issue_broker(["localhost", "127.0.0.1"], now_s=ISSUED_S)
    (folder / "ca.crt").write_bytes(authority.certificate)
    (folder / "broker.crt").write_bytes(issued.certificate)
    (folder / "broker.key").write_bytes(issued.key)
    pki = Pki(folder=folder, authority=authority)
    pki.revoke()
    return pki


@asynccontextmanager
async def running(
    kind: str, settings: BrokerSettings, identities: Credentials, folder: Path
) -> AsyncGenerator[Running, None]:
    """Start the broker of this kind; mosquitto skips or fails where it is not installed."""
    if kind == "embedded":
        clock = SystemClock(floor_path=None)
        async with embedded_broker(settings, identities, clock) as broker:
            yield broker
    else:
        async with _mosquitto(settings, identities, folder) as broker:
            yield broker


class _Mosquitto:
    def __init__(self, settings: BrokerSettings, housing: Housing) -> None:
        self._settings = settings
        self._housing = housing
        self.process: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        assert self._settings.plain is not None
        return self._settings.plain.port

    @property
    def tls_port(self) -> int:
        assert self._settings.tls is not None
        return self._settings.tls.address.port

    async def adopt(self, identities: Credentials) -> None:
        assert self.process is not None
        write_configuration(self._settings, identities, self._housing)
        self.process.send_signal(signal.SIGHUP)
        await self.says("Reloading config")

    async def says(self, sentence: str) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        async with asyncio.timeout(START_S_MAX):
            while sentence.encode() not in (line := await self.process.stderr.readline()):
                assert line, f"mosquitto ended without saying {sentence!r}"


@asynccontextmanager
async def _mosquitto(
    settings: BrokerSettings, identities: Credentials, folder: Path
) -> AsyncGenerator[_Mosquitto, None]:
    program = needs("mosquitto")
    if settings.plain is not None:
        settings = replace(settings, plain=Address(port=_free_port()))
    if settings.tls is not None:
        tls = replace(settings.tls, address=Address(port=_free_port()))
        settings = replace(settings, tls=tls)
    user = "root" if os.geteuid() == 0 else None
    broker = _Mosquitto(settings, Housing(folder=folder, state=None, user=user))
    path = write_configuration(settings, identities, Housing(folder=folder, state=None, user=user))
    broker.process = await asyncio.create_subprocess_exec(
        program, "-c", path, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await broker.says("running")
        yield broker
    finally:
        broker.process.terminate()
        await broker.process.communicate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


__all__ = ["KINDS", "EmbeddedBroker", "House", "Pki", "new_pki", "running", "small_house"]
