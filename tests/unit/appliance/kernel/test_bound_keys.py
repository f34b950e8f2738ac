"""A key may name its phone and its hours; keys without them keep their bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.cose import (
    SIGNED_BYTES_MAX,
    Claims,
    Flaw,
    issuers,
    kid_of,
    point_key,
    point_of,
    sign,
    sign1,
    split1,
    verify,
    verify1,
)

ISSUER = ec.derive_private_key(7, ec.SECP256R1())
PUBLIC = ISSUER.public_key()
KEYS = issuers([point_of(PUBLIC)])
PHONE = point_of(ec.derive_private_key(11, ec.SECP256R1()).public_key())
KEY = Claims(
    exp_s=1_790_000_000,
    nbf_s=1_789_900_000,
    cti=b"guest--1",
    doors=((204, 1),),
    gen=7,
    aud="marina",
    cnf=PHONE,
    schedule=(0b001_1111, 420, 900),
)
COSE_KEY = {1: 2, -1: 1, -2: PHONE[1:33], -3: PHONE[33:]}


def signed(claims: dict[int, Any]) -> bytes:
    """A validly signed body of any claims."""
    return sign1(cbor2.dumps(claims, canonical=True), ISSUER, kid=kid_of(PUBLIC))


def body() -> dict[int, Any]:
    """The claims of `KEY`, as they are written."""
    parts = split1(sign(KEY, ISSUER))
    assert parts is not None
    found: dict[int, Any] = cbor2.loads(parts.payload)
    return found


def test_a_key_without_phone_and_hours_has_the_bytes_it_always_had() -> None:
    parts = split1(sign(replace(KEY, cnf=None, schedule=None), ISSUER))
    assert parts is not None
    assert parts.payload == cbor2.dumps(
        {
            3: "marina",
            4: KEY.exp_s,
            5: KEY.nbf_s,
            7: KEY.cti,
            9: cbor2.dumps([[204, 1]]),
            -65537: 7,
        },
        canonical=True,
    )


def test_phone_and_hours_come_back_as_they_were_signed() -> None:
    assert verify(sign(KEY, ISSUER), KEYS) == KEY


def test_an_independent_library_finds_the_phones_key_where_the_standard_puts_it() -> None:
    point = point_of(PUBLIC)
    public = cwt.COSEKey.new(
        {1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:], 2: kid_of(PUBLIC)}
    )
    data = cbor2.dumps(cbor2.CBORTag(18, cbor2.loads(sign(KEY, ISSUER))))
    claims = cwt.Claims.new(cbor2.loads(cwt.COSE.new().decode(data, public)))
    assert claims.cnf == COSE_KEY
    assert claims.exp == KEY.exp_s


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({8: {}}, id="no phone"),
        pytest.param({8: {1: COSE_KEY, 2: b"x"}}, id="two confirmations"),
        pytest.param({8: {1: COSE_KEY | {3: -7}}}, id="a key with more entries"),
        pytest.param({8: {1: COSE_KEY | {-1: 2}}}, id="another curve"),
        pytest.param({8: {1: COSE_KEY | {-2: bytes(32)}}}, id="off the curve"),
        pytest.param({8: {1: COSE_KEY | {-2: bytes(33)}}}, id="too long"),
        pytest.param({8: {3: b"kid"}}, id="a confirmation by name"),
        pytest.param({8: PHONE}, id="a bare point"),
        pytest.param({-65539: [0, 0, 60]}, id="no day"),
        pytest.param({-65539: [128, 0, 60]}, id="an eighth day"),
        pytest.param({-65539: [1, 60, 60]}, id="no minute"),
        pytest.param({-65539: [1, 0, 1441]}, id="after midnight"),
        pytest.param({-65539: [1, 0]}, id="no end"),
        pytest.param({-65539: [1, 0, "60"]}, id="a text"),
        pytest.param({-65538: 0}, id="a claim nobody knows"),
    ],
)
def test_a_restriction_that_cannot_be_read_makes_the_key_worthless(change: dict[int, Any]) -> None:
    assert isinstance(verify(signed(body()), KEYS), Claims)
    assert verify(signed(body() | change), KEYS) is Flaw.BAD_FRAME


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.binary(max_size=40), st.sampled_from(["by name", "alone"]))
def test_any_payload_comes_back_for_its_own_label_only(
    payload: bytes, label: bytes, signer: str
) -> None:
    named = signer == "by name"
    data = sign1(payload, ISSUER, aad=label, kid=kid_of(PUBLIC) if named else None)
    keys: Any = KEYS if named else PUBLIC
    assert verify1(data, keys, aad=label) == payload
    assert verify1(data, keys, aad=label + b"!") is Flaw.BAD_SIGNATURE
    assert verify1(data, PUBLIC if named else KEYS, aad=label) is Flaw.UNKNOWN_ISSUER


def test_an_independent_library_agrees_on_the_label() -> None:
    point = point_of(PUBLIC)
    public = cwt.COSEKey.new(
        {1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:], 2: kid_of(PUBLIC)}
    )
    data = sign1(b"payload", ISSUER, aad=b"NPK1-EXAMPLE", kid=kid_of(PUBLIC))
    tagged = cbor2.dumps(cbor2.CBORTag(18, cbor2.loads(data)))
    assert cwt.COSE.new().decode(tagged, public, external_aad=b"NPK1-EXAMPLE") == b"payload"


def test_what_is_longer_than_a_message_is_not_looked_at() -> None:
    assert verify1(sign1(bytes(SIGNED_BYTES_MAX), ISSUER), PUBLIC) is Flaw.BAD_FRAME


@pytest.mark.parametrize(
    "point", [b"", bytes(65), PHONE[:64], b"\x02" + PHONE[1:33], PHONE + b"\0"]
)
def test_a_point_that_is_none_is_refused(point: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        point_key(point)
