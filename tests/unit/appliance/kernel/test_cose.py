"""A key is what its issuer signed, in one spelling, and nothing else gets through."""

from __future__ import annotations

from typing import Any

import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.cose import (
    CREDENTIAL_BYTES_MAX,
    DOORS_MAX,
    Claims,
    Flaw,
    issuers,
    kid_of,
    point_of,
    sign,
    verify,
)

ISSUER = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
KEYS = issuers([point_of(ISSUER.public_key())])
KEY = Claims(
    exp_s=1_790_000_000,
    nbf_s=1_789_900_000,
    cti=b"\x01\x02\x03\x04\x05\x06\x07\x08",
    doors=((204, 1),),
    gen=7,
    aud="marina",
)

uint32 = st.integers(0, 2**32 - 1)
all_claims = st.builds(
    Claims,
    exp_s=st.integers(0, 2**40 - 1),
    nbf_s=st.integers(0, 2**40 - 1),
    cti=st.binary(min_size=8, max_size=8),
    doors=st.lists(
        st.tuples(uint32, uint32), min_size=1, max_size=20, unique_by=lambda d: d[0]
    ).map(tuple),
    gen=uint32,
    aud=st.none() | st.text("abcdefgh-", min_size=1, max_size=20),
)


def forged(
    payload: object, *, raw: bool = False, key: ec.EllipticCurvePrivateKey = ISSUER
) -> bytes:
    """A validly signed message around any payload: what a broken issuer could send."""
    body = payload if raw and isinstance(payload, bytes) else cbor2.dumps(payload, canonical=True)
    cose = cwt.COSE.new(alg_auto_inclusion=False, kid_auto_inclusion=False)
    encoded = cose.encode(
        body,
        cwt.COSEKey.new(_jwk(key)),
        protected={1: -7},
        unprotected={4: kid_of(key.public_key())},
    )
    return cbor2.dumps(cbor2.loads(encoded).value, canonical=True)


def _jwk(key: ec.EllipticCurvePrivateKey) -> dict[Any, Any]:
    numbers = key.private_numbers()
    public = numbers.public_numbers
    return {
        1: 2,
        3: -7,
        -1: 1,
        -2: public.x.to_bytes(32, "big"),
        -3: public.y.to_bytes(32, "big"),
        -4: numbers.private_value.to_bytes(32, "big"),
    }


@settings(max_examples=60, deadline=None)
@given(all_claims)
def test_what_was_signed_is_what_is_read(claims: Claims) -> None:
    assert verify(sign(claims, ISSUER), KEYS) == claims


def test_a_key_for_one_door_fits_160_bytes() -> None:
    assert len(sign(KEY, ISSUER)) <= 160


def test_a_key_with_every_door_fits_the_limit() -> None:
    widest = Claims(
        exp_s=2**40 - 1,
        nbf_s=2**40 - 1,
        cti=bytes(8),
        doors=tuple((2**32 - 1 - n, 7) for n in range(DOORS_MAX)),
        gen=2**32 - 1,
        aud="x" * 64,
    )
    data = sign(widest, ISSUER)
    assert len(data) <= CREDENTIAL_BYTES_MAX
    assert verify(data, KEYS) == widest


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=900))
def test_random_bytes_are_a_bad_frame_and_never_raise(data: bytes) -> None:
    assert verify(data, KEYS) in {Flaw.BAD_FRAME, Flaw.UNKNOWN_ISSUER}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_key_with_one_byte_changed_opens_nothing(at: int, flip: int) -> None:
    good = sign(KEY, ISSUER)
    at %= len(good)
    assert isinstance(verify(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :], KEYS), Flaw)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_a_signed_payload_of_nonsense_is_a_bad_frame(payload: bytes) -> None:
    assert verify(forged(payload, raw=True), KEYS) is Flaw.BAD_FRAME


def test_every_cut_and_every_tail_is_refused() -> None:
    good = sign(KEY, ISSUER)
    assert all(isinstance(verify(good[:n], KEYS), Flaw) for n in range(len(good)))
    assert verify(good + b"\x00", KEYS) is Flaw.BAD_FRAME
    assert verify(b"\xd2" + good, KEYS) is Flaw.BAD_FRAME, "tagged is another spelling"


