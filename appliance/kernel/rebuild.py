"""Builds a read model again from the first fact, while the box keeps working.

The new tables grow in a file of their own beside the log; when they have caught up, the last
facts are added and the rows change places in one transaction on the writer.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from appliance.kernel import log
from appliance.kernel.ask import Asker
from appliance.kernel.engine import Connection, Engine, Projection

# Facts between looking whether we have caught up.
STEP = 1_000
# Close enough to finish on the writer: 200 facts are some 10 ms there.
TAIL_MAX = 200


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
        else:
            db.execute("DELETE FROM follower WHERE name = ?", (f"view:{projection.name}",))
        db.execute(
            "INSERT OR REPLACE INTO read_model (name, ddl_hash) VALUES (?, ?)",
            (projection.name, form_of(projection)),
        )
        db.execute("COMMIT")
    except BaseException:
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
    """Build one read model anew while commands go on; returns the position it reached."""
    scratch = log_path.with_name(f"rebuild-{projection.name}.db")
    scratch.unlink(missing_ok=True)
    try:
        reached = await asyncio.to_thread(_grow, projection, log_path, scratch)
        return await _swap(projection, scratch, asker, reached, inline=inline)
    finally:
        for leftover in log_path.parent.glob(f"{scratch.name}*"):
            leftover.unlink()


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


async def _swap(
    projection: Projection, scratch: Path, asker: Asker, reached: int, *, inline: bool
) -> int:
    target = sqlite3.connect(scratch, isolation_level=None, check_same_thread=False)
    last = reached

    def work(db: Connection) -> None:
        nonlocal last
        target.execute("BEGIN")
        last = _replay(db, target, projection, reached)
        target.execute("COMMIT")
        for table in projection.tables:
            db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from our own source
            rows = target.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for row in rows:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608
        if not inline:
            name = f"view:{projection.name}"
            db.execute("UPDATE follower SET position = ? WHERE name = ?", (last, name))

    try:
        await asker.apply(work)
    finally:
        target.close()
    return last
