"""A guest's press all the way: page, box, bus, the real Bluetooth driver, the air, the lock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.bus.words import EventKind
from appliance.engines.doors.queries import access_log
from support.ble_at_home import BleDoor, ble_door
from support.tunnel_lock import GuestPhone
from support.whole_house import Browser, WholeHouse, copied, open_whole_house, property_folder

__all__ = ["property_folder"]


@dataclass
class Scene:
    """Jonas Weber in 101 with a phone; a real driver hears the lock."""

    house: WholeHouse
    door: BleDoor
    browser: Browser
    phone: GuestPhone


@pytest.fixture
async def scene(property_folder: Path, tmp_path: Path) -> AsyncGenerator[Scene, None]:
    settings = copied(property_folder, tmp_path)
    async with (
        open_whole_house(settings, tmp_path, plugged_in=False) as house,
        ble_door(house, tmp_path) as door,
        house.browser() as browser,
    ):
        await house.checked_in()
        await browser.sign_in()
        yield Scene(house, door, browser, GuestPhone(browser))


async def test_a_phones_own_key_opens_through_the_box_and_its_radio(scene: Scene) -> None:
    key = await scene.phone.enrol()
    verdict = await scene.phone.open(key)
    assert verdict.done
    assert scene.door.served == 1
    # The same press once more: the lock knows it.
    assert (await scene.phone.open(key)).repeated
    assert scene.door.served == 1


async def test_the_box_presses_the_same_door_for_its_guest(scene: Scene) -> None:
    await scene.browser.get("/stay")
    await scene.browser.open_door()
    await scene.browser.until_settled()
    assert "The door is open" in scene.browser.text
    assert scene.door.served == 1


async def test_a_door_that_only_a_phone_opens_is_in_the_boxs_access_log_once(
    scene: Scene,
) -> None:
    key = await scene.phone.enrol()
    assert (await scene.phone.open(key)).done
    box = scene.house.box
    for _ in range(2):
        # Six hours later, twice: this house runs in real time.
        box.doors.errands._turns.clear()
        await box.doors.errands.go_round()
        await scene.house.hub.quiet()
    lines = await access_log(box.reader, door_id=key["doorId"])
    opened = [line for line in lines if line.event is EventKind.UNLOCKED]
    assert [(line.holder_id is not None, line.order_id) for line in opened] == [(True, None)]
    row = await box.reader.row("SELECT count(*) FROM doors_opening")
    assert row == (0,), "nobody has pressed from the box"
