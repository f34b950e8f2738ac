"""The strict reader takes the deterministic form and nothing else."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.cbor import NotStrictError, read

simple = st.recursive(
    st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 2**40), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(simple)
def test_the_strict_reader_agrees_with_the_general_one(item: object) -> None:
    data = cbor2.dumps(item, canonical=True)
    try:
        assert read(data) == item
    except NotStrictError as why:
        assert "deep" in str(why)  # noqa: PT017 - the one allowed reason


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60))
def test_what_is_read_has_one_spelling(data: bytes) -> None:
    try:
        item = read(data)
    except NotStrictError:
        return
    assert cbor2.dumps(item, canonical=True) == data or isinstance(item, dict)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x18\x05", id="a small number written long"),
        pytest.param(b"\x9b" + b"\xff" * 8, id="an array of 2^64"),
        pytest.param(b"\x5b" + b"\xff" * 8, id="a string of 2^64"),
        pytest.param(b"\x5f\x41a\xff", id="indefinite length"),
        pytest.param(b"\xd8\x23\x61(", id="a regular expression"),
        pytest.param(b"\xc5\x82\x1b" + b"\x7f" * 8 + b"\x03", id="a huge number in disguise"),
        pytest.param(b"\xf5", id="a truth value"),
        pytest.param(b"\x81" * 4000 + b"\x01", id="nested 4,000 deep"),
        pytest.param(b"\xa2\x01\x01\x01\x02", id="a repeated map key"),
        pytest.param(b"\xa1\x61a\x01", id="a text for a map key"),
        pytest.param(b"\x61\xff", id="text that is not UTF-8"),
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(NotStrictError):
        read(data)
