"""Identity and live rules through GraphQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strawberry

from appliance.asked import NotForYouError
from appliance.engines.identity import api
from appliance.engines.identity.pins import matches
from appliance.engines.identity.projection import pin_hash
from appliance.engines.identity.room import ENGINE
from appliance.engines.rules import api as rules
from appliance.engines.rules.room import ENGINE as RULES
from appliance.kernel.messages import Role, Who
from appliance.kernel.reader import open_reader
from support.asked_desk import DeskAsked, denied, schema, told
from support.desk import MANAGER, Desk


@strawberry.type
class Query(api.Query, rules.Query):
    """Both rooms' questions."""


@strawberry.type
class Mutation(api.Mutation, rules.Mutation):
    """Both rooms' acts."""


SCHEMA = schema(Query, Mutation)
ADD = (
    'mutation { addStaff(id: "%s", personId: "ida", displayName: "Ida Roth",'
    ' roles: [FRONT_DESK, CONCIERGE], pin: "%s") { done code result } }'
)
SHIFT = 'mutation { openShift(id: "o1") { done code result } }'
HAND_OVER = 'mutation { closeShift(id: "c1", acknowledged: []) { done code } }'


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[DeskAsked]:
    desk = Desk(tmp_path, [ENGINE, RULES])
    async with open_reader(tmp_path / "log.db") as reader:
        yield DeskAsked(desk, reader, who=MANAGER)
    desk.close()


async def added(manager: DeskAsked) -> DeskAsked:
    """Ida at her terminal."""
    assert (await told(SCHEMA, manager, ADD % ("a1", "7305")))["addStaff"]["done"]
    ida = Who(actor="staff:ida", role=Role.FRONT_DESK, terminal="desk-1")
    return replace(manager, who=ida)


async def test_a_person_is_added_with_a_pin_that_nobody_can_read(manager: DeskAsked) -> None:
    await added(manager)
    again = (await told(SCHEMA, manager, ADD % ("a1", "7305")))["addStaff"]
    assert again["done"]  # the same id and PIN: the same salt, the same body
    other = (await told(SCHEMA, manager, ADD % ("a1", "9264")))["addStaff"]
    assert other["code"] == "id_reused"
    hashed = await pin_hash(manager.reader, manager.vault, "ida")
    assert hashed is not None
    assert matches("7305", hashed, manager.vault)
    assert "7305" not in repr(again)


@pytest.mark.parametrize("pin", ["1234", "12", "abcd"])
async def test_a_bad_pin_is_a_refusal_that_does_not_quote_it(manager: DeskAsked, pin: str) -> None:
    answer = (await told(SCHEMA, manager, ADD % ("a1", pin)))["addStaff"]
    assert (answer["done"], answer["code"]) == (False, "bad_pin")
    assert pin not in repr(answer)


async def test_i_am_who_i_am_with_all_my_roles(manager: DeskAsked) -> None:
    ida = await added(manager)
    me = "{ me { actor name roles terminal stayId } }"
    assert (await told(SCHEMA, ida, me))["me"] == {
        "actor": "staff:ida",
        "name": "Ida Roth",
        "roles": ["FRONT_DESK", "CONCIERGE"],
        "terminal": "desk-1",
        "stayId": None,
    }
    assert (await told(SCHEMA, replace(ida, who=None), me))["me"] is None
    guest = replace(ida, who=Who(actor="stay:s1", role=Role.GUEST))
    assert (await told(SCHEMA, guest, me))["me"]["stayId"] == "s1"


async def test_a_shift_is_opened_and_handed_over_where_one_stands(manager: DeskAsked) -> None:
    ida = await added(manager)
    opened = (await told(SCHEMA, ida, SHIFT))["openShift"]
    assert opened["result"]["shift_id"].startswith("shift_")
    assert (await told(SCHEMA, ida, HAND_OVER))["closeShift"]["done"]


async def test_guests_have_no_shift_and_see_no_rules(manager: DeskAsked) -> None:
    guest = replace(manager, who=Who(actor="stay:s1", role=Role.GUEST))
    for text in (SHIFT, HAND_OVER, "{ settings { key } }", ADD % ("a1", "7305")):
        assert await denied(SCHEMA, guest, text) is NotForYouError


async def changed(asked: DeskAsked, command_id: str, value: Any) -> Any:
    text = (
        "mutation($id: String!, $value: JSON!) { changeSetting(id: $id,"
        ' key: "doors.grace_minutes", value: $value) { done code } }'
    )
    return (await told(SCHEMA, asked, text, id=command_id, value=value))["changeSetting"]


async def test_a_rule_is_changed_and_listed(manager: DeskAsked) -> None:
    assert (await changed(manager, "s1", 45))["done"]
    listed = (await told(SCHEMA, manager, "{ settings { key value sentence } }"))["settings"]
    assert {row["key"]: row["value"] for row in listed}["doors.grace_minutes"] == 45


@pytest.mark.parametrize("value", ["45", True, 1.5, [45], {"a": 1}])
async def test_a_value_that_does_not_fit_is_refused(manager: DeskAsked, value: Any) -> None:
    assert (await changed(manager, "s1", value))["code"] == "wrong_type"
