"""Keys as the doors engine signs them and a lock verifies them: CWT in COSE_Sign1 with ES256.

The form is RFC 9052 (COSE_Sign1, untagged), RFC 8392 (CWT), RFC 8747 (`cnf`), RFC 9237 (AIF rights)
in deterministic CBOR, so that one key has one spelling. Measured, one door: 119 bytes, 127 with a
six-letter property, 146 with one of 24 letters; bound to a phone 80 more, weekly hours 9 to 14.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from appliance.kernel.cbor import Item, NotStrictError, read, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# One key with DOORS_MAX doors is 636 bytes, 730 with a phone and weekly hours; more is not a key.
CREDENTIAL_BYTES_MAX: Final = 768
# Whatever else is signed travels in one message of NPK 1 (docs/npk1.md).
SIGNED_BYTES_MAX: Final = 2_048
# A room, the lift, the gym, the garage and a suite's inner doors: 8 in practice, 64 as a bound.
DOORS_MAX: Final = 64
UINT32_MAX: Final = 0xFFFF_FFFF
# Seconds fit 40 bits until the year 36812; the bound keeps arithmetic in milliseconds in 64 bits.
TIME_S_MAX: Final = (1 << 40) - 1
CTI_BYTES: Final = 8
KID_BYTES: Final = 4
AUDIENCE_BYTES_MAX: Final = 64
POINT_BYTES: Final = 65
DAY_MINUTES: Final = 1_440
WEEK_MASK_MAX: Final = 0b111_1111

UNLOCK_BIT: Final = 1
OVERRIDE_BIT: Final = 2  # may open although the guest asked for privacy
ADMIN_BIT: Final = 4
COURIER_BIT: Final = 8  # may carry logs and lists between the box and a lock
OFFICE_BIT: Final = 16  # may hold the door unlocked, and end that

_EXP, _NBF, _AUD, _CTI, _CNF, _SCOPE = 4, 5, 3, 7, 8, 9
_GEN, _SCHEDULE = -65537, -65539
_REQUIRED: Final = frozenset({_EXP, _NBF, _CTI, _SCOPE, _GEN})
_ALLOWED: Final = _REQUIRED | {_AUD, _CNF, _SCHEDULE}
_PROTECTED: Final = b"\xa1\x01\x26"  # {1: -7}, ES256 and no other algorithm
_SIG_HEAD: Final = b"\x84\x6aSignature1\x43" + _PROTECTED
# Array of four, the protected bytes, {4: kid of four bytes} or {}: all that we ever sign.
_FRAME_HEAD: Final = b"\x84\x43" + _PROTECTED
_WITH_KID: Final = _FRAME_HEAD + b"\xa1\x04\x44"
_NO_KID: Final = _FRAME_HEAD + b"\xa0"
# RFC 9052 section 7: key type EC2, curve P-256.
_EC2, _P256 = 2, 1
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
    cnf: bytes | None = None  # 65-byte point of the only phone that may use it
    # (weekdays, from minute, to minute) in the property's local time; bit 0 is Monday. A window
    # that ends before it starts runs into the next day.
    schedule: tuple[int, int, int] | None = None

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


def point_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a 65-byte uncompressed point; raises ValueError for anything else."""
    if len(point) != POINT_BYTES:
        raise ValueError(f"a point has {POINT_BYTES} bytes, this has {len(point)}")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def issuers(points: Iterable[bytes]) -> dict[bytes, ec.EllipticCurvePublicKey]:
    """Issuer keys by kid, from 65-byte points; raises ValueError for a point off the curve."""
    return {kid_of(key): key for key in map(point_key, points)}


