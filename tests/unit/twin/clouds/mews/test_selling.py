"""Reservations are made and changed by the vendor's rules, all or none."""

from __future__ import annotations

from typing import Any

import pytest

from support.clouds import House, Pms
from twin.journal import Journal

STAY = {"StartUtc": "2026-11-02T15:00:00Z", "EndUtc": "2026-11-04T11:00:00Z"}


def sale(house: House, **fields: Any) -> dict[str, Any]:
    return {
        **STAY,
        "Identifier": "ours-1",
        "State": "Confirmed",
        "CustomerId": house.guest.id,
        "RequestedCategoryId": house.category.id,
        "RateId": house.store.enterprise.rate_id,
        "PersonCounts": [{"AgeCategoryId": house.store.enterprise.adult_id, "Count": 2}],
        **fields,
    }


async def add(pms: Pms, house: House, *sales: dict[str, Any], **fields: Any) -> Any:
    return await pms.ask(
        "reservations/add",
        ServiceId=house.store.enterprise.service_id,
        Reservations=list(sales),
        **fields,
    )


async def test_an_identifier_is_echoed_and_not_kept(pms: Pms, house: House) -> None:
    answer = await add(pms, house, sale(house))
    [made] = answer.body["Reservations"]
    assert made["Identifier"] == "ours-1"
    assert made["Reservation"]["State"] == "Confirmed"
    [row] = await pms.listed(ReservationIds=[made["Reservation"]["Id"]])
    assert "ours-1" not in str(row)
    assert row["Origin"] == "Connector"


async def test_the_same_sale_twice_is_two_reservations(
    pms: Pms, house: House, journal: Journal
) -> None:
    await add(pms, house, sale(house))
    await add(pms, house, sale(house))
    assert len(house.store.reservations) == 2
    assert journal.count("pms.reservation.added", origin="Connector") == 2


async def test_a_fourth_sale_of_three_rooms_is_403_unless_overbooking_is_wanted(
    pms: Pms, house: House
) -> None:
    assert (await add(pms, house, *[sale(house)] * 4)).status == 403
    assert house.store.reservations == {}
    assert (await add(pms, house, *[sale(house)] * 3)).status == 200
    refused = await add(pms, house, sale(house))
    assert refused.status == 403
    assert "not available" in refused.message
    assert (await add(pms, house, sale(house), CheckOverbooking=False)).status == 200


async def test_nights_are_half_open_so_a_departure_makes_room(pms: Pms, house: House) -> None:
    await add(pms, house, *[sale(house)] * 3)
    after = sale(house, StartUtc="2026-11-04T15:00:00Z", EndUtc="2026-11-05T11:00:00Z")
    assert (await add(pms, house, after)).status == 200


async def test_prices_are_kept_exactly_in_minor_units(pms: Pms, house: House) -> None:
    prices = [
        {"Index": 0, "Amount": {"Currency": "EUR", "GrossValue": 129.99, "TaxCodes": []}},
        {"Index": 1, "Amount": {"Currency": "EUR", "GrossValue": 0.1, "TaxCodes": []}},
    ]
    await add(pms, house, sale(house, TimeUnitPrices=prices))
    [one] = house.store.reservations.values()
    assert one.nights_minor == [12_999, 10]


@pytest.mark.parametrize(
    ("currency", "value", "minor"), [("JPY", 12_000, 12_000), ("KWD", 31.125, 31_125)]
)
async def test_currencies_have_the_minor_units_of_iso_4217(
    pms: Pms, house: House, currency: str, value: float, minor: int
) -> None:
    house.store.configure(currency=currency)
    price = {"Currency": currency, "GrossValue": value, "TaxCodes": []}
    await add(pms, house, sale(house, TimeUnitAmount=price))
    [one] = house.store.reservations.values()
    assert one.nights_minor == [minor, minor]
    page = {"Limitation": {"Count": 10}, "ServiceOrderIds": [one.id]}
    items = (await pms.good("orderItems/getAll", **page))["OrderItems"]
    assert [item["Amount"]["GrossValue"] for item in items] == [value, value]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"CustomerId": "0f515589-99b4-423d-b83a-b237009f0509"}, 400),
        ({"RateId": "0f515589-99b4-423d-b83a-b237009f0509"}, 400),
        ({"RequestedCategoryId": "0f515589-99b4-423d-b83a-b237009f0509"}, 400),
        ({"EndUtc": "2026-11-01T11:00:00Z"}, 400),
        ({"StartUtc": "2026-11-02"}, 400),
        ({"State": "Started"}, 400),
        ({"State": "Optional"}, 400),
        ({"PersonCounts": []}, 400),
        ({"PersonCounts": [{"AgeCategoryId": "x", "Count": 1}]}, 400),
        ({"TimeUnitAmount": {"Currency": "GBP", "GrossValue": 1, "TaxCodes": []}}, 403),
    ],
)
async def test_a_wrong_sale_is_refused_and_sells_nothing(
    pms: Pms, house: House, change: dict[str, Any], status: int
) -> None:
    answer = await add(pms, house, sale(house), sale(house, **change))
    assert answer.status == status
    assert house.store.reservations == {}


