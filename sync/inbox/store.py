"""The inbox in sync.db: one thread writes, and all that wait share one commit.

A connection of its own beside the ledger's: an fsync here stalls neither the requests that come
in meanwhile nor an effect on its way out. A future of `keep` is done when the row is on disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from appliance.kernel.durable import sync_directory
from sync.inbox.delivery import Moment

T = TypeVar("T")
Connection = sqlite3.Connection

PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    # Mews waits 5 s for an answer; a store that is locked for longer has said no by then.
    "PRAGMA busy_timeout=3000",
    "PRAGMA secure_delete=ON",  # blanked bodies held guests' names
    "PRAGMA journal_size_limit=16777216",
    "PRAGMA trusted_schema=OFF",
)
# Two seconds of 1,000 a second: whoever comes after them would not be answered in time.
WAITING_MAX: Final = 2_000
# 256 in one commit: about 10 ms of work, far below any vendor's limit.
BATCH_MAX: Final = 256
# 10 ms for others to join a commit while a flood lasts: at most 100 fsyncs a second, which the
# desk's own disk hardly feels. Somebody who comes alone does not wait.
LINGER_S: Final = 0.01


class State(StrEnum):
    """Where an item is. The last three are over: their key is remembered, their body is gone."""

    WAITING = "waiting"
    QUARANTINED = "quarantined"
    PARKED = "parked"
    HANDLED = "handled"
    DROPPED = "dropped"


class Kept(StrEnum):
    """What became of an arrival."""

    NEW = "new"
    KNOWN = "known"
    FULL = "full"  # nothing was written: there is no room for one more of this state


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What is written of one delivery."""

    source: str
    dedupe_id: str
    raw: bytes = field(repr=False)
    papers: bytes = field(default=b"", repr=False)
    state: State
    signed_ms: int | None
    moment: Moment
    trace: str
    sentence: str = ""
    repeats_are_news: bool = False


class StoreAwayError(Exception):
    """The store took nothing (full, locked, broken): ask the sender to come again."""


_UPSERT: Final = (
    "INSERT INTO inbox (source, dedupe_id, raw, papers, verified, state, signed_ms, received_ms,"
    " received_boot_ms, boot_id, trace, sentence)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    " ON CONFLICT (source, dedupe_id) DO UPDATE SET raw = excluded.raw, papers = excluded.papers,"
    " verified = excluded.verified, state = excluded.state, signed_ms = excluded.signed_ms,"
    " received_ms = excluded.received_ms, received_boot_ms = excluded.received_boot_ms,"
    " boot_id = excluded.boot_id, trace = excluded.trace, sentence = excluded.sentence,"
    " arrivals = arrivals + 1, tries = 0, next_at_ms = 0, settled_ms = NULL"
    # Proven beats unproven; beyond that only a vendor without keys of its own is heard again.
    " WHERE (excluded.verified AND NOT inbox.verified)"
    " OR (?13 AND excluded.verified >= inbox.verified AND inbox.state <> 'parked')"
)


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    done: asyncio.Future[Any]


