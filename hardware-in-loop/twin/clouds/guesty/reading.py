"""Endpoints that show reservations: by id, by the newer search, and by the older list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from twin.clouds.faults import Fault
from twin.clouds.guesty import shapes
from twin.clouds.guesty.asked import Asked, Json
from twin.clouds.guesty.records import Reservation
from twin.clouds.guesty.words import IDS_MAX, invalid, moment_ms

Told = Callable[[Reservation], str]
# What the newer search can filter by. There is no time of change among it.
SEARCHED: Final[dict[str, Told]] = {
    "status": lambda one: str(one.status),
    "listingId": lambda one: one.stay[0].unit_id or one.stay[0].unit_type_id,
    "confirmationCode": lambda one: one.confirmation_code,
    "source": lambda one: one.source,
    "checkIn": lambda one: one.check_in.isoformat(),
    "checkOut": lambda one: one.check_out.isoformat(),
    "createdAt": lambda one: f"{one.created_ms:015d}",
}
SORTED: Final[dict[str, Told]] = {
    "_id": lambda one: one.id,
    "checkIn": SEARCHED["checkIn"],
    "checkOut": SEARCHED["checkOut"],
    "createdAt": SEARCHED["createdAt"],
}
COMPARE: Final[dict[str, Callable[[str, str], bool]]] = {
    "eq": lambda have, want: have in want.split(","),
    "in": lambda have, want: have in want.split(","),
    "ne": lambda have, want: have != want,
    "nin": lambda have, want: have not in want.split(","),
    "gte": lambda have, want: have >= want,
    "gt": lambda have, want: have > want,
    "lte": lambda have, want: have <= want,
    "lt": lambda have, want: have < want,
}
LEGACY: Final[dict[str, Told]] = {
    "_id": lambda one: one.id,
    "status": SEARCHED["status"],
    "listingId": SEARCHED["listingId"],
    "confirmationCode": SEARCHED["confirmationCode"],
    "checkInDateLocalized": SEARCHED["checkIn"],
    "checkOutDateLocalized": SEARCHED["checkOut"],
    "createdAt": SEARCHED["createdAt"],
    "lastUpdatedAt": lambda one: f"{one.updated_ms:015d}",
}
TIMES: Final = frozenset({"createdAt", "lastUpdatedAt"})
# The older list gives these, whatever fields were asked for.
ALWAYS: Final = frozenset({"_id", "accountId", "guestId", "listingId"})
FILTERS_MAX: Final = 50


def get_by_ids(asked: Asked) -> list[Json]:
    """`GET /reservations-v3`: at most ten; what is not there is not in the answer."""
    ids = asked.params("reservationIds")
    if not 1 <= len(ids) <= IDS_MAX:
        raise invalid(f"reservationIds must contain 1 to {IDS_MAX} elements.")
    found = (asked.store.reservations.get(each) for each in dict.fromkeys(ids))
    return [shapes.reservation(one, sparse=asked.sparse) for one in found if one is not None]


def search(asked: Asked) -> Json:
    """`GET /reservations-v3/search`."""
    rows: Iterable[Reservation] = asked.store.reservations.values()
    if asked.store.search_omits_booking_com:
        rows = (one for one in rows if one.platform != "bookingCom")
    for name, text in asked.query:
        if name.startswith("filter"):
            rows = _filtered(rows, name, text)
    key = asked.param("sort") or "-_id"
    told = SORTED.get(key.removeprefix("-"))
    if told is None:
        raise invalid(f"sort must be one of {', '.join(SORTED)}.")
    ordered = sorted(rows, key=told, reverse=key.startswith("-"))
    skip, limit = asked.page()
    begin = skip
    if asked.fault is Fault.MOVING_ROWS and skip:
        begin += 1  # a row of an earlier page has left the list since
    page = ordered[begin : begin + limit]
    return {
        "results": [shapes.reservation(one, sparse=asked.sparse) for one in page],
        "pagination": {"skip": skip, "limit": limit, "hasMore": begin + limit < len(ordered)},
    }


def _filtered(rows: Iterable[Reservation], name: str, text: str) -> list[Reservation]:
    field, _, operator = name.removeprefix("filter[").rstrip("]").partition("][")
    told, compare = SEARCHED.get(field), COMPARE.get(operator or "eq")
    if told is None or compare is None:
        raise invalid(f"{name} is not a filter.")
    want = f"{moment_ms(text, name):015d}" if field in TIMES else text
    return [one for one in rows if compare(told(one), want)]


def legacy_list(asked: Asked) -> Json:
    """`GET /reservations`: any field of the older record, the time of change among them."""
    store = asked.store
    rows: list[Reservation] = list(store.reservations.values())
    for each in _legacy_filters(asked.param("filters")):
        rows = _legacy_filtered(rows, each)
    key = asked.param("sort") or "_id"
    told = LEGACY.get(key.removeprefix("-"))
    if told is None:
        raise invalid("sort is not a field.")
    rows.sort(key=lambda one: (told(one), one.id), reverse=key.startswith("-"))
    skip, limit = asked.page()
    if asked.fault is Fault.MOVING_ROWS and skip and rows:
        store.touch(rows[0])  # by its time of change it stands at the end now
        return legacy_list(Asked(store=store, query=asked.query))
    page = rows[skip : skip + limit]
    names = set((asked.param("fields") or "").split())
    return {
        "results": [_legacy_row(asked, one, names) for one in page],
        "count": len(rows),
        "limit": limit,
        "skip": skip,
    }


def legacy_one(asked: Asked) -> Json:
    """`GET /reservations/{id}`."""
    return shapes.legacy(asked.store, asked.store.find(asked.names["id"]))


def _legacy_row(asked: Asked, one: Reservation, names: set[str]) -> Json:
    row = shapes.legacy(asked.store, one)
    if names:
        row = {name: value for name, value in row.items() if name in names | ALWAYS}
    return row


def _legacy_filters(text: str | None) -> list[Any]:
    if not text:
        return []
    try:
        filters = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("filters must be a JSON array.") from error
    if not isinstance(filters, list) or len(filters) > FILTERS_MAX:
        raise invalid("filters must be a JSON array.")
    return filters


def _legacy_filtered(rows: list[Reservation], each: Any) -> list[Reservation]:
    if not isinstance(each, dict):
        raise invalid("filters must contain objects.")
    field, operator, value = (each.get(name) for name in ("field", "operator", "value"))
    told = LEGACY.get(str(field))
    compare = COMPARE.get(str(operator).removeprefix("$"))
    if told is None or compare is None:
        raise invalid("filters name an unknown field or operator.")
    if isinstance(value, list):
        want = ",".join(map(str, value))
    elif field in TIMES:
        want = f"{moment_ms(value, str(field)):015d}"
    else:
        want = str(value)
    return [one for one in rows if compare(told(one), want)]
