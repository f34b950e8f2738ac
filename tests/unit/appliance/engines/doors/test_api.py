"""Doors through GraphQL: one press, one honest answer, and a PIN only for those it is for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from appliance.asked import SCALARS, NeedsSignInError, NotForYouError
from appliance.engines.doors import api
from appliance.kernel.messages import Role, Who
from support.desk import CLERK
from support.doors_house import DoorsHouse, open_doors_house
from support.fake_asked import FakeAsked

GUEST = Who(actor="stay:stay-204", role=Role.GUEST)
OTHER = Who(actor="stay:stay-205", role=Role.GUEST)
SCHEMA = strawberry.Schema(
    query=api.Query,
    mutation=api.Mutation,
    subscription=api.Subscription,
    config=StrawberryConfig(scalar_map=SCALARS),
)
OPEN = 'mutation { openDoor(id: "%s"%s) { id doorId outcome refusal sentence } }'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    async with open_doors_house(tmp_path) as opened:
        yield opened


async def say(house: DoorsHouse, query: str, who: Who | None = CLERK) -> dict[str, Any]:
    """The data of an answer without errors."""
    work = SCHEMA.execute(query, context_value=FakeAsked(house, who))
    result = await house.clock.run_until(work, 20)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def refused(house: DoorsHouse, query: str, who: Who | None) -> type[object]:
    """The kind of the first error."""
    work = SCHEMA.execute(query, context_value=FakeAsked(house, who))
    result = await house.clock.run_until(work, 20)
    assert result.errors
    return type(result.errors[0].original_error)


CUT = 'mutation { cutKey(id: "%s", stayId: "stay-204") { done code result } }'


async def test_the_desk_cuts_a_key_and_the_guest_opens_their_own_door(house: DoorsHouse) -> None:
    cut = (await say(house, CUT % "c1"))["cutKey"]
    assert cut["done"]
    opened = (await say(house, OPEN % ("o1", ""), GUEST))["openDoor"]
    assert (opened["doorId"], opened["outcome"]) == ("door-204", "DONE")
    again = (await say(house, OPEN % ("o1", ""), GUEST))["openDoor"]
    assert again == opened
    assert house.openings_moved(opened["id"]) == 1
    named = f'{{ opening(id: "{opened["id"]}") {{ outcome }} }}'
    assert (await say(house, named))["opening"] == {"outcome": "DONE"}
    assert await refused(house, named, OTHER) is NotForYouError
    log = "{ accessLog(limit: 5) { event holder missed } }"
    assert (await say(house, log))["accessLog"][-1]["holder"] == "stay-204"
    assert await refused(house, log, GUEST) is NotForYouError


async def test_a_press_that_is_refused_says_so_and_never_says_nothing(house: DoorsHouse) -> None:
    pressed = (await say(house, OPEN % ("o1", ', doorId: "door-204"'), GUEST))["openDoor"]
    assert (pressed["outcome"], pressed["refusal"]) == ("REFUSED", "no_key")
    await say(house, CUT % "c1")
    stranger = OPEN % ("o2", ', stayId: "stay-204", doorId: "door-204"')
    pressed = (await say(house, stranger, OTHER))["openDoor"]
    assert (pressed["outcome"], pressed["refusal"]) == ("REFUSED", "not_yours")
    assert await refused(house, OPEN % ("o3", ""), None) is NeedsSignInError


async def test_a_pin_is_shown_to_those_it_is_for_and_the_look_is_a_fact(house: DoorsHouse) -> None:
    key_id = (await say(house, CUT % "c1"))["cutKey"]["result"]["key_id"]
    look = f'mutation {{ revealPin(stayId: "stay-204", keyId: "{key_id}") }}'
    pin = (await say(house, look))["revealPin"]
    assert len(pin) == 6
    assert (await say(house, look, GUEST))["revealPin"] == pin
    assert await refused(house, look, OTHER) is NotForYouError
    wrong = f'mutation {{ revealPin(stayId: "stay-205", keyId: "{key_id}") }}'
    assert (await say(house, wrong))["revealPin"] is None
    assert [kind for kind in house.desk.events() if "pin" in kind] == ["doors.pin_shown.v1"] * 2
    assert pin not in str(house.desk.rows("SELECT body FROM event"))


async def test_a_key_for_nobody_and_a_reason_unheard_of_are_said(house: DoorsHouse) -> None:
    nobody = 'mutation { cutKey(id: "c1", stayId: "nobody") { done code } }'
    assert (await say(house, nobody))["cutKey"] == {"done": False, "code": "unknown_holder"}
    odd = 'mutation { cutKey(id: "c2", stayId: "stay-204", reason: "moved") { done } }'
    await refused(house, odd, CLERK)
    assert await refused(house, CUT % "c3", GUEST) is NotForYouError
