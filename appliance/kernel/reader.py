"""Reads the log's file on connections of their own; sees only what is committed."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from appliance.kernel.engine import Recorded
from appliance.kernel.log import CHAIN_START, COLUMNS, recorded

# Three: a slow console query, a follower and a page can all read at once.
CONNECTIONS = 3
# 10,000 rows: a year of arrivals of a large property; a page asks for far fewer.
ROWS_MAX = 10_000


class TooManyRowsError(Exception):
    """A query found more rows than may be read at once: ask for less, or page by `LIMIT`."""


class _Connection(aiosqlite.Connection):
    """One hop to its thread and back for a whole query, where a cursor's steps are three.

    Every hop is a race for the interpreter with the writer's thread: at a door they add up.
    """

    async def first(self, sql: str, parameters: Sequence[Any], count: int) -> list[tuple[Any, ...]]:
        """At most `count` rows."""

        def fetch() -> list[tuple[Any, ...]]:
            cursor = self._conn.execute(sql, parameters)
            try:
                return cursor.fetchmany(count)
            finally:
                cursor.close()

        found: list[tuple[Any, ...]] = await self._execute(fetch)  # type: ignore[no-untyped-call]
        return found


class Reader:
    """Queries over committed facts and read models, from the event loop."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        # The last one used first: its statements are prepared and its pages are warm.
        self._idle: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._connections = len(connections)
        for connection in connections:
            self._idle.put_nowait(connection)

    @property
    def busy(self) -> bool:
        """Whether a connection's thread is reading: a virtual clock stands still meanwhile."""
        return self._idle.qsize() < self._connections

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Every row of a query; raises TooManyRowsError beyond `ROWS_MAX`, never a part of them."""
        found = await self._first(sql, parameters, ROWS_MAX + 1)
        if len(found) > ROWS_MAX:
            # A list that ends silently is a lie: a sold night that nobody sees is sold again.
            raise TooManyRowsError(f"more than {ROWS_MAX} rows: page by LIMIT, or ask for less")
        return found

    async def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        found = await self._first(sql, parameters, 1)
        return found[0] if found else None

    async def facts(self, after: int, limit: int) -> list[Recorded]:
        """Facts after a position, oldest first."""
        query = f"SELECT {COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608
        return [recorded(row) for row in await self.rows(query, (after, min(limit, ROWS_MAX)))]

    async def chained_rows(self, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Rows of `COLUMNS` and chain after a position, as they stand: nothing is decoded."""
        query = f"SELECT {COLUMNS}, chain FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608
        return await self.rows(query, (after, limit))

    async def head(self) -> int:
        """The last fact's position."""
        row = await self.row("SELECT coalesce(max(position), 0) FROM event")
        return int(row[0]) if row else 0

    async def chain_at(self, position: int) -> bytes | None:
        """The chain of one fact, or None where the log does not reach so far."""
        if position == 0:
            return CHAIN_START
        row = await self.row("SELECT chain FROM event WHERE position = ?", (position,))
        return bytes(row[0]) if row else None

    async def _first(
        self, sql: str, parameters: Sequence[Any], count: int
    ) -> list[tuple[Any, ...]]:
        connection = await self._idle.get()
        try:
            return await connection.first(sql, parameters, count)
        finally:
            self._idle.put_nowait(connection)


@asynccontextmanager
async def open_reader(path: Path) -> AsyncGenerator[Reader, None]:
    """Open the reading connections; they cannot write."""
    connections = []
    try:
        for _ in range(CONNECTIONS):
            connection = _Connection(functools.partial(_open, path), 1)
            await connection
            connections.append(connection)
            await connection.execute("PRAGMA query_only=ON")
            await connection.execute("PRAGMA busy_timeout=5000")
        yield Reader(connections)
    finally:
        for connection in connections:
            await connection.close()


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)
