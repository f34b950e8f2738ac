"""Requests through GraphQL: the same words for guests and staff."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.asked import NeedsSignInError, NotForYouError
from appliance.engines.concierge import api
from appliance.engines.concierge.room import ENGINE
from appliance.engines.stays.messages import CheckIn
from appliance.kernel.messages import Role, Who
from appliance.kernel.reader import open_reader
from support.asked_desk import DeskAsked, denied, schema, told
from support.hotel import Hotel

SCHEMA = schema(api.Query, api.Mutation)
LIST = "{ requests { id stayId roomNumber type status text } }"
MAKE = 'mutation { makeRequest(id: "m1", type: "%s", text: "two, please") { done code result } }'
SET = 'mutation { setRequestStatus(id: "%s", requestId: "%s", status: "%s") { done code } }'


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[DeskAsked]:
    hotel = Hotel(tmp_path, more=[ENGINE])
    async with open_reader(tmp_path / "log.db") as reader:
        yield DeskAsked(hotel, reader)
    hotel.close()


def guest(staff: DeskAsked, upstream_id: str, room_id: str) -> DeskAsked:
    """The context of a guest in house."""
    assert isinstance(staff.desk, Hotel)
    stay_id = staff.desk.learned(upstream_id)
    staff.desk.done(CheckIn(stay_id=stay_id, room_id=room_id))
    return replace(staff, who=Who(actor=f"stay:{stay_id}", role=Role.GUEST))


async def test_a_guest_asks_and_sees_what_staff_makes_of_it(staff: DeskAsked) -> None:
    mine = guest(staff, "up-1", "r101")
    made = (await told(SCHEMA, mine, MAKE % "TOWELS"))["makeRequest"]
    assert (await told(SCHEMA, mine, MAKE % "TOWELS"))["makeRequest"] == made
    request_id = made["result"]["request_id"]
    [seen] = (await told(SCHEMA, staff, LIST))["requests"]
    assert (seen["id"], seen["roomNumber"], seen["type"]) == (request_id, "101", "towels")
    done = (await told(SCHEMA, staff, SET % ("s1", request_id, "ACKNOWLEDGED")))["setRequestStatus"]
    assert done["done"]
    [seen] = (await told(SCHEMA, mine, LIST))["requests"]
    assert (seen["status"], seen["text"]) == ("acknowledged", "two, please")


async def test_a_guest_sees_no_other_guests_requests(staff: DeskAsked) -> None:
    await told(SCHEMA, guest(staff, "up-1", "r101"), MAKE % "towels")
    assert (await told(SCHEMA, guest(staff, "up-2", "r102"), LIST))["requests"] == []


async def test_words_that_are_no_type_and_no_status_are_refused(staff: DeskAsked) -> None:
    made = (await told(SCHEMA, staff, MAKE % "DRAGON"))["makeRequest"]
    assert not made["done"]
    assert "towels" in made["result"]["expected"]
    done = (await told(SCHEMA, staff, SET % ("s1", "request_x", "LATER")))["setRequestStatus"]
    assert (done["done"], done["code"]) == (False, "wrong_status")


async def test_strangers_ask_for_nothing_and_guests_set_no_status(staff: DeskAsked) -> None:
    stranger = replace(staff, who=None)
    assert await denied(SCHEMA, stranger, LIST) is NeedsSignInError
    assert await denied(SCHEMA, stranger, MAKE % "towels") is NeedsSignInError
    mine = guest(staff, "up-1", "r101")
    assert await denied(SCHEMA, mine, SET % ("s1", "r", "COMPLETED")) is NotForYouError
