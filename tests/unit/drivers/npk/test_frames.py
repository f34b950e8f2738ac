"""Frames give back the message or end the connection, whatever happens to them on the way."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.npk.codes import MESSAGE_BYTES_MAX, ProtocolError
from drivers.npk.frames import FRAME_GAP_MS_MAX, REPEATS_MAX, Framer, Reassembler

MESSAGE = bytes(range(200))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=400)), max_size=12),
    st.integers(20, 512),
)
def test_what_was_split_comes_out_whole_and_in_order(
    messages: list[tuple[int, bytes]], value_bytes: int
) -> None:
    out, inward = Framer(), Reassembler()
    for message in messages:
        frames = out.split(*message, value_bytes)
        assert all(len(frame) <= value_bytes for frame in frames)
        found = [inward.feed(frame) for frame in frames]
        assert found == [None] * (len(found) - 1) + [message]


def test_the_longest_message_fits_and_one_byte_more_does_not() -> None:
    longest = bytes(MESSAGE_BYTES_MAX)
    inward = Reassembler()
    assert [inward.feed(f) for f in Framer().split(1, longest, 20)][-1] == (1, longest)
    with pytest.raises(ValueError, match="at most"):
        Framer().split(1, longest + b"\0", 20)


@pytest.mark.parametrize("value_bytes", [19, 513])
def test_a_value_size_that_no_link_has_is_refused(value_bytes: int) -> None:
    with pytest.raises(ValueError, match="20 to 512"):
        Framer().split(1, b"", value_bytes)


def test_every_frame_said_twice_makes_one_message() -> None:
    out, inward = Framer(), Reassembler()
    for number in range(40):
        frames = out.split(number, MESSAGE, 64)
        found = [inward.feed(f) for frame in frames for f in (frame, frame)]
        assert [message for message in found if message] == [(number, MESSAGE)]


def test_a_stack_that_repeats_for_ever_is_hung_up_on() -> None:
    inward = Reassembler()
    (frame,) = Framer().split(1, b"", 20)
    for _ in range(REPEATS_MAX + 1):
        inward.feed(frame)
    with pytest.raises(ProtocolError, match="repeated"):
        inward.feed(frame)


@pytest.mark.parametrize("lost", range(5))
def test_a_lost_frame_ends_the_connection(lost: int) -> None:
    frames = [*Framer().split(1, MESSAGE, 50), b"\xc5\x01\x00\x00"]
    del frames[lost]
    inward = Reassembler()
    assert [inward.feed(frame) for frame in frames[:lost]] == [None] * lost
    with pytest.raises(ProtocolError):
        inward.feed(frames[lost])


def test_no_other_order_of_the_frames_gives_a_message() -> None:
    frames = Framer().split(1, MESSAGE[:60], 20)
    for order in itertools.permutations(frames):
        if order == frames:
            continue
        inward = Reassembler()
        found: list[object] = []
        try:
            found = [inward.feed(frame) for frame in order]
        except ProtocolError:
            continue
        assert found == [None] * len(frames)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.binary(max_size=600), max_size=8))
def test_any_bytes_give_a_message_or_the_protocol_error(frames: list[bytes]) -> None:
    inward = Reassembler()
    for frame in frames:
        try:
            inward.feed(frame)
        except ProtocolError:
            return


def test_a_pause_inside_a_message_ends_it_and_a_pause_between_messages_does_not() -> None:
    out, inward = Framer(), Reassembler()
    first, *_ = out.split(1, MESSAGE, 150)
    inward.feed(first, 0)
    assert inward.midway
    with pytest.raises(ProtocolError, match="pause"):
        inward.feed(b"\x41" + MESSAGE[146:], FRAME_GAP_MS_MAX + 1)
    out, inward = Framer(), Reassembler()
    inward.feed(out.split(1, b"", 20)[0], 0)
    assert inward.feed(out.split(2, b"", 20)[0], 60_000) == (2, b"")
