"""MT UTIL and MT APP_CNF: what the stick is, and how it forms a network (MT API 3.10, 3.1)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from twin.zigbee.nvram import COUNTER_START, Item, Nib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.zigbee.znp import Znp

APP_CNF: Final = 15
OK: Final = b"\x00"
_FORM: Final = 0x04
_COMMISSION_S: Final = 0.02
# An associated device as the aligned structure of a 32-bit chip: 36 bytes.
_NO_DEVICE: Final = b"\xff" * 36
_NOBODY: Final = 0xFFFE


class Setup:
    """The commands of UTIL and APP_CNF."""

    def __init__(self, stick: Znp) -> None:
        self._stick = stick
        self._channels = 0
        self.util_commands: Mapping[int, Callable[[bytes], bytes | None]] = {
            0x00: self._device_info,
            0x0A: lambda _: OK,  # LED
            0x49: lambda _: _NO_DEVICE,  # associated device by number
            0x4A: self._associated,
            # Clients disagree in the order of what they add; the stick's own table is right anyway.
            0x63: lambda _: OK,
            0x64: lambda _: OK,
        }
        self.commands: Mapping[int, Callable[[bytes], bytes | None]] = {
            0x04: lambda _: OK,  # install code
            0x05: self._commission,
            0x06: lambda _: OK,  # join with install codes only
            0x08: self._set_channels,
            0x09: lambda _: OK,  # trust centre policy
            0xFF: lambda _: OK,
        }

    def form(self) -> None:
        """A new network from what the host wrote into flash, the rest by chance."""
        nv = self._stick.nv
        mask = self._channels or int.from_bytes(nv.get(Item.CHANLIST) or b"", "little") or 1 << 11
        pan = int.from_bytes(nv.get(Item.PANID) or b"\xff\xff", "little")
        if pan == 0xFFFF:
            pan = int.from_bytes(os.urandom(2), "little") & 0x3FFF
        wanted = nv.get(Item.USE_EXTENDED_PAN) or bytes(8)
        epid = wanted if wanted != bytes(8) else self._stick.ieee
        key = nv.get(Item.PRECFGKEY) or os.urandom(16)
        nib = Nib(pan=pan, epid=epid, channel=(mask & -mask).bit_length() - 1)
        nv.put(Item.NIB, nib.write())
        nv.put(Item.ACTIVE_KEY, b"\x00" + key)
        nv.put(Item.ALTERNATE_KEY, b"\x00" + key)
        nv.put(Item.NWKKEY, b"\x00" + key + b"\xff" * 3 + struct.pack("<I", COUNTER_START))
        nv.put(Item.BDB_ON_A_NETWORK, b"\x01")
        nv.put_counter(epid, COUNTER_START)
        nv.save()

    def commissioned(self) -> None:
        """APP_CNF_BDB_COMMISSIONING_NOTIFICATION: success, formation, nothing left."""
        self._stick.tell(APP_CNF, 0x80, bytes((0x00, _FORM, 0x00)))

    def _device_info(self, _data: bytes) -> bytes:
        """UTIL_GET_DEVICE_INFO: address, short address, type, state, children."""
        children = [node.address for node in self._stick.air.nodes.values()]
        nwk = 0 if self._stick.up else _NOBODY
        head = struct.pack(
            "<B8sHBBB", 0, self._stick.ieee, nwk, 7, self._stick.state, len(children)
        )
        return head + struct.pack(f"<{len(children)}H", *children)

    def _associated(self, data: bytes) -> bytes:
        """UTIL_ASSOC_GET_WITH_ADDRESS: relation 1 is a sleeping child, 3 an awake one."""
        node = self._stick.air.nodes.get(data[:8])
        if node is None:
            return struct.pack("<HHB31x", _NOBODY, 0, 0xFF)
        return struct.pack("<HHB31x", node.address, 0, 1 if node.sleepy else 3)

    def _set_channels(self, data: bytes) -> bytes:
        primary, mask = struct.unpack("<BI", data)
        if primary:
            self._channels = mask
        return OK

    def _commission(self, data: bytes) -> bytes:
        if data[0] & _FORM:
            self._stick.soon("zigbee commissioning", self._stick.start, _COMMISSION_S)
        return OK
