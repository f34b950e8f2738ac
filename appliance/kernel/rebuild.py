"""Builds a read model again from the first fact, while the box keeps working.

The new tables grow in a file of their own beside the log; when they have caught up, their rows are
copied under other names, a few at a time between commands. At last the tables change names and the
facts that came meanwhile are added, in one short transaction on the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appliance.kernel import log
from appliance.kernel.ask import Asker
from appliance.kernel.deciding import GAP
from appliance.kernel.engine import Connection, Engine, Projection
from appliance.kernel.followers import keep_cursor

# Facts between looking whether we have caught up.
STEP = 1_000
# Close enough to finish on the writer: 200 facts are some 10 ms there.
TAIL_MAX = 200
# 500 rows a transaction: about 2 ms on the writer, what a door may be made to wait.
ROWS_AT_ONCE = 500
# Tables with this in front are half copied; what a cut leaves of them goes at the next start.
COPY = "rebuilding_"


def create(db: Connection, projection: Projection) -> None:
    """Create a read model's tables where they are missing."""
    for statement in projection.ddl:
        db.execute(statement)


def form_of(projection: Projection) -> str:
    """A hash of the tables' form: another one means the read model must be rebuilt."""
    return hashlib.sha256("\n".join(projection.ddl).encode()).hexdigest()


def projections_of(engines: Sequence[Engine]) -> list[tuple[Projection, bool]]:
    """Every read model and whether it is inline."""
    found = [(engine.projection, True) for engine in engines if engine.projection is not None]
    return found + [(view, False) for engine in engines for view in engine.views]


def settle_forms(db: Connection, engines: Sequence[Engine]) -> list[str]:
    """Before the box opens: create what is new, rebuild what another release formed otherwise.

    Returns the names that were rebuilt. A view that changed starts again as a follower.
    """
    rebuilt = []
    for table in _copies(db):
        db.execute(f'DROP TABLE "{table}"')
    for projection, inline in projections_of(engines):
        kept = db.execute(
            "SELECT ddl_hash FROM read_model WHERE name = ?", (projection.name,)
        ).fetchone()
        if kept is not None and kept[0] == form_of(projection):
            continue
        _settle(db, projection, inline=inline)
        rebuilt.append(projection.name)
    return rebuilt


def _settle(db: Connection, projection: Projection, *, inline: bool) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for table in projection.tables:
            db.execute(f"DROP TABLE IF EXISTS {table}")
        create(db, projection)
        if inline:
            _replay(db, db, projection, 0)
            db.execute("DELETE FROM follower WHERE name = ?", (f"{GAP}{projection.name}",))
        else:
            db.execute("DELETE FROM follower WHERE name = ?", (f"view:{projection.name}",))
        db.execute(
            "INSERT OR REPLACE INTO read_model (name, ddl_hash) VALUES (?, ?)",
            (projection.name, form_of(projection)),
        )
        db.execute("COMMIT")
    except BaseException:
        # SQLite may have rolled back by itself; what was wrong is then the better thing to say.
        with contextlib.suppress(Exception):
            db.execute("ROLLBACK")
        raise


def _replay(source: Connection, target: Connection, projection: Projection, after: int) -> int:
    """Apply every fact after a position; returns the last one's position."""
    while facts := log.read(source, after, STEP):
        for fact in facts:
            apply = projection.on.get(type(fact.event))
            if apply is not None:
                apply(target, fact.event, fact)
        after = facts[-1].position
    return after


async def rebuild(projection: Projection, log_path: Path, asker: Asker, *, inline: bool) -> int:
    """Build one read model anew while commands go on; returns the position it reached.

    A view's cursor moves with it and its quarantine ends: tell its `Follower` by `rebuilt`.
    Raises what the projection raises at a fact it cannot take; the tables are then the old ones.
    """
    scratch = log_path.with_name(f"rebuild-{projection.name}.db")
    await asyncio.to_thread(_clear, scratch)
    try:
        reached = await asyncio.to_thread(_grow, projection, log_path, scratch)
        with closing(
            sqlite3.connect(scratch, isolation_level=None, check_same_thread=False)
        ) as grown:
            await asker.apply(_drop_copies)
            for table in _tables(grown, projection):
                await asker.apply(table.make)
                cursor = grown.execute(table.select)
                while rows := await asyncio.to_thread(cursor.fetchmany, ROWS_AT_ONCE):
                    await asker.apply(lambda db, table=table, rows=rows: table.fill(db, rows))  # type: ignore[misc]
        return await _swap(projection, asker, reached, inline=inline)
    finally:
        await asyncio.to_thread(_clear, scratch)
        with contextlib.suppress(Exception):
            await asker.apply(_drop_copies)


