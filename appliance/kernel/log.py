"""The append-only log: one order of facts, chained, written by one connection.

Nothing here begins or ends a transaction but `transaction`; deciding and read models join it
(`ask.py`), so that facts, read models and answers change together or not at all.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.clock import Reading
from appliance.kernel.durable import sync_directory
from appliance.kernel.engine import Connection, Recorded
from appliance.kernel.messages import Event, Origin, Who

CHAIN_START = bytes(32)
_LENGTH = struct.Struct(">I").pack
COLUMNS = (
    "position, stream, version, kind, body, command_id, who, origin, cause, trace,"
    " at_wall, at_boot, boot_id, uncertainty_ms"
)
_INSERT = f"INSERT INTO event ({COLUMNS}, chain) VALUES ({', '.join('?' * 15)})"  # noqa: S608 - constants only

# image.md 4.4: 5 s for a reader that holds the file; 16 MiB before the WAL file is cut back.
PRAGMAS = (
    "PRAGMA page_size=4096",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=16777216",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA cell_size_check=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA mmap_size=0",
)
SYNCHRONOUS_FULL = 2
# 5,000 facts, some 30 ms: how long verifying holds one state of the file.
VERIFIED_AT_ONCE = 5_000

_who_decoder = msgspec.json.Decoder(Who)
_origin_decoder = msgspec.json.Decoder(Origin)


class LogNotDurableError(Exception):
    """SQLite did not accept synchronous=FULL with WAL: put the data folder on a local disk."""


class TransactionLostError(Exception):
    """SQLite gave up the whole transaction (disk full, I/O error): nothing of it was written."""


class ChainBrokenError(Exception):
    """A fact does not match its chain: the file was changed. Restore the last verified backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last fact: its position (0 for an empty log) and its chain."""

    position: int
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is written beside every fact of one command."""

    who: Who
    command_id: str
    now: Reading
    origin: Origin | None = None
    cause: str | None = None
    trace: str | None = None


def chained(previous: bytes, columns: tuple[Any, ...]) -> bytes:
    """SHA-256 of the previous chain and the columns in table order, each length-prefixed.

    A NULL is the length 0xFFFFFFFF; integers are decimal ASCII; text is UTF-8.
    """
    parts = [previous]
    for value in columns:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        elif type(value) is str:
            data = value.encode()
            parts += (_LENGTH(len(data)), data)
        elif type(value) is int:
            data = b"%d" % value
            parts += (_LENGTH(len(data)), data)
        else:
            # SQLite would store 1.5 as "1.5", and the chain would never verify again.
            raise TypeError(
                f"a fact's column is text or a whole number, not {type(value).__name__}"
            )
    return hashlib.sha256(b"".join(parts)).digest()


def connect(path: Path) -> sqlite3.Connection:
    """The writer's connection: autocommit mode, FULL, usable from the writer's thread only."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in PRAGMAS:
        db.execute(pragma)
    prepare(db)
    # The file's name must be on disk before the first fact is said to be (image.md 4.4); at every
    # start, for the start that made the file may have been cut off right here.
    sync_directory(path.parent)
    return db


def prepare(db: Connection) -> None:
    """Create the log's own tables and make sure that acknowledged will mean on disk."""
    mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    level = db.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != SYNCHRONOUS_FULL:
        raise LogNotDurableError(f"journal_mode is {mode}, synchronous is {level}")
    create_tables(db)


