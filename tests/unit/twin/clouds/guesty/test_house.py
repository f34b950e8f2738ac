"""The Guesty twin's listings, calendar and recorded money."""

from __future__ import annotations

from support.guesty import ARRIVAL, Account, day

CALENDAR = "/availability-pricing/api/calendar/listings"


def span(first: int, last: int) -> dict[str, str]:
    return {"startDate": day(first).isoformat(), "endDate": day(last).isoformat()}


async def test_a_type_and_its_units_are_three_listings(account: Account) -> None:
    body = await account.good("GET", "/listings", {"limit": "100"})
    kinds = {row["title"]: row["type"] for row in body["results"]}
    assert kinds == {"Double": "MTL", "101": "MTL_CHILD", "102": "MTL_CHILD"}
    one = await account.good("GET", f"/listings/{account.units[0].id}")
    assert one["mtl"] == {"p": account.kind.id}
    assert (await account.ask("GET", "/listings/nothing")).status == 404


async def test_the_calendar_counts_units_and_blocks_are_nights(account: Account) -> None:
    account.sell(listing_id=account.units[0].id)
    path = f"{CALENDAR}/{account.kind.id}"
    days = (await account.good("GET", path, span(0, 2)))["data"]["days"]
    assert [row["allotment"] for row in days] == [1, 1, 2]  # the last day is not slept
    await account.good("PUT", path, status="unavailable", **span(0, 1))
    days = (await account.good("GET", path, span(0, 2)))["data"]["days"]
    assert [row["allotment"] for row in days] == [0, 0, 2]
    assert [row["blocks"]["m"] for row in days] == [True, True, False]
    refused = await account.ask("POST", "/reservations-v3", **account.booking())
    assert refused.status == 401
    await account.good("PUT", path, status="available", **span(0, 1))
    await account.good("POST", "/reservations-v3", **account.booking())
    unit = (await account.good("GET", f"{CALENDAR}/{account.units[0].id}", span(0, 0)))["data"]
    assert unit["days"][0]["status"] == "booked"


async def test_the_calendar_refuses_what_it_cannot_read(account: Account) -> None:
    path = f"{CALENDAR}/{account.kind.id}"
    assert (await account.ask("GET", path, span(0, 500))).status == 400
    assert (await account.ask("GET", path, span(3, 1))).status == 400
    assert (await account.ask("GET", path)).status == 400
    assert (await account.ask("PUT", path, status="shut", **span(0, 1))).status == 400
    assert not account.store.blocked


async def test_money_is_recorded_and_twice_is_twice(account: Account) -> None:
    one = account.sell()
    fields = {
        "reservationId": one.id,
        "amount": 81.33,
        "paymentMethod": {"method": "RECORDED_CASH"},
        "note": "pay_1",
    }
    await account.good("POST", "/payments/recorded", **fields)
    await account.good("POST", "/payments/recorded", **fields)
    body = await account.good("GET", "/payments", {"reservationId": one.id})
    assert [row["note"] for row in body["payments"]] == ["pay_1", "pay_1"]
    assert one.paid_minor == 2 * 8_133
    older = {name: value for name, value in fields.items() if name != "reservationId"}
    body = await account.good("POST", f"/reservations/{one.id}/payments", **older)
    assert len(body["money"]["payments"]) == 3


async def test_money_of_a_strange_kind_or_less_than_one_is_refused(account: Account) -> None:
    one = account.sell()
    for amount, method in ((0.5, "RECORDED_CASH"), (None, "RECORDED_CASH"), (5, "CASH")):
        fields = {"reservationId": one.id, "amount": amount, "paymentMethod": {"method": method}}
        assert (await account.ask("POST", "/payments/recorded", **fields)).status == 400
    assert not one.payments


async def test_a_guest_is_asked_for_by_id(account: Account) -> None:
    one = account.sell(check_in=ARRIVAL)
    guest = await account.good("GET", f"/guests-crud/{one.guest_id}")
    assert (guest["firstName"], guest["lastName"]) == ("Grace", "Hopper")
    assert (await account.ask("GET", "/guests-crud/nobody")).status == 404
