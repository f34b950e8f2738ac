"""The words between a relay and a box, and what each of them proves (docs/relay.md).

Both hold one pairing key. The box proves its pulls with it, the relay its hints; neither proof can
be made from the other, and no clock of the box is needed for any.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

KEY_BYTES: Final = 32
# 128 bits, so that nobody finds a mailbox by trying; it is part of the addresses vendors are told.
MAILBOX_BYTES: Final = 16
FIRST_WORD: Final = "np-relay-1"
_MAILBOX: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")

# What a relay keeps of a request's headers: signatures and the trace. A login never is among them.
KEPT_HEADERS: Final = (
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "stripe-signature",
    "plaid-verification",
    "traceparent",
)
# Hints and bytes in one answer: a box on a slow line gets it within seconds.
PAGE_MAX: Final = 200
PAGE_BYTES_MAX: Final = 4 * 1024 * 1024
# A question may stay open for so long; proxies give up at 30 s or later.
WAIT_S_MAX: Final = 25
# What a relay keeps for a box that is dark: longer than any vendor itself goes on.
KEPT_MS_MAX: Final = 7 * 86_400_000


class PairingError(Exception):
    """The pairing file holds no pairing: copy the line that `nightporter relay pair` printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One box's place at a relay."""

    mailbox: str
    key: bytes = field(repr=False)

    def line(self) -> str:
        """How it is written down at both ends."""
        return f"{FIRST_WORD} {self.mailbox} {base64.b64encode(self.key).decode()}"


def new_pairing() -> Pairing:
    """Make a mailbox and a key that nobody has."""
    name = base64.urlsafe_b64encode(os.urandom(MAILBOX_BYTES)).rstrip(b"=").decode()
    return Pairing(mailbox=name, key=os.urandom(KEY_BYTES))


def read_pairing(line: str) -> Pairing:
    """Read one line; raises PairingError."""
    words = line.split()
    try:
        if len(words) == 3 and words[0] == FIRST_WORD and _MAILBOX.fullmatch(words[1]):
            key = base64.b64decode(words[2], validate=True)
            if len(key) == KEY_BYTES:
                return Pairing(mailbox=words[1], key=key)
    except binascii.Error:
        pass
    raise PairingError("no pairing here: copy the line that `nightporter relay pair` printed")


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a vendor, raw; `body` is base64 on the wire.

    `proof` stands for the address' last part and the login: their digest, since neither is ours
    to keep. Empty where the vendor gave neither.
    """

    seq: int
    received_ms: int
    source: str
    proof: str
    headers: dict[str, str]
    body: bytes
    mac: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: hints after the cursor, in order. Another `epoch` is another store: from 0 on."""

    epoch: str
    hints: list[Hint]


def pull_proof(pairing: Pairing, epoch: str, after: int) -> str:
    """The box's proof of one question. Asked again it acknowledges nothing more than before."""
    return _mac(pairing, "pull", [pairing.mailbox, epoch, str(after)])


def hint_mac(pairing: Pairing, epoch: str, hint: Hint) -> str:
    """The relay's proof of one hint: its place, its time and every byte."""
    return _mac(
        pairing,
        "hint",
        [
            pairing.mailbox,
            epoch,
            str(hint.seq),
            str(hint.received_ms),
            hint.source,
            hint.proof,
            *(text for pair in sorted(hint.headers.items()) for text in pair),
            hashlib.sha256(hint.body).hexdigest(),
        ],
    )


def equal(given: str, own: str) -> bool:
    """Compare two proofs in constant time."""
    return hmac.compare_digest(given.encode(), own.encode())


def kept_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Of a request's headers, those a box verifies by."""
    found = {name.lower(): str(text) for name, text in headers.items()}
    return {name: found[name] for name in KEPT_HEADERS if name in found}


def _mac(pairing: Pairing, purpose: str, parts: list[str]) -> str:
    key = hmac.digest(pairing.key, f"nightporter relay 1 {purpose}".encode(), hashlib.sha256)
    # Each part with its length, so that no two lists are the same bytes.
    coded = [part.encode() for part in parts]
    said = b"".join(len(part).to_bytes(4, "big") + part for part in coded)
    return hmac.digest(key, said, hashlib.sha256).hex()
