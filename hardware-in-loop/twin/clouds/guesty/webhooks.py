"""Webhooks as Svix sends them for the vendor: signed, repeated, late and out of order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.kernel.clock import Clock
from twin.clouds.guesty.asked import Asked, Json
from twin.clouds.guesty.records import Reservation
from twin.clouds.guesty.words import ACCOUNT_ID, DAY_S, invalid, missing, moment
from twin.clouds.wire import Request

# cloud.md 1.1: the waits between tries, and what is given up after them.
RETRY_AFTER_S: Final = (0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000)
# An endpoint that failed for so long is sent nothing any more.
DISABLED_AFTER_S: Final = 5 * DAY_S
# For a while after its creation an endpoint's secret is not found.
SECRET_AFTER_MS: Final = 5_000
WEBHOOKS_MAX: Final = 20
EVENTS: Final = frozenset(
    {
        "reservation.created.v2",
        "reservation.updated.v2",
        "listing.new",
        "listing.updated",
        "listing.removed",
        "calendar.updated.v2",
        "listing.calendar.updated",
        "guest.created",
        "guest.updated",
        "guest.deleted",
        "payments.failed",
        "payments.method.received",
    }
)
# The vendor has refused to register these since July 2026.
ENDED: Final = frozenset({"reservation.new", "reservation.updated"})

Post = Callable[[str, Request], Awaitable[int]]


@dataclass(slots=True, kw_only=True)
class Message:
    """One event for one endpoint; its id is the same on every try."""

    id: str
    url: str
    body: bytes
    due_ms: int
    tries: int = 0


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """Where somebody listens."""

    id: str
    url: str
    events: frozenset[str]
    secrets: list[bytes]  # several while a secret is being changed, newest first
    made_ms: int
    failing_since_ms: int | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One try on its way: `request` is what the listener gets."""

    message: Message
    request: Request


