"""MT SYS: ping, version, reset, and flash (MT API chapter 3.12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from twin.zigbee.nvram import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.zigbee.znp import Znp

SYS: Final = 1
OK: Final = b"\x00"
# SYS, AF, ZDO, UTIL, GP and APP_CNF are there.
CAPABILITIES: Final = 0x0001 | 0x0008 | 0x0010 | 0x0040 | 0x0200 | 0x0400
REVISION: Final = 20240710
INVALID_PARAMETER: Final = b"\x02"
NV_UNINITIALISED: Final = b"\x09"
NV_FAILED: Final = b"\x0a"
# The largest piece that fits into one answer.
PIECE_BYTES_MAX: Final = 240
# Transport revision 2, product 1, version 2.7.1.
_VERSION: Final = bytes((2, 1, 2, 7, 1))


class System:
    """The commands of the subsystem SYS."""

    def __init__(self, stick: Znp) -> None:
        self._stick = stick
        self.commands: Mapping[int, Callable[[bytes], bytes | None]] = {
            0x00: self._reset,
            0x01: lambda _: struct.pack("<H", CAPABILITIES),  # ping
            0x02: lambda _: _VERSION + struct.pack("<IBI", REVISION, 0, 0xFFFFFFFF),
            0x04: lambda _: stick.ieee,
            0x07: self._osal_init,
            0x08: lambda data: self._osal_read(*struct.unpack_from("<HB", data)),
            0x09: self._osal_write,
            0x0F: lambda _: OK,  # stack tune
            0x12: self._osal_delete,
            0x13: self._osal_length,
            0x14: lambda _: OK,  # transmit power
            0x1C: lambda data: self._osal_read(*struct.unpack_from("<HH", data)),
            0x1D: self._osal_write_long,
            0x30: self._create,
            0x31: self._delete,
            0x32: self._length,
            0x33: self._read,
            0x34: self._write,
        }

    def _reset(self, _data: bytes) -> None:
        """SYS_RESET_REQ: reason "external", then the version (SYS_RESET_IND)."""
        self._stick.reset()
        say = bytes((0, *_VERSION))
        self._stick.soon("zigbee reset", lambda: self._stick.tell(SYS, 0x80, say), RESET_SECONDS)

    # --- the old numbering

    def _osal_init(self, data: bytes) -> bytes:
        item, size, given = struct.unpack_from("<HHB", data)
        if self._stick.nv.get(item) is not None:
            return OK
        self._stick.nv.put(item, data[5 : 5 + given].ljust(size, b"\xff"))
        self._stick.nv.save()
        return NV_UNINITIALISED

    def _osal_read(self, item: int, offset: int) -> bytes:
        value = self._stick.nv.get(item)
        if value is None or offset > len(value):
            return INVALID_PARAMETER + b"\x00"
        piece = value[offset : offset + PIECE_BYTES_MAX]
        return OK + bytes((len(piece),)) + piece

    def _osal_write(self, data: bytes) -> bytes:
        item, offset, size = struct.unpack_from("<HBB", data)
        return self._put(Table.OLD, item, offset, data[4 : 4 + size])

    def _osal_write_long(self, data: bytes) -> bytes:
        item, offset, size = struct.unpack_from("<HHH", data)
        return self._put(Table.OLD, item, offset, data[6 : 6 + size])

    def _osal_delete(self, data: bytes) -> bytes:
        item, _size = struct.unpack_from("<HH", data)
        return self._drop(Table.OLD, item)

    def _osal_length(self, data: bytes) -> bytes:
        (item,) = struct.unpack("<H", data)
        return struct.pack("<H", len(self._stick.nv.get(item) or b""))

    # --- the new numbering: system, table, row

    def _create(self, data: bytes) -> bytes:
        _system, table, row, size = struct.unpack("<BHHI", data)
        if (table, row) in self._stick.nv.rows:
            return OK
        self._stick.nv.rows[table, row] = b"\xff" * size
        return NV_UNINITIALISED

    def _delete(self, data: bytes) -> bytes:
        _system, table, row = struct.unpack("<BHH", data)
        return self._drop(table, row)

    def _length(self, data: bytes) -> bytes:
        _system, table, row = struct.unpack("<BHH", data)
        return struct.pack("<I", len(self._stick.nv.rows.get((table, row), b"")))

    def _read(self, data: bytes) -> bytes:
        _system, table, row, offset, size = struct.unpack("<BHHHB", data)
        value = self._stick.nv.rows.get((table, row))
        if value is None:
            return NV_FAILED + b"\x00"
        piece = value[offset : offset + min(size, PIECE_BYTES_MAX)]
        return OK + bytes((len(piece),)) + piece

    def _write(self, data: bytes) -> bytes:
        _system, table, row, offset, size = struct.unpack_from("<BHHHB", data)
        return self._put(table, row, offset, data[8 : 8 + size])

    def _put(self, table: int, row: int, offset: int, piece: bytes) -> bytes:
        value = self._stick.nv.rows.get((table, row))
        if value is None or offset + len(piece) > len(value):
            return INVALID_PARAMETER if table == Table.OLD else NV_FAILED
        self._stick.nv.rows[table, row] = value[:offset] + piece + value[offset + len(piece) :]
        self._stick.nv.save()
        return OK

    def _drop(self, table: int, row: int) -> bytes:
        if self._stick.nv.rows.pop((table, row), None) is None:
            return NV_FAILED
        self._stick.nv.save()
        return OK


RESET_SECONDS: Final = 0.02
