"""Reservations are read by windows and pages, and rows move while one pages."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import FRIDAY, House, Pms
from twin.clouds.faults import Fault
from twin.clouds.mews.words import utc_text
from twin.clouds.serve import Clouds

ALL = {"UpdatedUtc": {"StartUtc": "2026-10-30T00:00:00Z", "EndUtc": "2026-11-30T00:00:00Z"}}
LIST = "reservations/getAll/2023-06-06"


async def test_pages_give_every_row_once_newest_change_first(
    pms: Pms, house: House, clock: VirtualClock
) -> None:
    sold = []
    for index in range(23):
        sold.append(house.sell(FRIDAY + timedelta(days=index)))
        await clock.advance(1)
    rows = await pms.listed(**ALL)
    assert [row["Id"] for row in rows] == [one.id for one in reversed(sold)]


async def test_a_row_changed_while_paging_is_missed_and_found_by_the_next_window(
    pms: Pms, house: House, clouds: Clouds, clock: VirtualClock
) -> None:
    for index in range(23):
        house.sell(FRIDAY + timedelta(days=index))
        await clock.advance(1)
    clouds.mews.faults.plan(LIST, Fault.MOVING_ROWS, skip=1)
    first = {row["Id"] for row in await pms.listed(**ALL)}
    assert len(first) == 22
    now = utc_text(house.store.now_s())
    later = await pms.listed(UpdatedUtc={"StartUtc": now, "EndUtc": "2026-11-30T00:00:00Z"})
    assert len(first | {row["Id"] for row in later}) == 23


async def test_a_window_is_half_open_and_equal_ends_mean_one_second(
    pms: Pms, house: House, clock: VirtualClock
) -> None:
    house.sell()
    at = utc_text(house.store.now_s())
    await clock.advance(1)
    after = utc_text(house.store.now_s())
    for ends, rows in (((at, after), 1), ((at, at), 1), ((after, after), 0)):
        window = {"StartUtc": ends[0], "EndUtc": ends[1]}
        assert len(await pms.listed(UpdatedUtc=window)) == rows
    before = {"StartUtc": "2026-10-30T00:00:00Z", "EndUtc": at}
    assert await pms.listed(UpdatedUtc=before) == []


async def test_a_window_of_more_than_three_months_is_refused(pms: Pms, house: House) -> None:
    house.sell()
    three = {"StartUtc": "2026-08-31T00:00:00Z", "EndUtc": "2026-11-30T00:00:00Z"}
    await pms.good(LIST, UpdatedUtc=three, Limitation={"Count": 1})
    more = three | {"EndUtc": "2026-11-30T00:00:01Z"}
    answer = await pms.ask(LIST, UpdatedUtc=more, Limitation={"Count": 1})
    assert answer.status == 400
    assert "3 months" in answer.message


async def test_stays_collide_with_a_window_by_their_nights(pms: Pms, house: House) -> None:
    house.sell(date(2026, 11, 2), nights=2)

    async def colliding(first: str, last: str) -> int:
        return len(await pms.listed(CollidingUtc={"StartUtc": first, "EndUtc": last}))

    assert await colliding("2026-11-03T00:00:00Z", "2026-11-03T01:00:00Z") == 1
    assert await colliding("2026-11-04T11:00:00Z", "2026-11-05T00:00:00Z") == 0


async def test_filters_narrow_by_id_state_number_and_start(pms: Pms, house: House) -> None:
    one, two = house.sell(), house.sell(FRIDAY + timedelta(days=3))
    house.store.cancel_reservation(two.id)
    found = {
        "ReservationIds": await pms.listed(ReservationIds=[one.id]),
        "States": await pms.listed(States=["Confirmed"]),
        "Numbers": await pms.listed(Numbers=[one.number]),
        "ScheduledStartUtc": await pms.listed(
            ScheduledStartUtc={"StartUtc": "2026-10-30T00:00:00Z", "EndUtc": "2026-10-31T00:00:00Z"}
        ),
        "ServiceIds": await pms.listed(ServiceIds=[house.store.enterprise.service_id]),
    }
    assert {name: [row["Id"] for row in rows] for name, rows in found.items()} == {
        "ReservationIds": [one.id],
        "States": [one.id],
        "Numbers": [one.number and one.id],
        "ScheduledStartUtc": [one.id],
        "ServiceIds": [two.id, one.id],
    }
    assert await pms.listed(ServiceIds=[house.store.enterprise.id]) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Limitation": {}},
        {"Limitation": {"Count": 0}},
        {"Limitation": {"Count": 1001}},
        {"Limitation": {"Count": "10"}},
        {"Limitation": {"Count": 10, "Cursor": "not-a-uuid"}},
        {"Limitation": {"Count": 10, "Cursor": "0f515589-99b4-423d-b83a-b237009f0509"}},
        {"Limitation": {"Count": 10}, "States": ["Sleeping"]},
        {"Limitation": {"Count": 10}, "ReservationIds": []},
        {"Limitation": {"Count": 10}, "ReservationIds": ["x"] * 1001},
        {"Limitation": {"Count": 10}, "UpdatedUtc": {"StartUtc": "yesterday", "EndUtc": "now"}},
        {"Limitation": {"Count": 10}, "UpdatedUtc": {"StartUtc": "2026-10-30T00:00:00Z"}},
    ],
)
async def test_a_wrong_filter_is_400_with_the_fields_name(
    pms: Pms, fields: dict[str, object]
) -> None:
    answer = await pms.ask(LIST, **fields)
    assert answer.status == 400
    assert answer.message.startswith("Invalid ")


async def test_a_sparse_record_leaves_out_what_is_optional(
    pms: Pms, house: House, clouds: Clouds
) -> None:
    house.sell(room_id=house.room("101"))
    clouds.mews.faults.plan(LIST, Fault.SPARSE)
    [row] = await pms.listed(**ALL)
    assert "AssignedResourceId" not in row
    assert row["State"] == "Confirmed"


async def test_nights_and_their_prices_are_order_items(pms: Pms, house: House) -> None:
    one = house.sell(nights=3)
    body = await pms.good(
        "orderItems/getAll",
        ServiceOrderIds=[one.id],
        Types=["SpaceOrder"],
        Limitation={"Count": 100},
    )
    items = body["OrderItems"]
    assert [item["Amount"]["GrossValue"] for item in items] == [100.0, 100.0, 100.0]
    assert [item["StartUtc"][:10] for item in items] == ["2026-10-30", "2026-10-31", "2026-11-01"]
    assert len({item["Id"] for item in items}) == 3


async def test_daylight_saving_moves_the_utc_hour_and_not_the_local_one(
    pms: Pms, house: House
) -> None:
    house.sell(date(2026, 10, 24), nights=2)
    [row] = await pms.listed(**ALL)
    # Lisbon leaves summer time on 2026-10-25.
    assert (row["StartUtc"], row["EndUtc"]) == ("2026-10-24T14:00:00Z", "2026-10-26T11:00:00Z")
