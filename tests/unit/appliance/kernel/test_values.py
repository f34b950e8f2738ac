"""Promises of ids, codes, names, windows and the card numbers no text may hold."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel.values import (
    Window,
    code_from,
    crockford,
    derived_id,
    looks_like_card_number,
    nights,
    normalise_name,
    read_code,
    spoken_code,
)


def test_the_same_parts_make_the_same_id_for_ever() -> None:
    assert derived_id("key", "s1", "d1") == "key_v70nq1mzdqks6g2x"
    assert derived_id("key", "s1", "d1") != derived_id("key", "s1d1", "")
    assert derived_id("key", "s1") != derived_id("pin", "s1")


def test_crockford_writes_the_bits_in_order() -> None:
    assert crockford(b"\x00") == "00"
    assert crockford(b"\xff\xff\xff\xff\xff") == "ZZZZZZZZ"
    assert crockford(bytes(range(5))) == "000G40R4"


@given(st.binary(min_size=10, max_size=16))
def test_a_code_reads_back_however_it_is_typed(secret: bytes) -> None:
    code = code_from(secret)
    sloppy = spoken_code(code).lower().replace("0", "o").replace("1", "l").replace("-", " - ")
    assert read_code(spoken_code(code)) == code
    assert read_code(sloppy) == code


@pytest.mark.parametrize("typed", ["", "SHORT", "ABCDEFGHU1", "ABCDE!FGHJK", "A" * 33, "A" * 5000])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert read_code(typed) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("García-López", "garcia lopez"),
        ("O'Neil", "ONEIL"),
        ("Strauß", "STRAUSS"),
        ("Łukasz Ørsted", "lukasz orsted"),
        ("İpek", "ipek"),
        ("ﬁne", "FINE"),
        ("Нина", "НИНА"),
    ],
)
def test_names_are_compared_as_people_mean_them(one: str, other: str) -> None:
    assert normalise_name(one) == normalise_name(other) != ""


@given(st.text())
def test_normalising_a_name_twice_changes_nothing(name: str) -> None:
    assert normalise_name(normalise_name(name)) == normalise_name(name)


def test_windows_that_only_touch_do_not_overlap() -> None:
    first, second = Window(start=0, end=5), Window(start=5, end=9)
    assert not first.overlaps(second)
    assert first.overlaps(Window(start=4, end=5))
    assert not first.overlaps(Window(start=3, end=3))
    assert [first.holds(moment) for moment in (0, 4, 5)] == [True, True, False]
    with pytest.raises(ValueError, match="cannot end at 1 before it starts at 2"):
        Window(start=2, end=1)


def test_nights_hold_the_arrival_and_not_the_departure() -> None:
    assert nights(date(2016, 2, 28), date(2016, 3, 1)) == (date(2016, 2, 28), date(2016, 2, 29))
    assert nights(date(2016, 2, 28), date(2016, 2, 28)) == ()
    for departure in (date(2016, 2, 27), date(2030, 1, 1)):
        with pytest.raises(ValueError, match="a stay from 2016-02-28"):
            nights(date(2016, 2, 28), departure)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111 exp 12/27",
        "room 204 4111-1111-1111-1111",
        "3782 822463 10005",
        "4222222222222",
        "4111\u00a01111\u20111111 1111",
        "٤١١١١١١١١١١١١١١١",
        "4111 1111 1111 1111".translate({digit: digit + 0xFEE0 for digit in range(0x30, 0x3A)}),
        "6304 0000 0000 0000 000",
    ],
)
def test_a_card_number_is_found_however_it_is_written(text: str) -> None:
    assert looks_like_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+34 600 123 456",
        "room 204, 2 guests, arrives 18:00",
        "4111 1111 1111 1112",
        "411111111111",
        "4111 1111 and then 1111 1111",
        "2016-08-01 to 2016-08-31",
        "1" * 40,
    ],
)
def test_an_ordinary_text_is_left_alone(text: str) -> None:
    assert not looks_like_card_number(text)
