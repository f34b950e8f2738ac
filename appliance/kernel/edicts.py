"""What a property signs for its locks besides keys: denylists, the time, and who may sign.

Each is an untagged COSE_Sign1 in one spelling, with a label as external aad that says what it is:
bytes that were signed as a key can never be read as a denylist. docs/npk1.md has the layouts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.cbor import Item, NotStrictError, read, write
from appliance.kernel.cose import (
    AUDIENCE_BYTES_MAX,
    CTI_BYTES,
    TIME_S_MAX,
    UINT32_MAX,
    Flaw,
    cose_key,
    kid_of,
    point_in,
    point_key,
    sign1,
    verify1,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from cryptography.hazmat.primitives.asymmetric import ec

    T = TypeVar("T")

# 1,890 bytes: what one message of NPK 1 carries beside its envelope.
DENIED_PER_LIST_MAX: Final = 110
GENERATIONS_PER_LIST_MAX: Final = 16
NONCE_BYTES: Final = 16
# ble.md 2.4: an issuer lives a year at most; the day more is for leap years.
ISSUER_S_MAX: Final = 366 * 86_400

_DENYLIST: Final = b"NPK1-CRL"
_TIME: Final = b"NPK1-TIME"
_ISSUER: Final = b"NPK1-ISSUER"
_AUD, _EXP, _NBF, _CNF, _GEN, _GEN_MIN = 3, 4, 5, 8, -65537, -65540


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """One key that opens nothing any more, and when it would have ended by itself (UTC s)."""

    cti: bytes
    exp_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denylist:
    """All keys that are denied now; a lock takes the one with the higher `seq` and forgets the old.

    `denied` rises by cti, `generations` are (door number, lowest generation that still opens it),
    rising by door.
    """

    seq: int
    issued_s: int
    denied: tuple[Denied, ...] = ()
    generations: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where a lock would refuse the list."""
        if not (1 <= self.seq <= UINT32_MAX and 0 <= self.issued_s <= TIME_S_MAX):
            raise ValueError("a denylist's number or moment is out of bounds")
        if len(self.denied) > DENIED_PER_LIST_MAX:
            raise ValueError(f"more than {DENIED_PER_LIST_MAX} denied keys: raise generations")
        if len(self.generations) > GENERATIONS_PER_LIST_MAX:
            raise ValueError(f"more than {GENERATIONS_PER_LIST_MAX} doors in one denylist")
        if any(len(d.cti) != CTI_BYTES or not 0 <= d.exp_s <= TIME_S_MAX for d in self.denied):
            raise ValueError("a denied key without a cti of 8 bytes or with an impossible end")
        if not all(0 <= n <= UINT32_MAX and 0 <= g <= UINT32_MAX for n, g in self.generations):
            raise ValueError("a door number or generation beyond 32 bits")
        if not _rise([d.cti for d in self.denied]) or not _rise([n for n, _ in self.generations]):
            raise ValueError("entries that do not rise: one list has one spelling")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerCertificate:
    """The root's word that a key may sign for this property. Times in UTC seconds.

    `generation` counts up with each new issuer key; issuers below `generation_min` are over.
    """

    point: bytes
    nbf_s: int
    exp_s: int
    property_id: str
    generation: int
    generation_min: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError where a lock would refuse the certificate."""
        point_key(self.point)
        if not 0 <= self.nbf_s < self.exp_s <= TIME_S_MAX:
            raise ValueError("an issuer whose time ends before it starts")
        if self.exp_s - self.nbf_s > ISSUER_S_MAX:
            raise ValueError("an issuer for more than a year")
        if not 1 <= len(self.property_id.encode()) <= AUDIENCE_BYTES_MAX:
            raise ValueError("an issuer of no property")
        if not 0 <= self.generation_min <= self.generation <= UINT32_MAX:
            raise ValueError("an issuer that ends itself")


def sign_denylist(denylist: Denylist, issuer: ec.EllipticCurvePrivateKey) -> bytes:
    """88 bytes when empty, 15 more for each key."""
    payload: list[Item] = [
        denylist.seq,
        denylist.issued_s,
        [[entry.cti, entry.exp_s] for entry in denylist.denied],
        [list(pair) for pair in denylist.generations],
    ]
    return _signed(payload, issuer, _DENYLIST)


def read_denylist(
    data: bytes, issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
) -> Denylist | Flaw:
    """The list, if one of these issuers signed it; never raises on any bytes."""
    return _read(data, issuers, _DENYLIST, _denylist)


def sign_time(nonce: bytes, wall_s: int, issuer: ec.EllipticCurvePrivateKey) -> bytes:
    """The time (UTC s) for the one lock that has just made up this nonce."""
    return _signed([nonce, wall_s], issuer, _TIME)


def read_time(
    data: bytes, nonce: bytes, issuers: Mapping[bytes, ec.EllipticCurvePublicKey]
) -> int | Flaw:
    """The time (UTC s), if an issuer signed it for this nonce; never raises on any bytes."""

    def wanted(item: Item) -> int | None:
        match item:
            case [bytes(about), int(wall_s)] if about == nonce and 0 <= wall_s <= TIME_S_MAX:
                return wall_s
            case _:
                return None

    return _read(data, issuers, _TIME, wanted)


def sign_issuer(certificate: IssuerCertificate, root: ec.EllipticCurvePrivateKey) -> bytes:
    """A CWT whose `cnf` is the issuer's key."""
    body: dict[int, Item] = {
        _AUD: certificate.property_id,
        _EXP: certificate.exp_s,
        _NBF: certificate.nbf_s,
        _CNF: {1: cose_key(certificate.point)},
        _GEN: certificate.generation,
        _GEN_MIN: certificate.generation_min,
    }
    return _signed(body, root, _ISSUER)


