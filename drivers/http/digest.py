"""HTTP digest authentication with SHA-256 (RFC 7616), as Shelly's second generation demands: pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

_PART: Final = re.compile(r'(\w+)=(?:"([^"\\]*)"|([^\s,"]+))')
PARTS_MAX: Final = 16


@dataclass(slots=True)
class Challenge:
    """What a device asked for; `count` grows with every use, as the protocol demands."""

    realm: str
    nonce: str
    count: int = field(default=0)


def read_challenge(header: str) -> Challenge | None:
    """The challenge of a 401; None where it is not digest with SHA-256 and `auth`.

    MD5 is refused: whoever stands in between could ask for it.
    """
    scheme, _, rest = header.partition(" ")
    parts = {k.lower(): a or b for k, a, b in _PART.findall(rest)[:PARTS_MAX]}
    if scheme.lower() != "digest" or parts.get("algorithm", "MD5").upper() != "SHA-256":
        return None
    if "auth" not in [q.strip() for q in parts.get("qop", "").split(",")]:
        return None
    if not parts.get("nonce") or "realm" not in parts:
        return None
    return Challenge(realm=parts["realm"], nonce=parts["nonce"])


def authorization(
    challenge: Challenge,
    *,
    user: str,
    password: str,
    method: str,
    path: str,
    cnonce: str | None = None,
) -> str:
    """The header that proves the password for one request."""
    challenge.count += 1
    own = secrets.token_hex(8) if cnonce is None else cnonce
    count = f"{challenge.count:08x}"
    who = _hash(f"{user}:{challenge.realm}:{password}")
    what = _hash(f"{method}:{path}")
    response = _hash(f"{who}:{challenge.nonce}:{count}:{own}:auth:{what}")
    return (
        f'Digest username="{user}", realm="{challenge.realm}", nonce="{challenge.nonce}",'
        f' uri="{path}", algorithm=SHA-256, qop=auth, nc={count}, cnonce="{own}",'
        f' response="{response}"'
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
