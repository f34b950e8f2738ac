"""Tokens: opaque ones kept as hashes, successors derived again, access tokens, links for the QR.

Secrets never stand in an answer or in the log: what must be said twice is derived twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

import jwt

from appliance.kernel.clock import Clock
from appliance.kernel.messages import Role
from appliance.kernel.secrets import token_secret
from appliance.kernel.vault import Vault

# DESIGN section 10.
ACCESS_S = 15 * 60
LINK_S = 24 * 3_600
TOKEN_BYTES = 32
NONCE_BYTES = 8
# Longer is no token of ours: an access token with every role has some 500 characters.
TOKEN_CHARS_MAX = 2_048
ISSUER: Final = "nightporter"
_ALGORITHM: Final = "HS256"
_STAY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def new_token() -> str:
    """An opaque token of 256 bits."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """A token as it is kept: SHA-256 in hex (256 random bits need no salt)."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def successor(token: str, vault: Vault) -> str:
    """The refresh token after this one: whoever lost the answer gets the same one again."""
    return _text(vault.keyed_hash(token.encode(errors="replace"), "refresh successor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an access token says."""

    actor: str
    roles: tuple[Role, ...]
    terminal: str | None
    shift: str | None
    session_hash: str
    expires_at_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link for the QR says; `nonce` makes it good for one use."""

    stay_id: str
    nonce: str
    expires_at_s: int


class Tokens:
    """Signs and reads what the box hands out; our own clock judges it, not the library's."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._clock = clock
        self._secret = token_secret(vault)
        self._link_key = vault.derive("guest link")

    def access(
        self,
        *,
        actor: str,
        roles: tuple[Role, ...],
        terminal: str | None,
        shift: str | None,
        session_hash: str,
    ) -> tuple[str, int]:
        """An access token and the UTC second at which it ends."""
        now_s = self._clock.read().wall_s
        claims = {
            "iss": ISSUER,
            "sub": actor,
            "roles": [role.value for role in roles],
            "terminal": terminal,
            "shift": shift,
            "sid": session_hash,
            "iat": now_s,
            "exp": now_s + ACCESS_S,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM), now_s + ACCESS_S

    def read_access(self, token: str) -> Access | None:
        """What a valid access token says; None for any other text."""
        if len(token) > TOKEN_CHARS_MAX:
            return None
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
            )
            return self._fresh(_access(claims))
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return None

    def _fresh(self, access: Access) -> Access | None:
        return access if self._clock.read().wall_s < access.expires_at_s else None

    def link(self, stay_id: str) -> str:
        """A link's token for one stay: signed, good for 24 h and one use."""
        expires_at_s = self._clock.read().wall_s + LINK_S
        said = f"{stay_id}.{expires_at_s}.{secrets.token_hex(NONCE_BYTES)}"
        return f"{said}.{_text(self._sign(said))}"

    def read_link(self, token: str) -> Link | None:
        """What a link says while it is good; None for any other text."""
        said, _, signature = token.rpartition(".")
        if len(token) > TOKEN_CHARS_MAX or not said.isascii():
            return None
        if not hmac.compare_digest(self._sign(said), _bytes(signature)):
            return None
        stay_id, expires_at_s, nonce = said.split(".")
        if not _STAY_ID.fullmatch(stay_id) or self._clock.read().wall_s >= int(expires_at_s):
            return None
        return Link(stay_id=stay_id, nonce=nonce, expires_at_s=int(expires_at_s))

    def _sign(self, said: str) -> bytes:
        return hmac.digest(self._link_key, said.encode(), "sha256")


def _access(claims: dict[str, Any]) -> Access:
    return Access(
        actor=claims["sub"],
        roles=tuple(Role(role) for role in claims["roles"]),
        terminal=claims["terminal"],
        shift=claims["shift"],
        session_hash=claims["sid"],
        expires_at_s=int(claims["exp"]),
    )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
