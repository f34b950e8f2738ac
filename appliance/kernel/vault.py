"""Keeps one key per person, so that a log that forgets nothing can forget a person."""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from appliance.kernel.durable import sync_directory
from appliance.kernel.keysdb import (
    ERASED,
    KEY_BYTES,
    NONCE_BYTES,
    SCHEMA,
    MasterKeys,
    TamperedError,
    VaultError,
    WrongMasterError,
    committing,
    connect,
    master_id,
    unwrap,
    wrap,
)
from appliance.kernel.sealed import Sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "Forget",
    "KeyState",
    "MasterKeys",
    "Sealed",
    "TamperedError",
    "Vault",
    "VaultError",
    "WrongMasterError",
    "open_vault",
]

# A house of 500 rooms has about 1,000 people in house and as many due; the rest is history.
KEYS_IN_MEMORY_MAX = 4096
# The longest text of a person is a chat message or a note; anything larger is a blob.
TEXT_BYTES_MAX = 65_536
# Lengths are rounded up to this, so that a forgotten name does not keep its exact length.
PAD_BYTES = 16
# Purposes are words in our sources, some dozens; the bound only stops a mistake from growing.
PURPOSES_IN_MEMORY_MAX = 256


class KeyState(StrEnum):
    """What is left of a person's key."""

    HELD = "held"
    FORGOTTEN = "forgotten"
    ABSENT = "absent"  # never seen here: nothing was sealed for them, or keys.db is older


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """One person's erasure."""

    subject: str
    at_wall_ms: int


def open_vault(path: Path, masters: MasterKeys) -> Vault:
    """Open keys.db, creating it on first use, and finish a master change that was cut short.

    Raises WrongMasterError when neither key fits, VaultError when the file cannot be used.
    """
    created = not path.exists()
    if created:
        # 0600 from the first moment; sqlite gives its -wal and -shm the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    writer = connect(path)
    writer.executescript(f"BEGIN IMMEDIATE;{SCHEMA}COMMIT;")
    writer.execute(
        "INSERT OR IGNORE INTO wrapped_by (one, master_id) VALUES (1, ?)",
        (master_id(masters.current),),
    )
    if created:
        sync_directory(path.parent)
    [(wrapped_by,)] = writer.execute("SELECT master_id FROM wrapped_by").fetchall()
    if wrapped_by == master_id(masters.current):
        vault = Vault(writer=writer, reader=connect(path), master=masters.current)
        vault.scrub()  # a cut between a forget and its scrub leaves old pages in the WAL
        return vault
    if masters.previous is not None and wrapped_by == master_id(masters.previous):
        vault = Vault(writer=writer, reader=connect(path), master=masters.previous)
        vault.rotate(masters.current)
        return vault
    writer.close()
    msg = (
        f"{path} was closed with another master key (id {wrapped_by.hex()}). Put the matching "
        "key back (systemd credential nightporter-master, or the master key file of the same "
        "backup); without it the personal texts cannot be read."
    )
    raise WrongMasterError(msg)


