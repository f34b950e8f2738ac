"""One Zigbee device: endpoints with clusters, bindings, its own counters, and what reached it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Cluster, Request
from twin.zigbee.reporting import Reporter
from twin.zigbee.zcl import Header, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.journal import Journal
    from twin.zigbee.air import Air
    from twin.zigbee.timers import Timers

HOME_AUTOMATION: Final = 0x0104
MANUFACTURER: Final = b"Nightporter Twin"
# A code that no member of the alliance has, so that no quirk of a library is made for us.
MANUFACTURER_CODE: Final = 0x1FFE
# Frames remembered in `heard`, for a test to look at.
HEARD_MAX: Final = 1000
_REVISION: Final = 22  # of the specification, in the upper bits of the server mask
_SLEEPY_CAPABILITY: Final = 0x80
_AWAKE_CAPABILITY: Final = 0x88
_ROUTER_CAPABILITY: Final = 0x8E


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Where a cluster's reports and events go (ZDO Bind_req)."""

    endpoint: int
    cluster: int
    to_ieee: bytes | None  # None: a group
    to_endpoint: int = 0
    group: int | None = None


@dataclass(slots=True)
class Endpoint:
    """One simple descriptor with its servers."""

    device_type: int
    servers: dict[int, Cluster] = field(default_factory=dict)
    clients: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One ZCL command that the device's own application got."""

    cluster: int
    specific: bool
    command: int
    tsn: int


class Node:
    """A device with power. `air` is None while it belongs to no network.

    What it is made of is said by `make(node)` in `devices.py`: this class knows no kind.
    """

    def __init__(
        self, name: str, ieee: int, *, model: str, sleepy: bool = False, router: bool = False
    ) -> None:
        """`ieee` is its 64-bit address as printed; a `router` has mains and carries children."""
        self.name = name
        self.ieee = ieee.to_bytes(8, "little")
        self.model = model.encode()
        self.sleepy = sleepy
        self.router = router
        self.nwk: int | None = None
        self.air: Air | None = None
        self.endpoints: dict[int, Endpoint] = {}
        self.bindings: list[Binding] = []
        self.groups: set[tuple[int, int]] = set()
        self.heard: list[Heard] = []
        self.answers_interview = True  # False: joins, and never says what it is
        self.tsn = 0
        self._timers: Timers | None = None
        self._journal: Journal | None = None
        self.reporter = Reporter(self)

    # --- put together

    def wire(self, timers: Timers, journal: Journal) -> None:
        """Give it the simulation's time and record; once, before it joins."""
        self._timers, self._journal = timers, journal

    @property
    def timers(self) -> Timers:
        """The simulation's time."""
        if self._timers is None:
            raise RuntimeError(f"{self.name} has no time yet: join it to a site first")
        return self._timers

    def note(self, kind: str, **fields: object) -> None:
        """Write down what really happened."""
        if self._journal is not None:
            self._journal.note(kind, device=self.name, **fields)

    def add(
        self, endpoint: int, device_type: int, *servers: Callable[[Node, int], Cluster]
    ) -> None:
        """Add an endpoint with these servers."""
        made = [server(self, endpoint) for server in servers]
        self.endpoints[endpoint] = Endpoint(device_type, {c.id: c for c in made})

    def clusters(self) -> Iterator[Cluster]:
        """Every server of every endpoint."""
        for endpoint in self.endpoints.values():
            yield from endpoint.servers.values()

    def cluster(self, cluster: int, endpoint: int = 1) -> Cluster:
        """One server. Raises KeyError where the device has none."""
        return self.endpoints[endpoint].servers[cluster]

    # --- what it says of itself

    @property
    def address(self) -> int:
        """Its short address. Raises RuntimeError before it has one."""
        if self.nwk is None:
            raise RuntimeError(f"{self.name} has not joined")
        return self.nwk

    @property
    def capability(self) -> int:
        """MAC capability flags (IEEE 802.15.4)."""
        if self.router:
            return _ROUTER_CAPABILITY
        return _SLEEPY_CAPABILITY if self.sleepy else _AWAKE_CAPABILITY

    def node_descriptor(self) -> bytes:
        """13 bytes (Zigbee 2.3.2.3): logical type, band 2.4 GHz, flags, manufacturer, sizes."""
        logical = 1 if self.router else 2
        return struct.pack(
            "<BBBHBHHHB",
            logical,
            0x40,
            self.capability,
            MANUFACTURER_CODE,
            82,
            82,
            _REVISION << 9,
            82,
            0,
        )

    def simple_descriptor(self, endpoint: int) -> bytes:
        """Endpoint, profile, device, version, server clusters, client clusters (2.3.2.5)."""
        what = self.endpoints[endpoint]
        servers, clients = sorted(what.servers), what.clients
        return (
            struct.pack("<BHHBB", endpoint, HOME_AUTOMATION, what.device_type, 1, len(servers))
            + struct.pack(f"<{len(servers)}H", *servers)
            + struct.pack(f"<B{len(clients)}H", len(clients), *clients)
        )

    def bound(self, endpoint: int, cluster: int) -> list[int]:
        """Endpoints of the coordinator that are bound to this cluster."""
        return [
            b.to_endpoint
            for b in self.bindings
            if (b.endpoint, b.cluster) == (endpoint, cluster) and b.to_ieee is not None
        ]

    def next_tsn(self) -> int:
        """Its own sequence number, which knows nothing of the coordinator's."""
        self.tsn = (self.tsn + 1) & 0xFF
        return self.tsn

    # --- ZCL

    def take(self, from_endpoint: int, endpoint: int, cluster: int, data: bytes) -> None:
        """One ZCL frame of the coordinator."""
        try:
            header, body = Header.read(data)
        except ValueError:
            return
        self._remember(Heard(
            cluster=cluster, specific=header.specific, command=header.command, tsn=header.tsn
        ))  # fmt: skip
        if header.to_client:
            return
        asked = Request(
            node=self,
            cluster=cluster,
            endpoint=endpoint,
            from_endpoint=from_endpoint,
            header=header,
        )
        there = self.endpoints.get(endpoint)
        server = there.servers.get(cluster) if there is not None else None
        if server is None:
            asked.default(Status.UNSUPPORTED_CLUSTER)
            return
        try:
            if header.specific:
                server.command(header.command, body, asked)
            else:
                server.general(body, asked)
        except (struct.error, IndexError, ValueError):
            asked.default(Status.MALFORMED_COMMAND)

    def send(self, endpoint: int, to_endpoint: int, cluster: int, frame: bytes) -> None:
        """One ZCL frame to the coordinator; nothing while it belongs to no network."""
        if self.air is not None:
            self.air.from_node(self, endpoint, to_endpoint, cluster, frame)

    def forget_network(self) -> None:
        """What a device loses when it leaves."""
        self.air = None
        self.nwk = None
        self.bindings.clear()
        self.groups.clear()
        self.reporter.stop()
        for cluster in self.clusters():
            cluster.reporting.clear()

    def _remember(self, heard: Heard) -> None:
        self.heard.append(heard)
        del self.heard[:-HEARD_MAX]
