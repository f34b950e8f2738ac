"""As whom we ask Plaid, and for which bank logins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

NAME: Final = "plaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaidAccount:
    """`access_tokens`: one for each bank login ("item") of the property. Nothing here is logged."""

    base_url: str
    client_id: str
    secret: str
    access_tokens: tuple[str, ...]

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"PlaidAccount({self.base_url}, {len(self.access_tokens)} items)"


def item_of(access_token: str) -> str:
    """What a bank login is called here: a short digest, because the token itself is a secret."""
    return hashlib.sha256(access_token.encode()).hexdigest()[:12]
