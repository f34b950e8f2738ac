"""Promises of texts that are not sealed yet."""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict, dataclass, replace

import msgspec
import pytest

from appliance.kernel.sealed import Sealed, Unsealed, seal_later, text_of

TEXT = "Ms Ortega, allergic to cats"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noted:
    stay_id: str
    note: Sealed


def test_an_unsealed_text_never_shows_in_repr_exception_or_json() -> None:
    fact = _Noted(stay_id="s1", note=seal_later("p1", TEXT))
    said = [repr(fact), str(fact.note), f"{fact.note}", repr(fact.note.box), repr(asdict(fact))]
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError) as caught:
            encode(fact)
        said.append(str(caught.value))
    with pytest.raises(TypeError) as pickled:
        pickle.dumps(fact)
    said.append(str(pickled.value))
    assert not [each for each in said if "Ortega" in each or "cats" in each]


def test_an_unsealed_text_alone_is_not_encoded_either() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(seal_later("p1", TEXT))


def test_rules_can_be_compared_by_the_texts_they_would_seal() -> None:
    assert seal_later("p1", TEXT) == seal_later("p1", TEXT)
    assert seal_later("p1", TEXT) != seal_later("p1", "another")
    assert seal_later("p1", TEXT) != seal_later("p2", TEXT)
    assert hash(seal_later("p1", TEXT)) == hash(seal_later("p1", TEXT))


def test_an_unsealed_text_is_told_apart_from_a_sealed_one() -> None:
    unsealed = seal_later("p1", TEXT)
    assert isinstance(unsealed, Unsealed)
    assert not isinstance(Sealed(subject="p1", box=b"x"), Unsealed)
    assert unsealed != Sealed(subject="p1", box=b"x")
    assert text_of(copy.deepcopy(unsealed)) == TEXT
    assert text_of(replace(unsealed, subject="p2")) == TEXT


def test_a_sealed_text_survives_json_and_shows_the_person_only() -> None:
    fact = _Noted(stay_id="s1", note=Sealed(subject="p1", box=b"\x00\x01"))
    assert msgspec.json.decode(msgspec.json.encode(fact), type=_Noted) == fact
    assert repr(fact.note) == "Sealed(subject='p1')"
