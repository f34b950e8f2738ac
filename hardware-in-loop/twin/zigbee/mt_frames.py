"""MT AF: application frames out and in (MT API chapter 3.2).

AF_DATA_REQUEST answers at once that the frame was queued; what became of it is told later by
AF_DATA_CONFIRM with the host's transaction number.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twin.zigbee.faults import Confirm
from twin.zigbee.network import BROADCAST, Down

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.zigbee.znp import Znp

AF: Final = 4
OK: Final = b"\x00"
INVALID_PARAMETER: Final = b"\x02"
DUPLICATE_ENDPOINT: Final = b"\xb8"
_ACK: Final = 0x10
_GROUP, _SHORT, _LONG, _ALL = 1, 2, 3, 15
_NOBODY: Final = 0xFFFE
_LINK_QUALITY: Final = 180
_RADIUS: Final = 29


class Frames:
    """The commands of the subsystem AF."""

    def __init__(self, stick: Znp) -> None:
        self._stick = stick
        self.endpoints: dict[int, bytes] = {}
        self.commands: Mapping[int, Callable[[bytes], bytes | None]] = {
            0x00: self._register,
            0x01: self._send,
            0x02: self._send_ext,
            0x04: self._unregister,
        }

    def reset(self) -> None:
        """Endpoints live in memory only."""
        self.endpoints.clear()

    def incoming(self, nwk: int, endpoint: int, to: int, cluster: int, data: bytes) -> None:
        """AF_INCOMING_MSG."""
        head = struct.pack(
            "<HHHBBBBBIBB", 0, cluster, nwk, endpoint, to, 0, _LINK_QUALITY, 0, 0, 0, len(data)
        )
        self._stick.tell(AF, 0x81, head + data + struct.pack("<HB", nwk, _RADIUS))

    def _register(self, data: bytes) -> bytes:
        if data[0] in self.endpoints:
            return DUPLICATE_ENDPOINT
        self.endpoints[data[0]] = data
        return OK

    def _unregister(self, data: bytes) -> bytes:
        return OK if self.endpoints.pop(data[0], None) is not None else INVALID_PARAMETER

    def _send(self, data: bytes) -> bytes:
        nwk, to, source, cluster, transaction, options, _radius, size = struct.unpack_from(
            "<HBBHBBBB", data
        )
        return self._queue(
            Down(
                nwk=nwk,
                from_endpoint=source,
                endpoint=to,
                cluster=cluster,
                data=data[10 : 10 + size],
                ack=bool(options & _ACK),
            ),
            transaction,
            _ALL if nwk >= BROADCAST else _SHORT,
        )

    def _send_ext(self, data: bytes) -> bytes:
        mode, address = data[0], data[1:9]
        to, _pan, source, cluster, transaction, options, _radius, size = struct.unpack_from(
            "<BHBHBBBH", data, 9
        )
        nwk = int.from_bytes(address[:2], "little")
        if mode == _LONG:
            node = self._stick.air.nodes.get(address)
            nwk = _NOBODY if node is None else node.address
        elif mode == _SHORT and nwk >= BROADCAST:
            mode = _ALL
        return self._queue(
            Down(
                nwk=nwk,
                from_endpoint=source,
                endpoint=to,
                cluster=cluster,
                data=data[20 : 20 + size],
                ack=bool(options & _ACK),
            ),
            transaction,
            mode,
        )

    def _queue(self, frame: Down, transaction: int, mode: int) -> bytes:
        if not self._stick.up:
            return bytes((Confirm.NWK_INVALID_REQUEST,))
        if frame.from_endpoint != 0 and frame.from_endpoint not in self.endpoints:
            return INVALID_PARAMETER

        def confirm(status: int) -> None:
            self._stick.tell(AF, 0x80, bytes((status, frame.from_endpoint, transaction)))

        # To the device objects the first byte is their own sequence number.
        if frame.endpoint == 0:
            tsn, body = frame.data[0], frame.data[1:]
            if mode in (_GROUP, _ALL):
                self._stick.objects.broadcast(frame.cluster, tsn, body)
            else:
                self._stick.objects.request(frame.nwk, frame.cluster, tsn, body)
                return OK
        elif mode in (_GROUP, _ALL):
            self._stick.air.to_all(frame, frame.nwk if mode == _GROUP else None)
        else:
            self._stick.air.to_node(frame, confirm)
            return OK
        self._stick.soon("zigbee broadcast", lambda: confirm(Confirm.SUCCESS))
        return OK
