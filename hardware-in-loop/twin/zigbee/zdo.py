"""The Zigbee Device Objects of a device: what it answers when it is interviewed and bound.

Clause numbers are of the Zigbee specification (05-3474), chapter 2.4.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from twin.zigbee.node import Binding

if TYPE_CHECKING:
    from twin.zigbee.node import Node


class Zdo(IntEnum):
    """Request clusters; the answer's is the same with the top bit set."""

    NWK_ADDR = 0x0000
    IEEE_ADDR = 0x0001
    NODE_DESC = 0x0002
    POWER_DESC = 0x0003
    SIMPLE_DESC = 0x0004
    ACTIVE_EP = 0x0005
    MATCH_DESC = 0x0006
    DEVICE_ANNCE = 0x0013
    BIND = 0x0021
    UNBIND = 0x0022
    MGMT_LQI = 0x0031
    MGMT_RTG = 0x0032
    MGMT_BIND = 0x0033
    MGMT_LEAVE = 0x0034
    MGMT_PERMIT_JOINING = 0x0036
    MGMT_NWK_UPDATE = 0x0038


OK: Final = 0x00
NOT_ACTIVE: Final = 0x82
NO_SUCH_ENTRY: Final = 0x88
NOT_SUPPORTED: Final = 0x84
ANSWER: Final = 0x8000
# Entries of a binding table in one answer, so that it needs no fragments.
BINDINGS_AN_ANSWER_MAX: Final = 3
# Current power mode, mains or disposable battery, full (2.3.2.4).
_MAINS: Final = 0xC110
_BATTERY: Final = 0xC440
_INTERVIEW: Final = frozenset({Zdo.NODE_DESC, Zdo.SIMPLE_DESC, Zdo.ACTIVE_EP})


def answer(node: Node, cluster: int, body: bytes) -> bytes | None:  # noqa: C901, PLR0911, PLR0912 - one line per request
    """The answer's payload without its sequence number; None: the device stays silent."""
    if cluster in _INTERVIEW and not node.answers_interview:
        return None
    nwk = struct.pack("<H", node.address)
    match cluster:
        case Zdo.NWK_ADDR:
            return bytes((OK,)) + node.ieee + nwk if body[:8] == node.ieee else None
        case Zdo.IEEE_ADDR:
            return bytes((OK,)) + node.ieee + nwk
        case Zdo.NODE_DESC:
            return bytes((OK,)) + nwk + node.node_descriptor()
        case Zdo.POWER_DESC:
            return struct.pack("<BHH", OK, node.address, _MAINS if node.router else _BATTERY)
        case Zdo.SIMPLE_DESC:
            return _simple(node, body[2])
        case Zdo.ACTIVE_EP:
            found = sorted(node.endpoints)
            return bytes((OK,)) + nwk + bytes((len(found), *found))
        case Zdo.MATCH_DESC:
            return bytes((OK,)) + nwk + b"\x00"
        case Zdo.BIND | Zdo.UNBIND:
            return bytes((_bind(node, _binding(body), on=cluster == Zdo.BIND),))
        case Zdo.MGMT_LQI | Zdo.MGMT_RTG:
            return bytes(4)
        case Zdo.MGMT_BIND:
            return _table(node, body[0])
        case Zdo.MGMT_LEAVE | Zdo.MGMT_PERMIT_JOINING:
            return bytes((OK,))
        case _:
            return bytes((NOT_SUPPORTED,))


def _simple(node: Node, endpoint: int) -> bytes:
    if endpoint not in node.endpoints:
        return struct.pack("<BHB", NOT_ACTIVE, node.address, 0)
    found = node.simple_descriptor(endpoint)
    return struct.pack("<BHB", OK, node.address, len(found)) + found


def _binding(body: bytes) -> Binding:
    endpoint, cluster, mode = struct.unpack_from("<BHB", body, 8)
    if mode == 3:
        return Binding(
            endpoint=endpoint, cluster=cluster, to_ieee=body[12:20], to_endpoint=body[20]
        )
    group = int.from_bytes(body[12:14], "little")
    return Binding(endpoint=endpoint, cluster=cluster, to_ieee=None, group=group)


def _bind(node: Node, binding: Binding, *, on: bool) -> int:
    if on:
        if binding not in node.bindings:
            node.bindings.append(binding)
        return OK
    if binding not in node.bindings:
        return NO_SUCH_ENTRY
    node.bindings.remove(binding)
    return OK


def _table(node: Node, start: int) -> bytes:
    part = node.bindings[start : start + BINDINGS_AN_ANSWER_MAX]
    answer = struct.pack("<BBBB", OK, len(node.bindings), start, len(part))
    for b in part:
        answer += node.ieee + struct.pack("<BH", b.endpoint, b.cluster)
        if b.to_ieee is not None:
            answer += b"\x03" + b.to_ieee + bytes((b.to_endpoint,))
        else:
            answer += struct.pack("<BH", 1, b.group or 0)
    return answer
