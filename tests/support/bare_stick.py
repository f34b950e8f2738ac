"""The stick without any client library: its own frames in and out, for promises about the twin."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twin.zigbee.unpi import Frame, Splitter, encode

if TYPE_CHECKING:
    from twin.zigbee.znp import Znp

SREQ, AREQ = 0x20, 0x40
SYS, AF, ZDO, UTIL, APP_CNF = 1, 4, 5, 7, 15
ENDPOINT = 1


@dataclass
class Wire:
    """The host's end of the line, kept in memory."""

    stick: Znp
    said: list[Frame] = field(default_factory=list)
    _splitter: Splitter = field(default_factory=Splitter)

    def __post_init__(self) -> None:
        self.stick.write = self._hear

    def _hear(self, data: bytes) -> None:
        self.said.extend(self._splitter.feed(data))

    def ask(self, subsystem: int, command: int, data: bytes = b"") -> bytes:
        """One SREQ; gives the data of its SRSP."""
        mark = len(self.said)
        self.stick.feed(encode(Frame(SREQ | subsystem, command, data)))
        return self.said[mark].data

    def told(self, subsystem: int, command: int) -> list[bytes]:
        """The data of everything that the stick said unasked under this number."""
        return [
            f.data for f in self.said if (f.command0, f.command1) == (AREQ | subsystem, command)
        ]

    def register(self) -> None:
        """An endpoint of the host's own: home automation, no clusters."""
        assert self.ask(AF, 0x00, struct.pack("<BHHBBBB", ENDPOINT, 0x0104, 5, 0, 0, 0, 0)) == b"\0"

    def send(self, nwk: int, cluster: int, zcl: bytes, *, number: int = 1, ack: bool = True) -> int:
        """AF_DATA_REQUEST to endpoint 1; gives the status of the answer."""
        options = 0x10 if ack else 0
        head = struct.pack("<HBBHBBBB", nwk, 1, ENDPOINT, cluster, number, options, 30, len(zcl))
        return self.ask(AF, 0x01, head + zcl)[0]

    @property
    def confirms(self) -> list[tuple[int, int]]:
        """(status, number) of every AF_DATA_CONFIRM."""
        return [(data[0], data[2]) for data in self.told(AF, 0x80)]

    @property
    def heard(self) -> list[bytes]:
        """The ZCL frames of every AF_INCOMING_MSG."""
        return [data[17 : 17 + data[16]] for data in self.told(AF, 0x81)]
