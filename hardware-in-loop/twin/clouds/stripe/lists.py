"""Lists: newest first, by page, with the vendor's filters."""

from __future__ import annotations

from typing import Any, Final

from twin.clouds.stripe.form import Params, text, whole
from twin.clouds.stripe.intents import Asked, Json
from twin.clouds.stripe.words import invalid, missing

LIMIT_MAX: Final = 100
LIMIT_ELSE: Final = 10


def intents(asked: Asked) -> Json:
    """`GET /v1/payment_intents?customer=&created[gte]=`: how a lost charge is found again."""
    rows = asked.store.intents.newest_first()
    return _page(asked, _filtered(rows, asked.params), "/v1/payment_intents", "payment_intent")


def charges(asked: Asked) -> Json:
    """`GET /v1/charges?payment_intent=&customer=`."""
    rows = asked.store.charges.newest_first()
    if (intent := text(asked.params, "payment_intent")) is not None:
        rows = [row for row in rows if row["payment_intent"] == intent]
    return _page(asked, _filtered(rows, asked.params), "/v1/charges", "charge")


def refunds(asked: Asked) -> Json:
    """`GET /v1/refunds?payment_intent=&charge=`."""
    rows = asked.store.refunds.newest_first()
    for name in ("payment_intent", "charge"):
        if (wanted := text(asked.params, name)) is not None:
            rows = [row for row in rows if row[name] == wanted]
    return _page(asked, _created(rows, asked.params), "/v1/refunds", "refund")


def setups(asked: Asked) -> Json:
    """`GET /v1/setup_intents?customer=`."""
    rows = asked.store.setups.newest_first()
    return _page(asked, _filtered(rows, asked.params), "/v1/setup_intents", "setup_intent")


def disputes(asked: Asked) -> Json:
    """`GET /v1/disputes?payment_intent=&charge=&created[gte]=`."""
    rows = asked.store.disputes.newest_first()
    for name in ("payment_intent", "charge"):
        if (wanted := text(asked.params, name)) is not None:
            rows = [row for row in rows if row[name] == wanted]
    return _page(asked, _created(rows, asked.params), "/v1/disputes", "dispute")


def events(asked: Asked) -> Json:
    """`GET /v1/events?types[]=&ending_before=`: what happened since; kept for thirty days."""
    rows = asked.store.recent_events()
    types = asked.params.get("types")
    one = text(asked.params, "type")
    wanted = set(types if isinstance(types, list) else []) | ({one} if one else set())
    if wanted:
        rows = [row for row in rows if row["type"] in wanted]
    return _page(asked, _created(rows, asked.params), "/v1/events", "event")


def methods(asked: Asked) -> Json:
    """`GET /v1/payment_methods?customer=`, and `/v1/customers/{id}/payment_methods`."""
    customer = asked.name or text(asked.params, "customer")
    rows = [one for one in asked.store.methods.newest_first() if one["customer"] == customer]
    return _page(asked, rows, "/v1/payment_methods", "payment_method")


def _filtered(rows: list[Json], params: Params) -> list[Json]:
    if (customer := text(params, "customer")) is not None:
        rows = [row for row in rows if row["customer"] == customer]
    return _created(rows, params)


def _created(rows: list[Json], params: Params) -> list[Json]:
    asked: Any = params.get("created")
    if asked is None:
        return rows
    bounds = asked if isinstance(asked, dict) else {"gte": asked, "lte": asked}
    tests = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    for name in bounds:
        if name not in tests:
            raise invalid(f"Invalid range: created[{name}]", code=None, param="created")
        bound = whole(bounds, name) or 0
        rows = [row for row in rows if tests[name](row["created"], bound)]
    return rows


def _page(asked: Asked, rows: list[Json], url: str, kind: str) -> Json:
    params = asked.params
    limit = whole(params, "limit")
    limit = LIMIT_ELSE if limit is None else limit
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid(
            f"Limit must be between 1 and {LIMIT_MAX}.",
            code="parameter_invalid_integer",
            param="limit",
        )
    after, before = text(params, "starting_after"), text(params, "ending_before")
    if after is not None and before is not None:
        raise invalid("Use starting_after or ending_before, not both.", code=None)
    if after is not None:
        rows = rows[_place(rows, after, kind, "starting_after") + 1 :]
    if before is not None:
        # The page next to the cursor on its newer side, still newest first.
        rows = rows[: _place(rows, before, kind, "ending_before")]
        found, more = rows[-limit:], len(rows) > limit
    else:
        found, more = rows[:limit], len(rows) > limit
    return {"object": "list", "data": found, "has_more": more, "url": url}


def _place(rows: list[Json], name: str, kind: str, param: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == name:
            return index
    raise missing(kind, name, param)
