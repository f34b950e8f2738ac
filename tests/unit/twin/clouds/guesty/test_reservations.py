"""The Guesty twin's reservations: read, searched, made, changed, and left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.guesty import ARRIVAL, DEPARTURE, Account, day
from twin.clouds.faults import Fault
from twin.clouds.guesty import CanceledBy, GuestStay, Status

SEARCH = "GET /v1/reservations-v3/search"


def filters(field: str, operator: str, value: Any) -> dict[str, str]:
    return {"filters": json.dumps([{"field": field, "operator": operator, "value": value}])}


async def test_reservations_by_id_come_as_a_list_of_at_most_ten(account: Account) -> None:
    ids = [account.sell().id for _ in range(11)]
    query = [("reservationIds[]", each) for each in ids]
    assert (await account.ask("GET", "/reservations-v3", query)).status == 400
    assert (await account.ask("GET", "/reservations-v3")).status == 400
    rows = await account.good("GET", "/reservations-v3", [*query[:2], ("reservationIds[]", "x")])
    assert [row["_id"] for row in rows] == ids[:2]
    (stay,) = rows[0]["stay"]
    assert stay["checkInDateLocalized"] == ARRIVAL.isoformat()
    assert stay["unitTypeId"] == account.kind.id
    assert "unitId" not in stay
    assert "lastUpdatedAt" not in rows[0]
    assert "notes" not in rows[0]


async def test_a_sparse_record_leaves_out_and_does_not_say_empty(account: Account) -> None:
    one = account.sell()
    one.notes["keyCode"] = "4711"
    account.cloud.faults.plan("GET /v1/reservations-v3", Fault.SPARSE)
    query = {"reservationIds[]": one.id}
    (sparse,) = await account.good("GET", "/reservations-v3", query)
    (whole,) = await account.good("GET", "/reservations-v3", query)
    assert not {"notes", "money", "guestStay"} & set(sparse)
    assert "numberOfGuests" not in sparse["stay"][0]
    assert whole["notes"] == {"keyCode": "4711"}


async def test_the_search_filters_sorts_pages_and_hides_booking_com(account: Account) -> None:
    hidden = account.sell()
    ids = [account.sell(platform="direct", legacy=False).id for _ in range(5)]
    gone = account.sell(platform="direct", status=Status.CANCELED)
    query = {"filter[status]": "confirmed,reserved", "sort": "_id", "limit": "2"}
    first = await account.good("GET", "/reservations-v3/search", query)
    assert first["pagination"] == {"skip": 0, "limit": 2, "hasMore": True}
    rows = list(first["results"])
    more = []
    for skip in ("2", "4"):
        page = await account.good("GET", "/reservations-v3/search", {**query, "skip": skip})
        rows += page["results"]
        more.append(page["pagination"]["hasMore"])
    assert more == [True, False]
    assert [row["_id"] for row in rows] == sorted(ids)
    assert hidden.id not in ids
    assert gone.id not in ids
    account.store.search_omits_booking_com = False
    shown = await account.good("GET", "/reservations-v3/search", {"limit": "100"})
    assert hidden.id in {row["_id"] for row in shown["results"]}


async def test_the_search_knows_days_codes_and_no_time_of_change(account: Account) -> None:
    one = account.sell(platform="direct", confirmation_code="stay_1")
    for name, text in (
        ("filter[confirmationCode]", "stay_1"),
        ("filter[checkOut][gte]", DEPARTURE.isoformat()),
        ("filter[checkIn][lte]", ARRIVAL.isoformat()),
        ("filter[createdAt][gte]", "2026-08-14T16:00:00Z"),
        ("filter[listingId]", f"x,{account.kind.id}"),
    ):
        found = await account.good("GET", "/reservations-v3/search", {name: text})
        assert [row["_id"] for row in found["results"]] == [one.id], name
    for name in ("filter[lastUpdatedAt][gte]", "filter[status][like]", "sort", "limit", "skip"):
        assert (await account.ask("GET", "/reservations-v3/search", {name: "x"})).status == 400


async def test_a_row_may_move_over_the_edge_of_a_page(account: Account) -> None:
    ids = sorted(account.sell(platform="direct").id for _ in range(4))
    account.cloud.faults.plan(SEARCH, Fault.MOVING_ROWS, skip=1)
    seen = []
    for skip in ("0", "2"):
        query = {"sort": "_id", "limit": "2", "skip": skip}
        page = await account.good("GET", "/reservations-v3/search", query)
        seen += [row["_id"] for row in page["results"]]
    assert seen == [ids[0], ids[1], ids[3]]


async def test_the_older_list_has_the_time_of_change_and_only_the_fields_asked(
    account: Account,
) -> None:
    old, new = account.sell(), account.sell()
    await account.clock.advance(60)
    account.store.set_people(new, 1, 0, by="channel")
    asked = filters("lastUpdatedAt", "$gte", "2026-08-14T16:00:30Z") | {"fields": "lastUpdatedAt"}
    body = await account.good("GET", "/reservations", asked)
    (row,) = body["results"]
    assert set(row) == {"_id", "accountId", "guestId", "listingId", "lastUpdatedAt"}
    assert (row["_id"], body["count"]) == (new.id, 1)
    whole = await account.good("GET", f"/reservations/{old.id}")
    assert whole["guest"]["lastName"] == "Hopper"
    for bad in ("{}", "[1]", '[{"field":"x","operator":"$gte","value":1}]', "["):
        assert (await account.ask("GET", "/reservations", {"filters": bad})).status == 400


async def test_rows_of_the_older_list_really_move(account: Account) -> None:
    ids = [account.sell().id for _ in range(4)]
    account.cloud.faults.plan("GET /v1/reservations", Fault.MOVING_ROWS, skip=1)
    seen = []
    for skip in ("0", "2"):
        query = {"sort": "lastUpdatedAt", "limit": "2", "skip": skip}
        page = await account.good("GET", "/reservations", query)
        seen += [row["_id"] for row in page["results"]]
    assert seen == [ids[0], ids[1], ids[3], ids[0]]


async def test_a_sale_is_kept_with_our_reference_and_sending_it_twice_is_two(
    account: Account,
) -> None:
    made = await account.good("POST", "/reservations-v3", **account.booking())
    again = await account.good("POST", "/reservations-v3", **account.booking())
    assert made["reservationId"] != again["reservationId"]
    (row,) = await account.good(
        "GET", "/reservations-v3", {"reservationIds[]": made["reservationId"]}
    )
    assert (row["originId"], row["confirmationCode"]) == ("stay_1", "stay_1")
    assert account.journal.count("guesty.reservation.added") == 2


async def test_a_night_that_is_taken_is_refused_as_401(account: Account) -> None:
    account.sell()
    await account.good("POST", "/reservations-v3", **account.booking())
    refused = await account.ask("POST", "/reservations-v3", **account.booking("stay_2"))
    assert (refused.status, refused.body["code"]) == (401, "UNAVAILABLE")
    await account.good("POST", "/reservations-v3", **account.booking(ignoreCalendar=True))


async def test_a_booking_that_waits_for_money_takes_its_nights_too(account: Account) -> None:
    for status in (Status.AWAITING_PAYMENT, Status.RESERVED):
        account.sell(status=status)
    refused = await account.ask("POST", "/reservations-v3", **account.booking())
    assert refused.status == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"checkInDateLocalized": "14.08.2026"},
        {"checkOutDateLocalized": "2026-08-14"},
        {"guestsCount": -1},
        {"status": "canceled"},
        {"originId": "x" * 51},
        {"confirmationCode": "x" * 51},
        {"source": None},
        {"guest": []},
        {"reservedUntil": 13},
        {"accommodationFare": -1},
        {"ignoreCalendar": "yes"},
    ],
)
async def test_a_wrong_field_is_400_and_changes_nothing(
    account: Account, wrong: dict[str, Any]
) -> None:
    heard = await account.ask("POST", "/reservations-v3", **account.booking(**wrong))
    assert heard.status == 400
    assert not account.store.reservations


async def test_only_vrbo_and_our_own_can_be_cancelled_here(account: Account) -> None:
    for platform, status in (("bookingCom", 422), ("homeaway", 200), ("direct", 200)):
        one = account.sell(platform=platform)
        path = f"/reservations-v3/{one.id}/status"
        fields = {"status": "canceled", "canceledBy": "GUEST", "cancellationReason": "ill"}
        assert (await account.ask("PUT", path, **fields)).status == status
        assert (one.canceled_by is CanceledBy.GUEST) == (status == 200)
        if status == 200:
            assert (await account.ask("PUT", path, status="confirmed")).status == 422


async def test_days_guests_and_units_change_each_by_their_own_door(account: Account) -> None:
    one = account.sell(listing_id=account.units[0].id)
    base = f"/reservations-v3/{one.id}"
    days = {
        "checkInDateLocalized": ARRIVAL.isoformat(),
        "checkOutDateLocalized": day(4).isoformat(),
    }
    await account.good("PUT", f"{base}/dates", **days)
    await account.good("PUT", f"{base}/guests", numberOfGuests={"numberOfAdults": 1})
    await account.good("PUT", f"{base}/relocate", listingId=account.units[1].id)
    (part,) = one.stay
    assert (part.check_out, part.adults, part.unit_id) == (day(4), 1, account.units[1].id)
    assert one.fare_minor == 40_000  # reckoned anew
    account.sell(listing_id=account.units[0].id)
    assert (
        await account.ask("PUT", f"{base}/relocate", listingId=account.units[0].id)
    ).status == 422


async def test_a_move_in_the_middle_makes_two_parts(account: Account) -> None:
    one = account.sell(listing_id=account.units[0].id, check_out=day(4))
    account.store.relocate(one, account.units[1], by="desk", on=day(2))
    (row,) = await account.good("GET", "/reservations-v3", {"reservationIds[]": one.id})
    assert [part["unitId"] for part in row["stay"]] == [unit.id for unit in account.units]
    assert row["stay"][0]["checkOutDateLocalized"] == row["stay"][1]["checkInDateLocalized"]


async def test_where_the_guest_is_is_a_machine_of_its_own(account: Account) -> None:
    one = account.sell()
    fields = {"reservationId": one.id, "status": "checked_in"}
    await account.good("PUT", "/reservations-v3/guest-stay", **fields)
    assert (one.status, one.guest_stay) == (Status.CONFIRMED, GuestStay.CHECKED_IN)
    older = await account.good("GET", f"/reservations/{one.id}")
    assert older["status"] == "checked_in"
    account.store.set_status(one, Status.CANCELED, by="channel")
    assert (await account.ask("PUT", "/reservations-v3/guest-stay", **fields)).status == 422


async def test_a_key_code_has_two_doors_and_each_opens_one_kind(account: Account) -> None:
    ours, channel = account.sell(legacy=False), account.sell()
    notes = {"notes": {"keyCode": "4711"}}
    await account.good("PUT", f"/reservations-v3/{ours.id}/notes", **notes)
    assert ours.notes == {"keyCode": "4711"}
    assert (await account.ask("PUT", f"/reservations-v3/{channel.id}/notes", **notes)).status == 404
    await account.good("PUT", f"/reservations/{channel.id}", **notes)  # taken and forgotten
    assert not channel.notes
    await account.good("PUT", f"/reservations/{channel.id}", keyCode="4711")
    assert channel.notes == {"keyCode": "4711"}
    channel.notes.clear()
    account.store.legacy_update_sets_key_code = False
    await account.good("PUT", f"/reservations/{channel.id}", keyCode="4711")
    assert not channel.notes


async def test_source_and_confirmation_code_can_be_changed(account: Account) -> None:
    one = account.sell()
    await account.good("PUT", f"/reservations-v3/{one.id}/source", source="desk")
    path = f"/reservations-v3/{one.id}/confirmation-code"
    await account.good("PUT", path, confirmationCode="K7Q2")
    assert (one.source, one.confirmation_code) == ("desk", "K7Q2")
