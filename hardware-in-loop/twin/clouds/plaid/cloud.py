"""The bank feed: three endpoints, their errors, and webhooks to be carried by a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults
from twin.clouds.plaid.signing import SigningKey
from twin.clouds.plaid.store import CLIENT_ID, SECRET, Item, Json, PlaidStore
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

COUNT_ELSE: Final = 100
COUNT_MAX: Final = 500
_DELIVERY: Final = {
    Fault.LOST_ANSWER: Delivery.DROPPED,
    Fault.NO_ANSWER: Delivery.SILENT,
    Fault.CUT_BODY: Delivery.CUT,
}


class PlaidCloud:
    """Answers as `production.plaid.com` does (OpenAPI 2020-09-14)."""

    def __init__(self, clock: Clock, journal: Journal, store: PlaidStore | None = None) -> None:
        self.store = store or PlaidStore(clock, journal)
        self.faults = Faults()
        self.asked = 0
        self._clock = clock
        self.keys = [SigningKey("twin-key-1", self.store.now_s())]

    async def answer(self, request: Request) -> Reply:
        """Answer one request; the planned fault decides how much of it is seen."""
        self.asked += 1
        planned = self.faults.take(f"{request.method} {request.path}")
        fault = planned.fault if planned is not None else None
        if fault is Fault.LOST_REQUEST:
            return Reply(status=0, delivery=Delivery.DROPPED)
        if fault in BEFORE:
            return dated(_instead(fault), self.store.now_s())
        if planned is not None and fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        reply = dated(self._answer(request), self.store.now_s())
        if fault is Fault.BROKEN_STORED:
            reply = dated(_api_error(), self.store.now_s())
        delivery = _DELIVERY.get(fault, Delivery.WHOLE) if fault else Delivery.WHOLE
        return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)

    def webhook(self, code: str, item: Item, kind: str = "TRANSACTIONS") -> Request:
        """A signed webhook; its body is indented, and signed as it is."""
        fields = {
            "environment": "sandbox",
            "historical_update_complete": True,
            "initial_update_complete": True,
            "item_id": item.item_id,
            "webhook_code": code,
            "webhook_type": kind,
        }
        body = json.dumps(fields, indent=2).encode()
        headers = {
            "content-type": "application/json",
            "plaid-verification": self.keys[-1].token(body, self.store.now_s()),
        }
        return Request(method="POST", path="/hooks/plaid", headers=headers, body=body)

    def new_key(self) -> SigningKey:
        """The vendor rotates: the key before is taken back."""
        self.keys[-1].expired_s = self.store.now_s()
        key = SigningKey(f"twin-key-{len(self.keys) + 1}", self.store.now_s())
        self.keys.append(key)
        return key

    # -- endpoints -------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Reply:
        endpoint = self._endpoints().get(request.path)
        if endpoint is None or request.method != "POST":
            return _error(404, "INVALID_REQUEST", "NOT_FOUND")
        try:
            asked = msgspec.json.decode(request.body, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            return _error(400, "INVALID_REQUEST", "INVALID_BODY")
        if asked.get("client_id") != CLIENT_ID or asked.get("secret") != SECRET:
            return _error(400, "INVALID_INPUT", "INVALID_API_KEYS")
        return endpoint(asked)

    def _endpoints(self) -> dict[str, Callable[[Json], Reply]]:
        return {
            "/transactions/sync": self._sync,
            "/item/get": self._item,
            "/webhook_verification_key/get": self._key,
        }

    def _key(self, asked: Json) -> Reply:
        for key in self.keys:
            if key.kid == asked.get("key_id"):
                return _good({"key": key.public()})
        return _error(400, "INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID")

    def _item(self, asked: Json) -> Reply:
        item = self.store.items.get(str(asked.get("access_token")))
        if item is None:
            return _error(400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN")
        error = None if item.error is None else _fields("ITEM_ERROR", item.error)
        return _good(
            {
                "item": {
                    "available_products": [],
                    "billed_products": ["transactions"],
                    "consent_expiration_time": None,
                    "error": error,
                    "institution_id": "ins_109508",
                    "item_id": item.item_id,
                    "update_type": "background",
                    "webhook": "",
                },
                "status": None,
            }
        )

    def _sync(self, asked: Json) -> Reply:
        item = self.store.items.get(str(asked.get("access_token")))
        if item is None:
            return _error(400, "INVALID_INPUT", "INVALID_ACCESS_TOKEN")
        if item.error is not None:
            return _error(400, "ITEM_ERROR", item.error)
        count = asked.get("count", COUNT_ELSE)
        place = _place(asked.get("cursor", ""))
        if type(count) is not int or not 1 <= count <= COUNT_MAX:
            return _error(400, "INVALID_REQUEST", "INVALID_FIELD")
        if place is None or place > len(item.changes):
            return _error(400, "INVALID_INPUT", "INVALID_CURSOR")
        under_way, item.turning = item.turning, None
        if under_way is not None and place and under_way != len(item.changes):
            return _error(400, "TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")
        end = min(place + count, len(item.changes))
        if end < len(item.changes):
            item.turning = len(item.changes)
        return _good(_changes(item, place, end))


def _changes(item: Item, place: int, end: int) -> Json:
    found: dict[str, list[Json]] = {"added": [], "modified": [], "removed": []}
    for kind, line_id in item.changes[place:end]:
        row = item.rows.get(line_id)
        if kind == "removed":
            found[kind].append({"transaction_id": line_id, "account_id": item.account_id})
        elif row is not None:  # a line that is gone already is only told as removed
            found[kind].append(dict(row))
    return {
        **found,
        "accounts": [_account(item)],
        "next_cursor": f"cursor-{end}",
        "has_more": end < len(item.changes),
        "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
    }


def _account(item: Item) -> Json:
    return {
        "account_id": item.account_id,
        "balances": {
            "available": 1000.5,
            "current": 1000.5,
            "iso_currency_code": item.currency,
            "limit": None,
            "unofficial_currency_code": None,
        },
        "mask": "0000",
        "name": "Checking",
        "official_name": None,
        "subtype": "checking",
        "type": "depository",
    }


def _place(cursor: object) -> int | None:
    if cursor is None or cursor == "":
        return 0
    text = str(cursor).removeprefix("cursor-")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _good(fields: Json) -> Reply:
    return Reply.json(200, {**fields, "request_id": "twinrequest0001"})


def _fields(kind: str, code: str) -> Json:
    return {
        "display_message": None,
        "documentation_url": "https://plaid.com/docs/errors",
        "error_code": code,
        "error_message": code.replace("_", " ").lower(),
        "error_type": kind,
        "request_id": "twinrequest0001",
        "suggested_action": None,
    }


def _error(status: int, kind: str, code: str) -> Reply:
    return Reply.json(status, _fields(kind, code))


def _api_error() -> Reply:
    return _error(500, "API_ERROR", "INTERNAL_SERVER_ERROR")


def _instead(fault: Fault | None) -> Reply:
    if fault in {Fault.TOO_MANY, Fault.TOO_MANY_BARE}:
        return _error(429, "RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT")
    if fault is Fault.UNAUTHORIZED:
        return _error(400, "INVALID_INPUT", "INVALID_API_KEYS")
    return _api_error()
