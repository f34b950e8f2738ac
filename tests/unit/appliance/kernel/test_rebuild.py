"""What a rebuild promises: the same tables, whatever their form, and nothing left over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.kernel import rebuild
from appliance.kernel.engine import Connection, Engine, Projection, Recorded
from appliance.kernel.messages import Done
from support.desk import Desk
from support.kernel_house import open_house
from support.toy import PARCELS, SEEN, TOY, Shelve, Shelved


def _take(db: Connection, event: Shelved, recorded: Recorded) -> None:
    values = (event.shelf, recorded.position)
    db.execute("INSERT INTO odd_plain (shelf, at) VALUES (?, ?)", values)
    db.execute("INSERT INTO odd_flat (shelf, at) VALUES (?, ?)", values)
    db.execute("DELETE FROM odd_plain WHERE at % 3 = 0")


ODD = Projection(
    name="odd",
    ddl=[
        (
            "CREATE TABLE IF NOT EXISTS odd_plain (shelf TEXT NOT NULL, at INTEGER NOT NULL,"
            " twice INTEGER AS (at * 2) STORED, UNIQUE (at)) STRICT"
        ),
        (
            "CREATE TABLE IF NOT EXISTS odd_flat (shelf TEXT, at INTEGER, PRIMARY KEY (shelf, at))"
            " STRICT, WITHOUT ROWID"
        ),
        "CREATE UNIQUE INDEX IF NOT EXISTS odd_by_at ON odd_flat (at) WHERE at > 1",
        "CREATE INDEX IF NOT EXISTS odd_by_shelf ON odd_plain (shelf)",
    ],
    tables=["odd_plain", "odd_flat"],
    on={Shelved: _take},
)
HOUSE = Engine(name="toy", handlings=TOY.handlings, folds=TOY.folds, projection=ODD, views=[SEEN])
PLAIN = "SELECT rowid, shelf, at, twice FROM odd_plain ORDER BY rowid"
FLAT = "SELECT shelf, at FROM odd_flat ORDER BY at"
INDEXES = "SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'index' GROUP BY 1 ORDER BY 1"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"


def _litter(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("rebuild*"))


async def test_tables_of_any_form_come_back_with_rowids_indexes_and_what_is_generated(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, [HOUSE]) as house:
        for number in range(20):
            await house.ask(Shelve(shelf=f"s{number}", owner="x"))
        read = house.reader.rows
        before = [await read(query) for query in (PLAIN, FLAT, INDEXES, TABLES)]
        for _ in range(3):
            await rebuild.rebuild(ODD, tmp_path / "log.db", house.asker, inline=True)
        assert [await read(query) for query in (PLAIN, FLAT, INDEXES, TABLES)] == before
        assert isinstance(await house.ask(Shelve(shelf="after", owner="x")), Done)
        assert await read("PRAGMA integrity_check") == [("ok",)]
    assert _litter(tmp_path) == []


async def test_commands_go_on_while_a_table_of_many_rows_is_copied(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await asyncio.gather(*(house.ask(Shelve(shelf=f"s{n}", owner="x")) for n in range(1_500)))
        building = asyncio.ensure_future(
            rebuild.rebuild(PARCELS, tmp_path / "log.db", house.asker, inline=True)
        )
        meanwhile = 0
        while not building.done():
            await house.ask(Shelve(shelf=f"t{meanwhile}", owner="x"))
            meanwhile += 1
        await building
        assert meanwhile > 1_500 // rebuild.ROWS_AT_ONCE
        counted = await house.reader.rows("SELECT count(*), max(position) FROM toy_parcel")
        assert counted == [(1_500 + meanwhile, 1_500 + meanwhile)]


async def test_a_rebuild_ends_a_quarantine_and_its_follower_goes_on_from_there(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x", what="venom"))
        await house.ask(Shelve(shelf="b", owner="x"))
        await house.followers.caught_up()
        view = house.followers.all["view:toy_seen"]
        assert view.quarantined == "ValueError"
        cured = replace(
            SEEN,
            on={
                Shelved: lambda db, _event, recorded: db.execute(
                    "INSERT INTO toy_seen (position) VALUES (?)", (recorded.position,)
                )
            },
        )
        await rebuild.rebuild(cured, tmp_path / "log.db", house.asker, inline=False)
        await view.rebuilt()
        await house.ask(Shelve(shelf="c", owner="x"))
        await house.followers.caught_up()
        assert view.standing().quarantined is None
        assert view.position == 3
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(1,), (2,), (3,)]


async def test_a_rebuild_that_trips_leaves_the_old_tables_and_no_litter(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x"))
        tables = await house.reader.rows(TABLES)

        def trip(db: Connection, event: Shelved, recorded: Recorded) -> None:
            raise ZeroDivisionError

        worse = replace(PARCELS, on={Shelved: trip})
        with pytest.raises(ZeroDivisionError):
            await rebuild.rebuild(worse, tmp_path / "log.db", house.asker, inline=True)
        assert await house.reader.rows(TABLES) == tables
        assert await house.reader.rows("SELECT count(*) FROM toy_parcel") == [(1,)]
    assert _litter(tmp_path) == []


def test_what_a_cut_left_of_a_copy_is_gone_after_the_next_start(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [TOY])
    desk.db.execute(f"CREATE TABLE {rebuild.COPY}toy_parcel (x INTEGER) STRICT")
    desk.close()
    again = Desk(tmp_path, [TOY])
    assert (f"{rebuild.COPY}toy_parcel",) not in again.rows(TABLES)
    again.close()
