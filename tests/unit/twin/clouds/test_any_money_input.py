"""Nothing a caller can send makes the payment page or the bank feed of the twin stumble."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.ccavenue import ACCESS_CODE, WORKING_KEY, CCAvenueCloud
from twin.clouds.ccavenue.cipher import seal
from twin.clouds.plaid import CLIENT_ID, SECRET, PlaidCloud
from twin.clouds.wire import Request
from twin.journal import Journal

FRIDAY_18_MS = 1_793_383_200_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(
    path=st.sampled_from(["/transaction/transaction.do", "/apis/servlet/DoWebTrans", "/"]),
    plain=st.text(max_size=40) | JSON.map(json.dumps),
    command=st.sampled_from(["orderStatusTracker", "other", ""]),
    raw=st.binary(max_size=40),
    sealed=st.booleans(),
)
def test_any_form_is_answered_by_the_payment_page(
    path: str, plain: str, command: str, raw: bytes, *, sealed: bool
) -> None:
    cloud = CCAvenueCloud(VirtualClock(FRIDAY_18_MS), Journal())
    text = seal(plain, WORKING_KEY)
    form = {"access_code": ACCESS_CODE, "command": command, "version": "1.2"}
    form |= {"encRequest": text, "enc_request": text}
    body = urlencode(form).encode() if sealed else raw
    reply = asyncio.run(cloud.answer(Request(method="POST", path=path, body=body)))
    assert reply.status in {200, 404}


@settings(max_examples=200, deadline=None)
@given(
    path=st.sampled_from(["/transactions/sync", "/item/get", "/webhook_verification_key/get", "/"]),
    fields=st.dictionaries(
        st.sampled_from(["access_token", "cursor", "count", "key_id", "options"]),
        JSON | st.just("@ours"),
    ),
    raw=st.none() | st.binary(max_size=40),
)
def test_any_object_is_answered_by_the_bank_feed(
    path: str, fields: dict[str, Any], raw: bytes | None
) -> None:
    cloud = PlaidCloud(VirtualClock(FRIDAY_18_MS), Journal())
    item = cloud.store.add_item()
    cloud.store.book(item, -1.0, "RENT")
    asked = {key: item.access_token if one == "@ours" else one for key, one in fields.items()}
    body = json.dumps({"client_id": CLIENT_ID, "secret": SECRET, **asked}).encode()
    request = Request(method="POST", path=path, body=raw or body)
    reply = asyncio.run(cloud.answer(request))
    assert reply.status in {200, 400, 404}
    json.loads(reply.body)