@dataclass(slots=True)
class Webhooks:
    """Registration, and what is owed to whoever registered."""

    clock: Clock
    seed: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    owed: list[Message] = field(default_factory=list)
    sent: int = 0
    given_up: int = 0
    _number: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    # -- what happens in the cloud -------------------------------------------------------------

    def heard(self, event: str, one: Reservation) -> None:
        """A reservation was made or changed: everybody who listens is owed a message."""
        now_ms = self.clock.read().wall_ms
        for endpoint in self.endpoints.values():
            if event not in endpoint.events or endpoint.disabled:
                continue
            self._number += 1
            body = {
                "event": event,
                "meta": {"eventId": f"evt_{self._number:08d}", "publishedAt": moment(now_ms)},
                "accountId": ACCOUNT_ID,
                "data": {
                    "reservationId": one.id,
                    "unitId": one.stay[-1].unit_id,
                    "status": str(one.status),
                    "checkInDateLocalized": one.check_in.isoformat(),
                    "checkOutDateLocalized": one.check_out.isoformat(),
                },
            }
            message = Message(
                id=f"msg_{self._number:024d}",
                url=endpoint.url,
                body=json.dumps(body, indent=2).encode(),
                due_ms=now_ms,
            )
            self.owed.append(message)

    def due(self, *, shuffled: bool = False, doubled: bool = False) -> list[Delivery]:
        """What is to be sent now; in disorder and twice where a test wants it."""
        now_ms = self.clock.read().wall_ms
        found = [message for message in self.owed if message.due_ms <= now_ms]
        if doubled:
            found = [message for message in found for _ in range(2)]
        if shuffled:
            self._random.shuffle(found)
        return [Delivery(message=each, request=self._signed(each, now_ms)) for each in found]

    def answered(self, delivery: Delivery, status: int | None) -> None:
        """What the listener said; None for no answer within 15 seconds."""
        message, now_ms = delivery.message, self.clock.read().wall_ms
        self.sent += 1
        endpoint = self._endpoint_at(message.url)
        if status is not None and 200 <= status < 300:
            if endpoint is not None:
                endpoint.failing_since_ms = None
            self.owed = [each for each in self.owed if each.id != message.id]
            return
        message.tries += 1
        if endpoint is not None:
            endpoint.failing_since_ms = endpoint.failing_since_ms or now_ms
            endpoint.disabled = now_ms - endpoint.failing_since_ms >= DISABLED_AFTER_S * 1000
        if message.tries >= len(RETRY_AFTER_S) or endpoint is None or endpoint.disabled:
            self.owed = [each for each in self.owed if each.id != message.id]
            self.given_up += 1
            return
        message.due_ms = now_ms + RETRY_AFTER_S[message.tries] * 1000

    async def deliver(self, post: Post, *, shuffled: bool = False, doubled: bool = False) -> int:
        """Send what is due through `post`, which gives the status; says how many were sent."""
        deliveries = self.due(shuffled=shuffled, doubled=doubled)
        for delivery in deliveries:
            self.answered(delivery, await post(delivery.message.url, delivery.request))
        return len(deliveries)

    def change_secret(self, url: str) -> None:
        """A new secret; for a while every message carries both signatures."""
        endpoint = self._endpoint_at(url)
        assert endpoint is not None, f"nobody listens at {url}"
        endpoint.secrets.insert(0, self._secret())

    def _signed(self, message: Message, now_ms: int) -> Request:
        endpoint = self._endpoint_at(message.url)
        stamp = str(now_ms // 1000)
        signatures = [
            signature(secret, message.id, stamp, message.body)
            for secret in (endpoint.secrets if endpoint is not None else [])
        ]
        headers = {
            "content-type": "application/json",
            "svix-id": message.id,
            "svix-timestamp": stamp,
            "svix-signature": " ".join(signatures),
        }
        path = "/" + message.url.partition("://")[2].partition("/")[2]
        return Request(method="POST", path=path, headers=headers, body=message.body)

    def _endpoint_at(self, url: str) -> Endpoint | None:
        return next((each for each in self.endpoints.values() if each.url == url), None)

    def _secret(self) -> bytes:
        return self._random.randbytes(24)

    # -- registration --------------------------------------------------------------------------

    def register(self, asked: Asked) -> Json:
        """`POST /webhooks`: a new endpoint, and always a new secret."""
        url, events = asked.text("url"), _events(asked)
        if len(self.endpoints) >= WEBHOOKS_MAX:
            raise invalid(f"At most {WEBHOOKS_MAX} webhooks can be registered.")
        if self._endpoint_at(url) is not None:
            raise invalid("This url is registered already.")
        endpoint = Endpoint(
            id=asked.store.new_id(),
            url=url,
            events=events,
            secrets=[self._secret()],
            made_ms=self.clock.read().wall_ms,
        )
        self.endpoints[endpoint.id] = endpoint
        return _shown(endpoint)

    def listed(self, asked: Asked) -> list[Json]:
        """`GET /webhooks`."""
        del asked
        return [_shown(each) for each in self.endpoints.values()]

    def changed(self, asked: Asked) -> Json:
        """`PUT /webhooks/{id}`."""
        endpoint = self._found(asked)
        endpoint.events = _events(asked)
        return _shown(endpoint)

    def removed(self, asked: Asked) -> Json:
        """`DELETE /webhooks/{id}`."""
        endpoint = self._found(asked)
        del self.endpoints[endpoint.id]
        return {}

    def secret(self, asked: Asked) -> Json:
        """`GET /webhooks-v2/secret?url=`: 404 for a while after the endpoint was made."""
        endpoint = self._endpoint_at(asked.param("url") or "")
        now_ms = self.clock.read().wall_ms
        if endpoint is None or now_ms - endpoint.made_ms < SECRET_AFTER_MS:
            raise missing("The secret was not found.")
        return {"key": written(endpoint.secrets[0])}

    def _found(self, asked: Asked) -> Endpoint:
        endpoint = self.endpoints.get(asked.names["id"])
        if endpoint is None:
            raise missing("Webhook not found.")
        return endpoint


def written(secret: bytes) -> str:
    """A secret as it is handed out."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def signature(secret: bytes, message_id: str, stamp: str, body: bytes) -> str:
    """`v1,<base64>` over id, time and raw body (standardwebhooks.com, Svix)."""
    signed = f"{message_id}.{stamp}.".encode() + body
    mark = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mark).decode()}"


def _events(asked: Asked) -> frozenset[str]:
    events: Any = asked.fields.get("events")
    if not isinstance(events, list) or not events or not all(isinstance(e, str) for e in events):
        raise invalid("events must be a list of events.")
    _refuse_ended(events)
    if unknown := set(events) - EVENTS:
        raise invalid(f"events must not contain {len(unknown)} unknown words.")
    return frozenset(events)


def _refuse_ended(events: Iterable[str]) -> None:
    if ENDED & set(events):
        raise invalid("This event has ended, use its v2.")


def _shown(endpoint: Endpoint) -> Json:
    return {
        "_id": endpoint.id,
        "accountId": ACCOUNT_ID,
        "url": endpoint.url,
        "events": sorted(endpoint.events),
    }
