"""Keys as the doors engine signs them and a lock verifies them: CWT in COSE_Sign1 with ES256.

The form is RFC 9052 (COSE_Sign1, untagged), RFC 8392 (CWT), RFC 9237 (AIF rights) in deterministic
CBOR, so that one key has one spelling. Measured without `cnf`, one door: 119 bytes, 127 with a
six-letter property, 146 with one of 24 letters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from appliance.kernel.cbor import Item, NotStrictError, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# One key with DOORS_MAX doors is 636 bytes; more is not a key.
CREDENTIAL_BYTES_MAX: Final = 768
# A room, the lift, the gym, the garage and a suite's inner doors: 8 in practice, 64 as a bound.
DOORS_MAX: Final = 64
UINT32_MAX: Final = 0xFFFF_FFFF
# Seconds fit 40 bits until the year 36812; the bound keeps arithmetic in milliseconds in 64 bits.
TIME_S_MAX: Final = (1 << 40) - 1
CTI_BYTES: Final = 8
KID_BYTES: Final = 4
AUDIENCE_BYTES_MAX: Final = 64

UNLOCK_BIT: Final = 1
OVERRIDE_BIT: Final = 2  # may open although the guest asked for privacy
ADMIN_BIT: Final = 4

_EXP, _NBF, _AUD, _CTI, _SCOPE, _GEN = 4, 5, 3, 7, 9, -65537
_REQUIRED: Final = frozenset({_EXP, _NBF, _CTI, _SCOPE, _GEN})
_PROTECTED: Final = b"\xa1\x01\x26"  # {1: -7}, ES256 and no other algorithm
_SIG_HEAD: Final = b"\x84\x6aSignature1\x43" + _PROTECTED + b"\x40"
# Array of four, the protected bytes, {4: kid of four bytes}: the same for every key of ours.
_FRAME_HEAD: Final = b"\x84\x43" + _PROTECTED + b"\xa1\x04\x44"
_KID_END: Final = len(_FRAME_HEAD) + KID_BYTES
_SIGNATURE_HEAD: Final = b"\x58\x40"
_SIGNATURE_BYTES: Final = 64
_ES256: Final = ec.ECDSA(hashes.SHA256())


class Flaw(StrEnum):
    """Why bytes are not a key of a known issuer."""

    BAD_FRAME = "bad_frame"
    UNKNOWN_ISSUER = "unknown_issuer"
    BAD_SIGNATURE = "bad_signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a key says. Times in whole seconds since 1970, UTC; `doors` are (number, right bits)."""

    exp_s: int
    nbf_s: int
    cti: bytes  # 8 bytes, the key's own name
    doors: tuple[tuple[int, int], ...]
    gen: int
    aud: str | None = None  # the property

    def __post_init__(self) -> None:
        """Raises ValueError where a lock would refuse the key as BAD_FRAME."""
        if (wrong := _wrong(self)) is not None:
            raise ValueError(f"a key with {wrong} would be refused by every lock")


def kid_of(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The issuer's short name: first 4 bytes of SHA-256 over its 65-byte point."""
    return hashlib.sha256(point_of(public_key)).digest()[:KID_BYTES]


def point_of(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed P-256 point, 65 bytes."""
    return public_key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def issuers(points: Iterable[bytes]) -> dict[bytes, ec.EllipticCurvePublicKey]:
    """Issuer keys by kid, from 65-byte points; raises ValueError for a point off the curve."""
    keys = (ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p) for p in points)
    return {kid_of(key): key for key in keys}


def sign(claims: Claims, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as it is given to a phone or an order: an untagged COSE_Sign1."""
    body: dict[int, object] = {
        _EXP: claims.exp_s,
        _NBF: claims.nbf_s,
        _CTI: claims.cti,
        _SCOPE: cbor2.dumps([list(door) for door in claims.doors], canonical=True),
        _GEN: claims.gen,
    }
    if claims.aud is not None:
        body[_AUD] = claims.aud
    payload = cbor2.dumps(body, canonical=True)
    der = private_key.sign(_to_be_signed(payload), _ES256)
    r, s = decode_dss_signature(der)
    return b"".join(
        (
            _FRAME_HEAD,
            kid_of(private_key.public_key()),
            cbor2.dumps(payload),
            _SIGNATURE_HEAD,
            r.to_bytes(32, "big"),
            s.to_bytes(32, "big"),
        )
    )


def verify(data: bytes, keys: Mapping[bytes, ec.EllipticCurvePublicKey]) -> Claims | Flaw:
    """What a key says if one of `keys` (by kid) signed it; never raises on any bytes.

    A claim that is not known here makes the key a BAD_FRAME: it may be a restriction (a possession
    key, a schedule), and a lock that overlooks a restriction opens for the wrong person.
    """
    split = _split(data)
    if split is None:
        return Flaw.BAD_FRAME
    kid, payload, signature = split
    key = keys.get(kid)
    if key is None:
        return Flaw.UNKNOWN_ISSUER
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), _to_be_signed(payload), _ES256)
    except InvalidSignature:
        return Flaw.BAD_SIGNATURE
    return _claims(payload) or Flaw.BAD_FRAME


