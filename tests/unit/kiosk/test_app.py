"""A clerk at the keys: the lock, the answers, the acts, and nothing typed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from kiosk import transcript
from kiosk.app import PAGES, Kiosk
from kiosk.frame import bindings_of
from kiosk.page import Page
from kiosk.screens.arrivals import Arrivals
from kiosk.screens.confirm import Confirm
from kiosk.screens.form import Form
from kiosk.screens.pin_aloud import SHOWN_S, PinAloud
from kiosk.screens.sign_in import SignIn
from kiosk.screens.stay import StayPage
from kiosk.screens.walk_in import WalkIn
from support.fake_box import DOOR_PIN, MANAGER_PIN, PIN, FakeBox
from support.front_desk import StillClock, front_desk, kiosk_at, press, settled, sign_in, until


def shown(pilot: Pilot[None]) -> str:
    return transcript.text(pilot.app, masks=(), covering=False)


def app_of(pilot: Pilot[None]) -> Kiosk:
    assert isinstance(pilot.app, Kiosk)
    return pilot.app


async def answered(pilot: Pilot[None], words: str) -> None:
    await until(pilot, lambda: words in shown(pilot))


async def test_signing_in_leads_to_the_arrivals(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        assert isinstance(pilot.app.screen, Arrivals)
        assert "Keller, Anna +1" in shown(pilot)


async def test_a_wrong_pin_gets_the_boxs_sentence_and_an_empty_field(
    box: FakeBox, clock: StillClock
) -> None:
    async with kiosk_at(box, clock).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("enter", "1", "2", "enter")
        await answered(pilot, "That did not fit.")
        assert pilot.app.screen.query_one("#pin", Input).value == ""


async def test_an_idle_desk_locks_and_unlocks_to_the_same_screen_with_the_same_text(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "t", *"late")
        clock.passed_s += 61
        app_of(pilot).tick()
        await settled(pilot)
        assert isinstance(pilot.app.screen, SignIn)
        assert app_of(pilot).desk.client.signed_in is None
        assert "Keller" not in shown(pilot)
        await sign_in(pilot)
        assert isinstance(pilot.app.screen, Form)
        assert pilot.app.screen.query_one("#in-text", Input).value == "late"


async def test_a_busy_desk_does_not_lock(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        clock.passed_s += 59
        await press(pilot, "down")
        clock.passed_s += 59
        app_of(pilot).tick()
        assert not isinstance(pilot.app.screen, SignIn)


async def test_a_session_that_ended_asks_for_the_pin_again(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        app_of(pilot).desk.client.forget()
        await press(pilot, "2")
        await until(pilot, lambda: isinstance(pilot.app.screen, SignIn))
        assert "Your session ended" in shown(pilot)


async def test_a_check_in_is_sent_once_and_said(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "i")
        await answered(pilot, "Check in: done.")
        assert [name for name, _ in box.acts] == ["checkIn"]


async def test_a_lost_answer_in_a_form_keeps_the_text_and_counts_once(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        box.lose = 3
        await press(pilot, "enter", "c", *"50", "enter")
        await answered(pilot, "No answer came")
        assert pilot.app.screen.query_one("#in-amountMinor", Input).value == "50"
        await press(pilot, "enter")
        await answered(pilot, "Cash: done.")
        assert len(box.done) == 1


async def test_a_room_that_is_not_ready_is_given_only_after_a_question(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        box.refusals["checkIn"] = {
            "done": False,
            "engine": "stays",
            "code": "room_not_ready",
            "sentence": "Room 204 is not ready.",
            "result": None,
        }
        await press(pilot, "enter", "i")
        await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        assert "Room 204 is not ready." in shown(pilot)
        del box.refusals["checkIn"]
        await press(pilot, "y")
        await answered(pilot, "Check in: done.")
        assert [given["acceptNotReady"] for _, given in box.acts] == [False, True]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("DONE", "The door is open: the lock confirmed it."),
        ("REFUSED", "The lock refused."),
        ("NOT_SENT", "Nothing reached the lock."),
        ("UNKNOWN", "Look at the door before you press again"),
        (None, "Nobody knows if it opened."),
    ],
)
async def test_a_door_says_what_became_of_it(
    box: FakeBox, clock: StillClock, outcome: str | None, words: str
) -> None:
    box.answers["openDoor"]["outcome"] = outcome
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "x")
        await answered(pilot, words)


async def test_a_pin_is_shown_for_twenty_seconds_and_then_nowhere(
    box: FakeBox, clock: StillClock, tmp_path: Path
) -> None:
    async with front_desk(box, clock, tmp_path / "journal") as pilot:
        await press(pilot, "3", "enter", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PinAloud))
        assert "8 3 0   2 6 4" in shown(pilot)
        assert "8 3 0" not in transcript.text(pilot.app)
        clock.passed_s += SHOWN_S
        await until(pilot, lambda: isinstance(pilot.app.screen, StayPage))
        assert DOOR_PIN not in shown(pilot).replace(" ", "")
        assert DOOR_PIN not in repr(vars(app_of(pilot).desk))
    assert not (tmp_path / "journal").exists()


async def test_a_pin_that_comes_late_is_not_shown_over_the_lock(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PinAloud))
        app_of(pilot).action_lock()
        await until(pilot, lambda: isinstance(pilot.app.screen, SignIn))
        assert "8 3 0" not in "".join(
            str(each.render()) for screen in pilot.app.screen_stack for each in screen.query("#pin")
        )
        await app_of(pilot).action_go("arrivals")
        assert isinstance(pilot.app.screen, SignIn)


async def test_a_typed_pin_is_dots_on_the_screen(box: FakeBox, clock: StillClock) -> None:
    async with kiosk_at(box, clock).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("enter", *PIN)
        await settled(pilot)
        assert PIN not in shown(pilot)
        assert PIN not in pilot.app.export_screenshot()


async def test_a_sale_beyond_the_allotment_asks_for_a_managers_pin_and_a_reason(
    box: FakeBox, clock: StillClock
) -> None:
    box.refusals["sellWalkIn"] = {
        "done": False,
        "engine": "calendar",
        "code": "allotment_spent",
        "sentence": "Unconfirmed against the bookings since 18:02.",
        "result": None,
    }
    async with front_desk(box, clock) as pilot:
        await press(pilot, "6", *"Doe", "enter", *"Jo", *["enter"] * 5)
        await until(pilot, lambda: isinstance(pilot.app.screen, Form))
        assert "Unconfirmed against the bookings" in shown(pilot)
        del box.refusals["sellWalkIn"]
        await press(pilot, *"mara", "enter", *"storm", "enter", *MANAGER_PIN)
        assert MANAGER_PIN not in shown(pilot)
        await press(pilot, "enter")
        await answered(pilot, "Sell to a walk-in: done.")
        _, sold = box.acts[-1]
        assert (sold["approvedBy"], sold["approvedPin"]) == ("mara", MANAGER_PIN)
        assert "storm" in sold["note"]


async def test_a_card_number_never_leaves_the_desk(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "t", *"4242424242424242", "enter")
        assert "looks like a card number" in shown(pilot)
        assert box.acts == []


async def test_leaving_a_form_with_text_takes_two_escapes(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "t", "x", "escape")
        assert "Throw away what you typed?" in shown(pilot)
        await press(pilot, "y", "escape")
        assert isinstance(pilot.app.screen, Form)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, StayPage)


async def test_quitting_asks_and_no_means_no(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "6", *"Doe", "ctrl+c")
        assert "did not send is lost" in shown(pilot)
        await press(pilot, "n")
        assert isinstance(pilot.app.screen, WalkIn)
        await press(pilot, "ctrl+c")
        await pilot.press("y")
        await until(pilot, lambda: not pilot.app.is_running)


async def test_a_shift_cannot_close_over_an_unread_unknown(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "0", "z")
        assert "1 unknown door is not acknowledged yet" in shown(pilot)
        await press(pilot, "a", "z", "y")
        await answered(pilot, "Close the shift: done.")
        assert box.acts[-1][1]["acknowledged"] == ["o1"]


async def test_an_act_left_by_a_crash_is_finished_under_its_id(
    box: FakeBox, clock: StillClock, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    async with front_desk(box, clock, path) as pilot:
        box.lose = 3
        await press(pilot, "enter", "i")
        await answered(pilot, "No answer came")
    async with front_desk(box, clock, path) as pilot:
        await press(pilot, "0")
        assert "act, no answer" in shown(pilot)
        await press(pilot, "f")
        await answered(pilot, "Check in: done.")
        await until(pilot, lambda: "act, no answer" not in shown(pilot))
    assert len(box.done) == 1


async def test_search_finds_while_typing_and_opens(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "4", "k", "e")
        await answered(pilot, "Keller, Anna +1")
        await press(pilot, "down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, StayPage))


async def test_a_conflict_is_taken_after_a_question(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "u")
        assert "leaves 22 Nov" in shown(pilot)
        await press(pilot, "y")
        await answered(pilot, "Settle a conflict: done.")
        assert box.acts[-1][1]["takeUpstream"] is True


async def test_the_night_audit_closes_the_business_date_with_the_marked_no_shows(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "y", "down", "space", "r", "y")
        await answered(pilot, "Night audit: done.")
        _, given = box.acts[-1]
        assert (given["closing"], given["noShows"]) == ("2026-11-20", ["s2"])


async def test_names_with_brackets_are_text_not_markup(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3")
        assert "Ünlü[/red], [red]Bo" in shown(pilot)


async def test_a_box_that_is_gone_shows_what_was_known_and_refuses_acts_kindly(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter")
        box.down()
        clock.passed_s += 30
        await press(pilot, "escape", "enter")
        assert "BOX UNREACHABLE since 19:02" in shown(pilot)
        assert "as of 19:02" in shown(pilot)
        assert "Anna Keller, Tom Keller" in shown(pilot)
        await press(pilot, "o", "y")
        await answered(pilot, "Nothing was sent")


async def test_a_line_that_is_down_and_an_unsure_clock_are_said(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["health"]["lineDownSinceMs"] = clock.wall_ms() - 3_600_000
    box.answers["house"]["clockSure"] = False
    async with front_desk(box, clock) as pilot:
        assert "LINE DOWN since 18:02" in shown(pilot)
        assert "CLOCK UNSURE" in shown(pilot)


@pytest.mark.parametrize("name", [*PAGES, "help"])
async def test_every_key_is_shown_and_nothing_spills(
    box: FakeBox, clock: StillClock, name: str
) -> None:
    async with front_desk(box, clock) as pilot:
        await app_of(pilot).action_go(name)
        await settled(pilot)
        rows = transcript.lines(pilot.app)
        screen = pilot.app.screen
        foot = " ".join(" ".join(rows).split())
        missing = [each for each in bindings_of(type(screen)) if each.description not in foot]
        assert not missing
        assert len(rows) == 24
        assert all(len(row) <= 80 for row in rows)
        for widget in screen.query("*").results(Widget):
            assert widget.region.right <= 80
        keys = screen.query_one("#keys")
        assert (keys.region.bottom, keys.region.height) == (24, keys.virtual_size.height)


async def test_every_key_of_a_stay_is_shown(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter")
        foot = " ".join(" ".join(transcript.lines(pilot.app)).split())
        assert all(each.description in foot for each in bindings_of(StayPage))


async def test_words_for_a_screen_that_is_not_drawn_yet_bring_nothing_down(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        page = pilot.app.screen
        assert isinstance(page, Page)
        await page.query("#answer").remove()
        page.say("The door is open: the lock confirmed it.", "done")
        await press(pilot, "3")
        assert "In house" in shown(pilot)


async def test_a_press_without_a_key_is_not_laid_at_the_locks_door(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["openDoor"] |= {"id": "", "outcome": "REFUSED", "refusal": "no_key"}
    async with front_desk(box, clock) as pilot:
        await press(pilot, "enter", "x")
        await answered(pilot, "No key is live for this stay: cut one first (k).")
