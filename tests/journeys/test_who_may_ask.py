"""Every mutation of the API is tried by somebody who may not: nobody, a guest, a housekeeper."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    is_required_argument,
)

from appliance.web.schema import build_schema
from support.whole_house import (
    ApiClient,
    WholeHouse,
    copied,
    open_whole_house,
    property_folder,
    terminal,
)

__all__ = ["property_folder"]
_ROOT = build_schema()._schema.mutation_type
assert _ROOT is not None, "the house has mutations"
MUTATIONS: Final = _ROOT.fields
# What a housekeeper's work needs. A mutation that is added is refused to them until it stands here.
HOUSEKEEPING: Final = {
    "acknowledgeAlarm",
    "enrolPhone",
    "moveValve",
    "openDoor",
    "setRoomStatus",
    "setRoomClimate",
    "makeRequest",
    "setRequestStatus",
    "openShift",
    "closeShift",
    "removePhone",
}
# And what only a manager may do, of what a clerk is refused.
MANAGERS: Final = {
    "addStaff",
    "setAllotment",
    "changePin",
    "deactivateStaff",
    "changeSetting",
    "cutMaster",
    "evictResident",
    "revokeMaster",
    "revealMaster",
    "fitDoor",
    "shareDoor",
    "resumeFollower",
    "correctCharge",
    "settleStray",
    "agreeRent",
    "endRent",
    "matchBankLine",
    "markParkedDone",
    "editParked",
}
VALUES: Final[dict[str, str]] = {
    "String": '"some-text-of-16-chars"',
    "ID": '"nobody"',
    "Date": '"2026-11-21"',
    "Minor": "100",
    "Int": "1",
    "Boolean": "false",
    "JSON": "1",
}

NAMED: Final = {"pin": '"4826"'}  # a PIN that would do, so that the role is what refuses


def _value(kind: Any) -> str:
    match kind:
        case GraphQLNonNull():
            return _value(kind.of_type)
        case GraphQLList():
            return f"[{_value(kind.of_type)}]"
        case GraphQLEnumType():
            return str(next(iter(kind.values)))
        case GraphQLInputObjectType():
            fields = (f"{name}: {_value(field.type)}" for name, field in kind.fields.items())
            return f"{{{', '.join(fields)}}}"
        case _:
            return VALUES[kind.name]


def _call(name: str) -> str:
    field = MUTATIONS[name]
    given = [
        # One id for each: an id that comes again with another body is another refusal.
        f'id: "{name}-0123456789"'
        if argument == "id"
        else f"{argument}: {NAMED.get(argument) or _value(each.type)}"
        for argument, each in field.args.items()
        if is_required_argument(each)
    ]
    kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    wanted = ""
    if isinstance(kind, GraphQLObjectType):
        wanted = " { code }" if "code" in kind.fields else " { outcome refusal }"
    return f"mutation {{ said: {name}({', '.join(given)}){wanted} }}"


async def _refused(client: ApiClient, name: str) -> str | None:
    """The code of a refusal for the asker's role; None where only the made-up values were wrong."""
    answer = await client.ask(_call(name))
    if "errors" in answer:
        code = str(answer["errors"][0]["extensions"]["code"])
        return code if code in {"NEEDS_SIGN_IN", "NOT_FOR_YOU"} else None
    said = answer["data"]["said"]
    # A PIN of a key that is not there: the same nothing for everybody.
    return "wrong_role" if (said or {}).get("code") == "wrong_role" else None


async def _facts(house: WholeHouse) -> int:
    row = await house.box.reader.row(
        "SELECT count(*) FROM event WHERE kind NOT LIKE 'identity.session%'"
    )
    assert row is not None
    return int(row[0])


async def test_nobody_who_is_not_signed_in_can_do_anything(
    property_folder: Path, tmp_path: Path
) -> None:
    async with open_whole_house(copied(property_folder, tmp_path), tmp_path) as house:
        before = await _facts(house)
        async with terminal(house, None) as stranger:
            said = {name: await _refused(stranger, name) for name in MUTATIONS}
        assert set(said.values()) == {"NEEDS_SIGN_IN"}, said
        assert await _facts(house) == before


@pytest.mark.parametrize(
    ("person", "refused"),
    [
        ("mara", set(MUTATIONS) - HOUSEKEEPING - {"revealPin"}),
        ("ida", MANAGERS),
        ("max", set()),
    ],
)
async def test_each_role_may_do_its_own_work_and_no_other(
    property_folder: Path, tmp_path: Path, person: str, refused: set[str]
) -> None:
    async with (
        open_whole_house(copied(property_folder, tmp_path), tmp_path) as house,
        terminal(house, person) as somebody,
    ):
        before = await _facts(house)
        said = {name: await _refused(somebody, name) for name in MUTATIONS}
        assert {name for name, code in said.items() if code is not None} == refused, said
        if person == "mara":
            # Of what she may do, with things that do not exist, only her words and shift are facts.
            assert await _facts(house) <= before + 3
