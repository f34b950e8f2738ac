"""Keys of tomorrow are at their locks today, and a lock that is silent is said a day before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, timedelta
from pathlib import Path

import pytest

from appliance.bus.words import Outcome
from appliance.engines.doors.messages import HolderKind
from appliance.engines.doors.queries import keys_at_risk, keys_of
from appliance.engines.doors.rounds import PAUSE_S, Rounds
from appliance.engines.inventory.messages import LockProtocol
from support import news
from support.doors_house import DoorsHouse, open_doors_house

MONDAY, WEDNESDAY = date(2026, 11, 2), date(2026, 11, 4)
MONDAY_15_S = 1_793_631_600


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[DoorsHouse, None]:
    """204 is lived in until Monday, when `ben` comes; somebody goes round."""
    async with open_doors_house(tmp_path) as opened:
        await opened.cut("stay-204")
        await opened.happen(news.booked("ben", MONDAY, WEDNESDAY))
        await opened.happen(news.room_assigned("ben", 204, MONDAY, WEDNESDAY))
        go_round(opened)
        yield opened


def go_round(house: DoorsHouse) -> None:
    rounds = Rounds(
        asker=house.asker,  # type: ignore[arg-type]  # the part of the port that is used
        reader=house.reader,
        clock=house.clock,
        fittings=house.gateway.fittings,
    )
    house.inside.mortal("rounds", rounds.run())


async def until(house: DoorsHouse, at_s: int) -> None:
    await house.clock.advance(at_s - house.clock.read().wall_s)


async def risks(house: DoorsHouse) -> list[tuple[str, str]]:
    return [(risk.stay_id, risk.why.value) for risk in await keys_at_risk(house.reader)]


async def test_the_guests_pin_is_at_the_lock_days_before_and_opens_nothing_before_its_time(
    house: DoorsHouse,
) -> None:
    await house.clock.advance(60)
    [key] = await keys_of(house.reader, HolderKind.STAY, "ben")
    assert (key.pin_at_lock, key.ahead) == (True, True)
    pin = house.gateway.locksmith.pin(key.facts)
    # From here on the box may be dead: the lock knows what to do.
    await house.crash()
    for at_s, outcome in ((MONDAY_15_S - 300, Outcome.REFUSED), (MONDAY_15_S + 300, Outcome.DONE)):
        await until(house, at_s)
        reply = house.twin.lock("lock-204").try_pin(pin, house.clock.read())
        assert reply.answer is not None
        assert reply.answer.outcome is outcome


async def test_a_keypad_without_a_clock_gets_tomorrows_pin_when_it_opens_and_not_before(
    tmp_path: Path,
) -> None:
    """A Zigbee lock opens for whatever lies in it: the guest in house must be alone in there."""
    async with open_doors_house(tmp_path) as house:
        await house.happen(news.door_fitted(204, "lock-204", LockProtocol.ZIGBEE))
        await house.cut("stay-204")
        await house.happen(news.booked("ben", MONDAY, WEDNESDAY))
        await house.happen(news.room_assigned("ben", 204, MONDAY, WEDNESDAY))
        go_round(house)
        await house.clock.advance(60)
        [key] = await keys_of(house.reader, HolderKind.STAY, "ben")
        assert key.ahead
        slots = house.twin.lock("lock-204")._flash.section("pin")
        assert str(key.facts.slot) not in slots
        await until(house, MONDAY_15_S - 60)
        await house.restart()
        go_round(house)
        assert str(key.facts.slot) not in slots
        await until(house, MONDAY_15_S + 60)
        assert str(key.facts.slot) in slots


@pytest.mark.parametrize("dead", [False, True])
async def test_a_keypad_without_a_clock_forgets_the_guest_before_also_if_nobody_checks_out(
    tmp_path: Path, *, dead: bool
) -> None:
    async with open_doors_house(tmp_path) as house:
        await house.happen(news.door_fitted(204, "lock-204", LockProtocol.ZIGBEE))
        await house.cut("stay-204")
        await house.clock.settle()
        [key] = await keys_of(house.reader, HolderKind.STAY, "stay-204")
        slots = house.twin.lock("lock-204")._flash.section("pin")
        assert str(key.facts.slot) in slots
        if dead:
            await house.crash()
        await until(house, key.facts.valid_until_s + 120)
        if dead:
            await house.boot()
            await house.clock.advance(120)
        assert str(key.facts.slot) not in slots
        # The late check-out changes nothing any more.
        await house.happen(news.checked_out("stay-204", 204))
        await house.clock.advance(120)
        assert house.gateway.deliveries.doors_served == 0


async def test_an_unsure_clock_takes_no_pin_away_and_a_sure_one_does(tmp_path: Path) -> None:
    async with open_doors_house(tmp_path) as house:
        await house.happen(news.door_fitted(204, "lock-204", LockProtocol.ZIGBEE))
        await house.cut("stay-204")
        await house.clock.settle()
        [key] = await keys_of(house.reader, HolderKind.STAY, "stay-204")
        slots = house.twin.lock("lock-204")._flash.section("pin")
        house.clock.uncertainty_ms = 86_400_000
        await until(house, key.facts.valid_until_s + 3_600)
        assert str(key.facts.slot) in slots
        house.clock.uncertainty_ms = 0
        await house.clock.advance(180)
        assert str(key.facts.slot) not in slots


async def test_a_lock_that_is_silent_is_said_a_day_before_and_cured_when_it_is_back(
    house: DoorsHouse,
) -> None:
    device = house.twin.devices["lock-204"]
    await house.happen(news.room_unassigned("ben", 204))
    await house.clock.advance(60)
    await device.unplug()
    await house.happen(news.room_assigned("ben", 204, MONDAY, WEDNESDAY))
    await until(house, MONDAY_15_S - 24 * 3_600 - 60)
    assert await risks(house) == []
    await house.clock.advance(PAUSE_S + 120)
    assert await risks(house) == [("ben", "silent")]
    await device.plug_in()
    await house.clock.advance(PAUSE_S)
    assert await risks(house) == []


async def test_an_alert_ends_with_what_it_was_about(house: DoorsHouse) -> None:
    await house.twin.devices["lock-204"].unplug()
    await house.happen(news.room_unassigned("ben", 204))
    await house.happen(news.room_assigned("ben", 204, MONDAY, WEDNESDAY))
    await until(house, MONDAY_15_S - 3_600)
    assert await risks(house) == [("ben", "silent")]
    await house.happen(news.cancelled("ben"))
    await house.clock.advance(PAUSE_S)
    assert await risks(house) == []


async def test_a_guest_whose_key_cannot_be_prepared_is_an_alert(house: DoorsHouse) -> None:
    stays_on = MONDAY + timedelta(days=9)
    await house.happen(news.departure_changed("stay-204", 204, stays_on))
    await until(house, MONDAY_15_S - 3_600)
    assert await risks(house) == [("ben", "no_key")]


async def test_a_restart_prepares_nothing_twice(house: DoorsHouse) -> None:
    for _ in range(3):
        await house.clock.advance(PAUSE_S * 2)
        await house.restart()
        go_round(house)
    await house.clock.advance(PAUSE_S * 2)
    assert len(await keys_of(house.reader, HolderKind.STAY, "ben")) == 1
    asked = house.desk.rows("SELECT count(*) FROM answered WHERE command_id LIKE 'ahead:%'")
    assert asked == [(1,)]


async def test_a_key_of_four_hours_is_made_good_when_the_clock_is_sure(house: DoorsHouse) -> None:
    house.clock.uncertainty_ms = 10**12
    await house.cut("stay-205", 205)
    [key] = await keys_of(house.reader, HolderKind.STAY, "stay-205")
    assert key.clock_unsure
    pin = house.gateway.locksmith.pin(key.facts)
    await house.clock.advance(5 * 3_600)
    assert len(await keys_of(house.reader, HolderKind.STAY, "stay-205")) == 1
    house.clock.uncertainty_ms = 0
    await house.clock.advance(2 * PAUSE_S)
    newest, *_ = await keys_of(house.reader, HolderKind.STAY, "stay-205")
    assert not newest.clock_unsure
    assert newest.live(house.clock.read().wall_s)
    assert newest.facts.valid_until_s > house.clock.read().wall_s + 24 * 3_600
    assert house.gateway.locksmith.pin(newest.facts) == pin
    count = len(await keys_of(house.reader, HolderKind.STAY, "stay-205"))
    await house.clock.advance(3 * PAUSE_S)
    assert len(await keys_of(house.reader, HolderKind.STAY, "stay-205")) == count
