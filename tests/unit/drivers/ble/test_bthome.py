"""BTHome v2 read from the published format's own examples."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble.bthome import Guard, Measured, Unread, read
from drivers.ble.bthome_table import FORMS, Quantity

ADDRESS = bytes.fromhex("5448E68F80A5")
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
# bthome.io/encryption: 25.06 degrees, 50.55 percent.
SEALED = bytes.fromhex("41a47266c95f730011223378237214")


def sealed(body: bytes, counter: int, key: bytes = KEY, address: bytes = ADDRESS) -> bytes:
    info, count = b"\x41", counter.to_bytes(4, "little")
    box = AESCCM(key, tag_length=4).encrypt(address + b"\xd2\xfc" + info + count, body, None)
    return info + box[:-4] + count + box[-4:]


def taken(data: bytes, key: bytes | None = None) -> Measured:
    measured = read(data, address=ADDRESS, key=key)
    assert isinstance(measured, Measured), measured
    return measured


def test_the_published_example_in_clear_is_understood() -> None:
    measured = taken(bytes.fromhex("4002ca0903bf13"))
    assert round(measured.last(Quantity.TEMPERATURE) or 0) == 251
    assert round(measured.last(Quantity.HUMIDITY) or 0) == 506
    assert not measured.triggered


def test_the_published_encrypted_example_is_understood() -> None:
    measured = taken(SEALED, KEY)
    assert round(measured.last(Quantity.TEMPERATURE) or 0) == 251
    assert measured.counter == 0x33221100


@pytest.mark.parametrize(
    ("data", "quantity", "value"),
    [
        ("402001", Quantity.WET, 1),
        ("402000", Quantity.WET, 0),
        ("401a01", Quantity.OPENING, 1),
        ("402d01", Quantity.OPENING, 1),
        ("401501", Quantity.BATTERY_LOW, 1),
        ("400161", Quantity.BATTERY, 97),
        ("443a02", Quantity.BUTTON, 2),
        ("4045f6ff", Quantity.TEMPERATURE, -10),
        ("4057ea", Quantity.TEMPERATURE, -220),
        ("404f877b0600", Quantity.WATER, 424_839),
        ("400a138a14", Quantity.ENERGY, 1_346_067),
        ("400b021b00", Quantity.POWER, 691.4),
        ("4005138a14", Quantity.LIGHT, 13_460.67),
        ("405c02fbffff", Quantity.POWER, -127.8),
    ],
)
def test_each_object_means_what_the_format_says(
    data: str, quantity: Quantity, value: float
) -> None:
    assert taken(bytes.fromhex(data)).last(quantity) == pytest.approx(value)


def test_what_we_do_not_use_is_skipped_by_its_length() -> None:
    measured = taken(bytes.fromhex("4000ff04138a01530248492001"))
    assert measured.packet == 255
    assert measured.last(Quantity.WET) == 1


def test_several_of_one_kind_are_told_in_order() -> None:
    measured = taken(bytes.fromhex("4002ca0902e803"))
    assert [round(value) for quantity, value in measured.values] == [251, 100]


@pytest.mark.parametrize(
    ("data", "key", "why"),
    [
        (b"", None, Unread.NOT_OURS),
        (b"\x20\x02\x01", None, Unread.NOT_OURS),  # version 1
        (bytes(256), None, Unread.NOT_OURS),
        (b"\x40\x02\xca", None, Unread.TRUNCATED),
        (b"\x40\x53", None, Unread.TRUNCATED),
        (b"\x40\x53\x09hi", None, Unread.TRUNCATED),
        (b"\x40\xee\x01", None, Unread.UNKNOWN_OBJECT),
        (SEALED, None, Unread.KEY_MISSING),
        (SEALED[:8], KEY, Unread.TRUNCATED),
        (SEALED[:-1] + b"\x00", KEY, Unread.BAD_TAG),
        (bytes.fromhex("402001"), KEY, Unread.NOT_ENCRYPTED),
    ],
)
def test_what_cannot_be_trusted_is_not_taken(data: bytes, key: bytes | None, why: Unread) -> None:
    assert read(data, address=ADDRESS, key=key) is why


def test_a_neighbours_sensor_under_our_address_is_not_believed() -> None:
    assert read(sealed(b"\x20\x01", 7), address=bytes(6), key=KEY) is Unread.BAD_TAG


@given(data=st.binary(max_size=64), key=st.sampled_from([None, KEY]))
def test_no_bytes_break_the_reader(data: bytes, key: bytes | None) -> None:
    found = read(b"\x40" + data, address=ADDRESS, key=key)
    assert isinstance(found, Measured | Unread)


def test_a_packet_said_again_is_one_packet() -> None:
    guard, data = Guard(), bytes.fromhex("40002a2001")
    assert guard.fresh(data, taken(data)) is True
    assert guard.fresh(data, taken(data)) is False
    other = bytes.fromhex("40002b2001")
    assert guard.fresh(other, taken(other)) is True


def test_without_a_packet_number_the_same_bytes_are_one_report() -> None:
    guard, data = Guard(), bytes.fromhex("402001")
    assert guard.fresh(data, taken(data)) is True
    assert guard.fresh(data, taken(data)) is False
    dry = bytes.fromhex("402000")
    assert guard.fresh(dry, taken(dry)) is True
    assert guard.fresh(data, taken(data)) is True


def test_a_recorded_packet_played_again_is_refused() -> None:
    guard = Guard()
    for counter in (500, 501, 502):
        data = sealed(b"\x20\x00", counter)
        assert guard.fresh(data, taken(data, KEY)) is True
    replayed = sealed(b"\x20\x00", 501)
    assert guard.fresh(replayed, taken(replayed, KEY)) is Unread.REPLAYED
    again = sealed(b"\x20\x00", 502)
    assert guard.fresh(again, taken(again, KEY)) is False


def test_new_cells_begin_a_new_count_and_a_leak_is_still_heard() -> None:
    guard = Guard()
    for counter in (90_000, 3):
        data = sealed(b"\x20\x01", counter)
        assert guard.fresh(data, taken(data, KEY)) is True


def test_the_counter_runs_over_its_end() -> None:
    guard = Guard()
    for counter in (0xFFFF_FFFF, 0, 1):
        data = sealed(b"\x20\x01", counter)
        assert guard.fresh(data, taken(data, KEY)) is True


def test_every_known_object_can_be_skipped_or_read() -> None:
    for number, form in FORMS.items():
        measured = taken(b"\x40" + bytes([number]) + bytes(form.size))
        assert len(measured.values) <= 1
