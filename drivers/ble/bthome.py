"""BTHome v2 out of advertisements: read whole, decrypted where a key is set, replays dropped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from drivers.ble.bthome_table import FORMS, VARIABLE, Quantity

SERVICE: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
KEY_BYTES: Final = 16
# An advertisement is 31 bytes; with extended advertising 255. More is not one.
DATA_BYTES_MAX: Final = 255
_UUID_ON_AIR: Final = b"\xd2\xfc"
_ENCRYPTED: Final = 0x01
_TRIGGERED: Final = 0x04
_VERSION: Final = 2
_COUNTER_BYTES: Final = 4
_TAG_BYTES: Final = 4
# After new cells a sensor counts from zero. A counter below this is taken for that: refused, a leak
# under a bed would not be heard; taken, a recording of a sensor's first hundred packets may be
# played once more, which raises a false alarm at worst.
COUNTER_AGAIN_MAX: Final = 100
_COUNTER_SPAN: Final = 1 << 32


class Unread(StrEnum):
    """Why an advertisement was not taken."""

    NOT_OURS = "not_ours"  # another version, or no data
    TRUNCATED = "truncated"
    UNKNOWN_OBJECT = "unknown_object"  # its length is unknown, so the rest is too
    KEY_MISSING = "key_missing"
    NOT_ENCRYPTED = "not_encrypted"  # a key is set, and this came in clear: not from our sensor
    BAD_TAG = "bad_tag"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one advertisement says, in the order in which it says it."""

    values: tuple[tuple[Quantity, float], ...]
    triggered: bool = False  # sent because something happened, not by the clock
    packet: int | None = None
    counter: int | None = None

    def last(self, quantity: Quantity) -> float | None:
        """The last value of this kind, None where there is none."""
        return next((value for q, value in reversed(self.values) if q is quantity), None)


def read(data: bytes, *, address: bytes, key: bytes | None = None) -> Measured | Unread:
    """One advertisement's service data of UUID 0xFCD2; never raises on any bytes.

    `address` is the sensor's, 6 bytes as it is written; it is part of the nonce.
    """
    if not data or len(data) > DATA_BYTES_MAX or data[0] >> 5 != _VERSION:
        return Unread.NOT_OURS
    info, body, counter = data[0], data[1:], None
    if info & _ENCRYPTED:
        opened = _open(info, body, address, key)
        if isinstance(opened, Unread):
            return opened
        body, counter = opened
    elif key is not None:
        return Unread.NOT_ENCRYPTED
    values = _objects(body)
    if isinstance(values, Unread):
        return values
    packet = next((int(v) for q, v in values if q is Quantity.PACKET), None)
    return Measured(
        values=tuple((q, v) for q, v in values if q is not Quantity.PACKET),
        triggered=bool(info & _TRIGGERED),
        packet=packet,
        counter=counter,
    )


class Guard:
    """Tells a new advertisement of one sensor from a repeat and from a replay."""

    def __init__(self) -> None:
        self._counter: int | None = None
        self._packet: int | None = None
        self._last: bytes | None = None

    def fresh(self, data: bytes, measured: Measured) -> bool | Unread:
        """True for something new, False for the same said again, REPLAYED for an old counter.

        A sensor says each packet several times. Without packet number and counter the same bytes
        are the same report.
        """
        if measured.counter is not None:
            return self._counted(measured.counter)
        if measured.packet is not None:
            known, self._packet = self._packet, measured.packet
            return known != measured.packet
        known_data, self._last = self._last, data
        return known_data != data

    def _counted(self, counter: int) -> bool | Unread:
        last = self._counter
        if last is not None:
            if counter == last:
                return False
            ahead = (counter - last) % _COUNTER_SPAN
            # Past the half of the span it lies behind us.
            if ahead > _COUNTER_SPAN // 2 and not counter < COUNTER_AGAIN_MAX <= last:
                return Unread.REPLAYED
        self._counter = counter
        return True


def _open(info: int, body: bytes, address: bytes, key: bytes | None) -> tuple[bytes, int] | Unread:
    if key is None:
        return Unread.KEY_MISSING
    if len(body) <= _COUNTER_BYTES + _TAG_BYTES:
        return Unread.TRUNCATED
    sealed, tail = body[: -_COUNTER_BYTES - _TAG_BYTES], body[-_COUNTER_BYTES - _TAG_BYTES :]
    counter, tag = tail[:_COUNTER_BYTES], tail[_COUNTER_BYTES:]
    nonce = address + _UUID_ON_AIR + bytes([info]) + counter
    try:
        plain = AESCCM(key, tag_length=_TAG_BYTES).decrypt(nonce, sealed + tag, None)
    except InvalidTag:
        return Unread.BAD_TAG
    return plain, int.from_bytes(counter, "little")


def _objects(body: bytes) -> list[tuple[Quantity, float]] | Unread:
    values: list[tuple[Quantity, float]] = []
    at = 0
    while at < len(body):
        number = body[at]
        at += 1
        if number in VARIABLE:
            if at >= len(body):
                return Unread.TRUNCATED
            at += 1 + body[at]
        elif (form := FORMS.get(number)) is None:
            # Objects are in rising order, so what came before is good; newer ones are not for us.
            return values or Unread.UNKNOWN_OBJECT
        else:
            raw = body[at : at + form.size]
            at += form.size
            if form.quantity is not None and len(raw) == form.size:
                value = int.from_bytes(raw, "little", signed=form.signed) * form.factor
                values.append((form.quantity, value))
    return values if at == len(body) else Unread.TRUNCATED
