"""Bytes that are not what they should be end the session, move no bolt and raise nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.npk.codes import Command, Message, Op, ProtocolError
from drivers.npk.frames import Framer
from support.npk_bench import NpkBench, Phone

# The same bench for all flips: a lock in real life is the same too.
BENCH = NpkBench()


def greeted() -> Phone:
    """A phone that is one message from opening the door, on a lock that has rested."""
    BENCH.wait(60)
    phone = BENCH.phone()
    phone.greet()
    return phone


def flips(data: bytes) -> list[bytes]:
    """Each with one bit changed."""
    found = []
    for bit in range(len(data) * 8):
        bent = bytearray(data)
        bent[bit // 8] ^= 1 << bit % 8
        found.append(bytes(bent))
    return found


def test_no_flipped_bit_of_m1_gives_a_session() -> None:
    before = BENCH.moves
    for bit in range(87 * 8):
        BENCH.wait(60)
        phone = BENCH.phone()
        m1 = phone.session.m1()
        answers = phone.send(Message.M1, flips(m1)[bit])
        if answers and answers[0][0] == Message.M2:
            with pytest.raises(ProtocolError):
                phone.session.on_m2(answers[0][1])
        else:
            assert phone.hung_up
        phone.link.close()
    assert BENCH.moves == before


def test_no_flipped_bit_of_m2_is_taken_by_the_phone() -> None:
    BENCH.wait(60)
    phone = BENCH.phone()
    m2 = phone.ask(Message.M1, phone.session.m1(), Message.M2)
    phone.link.close()
    for bent in flips(m2):
        with pytest.raises(ProtocolError):
            phone.session.on_m2(bent)
    assert phone.session.on_m2(m2).lock_id == 204


def test_no_flipped_bit_of_m3_moves_the_bolt() -> None:
    before = BENCH.opened
    for bit in range(len(greeted().session.m3(Command.UNLOCK, b"press--1")) * 8):
        phone = greeted()
        bent = flips_one(phone.session.m3(Command.UNLOCK, b"press--1"), bit)
        assert phone.send(Message.M3, bent) == []
        assert phone.hung_up
    assert BENCH.opened == before


def flips_one(data: bytes, bit: int) -> bytes:
    """With this bit changed."""
    bent = bytearray(data)
    bent[bit // 8] ^= 1 << bit % 8
    return bytes(bent)


def test_no_flipped_bit_of_m4_is_taken_by_the_phone() -> None:
    phone = greeted()
    message = phone.session.m3(Command.UNLOCK, b"press--m")
    m4 = phone.ask(Message.M3, message, Message.M4)
    for bent in flips(m4):
        with pytest.raises(ProtocolError):
            phone.session.on_m4(bent)
    assert phone.session.on_m4(m4).done


def test_no_flipped_bit_of_a_frames_header_moves_the_bolt_twice() -> None:
    for bit in range(8):
        before = BENCH.opened
        phone = greeted()
        message = phone.session.m3(Command.UNLOCK, bytes([bit]) * 8)
        frames = phone.framer.split(Message.M3, message, 244)
        for frame in (flips_one(frames[0], bit), *frames[1:]):
            phone.write(frame)
        assert BENCH.opened == before


def test_no_message_cut_short_moves_the_bolt() -> None:
    before = BENCH.opened
    for size in range(0, 309, 3):
        phone = greeted()
        message = phone.session.m3(Command.UNLOCK, b"press--1")[:size]
        assert phone.send(Message.M3, message) == []
        assert phone.hung_up
    assert BENCH.opened == before


def test_m3_said_twice_in_one_session_opens_once() -> None:
    phone = greeted()
    before = BENCH.opened
    message = phone.session.m3(Command.UNLOCK, b"press--t")
    assert phone.send(Message.M3, message)
    assert phone.send(Message.M3, message) == []
    assert BENCH.opened == before + 1


@pytest.mark.parametrize("kind", [m for m in Message if m is not Message.M1])
def test_a_session_that_does_not_begin_with_m1_ends(kind: Message) -> None:
    BENCH.wait(60)
    phone = BENCH.phone()
    assert phone.send(kind, bytes(40)) == []
    assert phone.hung_up


def test_a_second_m1_ends_the_session() -> None:
    phone = greeted()
    assert phone.send(Message.M1, phone.session.m1()) == []
    assert phone.hung_up


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=520), min_size=1, max_size=6))
def test_any_values_written_to_a_fresh_link_raise_nothing(values: list[bytes]) -> None:
    BENCH.wait(60)
    before = BENCH.moves
    phone = BENCH.phone()
    for value in values:
        phone.write(value)
    phone.link.close()
    assert BENCH.moves == before


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(Message)), st.binary(max_size=400))
def test_any_message_after_the_greeting_raises_nothing(kind: Message, message: bytes) -> None:
    phone = greeted()
    before = BENCH.moves
    phone.send(kind, message)
    assert phone.hung_up
    assert BENCH.moves == before


cbor_items = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=40) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 40), st.lists(cbor_items, max_size=3))
def test_any_request_of_an_admin_is_answered_and_moves_nothing(
    op: int, arguments: list[object]
) -> None:
    bench = NpkBench()
    admin = bench.admin()
    if op == Op.LOCK:
        return
    status, _ = admin.request(op, *arguments)  # type: ignore[arg-type]  # any number may come
    assert status in range(32)
    assert bench.moves == 0


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_sealed_text_in_place_of_m3_moves_nothing(text: bytes) -> None:
    phone = greeted()
    channel = phone.session._channel
    assert channel is not None
    before = BENCH.moves
    phone.send(Message.M3, channel.seal(Message.M3, text))
    assert phone.hung_up
    assert BENCH.moves == before


def test_a_link_that_has_ended_takes_nothing_more() -> None:
    phone = greeted()
    phone.link.close()
    for frame in Framer().split(Message.M1, phone.session.m1(), 244):
        assert phone.write(frame) == []
    assert phone.hung_up
