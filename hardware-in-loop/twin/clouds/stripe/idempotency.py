"""What the payment cloud remembers of idempotency keys (cloud.md 2.1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from appliance.kernel.clock import Clock
from twin.clouds.stripe.words import KEY_KEPT_S, KEY_LENGTH_MAX, StripeError, invalid
from twin.clouds.wire import Reply, Request


@dataclass(slots=True)
class _Kept:
    fingerprint: str
    first_s: int
    reply: Reply | None  # None while the first request is in progress


class Keys:
    """Saved answers by key.

    Saved once an endpoint has begun: success, 402 and 500, never a validation's 400, 401, 429 or
    the 409 of a twin in progress. The same key with other parameters is 400. After 24 hours on
    the twin's clock a key is forgotten, and the same request charges again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def begin(self, key: str, request: Request) -> Reply | None:
        """The saved answer, or None for a request that is to be executed now."""
        if len(key) > KEY_LENGTH_MAX:
            raise invalid(f"Idempotency keys have at most {KEY_LENGTH_MAX} characters.", code=None)
        now_s = self._clock.read().wall_s
        kept = self._kept.get(key)
        if kept is not None and now_s - kept.first_s >= KEY_KEPT_S and kept.reply is not None:
            kept = None
        if kept is None:
            self._kept[key] = _Kept(_fingerprint(request), now_s, None)
            return None
        if kept.fingerprint != _fingerprint(request):
            raise StripeError(400, {"type": "idempotency_error", "message": _other(key)})
        if kept.reply is None:
            message = (
                "There is currently another in-progress request using this Idempotent Key "
                f"(that probably means you submitted twice, and the other is still going on): {key}"
            )
            error = {
                "type": "idempotency_error",
                "code": "idempotency_key_in_use",
                "message": message,
            }
            raise StripeError(409, error)
        return Reply(
            status=kept.reply.status,
            body=kept.reply.body,
            headers={**kept.reply.headers, "Idempotent-Replayed": "true"},
        )

    def save(self, key: str, reply: Reply) -> None:
        """Keep the answer of what was executed."""
        self._kept[key].reply = reply

    def forget(self, key: str) -> None:
        """Nothing was executed; the key is as good as new."""
        self._kept.pop(key, None)


def _fingerprint(request: Request) -> str:
    parts = (request.method, request.path, request.query, request.body.decode("utf-8", "replace"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _other(key: str) -> str:
    return (
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request."
    )
