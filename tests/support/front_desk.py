"""A kiosk at a fake box, driven by keys: the furniture of the kiosk's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from kiosk.app import Kiosk
from kiosk.client import Client
from kiosk.journal import Journal
from kiosk.screens.sign_in import SignIn
from support.fake_box import NOW_MS, PIN, FakeBox

# As long as a clerk waits: it only bounds waiting for answers that come, on a busy machine too.
PATIENCE = 1.0
# 10 s of pauses: a busy machine may take a while, a broken promise takes for ever.
LOOKS_MAX = 1000


class StillClock:
    """Time moves when a test says so; a pause lets the others run."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def wall_ms(self) -> int:
        return NOW_MS + round(self.passed_s * 1000)

    def monotonic(self) -> float:
        return 1000.0 + self.passed_s

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(0.01)  # noqa: TID251 (a hundredth of what it says, so that none spins)


def kiosk_at(box: FakeBox, clock: StillClock, path: Path | None = None) -> Kiosk:
    """A kiosk that neither polls nor listens, so that nothing changes by itself."""
    client = Client(box.url, "desk-1", clock=clock, journal=Journal(path), patience=PATIENCE)
    return Kiosk(client, clock=clock, live=False, poll_s=3600)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Let the kiosk run until something is so."""
    for _ in range(LOOKS_MAX):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("the kiosk never came to what the test waits for")


async def settled(pilot: Pilot[None]) -> None:
    """Until nothing loads any more."""
    await pilot.pause()
    app = pilot.app
    await until(
        pilot, lambda: all(w.is_finished for w in app.workers if w.group in {"load", "poll"})
    )


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Keys one by one, each after the last one's screen stands."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def sign_in(pilot: Pilot[None]) -> None:
    """The first name, the right PIN; also out of a lock."""
    await settled(pilot)
    await pilot.press("enter", *PIN, "enter")
    await until(pilot, lambda: not isinstance(pilot.app.screen, SignIn))
    await settled(pilot)


@asynccontextmanager
async def front_desk(
    box: FakeBox, clock: StillClock, path: Path | None = None
) -> AsyncIterator[Pilot[None]]:
    """A kiosk of 80x24, signed in and at the arrivals."""
    async with kiosk_at(box, clock, path).run_test(size=(80, 24)) as pilot:
        await sign_in(pilot)
        yield pilot
