"""The code for a PMS: the stay's own door, as it is by now, and the log says that it was told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.bus.words import Outcome
from appliance.door_codes import DoorCodes
from appliance.engines.doors.credentials import Locksmith
from appliance.engines.doors.messages import KeyReason
from support import news
from support.doors_house import DoorsHouse, open_doors_house
from support.lock_bench import ISSUER

WORD = {"stay_id": "stay-204"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    async with open_doors_house(tmp_path) as opened:
        yield opened


def codes(house: DoorsHouse) -> DoorCodes:
    return DoorCodes(
        asker=house.asker,  # type: ignore[arg-type]  # the part of the port that is used
        reader=house.reader,
        locksmith=Locksmith(vault=house.desk.vault, issuer=ISSUER),
        clock=house.clock,
    )


async def told(house: DoorsHouse) -> dict[str, Any]:
    code = await codes(house).take(WORD)
    assert code is not None
    return code


def shown(house: DoorsHouse) -> int:
    return house.desk.events().count("doors.pin_shown.v1")


async def test_the_code_is_the_one_that_opens_the_door(house: DoorsHouse) -> None:
    cut = await house.cut("stay-204")
    code = await told(house)
    await house.clock.settle()
    assert (code["room_id"], code["generation"]) == ("room-204", cut["generation"])
    assert code["valid_until_s"] == cut["valid_until_s"]
    reply = house.twin.lock("lock-204").try_pin(code["digits"], house.clock.read())
    assert reply.answer is not None
    assert reply.answer.outcome is Outcome.DONE


async def test_that_it_was_told_stands_in_the_log_once_and_the_digits_nowhere(
    house: DoorsHouse,
) -> None:
    await house.cut("stay-204")
    first, again = await told(house), await told(house)
    assert first == again
    assert shown(house) == 1
    bodies = " ".join(str(row) for row in house.desk.rows("SELECT body, who FROM event"))
    assert first["digits"] not in bodies
    assert '"sync"' in bodies


async def test_a_stay_without_a_key_or_unknown_has_no_code(house: DoorsHouse) -> None:
    await house.cut("stay-205", 205)
    assert await codes(house).take(WORD) is None
    assert await codes(house).take({"stay_id": "nobody"}) is None
    assert shown(house) == 0


async def test_a_lost_key_has_another_code_and_a_departed_guest_has_none(
    house: DoorsHouse,
) -> None:
    await house.cut("stay-204")
    before = await told(house)
    await house.cut("stay-204", reason=KeyReason.LOST)
    after = await told(house)
    assert after["generation"] > before["generation"]
    assert after["digits"] != before["digits"]
    await house.happen(news.checked_out("stay-204", 204))
    assert await codes(house).take(WORD) is None


async def test_another_person_of_the_stay_does_not_change_what_the_pms_is_told(
    house: DoorsHouse,
) -> None:
    await house.cut("stay-204")
    before = await told(house)
    await house.cut("stay-204", reason=KeyReason.JOINER)
    assert await told(house) == before


async def test_a_key_that_is_over_has_no_code(house: DoorsHouse) -> None:
    await house.cut("stay-204")
    await house.clock.advance(5 * 86_400)
    assert await codes(house).take(WORD) is None


async def test_a_request_of_another_form_is_refused(house: DoorsHouse) -> None:
    with pytest.raises(msgspec.ValidationError):
        await codes(house).take({"stay": 1})
