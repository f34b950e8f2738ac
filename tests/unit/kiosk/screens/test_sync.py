"""A parked item is tried again, edited or marked done from the screen, after a question."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input

from kiosk import transcript
from kiosk.screens.form import Form
from support.fake_box import NOW_MS, FakeBox
from support.front_desk import StillClock, front_desk, press, until


async def on_the_item(pilot: Pilot[None]) -> None:
    await press(pilot, "v", "s")
    await until(pilot, lambda: "booking 77" in transcript.text(pilot.app))
    await press(pilot, *["down"] * 9)


async def test_retry_and_done_are_asked_first_and_then_sent(
    box: FakeBox, clock: StillClock, snapshot: Any
) -> None:
    async with front_desk(box, clock) as pilot:
        await on_the_item(pilot)
        for number, key in enumerate(("r", "d"), start=1):
            await press(pilot, key)
            await until(pilot, lambda: pilot.app.screen.is_modal)
            assert transcript.text(pilot.app) == snapshot
            await press(pilot, "y")
            await until(pilot, partial(_has_asked, box, number))
        assert [(name, given["itemId"]) for name, given in box.acts] == [
            ("retryParked", "p1"),
            ("markParkedDone", "p1"),
        ]


def _has_asked(box: FakeBox, number: int) -> bool:
    return len(box.acts) == number


async def test_what_was_asked_is_shown_until_sync_has_said_something(
    box: FakeBox, clock: StillClock, snapshot: Any
) -> None:
    [item] = box.answers["handOver"]["parked"]
    item |= {"asked": "retry", "askedMs": NOW_MS - 60_000, "said": ""}
    async with front_desk(box, clock) as pilot:
        await on_the_item(pilot)
        await press(pilot, "enter")
        shown = transcript.text(pilot.app, masks=(), covering=False)
        assert "sync has not said yet" in shown
        assert transcript.text(pilot.app) == snapshot
        item["said"] = "it is queued again"
        box.tell("sync")
        await press(pilot, "v", "s")
        await until(pilot, lambda: "queued again" in transcript.text(pilot.app))


async def form(pilot: Pilot[None]) -> Form:
    await on_the_item(pilot)
    await press(pilot, "e")
    await until(pilot, lambda: isinstance(pilot.app.screen, Form))
    assert isinstance(pilot.app.screen, Form)
    return pilot.app.screen


async def test_the_fields_stand_as_they_are_and_only_what_was_changed_is_sent(
    box: FakeBox, clock: StillClock, snapshot: Any
) -> None:
    async with front_desk(box, clock) as pilot:
        await form(pilot)
        assert transcript.text(pilot.app) == snapshot
        await press(pilot, *"301", "enter", "enter", *"1", "enter")
        await until(pilot, lambda: len(box.acts) == 1)
        [(name, given)] = box.acts
        assert (name, given["itemId"]) == ("editParked", "p1")
        assert given["changes"] == [
            {"field": "ROOM", "value": "301"},
            {"field": "CHILDREN", "value": "1"},
        ]
        await until(pilot, lambda: not pilot.app.screen.is_modal)
        assert "done" in transcript.text(pilot.app)


async def test_an_edit_that_changes_nothing_is_not_sent(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await form(pilot)
        await press(pilot, "enter", "enter", "enter")
        await until(pilot, lambda: "Nothing is changed yet" in transcript.text(pilot.app))
        assert box.acts == []


async def test_a_day_is_typed_as_everywhere_and_sent_as_a_day(
    box: FakeBox, clock: StillClock
) -> None:
    [item] = box.answers["handOver"]["parked"]
    item["editable"] = [{"field": "DEPARTURE", "value": "2026-11-24"}]
    async with front_desk(box, clock) as pilot:
        await form(pilot)
        await press(pilot, *"23.11.", "enter")
        await until(pilot, lambda: len(box.acts) == 1)
        assert box.acts[0][1]["changes"] == [{"field": "DEPARTURE", "value": "2026-11-23"}]


async def test_what_the_box_refuses_stays_as_typed(box: FakeBox, clock: StillClock) -> None:
    sentence = "There is no such room."
    box.refusals["editParked"] = {
        "done": False,
        "engine": "stays",
        "code": "unknown_room",
        "sentence": sentence,
        "result": {},
    }
    async with front_desk(box, clock) as pilot:
        screen = await form(pilot)
        await press(pilot, *"999", "enter", "enter", "enter")
        await until(pilot, lambda: sentence in transcript.text(pilot.app))
        assert screen.query_one("#in-ROOM", Input).value == "999"


async def test_a_field_that_is_not_known_may_stay_empty(box: FakeBox, clock: StillClock) -> None:
    [item] = box.answers["handOver"]["parked"]
    item["editable"] = [{"field": "ROOM", "value": ""}, {"field": "ADULTS", "value": "2"}]
    async with front_desk(box, clock) as pilot:
        await form(pilot)
        await press(pilot, "enter", *"3", "enter")
        await until(pilot, lambda: len(box.acts) == 1)
        assert box.acts[0][1]["changes"] == [{"field": "ADULTS", "value": "3"}]


async def test_an_item_with_nothing_to_edit_says_so(
    box: FakeBox, clock: StillClock, snapshot: Any
) -> None:
    [item] = box.answers["handOver"]["parked"]
    item["editable"] = []
    async with front_desk(box, clock) as pilot:
        await on_the_item(pilot)
        await press(pilot, "e")
        await until(pilot, lambda: "can be edited" in transcript.text(pilot.app))
        assert not pilot.app.screen.is_modal
        assert transcript.text(pilot.app) == snapshot


async def test_what_was_edited_is_answered_in_its_line(box: FakeBox, clock: StillClock) -> None:
    [item] = box.answers["handOver"]["parked"]
    item |= {"asked": "edit", "askedMs": NOW_MS - 60_000, "said": "there is no room '999'"}
    async with front_desk(box, clock) as pilot:
        await on_the_item(pilot)
        await press(pilot, "enter")
        shown = transcript.text(pilot.app, masks=(), covering=False)
        assert "edit asked at" in shown
        assert "there is no room" in shown


async def test_a_service_is_no_item(box: FakeBox, clock: StillClock) -> None:
    box.answers["handOver"]["parked"] = []
    async with front_desk(box, clock) as pilot:
        await press(pilot, "v", "s")
        for key in ("r", "e"):
            await press(pilot, key)
            await until(pilot, lambda: "does not wait for a person" in transcript.text(pilot.app))
            await press(pilot, "enter")
        assert box.acts == []
