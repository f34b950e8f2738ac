"""What a sensor measures: temperature, humidity, presence (ZCL8 4.4, 4.7, 4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.zcl import Kind

if TYPE_CHECKING:
    from twin.zigbee.node import Node

MEASURED: Final = 0x0000


class Temperature(Cluster):
    """Hundredths of a degree Celsius."""

    id = 0x0402

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            MEASURED: Attr(Kind.S16, 2150),
            0x0001: Attr(Kind.S16, -4000),
            0x0002: Attr(Kind.S16, 8500),
        }


class Humidity(Cluster):
    """Hundredths of a percent."""

    id = 0x0405

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            MEASURED: Attr(Kind.U16, 4500),
            0x0001: Attr(Kind.U16, 0),
            0x0002: Attr(Kind.U16, 10_000),
        }


class Occupancy(Cluster):
    """Whether somebody is there."""

    id = 0x0406

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            MEASURED: Attr(Kind.MAP8, 0),
            0x0001: Attr(Kind.ENUM8, 0),  # passive infrared
            0x0002: Attr(Kind.MAP8, 1),
        }
