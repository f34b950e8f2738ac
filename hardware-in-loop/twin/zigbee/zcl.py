"""ZCL on the wire: frame headers, data types and status codes (ZCL8, chapters 2.4 to 2.6).

Written from the specification and on purpose not from a client's code: the libraries under test
are judged by somebody else's bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

Value = int | float | bytes


class Kind(IntEnum):
    """Data types (2.6.2), those that our devices use."""

    BOOL = 0x10
    MAP8 = 0x18
    MAP16 = 0x19
    MAP32 = 0x1B
    U8 = 0x20
    U16 = 0x21
    U24 = 0x22
    U32 = 0x23
    U48 = 0x25
    S8 = 0x28
    S16 = 0x29
    S24 = 0x2A
    S32 = 0x2B
    ENUM8 = 0x30
    ENUM16 = 0x31
    SINGLE = 0x39
    OCTETS = 0x41
    STRING = 0x42
    UTC = 0xE2
    EUI64 = 0xF0


class Status(IntEnum):
    """Status codes (2.6.3)."""

    SUCCESS = 0x00
    FAILURE = 0x01
    MALFORMED_COMMAND = 0x80
    UNSUP_CLUSTER_COMMAND = 0x81
    UNSUP_GENERAL_COMMAND = 0x82
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    INSUFFICIENT_SPACE = 0x89
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    UNSUPPORTED_CLUSTER = 0xC3


class General(IntEnum):
    """Commands that every cluster knows (2.5)."""

    READ = 0x00
    READ_RSP = 0x01
    WRITE = 0x02
    WRITE_UNDIVIDED = 0x03
    WRITE_RSP = 0x04
    WRITE_NO_RSP = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RSP = 0x07
    READ_REPORTING = 0x08
    READ_REPORTING_RSP = 0x09
    REPORT = 0x0A
    DEFAULT_RSP = 0x0B
    DISCOVER = 0x0C
    DISCOVER_RSP = 0x0D


_FIXED: Final = {
    Kind.BOOL: "<B", Kind.MAP8: "<B", Kind.MAP16: "<H", Kind.MAP32: "<I",
    Kind.U8: "<B", Kind.U16: "<H", Kind.U32: "<I", Kind.S8: "<b", Kind.S16: "<h", Kind.S32: "<i",
    Kind.ENUM8: "<B", Kind.ENUM16: "<H", Kind.SINGLE: "<f", Kind.UTC: "<I",
}  # fmt: skip
_ODD_BYTES: Final = {Kind.U24: 3, Kind.U48: 6, Kind.S24: 3}
_SIGNED: Final = {Kind.S8, Kind.S16, Kind.S24, Kind.S32}
# Analog values have a reportable change; discrete ones are reported at every change (2.5.7.1.7).
ANALOG: Final = {
    Kind.U8, Kind.U16, Kind.U24, Kind.U32, Kind.U48, Kind.SINGLE, Kind.UTC, *_SIGNED,
}  # fmt: skip


def pack(kind: Kind, value: Value) -> bytes:
    """One value. Raises ValueError or struct.error where it does not fit its type."""
    if kind in (Kind.OCTETS, Kind.STRING):
        raw = _bytes(value)
        return bytes((len(raw),)) + raw
    if kind is Kind.EUI64:
        return _bytes(value)
    if (size := _ODD_BYTES.get(kind)) is not None:
        return int(value).to_bytes(size, "little", signed=kind in _SIGNED)
    return struct.pack(_FIXED[kind], value)


def unpack(kind: int, data: bytes) -> tuple[Value, bytes]:
    """One value and what follows it. Raises ValueError where the type is unknown or data end."""
    known = Kind(kind)
    if known in (Kind.OCTETS, Kind.STRING):
        size, data = data[0], data[1:]
    elif known is Kind.EUI64:
        size = 8
    else:
        size = _ODD_BYTES.get(known) or struct.calcsize(_FIXED[known])
    if len(data) < size:
        raise ValueError("the value is cut short")
    raw, rest = data[:size], data[size:]
    if known in (Kind.OCTETS, Kind.STRING, Kind.EUI64):
        return raw, rest
    if known in _ODD_BYTES:
        return int.from_bytes(raw, "little", signed=known in _SIGNED), rest
    value: int | float = struct.unpack(_FIXED[known], raw)[0]
    return value, rest


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("this type takes bytes")  # noqa: TRY004 - a wrong value in a frame
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands before every ZCL payload (2.4.1)."""

    tsn: int
    command: int
    specific: bool = False  # a command of the cluster, else one of `General`
    to_client: bool = False
    no_default_rsp: bool = False
    manufacturer: int | None = None

    @classmethod
    def read(cls, data: bytes) -> tuple[Header, bytes]:
        """A header and the payload. Raises ValueError where the frame is too short."""
        if len(data) < (5 if data and data[0] & 0x04 else 3):
            raise ValueError("no ZCL header")
        control, at = data[0], 1
        manufacturer = None
        if control & 0x04:
            manufacturer = int.from_bytes(data[1:3], "little")
            at = 3
        header = cls(
            tsn=data[at],
            command=data[at + 1],
            specific=control & 0x03 == 1,
            to_client=bool(control & 0x08),
            no_default_rsp=bool(control & 0x10),
            manufacturer=manufacturer,
        )
        return header, data[at + 2 :]

    def write(self) -> bytes:
        """The header's bytes."""
        control = int(self.specific) | self.to_client << 3 | self.no_default_rsp << 4
        if self.manufacturer is None:
            return bytes((control, self.tsn, self.command))
        code = self.manufacturer.to_bytes(2, "little")
        return bytes((control | 0x04,)) + code + bytes((self.tsn, self.command))
