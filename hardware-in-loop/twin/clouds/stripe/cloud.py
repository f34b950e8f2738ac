"""The payment cloud: keys, versions, limits, faults, and then the endpoint."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults, Planned
from twin.clouds.stripe import disputes, intents, lists, people, refunds, setups, shapes
from twin.clouds.stripe.form import parse
from twin.clouds.stripe.idempotency import Keys
from twin.clouds.stripe.intents import Asked, Json
from twin.clouds.stripe.store import StripeStore
from twin.clouds.stripe.words import DEFAULT_VERSION, SECRET_KEY, StripeError, invalid
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

Endpoint = Callable[[Asked], Json]

ROUTES: Final[tuple[tuple[str, str, Endpoint], ...]] = (
    ("POST", "/v1/payment_intents", intents.create),
    ("GET", "/v1/payment_intents", lists.intents),
    ("GET", "/v1/payment_intents/{id}", intents.find),
    ("POST", "/v1/payment_intents/{id}/confirm", intents.confirm),
    ("POST", "/v1/payment_intents/{id}/capture", intents.capture),
    ("POST", "/v1/payment_intents/{id}/cancel", intents.cancel),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds", lists.refunds),
    ("GET", "/v1/refunds/{id}", refunds.find),
    ("GET", "/v1/disputes", lists.disputes),
    ("GET", "/v1/disputes/{id}", disputes.find),
    ("GET", "/v1/charges", lists.charges),
    ("GET", "/v1/charges/{id}", people.find_charge),
    ("POST", "/v1/customers", people.create_customer),
    ("GET", "/v1/customers/{id}", people.find_customer),
    ("GET", "/v1/customers/{id}/payment_methods", lists.methods),
    ("POST", "/v1/payment_methods", people.create_method),
    ("GET", "/v1/payment_methods", lists.methods),
    ("POST", "/v1/payment_methods/{id}/attach", people.attach_method),
    ("POST", "/v1/setup_intents", setups.create),
    ("GET", "/v1/setup_intents", lists.setups),
    ("GET", "/v1/setup_intents/{id}", setups.find),
    ("POST", "/v1/setup_intents/{id}/confirm", setups.confirm),
    ("POST", "/v1/setup_intents/{id}/cancel", setups.cancel),
    ("GET", "/v1/events", lists.events),
)

_VERSION: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(\.[a-z]+)?")
_INSTEAD: Final[dict[Fault, tuple[int, Json]]] = {
    Fault.TOO_MANY: (
        429,
        {
            "type": "invalid_request_error",
            "code": "rate_limit",
            "message": "Request rate limit exceeded.",
        },
    ),
    Fault.TOO_MANY_BARE: (
        429,
        {
            "type": "invalid_request_error",
            "code": "lock_timeout",
            "message": "This object cannot be accessed right now.",
        },
    ),
    Fault.UNAUTHORIZED: (
        401,
        {"type": "invalid_request_error", "message": "Invalid API Key provided."},
    ),
    Fault.SERVER_ERROR: (503, {"type": "api_error", "message": "Service unavailable."}),
    Fault.CONFLICT: (
        409,
        {
            "type": "idempotency_error",
            "code": "idempotency_key_in_use",
            "message": "There is currently another in-progress request using this key.",
        },
    ),
    Fault.TOO_HEAVY: (503, {"type": "api_error", "message": "Request timed out."}),
}


class StripeCloud:
    """Answers as `api.stripe.com` does; no sockets here."""

    def __init__(self, clock: Clock, journal: Journal, store: StripeStore | None = None) -> None:
        self.store = store or StripeStore(clock, journal)
        self.faults = Faults()
        self.asked = 0  # requests that arrived, whatever became of them
        self._clock = clock
        self._keys = Keys(clock)

    async def answer(self, request: Request) -> Reply:
        """Answer one request; the planned fault decides how much of it is seen."""
        self.asked += 1
        request_id = f"req_{self.asked:012d}"
        found = _find(request)
        planned = self.faults.take(found[0] if found else f"{request.method} {request.path}")
        if planned is not None and planned.fault in BEFORE:
            reply = _instead(planned)
        else:
            reply = await self._answer(request, found, planned, request_id)
        return dated(reply, self.store.now_s(), Request_Id=request_id)

    async def _answer(
        self,
        request: Request,
        found: tuple[str, str, Endpoint] | None,
        planned: Planned | None,
        request_id: str,
    ) -> Reply:
        try:
            self._admit(request)
            reply = await self._once(request, found or _nowhere(request), planned, request_id)
        except StripeError as error:
            reply = Reply.json(error.status, {"error": error.error})
        delivery = _DELIVERY.get(planned.fault, Delivery.WHOLE) if planned else Delivery.WHOLE
        return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)

    async def _once(
        self,
        request: Request,
        found: tuple[str, str, Endpoint],
        planned: Planned | None,
        request_id: str,
    ) -> Reply:
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is not None and (saved := self._keys.begin(key, request)) is not None:
            return saved
        executed = False
        reply = Reply(status=500)
        try:
            if planned is not None and planned.fault is Fault.SLOW:
                await sleep(self._clock, planned.delay_s)
            reply, executed = self._execute(request, found, request_id, key)
            if planned is not None and planned.fault is Fault.BROKEN_STORED:
                broken = {"error": {"type": "api_error", "message": "An error occurred."}}
                reply = Reply.json(500, broken)
        finally:
            if key is not None and executed:
                self._keys.save(key, reply)
            elif key is not None:
                self._keys.forget(key)
        return reply

    def _execute(
        self, request: Request, found: tuple[str, str, Endpoint], request_id: str, key: str | None
    ) -> tuple[Reply, bool]:
        _, name, endpoint = found
        try:
            encoded = request.query if request.method == "GET" else request.body.decode()
            asked = Asked(
                store=self.store,
                params=parse(encoded),
                version=_version(request),
                request={"id": request_id, "idempotency_key": key},
                name=name,
            )
            return Reply.json(
                200, shapes.expanded(asked.store, endpoint(asked), asked.params)
            ), True
        except UnicodeDecodeError:
            error = invalid("The request body is not UTF-8.", code=None)
            return Reply.json(error.status, {"error": error.error}), False
        except StripeError as error:
            return Reply.json(error.status, {"error": error.error}), error.executed

    @staticmethod
    def _admit(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if given != SECRET_KEY:
            error: dict[str, Any] = {"type": "invalid_request_error"}
            error["message"] = "Invalid API Key provided." if given else "No API key was provided."
            raise StripeError(401, error)


_DELIVERY: Final = {
    Fault.LOST_ANSWER: Delivery.DROPPED,
    Fault.NO_ANSWER: Delivery.SILENT,
    Fault.CUT_BODY: Delivery.CUT,
}


def _find(request: Request) -> tuple[str, str, Endpoint] | None:
    asked = request.path.split("/")
    for method, route, endpoint in ROUTES:
        parts = route.split("/")
        if method != request.method or len(parts) != len(asked):
            continue
        if all(want in (have, "{id}") for want, have in zip(parts, asked, strict=True)):
            name = asked[parts.index("{id}")] if "{id}" in parts else ""
            return f"{method} {route}", name, endpoint
    return None


def _nowhere(request: Request) -> tuple[str, str, Endpoint]:
    message = f"Unrecognized request URL ({request.method}: {request.path})."
    raise StripeError(404, {"type": "invalid_request_error", "message": message})


def _version(request: Request) -> str:
    text = request.headers.get("stripe-version", DEFAULT_VERSION)
    match = _VERSION.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid Stripe API version: {text}", code=None)
    return match[1]


def _instead(planned: Planned) -> Reply:
    if planned.fault is Fault.LOST_REQUEST:
        return Reply(status=0, delivery=Delivery.DROPPED)
    status, error = _INSTEAD[planned.fault]
    headers = {}
    if planned.fault is Fault.TOO_MANY:
        headers = {"Stripe_Should_Retry": "true", "Retry_After": "1"}
    return Reply.json(status, {"error": error}, **headers)
