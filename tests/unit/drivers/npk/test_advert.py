"""What a lock shouts fits, tells its own property which door it is, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bus.words import LockRefusal
from drivers.npk.advert import (
    Advert,
    advertisement,
    door_tag,
    info,
    maker_data,
    read_advertisement,
    read_info,
    read_maker_data,
)
from drivers.npk.codes import Flag, ProtocolError, Status, command_id, refusal_of, status_of
from support.npk_bench import NpkBench

SALT = b"property"


def test_an_advertisement_has_29_bytes_and_says_what_it_said() -> None:
    data = advertisement(Flag.PRIVACY, door_tag(SALT, 204))
    assert len(data) == 29
    assert read_advertisement(data) == Advert(Flag.PRIVACY, door_tag(SALT, 204))
    assert read_maker_data(maker_data(3, b"abc")) == Advert(3, b"abc")


@given(st.binary(max_size=31))
def test_anything_else_in_the_air_is_none_of_ours(data: bytes) -> None:
    assert read_advertisement(data) is None
    assert len(data) == 4 or read_maker_data(data) is None


def test_the_same_door_of_another_property_has_another_tag() -> None:
    tags = {door_tag(salt, number) for salt in (SALT, b"other") for number in range(200)}
    assert len(tags) == 400


def test_a_lock_shouts_that_its_log_waits_until_it_was_collected() -> None:
    bench = NpkBench()
    found = read_advertisement(bench.lock.advertisement())
    assert found is not None
    assert found.flags & Flag.LOG_WAITING


def test_anybody_may_read_the_version_the_door_and_the_longest_message() -> None:
    assert read_info(info(204)) == (204, 2_048)
    assert read_info(NpkBench().lock.info()) == (204, 2_048)
    for data in (b"", b"\x83\x02\x18\xcc\x19\x08\x00", b"\x83\x01\x20\x01"):
        with pytest.raises(ProtocolError):
            read_info(data)


@pytest.mark.parametrize("refusal", LockRefusal)
def test_every_word_of_a_lock_has_a_number_and_comes_back(refusal: LockRefusal) -> None:
    assert refusal_of(status_of(refusal)) is refusal


def test_a_number_of_a_newer_lock_is_a_no() -> None:
    assert refusal_of(30) is LockRefusal.NOT_SUPPORTED
    assert refusal_of(Status.DONE) is None
    assert refusal_of(Status.UNKNOWN) is None


def test_an_order_has_one_name_on_the_air() -> None:
    assert command_id("order-1") == command_id("order-1")
    assert len(command_id("order-1")) == 8
    assert command_id("order-1") != command_id("order-2")
