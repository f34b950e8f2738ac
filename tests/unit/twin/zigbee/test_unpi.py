"""Frames of the serial line: whole whatever the pieces, found again after noise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.zigbee.unpi import DATA_BYTES_MAX, SOF, Frame, Splitter, encode

FRAMES = st.builds(
    Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=DATA_BYTES_MAX)
)


def test_a_frame_is_written_as_the_api_says() -> None:
    # SYS_PING and its answer, from the MT API.
    assert encode(Frame(0x21, 0x01, b"")).hex() == "fe00210120"
    assert encode(Frame(0x61, 0x01, b"\x59\x06")).hex() == "fe02610159063d"


def test_data_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="250"):
        encode(Frame(0, 0, bytes(DATA_BYTES_MAX + 1)))


@given(st.lists(FRAMES, max_size=5), st.integers(1, 40))
def test_frames_come_out_whole_whatever_the_pieces(frames: list[Frame], size: int) -> None:
    line = b"".join(map(encode, frames))
    splitter = Splitter()
    found = [
        frame for at in range(0, len(line), size) for frame in splitter.feed(line[at : at + size])
    ]
    assert found == frames
    assert splitter.dropped == 0


@given(FRAMES, st.integers(0))
def test_a_flipped_bit_is_never_taken_for_the_frame_it_was(frame: Frame, where: int) -> None:
    line = bytearray(encode(frame))
    bit = where % (len(line) * 8)
    line[bit // 8] ^= 1 << bit % 8
    assert frame not in list(Splitter().feed(bytes(line)))


def test_after_noise_the_line_is_found_again() -> None:
    chance = random.Random(4)
    for _ in range(200):
        junk = bytes(b for b in chance.randbytes(chance.randrange(60)) if b != SOF)
        splitter = Splitter()
        wanted = Frame(0x45, 0x82, chance.randbytes(20))
        assert list(splitter.feed(junk + encode(wanted))) == [wanted]
        assert (splitter.dropped > 0) == bool(junk)


def test_a_false_start_swallows_only_what_it_claims() -> None:
    """Noise that looks like a start costs at most the frames below its length, never the line."""
    splitter = Splitter()
    frames = [Frame(0x61, n, b"ab") for n in range(60)]
    found = list(splitter.feed(bytes((SOF, DATA_BYTES_MAX)) + b"".join(map(encode, frames))))
    assert found == frames