class Vault:
    """Seals, opens and forgets. Writes come from the log's writer thread; reads from any."""

    def __init__(
        self, *, writer: sqlite3.Connection, reader: sqlite3.Connection, master: bytes
    ) -> None:
        """Take two connections to one keys.db that this master key wraps; see `open_vault`."""
        self._writer = writer
        self._reader = reader
        self._master = AESGCM(master)
        # Two locks, so that a reader never waits for the writer's fsync.
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._keys: OrderedDict[str, AESGCM] = OrderedDict()
        self._keys_lock = threading.Lock()
        self._forgets = 0  # counts forgets, so that a slow reader cannot put a key back
        self._pending: set[str] = set()
        self._closed = False
        # Derivations hang on a secret of their own: changing the master changes no PIN or index.
        self._root = self.secret("root", lambda: os.urandom(KEY_BYTES))
        self._purposes: OrderedDict[str, bytes] = OrderedDict()

    def close(self) -> None:
        """Let go of the file. Keys not yet committed are dropped. Closing twice is fine."""
        with self._writing:
            if self._closed:
                return
            self._closed = True
            self.drop_new_keys()
            self.scrub()
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    # --- texts of people

    def seal(self, subject: str, text: str, aad: bytes) -> Sealed:
        """Encrypt a person's text, bound to the place `aad` names. Writer thread only.

        The first text of a person makes their key, which waits for `commit_new_keys`. What is
        sealed for a forgotten person can never be opened: its key is kept nowhere.
        """
        plain = text.encode(
            errors="replace"
        )  # a lone surrogate is no letter, and no reason to fail
        if len(plain) > TEXT_BYTES_MAX:
            msg = f"a personal text holds at most {TEXT_BYTES_MAX} bytes; keep larger ones as blobs"
            raise VaultError(msg)
        padded = plain + b"\x80" + bytes(-(len(plain) + 1) % PAD_BYTES)
        key = self._remembered(subject) or self._key_for_sealing(subject)
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(subject=subject, box=nonce + key.encrypt(nonce, padded, aad))

    def open(self, sealed: Sealed, aad: bytes) -> str | None:
        """Decrypt; None when the person is forgotten. Any thread.

        Raises TamperedError when the box was changed or sealed for another place.
        """
        key = self._remembered(sealed.subject) or self._key_for_opening(sealed.subject)
        if key is None:
            return None
        box = sealed.box
        try:
            padded = key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], aad)
        except (InvalidTag, ValueError):
            msg = (
                f"a sealed text of {sealed.subject} does not open with its key: it was changed or "
                "moved. Run `nightporter log verify`, then restore the last good backup."
            )
            raise TamperedError(msg) from None
        return padded[: padded.rindex(b"\x80")].decode()

    def commit_new_keys(self) -> None:
        """Put the keys made since the last commit on disk; costs nothing when there are none.

        Called before the log's own commit, so that no sealed fact exists without its key.
        """
        if self._pending:
            with self._writing:
                self._writer.execute("COMMIT")
                self._pending.clear()

    def drop_new_keys(self) -> None:
        """Give up the keys made since the last commit: the batch they were for failed."""
        with self._writing:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            with self._keys_lock:
                for subject in self._pending:
                    self._keys.pop(subject, None)
            self._pending.clear()

    # --- forgetting

    def forget(self, subject: str, at_wall_ms: int) -> bool:
        """Destroy a person's key, durably. Forgetting twice keeps the first time.

        False means that the key is gone but another reader kept its old pages in the WAL; `scrub`
        is tried again with the next forget, at `close` and at the next start.
        """
        return self.reapply_forgets([Forget(subject=subject, at_wall_ms=at_wall_ms)])

    def reapply_forgets(self, forgets: Iterable[Forget]) -> bool:
        """Forget these people, whether or not this keys.db knew them. For after a restore."""
        with self._writing:
            self.commit_new_keys()
            rows = [(each.subject, each.at_wall_ms) for each in forgets]
            self._writer.execute("BEGIN IMMEDIATE")
            with committing(self._writer):
                self._writer.executemany(
                    "INSERT OR IGNORE INTO forgotten (subject, at_wall_ms) VALUES (?, ?)", rows
                )
                self._writer.executemany(
                    "UPDATE person_key SET wrapped = ? WHERE subject = ?",
                    [(ERASED, subject) for subject, _ in rows],
                )
            with self._keys_lock:
                self._forgets += 1
                for subject, _ in rows:
                    self._keys.pop(subject, None)
            return self.scrub()

    def forgets(self) -> list[Forget]:
        """List who was forgotten, oldest first. Belongs in every backup of the log."""
        found = self._read("SELECT subject, at_wall_ms FROM forgotten ORDER BY at_wall_ms, subject")
        return [Forget(subject=subject, at_wall_ms=at) for subject, at in found]

    def state(self, subject: str) -> KeyState:
        """Tell whether a person's texts can be read, and why not."""
        if self._read("SELECT 1 FROM forgotten WHERE subject = ?", subject):
            return KeyState.FORGOTTEN
        if self._read("SELECT 1 FROM person_key WHERE subject = ?", subject):
            return KeyState.HELD
        return KeyState.ABSENT

    def scrub(self) -> bool:
        """Empty the WAL, where erased keys would stay readable; False if a reader is in the way."""
        with self._writing, self._reading:
            [(busy, _, _)] = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return bool(busy == 0)

    # --- what hangs on the root secret: stable when the master changes

    def derive(self, purpose: str, *parts: str) -> bytes:
        """Derive 32 bytes for one purpose (PINs, lock secrets, tokens): the same for ever."""
        info = b"".join(len(p).to_bytes(4) + p for p in (w.encode() for w in (purpose, *parts)))
        return HKDFExpand(hashes.SHA256(), KEY_BYTES, info).derive(self._root)

    def keyed_hash(self, data: bytes, purpose: str) -> bytes:
        """Hash under a secret (HMAC-SHA256, 32 bytes): guessing needs the box."""
        key = self._purposes.get(purpose)
        if key is None:
            key = self.derive("keyed hash", purpose)
            if len(self._purposes) < PURPOSES_IN_MEMORY_MAX:
                self._purposes[purpose] = key
        return hmac.digest(key, data, "sha256")

    def blind(self, text: str, purpose: str) -> str:
        """Hash a text, already normalised, for equality search: 128 bits in hex.

        It outlives the person's key, so it belongs in read models that a forget empties, never
        in the log.
        """
        return self.keyed_hash(text.encode(), f"blind {purpose}").hex()[:32]

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Read a secret of the box by name; the first time, make it and keep it durably."""
        place = f"secret:{name}".encode()
        with self._writing:
            query = "SELECT wrapped FROM own_secret WHERE name = ?"
            found = self._writer.execute(query, (name,)).fetchall()
            if found:
                return unwrap(self._master, found[0][0], place)
            self.commit_new_keys()
            made = make()
            self._writer.execute(
                "INSERT INTO own_secret (name, wrapped) VALUES (?, ?)",
                (name, wrap(self._master, made, place)),
            )
            return made

    # --- changing the master, and copies

    def rotate(self, new_master: bytes) -> None:
        """Wrap everything again under another master key, in one transaction.

        Both keys must already be on disk (`secrets.change_master` sees to it): a cut before the
        commit leaves the old one in force, a cut after it the new one.
        """
        fresh = AESGCM(new_master)
        with self._writing:
            self.commit_new_keys()
            self._writer.execute("BEGIN IMMEDIATE")
            with self._reading:
                with committing(self._writer):
                    self._rewrap(fresh)
                    self._writer.execute(
                        "UPDATE wrapped_by SET master_id = ?", (master_id(new_master),)
                    )
                self._master = fresh
            self.scrub()

    def backup(self, path: Path) -> None:
        """Copy keys.db, consistently, while it is in use. The copy still needs the master key."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with self._reading, closing(sqlite3.connect(path)) as copy:
            self._reader.backup(copy)

    def _rewrap(self, fresh: AESGCM) -> None:
        query = "SELECT subject, wrapped FROM person_key WHERE wrapped != ?"
        people = self._writer.execute(query, (ERASED,)).fetchall()
        own = self._writer.execute("SELECT name, wrapped FROM own_secret").fetchall()
        for table, rows in (("person", people), ("secret", own)):
            statement = (
                "UPDATE person_key SET wrapped = ? WHERE subject = ?"
                if table == "person"
                else "UPDATE own_secret SET wrapped = ? WHERE name = ?"
            )
            for name, wrapped in rows:
                place = f"{table}:{name}".encode()
                key = unwrap(self._master, wrapped, place)
                self._writer.execute(statement, (wrap(fresh, key, place), name))

    # --- keys of people

    def _remembered(self, subject: str) -> AESGCM | None:
        with self._keys_lock:
            key = self._keys.get(subject)
            if key is not None:
                self._keys.move_to_end(subject)
            return key

    def _remember(self, subject: str, key: AESGCM) -> None:
        self._keys[subject] = key
        if len(self._keys) > KEYS_IN_MEMORY_MAX:
            self._keys.popitem(last=False)

    def _key_for_opening(self, subject: str) -> AESGCM | None:
        before = self._forgets
        with self._reading:
            query = "SELECT wrapped FROM person_key WHERE subject = ?"
            found = self._reader.execute(query, (subject,)).fetchall()
            master = self._master  # the one that fits what was just read: see `rotate`
        if not found or found[0][0] == ERASED:
            return None
        key = AESGCM(unwrap(master, found[0][0], f"person:{subject}".encode()))
        with self._keys_lock:
            if before == self._forgets:
                self._remember(subject, key)
        return key

    def _key_for_sealing(self, subject: str) -> AESGCM:
        with self._writing:
            query = "SELECT wrapped FROM person_key WHERE subject = ?"
            found = self._writer.execute(query, (subject,)).fetchall()
            gone = "SELECT 1 FROM forgotten WHERE subject = ?"
            place = f"person:{subject}".encode()
            if self._writer.execute(gone, (subject,)).fetchall():
                return AESGCM(os.urandom(KEY_BYTES))
            if found:
                key = AESGCM(unwrap(self._master, found[0][0], place))
            else:
                fresh = os.urandom(KEY_BYTES)
                if not self._writer.in_transaction:
                    self._writer.execute("BEGIN IMMEDIATE")
                self._writer.execute(
                    "INSERT INTO person_key (subject, wrapped) VALUES (?, ?)",
                    (subject, wrap(self._master, fresh, place)),
                )
                self._pending.add(subject)
                key = AESGCM(fresh)
            with self._keys_lock:
                self._remember(subject, key)
            return key

    def _read(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with self._reading:
            return self._reader.execute(query, values).fetchall()
