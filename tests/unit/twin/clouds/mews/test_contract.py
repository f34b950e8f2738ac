"""Every answer of the PMS cloud fits the vendor's own OpenAPI, errors included."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support.clouds import House, Pms
from support.openapi import Contract, contract
from support.shared_data import shared_data
from twin.clouds.faults import Fault
from twin.clouds.mews import PREFIX, State
from twin.clouds.mews.cloud import ENDPOINTS
from twin.clouds.serve import Clouds

# Which of the vendor's files describes an endpoint.
FILE_OF = {
    "configuration": "configuration",
    "services": "services",
    "serviceOrderNotes": "services",
    "rates": "reservations",
    "reservations": "reservations",
    "ageCategories": "customers",
    "customers": "customers",
    "orderItems": "billing",
    "payments": "payments",
    "commands": "operations",
    "devices": "operations",
}

# The vendor's file lets no `Data` of a command pass, its own example neither: each kind extends
# an empty object that allows no further fields.
BEYOND_THEIR_OWN = re.compile(r"\$\.Commands\[\d+\]\.Data: ")


def contract_of(action: str) -> Contract:
    name = FILE_OF.get(action.split("/", maxsplit=1)[0], "resources")
    return contract(shared_data(f"contracts/mews/mews-connector-api-{name}-openapi.yml"))


def example(action: str) -> dict[str, Any]:
    """The vendor's own request."""
    resource, *rest = action.lower().split("/")
    name = f"{resource}--{resource}-{'-'.join(rest)}--request.json"
    found = json.loads((shared_data("contracts/mews/examples") / name).read_bytes())
    assert isinstance(found, dict)
    return found


def requests(house: House) -> dict[str, dict[str, Any]]:
    """One good request for every endpoint, in an order that works."""
    store = house.store
    one = house.sell(room_id=house.room("101"), notes="late arrival", channel="Booking.com")
    held = house.sell(state=State.OPTIONAL, released_s=store.now_s() + 3600, children=1)
    cancelled = house.sell()
    ours = {"ServiceId": store.enterprise.service_id}
    page = {"Limitation": {"Count": 100}}
    many = {"ServiceIds": [store.enterprise.service_id], **page}
    sale = {
        "StartUtc": "2026-11-02T15:00:00Z",
        "EndUtc": "2026-11-04T11:00:00Z",
        "CustomerId": house.guest.id,
        "RequestedCategoryId": house.category.id,
        "RateId": store.enterprise.rate_id,
        "PersonCounts": [{"AgeCategoryId": store.enterprise.adult_id, "Count": 2}],
    }
    span = {
        "FirstTimeUnitStartUtc": "2026-11-02T00:00:00Z",
        "LastTimeUnitStartUtc": "2026-11-04T00:00:00Z",
    }
    block = {
        "ResourceId": house.room("103"),
        "Name": "Paint",
        "Type": "OutOfOrder",
        "StartUtc": "2026-12-01T10:00:00Z",
        "EndUtc": "2026-12-02T10:00:00Z",
    }
    pin = {
        "ServiceOrderId": one.id,
        "ResourceId": house.room("101"),
        "Type": "PinCode",
        "Value": "482915",
        "ValidityStartUtc": "2026-10-30T15:00:00Z",
        "ValidityEndUtc": "2026-11-01T11:00:00Z",
        "Permissions": {"Room": {"Value": True}},
    }
    paid = {
        "AccountId": house.guest.id,
        "ReservationId": one.id,
        "Amount": {"Currency": "EUR", "GrossValue": 200},
        "Type": "Cash",
        "ExternalIdentifier": "ours-1",
    }
    token = {
        "ResourceAccessTokenId": house.token(one).id,
        "ValidityEndUtc": {"Value": "2026-11-02T11:00:00Z"},
    }
    cutter = store.add_device()
    asked_for = store.ask_for_keys(one.id, cutter.id)
    adjusted = {
        **span,
        "ResourceCategoryId": house.category.id,
        "UnitCountAdjustment": {"Value": -1},
    }
    changed = {"ReservationId": one.id, "AssignedResourceId": {"Value": house.room("102")}}
    new = {"LastName": "García-López", "FirstName": "Lucía", "OverwriteExisting": False}
    metrics = ["Occupied", "ActiveResources", "PublicAvailabilityAdjustment"]
    return {
        "configuration/get": {},
        "services/getAll": page,
        "services/updateAvailability": ours | {"AvailabilityUpdates": [adjusted]},
        "services/getAvailability/2024-01-22": ours | span | {"Metrics": metrics},
        "rates/getAll": many,
        "ageCategories/getAll": page,
        "resources/getAll": page
        | {"Extent": {"ResourceCategories": True, "ResourceCategoryAssignments": True}},
        "resources/update": {
            "ResourceUpdates": [{"ResourceId": house.room("102"), "State": {"Value": "Clean"}}]
        },
        "resourceCategories/getAll": many,
        "resourceCategoryAssignments/getAll": page | {"ResourceCategoryIds": [house.category.id]},
        "resourceBlocks/add": {"ResourceBlocks": [block]},
        "resourceBlocks/getAll": page,
        "resourceBlocks/delete": {},
        "resourceAccessTokens/add": {"ResourceAccessTokenParameters": [pin]},
        "resourceAccessTokens/update": {"ResourceAccessTokenUpdates": [token]},
        "resourceAccessTokens/getAll": page | {"ServiceOrderIds": [one.id]},
        "resourceAccessTokens/delete": {},
        "customers/getAll": page | {"Extent": {"Customers": True}},
        "customers/add": new,
        "reservations/add": ours | {"Reservations": [sale | {"Identifier": "1"}]},
        "reservations/price": ours | {"Reservations": [sale]},
        "reservations/update": {"ReservationId": one.id, "ReservationUpdates": [changed]},
        "reservations/updateInterval": {
            "ReservationId": one.id,
            "EndUtc": "2026-10-30T23:00:00Z",
            "ChargeCancellationFee": False,
        },
        "reservations/confirm": {"ReservationIds": [held.id]},
        "reservations/start": {"ReservationId": one.id},
        "reservations/cancel": {"ReservationIds": [cancelled.id], "Notes": "asked by the guest"},
        "payments/addExternal": paid,
        "payments/getAll": page | {"AccountIds": [house.guest.id]},
        "devices/getAll": {},
        "commands/addKeyCutter": {
            "KeyCutterId": cutter.id,
            "ReservationId": one.id,
            "KeyCount": 2,
        },
        "commands/getAllActive": {},
        "commands/getAllByIds": {"CommandIds": [asked_for.id]},
        "commands/update": {
            "CommandId": asked_for.id,
            "State": "Processing",
            "Progress": 0.5,
        },
        "reservations/process": {
            "ReservationId": one.id,
            "AllowOpenBalance": True,
            "Notes": "left a day early",
        },
        "reservations/getAll/2023-06-06": page,
        "orderItems/getAll": page | {"ServiceOrderIds": [one.id, held.id, cancelled.id]},
        "serviceOrderNotes/add": {
            "ServiceOrderNotes": [{"ServiceOrderId": one.id, "Text": "allergic to feathers"}]
        },
        "serviceOrderNotes/getAll": page | {"ServiceOrderIds": [one.id]},
    }


