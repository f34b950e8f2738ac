"""Things that are switched and measured: on/off, level, metering, electrical values."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.zcl import Kind, Status, Value

if TYPE_CHECKING:
    from twin.zigbee.cluster import Request
    from twin.zigbee.node import Node

LEVEL_MAX: Final = 254
_ON_OFF: Final = 0x0000


class OnOff(Cluster):
    """A relay: plug, light, or the motor of a valve (ZCL8 3.8)."""

    id = 0x0006

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.stuck = False  # says yes, and does not move
        self.attrs = {_ON_OFF: Attr(Kind.BOOL, 0), 0x4003: Attr(Kind.ENUM8, 0, writable=True)}

    @property
    def on(self) -> bool:
        """Whether current (or water) flows."""
        return bool(self.number(_ON_OFF))

    def switch(self, *, on: bool, via: str = "hand") -> None:
        """Turn it; every turn of the relay is one entry `switch` in the journal."""
        if self.stuck:
            self.node.note("jam", to="on" if on else "off", via=via)
            return
        if on != self.on:
            self.node.note("switch", to="on" if on else "off", via=via)
        self.set(_ON_OFF, int(on))

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Off, on, toggle."""
        del body
        if command > 0x02:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)
            return
        self.switch(on=not self.on if command == 0x02 else bool(command), via="radio")
        asked.default(Status.SUCCESS)


class Level(Cluster):
    """How bright, 1 to 254; transitions are jumps here (ZCL8 3.10)."""

    id = 0x0008

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0000: Attr(Kind.U8, LEVEL_MAX),
            0x0010: Attr(Kind.U16, 0, writable=True),
            0x0011: Attr(Kind.U8, 0xFF, writable=True),
        }

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Move to level, without (0) and with (4) on/off."""
        if command not in (0x00, 0x04):
            asked.default(Status.UNSUP_CLUSTER_COMMAND)
            return
        level, _tenths = struct.unpack_from("<BH", body)
        relay = self.node.cluster(OnOff.id, self.endpoint)
        if command == 0x04 and isinstance(relay, OnOff):
            relay.switch(on=level > 0, via="radio")
        self.node.note("level", level=level)
        self.set(0x0000, min(max(1, level), LEVEL_MAX))
        asked.default(Status.SUCCESS)


class Metering(Cluster):
    """What has run through: watt-hours, shown in kWh by divisor 1000 (ZCL8 10.4)."""

    id = 0x0702

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0000: Attr(Kind.U48, 0),
            0x0200: Attr(Kind.MAP8, 0),
            0x0300: Attr(Kind.ENUM8, 0),  # kWh
            0x0301: Attr(Kind.U24, 1),
            0x0302: Attr(Kind.U24, 1000),
            0x0303: Attr(Kind.MAP8, 0x2B),
            0x0306: Attr(Kind.MAP8, 0),  # electric
            0x0400: Attr(Kind.S24, 0),
        }

    def count(self, watt_hours: int) -> None:
        """So much more ran through."""
        self.set(0x0000, self.number(0x0000) + watt_hours)


class Electrical(Cluster):
    """What runs now: volts, milliamperes, tenths of a watt (ZCL8 4.9)."""

    id = 0x0B04

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            0x0000: Attr(Kind.MAP32, 0x09),
            0x0505: Attr(Kind.U16, 230),
            0x0508: Attr(Kind.U16, 0),
            0x050B: Attr(Kind.S16, 0),
            0x0600: Attr(Kind.U16, 1),
            0x0601: Attr(Kind.U16, 1),
            0x0602: Attr(Kind.U16, 1),
            0x0603: Attr(Kind.U16, 1000),
            0x0604: Attr(Kind.U16, 1),
            0x0605: Attr(Kind.U16, 10),
        }

    def draw(self, watts: float) -> None:
        """A load of so many watts."""
        milliamperes: Value = round(watts / self.number(0x0505) * 1000)
        self.set(0x0508, milliamperes)
        self.set(0x050B, round(watts * 10))
