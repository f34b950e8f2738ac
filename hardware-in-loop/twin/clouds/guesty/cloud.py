"""The Guesty twin: token, limits, faults, and then the endpoint. Unverified, see the package."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID, uuid5

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults, Planned
from twin.clouds.guesty import house, reading, selling
from twin.clouds.guesty.asked import Asked, Endpoint, object_of, query_of
from twin.clouds.guesty.limits import Limits
from twin.clouds.guesty.store import GuestyStore
from twin.clouds.guesty.tokens import Tokens
from twin.clouds.guesty.webhooks import Webhooks
from twin.clouds.guesty.words import GuestyError
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

TOKEN: Final = "POST /oauth2/token"  # noqa: S105 - an endpoint's name
CALENDAR: Final = "/availability-pricing/api/calendar/listings"
# The vendor's gateway takes no more.
REQUEST_BYTES_MAX: Final = 1024 * 1024
# A planned 429 without a limit that was reached asks for this.
RETRY_AFTER_S: Final = 10

# By name as faults name them; the order decides where two would match.
ENDPOINTS: Final[dict[str, Endpoint]] = {
    "GET /v1/accounts/me": house.get_account,
    "GET /v1/listings": house.get_listings,
    "GET /v1/listings/{id}": house.get_listing,
    "GET /v1/guests-crud/{id}": house.get_guest,
    f"GET /v1{CALENDAR}/{{id}}": house.get_calendar,
    f"GET /v1{CALENDAR}/minified/{{id}}": house.get_calendar,
    f"PUT /v1{CALENDAR}/{{id}}": house.put_calendar,
    "GET /v1/reservations-v3": reading.get_by_ids,
    "GET /v1/reservations-v3/search": reading.search,
    "POST /v1/reservations-v3": selling.create,
    "PUT /v1/reservations-v3/guest-stay": selling.put_guest_stay,
    "PUT /v1/reservations-v3/{id}/status": selling.put_status,
    "PUT /v1/reservations-v3/{id}/dates": selling.put_dates,
    "PUT /v1/reservations-v3/{id}/guests": selling.put_guests,
    "PUT /v1/reservations-v3/{id}/relocate": selling.put_relocate,
    "PUT /v1/reservations-v3/{id}/source": selling.put_source,
    "PUT /v1/reservations-v3/{id}/confirmation-code": selling.put_code,
    "PUT /v1/reservations-v3/{id}/notes": selling.put_notes,
    "GET /v1/reservations": reading.legacy_list,
    "GET /v1/reservations/{id}": reading.legacy_one,
    "PUT /v1/reservations/{id}": selling.legacy_update,
    "POST /v1/reservations/{id}/payments": house.record_legacy_payment,
    "POST /v1/payments/recorded": house.record_payment,
    "GET /v1/payments": house.get_payments,
}
MADE: Final = frozenset({"POST /v1/reservations-v3", "POST /v1/payments/recorded"})

_INSTEAD: Final[dict[Fault, tuple[int, str]]] = {
    Fault.TOO_MANY: (429, "Too many requests."),
    Fault.TOO_MANY_BARE: (429, "Too many requests."),
    Fault.UNAUTHORIZED: (403, "Forbidden"),
    Fault.CONFLICT: (409, "The reservation is being changed."),
    Fault.TOO_HEAVY: (408, "The request took too long."),
    Fault.SERVER_ERROR: (503, "The service is unavailable."),
}
_REQUEST_SPACE = UUID("1c2f6a0e-91a5-4c61-8f0c-5b0f1b1f0d12")


class GuestyCloud:
    """Answers as `open-api.guesty.com` does; no sockets here."""

    def __init__(self, clock: Clock, journal: Journal, store: GuestyStore | None = None) -> None:
        self.store = store or GuestyStore(clock, journal)
        self.faults = Faults()
        self.limits = Limits(clock)
        self.tokens = Tokens(clock)
        self.webhooks = Webhooks(clock)
        self.store.on_change.append(self.webhooks.heard)
        self.asked = 0  # requests that arrived, whatever became of them
        self.answers: dict[int, int] = {}  # how often each status was said
        self.skew_s = 0  # how wrong the vendor's own clock is in its Date header
        self.legacy_is_gone = False  # what happens on 2027-03-01
        self._clock = clock
        self._endpoints = {
            **ENDPOINTS,
            "POST /v1/webhooks": self.webhooks.register,
            "GET /v1/webhooks": self.webhooks.listed,
            "PUT /v1/webhooks/{id}": self.webhooks.changed,
            "DELETE /v1/webhooks/{id}": self.webhooks.removed,
            "GET /v1/webhooks-v2/secret": self.webhooks.secret,
        }
        self._routes = [(name, _pattern(name)) for name in self._endpoints]

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""
        self.asked += 1
        self.limits.under_way += 1
        try:
            reply = await self._answer(request)
        finally:
            self.limits.under_way -= 1
        self.answers[reply.status] = self.answers.get(reply.status, 0) + 1
        now_s = self.store.now_ms() // 1000 + self.skew_s
        headers = {name.replace("-", "_"): text for name, text in self.limits.headers().items()}
        return dated(reply, now_s, **headers)

    async def _answer(self, request: Request) -> Reply:
        named = f"{request.method} {request.path}"
        name, names = (TOKEN, {}) if named == TOKEN else self._find(named)
        planned = self.faults.take(name or named)
        if planned is not None and planned.fault in BEFORE:
            return self._instead(planned)
        if planned is not None and planned.fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        fault = None if planned is None else planned.fault
        if name == TOKEN:
            return _delivered(self.tokens.issue(request), fault)
        return _delivered(self._execute(name, names, request, fault), fault)

    def _find(self, named: str) -> tuple[str | None, dict[str, str]]:
        for name, pattern in self._routes:
            if found := pattern.fullmatch(named):
                return name, found.groupdict()
        return None, {}

    def _execute(
        self, name: str | None, names: dict[str, str], request: Request, fault: Fault | None
    ) -> Reply:
        if status := self.tokens.refusal(request):
            return self._error(status, "Forbidden" if status == 403 else "Unauthorized")
        if wait_s := self.limits.wait_s():
            return self._error(429, "Too many requests.", Retry_After=str(wait_s))
        if name is None or (self.legacy_is_gone and _is_legacy(name)):
            return self._error(404, f"Cannot {request.method} this path.")
        if len(request.body) > REQUEST_BYTES_MAX:
            return self._error(413, "The request is too large.")
        try:
            asked = Asked(
                store=self.store,
                fields=object_of(request.body),
                query=query_of(request.query),
                names=names,
                fault=fault,
            )
            said: Any = self._endpoints[name](asked)
        except GuestyError as error:
            return self._error(error.status, error.message, error.code)
        return Reply.json(201 if name in MADE else 200, said)

    def _instead(self, planned: Planned) -> Reply:
        if planned.fault is Fault.LOST_REQUEST:
            return Reply(status=0, delivery=Delivery.DROPPED)
        status, message = _INSTEAD[planned.fault]
        named = planned.fault is Fault.TOO_MANY
        headers = {"Retry_After": str(RETRY_AFTER_S)} if named else {}
        return self._error(status, message, **headers)

    def _error(self, status: int, message: str, code: str = "", **headers: str) -> Reply:
        request_id = str(uuid5(_REQUEST_SPACE, str(self.asked)))
        body = {"message": message, "code": code or str(status), "requestId": request_id}
        return Reply.json(status, body, **headers)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\{id\}", r"(?P<id>[^/]{1,200})"))


def _is_legacy(name: str) -> bool:
    # The older way of recording a payment has no date of its end yet.
    return "/v1/reservations" in name and "-v3" not in name and "payments" not in name


def _delivered(reply: Reply, fault: Fault | None) -> Reply:
    match fault:
        case Fault.LOST_ANSWER:
            delivery = Delivery.DROPPED
        case Fault.NO_ANSWER:
            delivery = Delivery.SILENT
        case Fault.CUT_BODY:
            delivery = Delivery.CUT
        case Fault.BROKEN_STORED:
            return Reply.json(500, {"message": "Internal server error", "code": "500"})
        case _:
            return reply
    return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)
