"""What a guest without JavaScript can do, and what every page promises."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from appliance.bus.words import Outcome
from appliance.engines.doors.messages import SettleOpening
from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.stays.messages import AssignRoom, CancelStay, MoveRoom
from appliance.kernel.messages import Role, Who
from support.whole_house import CLERK, Browser, WholeHouse


class Basics(HTMLParser):
    """Collects what a screen reader needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.language: str | None = None
        self.fields: list[dict[str, str | None]] = []
        self.labels: set[str | None] = set()
        self.wrapped = 0
        self.inside_label = False
        self.landmarks: set[str] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "html":
            self.language = found.get("lang")
        elif tag in {"main", "header", "footer"}:
            self.landmarks.add(tag)
        elif tag == "label":
            self.inside_label = True
            self.labels.add(found.get("for"))
        elif tag in {"input", "select", "textarea"} and found.get("type") != "hidden":
            if not self.inside_label:
                self.fields.append(found)
        elif tag == "script":
            self.scripts.append(found)
        elif tag == "h1":
            self.headings += 1
        assert not any(name.startswith("on") for name in found), f"inline script in <{tag}>"
        assert "style" not in found, f"inline style in <{tag}>"

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self.inside_label = False


def check_basics(text: str, language: str) -> None:
    basics = Basics(text)
    assert basics.language == language
    assert basics.landmarks == {"main", "header", "footer"}
    assert basics.headings == 1
    assert all(field.get("id") in basics.labels for field in basics.fields), basics.fields
    assert all((script.get("src") or "").startswith("/static/") for script in basics.scripts)
    assert not re.search(r'(?:href|src|action)="(?:https?:)?//', text), "a foreign address"
    assert "page." not in re.sub(r"<[^>]*>", "", text), "a text without a sentence"


async def guest_of(house: WholeHouse, browser: Browser) -> str:
    stay_id = await house.checked_in()
    await browser.sign_in()
    assert browser.at == "/stay", browser.text
    return stay_id


