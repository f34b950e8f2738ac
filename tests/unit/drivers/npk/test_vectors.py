"""The published vectors are what this code does, so another implementation can trust them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from drivers.npk.codes import Message, ProtocolError
from drivers.npk.frames import Reassembler
from drivers.npk.vectors import PLACE, text

FILE: dict[str, Any] = json.loads(PLACE.read_text())


def test_the_published_file_is_true() -> None:
    assert PLACE.read_text() == text(), "python -m drivers.npk.vectors writes it"


@pytest.mark.parametrize("case", FILE["framing"], ids=lambda case: case["value_bytes"])
def test_published_frames_give_the_published_messages(case: dict[str, Any]) -> None:
    for names in (("m1", "m3"), ("m2", "m4")):
        inward = Reassembler()
        for name in names:
            found = [inward.feed(bytes.fromhex(frame)) for frame in case[name]]
            whole = (int(Message[name.upper()]), bytes.fromhex(FILE["handshake"][name]))
            assert found == [None] * (len(found) - 1) + [whole]


@pytest.mark.parametrize("case", FILE["bad_frames"], ids=lambda case: case["why"])
def test_published_bad_frames_end_the_connection(case: dict[str, Any]) -> None:
    inward = Reassembler()
    *good, last = [bytes.fromhex(frame) for frame in case["frames"]]
    if case["why"] == "out of order":
        good, last = [], good[0]
    for frame in good:
        assert inward.feed(frame) is None
    with pytest.raises(ProtocolError):
        inward.feed(last)


def test_published_refusals_say_what_their_name_says() -> None:
    said = {case["name"]: case["status"] for case in FILE["refusals"]}
    assert said == {
        "wrong_door": "WRONG_DOOR",
        "wrong_property": "WRONG_DOOR",
        "expired": "EXPIRED",
        "not_yet": "NOT_YET",
        "outside_its_hours": "SCHEDULE",
        "unknown_issuer": "UNKNOWN_ISSUER",
        "copied_key": "BAD_SIGNATURE",
        "clock_lost": "NO_TIME",
    }
