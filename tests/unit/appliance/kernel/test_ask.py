"""The door to the log: classes, bounded queues, followers, rebuild, all on a running loop."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel import ask as kernel_ask
from appliance.kernel import rebuild
from appliance.kernel.ask import WAITING_MAX, Asker, WriterStoppedError
from appliance.kernel.deciding import Asking, Decided
from appliance.kernel.engine import Recorded
from appliance.kernel.followers import Followers
from appliance.kernel.messages import Admission, Answer, Command, Done, Refused
from appliance.kernel.reader import Reader, open_reader
from appliance.kernel.tasks import Nursery
from support import kernel_house
from support.desk import CLERK, Desk
from support.toy import PARCELS, SEEN, TOY, Ring, Shelve


@dataclass(slots=True)
class House:
    """A desk with its writer thread, readers and followers running."""

    desk: Desk
    asker: Asker
    reader: Reader
    followers: Followers
    folder: Path
    number: int = 0

    async def ask(self, command: Command, admission: Admission | None = None) -> Answer:
        self.number += 1
        asking = Asking(command=command, command_id=f"h{self.number}", who=CLERK)
        return await self.asker.ask(asking, admission)


@asynccontextmanager
async def open_house(folder: Path, *, start: bool = True) -> AsyncGenerator[House, None]:
    """Everything of the kernel, on one loop."""
    desk = Desk(folder, [TOY])
    asker = Asker(desk.deciding)
    nursery = Nursery(lambda name, error: pytest.fail(f"{name} died: {error}"))
    try:
        async with open_reader(folder / "log.db") as reader:
            followers = Followers(asker, reader)
            followers.enrol([TOY])
            if start:
                asker.start()
            await followers.start(nursery)
            yield House(desk, asker, reader, followers, folder)
            await nursery.close()
            await asker.stop()
    finally:
        desk.close()


async def one_turn() -> None:
    """Let every task that was just made take its first step."""
    turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn


async def test_an_answer_is_on_disk_when_it_arrives(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        answer = await house.ask(Shelve(shelf="a", owner="ida"))
        assert isinstance(answer, Done)
        assert await house.reader.head() >= answer.position


async def test_hundreds_of_askers_for_three_places_get_three(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        answers = await asyncio.gather(
            *(house.ask(Shelve(shelf="a", owner=f"p{n}")) for n in range(200))
        )
        assert sum(isinstance(answer, Done) for answer in answers) == 3
        assert sum(isinstance(answer, Refused) for answer in answers) == 197


async def test_a_full_class_refuses_at_once_and_hurts_no_other(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        full = WAITING_MAX[Admission.GUEST]
        waiting = [
            asyncio.ensure_future(house.ask(Shelve(shelf=f"s{n}", owner="x"), Admission.GUEST))
            for n in range(full)
        ]
        await one_turn()
        refused = await house.ask(Shelve(shelf="late", owner="x"), Admission.GUEST)
        assert isinstance(refused, Refused)
        assert (refused.engine, refused.code) == ("kernel", "overloaded")
        door = asyncio.ensure_future(house.ask(Ring(bell="front")))
        await one_turn()
        house.asker.start()
        assert isinstance(await door, Done)
        assert all(isinstance(answer, Done) for answer in await asyncio.gather(*waiting))


async def test_a_door_goes_before_everything_that_waits(tmp_path: Path) -> None:
    async with open_house(tmp_path, start=False) as house:
        bulk = [
            asyncio.ensure_future(house.ask(Shelve(shelf=f"s{n}", owner="x"), Admission.BULK))
            for n in range(500)
        ]
        await one_turn()
        door = asyncio.ensure_future(house.ask(Ring(bell="front")))
        await one_turn()
        house.asker.start()
        answer = await door
        assert isinstance(answer, Done)
        assert answer.position == 1
        await asyncio.gather(*bulk)


async def test_a_view_follows_and_its_cursor_is_durable(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        for number in range(5):
            await house.ask(Shelve(shelf=f"s{number}", owner="x"))
        await house.followers.caught_up()
        assert await house.reader.rows("SELECT count(*) FROM toy_seen") == [(5,)]
    async with open_house(tmp_path) as again:
        await again.followers.caught_up()
        assert await again.reader.rows("SELECT count(*) FROM toy_seen") == [(5,)]


async def test_a_view_that_raises_stops_alone_and_says_where(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x"))
        await house.ask(Shelve(shelf="a", owner="x", what="venom"))
        answer = await house.ask(Shelve(shelf="b", owner="x", what="slow"))
        assert isinstance(answer, Done)
        await house.followers.caught_up()
        view = house.followers.all["view:toy_seen"]
        assert view.quarantined == "ValueError"
        rang = "SELECT count(*) FROM event WHERE stream = 'toy/slow-b'"
        assert await house.reader.rows(rang) == [(1,)]
        await view.resume(skip=True)
        await house.followers.caught_up()
        assert await house.reader.rows("SELECT count(*) FROM toy_seen") == [(2,)]


async def test_a_quarantine_survives_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x", what="venom"))
        await house.followers.caught_up()
    async with open_house(tmp_path) as again:
        assert again.followers.all["view:toy_seen"].quarantined == "ValueError"


async def test_a_reaction_acts_once_even_when_followed_twice(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x", what="slow"))
        await house.followers.caught_up()
        await house.asker.apply(
            lambda db: db.execute("UPDATE follower SET position = 0 WHERE name LIKE 'reaction:%'")
        )
    async with open_house(tmp_path) as again:
        await again.followers.caught_up()
        rang = "SELECT count(*) FROM event WHERE stream = 'toy/slow-a'"
        assert await again.reader.rows(rang) == [(1,)]


async def test_a_poisoned_reaction_is_quarantined_and_others_go_on(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x", what="poison"))
        await house.followers.caught_up()
        assert house.followers.all["reaction:toy.bell"].quarantined == "ValueError"
        assert await house.reader.rows("SELECT count(*) FROM toy_seen") == [(1,)]


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "view"])
async def test_a_rebuild_while_running_equals_what_was(tmp_path: Path, inline: bool) -> None:  # noqa: FBT001
    projection = PARCELS if inline else SEEN
    async with open_house(tmp_path) as house:
        for number in range(300):
            await house.ask(Shelve(shelf=f"s{number}", owner="x"))
        await house.followers.caught_up()
        query = f"SELECT * FROM {projection.tables[0]} ORDER BY 1"  # noqa: S608
        before = await house.reader.rows(query)
        await house.asker.apply(lambda db: db.execute(f"DELETE FROM {projection.tables[0]}"))  # noqa: S608
        busy = [
            asyncio.ensure_future(house.ask(Shelve(shelf=f"t{n}", owner="x"))) for n in range(50)
        ]
        log_path = tmp_path / "log.db"
        await rebuild.rebuild(projection, log_path, house.asker, inline=inline)
        await asyncio.gather(*busy)
        await house.followers.caught_up()
        after = await house.reader.rows(query)
        assert after[: len(before)] == before
        assert len(after) == len(before) + 50


async def test_another_form_of_a_read_model_is_rebuilt_at_the_next_start(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x"))
        await house.asker.apply(
            lambda db: db.execute("UPDATE read_model SET ddl_hash = 'older release'")
        )
        await house.asker.apply(lambda db: db.execute("DELETE FROM toy_parcel"))
    async with open_house(tmp_path) as again:
        assert await again.reader.rows("SELECT count(*) FROM toy_parcel") == [(1,)]


async def test_a_virtual_clock_can_see_who_waits_for_a_thread(tmp_path: Path) -> None:
    # Without followers: they are busy of their own accord after every command.
    async with kernel_house.open_house(tmp_path, start=False) as house:
        house.asker.start()
        asked = asyncio.ensure_future(house.ask(Shelve(shelf="s", owner="o")))
        read = asyncio.ensure_future(house.reader.head())
        seen: list[tuple[bool, bool]] = []
        look = asyncio.get_running_loop().call_soon
        look(lambda: seen.append((house.asker.busy, house.reader.busy)))
        await asyncio.gather(asked, read)
        assert seen == [(True, True)]
        assert not house.asker.busy  # the reader may be: followers look at what was written


def test_bulk_batches_stay_small_enough_for_a_door_to_wait() -> None:
    assert kernel_ask.BULK_BATCH_MAX <= kernel_ask.BATCH_MAX // 4


async def test_bulk_that_takes_long_shares_a_commit_with_less_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A door may have to wait for one commit of bulk: by time, not by number alone."""
    async with open_house(tmp_path, start=False) as house:
        clock, carry_out = house.desk.deciding.clock, house.desk.deciding.carry_out
        looks = itertools.count()
        monkeypatch.setattr(clock, "monotonic", lambda: next(looks) * kernel_ask.BULK_S_MAX / 2)
        sizes: list[int] = []

        def counted(batch: Sequence[Asking], hurry: Callable[[], bool]) -> list[Decided]:
            sizes.append(len(decided := carry_out(batch, hurry)))
            return decided

        monkeypatch.setattr(house.desk.deciding, "carry_out", counted)
        asked = [
            asyncio.ensure_future(house.ask(Shelve(shelf=f"s{n}", owner="x"), Admission.BULK))
            for n in range(20)
        ]
        await one_turn()
        house.asker.start()
        assert all(isinstance(answer, Done) for answer in await asyncio.gather(*asked))
        # Each look at this clock is half of what they may take: the third look is beyond it.
        assert max(sizes) <= 3
        assert sum(sizes) == 20