async def test_every_answer_fits_the_vendors_contract(pms: Pms, house: House) -> None:
    asked = requests(house)
    assert set(asked) == set(ENDPOINTS)
    for action, fields in asked.items():
        answer = await pms.good(action, **fields)
        vendor = contract_of(action)
        faults = vendor.faults(vendor.answer_of(PREFIX + action), answer)
        assert [fault for fault in faults if not BEYOND_THEIR_OWN.match(fault)] == [], action


async def test_a_sparse_record_still_fits_the_contract(
    pms: Pms, house: House, clouds: Clouds
) -> None:
    house.sell()
    action = "reservations/getAll/2023-06-06"
    clouds.mews.faults.plan(action, Fault.SPARSE)
    answer = await pms.good(action, Limitation={"Count": 10})
    assert contract_of(action).faults("ReservationServiceOrderResult", answer) == []


@pytest.mark.parametrize("status", [400, 401, 403, 429])
async def test_every_error_fits_the_contract(
    pms: Pms, house: House, clouds: Clouds, status: int
) -> None:
    action = "reservations/start"
    answer = {
        400: await pms.ask(action),
        401: await pms.ask(action, AccessToken="nobody"),
        403: await pms.ask(action, ReservationId=house.sell().id),
    }.get(status)
    if answer is None:
        clouds.mews.faults.plan(action, Fault.TOO_MANY)
        answer = await pms.ask(action)
    assert answer.status == status
    vendor = contract_of(action)
    component = vendor.answer_of(PREFIX + action, str(status))
    assert vendor.faults(component, answer.body) == []


@pytest.mark.parametrize(
    "action",
    [
        "configuration/get",
        "services/getAll",
        "customers/getAll",
        "reservations/getAll/2023-06-06",
        "resources/getAll",
        "resourceBlocks/getAll",
        "payments/getAll",
    ],
)
async def test_the_vendors_own_example_requests_are_understood(pms: Pms, action: str) -> None:
    fields = {
        name: value
        for name, value in example(action).items()
        if name not in {"ClientToken", "AccessToken", "Client"}
    }
    answer = await pms.ask(action, **fields)
    # One example of the vendor asks for a year at once, beyond its own limit.
    assert answer.status == 200 or "3 months" in answer.message, answer.body
