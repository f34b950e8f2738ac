"""driver-RADIO.db: what a driver has begun and how it ended, on disk before anybody is told.

One connection, used on the event loop: each commit is one fsync, and the radio is slower than the
disk. Whatever a lock must not do twice is written here before the first byte leaves.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from appliance.bus.words import Outcome
from appliance.kernel.discreet import where
from appliance.kernel.durable import sync_directory
from appliance.kernel.engine import Connection
from drivers.port import Attempt, Evidence, Told

logger = logging.getLogger(__name__)

PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_size_limit=16777216",
    "PRAGMA cell_size_check=ON",
    "PRAGMA trusted_schema=OFF",
)
SYNCHRONOUS_FULL: Final = 2
# Orders remembered, at 200 bytes each 4 MB: 60 doors pressed through the box 40 times a day, a week.
ATTEMPTS_MAX: Final = 20_000
# Ends whose proof is still looked for after a start; an older one is a person's business.
UNKNOWNS_MAX: Final = 500

_COLUMNS: Final = "device, order_id, verb, begun_ms, expires_at_ms, told"
_told = msgspec.json.Decoder(Told)
# Acknowledgements that wait for the next commit; after a power cut so many are said once more.
SAID_MAX: Final = 100


class Rider(Protocol):
    """Something whose changes may wait for the next transaction."""

    def write(self) -> None:
        """Put them into the transaction that is open."""
        ...

    def written(self) -> None:
        """It is on disk: they need not be written again."""
        ...


class KeepNotDurableError(Exception):
    """SQLite did not accept synchronous=FULL with WAL: put the data folder on a local disk."""


def connect(path: Path) -> sqlite3.Connection:
    """The one connection of this radio's file; made 0600 where it is new."""
    path.touch(mode=0o600, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in PRAGMAS:
        db.execute(pragma)
    mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    level = db.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != SYNCHRONOUS_FULL:
        raise KeepNotDurableError(f"journal_mode is {mode}, synchronous is {level}")
    # The file's name must be on disk before anything in it is said to be.
    sync_directory(path.parent)
    return db


class Keep:
    """Attempts and numbers; the outbox and the memories of devices join its transactions."""

    def __init__(self, db: Connection) -> None:
        """Over an open connection; makes the tables where they are missing."""
        self.db = db
        self._depth = 0
        self._riders: list[Rider] = []
        self._said: list[tuple[str, str, str]] = []
        self._held = 0
        with self.together():
            for statement in (files("drivers") / "schema.sql").read_text().split(";\n"):
                db.execute(statement)
        self._held = int(db.execute("SELECT count(*) FROM attempt").fetchone()[0])
        # No order that expired before this is begun, whatever a clock without a battery says.
        self.floor_ms = self.number("floor_ms")
        # Of orders from before this nothing is known here: another file had them.
        self.since_ms = self.number("since_ms")

    def rides_along(self, rider: Rider) -> None:
        """Have this written at the end of each transaction: what may wait for the next commit."""
        self._riders.append(rider)

    @contextmanager
    def together(self) -> Generator[None, None, None]:
        """Everything inside is on disk when it ends, or nothing of it; joins one that is open."""
        if self._depth:
            yield
            return
        if getattr(self.db, "in_transaction", False):
            # A roll-back that the disk refused left it open; without this every later one fails.
            self._roll_back()
        self.db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self._write_said()
            for rider in self._riders:
                rider.write()
            self.db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth = 0
        self._said.clear()
        for rider in self._riders:
            rider.written()

    def store(self) -> bool:
        """Write what waits for a commit; where the disk refuses it waits on."""
        try:
            with self.together():
                pass
        except sqlite3.Error as error:
            logger.error("what is said and shown was not written: %s", where(error))  # noqa: TRY400 - without the text
            return False
        return True

    # -- attempts --------------------------------------------------------------------------

    def begin(self, attempt: Attempt) -> bool:
        """Write an order down, before anything is sent; False where no room can be made for it."""
        with self.together():
            if not self._room(attempt.begun_ms):
                return False
            self.db.execute(
                f"INSERT INTO attempt ({_COLUMNS}, outcome, owed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own constant
                (
                    attempt.device,
                    attempt.order_id,
                    attempt.verb,
                    attempt.begun_ms,
                    attempt.expires_at_ms,
                    None if attempt.told is None else _text(attempt.told),
                    None if attempt.told is None else attempt.told.outcome.value,
                    int(attempt.told is not None),
                ),
            )
        return True

    def end(self, device: str, order_id: str, told: Told) -> Told:
        """Write the end down; an end that was written before stays, but for a better UNKNOWN.

        Returns the end that holds. It is owed to the bus until `said` is called.
        """
        with self.together():
            known = self.attempt(device, order_id)
            if known is None or not _is_better(told, known.told):
                return told if known is None or known.told is None else known.told
            self.db.execute(
                "UPDATE attempt SET outcome = ?, told = ?, owed = 1"
                " WHERE device = ? AND order_id = ?",
                (told.outcome.value, _text(told), device, order_id),
            )
        return told

    def attempt(self, device: str, order_id: str) -> Attempt | None:
        """One order as it stands, None where it was never begun (or is forgotten)."""
        row = self.db.execute(
            f"SELECT {_COLUMNS} FROM attempt WHERE device = ? AND order_id = ?",  # noqa: S608 - our own constant
            (device, order_id),
        ).fetchone()
        return None if row is None else _attempt(row)

    def restart(self) -> int:
        """A new life of the process: what has no end is UNKNOWN, and nothing is sent again."""
        died = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.RESTART,))
        with self.together():
            lives = self.number("lives") + 1
            self.put_number("lives", lives)
            self.db.execute(
                "UPDATE attempt SET outcome = 'unknown', told = ?, owed = 1 WHERE outcome IS NULL",
                (_text(died),),
            )
        return lives

    def unknowns(self) -> list[Attempt]:
        """Orders whose end nobody knows, the newest first."""
        rows = self.db.execute(
            f"SELECT {_COLUMNS} FROM attempt WHERE outcome = 'unknown'"  # noqa: S608 - our own constants
            " ORDER BY begun_ms DESC LIMIT ?",
            (UNKNOWNS_MAX,),
        ).fetchall()
        return [_attempt(row) for row in rows]

    def unknown_count(self) -> int:
        """How many ends nobody knows."""
        query = "SELECT count(*) FROM attempt WHERE outcome IS NULL OR outcome = 'unknown'"
        return int(self.db.execute(query).fetchone()[0])

    def owed(self) -> list[Attempt]:
        """Ends that the bus has not taken yet, oldest first."""
        rows = self.db.execute(
            f"SELECT {_COLUMNS} FROM attempt WHERE owed = 1 AND told IS NOT NULL"  # noqa: S608 - our own constant
            " ORDER BY begun_ms"
        ).fetchall()
        return [_attempt(row) for row in rows]

    def said(self, device: str, order_id: str, told: Told) -> None:
        """The bus has this end; a better one that came meanwhile is still owed.

        Written with the next commit: what a power cut takes of this is only said again.
        """
        self._said.append((device, order_id, _text(told)))
        if len(self._said) >= SAID_MAX:
            self.store()

    def raise_floor(self, wall_ms: int) -> None:
        """Hold this moment for passed, also after a boot without the time."""
        if wall_ms > self.floor_ms:
            with self.together():
                self.put_number("floor_ms", wall_ms)
            self.floor_ms = wall_ms

    def remember_from(self, wall_ms: int) -> None:
        """The file is new, or came from a backup: what was begun before this is not in it."""
        with self.together():
            self.put_number("since_ms", wall_ms)
        self.since_ms = wall_ms

    # -- numbers ---------------------------------------------------------------------------

    def number(self, name: str) -> int:
        """A number by name, 0 where it was never put."""
        row = self.db.execute("SELECT value FROM number WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def put_number(self, name: str, value: int) -> None:
        """Set a number, inside a transaction."""
        self.db.execute("INSERT OR REPLACE INTO number (name, value) VALUES (?, ?)", (name, value))

    def _room(self, now_ms: int) -> bool:
        """Forget the oldest expired orders where there are too many; an id forgotten stays expired."""
        self._held += 1
        if self._held <= ATTEMPTS_MAX:
            return True
        # Those whose end nobody knows go last: somebody may still find out.
        rows = self.db.execute(
            "SELECT device, order_id, expires_at_ms FROM attempt"
            " WHERE expires_at_ms < ? AND outcome IS NOT NULL"
            " ORDER BY outcome = 'unknown', expires_at_ms LIMIT ?",
            (now_ms, ATTEMPTS_MAX // 4),
        ).fetchall()
        self._held = int(self.db.execute("SELECT count(*) FROM attempt").fetchone()[0]) + 1
        if not rows:
            return False
        for device, order_id, _ in rows:
            self.db.execute(
                "DELETE FROM attempt WHERE device = ? AND order_id = ?", (device, order_id)
            )
        self._held -= len(rows)
        floor_ms = max(self.floor_ms, *(expires_at_ms + 1 for _, _, expires_at_ms in rows))
        self.put_number("floor_ms", floor_ms)
        self.floor_ms = floor_ms
        return True

    def _write_said(self) -> None:
        for said in self._said:
            self.db.execute(
                "UPDATE attempt SET owed = 0 WHERE device = ? AND order_id = ? AND told = ?", said
            )

    def _roll_back(self) -> None:
        try:
            self.db.execute("ROLLBACK")
        except Exception as error:
            # SQLite rolls back by itself on some I/O errors and then says there is nothing to do.
            if "no transaction" not in str(error):
                raise


def _text(told: Told) -> str:
    return msgspec.json.encode(told).decode()


def _attempt(row: tuple[Any, ...]) -> Attempt:
    return Attempt(
        device=row[0],
        order_id=row[1],
        verb=row[2],
        begun_ms=row[3],
        expires_at_ms=row[4],
        told=None if row[5] is None else _told.decode(row[5]),
    )


def _is_better(told: Told, known: Told | None) -> bool:
    if known is None:
        return True
    return known.outcome is Outcome.UNKNOWN and told.outcome is not Outcome.UNKNOWN
