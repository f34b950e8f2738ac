"""The bank feed fits the vendor's own OpenAPI, and its signatures a library nobody here wrote."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import jwt
import pytest

from appliance.kernel.virtual_clock import VirtualClock
from support.openapi import contract
from support.shared_data import shared_data
from twin.clouds.plaid import CLIENT_ID, SECRET, PlaidCloud
from twin.clouds.wire import Request
from twin.journal import Journal

FRIDAY_18_MS = 1_793_383_200_000
FILE = "contracts/plaid-2020-09-14.yml"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(FRIDAY_18_MS)


@pytest.fixture
def cloud(clock: VirtualClock) -> PlaidCloud:
    return PlaidCloud(clock, Journal())


def ask(cloud: PlaidCloud, path: str, **fields: Any) -> tuple[int, Any]:
    body = json.dumps({"client_id": CLIENT_ID, "secret": SECRET, **fields}).encode()
    reply = asyncio.run(cloud.answer(Request(method="POST", path=path, body=body)))
    return reply.status, json.loads(reply.body)


def test_every_answer_fits_the_vendors_contract(cloud: PlaidCloud) -> None:
    vendor = contract(shared_data(FILE))
    item = cloud.store.add_item()
    first = cloud.store.book(item, -5.5, "RENT", pending=True)
    second = cloud.store.book(item, -5.5, "RENT", replaces=first)
    cloud.store.modify(item, second, amount=-6)
    asked = {
        "/transactions/sync": {"access_token": item.access_token},
        "/item/get": {"access_token": item.access_token},
        "/webhook_verification_key/get": {"key_id": cloud.keys[0].kid},
    }
    for path, fields in asked.items():
        status, answer = ask(cloud, path, **fields)
        assert (status, vendor.faults(vendor.answer_of(path), answer)) == (200, []), path


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/transactions/sync", {"access_token": "x"}, "INVALID_ACCESS_TOKEN"),
        ("/transactions/sync", {"secret": "x"}, "INVALID_API_KEYS"),
        ("/webhook_verification_key/get", {"key_id": "x"}, "INVALID_WEBHOOK_VERIFICATION_KEY_ID"),
    ],
)
def test_every_error_fits_it(
    cloud: PlaidCloud, path: str, fields: dict[str, str], code: str
) -> None:
    vendor = contract(shared_data(FILE))
    status, answer = ask(cloud, path, **fields)
    assert (status, answer["error_code"]) == (400, code)
    assert vendor.faults("PlaidError", answer) == []


def test_a_cursor_gives_each_change_once(cloud: PlaidCloud) -> None:
    item = cloud.store.add_item()
    made = [cloud.store.book(item, -1.0 * number, "x") for number in range(1, 8)]
    seen, cursor, more = [], "", True
    while more:
        fields = {"access_token": item.access_token, "count": 3, "cursor": cursor}
        page = ask(cloud, "/transactions/sync", **fields)[1]
        seen += [row["transaction_id"] for row in page["added"]]
        cursor, more = page["next_cursor"], page["has_more"]
    assert seen == made


def test_a_change_between_two_pages_is_an_error_of_its_own(cloud: PlaidCloud) -> None:
    item = cloud.store.add_item()
    for number in range(5):
        cloud.store.book(item, -1.0 - number, "x")
    page = ask(cloud, "/transactions/sync", access_token=item.access_token, count=2)[1]
    cloud.store.book(item, -9.0, "late")
    fields = {"access_token": item.access_token, "cursor": page["next_cursor"]}
    status, answer = ask(cloud, "/transactions/sync", **fields)
    assert (status, answer["error_code"]) == (400, "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")
    again = ask(cloud, "/transactions/sync", access_token=item.access_token)[1]
    assert len(again["added"]) == 6


def test_a_webhook_is_verified_by_pyjwt(cloud: PlaidCloud) -> None:
    hook = cloud.webhook("SYNC_UPDATES_AVAILABLE", cloud.store.add_item())
    token = hook.headers["plaid-verification"]
    key_id = jwt.get_unverified_header(token)["kid"]
    key = ask(cloud, "/webhook_verification_key/get", key_id=key_id)[1]["key"]
    options = {"verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], options=options)  # type: ignore[arg-type]
    assert claims["request_body_sha256"] == hashlib.sha256(hook.body).hexdigest()
    assert claims["iat"] == FRIDAY_18_MS // 1000
    cloud.new_key()
    assert ask(cloud, "/webhook_verification_key/get", key_id=key_id)[1]["key"]["expired_at"]
