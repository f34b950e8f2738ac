"""Durable commands at `kernel.ask`, beside eventsourcing 9.5 on the same disk in the same run."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from appliance.kernel import codec
from appliance.kernel import log as kernel_log
from appliance.kernel.ask import Asker
from appliance.kernel.clock import SystemClock, sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Admission, Command
from bench.figures import Figure, quantile
from support.desk import CLERK, Desk
from support.toy import PARCELS, TOY, Ring, Shelve

COMMANDS = 20_000
ASKERS = 200
PEER_COMMANDS = 3_000
DOOR_PRESSES = 200
BULK = 10_000
SLOW_FSYNC_S = 0.015
WALL = SystemClock(floor_path=None)


class SlowCommits:
    """A connection whose COMMIT takes 15 ms more: an SD card's fsync."""

    delay_s: ClassVar[float] = SLOW_FSYNC_S

    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Pass on; wait where the card would."""
        if sql == "COMMIT":
            time.sleep(self.delay_s)
        return self._db.execute(sql, *parameters)


async def _ask_many(asker: Asker, make: Callable[[int], Command], count: int) -> list[float]:
    numbers = iter(range(count))
    times: list[float] = []

    async def asks() -> None:
        for number in numbers:
            started = time.perf_counter()
            await asker.ask(Asking(command=make(number), command_id=f"c{number}", who=CLERK))
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(asks() for _ in range(ASKERS)))
    return times


async def _ours(folder: Path, count: int, *, slow: bool) -> tuple[float, list[float]]:
    desk = Desk(folder, [TOY])
    if slow:
        desk.deciding.log.db = SlowCommits(desk.db)
        desk.deciding.db = desk.deciding.log.db
    asker = Asker(desk.deciding)
    asker.start()
    started = time.perf_counter()
    times = await _ask_many(asker, lambda n: Shelve(shelf=f"s{n}", owner=f"p{n % 500}"), count)
    rate = count / (time.perf_counter() - started)
    await asker.stop()
    desk.close()
    return rate, times


def _peer(folder: Path) -> float:
    """The peer, eventsourcing 9.5: one aggregate created and saved a command, WAL and synchronous=FULL."""
    from eventsourcing.application import Application  # noqa: PLC0415
    from eventsourcing.domain import Aggregate, event  # noqa: PLC0415

    class Parcel(Aggregate):
        @event("Shelved")
        def __init__(self, shelf: str, owner: str) -> None:
            self.shelf = shelf
            self.owner = owner

    class Shelves(Application[Any]):
        pass

    os.environ["PERSISTENCE_MODULE"] = "eventsourcing.sqlite"
    os.environ["SQLITE_DBNAME"] = str(folder / "peer.db")
    app = Shelves()
    # The peer sets WAL itself and leaves SQLite's default, which must be FULL (2) here.
    with closing(sqlite3.connect(folder / "peer.db")) as probe:
        assert probe.execute("PRAGMA synchronous").fetchone() == (2,)
        assert probe.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    started = time.perf_counter()
    for number in range(PEER_COMMANDS):
        app.save(Parcel(shelf=f"s{number}-{uuid4()}", owner=f"p{number % 500}"))
    rate = PEER_COMMANDS / (time.perf_counter() - started)
    app.close()
    return rate


async def _door_times(asker: Asker, count: int) -> list[float]:
    times = []
    for number in range(count):
        started = time.perf_counter()
        await asker.ask(Asking(command=Ring(bell="front"), command_id=f"r{uuid4()}", who=CLERK))
        times.append(time.perf_counter() - started)
        await sleep(WALL, 0.001 * (number % 5))
    return times


async def _door_behind_bulk(folder: Path) -> tuple[list[float], list[float]]:
    desk = Desk(folder, [TOY])
    asker = Asker(desk.deciding)
    asker.start()
    await _door_times(asker, 50)
    quiet = await _door_times(asker, DOOR_PRESSES)
    bulk = [
        asyncio.ensure_future(
            asker.ask(
                Asking(command=Shelve(shelf=f"b{n}", owner="x"), command_id=f"b{n}", who=CLERK),
                Admission.BULK,
            )
        )
        for n in range(BULK)
    ]
    await sleep(WALL, 0)
    busy: list[float] = []
    while not bulk[-1].done() and len(busy) < DOOR_PRESSES:
        busy += await _door_times(asker, 1)
    await asyncio.gather(*bulk)
    await asker.stop()
    desk.close()
    return quiet, busy


def _replay(folder: Path) -> tuple[float, float]:
    """Events decoded a second, and with a read model."""
    desk = Desk(folder, [TOY])
    total = 60_000
    for start in range(0, total, 500):
        desk.deciding.carry_out(
            [
                Asking(command=Shelve(shelf=f"s{n}", owner="x"), command_id=f"c{n}", who=CLERK)
                for n in range(start, start + 500)
            ]
        )
    rows = desk.rows("SELECT kind, body FROM event ORDER BY position")
    started = time.perf_counter()
    for kind, body in rows:
        codec.decode_event(kind, body)
    decode = len(rows) / (time.perf_counter() - started)
    apply = next(iter(PARCELS.on.values()))
    desk.db.execute("DELETE FROM toy_parcel")
    started = time.perf_counter()
    after = 0
    desk.db.execute("BEGIN")
    while facts := kernel_log.read(desk.db, after, 1_000):
        for fact in facts:
            apply(desk.db, fact.event, fact)
        after = facts[-1].position
    desk.db.execute("COMMIT")
    models = total / (time.perf_counter() - started)
    desk.close()
    return decode, models


def measure() -> list[Figure]:
    """Every figure of this file."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as scratch:
        base = Path(scratch)
        folders = [base / name for name in ("ours", "slow", "peer", "door", "replay")]
        for folder in folders:
            folder.mkdir()
        rate, times = asyncio.run(_ours(folders[0], COMMANDS, slow=False))
        peer = _peer(folders[2])
        _, slow = asyncio.run(_ours(folders[1], COMMANDS, slow=True))
        quiet, busy = asyncio.run(_door_behind_bulk(folders[3]))
        decode, models = _replay(folders[4])
    p99_slow = quantile(slow, 0.99) * 1e3
    ratio = quantile(busy, 0.99) / quantile(quiet, 0.99)
    return [
        Figure(
            what="durable commands at kernel.ask, 200 askers, one sealed field",
            measured=f"{rate:,.0f}/s, p99 {quantile(times, 0.99) * 1e3:.1f} ms",
            goal=">= 5,000/s",
            met=rate >= 5_000,
        ),
        Figure(
            what="the same against eventsourcing 9.5 (SQLite, WAL, FULL)",
            measured=f"{rate / peer:.1f}x",
            goal=">= 3x",
            met=rate >= 3 * peer,
            note=f"peer: {peer:,.0f}/s, one by one",
        ),
        Figure(
            what="the same with 15 ms added to every commit",
            measured=f"p99 {p99_slow:.1f} ms",
            goal="p99 <= 40 ms",
            met=p99_slow <= 40,
        ),
        Figure(
            what="a door command behind 10,000 bulk commands, p99 over its quiet p99",
            measured=f"{ratio:.2f}x",
            goal="<= 2x",
            met=ratio <= 2,
            note=f"quiet {quantile(quiet, 0.99) * 1e3:.2f} ms, busy"
            f" {quantile(busy, 0.99) * 1e3:.2f} ms, {len(busy)} presses",
        ),
        Figure(
            what="replay, decode only",
            measured=f"{decode:,.0f} events/s",
            goal=">= 150,000",
            met=decode >= 150_000,
        ),
        Figure(
            what="replay, read, decode and one read model",
            measured=f"{models:,.0f} events/s",
            goal=">= 50,000",
            met=models >= 50_000,
        ),
    ]
