"""MT ZDO: interviews, bindings, joining and channels (MT API chapter 3.13).

A host asks either by AF frames to endpoint 0 (it then picks the sequence number) or by the commands
here. Answers go out twice: as their own message, and raw to who registered for them.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING, Final

from twin.zigbee import zdo
from twin.zigbee.network import BROADCAST, Down
from twin.zigbee.zdo import Zdo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.zigbee.node import Node
    from twin.zigbee.znp import Znp

ZDO: Final = 5
OK: Final = b"\x00"
_ALL_CLUSTERS: Final = 0xFFFF
_CHANGE_CHANNEL: Final = 0xFE
_BROADCAST_MODE: Final = 15
# Requests whose MT number is their cluster's; 0x37 stands apart below.
_PLAIN: Final = (*range(0x07), *range(0x20, 0x23), *range(0x30, 0x37))
# Energy of a hotel whose Wi-Fi is on 1, 6 and 11: what is left are 15, 20, 25 and 26.
_LOUD: Final = frozenset({11, 12, 13, 14, 16, 17, 18, 19, 21, 22, 23, 24})
LOUD_ENERGY: Final = 230
QUIET_ENERGY: Final = 40
NEIGHBOURS_AN_ANSWER_MAX: Final = 2
_LINK_QUALITY: Final = 180


class Objects:
    """The commands of the subsystem ZDO, and the stick's own device objects."""

    def __init__(self, stick: Znp) -> None:
        self._stick = stick
        self._raw: set[int] = set()  # clusters whose answers the host wants raw
        self._groups: set[bytes] = set()
        self._tsn = 0
        plain = {number: partial(self._by_stack, number) for number in _PLAIN}
        self.commands: Mapping[int, Callable[[bytes], bytes | None]] = plain | {
            0x37: partial(self._by_stack, int(Zdo.MGMT_NWK_UPDATE)),
            0x3E: self._register,
            0x3F: self._unregister,
            0x40: self._start,
            0x45: lambda _: OK,  # route discovery
            0x46: self._check_route,
            0x4A: self._find_group,
            0x4B: self._add_group,
            0x50: self._network_info,
        }

    def reset(self) -> None:
        """Registrations live in memory only."""
        self._raw.clear()

    # --- what the stick says by itself

    def state_changed(self, state: int) -> None:
        """ZDO_STATE_CHANGE_IND."""
        self._stick.tell(ZDO, 0xC0, bytes((state,)))

    def let_in(self, node: Node, parent: int) -> None:
        """ZDO_TC_DEV_IND."""
        self._stick.tell(ZDO, 0xCA, struct.pack("<H8sH", node.address, node.ieee, parent))

    def left(self, node: Node) -> None:
        """ZDO_LEAVE_IND: as a request, without removing children, without rejoin: none of them."""
        self._stick.tell(ZDO, 0xC9, struct.pack("<H8s3x", node.address, node.ieee))

    def incoming(self, nwk: int, cluster: int, tsn: int, body: bytes) -> None:
        """An announcement or an answer, from the air or from ourselves."""
        number = 0x80 + (cluster & 0x7F)
        if cluster == Zdo.DEVICE_ANNCE:
            self._stick.tell(ZDO, 0xC1, struct.pack("<H", nwk) + body)
        elif cluster in (zdo.ANSWER | Zdo.NWK_ADDR, zdo.ANSWER | Zdo.IEEE_ADDR):
            # Only here the start index comes before the number of associated devices.
            self._stick.tell(ZDO, number, body + b"\x00\x00")
        elif zdo.ANSWER <= cluster < zdo.ANSWER + 0x40:
            self._stick.tell(ZDO, number, struct.pack("<H", nwk) + body)
        if cluster in self._raw or _ALL_CLUSTERS in self._raw:
            head = struct.pack("<HBHBBH", nwk, 0, cluster, 0, tsn, 0)
            self._stick.tell(ZDO, 0xFF, head + body)

    # --- requests on their way

    def request(self, nwk: int, cluster: int, tsn: int, body: bytes) -> None:
        """Ask one device, or ourselves."""
        if nwk == 0:
            said = self._own(cluster, body)
            if said is not None:
                self._later(cluster, tsn, said)
            return
        frame = Down(nwk=nwk, from_endpoint=0, endpoint=0, cluster=cluster, data=body, zdo_tsn=tsn)
        self._stick.air.to_node(frame, lambda _status: None)

    def broadcast(self, cluster: int, tsn: int, body: bytes) -> None:
        """Ask everybody."""
        if cluster == Zdo.MGMT_PERMIT_JOINING:
            self._permit(body[0])
            for node in list(self._stick.air.nodes.values()):
                if node.router:
                    self._stick.air.permit(node, body[0])
            self._later(cluster, tsn, OK)
        elif cluster == Zdo.MGMT_NWK_UPDATE:
            self._own(cluster, body)
        elif cluster == Zdo.NWK_ADDR and body[:8] == self._stick.ieee:
            self._later(cluster, tsn, OK + self._stick.ieee + b"\x00\x00")
        elif cluster in (Zdo.NWK_ADDR, Zdo.IEEE_ADDR):
            for node in list(self._stick.air.nodes.values()):
                asked = int.from_bytes(body[:2], "little")
                if cluster == Zdo.NWK_ADDR or asked == node.address:
                    self.request(node.address, cluster, tsn, body)

    def _by_stack(self, cluster: int, data: bytes) -> bytes:
        """MT_ZDO_xxx_REQ: the stack builds the frame and picks its number."""
        self._tsn = (self._tsn + 1) & 0xFF
        nwk = int.from_bytes(data[:2], "little")
        if cluster == Zdo.NWK_ADDR:
            self.broadcast(cluster, self._tsn, data)
        elif cluster == Zdo.IEEE_ADDR:
            self.request(nwk, cluster, self._tsn, data)
        elif cluster == Zdo.MGMT_PERMIT_JOINING:
            nwk = int.from_bytes(data[1:3], "little")
            if data[0] == _BROADCAST_MODE or nwk >= BROADCAST:
                self.broadcast(cluster, self._tsn, data[3:])
            else:
                self.request(nwk, cluster, self._tsn, data[3:])
        elif cluster == Zdo.MGMT_NWK_UPDATE:
            self.request(0 if nwk >= BROADCAST else nwk, cluster, self._tsn, data[3:])
        else:
            self.request(nwk, cluster, self._tsn, data[2:])
        return OK

    def _later(self, cluster: int, tsn: int, body: bytes) -> None:
        self._stick.soon(
            "zigbee own objects", lambda: self.incoming(0, cluster | zdo.ANSWER, tsn, body)
        )

    # --- the stick's own objects

    def _own(self, cluster: int, body: bytes) -> bytes | None:  # noqa: PLR0911 - one line per request
        match cluster:
            case Zdo.NWK_ADDR | Zdo.IEEE_ADDR:
                return OK + self._stick.ieee + b"\x00\x00"
            case Zdo.NODE_DESC:
                return b"\x00\x00\x00" + struct.pack(
                    "<BBBHBHHHB", 0, 0x40, 0x8F, 0, 80, 160, 0x2C01, 160, 0
                )
            case Zdo.POWER_DESC:
                return b"\x00\x00\x00\x10\xc1"
            case Zdo.ACTIVE_EP:
                found = sorted(self._stick.frames.endpoints)
                return b"\x00\x00\x00" + bytes((len(found), *found))
            case Zdo.SIMPLE_DESC:
                return self._own_endpoint(body[2])
            case Zdo.MATCH_DESC:
                return b"\x00\x00\x00\x00"
            case Zdo.MGMT_LQI:
                return self._neighbours(body[0])
            case Zdo.MGMT_RTG | Zdo.MGMT_BIND:
                return bytes(4)
            case Zdo.MGMT_PERMIT_JOINING:
                self._permit(body[0])
                return OK
            case Zdo.MGMT_NWK_UPDATE:
                return self._update(*struct.unpack_from("<IB", body))
            case _:
                return bytes((zdo.NOT_SUPPORTED,))

    def _own_endpoint(self, endpoint: int) -> bytes:
        """The simple descriptor from what the host registered (AF_REGISTER, latency left out)."""
        raw = self._stick.frames.endpoints.get(endpoint)
        if raw is None:
            return bytes((zdo.NOT_ACTIVE, 0, 0, 0))
        found = raw[:6] + raw[7:]
        return b"\x00\x00\x00" + bytes((len(found),)) + found

    def _neighbours(self, start: int) -> bytes:
        nodes = list(self._stick.air.nodes.values())
        part = nodes[start : start + NEIGHBOURS_AN_ANSWER_MAX]
        if not self._stick.up:
            return bytes(4)
        epid = self._stick.network().epid
        answer = struct.pack("<BBBB", 0, len(nodes), start, len(part))
        for node in part:
            kind = (1 if node.router else 2) | (not node.sleepy) << 2 | 1 << 4
            answer += epid + node.ieee
            answer += struct.pack("<HBBBB", node.address, kind, 0, 1, _LINK_QUALITY)
        return answer

    def _update(self, mask: int, duration: int) -> bytes | None:
        """An energy scan, or a move to another channel."""
        if duration == _CHANGE_CHANNEL:
            self._stick.move_to((mask & -mask).bit_length() - 1)
            return None
        scanned = [channel for channel in range(11, 27) if mask & 1 << channel]
        energy = bytes(LOUD_ENERGY if c in _LOUD else QUIET_ENERGY + c for c in scanned)
        return OK + struct.pack("<IHHB", mask, 0, 0, len(scanned)) + energy

    def _permit(self, seconds: int) -> None:
        until_s = float("inf") if seconds == 255 else self._stick.timers.now() + seconds
        self._stick.permit_until_s = until_s
        self._stick.tell(ZDO, 0xCB, bytes((seconds,)))

    # --- small commands

    def _register(self, data: bytes) -> bytes:
        self._raw.add(struct.unpack("<H", data)[0])
        return OK

    def _unregister(self, data: bytes) -> bytes:
        self._raw.discard(struct.unpack("<H", data)[0])
        return OK

    def _start(self, _data: bytes) -> bytes:
        """ZDO_STARTUP_FROM_APP: 0, the network was restored; 1, a new one."""
        known = self._stick.nv.nib() is not None
        self._stick.soon("zigbee start", self._stick.start)
        return b"\x00" if known else b"\x01"

    def _check_route(self, data: bytes) -> bytes:
        (nwk,) = struct.unpack_from("<H", data)
        return OK if nwk == 0 or self._stick.air.by_nwk(nwk) is not None else b"\x04"

    def _find_group(self, data: bytes) -> bytes:
        _endpoint, group = struct.unpack("<BH", data)
        return struct.pack("<BHB", data[:3] not in self._groups, group, 0)

    def _add_group(self, data: bytes) -> bytes:
        self._groups.add(data[:3])
        return OK

    def _network_info(self, _data: bytes) -> bytes:
        """ZDO_EXT_NWK_INFO: address, state, PAN, parent, extended PAN, its address, channel."""
        if not self._stick.up:
            return struct.pack("<HBHH8s8sB", 0xFFFE, self._stick.state, 0xFFFF, 0xFFFE, b"", b"", 0)
        net = self._stick.network()
        return struct.pack(
            "<HBHH8s8sB", 0, self._stick.state, net.pan, 0, net.epid, b"", net.channel
        )
