"""Signatures of vendors over raw bytes: Svix (Standard Webhooks) and Stripe. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final

# A rotation has two signatures in a header; a hundred would only make us work.
SIGNATURES_MAX: Final = 16
# Seconds since 1970 have ten digits until 2286.
TIMESTAMP_CHARS_MAX: Final = 12
SVIX_PREFIX: Final = "whsec_"


def timestamp_ms(text: str) -> int | None:
    """Read whole seconds since 1970 as milliseconds; None for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > TIMESTAMP_CHARS_MAX:
        return None
    return int(text) * 1000


def svix_key(secret: str) -> bytes:
    """Decode `whsec_<base64>`; raises ValueError with the cure."""
    try:
        return base64.b64decode(secret.removeprefix(SVIX_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a signing secret is whsec_ and base64: copy it again") from None


def svix_holds(keys: Iterable[bytes], name: str, timestamp: str, body: bytes, header: str) -> bool:
    """Whether one of `v1,<base64>`, separated by spaces, was made by one of our keys.

    Source: docs.svix.com "Verifying payloads manually"; cloud.md 1.1. Several signatures and
    several keys live side by side while a secret is rotated.
    """
    given = [
        each.partition(",")[2].encode()
        for each in header.split(" ")[:SIGNATURES_MAX]
        if each.startswith("v1,")
    ]
    signed = f"{name}.{timestamp}.".encode() + body
    own = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    return _any_equal(own, given)


def stripe_parts(header: str) -> tuple[str, list[bytes]]:
    """Split `t=..,v1=..,v1=..`; v0 is a test scheme and counts for nothing (cloud.md 2.1)."""
    timestamp, given = "", []
    for part in header.split(",")[: SIGNATURES_MAX + 1]:
        name, _, value = part.strip().partition("=")
        if name == "t":
            timestamp = value
        elif name == "v1":
            given.append(value.encode())
    return timestamp, given


def stripe_holds(keys: Iterable[bytes], timestamp: str, body: bytes, given: list[bytes]) -> bool:
    """Whether one v1 is the HMAC of `t.body` by one of our secrets, taken as it is written."""
    signed = f"{timestamp}.".encode() + body
    own = [hmac.digest(key, signed, hashlib.sha256).hex().encode() for key in keys]
    return _any_equal(own, given)


def same(given: str, own: Sequence[str]) -> bool:
    """Whether a token is one of ours, in constant time."""
    return _any_equal([each.encode() for each in own], [given.encode()])


def _any_equal(own: Sequence[bytes], given: Sequence[bytes]) -> bool:
    # Every pair is compared, so that the time tells nothing of which one fitted.
    found = False
    for mine in own:
        for theirs in given:
            found |= hmac.compare_digest(mine, theirs)
    return found
