"""Reservations of the twin's Hostaway: order, cursor, moving rows, booking, calendar, charges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from support.hostaway import FRIDAY, Stranger
from twin.clouds.faults import Fault
from twin.clouds.hostaway import Status
from twin.clouds.hostaway.records import Listing

SATURDAY = FRIDAY + timedelta(days=1)


def sale(listing: Listing, **fields: Any) -> dict[str, Any]:
    known = {
        "channelId": 2000,
        "listingMapId": listing.id,
        "guestFirstName": "Ada",
        "guestLastName": "Lovelace",
        "arrivalDate": FRIDAY.isoformat(),
        "departureDate": SATURDAY.isoformat(),
        "totalPrice": 120.5,
    }
    return known | fields


async def all_ids(stranger: Stranger, **query: Any) -> list[int]:
    """The vendor's own advice: after the last id, until nothing comes."""
    found: list[int] = []
    after: dict[str, Any] = {}
    while True:
        rows = (await stranger.get("reservations", limit=10, **query, **after)).result
        if not rows:
            return found
        found += [row["id"] for row in rows]
        after = {"afterId": rows[-1]["id"]}


async def test_the_newest_change_comes_first_and_updated_on_turns_it_round(
    stranger: Stranger, flat: Listing
) -> None:
    sold = []
    for index in range(23):
        sold.append(stranger.store.sell(flat, FRIDAY + timedelta(days=3 * index)).id)
        await stranger.clock.advance(1)
    assert await all_ids(stranger) == sold[::-1]
    await stranger.clock.advance(10)
    assert await all_ids(stranger, sortOrder="updatedOn") == sold


async def test_a_row_changed_while_paging_moves_and_is_missed(
    stranger: Stranger, flat: Listing
) -> None:
    for index in range(23):
        stranger.store.sell(flat, FRIDAY + timedelta(days=3 * index))
        await stranger.clock.advance(1)
    stranger.cloud.faults.plan("GET reservations", Fault.MOVING_ROWS)
    first = await all_ids(stranger)
    assert len(set(first)) == 22
    newest = (await stranger.get("reservations", limit=1)).result[0]
    assert newest["id"] not in first


async def test_an_oldest_first_cursor_that_moves_hides_the_rows_behind_it(
    stranger: Stranger, flat: Listing
) -> None:
    """Why the adapter pages from the newest: here the cursor's own row goes to the end."""
    for index in range(23):
        stranger.store.sell(flat, FRIDAY + timedelta(days=3 * index))
        await stranger.clock.advance(1)
    rows = (await stranger.get("reservations", limit=10, sortOrder="updatedOn")).result
    stranger.store.touch(rows[-1]["id"])
    after = {"afterId": rows[-1]["id"], "sortOrder": "updatedOn"}
    assert (await stranger.get("reservations", limit=10, **after)).result == []


async def test_filters_narrow_a_list(stranger: Stranger, flat: Listing, double: Listing) -> None:
    ours = stranger.store.sell(flat, FRIDAY)
    theirs = stranger.store.sell(double, SATURDAY, guest_last="Noether")
    for query, expected in (
        ({"arrivalStartDate": "2026-10-31"}, [theirs.id]),
        ({"arrivalEndDate": "2026-10-30"}, [ours.id]),
        ({"departureStartDate": "2026-11-02"}, [theirs.id]),
        ({"listingId": flat.id}, [ours.id]),
        ({"match": "noether"}, [theirs.id]),
        ({"guestEmail": ours.guest_email}, [ours.id]),
        ({"latestActivityStart": "2026-10-31"}, []),
    ):
        rows = (await stranger.get("reservations", **query)).result
        assert [row["id"] for row in rows] == expected, query
    said = await stranger.get("reservations", limit=1)
    assert (said.body["count"], said.body["totalPages"]) == (2, 2)
    assert (await stranger.get("reservations", sortOrder="id")).status == 400


async def test_asked_twice_is_made_twice(stranger: Stranger, double: Listing) -> None:
    body = sale(double, channelReservationId="stay_1")
    first = await stranger.post("reservations", body, provider="nightporter", forceOverbooking=1)
    again = await stranger.post("reservations", body, provider="nightporter", forceOverbooking=1)
    assert first.result["id"] != again.result["id"]
    assert first.result["source"] == again.result["source"] == "nightporter"
    assert first.result["reservationId"] == first.result["channelReservationId"] == "stay_1"
    assert first.result["totalPrice"] == 120.5


async def test_a_taken_night_is_refused_unless_forced(stranger: Stranger, flat: Listing) -> None:
    stranger.store.sell(flat, FRIDAY, 1)
    refused = await stranger.post("reservations", sale(flat))
    assert (refused.status, type(refused.body["result"])) == (400, str)
    assert (await stranger.post("reservations", sale(flat), forceOverbooking=1)).status == 200
    free = sale(flat, arrivalDate="2026-10-31", departureDate="2026-11-01")
    assert (await stranger.post("reservations", free)).status == 200


