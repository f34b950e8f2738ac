"""Webhook deliveries as the vendor makes them: signed, repeated, in no order, for three days.

Nothing is sent from here: a delivery is a request that a test or the relay carries (cloud.md 2.1).
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from twin.clouds.stripe.store import StripeStore
from twin.clouds.wire import Request

# A live endpoint that does not answer is tried for three days, further and further apart.
RETRY_S: Final = (0, 60, 300, 1800, 7200, 18_000, 36_000, 72_000, 129_600, 194_400, 259_200)
HOOK_SECRET: Final = "whsec_nightportertwin0000000000000"  # noqa: S105 - opens nothing but the twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One attempt to deliver one event: when it is made, and the request."""

    at_s: int
    attempt: int
    event_id: str
    request: Request


@dataclass(slots=True)
class Endpoint:
    """One address the account told the vendor; two secrets while one is being rolled."""

    store: StripeStore
    path: str = "/hooks/stripe"
    secrets: list[str] = field(default_factory=lambda: [HOOK_SECRET])

    def attempts(self, event: dict[str, Any]) -> Iterator[Hook]:
        """Every attempt for one event, as long as none is answered with 2xx."""
        for attempt, after_s in enumerate(RETRY_S, 1):
            at_s = event["created"] + after_s
            yield self._hook(event, at_s, attempt)

    def mixed(
        self, chance: random.Random, *, repeated: float = 0.2, events: Sequence[Any] | None = None
    ) -> list[Hook]:
        """First attempts of all events in no order, some of them twice."""
        rows = list(self.store.recent_events() if events is None else events)
        rows += [row for row in rows if chance.random() < repeated]
        chance.shuffle(rows)
        now_s = self.store.now_s()
        return [self._hook(row, now_s, 1) for row in rows]

    def _hook(self, event: dict[str, Any], at_s: int, attempt: int) -> Hook:
        # The vendor's bodies are indented; whoever writes them again breaks the signature.
        body = msgspec.json.format(msgspec.json.encode(event), indent=2)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature(body, self.secrets, at_s),
        }
        request = Request(method="POST", path=self.path, headers=headers, body=body)
        return Hook(at_s=at_s, attempt=attempt, event_id=event["id"], request=request)


def signature(body: bytes, secrets: Sequence[str], at_s: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 of `t.body` by each secret as it is written."""
    signed = f"{at_s}.".encode() + body
    each = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at_s}", *(f"v1={one}" for one in each)])
