"""Unified webhooks on their way out: Basic auth, both bodies seen in the field, retries, disorder.

Hostaway signs nothing, and its documents show no body; two live integrations saw two shapes
(cloud.md 1.2). A delivery is retried for network errors, 5xx and 429 only, three times within
about an hour; any other 4xx is final, and five days of failures switch the registration off.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

from twin.clouds.hostaway.records import Logged, Reservation, Webhook
from twin.clouds.hostaway.store import HostawayStore
from twin.clouds.hostaway.words import ACCOUNT_ID
from twin.clouds.wire import Request

# When a delivery is tried again: the first after about a minute, the last within about an hour.
RETRY_S: Final = (60, 600, 2400)
# Two hundreds within this; a receiver's test measures against it.
ANSWER_S_MAX: Final = 20.0
OFF_AFTER_S: Final = 5 * 86_400

HTTP_TOO_MANY: Final = 429
HTTP_SERVER_ERROR: Final = 500


class Body(StrEnum):
    """The two shapes of one body."""

    PLAIN = "plain"  # {"object", "event", "accountId", "data": {...}}
    NESTED = "nested"  # {"payload": {"data": {...}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt: what to send where; hand the answer's status to `answered`."""

    number: int
    webhook: Webhook
    event: str
    reservation_id: int
    listing_id: int
    due_s: int
    tries: int
    request: Request


class Deliveries:
    """Everything still to be delivered. A test takes `due()`, sends, and says what came back."""

    def __init__(self, store: HostawayStore, chance: random.Random | None = None) -> None:
        self._store = store
        self._chance = chance or random.Random(5)
        self._waiting: list[Delivery] = []
        self._number = 0
        self.body: Body | None = None  # None: now the one, now the other
        self.duplicates = 0.0  # the part of deliveries that come twice
        self.disorder = False  # shuffled instead of in order
        store.hear(self._heard)

    def due(self) -> list[Delivery]:
        """What is to be sent now, taken out of the queue."""
        now_s = self._store.now_s()
        ready = [one for one in self._waiting if one.due_s <= now_s]
        self._waiting = [one for one in self._waiting if one.due_s > now_s]
        ready = [one for one in ready if one.webhook.enabled]
        ready += [one for one in ready if self._chance.random() < self.duplicates]
        if self.disorder:
            self._chance.shuffle(ready)
        return ready

    def waiting(self) -> list[Delivery]:
        """What is to be tried later."""
        return list(self._waiting)

    def answered(self, delivery: Delivery, status: int | None) -> None:
        """Take a receiver's status; None: no answer came in time."""
        now_s, webhook = self._store.now_s(), delivery.webhook
        self._store.log(
            Logged(
                id=self._store.new_id(),
                webhook=webhook,
                listing_id=delivery.listing_id,
                object_id=delivery.reservation_id,
                event=delivery.event,
                status=status,
            )
        )
        if status is not None and 200 <= status < 300:
            webhook.failing_since_s = None
            return
        webhook.failing_since_s = webhook.failing_since_s or now_s
        if now_s - webhook.failing_since_s >= OFF_AFTER_S:
            webhook.enabled = False
        again = status is None or status == HTTP_TOO_MANY or status >= HTTP_SERVER_ERROR
        if again and delivery.tries < len(RETRY_S):
            due_s = now_s + RETRY_S[delivery.tries]
            self._waiting.append(replace(delivery, tries=delivery.tries + 1, due_s=due_s))

    def requests(self) -> Iterable[Request]:
        """The requests that are due now, each taken as delivered."""
        for delivery in self.due():
            self.answered(delivery, 200)
            yield delivery.request

    def _heard(self, event: str, one: Reservation) -> None:
        for webhook in self._store.webhooks.values():
            if webhook.enabled:
                self._number += 1
                self._waiting.append(self._delivery(webhook, event, one))

    def _delivery(self, webhook: Webhook, event: str, one: Reservation) -> Delivery:
        shape = self.body or (Body.NESTED if self._number % 2 == 0 else Body.PLAIN)
        headers = {"content-type": "application/json"}
        if webhook.login is not None:
            pair = f"{webhook.login}:{webhook.password or ''}".encode()
            headers["authorization"] = "Basic " + base64.b64encode(pair).decode()
        return Delivery(
            number=self._number,
            webhook=webhook,
            event=event,
            reservation_id=one.id,
            listing_id=one.listing_id,
            due_s=self._store.now_s(),
            tries=0,
            request=Request(
                method="POST",
                path=webhook.url,
                headers=headers,
                body=msgspec.json.encode(_body(shape, event, one)),
            ),
        )


def _body(shape: Body, event: str, one: Reservation) -> dict[str, Any]:
    data = {"id": one.id, "listingMapId": one.listing_id, "status": str(one.status)}
    whole = {"object": "reservation", "event": event, "accountId": ACCOUNT_ID, "data": data}
    return whole if shape is Body.PLAIN else {"payload": whole}
