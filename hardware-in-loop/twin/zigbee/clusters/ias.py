"""Alarm sensors that must be enrolled before they tell: water, contact, motion (ZCL8 8.2)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from twin.zigbee.cluster import Attr, Cluster
from twin.zigbee.node import MANUFACTURER_CODE
from twin.zigbee.zcl import Kind, Status, Value

if TYPE_CHECKING:
    from twin.zigbee.cluster import Request
    from twin.zigbee.node import Node

NOT_ENROLLED: Final = 0
ENROLLED: Final = 1
ALARM: Final = 0x0001
TAMPER: Final = 0x0004
BATTERY_LOW: Final = 0x0008
NO_ZONE: Final = 0xFF
ENROL_S: Final = 0.05
_NOBODY: Final = bytes(8)
_STATUS_CHANGE: Final = 0x00
_ENROL: Final = 0x01
_COORDINATOR: Final = 1  # its endpoint, until somebody writes from another


class A(IntEnum):
    """Attributes (8.2.2.2)."""

    STATE = 0x0000
    TYPE = 0x0001
    STATUS = 0x0002
    CIE = 0x0010
    ZONE = 0x0011


class ZoneType(IntEnum):
    """What the sensor is (8.2.2.2.1.3)."""

    MOTION = 0x000D
    CONTACT = 0x0015
    WATER = 0x002A


class IasZone(Cluster):
    """Told who listens (CIE address), it asks to be enrolled, and only then it tells.

    Also taken: an enrol answer that nobody asked for ("auto-enrol-response", 8.2.2.1.3). A sensor
    that `never_enrols` takes everything and stays silent, as some do in the field.
    """

    id = 0x0500
    zone_type = ZoneType.WATER

    def __init__(self, node: Node, endpoint: int) -> None:
        super().__init__(node, endpoint)
        self.never_enrols = False
        self.enrol_requests = 0
        self._listener = _COORDINATOR
        self.attrs = {
            A.STATE: Attr(Kind.ENUM8, NOT_ENROLLED),
            A.TYPE: Attr(Kind.ENUM16, self.zone_type),
            A.STATUS: Attr(Kind.MAP16, 0),
            A.CIE: Attr(Kind.EUI64, _NOBODY, writable=True),
            A.ZONE: Attr(Kind.U8, NO_ZONE),
        }

    @property
    def enrolled(self) -> bool:
        """Whether its alarms leave it."""
        return self.number(A.STATE) == ENROLLED

    def set(self, attr: int, value: Value) -> None:
        """A listener's address makes it ask for enrolment."""
        super().set(attr, value)
        if attr == A.CIE and value != _NOBODY:
            self.node.timers.after(ENROL_S, "zigbee enrol", self._ask)

    def general(self, body: bytes, asked: Request) -> None:
        """As every cluster, but it remembers who spoke: alarms go there."""
        self._listener = asked.from_endpoint
        super().general(body, asked)

    def command(self, command: int, body: bytes, asked: Request) -> None:
        """Zone Enroll Response: code 0 and a zone number."""
        if command != 0x00:
            asked.default(Status.UNSUP_CLUSTER_COMMAND)
            return
        code, zone = body[0], body[1]
        if code == 0 and not self.never_enrols:
            super().set(A.ZONE, zone)
            super().set(A.STATE, ENROLLED)
        asked.default(Status.SUCCESS)

    def sense(self, *, on: bool, bit: int = ALARM) -> None:
        """The world changed: water came or went, the door opened or closed."""
        status = self.number(A.STATUS)
        status = status | bit if on else status & ~bit
        self.node.note("sensed", status=status, enrolled=self.enrolled)
        super().set(A.STATUS, status)
        if self.enrolled:
            body = struct.pack("<HBBH", status, 0, self.number(A.ZONE), 0)
            self.tell(self._listener, _STATUS_CHANGE, body)

    def _ask(self) -> None:
        if self.enrolled or self.never_enrols or self.node.air is None:
            return
        self.enrol_requests += 1
        body = struct.pack("<HH", self.zone_type, MANUFACTURER_CODE)
        self.tell(self._listener, _ENROL, body)


class ContactZone(IasZone):
    """A reed contact on a door or window."""

    zone_type = ZoneType.CONTACT


class MotionZone(IasZone):
    """A passive infrared eye."""

    zone_type = ZoneType.MOTION