def sign(claims: Claims, private_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as it is given to a phone or an order: an untagged COSE_Sign1."""
    body: dict[int, Item] = {
        _EXP: claims.exp_s,
        _NBF: claims.nbf_s,
        _CTI: claims.cti,
        _SCOPE: write([list(door) for door in claims.doors]),
        _GEN: claims.gen,
    }
    if claims.aud is not None:
        body[_AUD] = claims.aud
    if claims.cnf is not None:
        body[_CNF] = {1: cose_key(claims.cnf)}
    if claims.schedule is not None:
        body[_SCHEDULE] = list(claims.schedule)
    return sign1(write(body), private_key, kid=kid_of(private_key.public_key()))


def verify(data: bytes, keys: Mapping[bytes, ec.EllipticCurvePublicKey]) -> Claims | Flaw:
    """What a key says if one of `keys` (by kid) signed it; never raises on any bytes.

    A claim that is not known here makes the key a BAD_FRAME: it may be a restriction, and a lock
    that overlooks a restriction opens for the wrong person.
    """
    if len(data) > CREDENTIAL_BYTES_MAX:
        return Flaw.BAD_FRAME
    payload = verify1(data, keys)
    return payload if isinstance(payload, Flaw) else _claims(payload) or Flaw.BAD_FRAME


def sign1(
    payload: bytes,
    private_key: ec.EllipticCurvePrivateKey,
    *,
    aad: bytes = b"",
    kid: bytes | None = None,
) -> bytes:
    """Any payload as an untagged COSE_Sign1. `aad` is signed and not sent: what the bytes are for.

    `kid` (4 bytes) names the signer where the reader knows several.
    """
    der = private_key.sign(_to_be_signed(payload, aad), _ES256)
    r, s = decode_dss_signature(der)
    head = _NO_KID if kid is None else _WITH_KID + kid
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return b"".join((head, write(payload), _SIGNATURE_HEAD, raw))


def verify1(
    data: bytes,
    keys: Mapping[bytes, ec.EllipticCurvePublicKey] | ec.EllipticCurvePublicKey,
    *,
    aad: bytes = b"",
) -> bytes | Flaw:
    """The payload, if the one key (no kid) or one of `keys` (by kid) signed it for this `aad`.

    Never raises on any bytes.
    """
    signed = split1(data)
    if signed is None:
        return Flaw.BAD_FRAME
    if isinstance(keys, ec.EllipticCurvePublicKey):
        key = keys if signed.kid is None else None
    else:
        key = None if signed.kid is None else keys.get(signed.kid)
    if key is None:
        return Flaw.UNKNOWN_ISSUER
    r, s = (int.from_bytes(half, "big") for half in (signed.signature[:32], signed.signature[32:]))
    try:
        key.verify(encode_dss_signature(r, s), _to_be_signed(signed.payload, aad), _ES256)
    except InvalidSignature:
        return Flaw.BAD_SIGNATURE
    return signed.payload


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a COSE_Sign1 whose signature nobody has looked at yet."""

    kid: bytes | None
    payload: bytes
    signature: bytes


def split1(data: bytes) -> Signed | None:
    """The parts, or None. The frame has two forms, with a kid and without: cut, not decoded."""
    if len(data) > SIGNED_BYTES_MAX:
        return None
    if data.startswith(_WITH_KID):
        at = len(_WITH_KID) + KID_BYTES
        kid = data[len(_WITH_KID) : at]
    elif data.startswith(_NO_KID):
        at, kid = len(_NO_KID), None
    else:
        return None
    end = len(data) - _SIGNATURE_BYTES
    middle = end - len(_SIGNATURE_HEAD)
    if middle <= at or data[middle:end] != _SIGNATURE_HEAD:
        return None
    try:
        payload = read(data[at:middle])
    except NotStrictError:
        return None
    return Signed(kid, payload, data[end:]) if isinstance(payload, bytes) else None


def cose_key(point: bytes) -> dict[int, Item]:
    """A 65-byte point as COSE_Key (RFC 9052 section 7)."""
    return {1: _EC2, -1: _P256, -2: point[1:33], -3: point[33:]}


def point_in(item: Item | None) -> bytes | None:
    """The 65-byte point of a `cnf` claim, None where it is not exactly one P-256 key."""
    match item:
        case {1: {1: 2, -1: 1, -2: bytes(x), -3: bytes(y)}}:  # EC2, P-256
            point = b"\x04" + x + y
            # The pattern lets more entries through; one key has one spelling.
            return point if len(x) == len(y) == 32 and item == {1: cose_key(point)} else None
        case _:
            return None


def _to_be_signed(payload: bytes, aad: bytes) -> bytes:
    return _SIG_HEAD + write(aad) + write(payload)


def _claims(payload: bytes) -> Claims | None:
    try:
        body = read(payload)
        if not isinstance(body, dict) or not _REQUIRED <= body.keys() <= _ALLOWED:
            return None
        scope = body[_SCOPE]
        doors = _doors(read(scope)) if isinstance(scope, bytes) else None
        exp, nbf, cti, gen, aud = (body.get(k) for k in (_EXP, _NBF, _CTI, _GEN, _AUD))
        cnf, hours = point_in(body.get(_CNF)), _hours(body.get(_SCHEDULE))
        if (
            doors is None
            or not isinstance(exp, int)
            or not isinstance(nbf, int)
            or not isinstance(cti, bytes)
            or not isinstance(gen, int)
            or not (aud is None or isinstance(aud, str))
            or (cnf is None) == (_CNF in body)
            or (hours is None) == (_SCHEDULE in body)
        ):
            return None
        return Claims(
            exp_s=exp,
            nbf_s=nbf,
            cti=cti,
            doors=doors,
            gen=gen,
            aud=aud,
            cnf=cnf,
            schedule=hours,
        )
    except ValueError:  # NotStrictError is one too; Claims says which bound was broken
        return None


def _hours(item: Item | None) -> tuple[int, int, int] | None:
    match item:
        case [int(days), int(start), int(end)]:
            return days, start, end
        case _:
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
    if claims.cnf is not None and not _on_curve(claims.cnf):
        return "a phone's key that is no point of P-256"
    if claims.schedule is not None and not _is_week(*claims.schedule):
        return "hours that are none of a week"
    return None


def _on_curve(point: bytes) -> bool:
    try:
        point_key(point)
    except ValueError:
        return False
    return True


def _is_week(days: int, start: int, end: int) -> bool:
    return (
        1 <= days <= WEEK_MASK_MAX
        and 0 <= start < DAY_MINUTES
        and 1 <= end <= DAY_MINUTES
        and start != end
    )
