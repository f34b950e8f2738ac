"""A guest's own door without a script: the button, the PIN, what is known; nobody else's door."""

from __future__ import annotations

import html
import re

import pytest

from support.tunnel_lock import GuestPhone, fit
from support.whole_house import Browser, WholeHouse
from unit.appliance.web.test_pages import check_basics


async def at_their_door(house: WholeHouse, browser: Browser) -> str:
    """Jonas Weber in 101 looks at his door; its id."""
    await house.checked_in()
    await browser.sign_in()
    door_id = await house.door_of("101")
    assert f"/my/doors/{door_id}" in browser.text, "the stay's page leads to it"
    await browser.get(f"/my/doors/{door_id}")
    assert browser.status == 200
    return door_id


@pytest.mark.parametrize("language", ["en", "de"])
async def test_the_door_page_is_for_everybody(house: WholeHouse, language: str) -> None:
    await fit(house)
    async with house.browser(language) as browser:
        await at_their_door(house, browser)
        check_basics(browser.text, language)
        assert 'id="phone" hidden' in browser.text, "without a script nothing of it is seen"


async def test_the_button_of_the_door_page_opens_the_door_once(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await at_their_door(house, browser)
        page = browser.text
        for _ in range(2):
            browser.text = page
            await browser.open_door()
            await browser.until_settled()
        assert "The door is open" in browser.text
        shown = ("The lock said so itself.", "The lock's own record says so.")
        assert any(sentence in html.unescape(browser.text) for sentence in shown)
        assert re.search(r"The lock last spoke \d+ s ago", browser.text)
        assert house.unlocks() == 1


async def test_a_pin_is_shown_on_demand_and_the_look_is_a_fact(house: WholeHouse) -> None:
    async with house.browser() as browser:
        door_id = await at_their_door(house, browser)
        assert not re.search(r'class="pin"', browser.text)
        form = {"id": browser.hidden("id", 1)}
        await browser.post(f"/my/doors/{door_id}/pin", form)
        found = re.search(r'class="pin" role="status">(\d{6})<', browser.text)
        assert found is not None
        check_basics(browser.text, "en")
        await browser.post(f"/my/doors/{door_id}/pin", form)
        assert found[1] in browser.text
        assert await house.facts("doors.pin_shown.v1") == 1
        async with browser.session.post(f"{house.url}/my/doors/{door_id}/pin", data=form) as said:
            assert said.headers["Cache-Control"] == "no-store"
        await browser.get(f"/my/doors/{door_id}")
        assert found[1] not in browser.text


async def test_a_guest_takes_a_lost_phones_key_away(house: WholeHouse) -> None:
    await fit(house)
    async with house.browser() as browser:
        door_id = await at_their_door(house, browser)
        key = await GuestPhone(browser).enrol()
        assert key["doorId"] == door_id
        await browser.get(f"/my/doors/{door_id}")
        assert "Phones with a key of their own: 1" in browser.text
        check_basics(browser.text, "en")
        form = {"id": browser.hidden("id", 2), "phone": browser.hidden("phone")}
        await browser.post(f"/my/doors/{door_id}/forget", form)
        assert (browser.status, browser.at) == (200, f"/my/doors/{door_id}")
        assert "Phones with a key" not in browser.text
        await browser.post(f"/my/doors/{door_id}/forget", {"phone": "phone-nobody"})
        assert "This phone is not enrolled." in browser.text
        assert await house.facts("doors.phone_removed.v1") == 1


async def test_another_guests_door_is_not_there(house: WholeHouse) -> None:
    await house.checked_in("Silva", room="102", code="P7Q2M9X4TB")
    theirs = await house.door_of("102")
    async with house.browser() as browser:
        await at_their_door(house, browser)
        for path in (theirs, "no-such-door", "%00", "x" * 500, "..%2f..%2fetc"):
            await browser.get(f"/my/doors/{path}")
            assert browser.status in {400, 404}, path
            await browser.post(f"/my/doors/{path}/pin", {"id": "a" * 20})
            assert browser.status in {400, 404}, path
        assert await house.facts("doors.pin_shown.v1") == 0


async def test_a_session_that_ended_shows_the_sign_in_page_and_no_pin(house: WholeHouse) -> None:
    async with house.browser() as browser:
        door_id = await at_their_door(house, browser)
        async with house.browser() as stranger:
            await stranger.get(f"/my/doors/{door_id}")
            assert stranger.at == "/sign-in"
            await stranger.post(f"/my/doors/{door_id}/pin", {"id": "a" * 20})
            assert stranger.at == "/sign-in"
        await browser.post("/sign-out", {})
        await browser.get(f"/my/doors/{door_id}")
        assert browser.at == "/sign-in"
        assert await house.facts("doors.pin_shown.v1") == 0


async def test_a_pin_is_not_shown_to_a_form_of_another_site_or_another_kind(
    house: WholeHouse,
) -> None:
    async with house.browser() as browser:
        door_id = await at_their_door(house, browser)
        url = f"/my/doors/{door_id}/pin"
        async with browser.session.post(house.url + url, json={"id": "a" * 20}) as answer:
            assert answer.status == 400
        async with browser.session.post(house.url + url, data=b"x" * 100_000) as answer:
            assert answer.status in {400, 413}
        await browser.post(url, {"id": "a" * 20}, headers={"Origin": "https://evil.example"})
        assert not re.search(r'class="pin"', browser.text)
        assert await house.facts("doors.pin_shown.v1") == 0


async def test_after_check_out_the_door_page_is_gone(house: WholeHouse) -> None:
    async with house.browser() as browser:
        stay_id = await house.checked_in()
        await browser.sign_in()
        door_id = await house.door_of("101")
        await house.check_out(stay_id)
        await browser.get(f"/my/doors/{door_id}")
        assert browser.status in {401, 404}
        assert "Open Room 101" not in browser.text
