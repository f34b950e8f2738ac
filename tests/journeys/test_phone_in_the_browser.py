"""The real page of the real box in Chromium opens the reference lock, by Bluetooth and through the box."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import Browser, Page, expect

from appliance.engines.doors.messages import CutKey, HolderKind, KeyReason, RevokeKeys
from support.chromium import EmulatedLock, chromium, phone
from support.tunnel_lock import GuestPhone, TunnelLock, fit
from support.whole_house import WholeHouse, copied, open_whole_house, property_folder
from twin.flash import Flash
from twin.journal import Journal
from twin.line import Cut, Line
from twin.npk_lock import NpkLock

__all__ = ["property_folder"]
pytestmark = pytest.mark.asyncio(loop_scope="module")
BLUETOOTH = re.compile("by Bluetooth")
TUNNEL = re.compile("over the house")
BOX = re.compile("without the phone")
UNLOCKED = "Room 101 is unlocked. Please go in; it locks again by itself."
ONCE = "Room 101 was unlocked by this press already. It was not moved a second time."
UNKNOWN = re.compile("We do not know whether Room 101 opened. Try the handle first.")
# An iPhone's browser: everything but Web Bluetooth.
IPHONE = "delete Navigator.prototype.bluetooth;"


@dataclass
class Scene:
    """Jonas Weber in 101 with Chromium on his phone, and the lock of 101 near by."""

    house: WholeHouse
    page: Page
    door: TunnelLock
    near: EmulatedLock
    door_id: str
    stay_id: str
    trouble: list[str]
    base: str
    line: Line

    @property
    def opened(self) -> int:
        return self.door.opened

    async def open_page(self) -> None:
        """The door's page, with this phone's key in it."""
        await self.page.goto(f"{self.base}/my/doors/{self.door_id}")
        await expect(self.page.get_by_text("This phone has its own key")).to_be_visible()

    async def tap(self, way: re.Pattern[str], says: str | re.Pattern[str]) -> None:
        """One way, and what the page says in the end."""
        await self.page.get_by_role("button", name=way).click()
        await expect(self.page.locator("#phone .said")).to_have_text(says)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncGenerator[Browser, None]:
    """One Chromium for all; each test has a phone of its own in it."""
    async with chromium("--host-resolver-rules=MAP box.test 127.0.0.1") as opened:
        yield opened


@asynccontextmanager
async def open_scene(
    house: WholeHouse, browser: Browser, *, script: str = "", host: str = "127.0.0.1"
) -> AsyncGenerator[Scene, None]:
    """The guest checked in and signed in; the lock of 101 is in reach of phone and box."""
    async with phone(browser) as context:
        stay_id = await house.checked_in()
        door = await fit(house)
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        trouble: list[str] = []
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
        near = EmulatedLock(page, door.lock, door.lock.core.door_number)
        if not script and host == "127.0.0.1":
            await near.start()
        line = Line(house.journal, house.box.clock, house.nursery)
        port = line.add("wi-fi", "127.0.0.1", int(house.url.rpartition(":")[2]))
        base = f"http://{host}:{port}"
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("Room number").fill("101")
        await page.get_by_label("Surname", exact=True).fill("Weber")
        await page.get_by_role("button", name="Sign in").first.click()
        await page.wait_for_url("**/stay")
        door_id = await house.door_of("101")
        try:
            yield Scene(house, page, door, near, door_id, stay_id, trouble, base, line)
        finally:
            line.close()
            await near.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def house(property_folder: Path, tmp_path: Path) -> AsyncGenerator[WholeHouse, None]:
    async with open_whole_house(copied(property_folder, tmp_path), tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def scene(house: WholeHouse, browser: Browser) -> AsyncGenerator[Scene, None]:
    async with open_scene(house, browser) as opened:
        yield opened


async def test_the_page_opens_the_lock_by_bluetooth_and_through_the_box(scene: Scene) -> None:
    await scene.open_page()
    await scene.tap(BLUETOOTH, UNLOCKED)
    assert (scene.opened, len(scene.door.heard)) == (1, 0)
    await scene.tap(TUNNEL, UNLOCKED)
    assert scene.door.heard, "the second press went through the box"
    # An impatient finger: one session, one press.
    await scene.page.get_by_role("button", name=BLUETOOTH).dblclick()
    await expect(scene.page.locator("#phone .said")).to_have_text(UNLOCKED)
    # And somebody who uses the keyboard, whose focus stays where it was.
    await scene.page.get_by_role("button", name=BLUETOOTH).focus()
    await scene.page.keyboard.press("Enter")
    await expect(scene.page.locator("#phone")).not_to_have_attribute("aria-busy", "true")
    await expect(scene.page.get_by_role("button", name=BLUETOOTH)).to_be_focused()
    assert scene.door.served == 4
    assert scene.trouble == []


async def test_the_phones_key_cannot_leave_the_phone(scene: Scene) -> None:
    await scene.open_page()
    said = await scene.page.evaluate(
        """async (holder) => {
          const { phoneOf } = await import("/static/phone-key.js");
          const { pair } = await phoneOf(holder);
          const left = await crypto.subtle.exportKey("jwk", pair.privateKey)
            .then(() => "exported", (error) => error.name);
          return [pair.privateKey.extractable, left];
        }""",
        scene.stay_id,
    )
    assert said == [False, "InvalidAccessError"]
    # And it is the one that was enrolled: the same after a reload, one phone in all.
    await scene.open_page()
    assert await scene.house.facts("doors.phone_enrolled.v1") == 1


async def test_an_answer_that_is_lost_is_unknown_and_pressing_again_moves_nothing_twice(
    scene: Scene,
) -> None:
    await scene.open_page()
    scene.near.lose_after = 1  # the lock hears M3 and opens; M4 never arrives
    await scene.tap(BLUETOOTH, UNKNOWN)
    assert scene.opened == 1
    # By the other way, and after a reload: it is the same press, and the lock says so.
    await scene.open_page()
    await scene.tap(TUNNEL, ONCE)
    assert scene.opened == 1


async def test_a_link_that_breaks_before_the_lock_was_asked_says_that_nothing_moved(
    scene: Scene,
) -> None:
    await scene.open_page()
    scene.near.lose_after = 0
    await scene.tap(BLUETOOTH, re.compile("Nothing moved. Please try again."))
    assert scene.opened == 0
    await scene.tap(BLUETOOTH, UNLOCKED)


async def test_a_guest_who_is_refused_sees_why(scene: Scene) -> None:
    await scene.open_page()
    core = scene.door.lock.core
    core.set_privacy(on=True)
    await scene.tap(BLUETOOTH, "Room 101 stays locked. It is locked from inside.")
    await scene.tap(TUNNEL, "Room 101 stays locked. It is locked from inside.")
    core.set_privacy(on=False)
    await superseded(scene)
    await scene.tap(TUNNEL, "Room 101 stays locked. A newer key is in use for this room.")
    # The box took the key back while the page stood open: no frame leaves.
    await scene.house.done(
        RevokeKeys(holder_kind=HolderKind.STAY, holder_id=scene.stay_id, door_id=None, reason="x")
    )
    before = len(scene.door.heard)
    await scene.tap(TUNNEL, "There is no key for this door. Please ask the front desk.")
    assert len(scene.door.heard) == before
    assert scene.trouble == []


async def superseded(scene: Scene) -> None:
    """Somebody with a newer key opens the door with another phone."""
    async with scene.house.browser() as browser:
        await browser.sign_in()
        other = GuestPhone(browser)
        await other.enrol()
        cut = CutKey(
            holder_kind=HolderKind.STAY,
            holder_id=scene.stay_id,
            door_id=scene.door_id,
            reason=KeyReason.LOST,
        )
        await scene.house.done(cut)
        assert (await other.open(await other.enrol())).done


async def test_a_lock_that_lost_its_clock_is_told_the_time_by_the_guests_phone(
    scene: Scene,
) -> None:
    await scene.open_page()
    scene.door.lock.lose_clock()
    scene.line.cut(Cut.REFUSED)
    await scene.tap(BLUETOOTH, "Room 101 stays locked. Its clock is not set.")
    scene.line.heal()
    await scene.tap(BLUETOOTH, UNLOCKED)
    scene.door.lock.lose_clock()
    await scene.tap(TUNNEL, UNLOCKED)


async def test_a_lock_with_another_tag_is_found_at_the_second_try(scene: Scene) -> None:
    await scene.open_page()
    await scene.page.evaluate(
        """async () => {
          const ask = navigator.bluetooth.requestDevice.bind(navigator.bluetooth);
          navigator.bluetooth.requestDevice = (wish) => wish.filters[0].manufacturerData
            ? Promise.reject(new DOMException("none", "NotFoundError")) : ask(wish);
        }"""
    )
    await scene.tap(BLUETOOTH, re.compile("The lock was not chosen"))
    await scene.tap(BLUETOOTH, UNLOCKED)


async def test_a_lock_that_is_not_the_one_is_told_nothing(scene: Scene) -> None:
    await scene.open_page()
    scene.near.number += 1
    await scene.tap(BLUETOOTH, re.compile("That is the lock of another door"))
    scene.near.number -= 1
    me = replace(scene.door.identity, key=ec.generate_private_key(ec.SECP256R1()))
    journal = Journal()
    scene.near.lock = NpkLock(me, flash=Flash(), journal=journal, clock=scene.house.box.clock)
    await scene.tap(BLUETOOTH, re.compile("What answered is not the lock of Room 101"))
    assert journal.count("bolt", to="unlocked") == 0


async def test_away_from_the_box_the_phone_still_opens_by_bluetooth(scene: Scene) -> None:
    await scene.open_page()
    scene.line.cut(Cut.REFUSED)
    await scene.tap(TUNNEL, re.compile("Your phone is not online in the house"))
    await scene.tap(BLUETOOTH, UNLOCKED)
    assert scene.opened == 1


async def test_the_page_is_there_without_the_box_and_opens_the_door(scene: Scene) -> None:
    await scene.open_page()
    await scene.page.evaluate(
        """async () => {
          const ready = async () => navigator.serviceWorker.controller !== null
            && await (await caches.open("door 1")).match(location.pathname) !== undefined;
          while (!await ready()) await new Promise((go) => { setTimeout(go, 10); });
        }"""
    )
    scene.line.cut(Cut.REFUSED)
    await scene.page.reload()
    await expect(scene.page.get_by_text("Your phone is not online in the house")).to_be_visible()
    await scene.tap(BLUETOOTH, UNLOCKED)
    assert scene.opened == 1
    # Signing out takes the key and the page out of the phone.
    scene.line.heal()
    await scene.page.reload()
    await scene.page.get_by_role("button", name="Sign out").click()
    await scene.page.wait_for_url("**/sign-in")
    left = await scene.page.evaluate(
        """async () => [await caches.keys(), (await indexedDB.databases()).length,
          (await navigator.serviceWorker.getRegistrations()).length]"""
    )
    assert left == [[], 0, 0]


async def test_a_browser_without_bluetooth_is_offered_the_way_through_the_box_first(
    house: WholeHouse, browser: Browser
) -> None:
    async with open_scene(house, browser, script=IPHONE) as scene:
        await scene.open_page()
        names = await scene.page.locator("#ways button").all_inner_texts()
        assert names == ["Open over the house's Wi-Fi", "Open without the phone's key"]
        await scene.tap(TUNNEL, UNLOCKED)


async def test_without_a_secure_connection_the_page_says_so_and_the_box_still_opens(
    property_folder: Path, tmp_path: Path, browser: Browser
) -> None:
    settings = copied(property_folder, tmp_path)
    async with (
        open_whole_house(
            settings,
            tmp_path,
            change=lambda ports: replace(
                ports,
                settings=ports.settings.model_copy(
                    update={"allowed_hosts": ["127.0.0.1", "box.test"]}
                ),
            ),
        ) as house,
        open_scene(house, browser, host="box.test") as scene,
    ):
        await scene.page.goto(f"{scene.base}/my/doors/{scene.door_id}")
        await expect(scene.page.get_by_text("not come over a secure connection")).to_be_visible()
        names = await scene.page.locator("#ways button").all_inner_texts()
        assert names == ["Open Room 101"]
        assert await house.facts("doors.phone_enrolled.v1") == 0
