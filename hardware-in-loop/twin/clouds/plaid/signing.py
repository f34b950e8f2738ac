"""How the vendor signs its webhooks: ES256 over a token that holds the body's digest.

plaid.com/docs/api/webhooks/webhook-verification; the keys as `JWKPublicKey` of its OpenAPI file.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


class SigningKey:
    """One key of the vendor; `expired_s` is when it was taken back."""

    def __init__(self, kid: str, created_s: int) -> None:
        self.kid = kid
        self.created_s = created_s
        self.expired_s: int | None = None
        self._key = ec.generate_private_key(ec.SECP256R1())

    def public(self) -> dict[str, Any]:
        """The key as `/webhook_verification_key/get` shows it."""
        point = self._key.public_key().public_numbers()
        return {
            "alg": "ES256",
            "created_at": self.created_s,
            "crv": "P-256",
            "expired_at": self.expired_s,
            "kid": self.kid,
            "kty": "EC",
            "use": "sig",
            "x": _b64(point.x.to_bytes(32, "big")),
            "y": _b64(point.y.to_bytes(32, "big")),
        }

    def token(self, body: bytes, at_s: int) -> str:
        """The `Plaid-Verification` header of a body."""
        head = {"alg": "ES256", "kid": self.kid, "typ": "JWT"}
        claims = {"iat": at_s, "request_body_sha256": hashlib.sha256(body).hexdigest()}
        signed = ".".join(_b64(msgspec.json.encode(part)) for part in (head, claims))
        der = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
