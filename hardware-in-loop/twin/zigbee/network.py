"""What two radios of one network must agree in, and what each side of the air remembers."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from twin.zigbee.node import Node

# The APS duplicate table of a device (APS_DUP_REJ_TABLE_SIZE is 5 to 8 in Z-Stack).
COPIES_KNOWN_MAX: Final = 8
BROADCAST: Final = 0xFFF8  # short addresses from here on mean many


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What two radios must agree in to hear each other."""

    epid: bytes
    pan: int
    channel: int
    key: bytes
    update_id: int = 0


class Coordinator(Protocol):
    """The stick's side of the air."""

    @property
    def up(self) -> bool:
        """Whether it runs a network now."""
        ...

    @property
    def ieee(self) -> bytes:
        """Its address, little-endian."""
        ...

    def network(self) -> Network:
        """The network it runs."""
        ...

    def joinable(self) -> bool:
        """Whether a stranger may join at the coordinator itself."""
        ...

    def next_counter(self) -> int:
        """The frame counter of the frame that goes out now."""
        ...

    def joined(self, node: Node, parent: int) -> None:
        """The trust centre let a device in."""
        ...

    def gone(self, node: Node) -> None:
        """A device said that it leaves."""
        ...

    def heard_zcl(self, node: Node, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        """A frame for an application."""
        ...

    def heard_zdo(self, nwk: int, cluster: int, tsn: int, body: bytes) -> None:
        """A frame of the device objects."""
        ...


@dataclass(slots=True)
class Seat:
    """What a device keeps about its network; it makes a stick swap work or fail."""

    network: Network
    last_counter: int = -1
    away: bool = False  # out of range, or without power
    asleep: bool = False  # polls nobody until it is woken
    poll_s: float = 0.0  # time between two polls; 0: polls at once
    parent: Node | None = None  # None: the coordinator itself
    permit_until_s: float = 0.0  # of a router
    copies: deque[int] = field(default_factory=lambda: deque(maxlen=COPIES_KNOWN_MAX))
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """One frame to a device. `zdo_tsn` is set for device objects (endpoint 0)."""

    nwk: int
    from_endpoint: int
    endpoint: int
    cluster: int
    data: bytes
    ack: bool = False
    zdo_tsn: int = 0
