"""Trouble on the air, made on purpose: which frames it meets and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from twin.zigbee.zcl import Header

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.zigbee.node import Node


class Confirm(IntEnum):
    """What AF_DATA_CONFIRM says of a frame (Z-Stack's ZComDef.h).

    Where no APS acknowledgement was asked, SUCCESS only means that the next hop took it.
    """

    SUCCESS = 0x00
    MEMORY = 0x10
    BUFFER_FULL = 0x11
    APS_NO_ACK = 0xB7
    NWK_INVALID_REQUEST = 0xC2
    NWK_NO_ROUTE = 0xCD
    CHANNEL_BUSY = 0xE1
    MAC_NO_ACK = 0xE9
    MAC_EXPIRED = 0xF0  # a sleeping child did not ask for it in 7.68 s


class Way(StrEnum):
    """Towards the device, or from it."""

    DOWN = "down"
    UP = "up"


class Act(StrEnum):
    """What becomes of a frame that is met."""

    DROP = "drop"  # never arrives; with an APS acknowledgement asked: APS_NO_ACK
    DELAY = "delay"  # arrives `seconds` late
    DUPLICATE = "duplicate"  # arrives twice: down with one APS counter, up with two
    ACK_LOST = "ack_lost"  # arrives, and the stick reports a failure (`status`)
    REFUSE = "refuse"  # the stick would not take it: nothing goes on the air (`status`)
    NO_CONFIRM = "no_confirm"  # arrives, and the stick says nothing ever


@dataclass(slots=True, kw_only=True)
class Fault:
    """Meets the next `times` frames (None: all) of one way that `meets` says yes to."""

    way: Way
    act: Act
    meets: Callable[[Node, int, bytes], bool] = field(default=lambda _node, _cluster, _data: True)
    times: int | None = 1
    seconds: float = 0.0
    status: int = Confirm.APS_NO_ACK
    hits: int = 0

    def takes(self, way: Way, node: Node, cluster: int, data: bytes) -> bool:
        """Whether this frame is met; counts it."""
        if self.way is not way or (self.times is not None and self.hits >= self.times):
            return False
        if not self.meets(node, cluster, data):
            return False
        self.hits += 1
        return True


def zcl_command(
    cluster: int, command: int, *, specific: bool = True
) -> Callable[[Node, int, bytes], bool]:
    """Meets one ZCL command, of whichever device."""

    def meets(_node: Node, at: int, data: bytes) -> bool:
        if at != cluster:
            return False
        try:
            header, _ = Header.read(data)
        except ValueError:
            return False
        return header.specific is specific and header.command == command

    return meets