async def test_a_listener_that_raises_costs_nobody_an_answer(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        heard: list[int] = []

        def deaf(facts: Sequence[Recorded]) -> None:
            raise ValueError(facts)

        house.asker.listen(deaf)
        house.asker.listen(lambda facts: heard.append(len(facts)))
        answers = await asyncio.gather(
            *(house.ask(Shelve(shelf=f"s{n}", owner="x")) for n in range(5))
        )
        assert all(isinstance(answer, Done) for answer in answers)
        assert sum(heard) == 5
        [(name, times)] = house.asker.listener_faults.items()
        assert name.endswith("deaf")
        assert times >= 1


async def test_a_waiter_that_was_cancelled_neither_loses_nor_doubles_its_command(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path, start=False) as house:
        asking = Asking(command=Shelve(shelf="a", owner="x"), command_id="one", who=CLERK)
        gone = asyncio.ensure_future(house.asker.ask(asking))
        await one_turn()
        gone.cancel()
        await asyncio.wait([gone])
        house.asker.start()
        again = await house.asker.ask(asking)
        assert isinstance(again, Done)
        assert again.position == 1
        assert await house.reader.head() == 1


async def test_a_writer_that_dies_is_the_role_s_end_and_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    desk = Desk(tmp_path, [TOY])
    asker = Asker(desk.deciding)
    deaths: list[BaseException | None] = []
    nursery = Nursery(lambda _name, error: deaths.append(error))
    nursery.deadly("log writer", asker.run())

    def die() -> None:
        raise SystemError

    desk.vault.drop_new_keys = die  # type: ignore[method-assign]
    desk.deciding.log.db = None  # type: ignore[assignment]
    waiting = [
        asyncio.ensure_future(
            asker.ask(Asking(command=Ring(bell="a"), command_id=f"{n}", who=CLERK))
        )
        for n in range(3)
    ]
    job = asyncio.ensure_future(asker.apply(lambda _db: None))
    await one_turn()
    asker.start()
    found = await asyncio.gather(*waiting, job, return_exceptions=True)
    assert [type(one) for one in found] == [WriterStoppedError] * 4
    with pytest.raises(WriterStoppedError):
        await asker.ask(Asking(command=Ring(bell="a"), command_id="late", who=CLERK))
    await nursery.close()
    assert [type(error) for error in deaths] == [SystemError]
    desk.db.close()


async def test_stopping_before_the_start_tells_who_waits(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [TOY])
    asker = Asker(desk.deciding)
    waiting = asyncio.ensure_future(
        asker.ask(Asking(command=Ring(bell="a"), command_id="1", who=CLERK))
    )
    await one_turn()
    await asker.stop()
    with pytest.raises(WriterStoppedError):
        await waiting
    desk.close()


async def test_commands_of_one_class_are_decided_in_the_order_they_came_also_past_doors(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        desk = [
            asyncio.ensure_future(house.ask(Shelve(shelf=f"s{n}", owner="x"))) for n in range(400)
        ]
        for number in range(20):
            await house.ask(Ring(bell=f"b{number}"))
        await asyncio.gather(*desk)
        query = "SELECT stream FROM event WHERE kind = 'toy.shelved.v1' ORDER BY position"
        assert await house.reader.rows(query) == [(f"toy/s{n}",) for n in range(400)]


async def test_the_head_is_never_ahead_of_what_is_committed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        seen: list[tuple[int, int]] = []
        house.desk.deciding.log.db = desk_db = _Peeking(house.desk.db)
        desk_db.at_commit = lambda: seen.append(
            (house.asker.head(), house.desk.deciding.log.head.position)
        )
        await house.ask(Shelve(shelf="a", owner="x"))
        assert (0, 1) in seen
        assert house.asker.head() == 1


class _Peeking:
    """A connection that lets a test look right before each commit."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.at_commit: Callable[[], None] = lambda: None

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Look, then pass on."""
        if sql == "COMMIT":
            self.at_commit()
        return self._db.execute(sql, *parameters)
