"""A parked item is tried again or marked done from the screen, after a question."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.pilot import Pilot

from kiosk import transcript
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


async def test_a_service_is_no_item(box: FakeBox, clock: StillClock) -> None:
    box.answers["handOver"]["parked"] = []
    async with front_desk(box, clock) as pilot:
        await press(pilot, "v", "s", "r")
        await until(pilot, lambda: "does not wait for a person" in transcript.text(pilot.app))
        assert box.acts == []
