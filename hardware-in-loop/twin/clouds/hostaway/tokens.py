"""Access tokens: not valid in their first second, 403 for a bad one, revocable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from appliance.kernel.clock import Clock
from twin.clouds.hostaway.words import ACCOUNT_ID, CLIENT_SECRET, HostawayError, invalid

# The vendor's example says 184 days although its text says 24 months (cloud.md 1.2).
EXPIRES_IN_S: Final = 15_897_600
# In its first second a token is refused like any bad one (docs, "Authentication").
DELAY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Issued:
    at_s: float
    until_s: float


class Tokens:
    """The tokens of one account."""

    def __init__(self, clock: Clock) -> None:
        self.issued = 0
        self.expires_in_s = EXPIRES_IN_S
        self._clock = clock
        self._tokens: dict[str, _Issued] = {}

    def issue(self, body: bytes) -> dict[str, object]:
        """Answer `POST /v1/accessTokens`; raises 400 or 401 as OAuth 2.0 does (RFC 6749, 5.2)."""
        try:
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as error:
            raise invalid("The request body is not form encoded") from error
        if form.get("grant_type") != "client_credentials" or form.get("scope") != "general":
            raise invalid("grant_type must be client_credentials and scope must be general")
        if form.get("client_id") != str(ACCOUNT_ID) or form.get("client_secret") != CLIENT_SECRET:
            raise HostawayError(401, "Client authentication failed")
        self.issued += 1
        now_s = self._clock.monotonic()
        token = f"twin-hostaway-{self.issued:06d}"
        self._tokens[token] = _Issued(now_s, now_s + self.expires_in_s)
        return {
            "token_type": "Bearer",
            "expires_in": self.expires_in_s,
            "access_token": token,
        }

    def admit(self, authorization: str) -> int:
        """The account behind a header; raises 403 for a token that does not count now."""
        scheme, _, token = authorization.partition(" ")
        found = self._tokens.get(token.strip()) if scheme.lower() == "bearer" else None
        now_s = self._clock.monotonic()
        if found is None or not found.at_s + DELAY_S <= now_s < found.until_s:
            raise HostawayError(403, "Access denied: the token is not valid")
        return ACCOUNT_ID

    def revoke(self, token: str | None) -> list[object]:
        """Answer `DELETE /v1/accessTokens?token=`."""
        if not token:
            raise invalid("token is required")
        self._tokens.pop(token, None)
        return []

    def revoke_all(self) -> None:
        """What a person does in the vendor's dashboard."""
        self._tokens.clear()
