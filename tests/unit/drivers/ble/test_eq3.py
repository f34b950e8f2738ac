"""The eQ-3's frames against what its published captures say."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import eq3


@pytest.mark.parametrize(
    ("asked_c10", "kept_c10"),
    [(210, 210), (212, 210), (213, 215), (217, 215), (218, 220), (0, 45), (999, 300)],
)
def test_a_set_point_is_the_nearest_that_the_dial_has(asked_c10: int, kept_c10: int) -> None:
    assert eq3.nearest_c10(asked_c10) == kept_c10
    assert eq3.set_point(asked_c10) == bytes([0x41, kept_c10 // 5])


def test_the_time_of_day_is_told_in_the_houses_own_zone() -> None:
    local = dt.datetime(2026, 11, 28, 23, 5, 9)  # noqa: DTZ001 - local by definition
    assert eq3.set_time(local) == bytes([0x03, 26, 11, 28, 23, 5, 9])


def test_a_status_is_read_bit_by_bit() -> None:
    status = eq3.read(bytes.fromhex("0201b55a0428"))
    assert status == eq3.Status(
        set_point_c10=200,
        valve_pct=90,
        manual=True,
        boost=True,
        window_open=True,
        locked=True,
        battery_low=True,
    )
    quiet = eq3.read(bytes.fromhex("020100000409"))
    assert isinstance(quiet, eq3.Status)
    assert not quiet.heating


def test_an_identity_is_read() -> None:
    frame = bytes([0x01, 120, 0, 0]) + bytes(c + 0x30 for c in b"OEQ1234567") + b"\0"
    assert eq3.read(frame) == eq3.Identity(firmware=120, serial="OEQ1234567")


def test_the_other_frames() -> None:
    assert eq3.ask_identity() == b"\x00"
    assert eq3.set_manual() == b"\x40\x40"
    assert eq3.set_boost(on=True) == b"\x45\x01"
    assert eq3.set_boost(on=False) == b"\x45\x00"
    assert eq3.set_lock(on=True) == b"\x80\x01"


@given(st.binary(max_size=20))
def test_no_bytes_break_the_reader(frame: bytes) -> None:
    assert isinstance(eq3.read(frame), eq3.Status | eq3.Identity | None)
