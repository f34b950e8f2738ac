"""Every text of every command that a person may ask is tried with a card number, and refused."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Final

import pytest

from appliance.engines.stays.messages import LearnBooking
from appliance.kernel.card_numbers import holds_card_number
from appliance.kernel.codec import encode
from appliance.kernel.messages import Command, KernelRefusal, Role, Who, command_of
from appliance.rooms import ENGINES
from support.desk import SYNC, Desk
from support.hotel import Hotel, booking

CARD: Final = "4111 1111 1111 1111"
HANDLED: Final = {handling.command for engine in ENGINES for handling in engine.handlings}
ASKED: Final = sorted(
    (command for command in command_of.values() if command in HANDLED),
    key=lambda command: command.name,
)


def sample(kind: Any) -> Any:
    """Any value of a type, without a text that says anything."""
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        return sample(next(each for each in typing.get_args(kind) if each is not type(None)))
    if origin is tuple:
        arguments = typing.get_args(kind)
        return tuple(sample(each) for each in arguments if each is not Ellipsis)
    if origin is frozenset:
        return frozenset()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        hints = typing.get_type_hints(kind)
        return kind(**{each.name: sample(hints[each.name]) for each in dataclasses.fields(kind)})
    plain: dict[Any, Any] = {str: "x", int: 1, bool: False, date: date(2026, 11, 1), bytes: b""}
    return plain[kind]


def with_card(value: Any) -> Iterator[Any]:
    """The value again for each text in it, with a card number in that one's place."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield f"card {CARD} thanks"
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            for other in with_card(each):
                yield (*value[:number], other, *value[number + 1 :])
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            for other in with_card(getattr(value, field.name)):
                yield dataclasses.replace(value, **{field.name: other})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("cards"), ENGINES)
    yield desk
    assert CARD not in "".join(desk.db.iterdump())
    desk.close()


@pytest.mark.parametrize("command", ASKED, ids=lambda command: command.name)
def test_no_text_that_a_person_types_lets_one_through(desk: Desk, command: type[Command]) -> None:
    people = sorted(command.roles - {Role.SERVICE})
    for role in people[:1]:
        for tried in with_card(sample(command)):
            who = Who(actor="staff:somebody", role=role, terminal="desk-1")
            assert desk.refused(tried, who) == KernelRefusal.CARD_NUMBER, tried


def test_what_sync_learns_is_kept_without_it(tmp_path: Path) -> None:
    """A guest may have typed one at an agency: the booking stands, the number does not."""
    hotel = Hotel(tmp_path)
    shown = {"guests", "note"}  # what somebody typed; the rest are the PMS's own ids
    for number, field in enumerate(sorted(shown)):
        plain = booking(f"up-{number}", note="late")
        for other in with_card(getattr(plain, field)):
            hotel.done(dataclasses.replace(plain, **{field: other}), SYNC)
            break
    assert {each.name for each in dataclasses.fields(LearnBooking)} >= shown
    assert CARD not in "".join(hotel.db.iterdump())
    hotel.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (CARD, True),
        ("4111-1111-1111-1111", True),
        ("٤١١١١١١١١١١١١١١١", True),
        ("+43 1 2345678", False),
        ("+49 151 12345674", False),  # 13 digits that pass Luhn, with a plus: a telephone
        ("+4111111111111111", True),  # no telephone has sixteen
        ("04" + "4111111111111111" * 8, False),  # a public point, in hex
        ("", False),
    ],
)
def test_what_looks_like_one(text: str, found: bool) -> None:  # noqa: FBT001
    @dataclasses.dataclass(frozen=True)
    class Said:
        text: str
        deep: tuple[dict[str, str], ...] = ()

    for said in (Said(text=text), Said(text="", deep=({"a": text},))):
        assert holds_card_number(said, encode(said)) is found