async def test_a_guest_signs_in_and_opens_their_door(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        assert "Hello Jonas Weber" in browser.text
        await browser.open_door()
        assert re.match(r"/door/\w+", browser.at)
        await browser.until_settled()
        assert "The door is open" in browser.text
    assert house.unlocks() == 1


async def test_a_double_tap_and_a_reload_open_once(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        form = {"id": browser.hidden("id"), "door": browser.hidden("door")}
        await asyncio.gather(*(browser.post("/door", form) for _ in range(4)))
        await browser.until_settled()
        await browser.post("/door", form)
        assert browser.at.startswith("/door/")
        assert "The door is open" in browser.text
    assert await house.facts("doors.open_asked.v1") == 1
    assert house.unlocks() == 1


async def test_an_unknown_end_says_what_to_do_and_is_never_called_open(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        await house.lock_of("101").unplug()
        await browser.open_door()
        assert 'http-equiv="refresh"' in browser.text
        assert "Please wait a moment" in browser.text
        silence = SettleOpening(
            opening_id=browser.at.rpartition("/")[2],
            door_id=await house.door_of("101"),
            outcome=Outcome.UNKNOWN,
            evidence="deadline",
        )
        await house.done(silence, Who(actor="box", role=Role.SERVICE))
        await browser.get(browser.at)
        assert "We do not know yet" in browser.text
        assert "Try the handle" in browser.text
        assert "The door is open" not in browser.text
        check_basics(browser.text, "en")


async def test_a_lock_that_cannot_be_reached_says_that_nothing_moved(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        await house.box.bus.cut()  # type: ignore[attr-defined]
        await browser.open_door()
        await browser.until_settled()
        assert "We could not reach the lock" in browser.text
        assert "front desk opens for you" in browser.text
    assert house.unlocks() == 0


async def test_a_guest_cannot_open_or_see_another_guests_door(house: WholeHouse) -> None:
    other = await house.checked_in("Kahn", room="102", code="AAAAABBBBB")
    async with house.browser() as browser, house.browser() as theirs:
        await guest_of(house, browser)
        await theirs.sign_in("102", "Kahn")
        await theirs.open_door()
        await theirs.until_settled()
        moved = house.unlocks()
        form = {"id": "a" * 32, "door": await house.door_of("102")}
        await browser.post("/door", form)
        assert 'role="alert"' in browser.text
        assert other not in browser.text
        assert "Kahn" not in browser.text
        await browser.get(theirs.at)
        assert browser.status == 404
        assert "There is nothing here" in browser.text
        assert house.unlocks() == moved


async def test_an_id_of_another_guest_reveals_nothing(house: WholeHouse) -> None:
    await house.checked_in("Kahn", room="102", code="AAAAABBBBB")
    async with house.browser() as browser, house.browser() as theirs:
        await guest_of(house, browser)
        await theirs.sign_in("102", "Kahn")
        form = {"id": browser.hidden("id"), "door": browser.hidden("door")}
        await browser.post("/door", form)
        mine = browser.at
        await browser.until_settled()
        await theirs.post("/door", {**form, "door": theirs.hidden("door")})
        assert theirs.at != mine
    assert await house.facts("doors.open_asked.v1") == 2


@pytest.mark.parametrize(
    ("room", "surname"),
    [("101", "Nobody"), ("999", "Weber"), ("104", "Weber"), ("", ""), ("1'", "x")],
)
async def test_every_wrong_sign_in_reads_the_same(
    house: WholeHouse, room: str, surname: str
) -> None:
    await house.checked_in()
    async with house.browser() as browser:
        await browser.sign_in(room, surname)
        assert browser.status == 401
        assert "We could not find a stay with these details" in browser.text
        assert "Jonas" not in browser.text


async def test_a_name_is_forgiven_its_case_and_accents_and_a_code_its_dashes(
    house: WholeHouse,
) -> None:
    await house.checked_in("García-López", room="103")
    async with house.browser() as browser:
        await browser.sign_in("103", "garcia lopez")
        assert browser.at == "/stay"
    async with house.browser() as browser:
        await browser.post("/sign-in", {"code": "k7q2m-9x4tb"})
        assert browser.at == "/stay"


async def test_guessing_is_slowed_down_and_says_how_long(house: WholeHouse) -> None:
    await house.checked_in()
    async with house.browser() as browser:
        for number in range(20):
            await browser.sign_in("101", f"guess{'x' * number}")
            if browser.status == 429:
                break
        assert browser.status == 429
        assert "Please wait" in browser.text


async def test_a_link_is_not_used_up_by_looking_at_it_and_works_once(house: WholeHouse) -> None:
    stay_id = await house.checked_in()
    url = await house.ports.guest_link(stay_id)
    assert url is not None
    path = "/k/" + url.rpartition("/k/")[2]
    async with house.browser() as preview, house.browser() as browser, house.browser() as late:
        for _ in range(3):
            await preview.get(path)
            assert "Open my stay" in preview.text
        await browser.post(path, {})
        assert browser.at == "/stay"
        await late.post(path, {})
        assert late.status == 401
        assert "This link is used or too old" in late.text
        await late.post("/k/nonsense", {})
        assert late.status == 401


async def test_a_room_that_is_not_ready_is_said_kindly(house: WholeHouse) -> None:
    stay_id = await house.booked()
    async with house.browser() as browser:
        await browser.post("/sign-in", {"code": "K7Q2M9X4TB"})
        assert "Your room is being chosen" in browser.text
        await house.done(SetRoomStatus(room_id="101", status=RoomStatus.DIRTY))
        await house.done(AssignRoom(stay_id=stay_id, room_id="101"))
        await browser.get("/stay")
        assert "Your room is almost ready" in browser.text
        assert "Open Room" not in browser.text
        await house.done(SetRoomStatus(room_id="101", status=RoomStatus.CLEAN))
        await browser.get("/stay")
        assert "Please check in at the front desk" in browser.text


async def test_a_guest_of_tomorrow_is_not_let_in_yet(house: WholeHouse) -> None:
    await house.booked(arrival=await house.today() + timedelta(days=1))
    async with house.browser() as browser:
        await browser.post("/sign-in", {"code": "K7Q2M9X4TB"})
        assert browser.status == 401


async def test_whoever_left_reads_a_kind_goodbye_and_opens_nothing(house: WholeHouse) -> None:
    async with house.browser() as browser:
        stay_id = await guest_of(house, browser)
        form = {"id": browser.hidden("id"), "door": browser.hidden("door")}
        await house.check_out(stay_id)
        await browser.get("/stay")
        assert "Thank you for staying with us" in browser.text
        assert "Open Room" not in browser.text
        await browser.post("/door", form)
        assert 'role="alert"' in browser.text
    assert house.unlocks() == 0


async def test_a_cancelled_stay_ends_its_session_and_asks_to_sign_in_again(
    house: WholeHouse,
) -> None:
    stay_id = await house.booked()
    async with house.browser() as browser:
        await browser.post("/sign-in", {"code": "K7Q2M9X4TB"})
        await house.done(CancelStay(stay_id=stay_id, reason="asked"), CLERK)
        await browser.get("/stay")
        assert browser.status == 401
        assert "Your session has ended" in browser.text


async def test_a_moved_guest_stays_signed_in_and_has_the_new_door(house: WholeHouse) -> None:
    async with house.browser() as browser:
        stay_id = await guest_of(house, browser)
        await house.done(MoveRoom(stay_id=stay_id, room_id="104", reason="noise"))
        await browser.get("/stay")
        assert "Open Room 104" in browser.text
        assert "Open Room 101" not in browser.text


async def test_signing_out_ends_the_session_everywhere(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        cookies = {c.key: c.value for c in browser.session.cookie_jar}
        await browser.post("/sign-out", {})
        assert browser.at == "/sign-in"
        async with house.browser() as thief:
            await thief.get("/stay", cookies={"np_guest": cookies["np_guest"]})
            assert thief.status == 401


async def wishes(house: WholeHouse) -> int:
    """Wishes of guests; the house has its own at a check-in."""
    query = "SELECT count(*) FROM event WHERE kind = 'climate.asked.v1' AND who LIKE '%\"stay:%'"
    row = await house.box.reader.row(query)
    assert row is not None
    return int(row[0])


async def test_a_guest_sets_the_temperature_within_the_houses_limits(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        await browser.get("/climate")
        check_basics(browser.text, "en")
        form = {"id": browser.hidden("id"), "degrees": "22.5"}
        before = await wishes(house)
        await browser.post("/climate", form)
        assert browser.at == "/climate"
        await browser.post("/climate", form)
        assert await wishes(house) == before + 1
        for wrong in ("99", "warm", "-5", "21.55"):
            await browser.post("/climate", {"id": "", "degrees": wrong})
            assert "beyond what the house allows" in browser.text
    assert await wishes(house) == before + 1


async def test_a_request_is_taken_once_and_shows_its_status(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        await browser.get("/help")
        check_basics(browser.text, "en")
        form = {"id": browser.hidden("id"), "type": "towels", "words": "Two <b>more</b>"}
        await browser.post("/help", form)
        await browser.post("/help", form)
        assert "We have it" in browser.text
        assert "Two &lt;b&gt;more&lt;/b&gt;" in browser.text
        assert "Sent, not read yet" in browser.text
        await browser.post("/help", {"id": "", "type": "towels", "words": "4242 4242 4242 4242"})
        assert "looks like a card number" in browser.text
        await browser.post("/help", {"id": "", "type": "bribe", "words": "x"})
        assert 'role="alert"' in browser.text
    assert await house.facts("concierge.request_made.v1") == 1


async def test_every_page_is_german_for_who_wishes_german(house: WholeHouse) -> None:
    async with house.browser("de-AT,en;q=0.5") as browser:
        await browser.get("/sign-in")
        check_basics(browser.text, "de")
        await guest_of(house, browser)
        check_basics(browser.text, "de")
        assert "Zimmer 101 öffnen" in browser.text
        assert "240,00" in browser.text
        await browser.get("/stay?lang=en")
        assert "Hello Jonas" in browser.text
        await browser.get("/stay")
        assert "Hello Jonas" in browser.text
        for path in ("/climate", "/help", "/nowhere"):
            await browser.get(path + "?lang=de")
            check_basics(browser.text, "de")


async def test_a_forged_form_of_another_site_does_nothing(house: WholeHouse) -> None:
    async with house.browser() as browser:
        await guest_of(house, browser)
        form = {"id": browser.hidden("id"), "door": browser.hidden("door")}
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "null"},
        ):
            await browser.post("/door", form, headers=headers)
    assert await house.facts("doors.open_asked.v1") == 0
