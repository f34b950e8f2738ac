"""Every shape of the twin's Hostaway has the fields of the vendor's own examples, and their types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.hostaway import FORM, FRIDAY, Stranger
from support.shared_data import shared_data
from twin.clouds.hostaway.records import Listing

# Said by the documents in words only: `updatedOn` is what everything is ordered by.
BESIDE = {"updatedOn", "insertedOn", "latestActivityOn", "reservationUnit"}


def example(name: str) -> Any:
    return json.loads((shared_data("contracts/hostaway") / f"{name}.json").read_bytes())


def fits(ours: Any, theirs: Any, where: str) -> None:
    """Null fits everything; a number may be whole or not."""
    if ours is None or theirs is None:
        return
    kinds = (int, float) if isinstance(theirs, int | float) else type(theirs)
    assert isinstance(ours, kinds), f"{where}: {ours!r} is not like {theirs!r}"


def same(ours: dict[str, Any], theirs: dict[str, Any], beside: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    assert set(ours) - beside == set(theirs)
    for name, value in theirs.items():
        fits(ours[name], value, name)


async def test_tokens(stranger: Stranger) -> None:
    said = await stranger.post("accessTokens", FORM)
    same(said.body, example("authentication"))
    gone = await stranger.ask("DELETE", "accessTokens", "token=x")
    assert gone.body == example("authentication-1")


@pytest.mark.parametrize("status", ["new", "cancelled"])
async def test_a_reservation(stranger: Stranger, double: Listing, status: str) -> None:
    one = stranger.store.sell(double, FRIDAY, unit_id=next(iter(double.units)), children=1)
    if status == "cancelled":
        stranger.store.cancel(one.id)
    row = (await stranger.get(f"reservations/{one.id}")).result
    same(row, example("reservation_reservationObject"), BESIDE)
    same(row["reservationUnit"][0], example("reservation_reservationUnitObject"))
    listed = (await stranger.get("reservations", includeResources=1)).result[0]
    assert set(listed) == set(row) - {
        "bookingCancellationPolicy",
        "vrboCancellationPolicy",
        "marriottCancellationPolicy",
        "cancellationPolicyDetails",
    }


async def test_a_day_of_the_calendar(stranger: Stranger, double: Listing) -> None:
    stranger.store.sell(double, FRIDAY)
    (day,) = (await stranger.get(f"listings/{double.id}/calendar")).result
    theirs = example("calendar_calendarDayObject")
    same(day, theirs)
    # The example's reservation inside a day is of an older form, of which ours has every field.
    older = set(theirs["reservations"][0]) - {"externalRuid"}
    assert older <= set(day["reservations"][0])


async def test_charges(stranger: Stranger, double: Listing) -> None:
    one = stranger.store.sell(double, FRIDAY)
    body = {
        "title": "My charge",
        "amount": 100,
        "paymentMethod": "cash",
        "status": "paid",
        "scheduledDate": "2023-08-15 18:56:49",
    }
    said = await stranger.post(f"guestPayments/charges/{one.id}", body)
    same(said.body, example("guestPayment_createOfflineCharge"))
    same(said.result, example("guestPayment_createOfflineCharge")["result"])
    charges = await stranger.get("guestPayments/charges", reservationId=one.id)
    theirs = example("guestPayment_retrieveChargeList")
    assert set(theirs) <= set(charges.body)
    same(charges.result[0], theirs["result"][0])
    found = await stranger.get(f"guestPayments/charges/{said.result['id']}")
    same(found.body, example("guestPayment_retrieveCharge"))


async def test_a_listing_has_only_fields_of_the_vendor(stranger: Stranger, double: Listing) -> None:
    row = (await stranger.get(f"listings/{double.id}")).result
    theirs = example("listing_listingObject")
    # The documents show a listing's units as an object of their own.
    assert set(row) - {"listingUnits"} <= set(theirs)
    for name in set(row) & set(theirs):
        fits(row[name], theirs[name], name)
    assert set(row["listingUnits"][0]) <= set(example("listingUnit_listingUnitObject"))


async def test_webhooks_and_their_log(stranger: Stranger, double: Listing) -> None:
    body = {"isEnabled": 1, "url": "https://api.example.com", "login": "l", "password": "p"}
    said = await stranger.post("webhooks/unifiedWebhooks", body)
    same(said.result, example("webhook_unifiedWebhookObject"))
    stranger.store.sell(double, FRIDAY)
    assert len(list(stranger.cloud.webhooks.requests())) == 1
    (row,) = (await stranger.get("unifiedWebhookLogs")).result
    same(row, example("unifiedWebhookLog_unifiedWebhookLogObject"))
