"""The box as one: what is forgotten stays so, what stands is said, what is built is built again."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.engines.doors.messages import CutKey, HolderKind, KeyReason
from appliance.engines.identity.messages import ForgetPerson
from appliance.engines.stays.messages import CheckIn
from appliance.keep import make_backup
from appliance.kernel import log as kernel_log
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Done
from appliance.kernel.tasks import Nursery
from appliance.kernel.vault import KeyState
from appliance.main import Box, appliance, command_socket
from appliance.restoring import restore_backup
from appliance.rooms import ENGINES
from appliance.where import EXIT_CONFIG
from support.desk import MANAGER, SYNC
from support.hotel import booking
from support.kept_house import names_in
from support.own_box import done, make_house, open_own_box
from sync.home import SocketHome

NIGHTS = "SELECT count(*), sum(amount_minor) FROM stays_night"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_house(tmp_path_factory.mktemp("made") / "house").data_dir


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "house"))


async def _learn(box: Box, upstream_id: str = "up-1") -> tuple[str, str]:
    """(stay, person) of a booking that sync told."""
    learned = await done(box, booking(upstream_id), SYNC, f"learn {upstream_id}")
    stay = str(learned["stay_id"])
    row = await box.reader.row("SELECT subject FROM stays_guest WHERE stay_id = ?", (stay,))
    assert row is not None
    return stay, str(row[0])


# -- forgetting, from the word to the restored backup -------------------------------------------


async def test_a_person_who_is_to_be_forgotten_is_gone_from_keys_and_from_the_desk(
    house: Path,
) -> None:
    async with open_own_box(house) as box:
        _, person = await _learn(box)
        assert [found.people[0].guest.family for found in box.directory.search("web")] == ["Weber"]
        await done(box, ForgetPerson(person_id=person, reason="asked"), MANAGER, "forget")
        await box.followers.caught_up()
        assert box.vault.state(person) is KeyState.FORGOTTEN
        assert box.directory.search("web") == []


async def test_who_was_forgotten_stays_so_after_a_restart_and_the_totals_stay_whole(
    house: Path,
) -> None:
    async with open_own_box(house) as box:
        stay, person = await _learn(box)
        other, _ = await _learn(box, "up-2")
        nights = await box.reader.row(NIGHTS)
        await done(box, ForgetPerson(person_id=person, reason="asked"), MANAGER, "forget")
        await box.followers.caught_up()
    names = names_in(house)
    assert names[stay] is None
    assert names[other] is not None
    async with open_own_box(house) as box:
        assert [found.stay_id for found in box.directory.search("web")] == [other]
        assert await box.reader.row(NIGHTS) == nights
    assert kernel_log.verify_file(house / "log.db").position > 0


async def test_a_forget_that_was_only_written_down_is_carried_out_at_the_next_start(
    house: Path,
) -> None:
    """The power went between the fact and the destruction of the key."""
    async with open_own_box(house) as box:
        _, person = await _learn(box)
        await done(box, ForgetPerson(person_id=person, reason="asked"), MANAGER, "forget")
        await box.followers.caught_up()
    with closing(sqlite3.connect(house / "log.db")) as db:
        db.execute("UPDATE follower SET position = 0 WHERE name = 'forget'")
        db.commit()
    with closing(sqlite3.connect(house / "keys.db")) as db:
        db.execute("DELETE FROM forgotten")
        db.commit()
    async with open_own_box(house) as box:
        await box.followers.caught_up()
        assert box.vault.state(person) is KeyState.FORGOTTEN


async def test_a_backup_of_before_does_not_bring_a_forgotten_person_back(
    house: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "night.npb"
    async with open_own_box(house) as box:
        stay, person = await _learn(box)
        make_backup(box.settings, archive, box.clock)
        nights = await box.reader.row(NIGHTS)
        await done(box, ForgetPerson(person_id=person, reason="asked"), MANAGER, "forget")
        await box.followers.caught_up()
    restore_backup(archive, house, box.clock, run_dir=house / "run", master=house / "master.key")
    assert names_in(house)[stay] is None
    async with open_own_box(house) as box:
        assert box.directory.search("web") == []
        assert box.vault.state(person) is KeyState.FORGOTTEN
        assert await box.reader.row(NIGHTS) == nights
    assert kernel_log.verify_file(house / "log.db").position > 0


async def test_forgetting_twice_is_forgetting_once(house: Path) -> None:
    async with open_own_box(house) as box:
        _, person = await _learn(box)
        for number in (1, 2):
            command = ForgetPerson(person_id=person, reason="asked")
            await done(box, command, MANAGER, f"forget {number}")
        await box.followers.caught_up()
        rows = await box.reader.rows(
            "SELECT count(*) FROM event WHERE kind = 'identity.person_forgotten.v1'"
        )
        assert rows == [(1,)]


# -- the command socket ---------------------------------------------------------------------------


@asynccontextmanager
async def _socket(box: Box) -> AsyncGenerator[Path, None]:
    async with command_socket(box).serve(box.settings.command_socket):
        yield box.settings.command_socket


async def _ask(path: Path, **words: Any) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path, limit=1_048_576)
    try:
        writer.write(json.dumps({"n": 1, **words}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline())
        return answer
    finally:
        writer.close()
        await writer.wait_closed()


async def test_the_status_says_a_number_for_every_part_and_never_a_bare_ok(house: Path) -> None:
    async with open_own_box(house) as box, _socket(box) as path:
        told = (await _ask(path, status={}))["status"]
    names = {vital["name"] for vital in told["vitals"]}
    assert {"log", "bus", "disk", "forget", "engine stays"} <= names
    for line in told["lines"]:
        assert re.search(r"\d", line), line
    for vital in told["vitals"]:
        assert vital["age_ms"] is not None or vital["state"] != "ok"


async def test_sync_is_told_a_stays_door_and_code_over_the_socket(house: Path) -> None:
    async with open_own_box(house) as box, _socket(box) as path:
        # Around any midnight of any zone.
        today = datetime.fromtimestamp(box.clock.read().wall_s, UTC).date()
        dates = {"arrival": today - timedelta(days=1), "departure": today + timedelta(days=3)}
        told = booking("up-9", **dates)
        stay = str((await done(box, told, SYNC, "learn"))["stay_id"])
        room, door = (
            await box.reader.rows(
                "SELECT room_id, door_id FROM doors_door"
                " JOIN inventory_room USING (room_id) ORDER BY door_id"
            )
        )[0]
        await done(box, CheckIn(stay_id=stay, room_id=room), MANAGER, "check in")
        nursery = Nursery(lambda _name, _error: None)
        home = SocketHome(path, clock=box.clock, nursery=nursery)
        assert await home.stay_doors(stay) == (door,)
        assert await home.door_code(stay) is None
        cut = CutKey(
            holder_kind=HolderKind.STAY, holder_id=stay, door_id=door, reason=KeyReason.FIRST
        )
        await done(box, cut, MANAGER, "cut")
        code = await home.door_code(stay)
        assert code is not None
        assert (code.room_id, len(code.digits)) == (room, 6)
        assert await home.stay_doors("nobody") == ()
        await home.close()
        await nursery.close()


async def test_a_box_with_clouds_says_that_sync_is_silent(house: Path) -> None:
    with (house / "nightporter.toml").open("a") as file:
        file.write('[sync.pms]\nkind = "mews"\nbase_url = "https://pms.example"\n')
    async with open_own_box(house) as box, _socket(box) as path:
        first = (await _ask(path, status={}))["status"]["lines"][0]
        assert first.startswith("sync: down, never confirmed")
        bad = (await _ask(path, report={"parked": "none"}))["report"]
        assert bad["ok"] is False
        assert (await _ask(path, report={}))["report"] == {"ok": True}
        lines = (await _ask(path, status={}))["status"]["lines"]
        assert any(line.startswith("sync: ok, last confirmed") for line in lines)


async def test_a_read_model_is_built_anew_while_the_box_works(house: Path) -> None:
    async with open_own_box(house) as box, _socket(box) as path:
        stay, _ = await _learn(box)
        before = await box.reader.rows("SELECT * FROM stays_stay")
        await box.asker.apply(lambda db: db.execute("DELETE FROM stays_stay"))
        built, learned = await asyncio.gather(
            _ask(path, rebuild={"name": "stays"}), _learn(box, "up-2")
        )
        assert list(built["rebuild"]["built"]) == ["stays"]
        after = await box.reader.rows("SELECT * FROM stays_stay")
        assert set(before) < set(after)
        assert {row[0] for row in after} == {stay, learned[0]}


async def test_all_read_models_are_built_anew_and_say_the_same(house: Path) -> None:
    async with open_own_box(house) as box, _socket(box) as path:
        await _learn(box)
        tables = [
            table for engine in ENGINES if engine.projection for table in engine.projection.tables
        ]
        before = {table: await box.reader.rows(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
        built = (await _ask(path, rebuild={}))["rebuild"]["built"]
        assert set(built) == {engine.projection.name for engine in ENGINES if engine.projection}
        after = {table: await box.reader.rows(f"SELECT * FROM {table}") for table in tables}  # noqa: S608
        assert after == before
    assert not any(path.name.startswith("rebuild-") for path in house.iterdir())  # noqa: ASYNC240 - the box is closed


async def test_one_rebuild_at_a_time_and_only_of_what_is_there(house: Path) -> None:
    async with open_own_box(house) as box, _socket(box) as path:
        unknown = (await _ask(path, rebuild={"name": "moon"}))["rebuild"]["error"]
        assert "there is no read model 'moon'" in unknown
        assert "stays" in unknown
        both = await asyncio.gather(_ask(path, rebuild={}), _ask(path, rebuild={}))
        told = [one["rebuild"] for one in both]
        assert sum("built" in one for one in told) == 1
        assert any("under way" in one.get("error", "") for one in told)


async def test_a_command_is_answered_from_before_the_kill_by_the_box_after_it(house: Path) -> None:
    async with open_own_box(house) as box:
        first = await done(box, booking("up-1"), SYNC, "the same id")
    async with open_own_box(house) as box:
        asking = Asking(command=booking("up-1"), command_id="the same id", who=SYNC)
        again = await box.asker.ask(asking)
        assert isinstance(again, Done)
        assert again.result == first


def test_the_role_without_a_property_says_so_and_needs_a_person(tmp_path: Path) -> None:
    said = CliRunner().invoke(appliance, ["--data", str(tmp_path / "none")])
    assert said.exit_code == EXIT_CONFIG
    assert "nightporter init" in said.output


def test_the_role_without_its_master_key_says_so_and_needs_a_person(house: Path) -> None:
    (house / "master.key").unlink()
    said = CliRunner().invoke(appliance, ["--data", str(house)])
    assert said.exit_code == EXIT_CONFIG
    assert "there is no master key" in said.output