def read_issuer(data: bytes, root: ec.EllipticCurvePublicKey) -> IssuerCertificate | Flaw:
    """The certificate, if the root signed it; never raises on any bytes."""
    return _read(data, {kid_of(root): root}, _ISSUER, _certificate)


def _signed(payload: Item, private_key: ec.EllipticCurvePrivateKey, label: bytes) -> bytes:
    kid = kid_of(private_key.public_key())
    return sign1(write(payload), private_key, aad=label, kid=kid)


def _read(
    data: bytes,
    keys: Mapping[bytes, ec.EllipticCurvePublicKey],
    label: bytes,
    parse: Callable[[Item], T | None],
) -> T | Flaw:
    payload = verify1(data, keys, aad=label)
    if isinstance(payload, Flaw):
        return payload
    try:
        found = parse(read(payload))
    except (NotStrictError, ValueError):
        return Flaw.BAD_FRAME
    return Flaw.BAD_FRAME if found is None else found


def _denylist(item: Item) -> Denylist | None:
    match item:
        case [int(seq), int(issued_s), list(denied), list(generations)]:
            return Denylist(
                seq=seq,
                issued_s=issued_s,
                denied=tuple(_denied(entry) for entry in denied),
                generations=tuple(_generation(entry) for entry in generations),
            )
        case _:
            return None


def _denied(item: Item) -> Denied:
    match item:
        case [bytes(cti), int(exp_s)]:
            return Denied(cti=cti, exp_s=exp_s)
        case _:
            raise NotStrictError("not an entry of a denylist")


def _generation(item: Item) -> tuple[int, int]:
    match item:
        case [int(door), int(generation)]:
            return door, generation
        case _:
            raise NotStrictError("not a door with its generation")


def _certificate(item: Item) -> IssuerCertificate | None:
    keys = {_AUD, _EXP, _NBF, _CNF, _GEN, _GEN_MIN}
    if not isinstance(item, dict) or item.keys() != keys:
        return None
    aud, exp, nbf, gen, low = (item[k] for k in (_AUD, _EXP, _NBF, _GEN, _GEN_MIN))
    point = point_in(item[_CNF])
    if not isinstance(aud, str) or point is None:
        return None
    if not (isinstance(exp, int) and isinstance(nbf, int)):
        return None
    if not (isinstance(gen, int) and isinstance(low, int)):
        return None
    return IssuerCertificate(
        point=point, nbf_s=nbf, exp_s=exp, property_id=aud, generation=gen, generation_min=low
    )


def _rise(values: list[bytes] | list[int]) -> bool:
    pairs = itertools.pairwise(values)
    return all(a < b for a, b in pairs)  # type: ignore[operator]  # both are of one kind