@pytest.mark.parametrize(
    ("status", "free"),
    [
        (Status.NEW, 0),
        (Status.OWNER_STAY, 0),
        (Status.AWAITING_PAYMENT, 0),
        (Status.PENDING, 0),
        (Status.CANCELLED, 1),
        (Status.INQUIRY, 1),
        (Status.EXPIRED, 1),
    ],
)
async def test_a_status_blocks_the_calendar_or_does_not(
    stranger: Stranger, flat: Listing, status: Status, free: int
) -> None:
    stranger.store.sell(flat, FRIDAY, 1, status=status)
    path = f"listings/{flat.id}/calendar"
    days = (await stranger.get(path, startDate="2026-10-30", endDate="2026-10-31")).result
    assert [day["isAvailable"] for day in days] == [free, 1]


async def test_what_an_update_does_not_say_stays(stranger: Stranger, flat: Listing) -> None:
    one = stranger.store.sell(flat, FRIDAY)
    before = (await stranger.get(f"reservations/{one.id}")).result
    await stranger.clock.advance(5)
    code = {"doorCode": "4711", "doorCodeVendor": "Nightporter", "doorCodeInstruction": "Press #"}
    await stranger.put(f"reservations/{one.id}", code)
    after = (await stranger.get(f"reservations/{one.id}")).result
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {*code, "updatedOn", "latestActivityOn"}
    moved = {"departureDate": "2026-11-03"}
    longer = (await stranger.put(f"reservations/{one.id}", moved)).result
    assert (longer["status"], longer["previousDepartureDate"]) == ("modified", "2026-11-01")
    assert (await stranger.put(f"reservations/{one.id}", {"listingMapId": 1})).status == 400


async def test_a_cancellation_needs_a_side_and_happens_once(
    stranger: Stranger, flat: Listing
) -> None:
    path = f"reservations/{stranger.store.sell(flat, FRIDAY).id}/statuses/cancelled"
    assert (await stranger.put(path, {"cancelledBy": "nobody"})).status == 400
    assert (await stranger.put(path, {"cancelledBy": "guest"})).result["status"] == "cancelled"
    assert (await stranger.put(path, {"cancelledBy": "guest"})).status == 400


async def test_offline_charges_are_written_down_as_often_as_asked(
    stranger: Stranger, flat: Listing
) -> None:
    one = stranger.store.sell(flat, FRIDAY)
    body = {
        "title": "Nightporter pay_1",
        "amount": 50.25,
        "paymentMethod": "cash",
        "status": "paid",
        "scheduledDate": "2026-10-30 18:00:00",
    }
    for _ in range(2):
        assert (await stranger.post(f"guestPayments/charges/{one.id}", body)).status == 200
    rows = (await stranger.get("guestPayments/charges", reservationId=one.id)).result
    assert [(row["title"], row["amount"]) for row in rows] == [("Nightporter pay_1", 50.25)] * 2
    row = (await stranger.get(f"reservations/{one.id}")).result
    assert row["remainingBalance"] == 200 - 2 * 50.25
    assert (await stranger.get("guestPayments/charges", reservationId=1)).result == []
    wrong = body | {"paymentMethod": "shells"}
    assert (await stranger.post(f"guestPayments/charges/{one.id}", wrong)).status == 400
    assert (await stranger.post("guestPayments/charges/9", body)).status == 404


async def test_a_calendar_is_closed_and_opened(
    stranger: Stranger, flat: Listing, double: Listing
) -> None:
    dates = {"startDate": "2026-11-02", "endDate": "2026-11-03"}
    closed = await stranger.put(f"listings/{flat.id}/calendar", dates | {"isAvailable": 0})
    assert [day["status"] for day in closed.result] == ["blocked", "blocked"]
    one = await stranger.put(f"listings/{double.id}/calendar", dates | {"desiredUnitsToSell": 1})
    assert [day["availableUnitsToSell"] for day in one.result] == [1, 1]
    opened = await stranger.put(f"listings/{flat.id}/calendar", dates | {"isAvailable": 1})
    assert [day["isAvailable"] for day in opened.result] == [1, 1]


async def test_sparse_rows_lack_what_may_be_missing(stranger: Stranger, flat: Listing) -> None:
    stranger.store.sell(flat, FRIDAY)
    stranger.cloud.faults.plan("GET reservations", Fault.SPARSE)
    (row,) = (await stranger.get("reservations", includeResources=1)).result
    assert "guestEmail" not in row
    assert {"id", "status", "updatedOn", "arrivalDate"} < set(row)
