"""What happens outside of the account: guests at their bank's page, banks, cardholders."""

from __future__ import annotations

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import Payments
from twin.clouds.serve import Clouds
from twin.clouds.stripe import Card, disputes, guest, refunds
from twin.clouds.stripe.words import HOLD_S_MAX
from twin.journal import Journal

CREATE = "/v1/payment_intents"
NEEDS_OWNER = str(Card.AUTHENTICATION_REQUIRED)


async def kinds(payments: Payments) -> list[str]:
    """The events so far, oldest first."""
    rows = (await payments.get("/v1/events?limit=100")).body["data"]
    return [row["type"] for row in reversed(rows)]


async def setup(payments: Payments, **fields: str) -> dict[str, str]:
    customer = (await payments.post("/v1/customers", {"name": "Wei"})).body["id"]
    made = (await payments.post("/v1/setup_intents", {"customer": customer, **fields}, "s-1")).body
    assert made["status"] == "requires_payment_method"
    return {"customer": customer, "id": made["id"]}


@pytest.mark.parametrize("success", [True, False])
async def test_a_guest_who_was_asked_for_confirms_or_fails(
    payments: Payments, clouds: Clouds, journal: Journal, *, success: bool
) -> None:
    refused = await payments.charge("key-1", payment_method=NEEDS_OWNER)
    name = refused.body["error"]["payment_intent"]["id"]
    asked = guest.comes_back(clouds.stripe.store, name, NEEDS_OWNER)
    assert asked["status"] == "requires_action"
    guest.authenticates(clouds.stripe.store, name, success=success)
    now = (await payments.get(f"{CREATE}/{name}")).body
    assert now["status"] == ("succeeded" if success else "requires_payment_method")
    assert journal.count("payments.charged") == int(success)


async def test_with_a_way_back_the_guest_is_sent_to_the_banks_page(payments: Payments) -> None:
    fields = {"off_session": "false", "return_url": "https://box.example/back"}
    answer = await payments.charge("key-1", payment_method=NEEDS_OWNER, **fields)
    assert answer.body["next_action"]["type"] == "redirect_to_url"
    assert answer.body["next_action"]["redirect_to_url"]["return_url"] == fields["return_url"]


async def test_a_card_set_up_on_session_with_3ds_is_charged_off_session_later(
    payments: Payments, clouds: Clouds
) -> None:
    made = await setup(payments)
    path = f"/v1/setup_intents/{made['id']}"
    asked = (await payments.post(f"{path}/confirm", {"payment_method": NEEDS_OWNER}, "s-2")).body
    assert asked["status"] == "requires_action"
    guest.authenticates(clouds.stripe.store, made["id"])
    saved = (await payments.get(path)).body
    answer = await payments.charge(
        "key-1", customer=made["customer"], payment_method=saved["payment_method"]
    )
    assert (saved["status"], answer.body["status"]) == ("succeeded", "succeeded")
    assert "setup_intent.succeeded" in await kinds(payments)
    found = await payments.get(f"/v1/setup_intents?customer={made['customer']}")
    assert [row["id"] for row in found.body["data"]] == [made["id"]]


async def test_a_set_up_is_declined_cancelled_and_confirmed_once(payments: Payments) -> None:
    made = await setup(payments)
    path = f"/v1/setup_intents/{made['id']}"
    declined = await payments.post(f"{path}/confirm", {"payment_method": str(Card.DECLINED)}, "1")
    assert (declined.status, declined.body["error"]["code"]) == (402, "card_declined")
    assert (await payments.post(f"{path}/cancel", {}, "2")).body["status"] == "canceled"
    late = await payments.post(f"{path}/confirm", {"payment_method": str(Card.GOOD)}, "3")
    assert late.body["error"]["code"] == "setup_intent_unexpected_state"


@pytest.mark.parametrize(
    ("withdrawn", "code"),
    [
        (True, "capture_charge_authorization_expired"),
        (False, "charge_expired_for_capture"),
    ],
)
async def test_a_hold_does_not_last_for_ever(
    payments: Payments, clouds: Clouds, clock: VirtualClock, *, withdrawn: bool, code: str
) -> None:
    held = (await payments.charge("key-1", capture_method="manual")).body
    if withdrawn:
        guest.withdraws(clouds.stripe.store, held["id"])
    else:
        await clock.advance(HOLD_S_MAX)
    answer = await payments.post(f"{CREATE}/{held['id']}/capture", {}, "key-2")
    assert (answer.status, answer.body["error"]["code"]) == (400, code)


async def test_a_dispute_is_opened_and_decided(payments: Payments, clouds: Clouds) -> None:
    intent = (await payments.charge("key-1")).body
    one = disputes.opened(clouds.stripe.store, intent["latest_charge"])
    disputes.closed(clouds.stripe.store, one["id"], won=False)
    found = (await payments.get(f"/v1/disputes?payment_intent={intent['id']}")).body["data"]
    assert [(row["id"], row["status"]) for row in found] == [(one["id"], "lost")]
    assert (await payments.get(f"/v1/charges/{intent['latest_charge']}")).body["disputed"] is True
    told = [kind for kind in await kinds(payments) if "dispute" in kind]
    assert told == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]


async def test_a_refund_may_come_back_days_later(payments: Payments, clouds: Clouds) -> None:
    intent = (await payments.charge("key-1")).body
    made = (await payments.post("/v1/refunds", {"payment_intent": intent["id"]}, "key-2")).body
    refunds.fails(clouds.stripe.store, made["id"])
    assert (await payments.get(f"/v1/refunds/{made['id']}")).body["status"] == "failed"
    again = await payments.post("/v1/refunds", {"payment_intent": intent["id"]}, "key-3")
    assert again.status == 200
