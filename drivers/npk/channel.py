"""The keys of one session: transcript, schedule, and sealing under counters."""

from __future__ import annotations

import hashlib
import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.kernel.cbor import Item, NotStrictError, read
from appliance.kernel.cose import point_key, point_of
from drivers.npk.codes import Message, ProtocolError

TAG_BYTES: Final = 16
_KEY_BYTES: Final = 16
_IV_BYTES: Final = 12
_SCHEDULE_BYTES: Final = 2 * (_KEY_BYTES + _IV_BYTES)
# GCM under one key is good for 2^32 messages; a session has a few dozen, and this is its bound.
MESSAGES_MAX: Final = 4_096


class Entropy(Protocol):
    """Where nonces and ephemeral keys come from; the published vectors put fixed ones here."""

    def nonce(self, size: int) -> bytes:
        """Bytes that nobody can guess."""
        ...

    def ephemeral(self) -> ec.EllipticCurvePrivateKey:
        """A key for one session."""
        ...


class SystemEntropy:
    """The operating system's."""

    def nonce(self, size: int) -> bytes:
        """Bytes that nobody can guess."""
        return os.urandom(size)

    def ephemeral(self) -> ec.EllipticCurvePrivateKey:
        """A key for one session."""
        return ec.generate_private_key(ec.SECP256R1())


def digest(*parts: bytes) -> bytes:
    """SHA-256 over parts, each after its length in four bytes: no two lists have one spelling."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(4, "big") + part)
    return whole.digest()


def transcript(m1: bytes, lock_point: bytes, lock_nonce: bytes) -> bytes:
    """What both have seen before the keys: whoever changed a bit of it has other keys."""
    return digest(b"NPK1", m1, lock_point, lock_nonce)


def key_schedule(secret: bytes, hashed: bytes) -> bytes:
    """56 bytes: phone's key and lock's key (16 each), phone's IV and lock's IV (12 each)."""
    return HKDF(hashes.SHA256(), _SCHEDULE_BYTES, salt=hashed, info=b"NPK1 keys").derive(secret)


def items(data: bytes, count: int) -> list[Item]:
    """The array of `count` items that a message is; raises ProtocolError."""
    try:
        found = read(data)
    except NotStrictError:
        raise ProtocolError("not the one spelling of a message") from None
    if not isinstance(found, list) or len(found) != count:
        raise ProtocolError("not as many items as the message has")
    return found


class Channel:
    """Both directions; each message has its type as associated data and its number as nonce."""

    def __init__(
        self,
        mine: ec.EllipticCurvePrivateKey,
        their_point: bytes,
        hashed: bytes,
        *,
        phone: bool,
    ) -> None:
        """`hashed` is the transcript. Raises ProtocolError for a point that is none."""
        try:
            theirs = point_key(their_point)
        except ValueError:
            raise ProtocolError("not a point of the curve") from None
        okm = key_schedule(mine.exchange(ec.ECDH(), theirs), hashed)
        phones = AESGCM(okm[:16]), okm[32:44]
        locks = AESGCM(okm[16:32]), okm[44:56]
        (self._out, self._out_iv), (self._in, self._in_iv) = (
            (phones, locks) if phone else (locks, phones)
        )
        self._sealed = self._opened = 0

    def seal(self, kind: Message, text: bytes) -> bytes:
        """Encrypt the next message outward; raises ProtocolError where the session is used up."""
        nonce = _nonce(self._out_iv, self._sealed)
        self._sealed += 1
        return self._out.encrypt(nonce, text, bytes([kind]))

    def open(self, kind: Message, sealed: bytes) -> bytes:
        """Decrypt the next message inward; raises ProtocolError where it is not that."""
        nonce = _nonce(self._in_iv, self._opened)
        try:
            text = self._in.decrypt(nonce, sealed, bytes([kind]))
        except InvalidTag:
            raise ProtocolError("not the next message of this session") from None
        self._opened += 1
        return text


def ephemeral_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What is sent of an ephemeral key."""
    return point_of(key.public_key())


def _nonce(base: bytes, number: int) -> bytes:
    if number >= MESSAGES_MAX:
        raise ProtocolError("too many messages in one session")
    return bytes(a ^ b for a, b in zip(base, number.to_bytes(_IV_BYTES, "big"), strict=True))
