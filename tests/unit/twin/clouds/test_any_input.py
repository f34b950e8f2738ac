"""Nothing a caller can send makes a cloud of the twin stumble."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, PREFIX, MewsCloud
from twin.clouds.mews.cloud import ENDPOINTS
from twin.clouds.stripe import SECRET_KEY, StripeCloud
from twin.clouds.wire import Request
from twin.journal import Journal

FRIDAY_18_MS = 1_793_383_200_000
UNKNOWN = "0f515589-99b4-423d-b83a-b237009f0509"
TIMES = st.sampled_from(
    [
        "2026-10-30T00:00:00Z",
        "2026-11-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "2026-13-01T00:00:00Z",
        "",
    ]
)
FIELDS = [
    "Limitation",
    "UpdatedUtc",
    "CreatedUtc",
    "CollidingUtc",
    "ReservationIds",
    "States",
    "Extent",
    "ServiceId",
    "ServiceIds",
    "Reservations",
    "ReservationUpdates",
    "ReservationId",
    "StartUtc",
    "EndUtc",
    "Amount",
    "AccountId",
    "PersonCounts",
    "TimeUnitPrices",
    "Value",
    "Index",
    "Currency",
    "GrossValue",
    "Count",
    "Cursor",
    "Notes",
    "LastName",
    "OverwriteExisting",
    "ResourceBlocks",
    "ResourceUpdates",
    "AvailabilityUpdates",
    "FirstTimeUnitStartUtc",
    "LastTimeUnitStartUtc",
    "Metrics",
    "CustomerId",
    "RequestedCategoryId",
    "RateId",
    "AgeCategoryId",
    "EnterpriseId",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.just("EUR"),
    st.just(UNKNOWN),
    st.just("@ours"),
    TIMES,
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=20,
)


def pms() -> MewsCloud:
    clock = VirtualClock(FRIDAY_18_MS)
    cloud = MewsCloud(clock, Journal())
    category = cloud.store.add_category("Double", short="DBL")
    cloud.store.add_room("101", category)
    guest = cloud.store.put_customer("O'Neil")
    cloud.store.put_reservation(
        customer_id=guest.id,
        category_id=category.id,
        start_s=FRIDAY_18_MS // 1000,
        end_s=FRIDAY_18_MS // 1000 + 86_400,
        nights_minor=[100],
    )
    return cloud


def ours(value: Any, name: str, cloud: MewsCloud) -> Any:
    """Put real identifiers where the generator says so, so that more than the door is tried."""
    if isinstance(value, dict):
        return {key: ours(one, key, cloud) for key, one in value.items()}
    if isinstance(value, list):
        return [ours(one, name, cloud) for one in value]
    if value != "@ours":
        return value
    known = {
        "ServiceId": cloud.store.enterprise.service_id,
        "ServiceIds": cloud.store.enterprise.service_id,
        "RateId": cloud.store.enterprise.rate_id,
        "CustomerId": next(iter(cloud.store.customers)),
        "AccountId": next(iter(cloud.store.customers)),
        "RequestedCategoryId": next(iter(cloud.store.categories)),
        "AgeCategoryId": cloud.store.enterprise.adult_id,
    }
    return known.get(name, next(iter(cloud.store.reservations)))


@settings(max_examples=400, deadline=None)
@given(
    action=st.sampled_from(sorted(ENDPOINTS)),
    fields=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6),
)
@example(
    "payments/addExternal",
    {"AccountId": "@ours", "Amount": {"Currency": "EUR", "GrossValue": 10**400}},
)
@example(
    "payments/addExternal",
    {"AccountId": "@ours", "Amount": {"Currency": "EUR", "GrossValue": float("nan")}},
)
@example(
    "reservations/getAll/2023-06-06",
    {
        "Limitation": {"Count": 1},
        "UpdatedUtc": {"StartUtc": "9999-12-01T00:00:00Z", "EndUtc": "9999-12-31T00:00:00Z"},
    },
)
@example(
    "reservations/updateInterval",
    {"ReservationId": "@ours", "EndUtc": "9999-12-31T23:59:59Z"},
)
@example(
    "reservations/updateInterval",
    {"ReservationId": "@ours", "StartUtc": "0001-01-01T00:00:00+23:59"},
)
@example(
    "services/getAvailability/2024-01-22",
    {
        "ServiceId": "@ours",
        "FirstTimeUnitStartUtc": "0001-01-01T00:00:00Z",
        "LastTimeUnitStartUtc": "9999-12-31T23:59:59Z",
        "Metrics": ["Occupied"],
    },
)
def test_any_object_is_answered_by_the_pms_with_200_or_a_4xx(
    action: str, fields: dict[str, Any]
) -> None:
    cloud = pms()
    tokens = {"ClientToken": CLIENT_TOKEN, "AccessToken": ACCESS_TOKEN, "Client": "Nightporter 1"}
    body = json.dumps(ours(fields, "", cloud) | tokens).encode()
    request = Request(method="POST", path=PREFIX + action, body=body)
    reply = asyncio.run(cloud.answer(request))
    assert reply.status in {200, 400, 403}
    json.loads(reply.body)
    listing = tokens | {"Limitation": {"Count": 10}}
    again = Request(
        method="POST",
        path=PREFIX + "reservations/getAll/2023-06-06",
        body=json.dumps(listing).encode(),
    )
    assert asyncio.run(cloud.answer(again)).status == 200


NAMES = st.sampled_from(
    [
        "amount",
        "currency",
        "customer",
        "payment_method",
        "confirm",
        "off_session",
        "capture_method",
        "metadata",
        "metadata[a]",
        "metadata[]",
        "metadata[a][b][c][d][e][f][g]",
        "payment_intent",
        "expand[]",
        "limit",
        "created[gte]",
        "created",
        "[",
        "a]",
        "types[]",
        "card[number]",
        "",
    ]
)
PARAMS = st.lists(
    st.tuples(
        NAMES,
        st.one_of(
            st.sampled_from(["1", "5000", "eur", "true", "pm_card_visa", "-1", "9" * 40, ""]),
            st.text(max_size=6),
        ),
    ),
    max_size=6,
)
PATHS = st.sampled_from(
    [
        "/v1/payment_intents",
        "/v1/payment_intents/pi_x/confirm",
        "/v1/refunds",
        "/v1/customers",
        "/v1/payment_methods",
        "/v1/setup_intents",
        "/v1/events",
        "/v1/charges",
        "//",
    ]
)


@settings(max_examples=400, deadline=None)
@given(method=st.sampled_from(["GET", "POST"]), path=PATHS, params=PARAMS, key=st.text(max_size=3))
def test_any_form_is_answered_by_the_payment_cloud_with_200_or_a_4xx(
    method: str, path: str, params: list[tuple[str, str]], key: str
) -> None:
    cloud = StripeCloud(VirtualClock(FRIDAY_18_MS), Journal())
    sent = urlencode(params)
    headers = {"authorization": f"Bearer {SECRET_KEY}"} | ({"idempotency-key": key} if key else {})
    query, body = (sent, b"") if method == "GET" else ("", sent.encode())
    request = Request(method=method, path=path, query=query, headers=headers, body=body)
    first, again = (asyncio.run(cloud.answer(request)) for _ in range(2))
    assert first.status in {200, 400, 402, 404}
    assert again.status == first.status
    json.loads(first.body)
