"""The OAuth endpoint: a token for a day, and five of them in a day."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from appliance.kernel.clock import Clock
from twin.clouds.guesty.words import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, DAY_S
from twin.clouds.wire import Reply, Request

# cloud.md 1.1: five tokens in 24 hours for each client id.
TOKENS_MAX: Final = 5
EXPIRES_S: Final = DAY_S
SCOPE: Final = "open-api"
_KEY: Final = b"the twin signs its tokens with this"


class Tokens:
    """Who may ask. `account_id` is the tenant that a token names; a test may change it."""

    def __init__(self, clock: Clock) -> None:
        self.account_id = ACCOUNT_ID
        self.client_id = CLIENT_ID
        self.client_secret = CLIENT_SECRET
        self.issued: deque[float] = deque()  # all that were ever given, by wall seconds
        self.refused = 0
        self._clock = clock
        self._alive: dict[str, float] = {}  # token -> deadline, wall seconds

    def issue(self, request: Request) -> Reply:
        """`POST /oauth2/token`."""
        form = _form(request)
        if form.get("grant_type") != "client_credentials" or form.get("scope") != SCOPE:
            return Reply.json(400, {"error": "invalid_request"})
        if (form.get("client_id"), form.get("client_secret")) != (
            self.client_id,
            self.client_secret,
        ):
            return Reply.json(401, {"error": "invalid_client"})
        now_s = self._clock.read().wall_ms / 1000
        recent = [at_s for at_s in self.issued if now_s - at_s < DAY_S]
        if len(recent) >= TOKENS_MAX:
            self.refused += 1
            wait_s = int(recent[-TOKENS_MAX] + DAY_S - now_s) + 1
            return Reply.json(429, {"error": "too_many_requests"}, Retry_After=str(wait_s))
        self.issued.append(now_s)
        token = self._token(now_s)
        self._alive[token] = now_s + EXPIRES_S
        return Reply.json(
            200,
            {
                "token_type": "Bearer",
                "expires_in": EXPIRES_S,
                "access_token": token,
                "scope": SCOPE,
            },
        )

    def refusal(self, request: Request) -> int:
        """0 for a token that is good, 403 for one that expired, 401 for one never given."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        deadline_s = self._alive.get(token)
        if scheme.lower() != "bearer" or deadline_s is None:
            return 401
        # The vendor says 403 here, and 403 also to a permission that is missing.
        return 403 if self._clock.read().wall_ms / 1000 >= deadline_s else 0

    def expire_all(self) -> None:
        """Every token given so far is too old now."""
        for token in self._alive:
            self._alive[token] = 0.0

    def _token(self, now_s: float) -> str:
        header = {"alg": "HS256", "typ": "JWT"}
        claims = {
            "accountId": self.account_id,
            "iat": int(now_s),
            "exp": int(now_s) + EXPIRES_S,
            "jti": str(len(self.issued)),
        }
        signed = f"{_part(header)}.{_part(claims)}"
        mark = hmac.new(_KEY, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def _part(fields: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def _form(request: Request) -> dict[str, str]:
    try:
        return {name: found[0] for name, found in parse_qs(request.body.decode()).items()}
    except ValueError:  # no text at all, or more fields than anybody needs
        return {}
