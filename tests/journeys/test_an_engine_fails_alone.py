"""One engine of the real house is poisoned: it alone stops, the desk works, and the kiosk says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.housekeeping.room import ENGINE as HOUSEKEEPING
from appliance.engines.stays.messages import CheckedIn, CheckedOut
from appliance.kernel.deciding import Asking
from appliance.kernel.engine import Engine, InlineReaction, Projection, Reaction
from appliance.kernel.messages import Command, Refused
from appliance.rebuilding import Rebuilding
from appliance.rooms import ENGINES
from kiosk import standing
from kiosk.client import Client
from kiosk.clock import TerminalClock
from kiosk.desk import Desk
from kiosk.journal import Journal
from kiosk.words import SignedIn
from support.whole_house import (
    CLERK,
    PINS,
    WholeHouse,
    copied,
    open_whole_house,
    property_folder,
)

__all__ = ["property_folder"]
# What a poisoned part quotes when it raises: no screen and no journal may show it.
SECRET = "Jonas Weber 4711"


def _poison(*_: Any) -> Any:
    raise KeyError(SECRET)


def _replaced(poisoned: Engine) -> Sequence[Engine]:
    return [poisoned if engine.name == poisoned.name else engine for engine in ENGINES]


def _with_poisoned_model() -> Engine:
    model = HOUSEKEEPING.projection
    assert model is not None
    return replace(HOUSEKEEPING, projection=replace(model, on={**model.on, CheckedOut: _poison}))


POISONED = {
    "inline read model": _with_poisoned_model(),
    "inline reaction": replace(
        HOUSEKEEPING, inline=[*HOUSEKEEPING.inline, InlineReaction(event=CheckedOut, react=_poison)]
    ),
    "rule behind its reaction": replace(
        HOUSEKEEPING,
        handlings=[
            replace(each, decide=_poison) if each.command is SetRoomStatus else each
            for each in HOUSEKEEPING.handlings
        ],
    ),
}
FOLLOWING = {
    "reaction": replace(
        HOUSEKEEPING, reactions=[Reaction(name="poisoned", on={CheckedIn: _poison})]
    ),
    "view": replace(
        HOUSEKEEPING,
        views=[
            Projection(
                name="poisoned",
                ddl=["CREATE TABLE IF NOT EXISTS poisoned_seen (position INTEGER PRIMARY KEY)"],
                tables=["poisoned_seen"],
                on={CheckedIn: _poison},
            )
        ],
    ),
}


@asynccontextmanager
async def _house(
    property_folder: Path, folder: Path, engines: Sequence[Engine]
) -> AsyncGenerator[WholeHouse, None]:
    async with open_whole_house(copied(property_folder, folder), folder, engines=engines) as house:
        yield house


async def _ask(house: WholeHouse, command: Command) -> Any:
    asking = Asking(command=command, command_id=f"p{next(house.numbers)}", who=CLERK)
    return await house.box.asker.ask(asking)


async def _status_line(house: WholeHouse, folder: Path) -> str:
    """What the kiosk's own code writes in its last line, of what the box tells it over HTTP."""
    clock, journal = TerminalClock(), Journal(folder / "kiosk.jsonl")
    async with Client(house.url, "desk-1", clock=clock, journal=journal) as client:
        desk = Desk(client, clock)
        assert isinstance(await client.sign_in("ida", PINS["ida"]), SignedIn)
        await desk.look()
        return standing.status(desk)


async def _lives_a_day(house: WholeHouse) -> None:
    """Check-in, key, door, check-out: everything that is not housekeeping's."""
    stay_id = await house.checked_in()
    async with house.browser() as guest:
        await guest.sign_in()
        await guest.open_door()
        await guest.until_settled()
    assert house.unlocks() == 1
    await house.check_out(stay_id)
    assert await house.facts("stays.checked_out.v1") == 1


@pytest.mark.parametrize("part", POISONED)
async def test_an_engine_that_raises_at_a_check_out_stops_alone_and_the_kiosk_says_so(
    property_folder: Path, tmp_path: Path, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with _house(property_folder, tmp_path, _replaced(POISONED[part])) as house:
        await _lives_a_day(house)
        assert list(house.box.asker.deciding.faults) == ["housekeeping"]
        line = await _status_line(house, tmp_path)
        assert line.startswith("STOPPED: engine housekeeping"), line
        assert SECRET not in line
        # The next guest is served as the first was.
        await house.checked_in("Lima", given="Ana", code="B2B2B2B2B2", room="102")
    assert SECRET not in "".join(record.getMessage() for record in caplog.records)


async def test_what_was_missed_is_shown_after_a_restart_until_the_read_model_is_built_anew(
    property_folder: Path, tmp_path: Path
) -> None:
    settings = copied(property_folder, tmp_path)
    poisoned = _replaced(POISONED["inline read model"])
    async with open_whole_house(settings, tmp_path, engines=poisoned) as house:
        await house.check_out(await house.checked_in())
    # The release that is mended.
    async with open_whole_house(settings, tmp_path) as house:
        assert (await _status_line(house, tmp_path)).startswith("STOPPED: engine housekeeping")
        rebuilding = Rebuilding(ENGINES, settings.log_file, house.box.asker)
        assert "built" in await rebuilding.take({"name": "housekeeping"})
        assert "STOPPED" not in await _status_line(house, tmp_path)


async def test_a_rule_that_raises_answers_broken_to_its_own_commands_only(
    property_folder: Path, tmp_path: Path
) -> None:
    async with _house(
        property_folder, tmp_path, _replaced(POISONED["rule behind its reaction"])
    ) as house:
        answer = await _ask(house, SetRoomStatus(room_id="103", status=RoomStatus.DIRTY, reason=""))
        assert isinstance(answer, Refused)
        assert (answer.engine, answer.code) == ("housekeeping", "broken")
        await _lives_a_day(house)


@pytest.mark.parametrize("part", FOLLOWING)
async def test_a_follower_that_raises_stands_still_alone_and_the_kiosk_says_so(
    property_folder: Path, tmp_path: Path, part: str
) -> None:
    async with _house(property_folder, tmp_path, _replaced(FOLLOWING[part])) as house:
        await _lives_a_day(house)
        [still] = [name for name in house.box.followers.all if "poisoned" in name]
        await house.box.followers.caught_up()
        quarantined = [
            one.name for one in house.box.followers.standings() if one.quarantined is not None
        ]
        assert quarantined == [still]
        line = await _status_line(house, tmp_path)
        assert line.startswith(f"STOPPED: {still}"), line
        assert SECRET not in line
