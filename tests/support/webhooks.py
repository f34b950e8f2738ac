"""Webhooks as their vendors make them, by the vendors' own documents and not by our code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

SVIX_SECRET = "whsec_" + base64.b64encode(b"a guesty secret of some bytes").decode()
STRIPE_SECRET = "whsec_stripe_secret_as_it_is_written"
HOSTAWAY_TOKEN, HOSTAWAY_LOGIN = "h0stawayPath", "porter:of the night"
MEWS_TOKEN = "mewsPathToken"
KEY_ID = "bfbd5111-8e33-4643-8ced-b2e642a72f3c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One POST: where to, with what."""

    path: str
    headers: dict[str, str]
    body: bytes


def guesty(
    name: str,
    reservation: str,
    at_s: int,
    *,
    secret: str = SVIX_SECRET,
    prefix: str = "svix",
    body: dict[str, Any] | None = None,
) -> Posted:
    """The v2 shape that three public integrations agree on (cloud.md 1.1)."""
    said = body or {
        "event": "reservation.updated.v2",
        "meta": {"eventId": f"e-{name}", "publishedAt": "2026-11-02T10:00:00.000Z"},
        "data": {"reservationId": reservation, "status": "confirmed"},
    }
    raw = json.dumps(said).encode()
    signature = svix_signature(secret, name, at_s, raw)
    headers = {
        f"{prefix}-id": name,
        f"{prefix}-timestamp": str(at_s),
        f"{prefix}-signature": signature,
    }
    return Posted(path="/hooks/guesty", headers=headers, body=raw)


def svix_signature(secret: str, name: str, at_s: int, raw: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{name}.{at_s}.".encode() + raw
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def stripe(
    name: str, intent: str, at_s: int, *, secret: str = STRIPE_SECRET, extra: str = ""
) -> Posted:
    """An event as the vendor prints it, indented."""
    said = {
        "id": name,
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": at_s,
        "data": {"object": {"id": intent, "object": "payment_intent", "amount": 12_300}},
    }
    raw = json.dumps(said, indent=2).encode()
    signed = f"{at_s}.".encode() + raw
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return Posted(
        path="/hooks/stripe", headers={"stripe-signature": f"t={at_s},v1={mac}{extra}"}, body=raw
    )


def hostaway(
    reservation: int,
    *,
    nested: bool = False,
    token: str = HOSTAWAY_TOKEN,
    login: str = HOSTAWAY_LOGIN,
    event: str = "reservation.updated",
) -> Posted:
    """Both shapes that were seen (cloud.md 1.2)."""
    said: dict[str, Any] = {
        "object": "reservation",
        "event": event,
        "accountId": 59808,
        "data": {"id": reservation, "listingMapId": 7, "status": "modified"},
    }
    raw = json.dumps({"payload": said} if nested else said).encode()
    basic = base64.b64encode(login.encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    return Posted(path=f"/hooks/hostaway/{token}", headers=headers, body=raw)


def mews(*ids: str, token: str = MEWS_TOKEN) -> Posted:
    """A general webhook: an added entity is also an updated one (cloud.md 1.3)."""
    events = [
        {"Discriminator": f"ServiceOrder{word}", "Value": {"Id": id_}}
        for id_ in ids
        for word in ("Added", "Updated")
    ]
    events.append({"Discriminator": "ResourceUpdated", "Value": {"Id": "room-1"}})
    said = {"EnterpriseId": "ent-1", "IntegrationId": "int-1", "Events": events}
    return Posted(path=f"/hooks/mews/{token}", headers={}, body=json.dumps(said).encode())


class PlaidSigner:
    """A vendor's key, and what it signs."""

    def __init__(self, key_id: str = KEY_ID) -> None:
        self.key_id = key_id
        self.private = ec.generate_private_key(ec.SECP256R1())

    def jwk(self, *, expired_at: int | None = None) -> dict[str, Any]:
        """What /webhook_verification_key/get says."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kid": self.key_id,
            "alg": "ES256",
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "x": _unpadded(numbers.x),
            "y": _unpadded(numbers.y),
            "created_at": 1_560_466_150,
            "expired_at": expired_at,
        }

    def webhook(self, item: str, at_s: int) -> Posted:
        """Pretty-printed, as the vendor's are."""
        said = {
            "webhook_type": "TRANSACTIONS",
            "webhook_code": "SYNC_UPDATES_AVAILABLE",
            "item_id": item,
            "initial_update_complete": True,
            "historical_update_complete": True,
            "environment": "production",
        }
        return self.signed(json.dumps(said, indent=2).encode(), at_s)

    def signed(self, raw: bytes, at_s: int) -> Posted:
        claims = {"iat": at_s, "request_body_sha256": hashlib.sha256(raw).hexdigest()}
        token = jwt.encode(claims, self.private, algorithm="ES256", headers={"kid": self.key_id})
        return Posted(path="/hooks/plaid", headers={"plaid-verification": token}, body=raw)


def _unpadded(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
