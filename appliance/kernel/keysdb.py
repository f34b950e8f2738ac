"""The file keys.db: its tables, how it is opened, and how a key is wrapped by the master."""

from __future__ import annotations

import hmac
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12
# nonce 12 + key 32 + tag 16: every wrapped person key is this long, so that overwriting one
# happens in place and leaves no second copy on another page.
WRAPPED_BYTES = 60
# What a forgotten key's row holds: as long as a key, so that it is overwritten in place.
ERASED = bytes(WRAPPED_BYTES)

SCHEMA = """
-- Which master key wraps everything below.
CREATE TABLE IF NOT EXISTS wrapped_by (
    one INTEGER PRIMARY KEY CHECK (one = 1), master_id BLOB NOT NULL) STRICT;
-- One key per person. Rows are appended and overwritten in place, never deleted: a deleted or
-- moved row could leave its bytes in a free page.
CREATE TABLE IF NOT EXISTS person_key (
    number INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE, wrapped BLOB NOT NULL) STRICT;
-- Secrets of the box itself, by name.
CREATE TABLE IF NOT EXISTS own_secret (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
-- Who was forgotten, and when: applied again after a restore.
CREATE TABLE IF NOT EXISTS forgotten (
    subject TEXT PRIMARY KEY, at_wall_ms INTEGER NOT NULL) STRICT;
"""


class VaultError(Exception):
    """The keys cannot be used as they are; the text says what to do."""


class WrongMasterError(VaultError):
    """The master key at hand is not the one this keys.db was closed with."""


class TamperedError(VaultError):
    """A sealed text was changed, or moved to another place than it was sealed for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeys:
    """The key that wraps all others; two of them while it is being changed (32 bytes each)."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse a key of another length than AES-256 takes."""
        for key in (self.current, self.previous):
            if key is not None and len(key) != KEY_BYTES:
                msg = f"a master key is {KEY_BYTES} bytes, this one has {len(key)}"
                raise VaultError(msg)


def master_id(master: bytes) -> bytes:
    """Tell master keys apart without showing them: 8 bytes."""
    return hmac.digest(master, b"nightporter master id", "sha256")[:8]


def wrap(master: AESGCM, key: bytes, place: bytes) -> bytes:
    """Encrypt a key under the master, bound to the row it is for."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + master.encrypt(nonce, key, place)


def unwrap(master: AESGCM, wrapped: bytes, place: bytes) -> bytes:
    """Decrypt a key; raises TamperedError when the row is not what was written."""
    try:
        return master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        msg = (
            f"the key of {place.decode()} in keys.db was changed from outside. "
            "Restore keys.db from its last backup."
        )
        raise TamperedError(msg) from None


@contextmanager
def committing(connection: sqlite3.Connection) -> Generator[None]:
    """Commit at the end of the block, roll back when it raises."""
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that means it: WAL, FULL, and free space overwritten with zeros."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "secure_delete=ON",
        "busy_timeout=5000",
        "temp_store=MEMORY",
        "trusted_schema=OFF",
        "cell_size_check=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    for pragma, wanted in (("journal_mode", "wal"), ("synchronous", 2), ("secure_delete", 1)):
        [(found,)] = connection.execute(f"PRAGMA {pragma}").fetchall()
        if found != wanted:
            msg = (
                f"{path} runs with {pragma}={found}, not {wanted}: keep it on a local file system "
                "(not a network share) and use an SQLite built with defaults."
            )
            raise VaultError(msg)
    return connection
