"""Every number that NPK 1 puts on the air, and what each means (docs/npk1.md)."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import Final

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import ADMIN_BIT, COURIER_BIT, OFFICE_BIT, UNLOCK_BIT

VERSION: Final = 1
# Suite 1: P-256, ES256, HKDF-SHA-256, AES-128-GCM. The number is room for EDHOC or Aliro.
SUITE: Final = 1

SERVICE_UUID: Final = "ebe1e0e4-41d4-403f-9452-bdedc7813032"
INFO_UUID: Final = "ebe1e0e5-41d4-403f-9452-bdedc7813032"  # read: version, lock id, longest message
TX_UUID: Final = (
    "ebe1e0e6-41d4-403f-9452-bdedc7813032"  # phone to lock: write, with response or not
)
RX_UUID: Final = "ebe1e0e7-41d4-403f-9452-bdedc7813032"  # lock to phone: notify

# A log of forty entries or a denylist of a hundred keys; a lock holds two such buffers per link.
MESSAGE_BYTES_MAX: Final = 2_048
COMMAND_ID_BYTES: Final = 8
NONCE_BYTES: Final = 16
LOCK_ID_MAX: Final = 0xFFFF_FFFF


class Message(IntEnum):
    """The type byte of a message; also the associated data of its encryption."""

    M1 = 1
    M2 = 2
    M3 = 3
    M4 = 4
    NO = 0x0F  # lock to phone, in clear, before there are keys: [status, wait ms]
    REQUEST = 0x10
    RESPONSE = 0x11


class Command(IntEnum):
    """What M3 asks for: the right bit that it needs."""

    UNLOCK = UNLOCK_BIT
    ADMIN = ADMIN_BIT  # opens a session of requests
    COURIER = COURIER_BIT  # the same, with fewer rights
    OFFICE = OFFICE_BIT  # hold the door unlocked until LOCK


class Op(IntEnum):
    """The first number of a request."""

    DENYLIST = 1  # [1, signed denylist]: anybody, also before M3
    TIME = 2  # [2, signed time for this nonce]: anybody, also before M3
    ISSUER = 3  # [3, issuer certificate]: anybody after M3 was granted
    LOG = 4  # [4, after seq, most entries]: courier, admin
    STATE = 5  # [5]: courier, admin
    ACK = 6  # [6, seq, head after it]: admin
    SET_TIME = 7  # [7, UTC s]: admin
    LOCAL_TIME = 8  # [8, [[UTC s, minutes east], ...]]: admin
    LOCK = 9  # [9, command id]: admin; throws the bolt and ends office mode
    FIND = 10  # [10, cti, command id]: admin; what became of a command
    DENY = 11  # [11, [cti, ...], lowest generation or -1]: admin
    BLINK = 12  # [12]: admin
    PUT_PIN = 13  # [13, slot, sealed PIN, from s, until s, generation or -1]: admin
    CLEAR_PIN = 14  # [14, slot]: admin


class Status(IntEnum):
    """How a lock answers. 0 is yes; the rest are the words of `LockRefusal`."""

    DONE = 0
    BUSY = 1
    RATE_LIMITED = 2
    BAD_FRAME = 3
    UNKNOWN_ISSUER = 4
    BAD_SIGNATURE = 5
    WRONG_DOOR = 6
    DENIED = 7
    SUPERSEDED = 8
    NO_TIME = 9
    NOT_YET = 10
    EXPIRED = 11
    WRONG_PIN = 12
    PRIVACY = 13
    JAMMED = 14
    SCHEDULE = 15
    NOT_SUPPORTED = 16
    SLOTS_FULL = 17
    PIN_TAKEN = 18
    UNKNOWN = 31  # begun, and the lock lost its power before the end


class LogKind(IntEnum):
    """What an entry of a lock's log tells."""

    UNLOCK = 1
    ADMIN = 2
    COURIER = 3
    OFFICE = 4
    LOCK = 5  # by a command
    RELOCK = 6  # by the timer
    STRANGERS = 7  # somebody without a key of ours; at most one entry an hour
    DENYLIST = 8
    TIME = 9
    ISSUER = 10
    LOCAL_TIME = 11
    DENY = 12
    PRIVACY_ON = 13
    PRIVACY_OFF = 14
    DOOR_OPENED = 15
    DOOR_CLOSED = 16
    TAMPER = 17
    JAMMED = 18
    BATTERY_LOW = 19
    STARTED = 20  # the cells were put in
    CLOCK_LOST = 21
    AJAR = 22
    PIN = 23


class Flag(IntEnum):
    """Bits of the advertisement and of M2."""

    TIME_UNKNOWN = 1
    LOG_WAITING = 2
    PRIVACY = 4
    BATTERY_LOW = 8
    DENYLIST_OLD = 16  # older than 24 h, or none
    OFFICE = 32


class ProtocolError(Exception):
    """The other side broke the protocol: hang up. Never says more than the rule that was broken."""


def status_of(refusal: LockRefusal) -> Status:
    """A lock's word as a number."""
    return Status[refusal.name]


def refusal_of(status: int) -> LockRefusal | None:
    """A number as a lock's word; None for DONE and UNKNOWN.

    A number that we do not know (a newer lock) is NOT_SUPPORTED: it is a "no" in any case.
    """
    if status in {Status.DONE, Status.UNKNOWN}:
        return None
    try:
        return LockRefusal[Status(status).name]
    except ValueError:
        return LockRefusal.NOT_SUPPORTED


def command_id(order_id: str) -> bytes:
    """How an order of the bus is called on the air: 8 bytes that follow from its id."""
    return hashlib.sha256(order_id.encode()).digest()[:COMMAND_ID_BYTES]
