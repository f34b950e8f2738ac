"""A clerk sees which door may not open, that a master was used, and who went where and when."""

from __future__ import annotations

from textual.pilot import Pilot

from kiosk import transcript
from kiosk.desk import Desk
from kiosk.screens.stay import StayPage
from kiosk.standing import banner
from support.fake_box import NOW_MS, FakeBox
from support.front_desk import StillClock, front_desk, press, until

HOUR_MS = 3_600_000
MASTER = {
    "holder": "mara",
    "label": "safe, envelope 2",
    "doorId": "d204",
    "doorTitle": "Room 204",
    "event": "unlocked",
    "atMs": NOW_MS - 23 * HOUR_MS,
}
LEAK = {
    "deviceId": "leak-205",
    "roomId": "205",
    "alarm": "LEAK",
    "sentence": "Water.",
    "sinceMs": NOW_MS,
    "daysLeft": None,
    "seenBy": None,
}


def desk_of(pilot: Pilot[None]) -> Desk:
    found: Desk = pilot.app.desk  # type: ignore[attr-defined]
    return found


def shown(pilot: Pilot[None]) -> str:
    return transcript.text(pilot.app, masks=(), covering=False)


def rows(pilot: Pilot[None]) -> list[str]:
    """The keys of the list's lines."""
    table = pilot.app.screen.query_one("#table")
    return [str(row.key.value) for row in table.ordered_rows]  # type: ignore[attr-defined]


async def test_a_master_that_was_seen_is_in_every_banner_for_a_day_after_what_leaks(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["masterUses"] = [MASTER, {**MASTER, "atMs": NOW_MS - 25 * HOUR_MS}]
    async with front_desk(box, clock) as pilot:
        assert "MASTER KEY unlocked: Room 204 20:02 (h)" in shown(pilot)
        box.answers["deviceAlarms"].insert(0, LEAK)
        await desk_of(pilot).look()
        assert banner(desk_of(pilot)).startswith("LEAK: room 205 (l) | MASTER KEY unlocked")
        box.answers["deviceAlarms"] = []
        box.answers["house"]["nowMs"] += HOUR_MS
        await desk_of(pilot).look()
        assert banner(desk_of(pilot)) == ""


async def test_a_master_at_a_lock_without_a_clock_is_said_as_well(
    box: FakeBox, clock: StillClock
) -> None:
    box.answers["masterUses"] = [{**MASTER, "atMs": 4_000}, MASTER]
    async with front_desk(box, clock) as pilot:
        assert banner(desk_of(pilot)) == "MASTER KEY unlocked: Room 204 time unknown +1 (h)"


async def test_a_key_at_risk_names_its_guest_and_leads_to_the_stay(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "h", "enter")
        await until(pilot, lambda: "has not shown that it will open" in shown(pilot))
        assert "301 von Hohenlohe" in shown(pilot)
        await press(pilot, "o")
        await until(pilot, lambda: isinstance(pilot.app.screen, StayPage))
        assert "NP-S4" in shown(pilot)


async def test_the_log_goes_back_page_by_page_and_forth_again(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "h")
        first = rows(pilot)
        await press(pilot, "n")
        assert rows(pilot) == ["log 871"]
        await press(pilot, "n", "n")
        assert "There is nothing older." in shown(pilot)
        await press(pilot, "b", "b")
        assert rows(pilot) == first


async def test_the_log_of_one_door_and_of_one_person(box: FakeBox, clock: StillClock) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "h", "down", "down", "d")
        assert rows(pilot) == ["log 905", "log 871"]
        await press(pilot, "w")
        assert rows(pilot) == ["log 905"]
        await press(pilot, "w")
        assert rows(pilot)[0] == "risk s4 d301"


async def test_a_line_tells_the_locks_own_time_its_doubt_and_that_it_came_late(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, "h", *["down"] * 4)
        assert "20 Nov 16:32 ±2 min" in shown(pilot)
        assert "4 s" not in shown(pilot)
        await press(pilot, "enter")
        said = " ".join(shown(pilot).split())
        assert "here at 20 Nov 18:32, 2 h 0 m later" in said
        assert "3 line(s) before it never came" in said
        await press(pilot, "down")
        assert "lock has no clock" in shown(pilot)