def _clear(scratch: Path) -> None:
    for leftover in scratch.parent.glob(f"{scratch.name}*"):
        leftover.unlink(missing_ok=True)


def _grow(projection: Projection, log_path: Path, scratch: Path) -> int:
    source = sqlite3.connect(f"file:{log_path}?mode=ro", uri=True)
    target = sqlite3.connect(scratch, isolation_level=None)
    try:
        # Scratch only: after a cut it is thrown away and the read model is still the old one.
        target.execute("PRAGMA synchronous=OFF")
        target.execute("PRAGMA journal_mode=MEMORY")
        target.execute("BEGIN")
        create(target, projection)
        reached = 0
        for _ in range(1_000):  # a log that outruns us a thousand times is not being followed
            before, reached = reached, _replay(source, target, projection, reached)
            if reached - before <= TAIL_MAX:
                break
        target.execute("COMMIT")
    finally:
        source.close()
        target.close()
    return reached


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table on its way into the log's file under another name."""

    statements: Sequence[str]  # makes it and its indexes
    select: str
    insert: str

    def make(self, db: Connection) -> None:
        number = 0
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master").fetchall()}
        for statement in self.statements:
            # An index cannot be renamed, and the old table still has the one of this name.
            while (made := _INDEX.sub(rf'\1"\2.{number}"', statement)) != statement and any(
                f'"{name}"' in made.partition(" ON ")[0] for name in names
            ):
                number += 1
            db.execute(made)

    def fill(self, db: Connection, rows: Sequence[tuple[object, ...]]) -> None:
        for row in rows:
            db.execute(self.insert, row)


_INDEX = re.compile(r'^(CREATE (?:UNIQUE )?INDEX )"?(\w+)(?:\.\d+)?"?')


def _tables(grown: sqlite3.Connection, projection: Projection) -> list[_Table]:
    found = []
    rowless = {row[1] for row in grown.execute("PRAGMA table_list") if row[4]}
    with closing(sqlite3.connect(":memory:")) as plan:
        create(plan, projection)
        for name in projection.tables:
            shape = plan.execute(f'PRAGMA table_xinfo("{name}")').fetchall()
            columns = [f'"{row[1]}"' for row in shape if row[6] == 0]  # others are generated
            keys = [row for row in shape if row[5]]
            aliased = len(keys) == 1 and keys[0][2].upper() == "INTEGER"
            if name not in rowless and not aliased:
                columns.insert(0, "rowid")
            # SQLite itself knows best how a table is made under another name.
            plan.execute(f'ALTER TABLE "{name}" RENAME TO "{COPY}{name}"')
            statements = plan.execute(
                "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
                " ORDER BY type DESC",  # the table before its indexes
                (COPY + name,),
            ).fetchall()
            listed, marks = ", ".join(columns), ", ".join("?" * len(columns))
            found.append(
                _Table(
                    statements=[row[0] for row in statements],
                    select=f'SELECT {listed} FROM "{name}"',  # noqa: S608 - names from our own source
                    insert=f'INSERT INTO "{COPY}{name}" ({listed}) VALUES ({marks})',  # noqa: S608
                )
            )
    return found


def _copies(db: Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB ?"
    return [row[0] for row in db.execute(query, (f"{COPY}*",)).fetchall()]


def _drop_copies(db: Connection) -> None:
    for table in _copies(db):
        db.execute(f'DROP TABLE "{table}"')


async def _swap(projection: Projection, asker: Asker, reached: int, *, inline: bool) -> int:
    last = reached

    def work(db: Connection) -> None:
        nonlocal last
        for table in projection.tables:
            db.execute(f'DROP TABLE "{table}"')
            db.execute(f'ALTER TABLE "{COPY}{table}" RENAME TO "{table}"')
        last = _replay(db, db, projection, reached)
        if inline:
            asker.deciding.made_whole(projection.name)
        else:
            keep_cursor(db, f"view:{projection.name}", last)

    await asker.apply(work)
    return last