class Store:
    """One writer. Build it anywhere; `open` it in the loop that will wait for it."""

    def __init__(self, path: Path, *, linger_s: float = LINGER_S) -> None:
        self._path = path
        self._linger_s = linger_s
        self._waiting: deque[_Job] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._working = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.commits = 0

    def open(self) -> None:
        """Make the tables and start the thread; raises sqlite3.Error."""
        fresh = not self._path.exists()
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            db.execute(pragma)
        db.executescript(files("sync.inbox").joinpath("schema.sql").read_text(encoding="utf-8"))
        if fresh:
            self._path.chmod(0o600)
            sync_directory(self._path.parent)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, args=(db,), name="inbox", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether the thread works."""
        return self._thread is not None and not self._closed

    def close(self) -> None:
        """Write what waits, then let go of the file."""
        with self._news:
            self._closed = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join()

    def busy(self) -> bool:
        """Whether the thread has work: virtual time stands still meanwhile."""
        return self._working or bool(self._waiting)

    @property
    def room(self) -> bool:
        """Whether one more may wait."""
        return len(self._waiting) < WAITING_MAX and not self._closed

    async def keep(self, arrival: Arrival, *, quarantined_max: int) -> Kept:
        """Write one arrival, durably; raises StoreAwayError and has then acknowledged nothing."""
        if not self.room:
            raise StoreAwayError("too many webhooks wait for the disk")
        return await self.do(lambda db: keep(db, arrival, quarantined_max))

    async def do(self, work: Callable[[Connection], T]) -> T:
        """Do something on the writer; what it wrote is on disk when this returns."""
        assert self._loop is not None, "the store was not opened"
        if self._closed:
            raise StoreAwayError("the store is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        with self._news:
            self._waiting.append(_Job(work, done))
            self._news.notify()
        return await done

    # -- the thread ------------------------------------------------------------------------------

    def _write(self, db: Connection) -> None:
        crowd = False
        while True:
            with self._news:
                while not self._waiting and not self._closed:
                    self._news.wait()
                if not self._waiting:
                    break
            if crowd and not self._closed:
                self._linger()
            with self._news:
                number = min(len(self._waiting), BATCH_MAX)
                self._working = True
                batch = [self._waiting.popleft() for _ in range(number)]
            crowd = number > 1
            answers = self._commit(db, batch)
            assert self._loop is not None, "opened"
            # The loop may be gone when the role is killed: then nobody waits any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._answer, batch, answers)
        db.close()

    def _linger(self) -> None:
        with self._news:
            self._news.wait_for(
                lambda: len(self._waiting) >= BATCH_MAX or self._closed, self._linger_s
            )

    def _commit(self, db: Connection, batch: Sequence[_Job]) -> list[Any]:
        try:
            db.execute("BEGIN IMMEDIATE")
            answers = [_done(db, job.work) for job in batch]
            db.execute("COMMIT")
            self.commits += 1
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            away = StoreAwayError(f"sync.db took nothing: {error}")
            return [away] * len(batch)
        return answers

    def _answer(self, batch: Sequence[_Job], answers: Sequence[Any]) -> None:
        for job, answer in zip(batch, answers, strict=True):
            if job.done.done():
                continue
            if isinstance(answer, BaseException):
                job.done.set_exception(answer)
            else:
                job.done.set_result(answer)
        self._working = False


def _done(db: Connection, work: Callable[[Connection], Any]) -> Any:
    db.execute("SAVEPOINT one")
    try:
        answer = work(db)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - one job's mistake is its asker's alone
        db.execute("ROLLBACK TO one")
        answer = error
    db.execute("RELEASE one")
    return answer


def keep(db: Connection, arrival: Arrival, quarantined_max: int) -> Kept:
    """Write one arrival inside a transaction of the writer; a known key is a success too."""
    quarantined = arrival.state is State.QUARANTINED
    if quarantined and _quarantined(db, arrival.source) >= quarantined_max:
        known = db.execute(
            "SELECT 1 FROM inbox WHERE source = ? AND dedupe_id = ?",
            (arrival.source, arrival.dedupe_id),
        )
        return Kept.KNOWN if known.fetchone() else Kept.FULL
    changed = db.execute(
        _UPSERT,
        (
            arrival.source,
            arrival.dedupe_id,
            arrival.raw,
            arrival.papers,
            int(not quarantined),
            arrival.state.value,
            arrival.signed_ms,
            arrival.moment.wall_ms,
            arrival.moment.boot_ms,
            arrival.moment.boot_id,
            arrival.trace,
            arrival.sentence,
            int(arrival.repeats_are_news),
        ),
    ).rowcount
    return Kept.NEW if changed > 0 else Kept.KNOWN


def _quarantined(db: Connection, source: str) -> int:
    row = db.execute(
        "SELECT count(*) FROM inbox WHERE state = 'quarantined' AND source = ?"
        " AND settled_ms IS NULL",
        (source,),
    ).fetchone()
    return int(row[0])
