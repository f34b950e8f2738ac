"""Every screen as a person sees it, with the box reachable and not; cells in text, four in colour."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from kiosk import transcript
from kiosk.app import PAGES, Kiosk
from kiosk.page import ListPage
from kiosk.screens.confirm import Confirm
from support.fake_box import FakeBox
from support.front_desk import StillClock, front_desk, kiosk_at, press, settled, sign_in, until

# The port of the fake box is in no screen; an age is, and a clock that stands still keeps it.
EVERYTHING: dict[str, Any] = {"masks": (), "covering": False}
DIALOGS = {
    "further_key": ("3", "enter", "k"),
    "end_key": ("3", "enter", "n"),
    "cash": ("3", "enter", "c"),
    "check_out": ("3", "enter", "o"),
    "request": ("3", "enter", "r"),
    "qr": ("3", "enter", "g"),
}


@pytest.mark.parametrize("box_is", ["reachable", "unreachable"])
@pytest.mark.parametrize("name", [*PAGES, "help"])
async def test_a_screen_says_the_same_with_the_box_gone_but_its_age(
    box: FakeBox, clock: StillClock, snapshot: Any, name: str, box_is: str
) -> None:
    async with front_desk(box, clock) as pilot:
        app = pilot.app
        assert isinstance(app, Kiosk)
        await app.action_go(name)
        await settled(pilot)
        if box_is == "unreachable":
            box.down()
            clock.passed_s += 50
            await app.action_go("arrivals")
            await settled(pilot)
            await app.action_go(name)
            await app.desk.look()
            await settled(pilot)
            app.tick()
        assert transcript.text(app, **EVERYTHING) == snapshot


@pytest.mark.parametrize("name", DIALOGS)
async def test_a_dialog_fits_and_says_its_keys(
    box: FakeBox, clock: StillClock, snapshot: Any, name: str
) -> None:
    async with front_desk(box, clock) as pilot:
        await press(pilot, *DIALOGS[name])
        await until(pilot, lambda: pilot.app.screen.is_modal)
        assert transcript.text(pilot.app, **EVERYTHING) == snapshot


@pytest.mark.parametrize("box_is", ["reachable", "unreachable"])
async def test_the_sign_in_says_who_may_or_why_nobody_can(
    box: FakeBox, clock: StillClock, snapshot: Any, box_is: str
) -> None:
    if box_is == "unreachable":
        box.down()
    async with kiosk_at(box, clock).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert transcript.text(pilot.app, **EVERYTHING) == snapshot


@pytest.mark.parametrize("box_is", ["reachable", "unreachable"])
@pytest.mark.parametrize("keys", [(), ("3", "enter")], ids=["arrivals", "stay"])
def test_a_picture_of_it(
    box: FakeBox,
    clock: StillClock,
    snap_compare: Callable[..., bool],
    keys: tuple[str, ...],
    box_is: str,
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await sign_in(pilot)
        await press(pilot, *keys)
        if box_is == "unreachable":
            box.down()
            clock.passed_s += 50
            app = pilot.app
            assert isinstance(app, Kiosk)
            await app.desk.look()
            assert app.page is not None
            app.page.reload()
            await settled(pilot)

    assert snap_compare(kiosk_at(box, clock), run_before=before, terminal_size=(80, 24))


async def test_two_honest_runs_differ_only_in_what_is_masked(
    box: FakeBox, clock: StillClock
) -> None:
    async def story() -> list[str]:
        pages = []
        async with front_desk(box, clock) as pilot:
            for key in ("3", "enter", "escape", "1", "2", "0"):
                await press(pilot, key)
                pages.append(transcript.text(pilot.app))
            await press(pilot, "q")
            await until(pilot, lambda: isinstance(pilot.app.screen, Confirm))
            pages.append(transcript.text(pilot.app))
        return pages

    first = await story()
    clock.passed_s += 7200  # between two shifts, so nothing is idle
    box.answers["house"]["nowMs"] += 7_200_000
    box.answers["health"]["lineDownSinceMs"] = clock.wall_ms()
    assert await story() == first
    assert not any(re.search(r"\d\d:\d\d", page) for page in first)


async def test_an_answer_that_comes_before_the_columns_ends_nothing(
    box: FakeBox, clock: StillClock
) -> None:
    async with front_desk(box, clock) as pilot:
        app = pilot.app
        assert isinstance(app, Kiosk)
        await app.action_go("arrivals")
        await settled(pilot)
        page = app.screen
        assert isinstance(page, ListPage)
        page.table.clear(columns=True)
        page.show([("stay_1", tuple(title for title, _ in page.COLUMNS))], None)
        assert page.table.row_count == 1
        assert len(page.table.columns) == len(page.COLUMNS)
