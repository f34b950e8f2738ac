"""What reading old words promises: every form of the past, sealed fields too, or a clear sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from appliance.kernel.codec import UnreadableEventError, decode_event, encode, upcast
from appliance.kernel.messages import Event, fact
from appliance.kernel.sealed import Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Event):
    """The form of today."""

    kind: ClassVar[str] = "codec_test.kept.v3"
    owner: Sealed
    floors: dict[int, str] = field(default_factory=dict)


@upcast("codec_test.kept.v1")
def _second(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "codec_test.kept.v2", {"who": fields["name"], "floors": {"1": "ground"}}


@upcast("codec_test.kept.v2")
def _third(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "codec_test.kept.v3", {"owner": fields["who"], "floors": fields["floors"]}


@upcast("codec_test.round.v1")
def _round(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "codec_test.round.v1", fields


def test_a_fact_of_the_first_release_is_read_through_every_form_since() -> None:
    sealed = Sealed(subject="person_1", box=b"\x00\xff" * 20)
    old = encode({"name": sealed})
    assert decode_event("codec_test.kept.v1", old) == Kept(owner=sealed, floors={1: "ground"})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("codec_test.kept.v1", b"{}"),
        ("codec_test.kept.v1", b'{"name": 5}'),
        ("codec_test.kept.v1", b"not json"),
        ("codec_test.kept.v3", b"not json"),
        ("codec_test.kept.v3", b'{"owner": 5}'),
        ("codec_test.round.v1", b"{}"),
        ("codec_test.never.v1", b"{}"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_way(kind: str, body: bytes) -> None:
    with pytest.raises(UnreadableEventError):
        decode_event(kind, body)
