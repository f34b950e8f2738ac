"""The Guesty twin's webhooks: registered, signed, repeated, in disorder, given up."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from support.guesty import Account
from twin.clouds.guesty.webhooks import RETRY_AFTER_S, signature, written
from twin.clouds.wire import Request

URL = "https://box.example/hooks/guesty"
EVENTS = ["reservation.created.v2", "reservation.updated.v2"]


async def registered(account: Account) -> str:
    await account.good("POST", "/webhooks", url=URL, events=EVENTS)
    await account.clock.advance(5)
    body = await account.good("GET", "/webhooks-v2/secret", {"url": URL})
    return str(body["key"])


async def test_the_secret_is_not_found_for_a_while_and_new_after_a_new_start(
    account: Account,
) -> None:
    made = await account.good("POST", "/webhooks", url=URL, events=EVENTS)
    asked = {"url": URL}
    assert (await account.ask("GET", "/webhooks-v2/secret", asked)).status == 404
    await account.clock.advance(5)
    first = await account.good("GET", "/webhooks-v2/secret", asked)
    await account.good("DELETE", f"/webhooks/{made['_id']}")
    assert await registered(account) != first["key"]
    (listed,) = await account.good("GET", "/webhooks")
    changed = await account.good("PUT", f"/webhooks/{listed['_id']}", events=EVENTS[:1])
    assert changed["events"] == EVENTS[:1]


@pytest.mark.parametrize("events", [["reservation.new"], ["reservation.updated"], ["x"], [], None])
async def test_an_event_that_ended_or_never_was_is_refused(
    account: Account, events: list[str] | None
) -> None:
    assert (await account.ask("POST", "/webhooks", url=URL, events=events)).status == 400


async def test_a_message_is_signed_so_that_three_strangers_agree(account: Account) -> None:
    svix = pytest.importorskip("svix.webhooks")
    standard = pytest.importorskip("standardwebhooks.webhooks")
    secret = await registered(account)
    # Both libraries ask the system for the time when they verify: their own signing is compared.
    one = account.sell()
    (delivery,) = account.cloud.webhooks.due()
    request = delivery.request
    assert json.loads(request.body)["data"]["reservationId"] == one.id
    stamp = request.headers["svix-timestamp"]
    key = account.cloud.webhooks.endpoints
    (raw,) = next(iter(key.values())).secrets
    assert written(raw) == secret
    mark = signature(raw, request.headers["svix-id"], stamp, request.body)
    assert request.headers["svix-signature"] == mark
    theirs = svix.Webhook(secret)
    at = datetime.fromtimestamp(int(stamp), UTC)
    assert theirs.sign(request.headers["svix-id"], at, request.body.decode()) == mark
    other = standard.Webhook(secret)
    assert other.sign(request.headers["svix-id"], at, request.body.decode()) == mark


async def test_a_message_is_tried_eight_times_with_one_id_and_new_times(account: Account) -> None:
    await registered(account)
    account.sell()
    ids, stamps = set(), set()

    async def fail(_url: str, request: Request) -> int:
        ids.add(request.headers["svix-id"])
        stamps.add(request.headers["svix-timestamp"])
        return 503

    for wait_s in RETRY_AFTER_S:
        await account.clock.advance(wait_s)
        assert await account.cloud.webhooks.deliver(fail) == 1
    assert (len(ids), len(stamps)) == (1, 8)
    assert account.cloud.webhooks.given_up == 1
    assert not account.cloud.webhooks.owed


async def test_five_days_of_failures_end_it(account: Account) -> None:
    await registered(account)

    async def fail(_url: str, _request: Request) -> int:
        return 500

    for _ in range(6):
        account.sell()
        await account.cloud.webhooks.deliver(fail)
        await account.clock.advance(86_400)
    await account.cloud.webhooks.deliver(fail)
    (endpoint,) = account.cloud.webhooks.endpoints.values()
    assert endpoint.disabled
    account.sell()
    assert not account.cloud.webhooks.due()


async def test_messages_come_twice_and_in_disorder_and_are_done_once_answered(
    account: Account,
) -> None:
    await registered(account)
    for _ in range(10):
        account.sell()
    seen: list[str] = []

    async def take(url: str, request: Request) -> int:
        assert url == URL
        seen.append(request.headers["svix-id"])
        return 200

    assert await account.cloud.webhooks.deliver(take, shuffled=True, doubled=True) == 20
    assert seen != sorted(seen)
    assert len(set(seen)) == 10
    assert await account.cloud.webhooks.deliver(take) == 0


async def test_a_secret_that_is_changed_signs_beside_the_old_one(account: Account) -> None:
    before = await registered(account)
    account.cloud.webhooks.change_secret(URL)
    after = await account.good("GET", "/webhooks-v2/secret", {"url": URL})
    assert after["key"] != before
    account.sell()
    (delivery,) = account.cloud.webhooks.due()
    assert len(delivery.request.headers["svix-signature"].split()) == 2
