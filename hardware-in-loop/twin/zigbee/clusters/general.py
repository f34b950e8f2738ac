"""What every device has: Basic, Identify, Groups, and the cells of the battery-powered (ZCL8 3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.node import MANUFACTURER
from twin.zigbee.zcl import Kind, Status

if TYPE_CHECKING:
    from twin.zigbee.cluster import Request
    from twin.zigbee.node import Node

_MAINS: Final = 0x01
_BATTERY: Final = 0x03
GROUPS_MAX: Final = 16


class Basic(Cluster):
    """Who made it (3.2)."""

    id = 0x0000

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0000: Attr(Kind.U8, 3),
            0x0001: Attr(Kind.U8, 1),
            0x0004: Attr(Kind.STRING, MANUFACTURER),
            0x0005: Attr(Kind.STRING, node.model),
            0x0006: Attr(Kind.STRING, b"20260901"),
            0x0007: Attr(Kind.ENUM8, _MAINS if node.router else _BATTERY),
            0x4000: Attr(Kind.STRING, b"1.0.0"),
            0xFFFD: Attr(Kind.U16, 3),
        }


class Identify(Cluster):
    """Blink (3.5)."""

    id = 0x0003

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {0x0000: Attr(Kind.U16, 0, writable=True)}

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Identify, and identify query (silence: it does not identify itself)."""
        if command == 0x00:
            (seconds,) = struct.unpack_from("<H", body)
            self.node.note("blink", seconds=seconds)
            asked.default(Status.SUCCESS)
        elif command != 0x01:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)


class Groups(Cluster):
    """Membership in groups (3.6)."""

    id = 0x0004

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {0x0000: Attr(Kind.MAP8, 0)}

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Add, view, get membership, remove, remove all."""
        mine = self.node.groups
        if command == 0x02:
            found = sorted(group for endpoint, group in mine if endpoint == self.endpoint)
            room = GROUPS_MAX - len(found)
            asked.answer(0x02, struct.pack(f"<BB{len(found)}H", room, len(found), *found))
            return
        if command == 0x04:
            self.node.groups = {g for g in mine if g[0] != self.endpoint}
            asked.default(Status.SUCCESS)
            return
        (group,) = struct.unpack_from("<H", body)
        entry = (self.endpoint, group)
        known = entry in mine
        if command == 0x00:
            full = len(mine) >= GROUPS_MAX and not known
            if not full:
                mine.add(entry)
            status = Status.INSUFFICIENT_SPACE if full else Status.SUCCESS
            asked.answer(0x00, struct.pack("<BH", status, group))
        elif command == 0x01:
            status = Status.SUCCESS if known else Status.NOT_FOUND
            asked.answer(0x01, struct.pack("<BHB", status, group, 0))
        elif command == 0x03:
            mine.discard(entry)
            status = Status.SUCCESS if known else Status.NOT_FOUND
            asked.answer(0x03, struct.pack("<BH", status, group))
        else:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)


class Cells(Cluster):
    """Power configuration: voltage and charge (3.3)."""

    id = 0x0001

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0020: Attr(Kind.U8, 58),  # tenths of a volt
            0x0021: Attr(Kind.U8, 190),  # half percents
            0x0031: Attr(Kind.ENUM8, 0x03),  # AA
            0x0033: Attr(Kind.U8, 4),
        }

    def drain_to(self, percent: int) -> None:
        """Other cells, or emptier ones."""
        self.set(0x0021, 2 * percent)


class PollControl(Cluster):
    """When a sleepy device looks for its frames, in quarter seconds (3.16)."""

    id = 0x0020

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0000: Attr(Kind.U32, 14_400, writable=True),  # check in every hour
            0x0001: Attr(Kind.U32, 20),
            0x0002: Attr(Kind.U16, 2),
            0x0003: Attr(Kind.U16, 40, writable=True),
        }

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Check-in answers and poll intervals are taken as they come."""
        del command, body
        asked.default(Status.SUCCESS)

    def check_in(self) -> None:
        """Say that it is awake for a moment."""
        self.event(0x00, b"")
