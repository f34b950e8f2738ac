"""What a property signs for its locks is read as that and as nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.cose import Claims, Flaw, issuers, kid_of, point_of, sign, sign1
from appliance.kernel.edicts import (
    DENIED_PER_LIST_MAX,
    GENERATIONS_PER_LIST_MAX,
    Denied,
    Denylist,
    IssuerCertificate,
    read_denylist,
    read_issuer,
    read_time,
    sign_denylist,
    sign_issuer,
    sign_time,
)

ISSUER = ec.generate_private_key(ec.SECP256R1())
KEYS = issuers([point_of(ISSUER.public_key())])
NONCE = bytes(range(16))
NOW_S = 1_789_992_000
CERTIFICATE = IssuerCertificate(
    point=point_of(ISSUER.public_key()),
    nbf_s=NOW_S,
    exp_s=NOW_S + 86_400,
    property_id="marina",
    generation=3,
    generation_min=2,
)
LIST = Denylist(
    seq=4,
    issued_s=NOW_S,
    denied=(Denied(cti=b"guest--1", exp_s=NOW_S + 60), Denied(cti=b"guest--2", exp_s=NOW_S)),
    generations=((204, 7), (205, 1)),
)
# A message of 2,048 bytes, less the tag and the request's own head.
ROOM = 2_048 - 16 - 8


def test_what_was_signed_is_what_is_read() -> None:
    assert read_denylist(sign_denylist(LIST, ISSUER), KEYS) == LIST
    assert read_time(sign_time(NONCE, NOW_S, ISSUER), NONCE, KEYS) == NOW_S
    assert read_issuer(sign_issuer(CERTIFICATE, ISSUER), ISSUER.public_key()) == CERTIFICATE


def test_the_longest_denylist_fits_one_message() -> None:
    longest = Denylist(
        seq=2**32 - 1,
        issued_s=2**40 - 1,
        denied=tuple(
            Denied(cti=n.to_bytes(8, "big"), exp_s=2**32 - 1) for n in range(DENIED_PER_LIST_MAX)
        ),
        generations=tuple(
            (2**32 - 1 - GENERATIONS_PER_LIST_MAX + n, 2**32 - 1)
            for n in range(GENERATIONS_PER_LIST_MAX)
        ),
    )
    data = sign_denylist(longest, ISSUER)
    assert len(data) <= ROOM
    assert read_denylist(data, KEYS) == longest


def test_a_paper_of_one_kind_is_none_of_another() -> None:
    key = Claims(exp_s=NOW_S, nbf_s=0, cti=b"guest--1", doors=((204, 1),), gen=1)
    papers = [
        sign(key, ISSUER),
        sign_denylist(LIST, ISSUER),
        sign_time(NONCE, NOW_S, ISSUER),
        sign_issuer(CERTIFICATE, ISSUER),
    ]
    readers: list[Callable[[bytes], Any]] = [
        lambda data: read_denylist(data, KEYS),
        lambda data: read_time(data, NONCE, KEYS),
        lambda data: read_issuer(data, ISSUER.public_key()),
    ]
    for at, reader in enumerate(readers, 1):
        for number, paper in enumerate(papers):
            assert (reader(paper) is Flaw.BAD_SIGNATURE) == (number != at)


def test_a_time_for_another_nonce_is_refused() -> None:
    assert read_time(sign_time(NONCE, NOW_S, ISSUER), bytes(16), KEYS) is Flaw.BAD_FRAME


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_and_nothing_is_raised(data: bytes) -> None:
    for found in (
        read_denylist(data, KEYS),
        read_time(data, NONCE, KEYS),
        read_issuer(data, ISSUER.public_key()),
    ):
        assert isinstance(found, Flaw)


@pytest.mark.parametrize(
    "payload",
    [
        [4, NOW_S, [], []][:3],
        [0, NOW_S, [], []],
        [4, -1, [], []],
        [4, NOW_S, [[b"short", 1]], []],
        [4, NOW_S, [[b"guest--2", 1], [b"guest--1", 1]], []],
        [4, NOW_S, [[b"guest--1", 1], [b"guest--1", 1]], []],
        [4, NOW_S, [], [[204, -1]]],
        [4, NOW_S, [], [[204, 1], [204, 2]]],
        [4, NOW_S, [[b"guest--1"]], []],
        [4, NOW_S, [], [[1]]],
        [4, NOW_S, [], [], 0],
        {1: 1},
        "text",
    ],
)
def test_an_issuer_that_signs_nonsense_is_not_followed(payload: Any) -> None:
    body = cbor2.dumps(payload, canonical=True)
    data = sign1(body, ISSUER, aad=b"NPK1-CRL", kid=kid_of(ISSUER.public_key()))
    assert read_denylist(data, KEYS) is Flaw.BAD_FRAME


@pytest.mark.parametrize(
    "change",
    [
        {3: 5},
        {4: NOW_S - 1},
        {4: NOW_S + 367 * 86_400},
        {5: "x"},
        {8: {1: {}}},
        {-65537: 1},
        {-65540: -1},
        {7: b"more"},
    ],
)
def test_a_root_that_signs_nonsense_is_not_followed(change: dict[int, Any]) -> None:
    point = point_of(ISSUER.public_key())
    key = {1: 2, -1: 1, -2: point[1:33], -3: point[33:]}
    body = {3: "marina", 4: NOW_S + 60, 5: NOW_S, 8: {1: key}, -65537: 3, -65540: 2} | change
    data = sign1(
        cbor2.dumps(body, canonical=True),
        ISSUER,
        aad=b"NPK1-ISSUER",
        kid=kid_of(ISSUER.public_key()),
    )
    assert read_issuer(data, ISSUER.public_key()) is Flaw.BAD_FRAME
