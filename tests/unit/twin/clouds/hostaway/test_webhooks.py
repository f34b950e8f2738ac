"""Unified webhooks of the twin's Hostaway: who is told, how often, and when it gives up."""

from __future__ import annotations

import base64
import json

import pytest

from support.hostaway import FRIDAY, Stranger
from twin.clouds.hostaway import Body
from twin.clouds.hostaway.records import Listing


async def register(stranger: Stranger) -> int:
    body = {"isEnabled": 1, "url": "https://relay.example/h", "login": "np", "password": "secret"}
    said = await stranger.post("webhooks/unifiedWebhooks", body)
    assert said.result["password"] == "****"
    return int(said.result["id"])


async def test_both_bodies_come_with_basic_auth(stranger: Stranger, flat: Listing) -> None:
    await register(stranger)
    one = stranger.store.sell(flat, FRIDAY)
    stranger.store.cancel(one.id)
    made, changed = stranger.cloud.webhooks.requests()
    pair = base64.b64decode(made.headers["authorization"].removeprefix("Basic ")).decode()
    assert (made.method, made.path, pair) == ("POST", "https://relay.example/h", "np:secret")
    plain, nested = json.loads(made.body), json.loads(changed.body)["payload"]
    assert (plain["event"], nested["event"]) == ("reservation.created", "reservation.updated")
    assert plain["data"]["id"] == nested["data"]["id"] == one.id


@pytest.mark.parametrize(
    ("status", "attempts"), [(200, 1), (404, 1), (None, 4), (503, 4), (429, 4)]
)
async def test_only_a_passing_trouble_is_tried_again_three_times_within_an_hour(
    stranger: Stranger, flat: Listing, status: int | None, attempts: int
) -> None:
    await register(stranger)
    stranger.store.sell(flat, FRIDAY)
    tried = 0
    for _ in range(62):
        for delivery in stranger.cloud.webhooks.due():
            tried += 1
            stranger.cloud.webhooks.answered(delivery, status)
        await stranger.clock.advance(60)
    assert (tried, stranger.cloud.webhooks.waiting()) == (attempts, [])


async def test_five_days_of_failures_switch_a_webhook_off(
    stranger: Stranger, flat: Listing
) -> None:
    webhook = await register(stranger)
    for _ in range(7):
        stranger.store.sell(flat, FRIDAY)
        for delivery in stranger.cloud.webhooks.due():
            stranger.cloud.webhooks.answered(delivery, 400)
        await stranger.clock.advance(86_400)
    assert not stranger.store.webhooks[webhook].enabled
    path = f"webhooks/unifiedWebhooks/{webhook}"
    assert (await stranger.put(path, {"isEnabled": 1})).result["isEnabled"] == 1
    assert (await stranger.ask("DELETE", path)).result == []
    assert (await stranger.get(path)).status == 404


async def test_duplicates_and_disorder_come_when_asked_for(
    stranger: Stranger, flat: Listing
) -> None:
    await register(stranger)
    webhooks = stranger.cloud.webhooks
    webhooks.duplicates, webhooks.disorder, webhooks.body = 1.0, True, Body.PLAIN
    sold = [stranger.store.sell(flat, FRIDAY).id for _ in range(10)]
    heard = [json.loads(request.body)["data"]["id"] for request in webhooks.requests()]
    assert sorted(heard) == sorted(sold * 2)
    assert heard != sold * 2


async def test_the_log_tells_newest_first_what_was_answered(
    stranger: Stranger, flat: Listing
) -> None:
    await register(stranger)
    ids = [stranger.store.sell(flat, FRIDAY).id for _ in range(3)]
    for delivery in stranger.cloud.webhooks.due():
        stranger.cloud.webhooks.answered(delivery, None)
    rows = (await stranger.get("unifiedWebhookLogs", limit=2)).result
    assert [(row["object"], row["objectId"]) for row in rows] == [
        ("reservation", ids[2]),
        ("reservation", ids[1]),
    ]
    assert rows[0]["responseStatus"] is None
