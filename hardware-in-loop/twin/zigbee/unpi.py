"""UNPI, the frames of a TI network co-processor on its serial line.

SOF 0xFE, length of the data, command 0 (type and subsystem), command 1, data, then the exclusive-or
of everything between SOF and itself ("Unified Network Processor Interface", MT command format).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SOF = 0xFE
# One byte of length, and what the firmware's buffer takes.
DATA_BYTES_MAX = 250
_AROUND_DATA = 5


class Frame(NamedTuple):
    """One frame: type and subsystem in `command0`, the command in `command1`."""

    command0: int
    command1: int
    data: bytes


def encode(frame: Frame) -> bytes:
    """Bytes for the wire. Raises ValueError where the data do not fit."""
    if len(frame.data) > DATA_BYTES_MAX:
        raise ValueError(f"a UNPI frame takes {DATA_BYTES_MAX} bytes, not {len(frame.data)}")
    body = bytes((len(frame.data), frame.command0, frame.command1)) + frame.data
    return bytes((SOF,)) + body + bytes((_check(body),))


class Splitter:
    """Bytes in, whole frames out; finds the next frame after noise by itself."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.dropped = 0  # times that something was thrown away

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every frame that is whole now."""
        self._held += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        held = self._held
        while held:
            start = held.find(SOF)
            if start != 0:
                self._drop(start if start > 0 else len(held))
                continue
            if len(held) < 2:
                return None
            size = held[1]
            if size > DATA_BYTES_MAX:
                self._drop(1)
                continue
            if len(held) < size + _AROUND_DATA:
                return None
            # A wrong check costs one byte, not the frame: the true start may lie inside.
            if _check(held[1 : size + 4]) != held[size + 4]:
                self._drop(1)
                continue
            frame = Frame(held[2], held[3], bytes(held[4 : size + 4]))
            del held[: size + _AROUND_DATA]
            return frame
        return None

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self.dropped += 1


def _check(body: bytes | bytearray) -> int:
    check = 0
    for byte in body:
        check ^= byte
    return check
