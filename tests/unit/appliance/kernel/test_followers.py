"""What followers promise: each stands still alone, exactly at the fact it cannot take."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.kernel import ask as kernel_ask
from appliance.kernel.followers import FRESH_MAX, PASSED_MAX, STEP_MAX, keep_cursor
from appliance.kernel.messages import Admission, Done
from appliance.kernel.telemetry import build_metrics
from support.kernel_house import House, open_house
from support.toy import TOY, Ring, Shelve


async def _shelve(house: House, *whats: str) -> None:
    for number, what in enumerate(whats):
        shelf = f"{what}{number}"
        assert isinstance(await house.ask(Shelve(shelf=shelf, owner="x", what=what)), Done)


async def _start(house: House) -> None:
    await house.followers.start(house.nursery)
    await house.followers.caught_up()


async def test_facts_before_a_bad_one_are_in_the_view_whatever_they_were_read_with(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, start=False) as house:
        house.asker.start()
        await _shelve(house, "a", "b", "venom", "c")
        await _start(house)
        view = house.followers.all["view:toy_seen"]
        assert (view.position, view.quarantined) == (2, "ValueError")
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(1,), (2,)]


async def test_skipping_skips_the_bad_fact_and_no_other(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        house.asker.start()
        await _shelve(house, "a", "slow", "poison", "slow")
        await _start(house)
        reaction = house.followers.all["reaction:toy.bell"]
        assert (reaction.position, reaction.quarantined) == (2, "ValueError")
        await reaction.resume(skip=True)
        await house.followers.caught_up()
        rung = "SELECT stream FROM event WHERE kind = 'toy.rung.v1' ORDER BY position"
        assert await house.reader.rows(rung) == [("toy/slow-slow1",), ("toy/slow-slow3",)]


async def test_resuming_twice_skips_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await _shelve(house, "venom", "a", "b")
        await house.followers.caught_up()
        view = house.followers.all["view:toy_seen"]
        await asyncio.gather(view.resume(skip=True), view.resume(skip=True))
        await view.resume(skip=True)
        await house.followers.caught_up()
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(2,), (3,)]


async def test_a_fact_of_an_unknown_kind_stops_a_follower_where_it_is_and_shows_it(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, start=False) as house:
        house.asker.start()
        await _shelve(house, "a", "b", "c")
        await house.asker.apply(
            lambda db: db.execute("UPDATE event SET kind = 'later.v9' WHERE position = 2")
        )
        await _start(house)
        view = house.followers.all["view:toy_seen"]
        assert (view.position, view.quarantined) == (1, "UnreadableEventError")
        await view.resume(skip=True)
        await house.followers.caught_up()
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(1,), (3,)]


class FullDisk:
    """A connection whose commits the disk refuses for a while."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.full = True

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Pass on; refuse where a full disk would."""
        if sql == "COMMIT" and self.full:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return self._db.execute(sql, *parameters)


async def test_a_disk_that_refuses_quarantines_nobody(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        house.asker.start()
        await _shelve(house, "a", "slow")
        disk = house.desk.deciding.log.db = FullDisk(house.desk.db)
        await house.followers.start(house.nursery)
        await house.desk.clock.advance(5.0)
        standings = house.followers.standings()
        assert [(one.position, one.quarantined) for one in standings] == [(0, None), (0, None)]
        disk.full = False
        await house.desk.clock.advance(5.0)
        await house.followers.caught_up()
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(1,), (2,)]


async def test_a_reaction_that_meets_a_full_queue_asks_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        room = kernel_ask.Room(waiting=dict.fromkeys(Admission, 0))
        house.asker.start()
        await _shelve(house, "slow")
        open_room, house.asker._room = house.asker._room, room
        await house.followers.start(house.nursery)
        reaction = house.followers.all["reaction:toy.bell"]
        clock = house.desk.clock
        await clock.advance(3.0)
        assert (reaction.position, reaction.quarantined) == (0, None)
        house.asker._room = open_room
        await clock.advance(3.0)
        await house.followers.caught_up()
        rung = "SELECT count(*) FROM event WHERE stream = 'toy/slow-slow0'"
        assert await house.reader.rows(rung) == [(1,)]


async def test_followers_go_on_while_commands_stream_in_without_end(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        seen: list[int] = []
        done = asyncio.Event()

        async def asks(number: int) -> None:
            while not done.is_set():
                await house.ask(Ring(bell=f"b{number}"), Admission.DESK)

        async def works() -> None:
            for _ in range(5):
                await house.asker.apply(lambda _db: seen.append(1))
            bulk = await house.ask(Shelve(shelf="bulk", owner="x"), Admission.BULK)
            assert isinstance(bulk, Done)
            done.set()

        await asyncio.wait_for(asyncio.gather(works(), *(asks(n) for n in range(24))), 20)
        assert len(seen) == 5


async def test_desks_go_on_while_doors_stream_in_without_end(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        done = asyncio.Event()

        async def presses(number: int) -> None:
            while not done.is_set():
                await house.ask(Ring(bell=f"b{number}"))

        async def desk() -> None:
            assert isinstance(await house.ask(Shelve(shelf="desk", owner="x")), Done)
            done.set()

        await asyncio.wait_for(asyncio.gather(desk(), *(presses(n) for n in range(24))), 20)


async def test_after_a_restart_the_age_of_the_oldest_waiting_fact_is_still_known(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        await _shelve(house, "venom")
        await house.followers.caught_up()
        at_wall_ms = house.desk.deciding.clock.read().wall_ms
    async with open_house(tmp_path) as again:
        [standing] = [one for one in again.followers.standings() if one.name == "view:toy_seen"]
        assert standing.oldest_waiting_ms == at_wall_ms


async def test_queues_and_lags_are_metrics(tmp_path: Path) -> None:
    metrics = build_metrics("test")
    async with open_house(tmp_path, start=False, metrics=metrics) as house:
        waiting = asyncio.ensure_future(house.ask(Shelve(shelf="a", owner="x", what="venom")))
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turn.set_result, None)
        await turn
        assert 'nightporter_queue_depth{admission="desk"} 1.0' in metrics.render().decode()
        house.asker.start()
        await waiting
        await _start(house)
        text = metrics.render().decode()
        assert 'nightporter_queue_depth{admission="desk"} 0.0' in text
        assert 'nightporter_quarantined{lane="view:toy_seen"} 1.0' in text
        assert 'nightporter_follower_lag_positions{follower="view:toy_seen"} 1.0' in text


async def test_a_follower_that_a_rebuild_overtook_takes_no_fact_twice(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        house.asker.start()
        await _shelve(house, *("a" for _ in range(STEP_MAX + 5)))
        view = house.followers.all["view:toy_seen"]
        await view.load()

        def overtake(db: object) -> None:
            del db
            for position in range(1, STEP_MAX + 4):
                house.desk.db.execute("INSERT INTO toy_seen (position) VALUES (?)", (position,))
            keep_cursor(house.desk.db, "view:toy_seen", STEP_MAX + 3)

        await house.asker.apply(overtake)
        house.nursery.mortal("view", view.run())
        while view.position < STEP_MAX + 5:
            await house.asker.apply(lambda _db: None)
        assert view.quarantined is None
        assert await house.reader.rows("SELECT count(*) FROM toy_seen") == [(STEP_MAX + 5,)]


async def test_what_is_of_no_interest_costs_a_follower_no_commit(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await _shelve(house, "a")
        await house.followers.caught_up()
        for _ in range(20):
            await house.ask(Ring(bell="front"))
        view = house.followers.all["view:toy_seen"]
        assert (view.position, view.standing().oldest_waiting_ms) == (21, None)
        kept = "SELECT position FROM follower WHERE name = 'view:toy_seen'"
        assert await house.reader.rows(kept) == [(1,)]
        await _shelve(house, "b")
        await house.followers.caught_up()
        assert await house.reader.rows(kept) == [(22,)]
        assert await house.reader.rows("SELECT position FROM toy_seen") == [(1,), (22,)]


async def test_after_a_restart_a_follower_has_little_to_pass_by_again(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        rings = [house.ask(Ring(bell="front"), Admission.DESK) for _ in range(PASSED_MAX * 2)]
        await asyncio.gather(*rings)
        await house.followers.caught_up()
        kept = "SELECT position FROM follower WHERE name = 'view:toy_seen'"
        [(position,)] = await house.reader.rows(kept)
        assert position > 0
        assert PASSED_MAX * 2 - position <= PASSED_MAX + STEP_MAX


async def test_a_follower_that_falls_behind_what_is_kept_in_memory_reads_the_rest(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        many = [
            house.ask(Shelve(shelf=f"m{number}", owner="x"), Admission.BULK)
            for number in range(FRESH_MAX + 100)
        ]
        await asyncio.gather(*many)
        await house.followers.caught_up()
        total = FRESH_MAX + 100
        assert await house.reader.rows("SELECT count(*) FROM toy_seen") == [(total,)]


async def test_a_reaction_asks_nothing_that_its_own_tables_say_is_not_worth_it(
    tmp_path: Path,
) -> None:
    [bell] = TOY.reactions
    picky = replace(bell, worth=lambda _db, command: command.bell != "slow-slow0")
    async with open_house(tmp_path, [replace(TOY, reactions=[picky])]) as house:
        await _shelve(house, "slow", "slow")
        await house.followers.caught_up()
        rung = "SELECT stream FROM event WHERE kind LIKE '%rung%'"
        assert await house.reader.rows(rung) == [("toy/slow-slow1",)]
        answered = "SELECT count(*) FROM answered WHERE actor = 'engine:toy'"
        assert await house.reader.rows(answered) == [(1,)]
