"""A clerk sees what money needs a person, reads why, takes it on a word, and counts the drawer."""

from __future__ import annotations

from kiosk import transcript
from support.fake_box import FakeBox
from support.front_desk import StillClock, front_desk, press, settled, until


async def test_what_is_left_over_is_one_key_away_with_its_words(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "0", "m")
        await settled(pilot)
        shown = transcript.text(pilot.app)
        assert "guarantee failed" in shown
        assert "stray money" in shown
        assert "120.00 EUR" in shown
        await press(pilot, "w")
        await until(pilot, lambda: "no guarantee" in transcript.text(pilot.app))


async def test_a_word_needs_a_reason(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "dollar_sign")
        await settled(pilot)
        await press(pilot, "a")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, *"known", "enter")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert name == "acceptUnpaid"
        assert (given["itemId"], given["reason"]) == ("guarantee:i1", "known")


async def test_a_drawer_is_counted_before_anything_is_said(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        box.answers["drawers"][0]["terminal"] = pilot.app.desk.terminal  # type: ignore[attr-defined]
        await press(pilot, "dollar_sign")
        await settled(pilot)
        assert "The drawer is open" in transcript.text(pilot.app, masks=(), covering=False)
        await press(pilot, "c")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, *"345.50", "enter")
        await press(pilot, "enter")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert name == "closeDrawer"
        assert (given["countedMinor"], given["slipsMinor"]) == (34_550, 0)


async def test_a_closed_drawer_is_opened_with_what_is_in_it(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["drawers"] = []
    async with front_desk(box, clock) as pilot:
        await press(pilot, "dollar_sign")
        await settled(pilot)
        await press(pilot, "c")
        await until(pilot, lambda: "not open" in transcript.text(pilot.app))
        await press(pilot, "o")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, "enter")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["floatMinor"]) == ("openDrawer", 0)
