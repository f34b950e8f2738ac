"""Webhooks leave the payment cloud signed, repeated and in no order."""

from __future__ import annotations

import hashlib
import hmac
import json
import random

from support.clouds import Payments
from twin.clouds.serve import Clouds
from twin.clouds.stripe.hooks import HOOK_SECRET, Endpoint, Hook


def verified(hook: Hook, secret: str) -> bool:
    """The vendor's scheme written a second time."""
    parts = [
        part.partition("=")[::2] for part in hook.request.headers["stripe-signature"].split(",")
    ]
    (at_s,) = (value for name, value in parts if name == "t")
    want = hmac.new(secret.encode(), f"{at_s}.".encode() + hook.request.body, hashlib.sha256)
    return want.hexdigest() in [value for name, value in parts if name == "v1"]


async def test_a_delivery_is_signed_with_every_secret_in_force(
    payments: Payments, clouds: Clouds
) -> None:
    await payments.charge("key-1")
    endpoint = Endpoint(store=clouds.stripe.store, secrets=[HOOK_SECRET, "whsec_new"])
    hook = endpoint.mixed(random.Random(1))[0]
    assert verified(hook, HOOK_SECRET)
    assert verified(hook, "whsec_new")
    assert not verified(hook, "whsec_other")


async def test_an_event_is_tried_for_three_days_under_one_id(
    payments: Payments, clouds: Clouds
) -> None:
    await payments.charge("key-1")
    event = clouds.stripe.store.events.newest_first()[0]
    tries = list(Endpoint(store=clouds.stripe.store).attempts(event))
    assert {hook.event_id for hook in tries} == {event["id"]}
    assert tries[-1].at_s - tries[0].at_s == 3 * 86_400
    assert len({hook.request.headers["stripe-signature"] for hook in tries}) == len(tries)
    assert all(verified(hook, HOOK_SECRET) for hook in tries)


async def test_deliveries_are_shuffled_and_some_are_doubled(
    payments: Payments, clouds: Clouds
) -> None:
    for index in range(20):
        await payments.charge(f"key-{index}")
    hooks = Endpoint(store=clouds.stripe.store).mixed(random.Random(7))
    told = [json.loads(hook.request.body)["id"] for hook in hooks]
    assert len(set(told)) == len(clouds.stripe.store.events.rows) < len(told)
    assert told != sorted(told, key=list(clouds.stripe.store.events.rows).index)
