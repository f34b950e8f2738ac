"""One thread that writes one database: all that wait share one commit.

A connection of its own: an fsync here stalls neither the requests that come in meanwhile nor an
effect on its way out. What `do` returned is on disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from appliance.kernel.durable import sync_directory

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
# As long as SQLite itself would try.
PEN_S_MAX: Final = 3.0
# Two seconds of 1,000 a second: whoever comes after them would not be answered in time.
WAITING_MAX: Final = 2_000
# 256 in one commit: about 10 ms of work, far below any vendor's limit.
BATCH_MAX: Final = 256
# 10 ms for others to join a commit while a flood lasts: at most 100 fsyncs a second, which the
# desk's own disk hardly feels. Somebody who comes alone does not wait.
LINGER_S: Final = 0.01


class StoreAwayError(Exception):
    """The store took nothing (full, locked, broken): ask the sender to come again."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    done: asyncio.Future[Any]


class Writer:
    """One writer. Build it anywhere; `open` it in the loop that will wait for it.

    `pen` is held while it writes, where others in this process write the same file.
    """

    def __init__(self, path: Path, schema: str, pen: threading.Lock | None = None) -> None:
        self._path = path
        self._schema = schema
        self._pen = pen or threading.Lock()
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
        db.executescript(self._schema)
        if fresh:
            self._path.chmod(0o600)
            sync_directory(self._path.parent)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._write, args=(db,), name=f"writer of {self._path.name}", daemon=True
        )
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

    async def do(self, work: Callable[[Connection], T]) -> T:
        """Do something on the writer; what it wrote is on disk when this returns."""
        assert self._loop is not None, "the writer was not opened"
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
            self._news.wait_for(lambda: len(self._waiting) >= BATCH_MAX or self._closed, LINGER_S)

    def _commit(self, db: Connection, batch: Sequence[_Job]) -> list[Any]:
        if not self._pen.acquire(timeout=PEN_S_MAX):
            return [StoreAwayError(f"{self._path.name} is being written")] * len(batch)
        try:
            db.execute("BEGIN IMMEDIATE")
            answers = [_done(db, job.work) for job in batch]
            db.execute("COMMIT")
            self.commits += 1
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            away = StoreAwayError(f"{self._path.name} took nothing: {error}")
            return [away] * len(batch)
        finally:
            self._pen.release()
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
