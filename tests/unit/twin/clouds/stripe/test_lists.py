"""What became of money can be read back: lists, pages, events."""

from __future__ import annotations

import base64

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.clouds import Payments
from twin.clouds.serve import Clouds
from twin.clouds.stripe import SECRET_KEY


async def test_a_charge_is_found_by_customer_time_and_our_own_reference(
    payments: Payments, clouds: Clouds, clock: VirtualClock
) -> None:
    store = clouds.stripe.store
    ours, other = store.add_customer()["id"], store.add_customer()["id"]
    await payments.charge("key-1", customer=ours, **{"metadata[outbox_id]": "early"})
    await clock.advance(60)
    since_s = store.now_s()
    await payments.charge("key-2", customer=other)
    await payments.charge("key-3", customer=ours, **{"metadata[outbox_id]": "late"})
    found = await payments.get(f"/v1/payment_intents?customer={ours}&created[gte]={since_s}")
    assert [one["metadata"]["outbox_id"] for one in found.body["data"]] == ["late"]


async def test_pages_give_every_row_once_newest_first(payments: Payments) -> None:
    made = [(await payments.charge(f"key-{index}")).body["id"] for index in range(7)]
    seen, after = [], ""
    while True:
        body = (await payments.get(f"/v1/payment_intents?limit=3{after}")).body
        seen += [one["id"] for one in body["data"]]
        if not body["has_more"]:
            break
        after = f"&starting_after={seen[-1]}"
    assert seen == made[::-1]


async def test_events_since_the_last_one_seen_come_without_gaps(payments: Payments) -> None:
    await payments.charge("key-1")
    last = (await payments.get("/v1/events?limit=1")).body["data"][0]["id"]
    for index in range(4):
        await payments.charge(f"more-{index}")
    kinds, more = [], True
    while more:
        path = "/v1/events?types[]=payment_intent.succeeded&types[]=charge.succeeded&limit=3"
        body = (await payments.get(f"{path}&ending_before={last}")).body
        kinds += [one["type"] for one in reversed(body["data"])]
        last, more = (body["data"][0]["id"] if body["data"] else last), body["has_more"]
    assert kinds == ["charge.succeeded", "payment_intent.succeeded"] * 4


async def test_an_event_shows_its_object_as_it_was_then(payments: Payments) -> None:
    intent = (await payments.charge("key-1")).body["id"]
    await payments.post("/v1/refunds", {"payment_intent": intent}, "key-2")
    body = (await payments.get("/v1/events?type=charge.succeeded")).body
    assert [one["data"]["object"]["amount_refunded"] for one in body["data"]] == [0]
    assert body["data"][0]["request"]["idempotency_key"] == "key-1"


async def test_events_older_than_thirty_days_are_gone(
    payments: Payments, clock: VirtualClock
) -> None:
    await payments.charge("key-1")
    await clock.advance(31 * 24 * 3600)
    assert (await payments.get("/v1/events")).body["data"] == []
    assert len((await payments.get("/v1/payment_intents")).body["data"]) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/payment_intents?limit=0", 400),
        ("/v1/payment_intents?limit=101", 400),
        ("/v1/payment_intents?created[near]=1", 400),
        ("/v1/payment_intents?starting_after=pi_none", 400),
        ("/v1/payment_intents?limit=1&limit[x]=2", 400),
        ("/v1/payment_intents/pi_none", 404),
        ("/v1/customers/cus_none", 404),
        ("/v1/secrets", 404),
        ("/", 404),
    ],
)
async def test_a_wrong_question_is_told_so(payments: Payments, path: str, status: int) -> None:
    answer = await payments.get(path)
    assert answer.status == status
    assert answer.body["error"]["type"] == "invalid_request_error"


async def test_only_the_right_key_opens(payments: Payments) -> None:
    basic = base64.b64encode(f"{SECRET_KEY}:".encode()).decode()
    given = {
        f"Bearer {SECRET_KEY}": 200,
        f"Basic {basic}": 200,
        "Basic ***": 401,
        "Bearer sk_test_other": 401,
        "": 401,
    }
    for header, status in given.items():
        assert (await payments.get("/v1/events", Authorization=header)).status == status
