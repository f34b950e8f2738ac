"""Where the broker listens and how much it bears: one object for amqtt and for mosquitto."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, or all of them, may cost."""

    # A CONNECT of ours has about 150 bytes; a foreign one with a long will fits in 4 KiB.
    connect_bytes_max: int = 4_096
    # 16 times the largest payload of ours; mosquitto is given the same figure.
    packet_bytes_max: int = 262_144
    # The slowest radio link seen needed under 2 s from SYN to CONNECT.
    connect_s_max: float = 5.0
    # 500 devices and every process of a large property.
    connections_max: int = 600
    # Sockets that have not proven a name yet: a whole property returning after a power cut.
    connecting_max: int = 300
    # The same from one foreign address: a device has one socket, a satellite a few.
    connecting_per_address_max: int = 20
    # And from the box itself, where a simulated property of 200 locks may start at once.
    connecting_from_loopback_max: int = 250
    # Failed or very short connections an address may make before its next ones are held back.
    failures_burst: float = 20.0
    failures_per_s: float = 1.0
    # What a held connection waits, give or take half, before its CONNECT is read.
    held_s: float = 1.0
    # 1 MiB: what a satellite on bad Wi-Fi may lag behind before its socket is cut.
    write_buffer_bytes_max: int = 1_048_576
    # The window mosquitto and most clients take as given.
    in_flight_max: int = 20
    # A day of a sleeping device's orders, and what mosquitto is told, too.
    queued_messages_max: int = 2_000
    queued_bytes_max: int = 4_194_304
    # 7 days: a lock taken down for repair finds its session when it comes back.
    session_s_max: int = 604_800
    # Devices times their retained topics, five times over.
    retained_max: int = 10_000
    # A device of ours has two retained topics.
    retained_per_device_max: int = 64
    # A device of ours has one subscription; the appliance has about ten.
    subscriptions_max: int = 256
    # A lock sends a few packets a second. At 500 a flood takes a twentieth of a core, so it is
    # slowed to that; the burst lets a satellite unload what it kept while the line was down.
    device_packets_per_s: float = 500.0
    device_packets_burst: float = 4_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A TCP address; port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsListener:
    """The devices' listener: client certificates only, identity = certificate CN."""

    address: Address
    authority: Path  # the property's CA
    certificate: Path
    key: Path
    revocations: Path  # CRL; read again on SIGHUP


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """All listeners of the broker."""

    plain: Address | None = field(default_factory=Address)  # tokens; never beyond the box
    tls: TlsListener | None = None
    unix_path: Path | None = None
    limits: Limits = field(default_factory=Limits)