def _to_be_signed(payload: bytes) -> bytes:
    return _SIG_HEAD + cbor2.dumps(payload)


def _split(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Kid, payload and signature, or None. The frame has one form, so it is cut, not decoded."""
    if len(data) > CREDENTIAL_BYTES_MAX or not data.startswith(_FRAME_HEAD):
        return None
    end = len(data) - _SIGNATURE_BYTES
    middle = end - len(_SIGNATURE_HEAD)
    if middle <= _KID_END or data[middle:end] != _SIGNATURE_HEAD:
        return None
    try:
        payload = read(data[_KID_END:middle])
    except NotStrictError:
        return None
    return (
        (data[len(_FRAME_HEAD) : _KID_END], payload, data[end:])
        if isinstance(payload, bytes)
        else None
    )


def _claims(payload: bytes) -> Claims | None:
    try:
        body = read(payload)
        if not isinstance(body, dict) or not body.keys() >= _REQUIRED:
            return None
        if not body.keys() <= _REQUIRED | {_AUD}:
            return None
        scope = body[_SCOPE]
        doors = _doors(read(scope)) if isinstance(scope, bytes) else None
        exp, nbf, cti, gen, aud = (body.get(k) for k in (_EXP, _NBF, _CTI, _GEN, _AUD))
        if (
            doors is None
            or not isinstance(exp, int)
            or not isinstance(nbf, int)
            or not isinstance(cti, bytes)
            or not isinstance(gen, int)
            or not (aud is None or isinstance(aud, str))
        ):
            return None
        return Claims(exp_s=exp, nbf_s=nbf, cti=cti, doors=doors, gen=gen, aud=aud)
    except ValueError:  # NotStrictError is one too; Claims says which bound was broken
        return None


def _doors(item: Item) -> tuple[tuple[int, int], ...] | None:
    if not isinstance(item, list):
        return None
    doors: list[tuple[int, int]] = []
    for right in item:
        match right:
            case [int(number), int(bits)]:
                doors.append((number, bits))
            case _:
                return None
    return tuple(doors)


def _wrong(claims: Claims) -> str | None:  # noqa: PLR0911 - a list of bounds, one line each
    if not (0 <= claims.nbf_s <= TIME_S_MAX and 0 <= claims.exp_s <= TIME_S_MAX):
        return "times before 1970 or after 36812"
    if len(claims.cti) != CTI_BYTES:
        return f"a cti of other than {CTI_BYTES} bytes"
    if not 0 <= claims.gen <= UINT32_MAX:
        return "a generation beyond 32 bits"
    if not 1 <= len(claims.doors) <= DOORS_MAX:
        return f"no door or more than {DOORS_MAX}"
    numbers = {number for number, _ in claims.doors}
    if len(numbers) != len(claims.doors):
        return "one door twice"
    if not all(0 <= n <= UINT32_MAX and 0 <= bits <= UINT32_MAX for n, bits in claims.doors):
        return "a door number or right beyond 32 bits"
    if claims.aud is not None and not 1 <= len(claims.aud.encode()) <= AUDIENCE_BYTES_MAX:
        return f"a property name of 0 or more than {AUDIENCE_BYTES_MAX} bytes"
    return None
