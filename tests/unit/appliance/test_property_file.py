"""One file makes a property; a wrong one is answered with the sentence that cures it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from appliance.engines.inventory.messages import AddDoor, AddRoom, AddRoomType
from appliance.property_file import (
    DOOR_NUMBER_END,
    FILE_BYTES_MAX,
    BadPropertyFileError,
    commands,
    devices,
    parse,
    read,
)

EXAMPLE = (files("appliance") / "example-property.toml").read_text()


def test_the_example_that_ships_makes_fourteen_rooms_and_fifteen_doors() -> None:
    wanted = [command for _, command in commands(parse(EXAMPLE))]
    assert sum(isinstance(command, AddRoom) for command in wanted) == 14
    assert sum(isinstance(command, AddDoor) for command in wanted) == 15


def test_rates_become_minor_units_without_floats() -> None:
    types = [c for _, c in commands(parse(EXAMPLE)) if isinstance(c, AddRoomType)]
    assert [kind.rate_minor for kind in types] == [8_400, 12_000]


def test_a_door_keeps_its_number_when_rooms_are_added() -> None:
    def numbers(text: str) -> dict[str, int]:
        return {c.door_id: c.number for _, c in commands(parse(text)) if isinstance(c, AddDoor)}

    before = numbers(EXAMPLE)
    after = numbers(EXAMPLE.replace('"101-106"', '"100-106"'))
    assert before.items() <= after.items()


def test_door_numbers_are_unique_and_below_the_zones() -> None:
    text = EXAMPLE.replace('"107", "207"', '"107", "207", "ATTIC", "99999", "0107"')
    numbers = [c.number for _, c in commands(parse(text)) if isinstance(c, AddDoor)]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < DOOR_NUMBER_END for number in numbers)


def test_command_ids_are_the_same_every_time() -> None:
    assert [key for key, _ in commands(parse(EXAMPLE))] == [
        key for key, _ in commands(parse(EXAMPLE))
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('type = "double"', 'type = "palace"', "palace"),
        ('building = "main"', 'building = "annex"', "annex"),
        ('"101-106"', '"106-101"', "106-101"),
        ('"101-106"', '"1-999999"', "2000 rooms"),
        ('"107", "207"', '"101"', "101 is there twice"),
        ('roles = ["manager"]', 'roles = ["front_desk"]', "manager"),
        ('rate = "84.00"', 'rate = "84.005"', "84.005"),
        ('rate = "84.00"', 'rate = "-84.00"', "less than nothing"),
        ("sleeps = 1", 'sleeps = "one"', "sleeps"),
        ("[property]", "[propperty]", "property"),
        ('roles = ["manager"]', 'roles = ["king"]', "king"),
        ("[property]", "[property", "property"),
    ],
)
def test_a_wrong_file_is_answered_with_what_to_correct(old: str, new: str, says: str) -> None:
    with pytest.raises(BadPropertyFileError, match=says):
        list(commands(parse(EXAMPLE.replace(old, new))))


def test_a_pin_in_the_file_never_shows_in_a_repr() -> None:
    text = EXAMPLE.replace('roles = ["manager"]', 'roles = ["manager"]\npin = "8642"')
    assert "8642" not in repr(parse(text))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadPropertyFileError, match="cannot be read"):
        read(tmp_path / "missing.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(BadPropertyFileError, match="larger than"):
        read(tmp_path / "huge.toml")


def test_valves_of_rooms_and_of_the_house_are_things_of_their_own() -> None:
    text = EXAMPLE.replace('type = "double"\n', 'type = "double"\nvalves = true\n', 1)
    made = devices(list(commands(parse(f'{text}\n[[valve]]\nid = "main"\n'))))
    valves = [(thing.device_id, thing.room_id) for thing in made if thing.kind == "valve"]
    assert ("valve-101", "101") in valves
    assert ("valve-main", None) in valves
