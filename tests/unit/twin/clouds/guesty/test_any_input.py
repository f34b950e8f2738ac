"""Nothing a caller can send makes the Guesty twin stumble."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.guesty import Account

IDS = ["@reservation", "@listing", "@unit", "@guest", "nothing"]
NAMES = [
    "checkInDateLocalized",
    "checkOutDateLocalized",
    "listingId",
    "source",
    "status",
    "guestsCount",
    "numberOfGuests",
    "numberOfAdults",
    "numberOfChildren",
    "guestId",
    "guest",
    "firstName",
    "phones",
    "accommodationFare",
    "ignoreCalendar",
    "reservedUntil",
    "confirmationCode",
    "originId",
    "notes",
    "keyCode",
    "reservationId",
    "canceledBy",
    "startDate",
    "endDate",
    "amount",
    "paymentMethod",
    "method",
    "url",
    "events",
]
PARAMS = [
    "reservationIds[]",
    "reservationIds",
    "filter[status]",
    "filter[checkIn][gte]",
    "filter[createdAt][lt]",
    "filter[",
    "filter",
    "filters",
    "sort",
    "limit",
    "skip",
    "fields",
    "startDate",
    "endDate",
    "reservationId",
    "url",
]
WORDS = st.sampled_from(
    [
        *IDS,
        "confirmed",
        "canceled",
        "checked_in",
        "unavailable",
        "RECORDED_CASH",
        "reservation.created.v2",
        "2026-08-14",
        "2026-08-16",
        "9999-12-31",
        "0001-01-01",
        "2026-08-14T00:00:00+23:59",
        "_id",
        "-lastUpdatedAt",
        "100",
        "9" * 40,
        '[{"field":"lastUpdatedAt","operator":"$gte","value":"9999-12-31T23:59:59Z"}]',
        '[{"field":"_id","operator":"$in","value":[1,{}]}]',
        "[" * 2000,
        "",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    WORDS,
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=20,
)
ENDPOINTS = sorted(Account().cloud._endpoints)


def ours(value: Any, account: Account) -> Any:
    """Put real identifiers where the generator says so, so that more than the door is tried."""
    if isinstance(value, dict):
        return {key: ours(one, account) for key, one in value.items()}
    if isinstance(value, list):
        return [ours(one, account) for one in value]
    known = {
        "@reservation": next(iter(account.store.reservations)),
        "@listing": account.kind.id,
        "@unit": account.units[0].id,
        "@guest": next(iter(account.store.guests)),
    }
    return known.get(value, value) if isinstance(value, str) else value


@settings(max_examples=400, deadline=None)
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    name=st.sampled_from(IDS),
    query=st.lists(st.tuples(st.sampled_from(PARAMS), WORDS), max_size=5),
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
)
@example(
    endpoint="POST /v1/payments/recorded",
    name="nothing",
    query=[],
    fields={
        "reservationId": "@reservation",
        "amount": float("nan"),
        "paymentMethod": {"method": "RECORDED_CASH"},
    },
)
@example(
    endpoint="PUT /v1/reservations-v3/{id}/dates",
    name="@reservation",
    query=[],
    fields={"checkInDateLocalized": "0001-01-01", "checkOutDateLocalized": "9999-12-31"},
)
def test_any_request_is_answered_with_2xx_or_a_4xx(
    endpoint: str, name: str, query: list[tuple[str, str]], fields: dict[str, Any]
) -> None:
    account = Account()
    account.sell()
    method, _, path = endpoint.partition(" ")
    path = path.replace("{id}", str(ours(name, account)))
    asyncio.run(account.sign_in())
    sent = urlencode([(key, ours(text, account)) for key, text in query])
    body = json.dumps(ours(fields, account)).encode()
    heard = asyncio.run(account.send(method, path, body, sent))
    assert 200 <= heard.status < 500
    listed = asyncio.run(account.ask("GET", "/reservations", {"limit": "100"}))
    assert listed.status == 200


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=40), query=st.text(max_size=20), path=st.text(max_size=20))
def test_any_bytes_are_answered(body: bytes, query: str, path: str) -> None:
    account = Account()
    asyncio.run(account.sign_in())
    for method, where in (
        ("POST", "/v1/reservations-v3"),
        ("POST", "/oauth2/token"),
        ("GET", f"/v1/{path}"),
    ):
        heard = asyncio.run(account.send(method, where, body, query))
        assert 200 <= heard.status < 500
