"""Messages in pieces that fit one GATT value, and back; the same pieces travel in the tunnel.

    frame = header(1) [ type(1) length(2, big endian) ] data      brackets: first frame of a message
    header = 0x80 FIRST | 0x40 LAST | seq(6 bits)

`seq` runs on over the whole connection, in each direction: host stacks deliver a notification twice
(BlueZ does), so a frame 1 to 32 behind is a repeat and is dropped. ATT is reliable and in order, so
any other number is an attack or a bug, and ends the connection.
"""

from __future__ import annotations

from typing import Final

from drivers.npk.codes import MESSAGE_BYTES_MAX, ProtocolError

# ATT_MTU 23, the least there is, less 3; and the longest attribute value of the specification.
VALUE_BYTES_MIN: Final = 20
VALUE_BYTES_MAX: Final = 512
# A phone at MTU 23 and a 50 ms interval needs 1 s for M3; who pauses 2 s in it has gone away.
FRAME_GAP_MS_MAX: Final = 2_000
# A stack that says everything twice, over the 134 frames of the longest session at MTU 23.
REPEATS_MAX: Final = 256

_FIRST: Final = 0x80
_LAST: Final = 0x40
_SEQ: Final = 0x3F
_HEAD_BYTES: Final = 3
_BEHIND_MAX: Final = 32


class Framer:
    """One direction of one connection, outward."""

    def __init__(self) -> None:
        self._seq = 0

    def split(self, kind: int, message: bytes, value_bytes: int) -> tuple[bytes, ...]:
        """Frames of at most `value_bytes`; raises ValueError for a message or size out of bounds."""
        if not VALUE_BYTES_MIN <= value_bytes <= VALUE_BYTES_MAX:
            raise ValueError(f"a value has {VALUE_BYTES_MIN} to {VALUE_BYTES_MAX} bytes")
        if len(message) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message has at most {MESSAGE_BYTES_MAX} bytes")
        head = bytes([kind]) + len(message).to_bytes(2, "big")
        at = value_bytes - 1 - _HEAD_BYTES
        room = value_bytes - 1
        parts = [head + message[:at]]
        parts += [message[i : i + room] for i in range(at, len(message), room)]
        return tuple(
            self._frame(part, first=number == 0, last=number == len(parts) - 1)
            for number, part in enumerate(parts)
        )

    def _frame(self, part: bytes, *, first: bool, last: bool) -> bytes:
        header = (_FIRST if first else 0) | (_LAST if last else 0) | self._seq
        self._seq = (self._seq + 1) & _SEQ
        return bytes([header]) + part


class Reassembler:
    """One direction of one connection, inward."""

    def __init__(self) -> None:
        self._seq = 0
        self._kind = 0
        self._total = 0
        self._parts: bytearray | None = None
        self._last_ms = 0
        self.repeats = 0

    @property
    def midway(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._parts is not None

    def feed(self, frame: bytes, now_ms: int = 0) -> tuple[int, bytes] | None:
        """One frame; the message (type, bytes) that it ends, None while there is none.

        `now_ms` on any line that does not go back. Raises ProtocolError: hang up.
        """
        if not 1 <= len(frame) <= VALUE_BYTES_MAX:
            raise ProtocolError("a frame of no possible length")
        header, data = frame[0], frame[1:]
        if 1 <= (self._seq - header) & _SEQ <= _BEHIND_MAX:
            self.repeats += 1
            if self.repeats > REPEATS_MAX:
                raise ProtocolError("too many repeated frames")
            return None
        if header & _SEQ != self._seq:
            raise ProtocolError("a frame is missing")
        self._seq = (self._seq + 1) & _SEQ
        data = self._begin(data) if header & _FIRST else self._go_on(data, now_ms)
        assert self._parts is not None
        self._last_ms = now_ms
        self._parts += data
        last = bool(header & _LAST)
        if len(self._parts) > self._total or last != (len(self._parts) == self._total):
            raise ProtocolError("the frames are not as long as the first one said")
        if not last:
            return None
        message, self._parts = bytes(self._parts), None
        return self._kind, message

    def _begin(self, data: bytes) -> bytes:
        if self._parts is not None or len(data) < _HEAD_BYTES:
            raise ProtocolError("a message begins inside another, or without its head")
        self._kind, self._total = data[0], int.from_bytes(data[1:_HEAD_BYTES], "big")
        if self._total > MESSAGE_BYTES_MAX:
            raise ProtocolError("the message is too long")
        self._parts = bytearray()
        return data[_HEAD_BYTES:]

    def _go_on(self, data: bytes, now_ms: int) -> bytes:
        if self._parts is None or not data:
            raise ProtocolError("a frame that belongs to no message, or is empty")
        if now_ms - self._last_ms > FRAME_GAP_MS_MAX:
            raise ProtocolError("a pause inside a message")
        return data
