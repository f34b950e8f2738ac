"""A clerk settles a conflict point by point, finds a way out of a full night, and takes back."""

from __future__ import annotations

from textual.pilot import Pilot

from kiosk import transcript
from support.fake_box import NOW_MS, FakeBox
from support.front_desk import StillClock, front_desk, press, until


def whole(pilot: Pilot[None]) -> str:
    """The screen with the ages that a transcript hides."""
    return transcript.text(pilot.app, masks=(), covering=False)


async def test_each_point_is_read_taken_or_kept_and_sent_at_once(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "enter", "enter")
        await until(pilot, lambda: "by staff:ida at desk-1" in transcript.text(pilot.app))
        await press(pilot, "a")
        assert box.acts == []
        await press(pilot, "s")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, "y")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["accept"], given["takeUpstream"]) == (
            "settleConflict",
            ["DEPARTURE"],
            False,
        )


async def test_a_point_that_was_marked_may_be_kept_after_all(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "enter", "a", "r", "s")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, "y")
        await until(pilot, lambda: bool(box.acts))
        assert box.acts[0][1]["accept"] == []


async def test_the_clock_of_a_full_night_is_counted_down_and_then_it_is_overdue(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["conflicts"][0] |= {"what": "overbooked", "decideByMs": NOW_MS + 22 * 60_000}
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9")
        await until(pilot, lambda: "22 min: overbooked" in whole(pilot))
        box.answers["crowdedNights"][0]["overdue"] = True
        await press(pilot, "w")
        await until(pilot, lambda: "OVERDUE" in whole(pilot))


async def test_a_full_night_is_said_where_all_its_guests_are_in_house(
    box: FakeBox, clock: StillClock
) -> None:
    night = box.answers["crowdedNights"][0]
    night |= {"candidates": [], "rooms": 1, "held": 2, "inHouse": 2}
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "w")
        await until(pilot, lambda: "all are in house" in whole(pilot))
        assert "1 over" in whole(pilot)
        await press(pilot, "enter", "o")
        assert (box.acts, pilot.app.screen.is_modal) == ([], False)


async def test_a_better_room_is_two_keys_away(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "w", "enter")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        assert "Better: Suite, room 301" in transcript.text(pilot.app)
        await press(pilot, "enter")
        await until(pilot, lambda: "price of now" in transcript.text(pilot.app))
        await press(pilot, "y")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["roomTypeId"], given["roomId"]) == ("rehouse", "suite", "r301")


async def test_another_house_says_where_and_what_it_costs(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "w", "enter")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        await press(pilot, "down", "enter")
        await until(pilot, lambda: "To which house" in transcript.text(pilot.app))
        await press(pilot, *"Post", "enter", *"90", "enter", "enter", "enter")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["whereTo"], given["costMinor"]) == ("walkGuest", "Post", 9_000)


async def test_a_decision_is_taken_back_after_a_question_or_says_why_not(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "9", "z", "u")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        assert "confirm it again" in transcript.text(pilot.app)
        await press(pilot, "y")
        await until(pilot, lambda: bool(box.acts))
        assert box.acts[0][1]["decisionId"] == "d1"
        await press(pilot, "down", "u")
        await until(pilot, lambda: "in the other room already" in transcript.text(pilot.app))
        assert len(box.acts) == 1


async def test_the_world_outside_is_told_in_ages_and_what_may_be_sold_when_dark(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["health"]["lineDownSinceMs"] = NOW_MS - 7_200_000
    async with front_desk(box, clock) as pilot:
        await press(pilot, "v", "s")
        await until(pilot, lambda: "last confirmed" in transcript.text(pilot.app))
        told = transcript.text(pilot.app)
        assert "3 waiting" in told
        assert "may be sold offline tonight: 2 more (1 of 3 sold)" in told
        assert "the PMS says no such rate" in told
