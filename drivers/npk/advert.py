"""What a lock shouts (29 bytes of 31) and what anybody may read of it."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Final

from appliance.kernel.cbor import write
from drivers.npk.channel import items
from drivers.npk.codes import (
    LOCK_ID_MAX,
    MESSAGE_BYTES_MAX,
    SERVICE_UUID,
    VERSION,
    ProtocolError,
)

# The Bluetooth SIG's number for tests; a product needs one of its own.
COMPANY_ID: Final = 0xFFFF
TAG_BYTES: Final = 3

_FLAGS: Final = bytes((2, 0x01, 0x06))  # general discoverable, no classic Bluetooth
_SERVICE: Final = bytes((17, 0x07)) + uuid.UUID(SERVICE_UUID).bytes[::-1]
_COMPANY: Final = COMPANY_ID.to_bytes(2, "little")
_MAKER: Final = bytes((3 + 1 + TAG_BYTES, 0xFF)) + _COMPANY
_HEAD: Final = _FLAGS + _SERVICE + _MAKER


@dataclass(frozen=True, slots=True)
class Advert:
    """Flags of `codes.Flag` and the door's tag, which means something to its own property only."""

    flags: int
    tag: bytes


def door_tag(salt: bytes, lock_id: int) -> bytes:
    """3 bytes that tell a property's own doors apart; another salt tells strangers nothing."""
    return hashlib.sha256(salt + lock_id.to_bytes(4, "big")).digest()[:TAG_BYTES]


def advertisement(flags: int, tag: bytes) -> bytes:
    """The advertising data, as it goes on the air."""
    return _HEAD + maker_data(flags, tag)


def maker_data(flags: int, tag: bytes) -> bytes:
    """What stands under the company id (stacks take that apart themselves)."""
    return bytes([flags]) + tag


def read_advertisement(data: bytes) -> Advert | None:
    """None for the advertising data of anything else."""
    if len(data) != len(_HEAD) + 1 + TAG_BYTES or not data.startswith(_HEAD):
        return None
    return read_maker_data(data[len(_HEAD) :])


def read_maker_data(data: bytes) -> Advert | None:
    """From what a stack gives as manufacturer data under `COMPANY_ID`."""
    return Advert(data[0], data[1:]) if len(data) == 1 + TAG_BYTES else None


def info(lock_id: int) -> bytes:
    """The INFO characteristic."""
    return write([VERSION, lock_id, MESSAGE_BYTES_MAX])


def read_info(data: bytes) -> tuple[int, int]:
    """Lock id and longest message; raises ProtocolError for another version."""
    match items(data, 3):
        case [1, int(lock_id), int(longest)] if 0 <= lock_id <= LOCK_ID_MAX and longest > 0:
            return lock_id, longest
        case _:
            raise ProtocolError("not an NPK 1 lock")
