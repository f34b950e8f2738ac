"""Measurements in a file of their own, written once a second, and shed before anything else.

`telemetry.db` may be deleted at any time: nothing is decided from it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)

# One write a second: 2,000 points are one transaction, and a card is asked once.
FLUSH_S: Final = 1.0
# Half a minute of 2,000 points a second: beyond this the disk is in trouble and points go.
WAITING_MAX: Final = 60_000
# Series (device and quantity): 500 rooms with ten each, and strangers' names come to an end.
SERIES_MAX: Final = 8_192
# A season; the energy report keeps monthly sums.
KEPT_MS: Final = 90 * 86_400_000
PRUNE_EVERY: Final = 3_600
_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, device TEXT NOT NULL,"
    " name TEXT NOT NULL, UNIQUE (device, name)) STRICT;"
    "CREATE TABLE IF NOT EXISTS point (series INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " value REAL NOT NULL, PRIMARY KEY (series, at_ms)) STRICT, WITHOUT ROWID;"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryStanding:
    """How the store does: points on disk since the start, waiting, and let go."""

    stored: int
    waiting: int
    shed: int


class Telemetry:
    """Takes points from the loop and writes them on a thread, a batch at a time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open or make the file; one that cannot be read is set aside and begun again."""
        self._clock = clock
        self._db = _open(path)
        rows = self._db.execute("SELECT device, name, id FROM series").fetchall()
        self._series: dict[tuple[str, str], int] = {(row[0], row[1]): row[2] for row in rows}
        self._waiting: list[tuple[str, str, int, float]] = []
        self._writing = asyncio.Lock()
        # Whoever waits for a thread may be cancelled, the thread may not: the file outlives it.
        self._using = threading.Lock()
        self._stored = 0
        self._shed = 0
        self._flushes = 0

    def add(self, device: str, name: str, value: float, at_ms: int) -> None:
        """Take one point (UTC ms); returns at once, and lets it go when too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            self._shed += 1
            return
        self._waiting.append((device, name, at_ms, value))

    def standing(self) -> TelemetryStanding:
        """For health and metrics."""
        return TelemetryStanding(stored=self._stored, waiting=len(self._waiting), shed=self._shed)

    @property
    def busy(self) -> bool:
        """Whether a thread is writing: virtual time stands still meanwhile."""
        return self._writing.locked()

    async def run(self) -> None:
        """Write once a second for ever."""
        while True:
            await sleep(self._clock, FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits. A disk that refuses costs these points and nothing else."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            self._flushes += 1
            prune = self._flushes % PRUNE_EVERY == 0
            if not batch and not prune:
                return
            before_ms = self._clock.read().wall_ms - KEPT_MS if prune else None
            try:
                self._stored += await asyncio.to_thread(self._write, batch, before_ms)
            except sqlite3.Error as error:
                self._shed += len(batch)
                logger.warning("%d measurements are lost: %s", len(batch), error)

    async def points(
        self, device: str, name: str, *, since_ms: int, limit: int = 1_000
    ) -> list[tuple[int, float]]:
        """Stored points of one series, oldest first: (UTC ms, value)."""
        async with self._writing:
            return await asyncio.to_thread(self._read, device, name, since_ms, limit)

    async def close(self) -> None:
        """Write what waits and let go of the file."""
        await self.flush()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._using:
            self._db.close()

    def _write(self, batch: list[tuple[str, str, int, float]], before_ms: int | None) -> int:
        with self._using, self._db:
            numbered = [
                (number, at_ms, value)
                for device, name, at_ms, value in batch
                if (number := self._number(device, name)) is not None
            ]
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO point VALUES (?, ?, ?)", numbered)
            if before_ms is not None:
                self._db.execute("DELETE FROM point WHERE at_ms < ?", (before_ms,))
        return len(numbered)

    def _number(self, device: str, name: str) -> int | None:
        number = self._series.get((device, name))
        if number is None and len(self._series) < SERIES_MAX:
            cursor = self._db.execute(
                "INSERT INTO series (device, name) VALUES (?, ?)", (device, name)
            )
            number = self._series[device, name] = int(cursor.lastrowid or 0)
        return number

    def _read(self, device: str, name: str, since_ms: int, limit: int) -> list[tuple[int, float]]:
        with self._using:
            found: list[Any] = self._db.execute(
                "SELECT at_ms, value FROM point WHERE series = ? AND at_ms >= ?"
                " ORDER BY at_ms LIMIT ?",
                (self._series.get((device, name), -1), since_ms, limit),
            ).fetchall()
        return [(row[0], row[1]) for row in found]


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _prepared(path)
    except sqlite3.DatabaseError:
        # Measurements are not worth a boot that fails: the torn file is kept beside the new one.
        aside = path.with_name(f"{path.name}.unreadable")
        path.replace(aside)
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        logger.exception("%s could not be read and is now %s", path, aside)
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(_DDL)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
