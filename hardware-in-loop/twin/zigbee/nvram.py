"""The stick's flash: NV items of Z-Stack 3 in the old (OSAL) and the new (table, row) numbering.

What a host's backup reads and a restore writes: network, keys, frame counters, addresses, link keys.
Structures are laid out as on a 32-bit CC26x2 (aligned).
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path


class Item(IntEnum):
    """Items of the old numbering (ZComDef.h)."""

    EXTADDR = 0x0001
    STARTUP_OPTION = 0x0003
    START_DELAY = 0x0004
    NIB = 0x0021
    POLL_RATE = 0x0024
    EXTENDED_PAN_ID = 0x002D
    BCAST_RETRIES = 0x002E
    PASSIVE_ACK = 0x0030
    BCAST_DELIVERY = 0x0032
    NWK_MODE = 0x0033
    CONCENTRATOR_DISCOVERY = 0x0034
    CONCENTRATOR = 0x0036
    CONCENTRATOR_RC = 0x0038
    ACTIVE_KEY = 0x003A
    ALTERNATE_KEY = 0x003B
    SRC_RTG_EXPIRY = 0x003E
    USE_EXTENDED_PAN = 0x0047
    APS_LINK_KEYS = 0x004C
    BDB_ON_A_NETWORK = 0x0055
    PRECFGKEY = 0x0062
    PRECFGKEYS_ENABLE = 0x0063
    NWKKEY = 0x0082
    PANID = 0x0083
    CHANLIST = 0x0084
    LOGICAL_TYPE = 0x0087
    ZDO_DIRECT_CB = 0x008F
    TCLK_SEED = 0x0101


class Table(IntEnum):
    """Tables of the new numbering; 0 holds the old items."""

    OLD = 0
    ADDRESSES = 1
    LINK_KEYS = 4
    APS_KEYS = 6
    COUNTERS = 7


ADDRESSES_MAX: Final = 64
LINK_KEYS_MAX: Final = 200
COUNTERS_MAX: Final = 5
COUNTER_START: Final = 2500  # whatever a fresh network of Z-Stack begins with is far from 0
NO_ADDRESS: Final = b"\xff" * 12
NO_LINK_KEY: Final = bytes(16) + b"\xff\x00\x00\x00"
_IN_USE: Final = 0x03

# The network information base: 116 bytes, of which a host reads four fields (below).
_NIB = struct.Struct(
    "<15Bx H 3Bx H Bx H 8s H H I 4B II B 8s B 17s17s BB 7Bx HHB x".replace(" ", "")
)
_NIB_FRESH: Final[tuple[int | bytes, ...]] = (
    0, 5, 2, 0, 20, 0, 0, 30, 0, 0, 0, 1, 5, 1, 0x8F, 7, 2, 5, 30, 0, 0, 0, bytes(8), 0, 8, 0,
    15, 15, 0, 0, 0, 0, 0, bytes(8), 1, bytes(17), bytes(17), 0, 0, 60, 3, 0, 1, 120, 10, 1, 0, 0, 0,
)  # fmt: skip
_NIB_CHANNEL, _NIB_PAN, _NIB_CHANNELS, _NIB_EPID, _NIB_UPDATE = 20, 23, 25, 33, 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Nib:
    """The fields of the network information base that mean something here."""

    pan: int
    epid: bytes
    channel: int
    update_id: int = 0

    @classmethod
    def read(cls, raw: bytes) -> Nib:
        """From flash: as many bytes as `write` gives."""
        found = _NIB.unpack(raw)
        return cls(
            pan=found[_NIB_PAN],
            epid=found[_NIB_EPID],
            channel=found[_NIB_CHANNEL],
            update_id=found[_NIB_UPDATE],
        )

    def write(self, over: bytes | None = None) -> bytes:
        """For flash; what else stands there stays as it is."""
        fields = list(_NIB_FRESH if over is None else _NIB.unpack(over))
        fields[_NIB_PAN], fields[_NIB_EPID] = self.pan, self.epid
        fields[_NIB_CHANNEL], fields[_NIB_CHANNELS] = self.channel, 1 << self.channel
        fields[_NIB_UPDATE] = self.update_id
        return _NIB.pack(*fields)


class Nvram:
    """Flash. Survives resets and unplugging; with a path, also the process."""

    def __init__(self, ieee: bytes, path: Path | None = None) -> None:
        """A known file, or a stick fresh from the factory."""
        self._path = path
        self.rows: dict[tuple[int, int], bytes] = {}
        if path is not None and path.exists():
            self._load(path)
        else:
            self._from_factory(ieee)

    def get(self, item: int) -> bytes | None:
        """An item of the old numbering."""
        return self.rows.get((Table.OLD, item))

    def put(self, item: int, value: bytes) -> None:
        """Write one; `save` brings it to the file."""
        self.rows[Table.OLD, item] = bytes(value)

    def nib(self) -> Nib | None:
        """The network it was on; None for a stick without one, or with half of one."""
        raw = self.get(Item.NIB)
        return None if raw is None or len(raw) != _NIB.size else Nib.read(raw)

    def key(self) -> bytes:
        """The network key."""
        return (self.get(Item.ACTIVE_KEY) or bytes(17))[1:17]

    def forget_network(self) -> None:
        """What STARTUP_OPTION "clear state" does at a reset."""
        self.put(Item.BDB_ON_A_NETWORK, b"\x00")
        self.rows.pop((Table.OLD, Item.NIB), None)
        self.put(Item.NWKKEY, bytes(24))
        for row in range(ADDRESSES_MAX):
            self.rows[Table.ADDRESSES, row] = NO_ADDRESS
        for row in range(LINK_KEYS_MAX):
            self.rows[Table.LINK_KEYS, row] = NO_LINK_KEY

    # --- frame counters, one a network that it has been on

    def counter(self, epid: bytes) -> int:
        """The last counter that was written down for this network."""
        for row in range(COUNTERS_MAX):
            entry = self._row(Table.COUNTERS, row)
            if entry[4:12] == epid:
                return int.from_bytes(entry[:4], "little")
        return 0

    def put_counter(self, epid: bytes, counter: int) -> None:
        """Write it down."""
        rows = [self._row(Table.COUNTERS, row) for row in range(COUNTERS_MAX)]
        row = next((i for i, entry in enumerate(rows) if entry[4:12] == epid), 0)
        self.rows[Table.COUNTERS, row] = struct.pack("<I", counter) + epid

    # --- devices that were let in

    def put_device(self, ieee: bytes, nwk: int) -> None:
        """Remember a device's address, and that it was given a link key of its own."""
        row = self._row_of(ieee)
        if row is None:
            row = next(
                i
                for i in range(ADDRESSES_MAX)
                if self._row(Table.ADDRESSES, i) in (NO_ADDRESS, b"")
            )
        self.rows[Table.ADDRESSES, row] = struct.pack("<BxH", _IN_USE, nwk) + ieee
        # Counters, address, key attribute 2 ("verified"), seed shift (the key is seed ^ address).
        self.rows[Table.LINK_KEYS, row] = (
            struct.pack("<II", 0, 1) + ieee + bytes((2, 0, row & 15, 0))
        )

    def forget_device(self, ieee: bytes) -> None:
        """It left."""
        row = self._row_of(ieee)
        if row is not None:
            self.rows[Table.ADDRESSES, row] = NO_ADDRESS
            self.rows[Table.LINK_KEYS, row] = NO_LINK_KEY

    def _row_of(self, ieee: bytes) -> int | None:
        rows = range(ADDRESSES_MAX)
        return next((i for i in rows if self._row(Table.ADDRESSES, i)[4:12] == ieee), None)

    def _row(self, table: Table, row: int) -> bytes:
        # A host may have deleted it.
        return self.rows.get((table, row), b"")

    # --- the file

    def save(self) -> None:
        """Bring everything to the file, whole or not at all."""
        if self._path is None:
            return
        found = {f"{table}:{row}": value.hex() for (table, row), value in self.rows.items()}
        fresh = self._path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(found))
        fresh.replace(self._path)

    def _load(self, path: Path) -> None:
        for name, value in json.loads(path.read_text()).items():
            table, row = name.split(":")
            self.rows[int(table), int(row)] = bytes.fromhex(value)

    def _from_factory(self, ieee: bytes) -> None:
        old = {
            Item.EXTADDR: ieee, Item.STARTUP_OPTION: b"\x00", Item.START_DELAY: b"\x0a",
            Item.POLL_RATE: b"\xb8\x0b", Item.EXTENDED_PAN_ID: ieee, Item.BCAST_RETRIES: b"\x02",
            Item.PASSIVE_ACK: b"\x1e", Item.BCAST_DELIVERY: b"\x01", Item.NWK_MODE: b"\x78",
            Item.CONCENTRATOR_DISCOVERY: b"\x0a", Item.CONCENTRATOR: b"\x01",
            Item.CONCENTRATOR_RC: b"\xff", Item.ACTIVE_KEY: bytes(17),
            Item.ALTERNATE_KEY: bytes(17), Item.SRC_RTG_EXPIRY: b"\x00",
            Item.USE_EXTENDED_PAN: bytes(8), Item.BDB_ON_A_NETWORK: b"\x00",
            Item.PRECFGKEY: os.urandom(16), Item.PRECFGKEYS_ENABLE: b"\x00",
            Item.NWKKEY: bytes(24), Item.PANID: b"\xff\xff", Item.CHANLIST: bytes(4),
            Item.LOGICAL_TYPE: b"\x00", Item.ZDO_DIRECT_CB: b"\x01",
            Item.TCLK_SEED: os.urandom(16), Item.APS_LINK_KEYS: bytes(20),
        }  # fmt: skip
        self.rows = {(Table.OLD, item): value for item, value in old.items()}
        self.rows |= {(Table.LINK_KEYS, row): NO_LINK_KEY for row in range(LINK_KEYS_MAX)}
        self.rows |= {(Table.APS_KEYS, row): bytes(24) for row in range(3)}
        self.rows |= {(Table.COUNTERS, row): bytes(12) for row in range(COUNTERS_MAX)}
        self.rows |= {(Table.ADDRESSES, row): NO_ADDRESS for row in range(ADDRESSES_MAX)}
        self.save()