async def test_an_update_keeps_what_is_absent_and_clears_what_is_null(
    pms: Pms, house: House
) -> None:
    one = house.sell(room_id=house.room("101"))
    await update(pms, one.id, EndUtc={"Value": "2026-11-02T11:00:00Z"})
    assert (one.room_id, one.end_s) == (house.room("101"), 1_793_617_200)
    assert one.nights_minor == [10_000] * 3
    await update(pms, one.id, AssignedResourceId={"Value": None})
    assert one.room_id is None


async def update(pms: Pms, name: str, status: int = 200, **changes: Any) -> Any:
    answer = await pms.ask(
        "reservations/update",
        ReservationId=name,
        ReservationUpdates=[{"ReservationId": name, **changes}],
        Reason="agreed at the desk",
    )
    assert answer.status == status, answer.body
    return answer


async def test_a_room_that_another_stay_holds_is_403(pms: Pms, house: House) -> None:
    house.sell(room_id=house.room("101"))
    two = house.sell()
    answer = await update(pms, two.id, 403, AssignedResourceId={"Value": house.room("101")})
    assert "101" in answer.message
    assert two.room_id is None


async def test_a_cancelled_reservation_cannot_be_changed(pms: Pms, house: House) -> None:
    one = house.sell()
    house.store.cancel_reservation(one.id)
    await update(pms, one.id, 403, AssignedResourceId={"Value": house.room("101")})


async def test_a_price_is_not_changed_without_a_reason(pms: Pms, house: House) -> None:
    name = house.sell().id
    prices = {"Value": [{"Index": 0, "Amount": {"Currency": "EUR", "GrossValue": 80}}]}
    answer = await pms.ask(
        "reservations/update",
        ReservationId=name,
        ReservationUpdates=[{"ReservationId": name, "TimeUnitPrices": prices}],
    )
    assert answer.status == 400


async def test_new_prices_and_guests_arrive(pms: Pms, house: House) -> None:
    one = house.sell()
    price = {"Index": 1, "Amount": {"Currency": "EUR", "GrossValue": 80, "TaxCodes": []}}
    child = {"AgeCategoryId": house.store.enterprise.child_id, "Count": 1}
    adult = {"AgeCategoryId": house.store.enterprise.adult_id, "Count": 2}
    await update(
        pms,
        one.id,
        TimeUnitPrices={"Value": [price]},
        PersonCounts={"Value": [child, adult]},
    )
    assert (one.nights_minor, one.adults, one.children) == ([10_000, 8_000], 2, 1)


async def test_an_unknown_guest_is_made_once_per_email(pms: Pms, house: House) -> None:
    fields = {"FirstName": "Aoife", "LastName": "O'Neil", "OverwriteExisting": False}
    known = await pms.ask("customers/add", Email="aoife.oneil.1@example.com", **fields)
    assert known.status == 403
    made = await pms.good("customers/add", Email="aoife.oneil.2@example.com", **fields)
    found = await pms.good(
        "customers/getAll",
        CustomerIds=[made["Id"]],
        Extent={"Customers": True},
        Limitation={"Count": 10},
    )
    assert [one["LastName"] for one in found["Customers"]] == ["O'Neil"]


async def test_a_payment_is_found_again_by_our_own_identifier(
    pms: Pms, house: House, journal: Journal
) -> None:
    one = house.sell()
    await pms.good(
        "payments/addExternal",
        AccountId=house.guest.id,
        ReservationId=one.id,
        Amount={"Currency": "EUR", "GrossValue": 55.5},
        Type="Cash",
        ExternalIdentifier="ours-77",
    )
    found = await pms.good(
        "payments/getAll", AccountIds=[house.guest.id], Limitation={"Count": 100}
    )
    [payment] = found["Payments"]
    assert payment["Identifier"] == "ours-77"
    assert payment["Amount"]["GrossValue"] == -55.5
    assert journal.count("pms.payment.added", amount_minor=5_550) == 1