def create_tables(db: Connection) -> None:
    """The tables of schema.sql, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    for statement in (files("appliance.kernel") / "schema.sql").read_text().split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute("COMMIT")


class Log:
    """Appends facts and reads them back. The only writer of its connection."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self.head = self._read_head()
        self._who_text: dict[Who, str] = {}

    def append(self, stream: str, version: int, event: Event, stamp: Stamp) -> Recorded:
        """Write one fact inside the transaction that is open."""
        position = self.head.position + 1
        now, origin = stamp.now, stamp.origin
        row = (
            position,
            stream,
            version,
            event.kind,
            codec.encode(event).decode(),
            stamp.command_id,
            self._text_of(stamp.who),
            codec.encode(origin).decode() if origin else None,
            stamp.cause,
            stamp.trace,
            now.wall_ms,
            now.boot_ms,
            now.boot_id,
            now.uncertainty_ms,
        )
        chain = chained(self.head.chain, row)
        self.db.execute(_INSERT, (*row, chain))
        self.head = Head(position=position, chain=chain)
        return Recorded(
            position=position,
            stream=stream,
            version=version,
            event=event,
            command_id=stamp.command_id,
            who=stamp.who,
            origin=origin,
            cause=stamp.cause,
            trace=stamp.trace,
            at_wall_ms=now.wall_ms,
            at_boot_ms=now.boot_ms,
            boot_id=now.boot_id,
            uncertainty_ms=now.uncertainty_ms,
        )

    def events_of(self, stream: str) -> list[Event]:
        """Every fact of one stream, oldest first."""
        query = "SELECT kind, body FROM event WHERE stream = ? ORDER BY version"
        return [codec.decode_event(*row) for row in self.db.execute(query, (stream,)).fetchall()]

    def version_of(self, stream: str) -> int:
        """How many facts a stream has."""
        query = "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?"
        return int(self.db.execute(query, (stream,)).fetchone()[0])

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Everything inside commits together; on any exception nothing of it happened."""
        before = self.head
        if getattr(self.db, "in_transaction", False):
            # A roll-back that the disk refused left it open; without this every later one fails.
            self._roll_back()
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self.head = before
            self._roll_back()
            raise

    @contextmanager
    def savepoint(self) -> Generator[None, None, None]:
        """Like `transaction`, for one command inside it."""
        before = self.head
        self.db.execute("SAVEPOINT command")
        try:
            yield
        except BaseException as error:
            self.head = before
            try:
                self.db.execute("ROLLBACK TO command")
                self.db.execute("RELEASE command")
            except Exception as lost:  # noqa: BLE001 - sqlite3 and apsw each have their own
                raise TransactionLostError(str(lost)) from error
            raise
        self.db.execute("RELEASE command")

    def checkpoint(self) -> bool:
        """Write the WAL back into the file, waiting for nobody; True when all of it is there.

        PASSIVE, and the WAL keeps its length: a commit that overwrites is quicker than one that
        makes the file grow, and the commit after a quiet hour is the one of somebody at a door.
        """
        try:
            [(busy, frames, written)] = self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except Exception:  # noqa: BLE001 - whatever it is, the next commit meets it too and says so
            return False
        return bool(busy == 0 and frames == written)

    def _roll_back(self) -> None:
        try:
            self.db.execute("ROLLBACK")
        except Exception as error:
            # SQLite rolls back by itself on some I/O errors and then says there is nothing to do.
            if "no transaction" not in str(error):
                raise

    def _read_head(self) -> Head:
        query = "SELECT position, chain FROM event ORDER BY position DESC LIMIT 1"
        row = self.db.execute(query).fetchone()
        return Head(position=row[0], chain=row[1]) if row else Head(position=0, chain=CHAIN_START)

    def _text_of(self, who: Who) -> str:
        text = self._who_text.get(who)
        if text is None:
            # 1,000: staff, guests in house and processes of a large property; then start over.
            if len(self._who_text) > 1_000:
                self._who_text.clear()
            text = self._who_text[who] = codec.encode(who).decode()
        return text


def recorded(row: tuple[Any, ...]) -> Recorded:
    """One row in the order of `COLUMNS`, decoded."""
    return Recorded(
        position=row[0],
        stream=row[1],
        version=row[2],
        event=codec.decode_event(row[3], row[4]),
        command_id=row[5],
        who=_who_decoder.decode(row[6]),
        origin=_origin_decoder.decode(row[7]) if row[7] else None,
        cause=row[8],
        trace=row[9],
        at_wall_ms=row[10],
        at_boot_ms=row[11],
        boot_id=row[12],
        uncertainty_ms=row[13],
    )


def read(db: Connection, after: int, limit: int) -> list[Recorded]:
    """Facts after a position, oldest first, at most `limit`."""
    query = f"SELECT {COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608
    return [recorded(row) for row in db.execute(query, (after, limit)).fetchall()]


def chain_at(db: Connection, position: int) -> bytes | None:
    """The chain of one fact: what a follower compares to notice a restored log."""
    if position == 0:
        return CHAIN_START
    row = db.execute("SELECT chain FROM event WHERE position = ?", (position,)).fetchone()
    return bytes(row[0]) if row else None


def verify(rows: Iterator[tuple[Any, ...]]) -> Head:
    """Follow the chain over rows of `COLUMNS` and chain; raises ChainBrokenError at the first lie."""
    head = Head(position=0, chain=CHAIN_START)
    for *columns, chain in rows:
        if columns[0] != head.position + 1:
            raise ChainBrokenError(f"after position {head.position} comes {columns[0]}")
        expected = chained(head.chain, tuple(columns))
        if expected != bytes(chain):
            raise ChainBrokenError(f"the fact at position {columns[0]} was changed")
        head = Head(position=columns[0], chain=expected)
    return head


def verify_file(path: Path) -> Head:
    """Verify a log file that may be in use; raises ChainBrokenError or sqlite3.DatabaseError.

    Read in pieces: one long read would keep the WAL of a working box from being emptied.
    """
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return verify(_pieces(db))
    finally:
        db.close()


def _pieces(db: Connection) -> Iterator[tuple[Any, ...]]:
    query = f"SELECT {COLUMNS}, chain FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608
    # Below the first possible position too: a fact that somebody put before the first is a lie.
    after = -(1 << 63)
    while rows := db.execute(query, (after, VERIFIED_AT_ONCE)).fetchall():
        yield from rows
        after = rows[-1][0]
