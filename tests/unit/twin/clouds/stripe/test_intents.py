"""A charge is what the provider says it is: paid, declined, waiting, captured, given back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.clouds import Payments
from support.shared_data import shared_data
from twin.clouds.serve import Clouds
from twin.clouds.stripe import Card
from twin.journal import Journal

CREATE = "/v1/payment_intents"


def fixtures() -> dict[str, Any]:
    path = shared_data("contracts/stripe/fixtures3-2026-08-21.json")
    found = json.loads(path.read_bytes())["resources"]
    assert isinstance(found, dict)
    return found


async def test_a_saved_card_is_charged_without_the_guest(
    payments: Payments, clouds: Clouds, journal: Journal
) -> None:
    store = clouds.stripe.store
    customer = store.add_customer("Lucía García-López")["id"]
    card = store.save_card(customer)
    answer = await payments.charge(
        "key-1", customer=customer, payment_method=card, **{"metadata[outbox_id]": "ours-1"}
    )
    intent = answer.body
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 12_000)
    assert intent["metadata"] == {"outbox_id": "ours-1"}
    [noted] = journal.read("payments.charged")
    assert noted["charge"] == intent["latest_charge"]
    assert (noted["amount_minor"], noted["customer"]) == (12_000, customer)
    assert noted["metadata"] == {"outbox_id": "ours-1"}


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
async def test_a_decline_is_402_with_its_reason_and_the_intent(
    payments: Payments, journal: Journal, card: str, code: str, decline: str
) -> None:
    answer = await payments.charge("key-1", payment_method=card)
    error = answer.body["error"]
    assert answer.status == 402
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", code, decline)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert journal.count("payments.charged") == 0


async def test_on_session_a_card_may_ask_for_its_owner(payments: Payments) -> None:
    answer = await payments.charge(
        "key-1", payment_method="pm_card_authenticationRequired", off_session="false"
    )
    assert answer.body["status"] == "requires_action"
    assert answer.body["next_action"] is not None


async def test_an_authorisation_is_captured_in_part_and_the_rest_is_released(
    payments: Payments, journal: Journal
) -> None:
    intent = (await payments.charge("key-1", capture_method="manual")).body
    assert (intent["status"], intent["amount_capturable"]) == ("requires_capture", 12_000)
    path = f"{CREATE}/{intent['id']}/capture"
    assert (await payments.post(path, {"amount_to_capture": 12_001}, "key-2")).status == 400
    captured = (await payments.post(path, {"amount_to_capture": 5_000}, "key-3")).body
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 5_000)
    assert (await payments.post(path, {}, "key-4")).status == 400
    assert journal.count("payments.authorized") == 1
    assert journal.count("payments.captured", amount_minor=5_000) == 1


async def test_what_is_paid_cannot_be_cancelled_and_what_is_held_can(payments: Payments) -> None:
    paid = (await payments.charge("key-1")).body
    held = (await payments.charge("key-2", capture_method="manual")).body
    refused = await payments.post(f"{CREATE}/{paid['id']}/cancel", {}, "key-3")
    assert refused.body["error"]["code"] == "payment_intent_unexpected_state"
    released = await payments.post(f"{CREATE}/{held['id']}/cancel", {}, "key-4")
    assert released.body["status"] == "canceled"


async def test_never_more_is_given_back_than_was_taken(
    payments: Payments, journal: Journal
) -> None:
    intent = (await payments.charge("key-1")).body["id"]

    async def refund(key: str, **params: object) -> int:
        sent = {"payment_intent": intent, **params}
        return (await payments.post("/v1/refunds", sent, key)).status

    assert await refund("key-2", amount=10_000) == 200
    assert await refund("key-3", amount=2_001) == 400
    assert await refund("key-4") == 200
    assert await refund("key-5") == 400
    given = [entry["amount_minor"] for entry in journal.read("payments.refunded")]
    assert given == [10_000, 2_000]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"amount": 49}, "amount_too_small"),
        ({"amount": 100_000_000}, "amount_too_large"),
        ({"amount": "12.5"}, "parameter_invalid_integer"),
        ({"amount": ""}, "parameter_invalid_integer"),
        ({"currency": "euro"}, None),
        ({"customer": "cus_nobody"}, "resource_missing"),
        ({"payment_method": "pm_nothing"}, "resource_missing"),
        ({"confirm": "yes"}, "parameter_invalid_boolean"),
        ({"confirm": "false"}, "parameter_invalid_empty"),
        ({"ammount": 1}, "parameter_unknown"),
        ({"metadata[a][b]": "c"}, "parameter_invalid_empty"),
        ({"payment_method_types[]": "card"}, "payment_method_types_no_longer_supported"),
    ],
)
async def test_a_wrong_parameter_is_400_and_takes_no_money(
    payments: Payments, journal: Journal, params: dict[str, object], code: str | None
) -> None:
    answer = await payments.charge("key-1", **params)
    assert answer.status == 400
    assert answer.body["error"].get("code") == code
    assert journal.read("payments.charged") == []


async def test_the_version_decides_about_payment_method_types(payments: Payments) -> None:
    types = {"payment_method_types[]": "card"}
    sent = {
        "amount": 500,
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "confirm": "true",
        **types,
    }
    old = await payments.post(CREATE, sent, "key-1", **{"Stripe-Version": "2026-08-26.dahlia"})
    new = await payments.post(CREATE, sent, "key-2", **{"Stripe-Version": "2026-09-30.endive"})
    odd = await payments.post(CREATE, sent, "key-3", **{"Stripe-Version": "latest"})
    assert (old.status, new.status, odd.status) == (200, 400, 400)


async def test_another_guests_card_is_refused(payments: Payments, clouds: Clouds) -> None:
    store = clouds.stripe.store
    mine, theirs = store.add_customer()["id"], store.add_customer()["id"]
    card = store.save_card(theirs)
    answer = await payments.charge("key-1", customer=mine, payment_method=card)
    assert answer.status == 400


async def test_a_card_number_is_never_taken(payments: Payments) -> None:
    card = {"type": "card", "card[number]": "4242424242424242"}
    answer = await payments.post("/v1/payment_methods", card)
    assert answer.status == 402
    assert "4242" not in json.dumps(answer.body)


async def test_a_card_saved_on_session_can_be_charged_later(payments: Payments) -> None:
    customer = (await payments.post("/v1/customers", {"name": "Ayşe Öztürk"})).body["id"]
    setup = {"customer": customer, "payment_method": str(Card.GOOD), "confirm": "true"}
    saved = (await payments.post("/v1/setup_intents", setup, "key-1")).body
    assert saved["status"] == "succeeded"
    answer = await payments.charge(
        "key-2", customer=customer, payment_method=saved["payment_method"]
    )
    assert answer.body["status"] == "succeeded"


async def test_shapes_carry_only_fields_the_vendor_has(payments: Payments, clouds: Clouds) -> None:
    vendor = fixtures()
    customer = (await payments.post("/v1/customers", {"name": "Wei"})).body
    clouds.stripe.store.save_card(customer["id"])
    intent = (await payments.charge("key-1", customer=customer["id"])).body
    charge = (await payments.get(f"/v1/charges/{intent['latest_charge']}")).body
    refund = (await payments.post("/v1/refunds", {"payment_intent": intent["id"]}, "key-2")).body
    setup = (await payments.post("/v1/setup_intents", {"customer": customer["id"]})).body
    event = (await payments.get("/v1/events?limit=1")).body["data"][0]
    card = (await payments.get(f"/v1/payment_methods?customer={customer['id']}")).body["data"][0]
    shapes = {
        "customer": customer,
        "payment_intent": intent,
        "charge": charge,
        "refund": refund,
        "setup_intent": setup,
        "event": event,
        "payment_method": card,
    }
    for name, shape in shapes.items():
        assert set(shape) <= set(vendor[name]), name
        assert shape["object"] == name
