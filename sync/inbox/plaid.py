"""Plaid's webhooks: a JWT beside the body, signed with one of the vendor's many keys.

Source: plaid.com/docs/api/webhooks/webhook-verification; cloud.md 2.4. A key that is not known
here must be fetched, which needs the line: until then the delivery is held, unverified.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import jwt
import msgspec

from sync.inbox.delivery import (
    Delivery,
    Judged,
    Stored,
    UnreadableError,
    Verdict,
    judge_age,
    malformed,
    refused,
)
from sync.inbox.vendors import digest
from sync.inbox.words import PLAID, Aggregate, Normalised, NotYetError
from sync.transport import Answer, Request

HEADER: Final = "plaid-verification"
# A key's name is a UUID; a token with its three parts is below 400 characters.
KEY_ID_CHARS_MAX: Final = 64
TOKEN_CHARS_MAX: Final = 2_048
# Plaid rotates keys; one that was taken back must not verify for more than a day.
KEY_AGE_MS_MAX: Final = 86_400_000
# Keys in use at a time are two or three; a stranger's inventions must not fill the table.
KEYS_MAX: Final = 32
LOOK_UP_TIMEOUT_S: Final = 10.0
# The vendor's word for a name that is none of its keys' (plaid.com/docs/errors/invalid-input).
NO_SUCH_KEY: Final = "INVALID_WEBHOOK_VERIFICATION_KEY_ID"


class Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """`JWKPublicKey` of the vendor's OpenAPI file: a P-256 point and when it was taken back."""

    kid: str
    kty: str
    crv: str
    x: str
    y: str
    alg: str = "ES256"
    expired_at: int | None = None


class KeyService(Protocol):
    """Who knows the vendor's keys."""

    async def look_up(self, key_id: str) -> Jwk | None:
        """Fetch one; None: there is no such key. Raises NotYetError while nobody answers."""
        ...


class Plaid:
    """ES256 alone, the body's own digest inside, five minutes old at most."""

    source: Final = PLAID
    # Two changes of one account are the same bytes, but the token beside them is another.
    repeats_are_news: Final = False

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Jwk, int]] = {}

    def learn(self, key: Jwk, asked_ms: int) -> None:
        """Remember a key, and when it was asked for."""
        self._keys[key.kid] = (key, asked_ms)
        while len(self._keys) > KEYS_MAX:
            del self._keys[min(self._keys, key=lambda kid: self._keys[kid][1])]

    def knows(self, key_id: str, now_ms: int) -> bool:
        """Whether a key is here and was asked for within a day."""
        known = self._keys.get(key_id)
        return known is not None and known[1] + KEY_AGE_MS_MAX >= now_ms

    def judge(self, delivery: Delivery) -> Judged:
        """Algorithm, key, signature, digest, age; the body is not parsed."""
        token = delivery.headers.get(HEADER, "")
        if not token or len(token) > TOKEN_CHARS_MAX:
            return malformed("Plaid-Verification must be there.")
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return malformed("Plaid-Verification is no JSON Web Token.")
        key_id = head.get("kid")
        if head.get("alg") != "ES256":
            return refused("Plaid signs with ES256 and nothing else.")
        if not isinstance(key_id, str) or not 0 < len(key_id) <= KEY_ID_CHARS_MAX:
            return malformed("Plaid-Verification names no key.")
        if not self.knows(key_id, delivery.moment.wall_ms):
            sentence = "The vendor's key is not known here yet; it is verified once it is."
            key = digest(token.encode())
            return Judged(verdict=Verdict.KEY_UNKNOWN, key=key, key_id=key_id, sentence=sentence)
        return _judge_signed(token, self._keys[key_id][0], delivery)

    def papers(self, delivery: Delivery) -> Mapping[str, str]:
        """The token: it is verified again when the key is there."""
        return {HEADER: delivery.headers.get(HEADER, "")}

    def normalise(self, stored: Stored) -> Normalised:
        """By the item: all of its accounts are asked anew."""
        try:
            body = msgspec.json.decode(stored.raw, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise UnreadableError("the body is no JSON object") from None
        kind, code, item = (body.get(k) for k in ("webhook_type", "webhook_code", "item_id"))
        if not isinstance(kind, str) or not isinstance(code, str):
            raise UnreadableError("Plaid's webhook has no type or no code")
        return Normalised(
            source=PLAID,
            key=stored.dedupe_id,
            type=f"{kind}.{code}",
            aggregates=(Aggregate(kind="item", id=item),) if isinstance(item, str) else (),
            time_ms=stored.received_ms if stored.signed_ms is None else stored.signed_ms,
            received_ms=stored.received_ms,
            trace=stored.trace,
            data=body,
        )


def _judge_signed(token: str, key: Jwk, delivery: Delivery) -> Judged:
    if key.expired_at is not None:
        return refused("Plaid has taken this key back.")
    try:
        point = jwt.PyJWK(msgspec.to_builtins(key), algorithm="ES256")
        # The age is ours to judge, both ways and with our clock's doubt.
        claims = jwt.decode(
            token,
            point,
            algorithms=["ES256"],
            options={"verify_iat": False, "verify_exp": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError):
        return refused("Plaid-Verification was not signed with the vendor's key.")
    signed_s, body_hash = claims.get("iat"), claims.get("request_body_sha256")
    if not isinstance(signed_s, int) or not isinstance(body_hash, str):
        return malformed("Plaid-Verification has no time or no digest of the body.")
    own = hashlib.sha256(delivery.body).hexdigest()
    if not hmac.compare_digest(own.encode(), body_hash.encode()):
        return refused("The body is not the one that Plaid signed.")
    return judge_age(digest(token.encode()), signed_s * 1000, delivery.moment)


class PlaidKeys:
    """Asks the vendor for one key, through the gate of its credential."""

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        secret: str,
        send: Callable[[Request], Awaitable[object]],
    ) -> None:
        self._url = f"{base_url}/webhook_verification_key/get"
        self._login = {"client_id": client_id, "secret": secret}
        self._send = send

    async def look_up(self, key_id: str) -> Jwk | None:
        """POST /webhook_verification_key/get; what else is said with 400 is not about the key."""
        reply = await self._send(
            Request(
                method="POST",
                url=self._url,
                headers={"content-type": "application/json"},
                body=msgspec.json.encode({**self._login, "key_id": key_id}),
                timeout_s=LOOK_UP_TIMEOUT_S,
            )
        )
        if isinstance(reply, Answer) and reply.status == 400 and _is_strange(reply.body):
            return None
        if not isinstance(reply, Answer) or reply.status != 200:
            raise NotYetError("Plaid does not say its key now")
        try:
            found = msgspec.json.decode(reply.body, type=_KeyAnswer).key
        except msgspec.MsgspecError:
            raise NotYetError("Plaid's answer holds no key") from None
        return found if found.kid == key_id else None


class _Error(msgspec.Struct):
    error_code: str = ""


def _is_strange(body: bytes) -> bool:
    try:
        return msgspec.json.decode(body, type=_Error).error_code == NO_SUCH_KEY
    except msgspec.MsgspecError:
        return False


class _KeyAnswer(msgspec.Struct):
    key: Jwk
