"""Keys of a stay with more than one person: each has its own PIN and may end alone."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from kiosk import transcript
from support.fake_box import FakeBox
from support.front_desk import StillClock, front_desk, press, until


def shown(pilot: Pilot[None]) -> str:
    return transcript.text(pilot.app, masks=(), covering=False)


def two_people(box: FakeBox) -> None:
    """Newest first, as the box tells them."""
    keys: list[dict[str, Any]] = box.stays["s3"]["keys"]
    keys.insert(0, {**keys[0], "id": "k2", "reason": "joiner", "joiner": 1})


async def test_a_further_person_gets_a_key_of_their_own(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "k")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        assert box.acts == []
        await press(pilot, "down", "enter")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["stayId"], given["reason"]) == ("cutKey", "s3", "joiner")


async def test_leaving_the_choice_cuts_nothing(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "k")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, "escape")
        assert box.acts == []


async def test_one_key_ends_alone_with_a_reason(box: FakeBox, clock: StillClock) -> None:
    two_people(box)
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter")
        assert "Room 203: joiner, person 2, until" in shown(pilot)
        await press(pilot, "n")
        await until(pilot, lambda: "End which key?" in shown(pilot))
        await press(pilot, "enter")
        await until(pilot, lambda: "No other key ends." in shown(pilot))
        await press(pilot, *"left", "enter")
        await until(pilot, lambda: "End one key: done." in shown(pilot))
        [(name, given)] = box.acts
        del given["id"]
        assert (name, given) == ("revokeKey", {"doorId": "d203", "keyId": "k2", "reason": "left"})


async def test_which_pin_is_read_aloud_is_chosen(box: FakeBox, clock: StillClock) -> None:
    two_people(box)
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter", "p")
        await until(pilot, lambda: "The PIN of which key?" in shown(pilot))
        await press(pilot, "down", "enter")
        await until(pilot, lambda: "8 3 0   2 6 4" in shown(pilot))


async def test_a_key_that_waits_for_its_guest_is_not_called_dead(
    box: FakeBox, clock: StillClock
) -> None:
    [key] = box.stays["s3"]["keys"]
    key |= {"live": False, "prepared": True}
    async with front_desk(box, clock) as pilot:
        await press(pilot, "3", "enter")
        assert "first, waits for the guest, PIN at the lock" in shown(pilot)
