"""ZCL on the wire: values there and back, headers as the specification draws them."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.zigbee.zcl import Header, Kind, pack, unpack

WHOLE = {
    Kind.BOOL: (0, 1), Kind.U8: (0, 0xFF), Kind.U16: (0, 0xFFFF), Kind.U24: (0, 0xFFFFFF),
    Kind.U32: (0, 0xFFFFFFFF), Kind.U48: (0, 2**48 - 1), Kind.S8: (-128, 127),
    Kind.S16: (-(2**15), 2**15 - 1), Kind.S24: (-(2**23), 2**23 - 1),
    Kind.S32: (-(2**31), 2**31 - 1), Kind.ENUM8: (0, 0xFF), Kind.ENUM16: (0, 0xFFFF),
    Kind.MAP8: (0, 0xFF), Kind.MAP16: (0, 0xFFFF), Kind.MAP32: (0, 0xFFFFFFFF),
    Kind.UTC: (0, 0xFFFFFFFF),
}  # fmt: skip


@pytest.mark.parametrize("kind", WHOLE)
@given(data=st.data())
def test_a_number_comes_back_and_leaves_the_rest(kind: Kind, data: st.DataObject) -> None:
    value = data.draw(st.integers(*WHOLE[kind]))
    assert unpack(kind, pack(kind, value) + b"rest") == (value, b"rest")


@pytest.mark.parametrize("kind", WHOLE)
def test_a_number_outside_its_type_is_refused(kind: Kind) -> None:
    low, high = WHOLE[kind]
    for value in (low - 1, high + 1):
        if kind is Kind.BOOL and value == 2:
            continue
        with pytest.raises((struct.error, OverflowError)):
            pack(kind, value)


@given(st.binary(max_size=255))
def test_text_carries_its_length(text: bytes) -> None:
    assert pack(Kind.STRING, text) == bytes((len(text),)) + text
    assert unpack(Kind.OCTETS, pack(Kind.OCTETS, text) + b"x") == (text, b"x")


def test_a_float_and_an_address_come_back() -> None:
    value, rest = unpack(Kind.SINGLE, pack(Kind.SINGLE, 21.5))
    assert isinstance(value, float)
    assert math.isclose(value, 21.5)
    assert rest == b""
    assert unpack(Kind.EUI64, pack(Kind.EUI64, b"12345678")) == (b"12345678", b"")


@pytest.mark.parametrize("raw", [b"", b"\x05abc", b"\x01"])
def test_a_value_that_is_cut_short_is_refused(raw: bytes) -> None:
    for kind in (Kind.U32, Kind.STRING, Kind.U24):
        if kind is Kind.STRING and raw == b"\x01":
            raw = b"\x02a"
        with pytest.raises((ValueError, IndexError)):
            unpack(kind, raw[:2])


def test_a_type_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="99"):
        unpack(99, b"1234")


@given(
    st.builds(
        Header,
        tsn=st.integers(0, 255),
        command=st.integers(0, 255),
        specific=st.booleans(),
        to_client=st.booleans(),
        no_default_rsp=st.booleans(),
        manufacturer=st.none() | st.integers(0, 0xFFFF),
    ),
    st.binary(max_size=8),
)
def test_a_header_comes_back(header: Header, body: bytes) -> None:
    assert Header.read(header.write() + body) == (header, body)


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\x01\x02", b"\x05\x02\x10\x00"])
def test_a_frame_without_a_header_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no ZCL header"):
        Header.read(raw)
