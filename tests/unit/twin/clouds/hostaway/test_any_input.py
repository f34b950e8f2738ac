"""Nothing a caller can send makes the twin's Hostaway stumble."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.hostaway import FRIDAY, Stranger
from twin.clouds.hostaway.cloud import ENDPOINTS

FIELDS = st.sampled_from(
    [
        "listingMapId",
        "channelId",
        "arrivalDate",
        "departureDate",
        "startDate",
        "endDate",
        "guestName",
        "guestFirstName",
        "guestEmail",
        "adults",
        "children",
        "checkInTime",
        "totalPrice",
        "currency",
        "doorCode",
        "isPaid",
        "cancelledBy",
        "title",
        "amount",
        "paymentMethod",
        "status",
        "scheduledDate",
        "isAvailable",
        "desiredUnitsToSell",
        "minimumStay",
        "price",
        "url",
        "isEnabled",
        "login",
    ]
)
QUERY = st.sampled_from(
    [
        "limit",
        "offset",
        "afterId",
        "sortOrder",
        "match",
        "arrivalStartDate",
        "latestActivityStart",
        "startDate",
        "endDate",
        "reservationId",
        "provider",
        "forceOverbooking",
        "includeResources",
    ]
)
WORDS = st.sampled_from(
    ["2026-10-30", "9999-12-31", "0001-01-01", "2026-13-01", "updatedOn", "cash", "paid", "EUR",
     "https://a", "1", "-1", "9" * 40, "", "\ud800", "²"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.sampled_from([2000, 40160, 0, 1, 10**400]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=6),
    WORDS,
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2), max_leaves=4)


@settings(max_examples=400, deadline=None)
@given(
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    fields=st.dictionaries(FIELDS, VALUES, max_size=7),
    query=st.dictionaries(QUERY, WORDS.filter(lambda each: each != "\ud800"), max_size=3),
    known=st.booleans(),
)
@example(
    endpoint="POST reservations",
    fields={
        "listingMapId": 40160,
        "channelId": 2000,
        "arrivalDate": "1970-01-01",
        "departureDate": "2199-12-31",
    },
    query={},
    known=True,
)
@example(
    endpoint="PUT listings/{id}/calendar",
    fields={"startDate": "2026-10-30", "endDate": "2026-10-30", "price": 0.001},
    query={},
    known=True,
)
def test_anything_is_answered_with_200_or_a_4xx_in_the_envelope(
    *, endpoint: str, fields: dict[str, Any], query: dict[str, str], known: bool
) -> None:
    async def ask() -> None:
        stranger = Stranger()
        await stranger.log_in()
        listing = stranger.store.add_listing("Double", units=("101",))
        one = stranger.store.sell(listing, FRIDAY)
        method, _, path = endpoint.partition(" ")
        name = listing.id if path.startswith("listings") else one.id
        path = path.replace("{id}", str(name if known else 7))
        said = await stranger.ask(method, path, urlencode(query), json.dumps(fields).encode())
        assert said.status in {200, 400, 404}
        assert said.body["status"] == ("success" if said.status == 200 else "fail")
        assert (await stranger.get("reservations")).status == 200

    asyncio.run(ask())


@settings(max_examples=100, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=30), st.sampled_from([b"[" * 50_000, b"[]", b'"x"', b"{", b"\xff"])
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    path=st.sampled_from(
        ["accessTokens", "reservations", "reservations/0", "reservations/" + "9" * 30, "", "/"]
    ),
)
def test_any_bytes_are_answered_below_500(body: bytes, method: str, path: str) -> None:
    async def ask() -> None:
        stranger = Stranger()
        await stranger.log_in()
        reply = await stranger.raw(method, path, "", body)
        assert reply.status < 500
        json.loads(reply.body)

    asyncio.run(ask())
