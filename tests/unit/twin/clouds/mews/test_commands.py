"""The queue of device commands and the PINs of a reservation, to the vendor's words."""

from __future__ import annotations

from typing import Any

import pytest

from support.clouds import House, Pms


def pin(reservation_id: str, value: str = "482915") -> dict[str, Any]:
    return {
        "ServiceOrderId": reservation_id,
        "Type": "PinCode",
        "Value": value,
        "ValidityStartUtc": "2026-10-30T15:00:00Z",
        "ValidityEndUtc": "2026-11-01T11:00:00Z",
        "Permissions": {"Room": {"Value": True}},
    }


async def test_a_command_waits_until_it_is_taken_and_ends_once(pms: Pms, house: House) -> None:
    cutter, one = house.store.add_device(), house.sell(room_id=house.room("101"))
    made = await pms.good(
        "commands/addKeyCutter", KeyCutterId=cutter.id, ReservationId=one.id, KeyCount=1
    )
    [command] = (await pms.good("commands/getAllActive"))["Commands"]
    assert (command["Id"], command["State"]) == (made["CommandId"], "Pending")
    assert command["Data"]["LockIds"] == ["101"]
    for state in ("Received", "Processing"):
        await pms.good("commands/update", CommandId=command["Id"], State=state)
    assert (await pms.good("commands/getAllActive"))["Commands"] == []
    await pms.good("commands/update", CommandId=command["Id"], State="Processed", Notes="cut")
    [ended] = (await pms.good("commands/getAllByIds", CommandIds=[command["Id"]]))["Commands"]
    assert ended["State"] == "Processed"
    again = await pms.ask("commands/update", CommandId=command["Id"], State="Error")
    assert (again.status, again.message) == (403, "The command is already Processed.")


async def test_a_command_never_goes_back(pms: Pms, house: House) -> None:
    asked = house.store.ask_for_keys(house.sell().id, house.store.add_device().id)
    await pms.good("commands/update", CommandId=asked.id, State="Processing")
    back = await pms.ask("commands/update", CommandId=asked.id, State="Received")
    assert back.status == 403


@pytest.mark.parametrize(
    "fields", [{}, {"KeyCount": 0}, {"KeyCutterId": "00000000-0000-4000-8000-000000000000"}]
)
async def test_keys_are_asked_of_a_key_cutter_that_is_there(
    pms: Pms, house: House, fields: dict[str, Any]
) -> None:
    printer = house.store.add_device(kind="Printer")
    sent = {"KeyCutterId": printer.id, "ReservationId": house.sell().id, "KeyCount": 1}
    assert (await pms.ask("commands/addKeyCutter", **{**sent, **fields})).status == 400


async def test_the_same_pin_added_twice_is_two_tokens_and_a_deleted_one_is_gone(
    pms: Pms, house: House
) -> None:
    one = house.sell()
    for _ in range(2):
        await pms.good("resourceAccessTokens/add", ResourceAccessTokenParameters=[pin(one.id)])
    page = {"ServiceOrderIds": [one.id], "Limitation": {"Count": 10}}
    rows = (await pms.good("resourceAccessTokens/getAll", **page))["ResourceAccessTokens"]
    assert [row["Value"] for row in rows] == ["482915", "482915"]
    await pms.good("resourceAccessTokens/delete", Ids=[rows[0]["Id"]])
    left = (await pms.good("resourceAccessTokens/getAll", **page))["ResourceAccessTokens"]
    assert [row["Id"] for row in left] == [rows[1]["Id"]]
    gone = await pms.good("resourceAccessTokens/getAll", **page, ActivityStates=["Deleted"])
    assert [row["IsActive"] for row in gone["ResourceAccessTokens"]] == [False]


async def test_a_token_changes_its_validity_and_never_its_value(pms: Pms, house: House) -> None:
    token = house.token(house.sell())
    change = {
        "ResourceAccessTokenId": token.id,
        "Value": {"Value": "111111"},
        "ValidityEndUtc": {"Value": "2026-11-03T11:00:00Z"},
    }
    [row] = (await pms.good("resourceAccessTokens/update", ResourceAccessTokenUpdates=[change]))[
        "ResourceAccessTokens"
    ]
    assert (row["Value"], row["ValidityEndUtc"]) == ("271828", "2026-11-03T11:00:00Z")


async def test_a_list_of_tokens_needs_a_filter(pms: Pms) -> None:
    answer = await pms.ask("resourceAccessTokens/getAll", Limitation={"Count": 10})
    assert answer.status == 400
