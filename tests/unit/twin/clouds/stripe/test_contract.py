"""Every object of the payment cloud fits the vendor's own specification and sample objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.clouds import Payments
from support.openapi import contract
from support.shared_data import shared_data
from twin.clouds.serve import Clouds
from twin.clouds.stripe import disputes, refunds

SPEC = "contracts/stripe/spec3-2022-04-12.json"
SAMPLES = "contracts/stripe/fixtures3-2026-08-21.json"
# The specification is of 2022; these parts of it the vendor's samples of 2026 no longer have, or
# say in another way.
SINCE_CHANGED = {
    "charges",  # lists inside an intent and inside a charge ended with the versions of 2022
    "refunds",
}


def still(faults: list[str]) -> list[str]:
    """Those that are faults in the versions of today, too."""
    return [one for one in faults if not any(f"'{gone}'" in one for gone in SINCE_CHANGED)]


async def objects(payments: Payments, clouds: Clouds) -> dict[str, Any]:
    """One of each kind, after a life that fills most fields."""
    store = clouds.stripe.store
    customer = (await payments.post("/v1/customers", {"name": "Wei"})).body
    card = store.save_card(customer["id"])
    intent = (await payments.charge("key-1", customer=customer["id"], payment_method=card)).body
    path = f"/v1/payment_intents/{intent['id']}"
    refund = (await payments.post("/v1/refunds", {"payment_intent": intent["id"]}, "key-2")).body
    refunds.fails(store, refund["id"])
    dispute = disputes.opened(store, intent["latest_charge"])
    setup = {"customer": customer["id"], "payment_method": "pm_card_visa", "confirm": "true"}
    return {
        "customer": (await payments.get(f"/v1/customers/{customer['id']}")).body,
        "payment_intent": (await payments.get(path)).body,
        "charge": (await payments.get(f"/v1/charges/{intent['latest_charge']}")).body,
        "refund": (await payments.get(f"/v1/refunds/{refund['id']}")).body,
        "dispute": (await payments.get(f"/v1/disputes/{dispute['id']}")).body,
        "setup_intent": (await payments.post("/v1/setup_intents", setup, "key-3")).body,
        "event": (await payments.get("/v1/events?limit=1")).body["data"][0],
        "payment_method": store.methods.newest_first()[0],
    }


async def test_every_object_fits_the_vendors_specification(
    payments: Payments, clouds: Clouds
) -> None:
    vendor = contract(shared_data(SPEC))
    for name, value in (await objects(payments, clouds)).items():
        assert still(vendor.faults(name, value)) == [], name


async def test_no_object_has_a_field_that_the_vendors_samples_do_not_know(
    payments: Payments, clouds: Clouds
) -> None:
    samples = json.loads(shared_data(SAMPLES).read_bytes())["resources"]
    for name, value in (await objects(payments, clouds)).items():
        # The samples are of good days: only a failed refund says why it failed.
        assert set(value) - {"failure_reason"} <= set(samples[name]), name
        assert value["object"] == name


@pytest.mark.parametrize(
    "path",
    [
        "/v1/payment_intents",
        "/v1/payment_intents/{intent}",
        "/v1/payment_intents/{intent}/confirm",
        "/v1/payment_intents/{intent}/capture",
        "/v1/payment_intents/{intent}/cancel",
        "/v1/refunds",
        "/v1/refunds/{refund}",
        "/v1/disputes",
        "/v1/disputes/{dispute}",
        "/v1/setup_intents",
        "/v1/setup_intents/{intent}/confirm",
        "/v1/setup_intents/{intent}/cancel",
        "/v1/events",
    ],
)
def test_every_address_is_one_of_the_vendors(path: str) -> None:
    assert path in json.loads(shared_data(SPEC).read_bytes())["paths"]


async def test_errors_fit_the_vendors_shape(payments: Payments) -> None:
    vendor = contract(shared_data(SPEC))
    declined = await payments.charge("key-1", payment_method="pm_card_chargeDeclined")
    refused = await payments.charge("key-2", amount=1)
    nowhere = await payments.get("/v1/payment_intents/pi_none")
    for answer in (declined, refused, nowhere):
        assert still(vendor.faults("error", answer.body)) == []
