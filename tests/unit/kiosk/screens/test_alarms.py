"""A clerk sees what a device suffers from, reads its cure, takes it on, and closes the water."""

from __future__ import annotations

from textual.pilot import Pilot

from kiosk import transcript
from kiosk.desk import Desk
from kiosk.standing import banner
from support.fake_box import NOW_MS, FakeBox
from support.front_desk import StillClock, front_desk, press, settled, until

WATER = {
    "deviceId": "leak-205",
    "roomId": "205",
    "alarm": "LEAK",
    "sentence": "Water at leak-205. Its valve is being closed; somebody must look.",
    "sinceMs": NOW_MS - 60_000,
    "daysLeft": None,
    "seenBy": None,
}


def desk_of(pilot: Pilot[None]) -> Desk:
    found: Desk = pilot.app.desk  # type: ignore[attr-defined]
    return found


async def test_an_alarm_nobody_has_taken_on_is_in_the_banner_of_every_screen(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["deviceAlarms"].insert(0, WATER)
    async with front_desk(box, clock) as pilot:
        await desk_of(pilot).look()
        assert banner(desk_of(pilot)).startswith("LEAK: room 205 (l)")


async def test_its_sentence_and_cure_are_one_key_away_and_so_is_taking_it_on(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["deviceAlarms"].insert(0, WATER)
    async with front_desk(box, clock) as pilot:
        await press(pilot, "l")
        await settled(pilot)
        await press(pilot, "enter")
        await until(pilot, lambda: "somebody must look" in transcript.text(pilot.app))
        await press(pilot, "a")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert name == "acknowledgeAlarm"
        assert (given["deviceId"], given["alarm"]) == ("leak-205", "LEAK")


async def test_water_runs_again_only_after_a_question(box: FakeBox, clock: StillClock) -> None:
    box.answers["deviceAlarms"] = [{**WATER, "deviceId": "valve-205", "alarm": "VALVE_STUCK"}]
    async with front_desk(box, clock) as pilot:
        await press(pilot, "l")
        await settled(pilot)
        await press(pilot, "o")
        await until(pilot, lambda: pilot.app.screen.is_modal)
        assert box.acts == []
        await press(pilot, "y")
        await until(pilot, lambda: bool(box.acts))
        [(name, given)] = box.acts
        assert (name, given["deviceId"], given["open"]) == ("moveValve", "valve-205", True)
