"""The PMS cloud: paths, limits, tokens, faults, and then the endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults, Planned
from twin.clouds.hostaway import desk, reservations
from twin.clouds.hostaway.asked import Asked, Endpoint, Result, body_of
from twin.clouds.hostaway.deliveries import Deliveries
from twin.clouds.hostaway.limits import Limits
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.tokens import Tokens
from twin.clouds.hostaway.words import PREFIX, HostawayError
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

# The vendor answers 413 to what is too large, and does not say where that begins.
REQUEST_BYTES_MAX: Final = 1024 * 1024
# All callers of the twin come from one office, unless one says otherwise.
ADDRESS: Final = "127.0.0.1"
TOKENS: Final = "accessTokens"

ENDPOINTS: Final[dict[str, Endpoint]] = {
    "GET reservations": reservations.get_all,
    "POST reservations": reservations.create,
    "GET reservations/{id}": reservations.get_one,
    "PUT reservations/{id}": reservations.update,
    "PUT reservations/{id}/statuses/cancelled": reservations.cancel,
    "GET listings": desk.get_listings,
    "GET listings/{id}": desk.get_listing,
    "GET listings/{id}/calendar": desk.get_calendar,
    "PUT listings/{id}/calendar": desk.put_calendar,
    "GET guestPayments/charges": desk.get_charges,
    "GET guestPayments/charges/{id}": desk.get_charge,
    "POST guestPayments/charges/{id}": desk.add_charge,
    "GET webhooks/unifiedWebhooks": desk.get_webhooks,
    "POST webhooks/unifiedWebhooks": desk.add_webhook,
    "GET webhooks/unifiedWebhooks/{id}": desk.get_webhook,
    "PUT webhooks/unifiedWebhooks/{id}": desk.put_webhook,
    "DELETE webhooks/unifiedWebhooks/{id}": desk.delete_webhook,
    "GET unifiedWebhookLogs": desk.get_logs,
}

_INSTEAD: Final[dict[Fault, tuple[int, str]]] = {
    Fault.TOO_MANY: (429, "Too many requests"),
    Fault.TOO_MANY_BARE: (429, "Too many requests"),
    # A bad token is 403 at this vendor.
    Fault.UNAUTHORIZED: (403, "Access denied: the token is not valid"),
    Fault.CONFLICT: (409, "The data has changed"),
    Fault.TOO_HEAVY: (408, "The request took too long"),
    Fault.SERVER_ERROR: (503, "The service is unavailable"),
}
# These kinds of refusal say their sentence as `message`, the others as `result` (cloud.md 1.2).
_AS_MESSAGE: Final = frozenset({401, 403, 413, 429, 503})


class HostawayCloud:
    """Answers as `api.hostaway.com` does; no sockets here."""

    def __init__(self, clock: Clock, journal: Journal, store: HostawayStore | None = None) -> None:
        self.store = store or HostawayStore(clock, journal)
        self.faults = Faults()
        self.limits = Limits(clock)
        self.tokens = Tokens(clock)
        self.webhooks = Deliveries(self.store)
        self.asked = 0  # requests that arrived, whatever became of them
        self._clock = clock

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""
        self.asked += 1
        return dated(await self._answer(request), self.store.now_s())

    async def _answer(self, request: Request) -> Reply:
        if not request.path.startswith(PREFIX):
            return _failed(404, "Resource not found")
        name, path = _route(request)
        if name is None:
            return _failed(404, "Resource not found")
        planned = self.faults.take(name)
        if planned is not None and planned.fault in BEFORE:
            return _instead(planned)
        if planned is not None and planned.fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        fault = None if planned is None else planned.fault
        return _delivered(self._execute(name, path, request, fault), fault)

    def _execute(
        self, name: str, path: dict[str, int], request: Request, fault: Fault | None
    ) -> Reply:
        if len(request.body) > REQUEST_BYTES_MAX:
            return _failed(413, "The request is too large")
        address = request.headers.get("x-forwarded-for", ADDRESS)
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        try:
            if not self.limits.admits_address(address):
                return _failed(429, "Too many requests")
            if name.endswith(TOKENS):
                return self._token(request, query)
            account_id = self.tokens.admit(request.headers.get("authorization", ""))
            if not self.limits.admits_account(account_id):
                return _failed(429, "Too many requests")
            body = body_of(request.body) if request.method in {"POST", "PUT"} else {}
            asked = Asked(store=self.store, path=path, query=query, body=body, fault=fault)
            return Reply.json(200, _envelope(ENDPOINTS[name](asked)))
        except HostawayError as error:
            return _failed(error.status, error.text)

    def _token(self, request: Request, query: dict[str, str]) -> Reply:
        if request.method == "POST":
            return Reply.json(200, self.tokens.issue(request.body))
        return Reply.json(200, _envelope(Result(result=self.tokens.revoke(query.get("token")))))


def _route(request: Request) -> tuple[str | None, dict[str, int]]:
    """The endpoint's name with `{id}` for a number, and that number."""
    found: dict[str, int] = {}
    parts = []
    for part in request.path.removeprefix(PREFIX).split("/"):
        if part.isascii() and part.isdigit() and len(part) < 20:
            found["id"] = int(part)
            parts.append("{id}")
        else:
            parts.append(part)
    name = f"{request.method} {'/'.join(parts)}"
    known = name in ENDPOINTS or name in {f"POST {TOKENS}", f"DELETE {TOKENS}"}
    return (name if known else None), found


def _envelope(result: Result) -> dict[str, Any]:
    whole: dict[str, Any] = {"status": "success", "result": result.result}
    if result.paged and result.limit is not None and result.count is not None:
        whole |= {
            "limit": result.limit,
            "offset": result.offset or None,
            "count": result.count,
            "page": (result.offset or 0) // result.limit + 1,
            "totalPages": -(-result.count // result.limit),
        }
    return whole


def _failed(status: int, text: str, **headers: str) -> Reply:
    name = "message" if status in _AS_MESSAGE else "result"
    return Reply.json(status, {"status": "fail", name: text}, **headers)


def _instead(planned: Planned) -> Reply:
    if planned.fault is Fault.LOST_REQUEST:
        return Reply(status=0, delivery=Delivery.DROPPED)
    status, text = _INSTEAD[planned.fault]
    headers = {"Retry_After": "10"} if planned.fault is Fault.TOO_MANY else {}
    return _failed(status, text, **headers)


def _delivered(reply: Reply, fault: Fault | None) -> Reply:
    match fault:
        case Fault.LOST_ANSWER:
            return replace(reply, delivery=Delivery.DROPPED)
        case Fault.NO_ANSWER:
            return replace(reply, delivery=Delivery.SILENT)
        case Fault.CUT_BODY:
            return replace(reply, delivery=Delivery.CUT)
        case Fault.BROKEN_STORED:
            return _failed(500, "Internal server error")
        case _:
            return reply