def test_a_key_of_another_issuer_is_unknown() -> None:
    assert verify(sign(KEY, OTHER), KEYS) is Flaw.UNKNOWN_ISSUER


def test_a_key_under_a_borrowed_name_has_a_bad_signature() -> None:
    good, other = sign(KEY, ISSUER), sign(KEY, OTHER)
    assert verify(good[:-64] + other[-64:], KEYS) is Flaw.BAD_SIGNATURE
    assert verify(good[:-64] + bytes(64), KEYS) is Flaw.BAD_SIGNATURE


SCOPE = cbor2.dumps([[204, 1]])
GOOD = {4: 2_000_000_000, 5: 1, 7: bytes(8), 9: SCOPE, -65537: 3}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="a list"),
        pytest.param({}, id="no claims"),
        pytest.param(GOOD | {4: "soon"}, id="a text for a time"),
        pytest.param(GOOD | {4: 1 << 50}, id="a time beyond the bound"),
        pytest.param(GOOD | {5: -1}, id="a time before 1970"),
        pytest.param(GOOD | {7: bytes(7)}, id="a short cti"),
        pytest.param(GOOD | {9: [[204, 1]]}, id="rights not wrapped"),
        pytest.param(GOOD | {9: cbor2.dumps([])}, id="no door"),
        pytest.param(GOOD | {9: cbor2.dumps([[204]])}, id="a door without rights"),
        pytest.param(GOOD | {9: cbor2.dumps([[204, 1], [204, 7]])}, id="one door twice"),
        pytest.param(GOOD | {9: cbor2.dumps([[1 << 32, 1]])}, id="a door beyond 32 bits"),
        pytest.param(GOOD | {9: SCOPE + b"\x00"}, id="a tail after the rights"),
        pytest.param(GOOD | {-65537: -1}, id="a negative generation"),
        pytest.param(GOOD | {3: b"marina"}, id="bytes for the property"),
        pytest.param(GOOD | {8: {1: 2}}, id="a restriction the lock does not know"),
        pytest.param(GOOD | {4: 2e9}, id="a float"),
        pytest.param(GOOD | {4: True}, id="a truth value"),
    ],
)
def test_a_signed_key_of_the_wrong_shape_is_a_bad_frame(body: object) -> None:
    assert verify(forged(body), KEYS) is Flaw.BAD_FRAME


def test_a_repeated_claim_is_a_bad_frame() -> None:
    raw = cbor2.dumps(GOOD, canonical=True)
    assert isinstance(verify(forged(raw, raw=True), KEYS), Claims)
    twice = b"\xa6" + raw[1:7] + raw[1:]
    assert verify(forged(twice, raw=True), KEYS) is Flaw.BAD_FRAME


def test_claims_in_another_order_are_a_bad_frame() -> None:
    shuffled = cbor2.dumps(dict(reversed(GOOD.items())))
    assert verify(forged(shuffled, raw=True), KEYS) is Flaw.BAD_FRAME


def test_an_independent_library_reads_our_keys() -> None:
    parts = {k: v for k, v in _jwk(ISSUER).items() if k != -4}
    public = cwt.COSEKey.new(parts | {2: kid_of(ISSUER.public_key())})
    data = cbor2.dumps(cbor2.CBORTag(18, cbor2.loads(sign(KEY, ISSUER))))
    body = cbor2.loads(cwt.COSE.new().decode(data, public))
    assert body[4] == KEY.exp_s
    assert body[7] == KEY.cti
    assert cbor2.loads(body[9]) == [[204, 1]]
    assert body[3] == "marina"


def test_we_read_the_keys_of_an_independent_library() -> None:
    body = {3: "marina", 4: KEY.exp_s, 5: KEY.nbf_s, 7: KEY.cti, 9: SCOPE, -65537: KEY.gen}
    assert verify(forged(body), KEYS) == KEY


def test_the_kid_is_the_digest_of_the_point() -> None:
    raw = ISSUER.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    assert len(raw) == 65
    assert list(KEYS) == [kid_of(ISSUER.public_key())]


def test_a_key_no_lock_would_take_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="cti"):
        Claims(exp_s=1, nbf_s=0, cti=b"short", doors=((1, 1),), gen=0)
