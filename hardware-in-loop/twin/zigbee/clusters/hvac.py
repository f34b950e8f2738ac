"""A thermostat of a radiator or a fan coil: hundredths of a degree (ZCL8 6.3)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.zcl import Kind, Status, Value

if TYPE_CHECKING:
    from twin.zigbee.cluster import Request
    from twin.zigbee.node import Node

HEAT: Final = 4
OFF: Final = 0


class A(IntEnum):
    """Attributes (6.3.2.2)."""

    MEASURED = 0x0000
    HEAT_MIN_EVER = 0x0003
    HEAT_MAX_EVER = 0x0004
    HEAT_DEMAND = 0x0008
    CALIBRATION = 0x0010
    COOL_TO = 0x0011
    HEAT_TO = 0x0012
    HEAT_MIN = 0x0015
    HEAT_MAX = 0x0016
    SEQUENCE = 0x001B
    MODE = 0x001C
    RUNNING_MODE = 0x001E
    RUNNING = 0x0029


class Thermostat(Cluster):
    """Heats while it is colder than wanted, and says no to a wish outside its limits."""

    id = 0x0201

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.attrs = {
            A.MEASURED: Attr(Kind.S16, 2150),
            A.HEAT_MIN_EVER: Attr(Kind.S16, 500),
            A.HEAT_MAX_EVER: Attr(Kind.S16, 3000),
            A.HEAT_DEMAND: Attr(Kind.U8, 0),
            A.CALIBRATION: Attr(Kind.S8, 0, writable=True),
            A.COOL_TO: Attr(Kind.S16, 2600, writable=True),
            A.HEAT_TO: Attr(Kind.S16, 2000, writable=True),
            A.HEAT_MIN: Attr(Kind.S16, 700, writable=True),
            A.HEAT_MAX: Attr(Kind.S16, 3000, writable=True),
            A.SEQUENCE: Attr(Kind.ENUM8, 2),
            A.MODE: Attr(Kind.ENUM8, HEAT, writable=True),
            A.RUNNING_MODE: Attr(Kind.ENUM8, OFF),
            A.RUNNING: Attr(Kind.MAP16, 0),
        }

    def may_write(self, attr: int, value: Value) -> Status:
        """A wish outside the limits is refused (INVALID_VALUE), not bent."""
        if isinstance(value, bytes):
            return Status.SUCCESS
        low, high = self.number(A.HEAT_MIN), self.number(A.HEAT_MAX)
        if attr == A.HEAT_TO and not low <= value <= high:
            return Status.INVALID_VALUE
        if attr == A.MODE and value not in (OFF, HEAT):
            return Status.INVALID_VALUE
        return Status.SUCCESS

    def set(self, attr: int, value: Value) -> None:
        """Change it, and start or stop heating."""
        super().set(attr, value)
        if attr == A.HEAT_TO:
            self.node.note("set_point", c100=self.number(A.HEAT_TO))
        if attr not in (A.MEASURED, A.HEAT_TO, A.MODE):
            return
        cold = self.number(A.MEASURED) < self.number(A.HEAT_TO)
        heats = self.number(A.MODE) == HEAT and cold
        if heats != bool(self.number(A.RUNNING) & 1):
            super().set(A.RUNNING, int(heats))
            super().set(A.HEAT_DEMAND, 100 if heats else 0)
            super().set(A.RUNNING_MODE, HEAT if heats else OFF)

    def turn(self, c100: int) -> None:
        """Somebody turns the knob; the knob ends at the limits."""
        self.set(A.HEAT_TO, max(self.number(A.HEAT_MIN), min(c100, self.number(A.HEAT_MAX))))

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Setpoint Raise/Lower, in tenths of a degree."""
        if command != 0x00:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)
            return
        mode, tenths = struct.unpack_from("<Bb", body)
        if mode in (0, 2):
            self.turn(self.number(A.HEAT_TO) + 10 * tenths)
        if mode in (1, 2):
            self.set(A.COOL_TO, self.number(A.COOL_TO) + 10 * tenths)
        asked.default(Status.SUCCESS)
