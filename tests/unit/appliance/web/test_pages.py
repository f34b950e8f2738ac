"""What a guest without JavaScript can do, and what every page promises."""

from __future__ import annotations

import re

from support.whole_house import WholeHouse


async def test_a_guest_signs_in_and_opens_their_door(house: WholeHouse) -> None:
    await house.checked_in()
    async with house.browser() as browser:
        await browser.sign_in()
        assert (browser.status, browser.at) == (200, "/stay")
        assert "Hello Jonas Weber" in browser.text
        await browser.open_door()
        assert re.match(r"/door/\w+", browser.at)
        await browser.until_settled()
        assert "The door is open" in browser.text
    assert house.unlocks() == 1
