"""A clerk at the kiosk: presses keys, reads the screen, and notes how long each step took."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import click

from appliance.kernel.clock import Clock, sleep
from kiosk import transcript

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from kiosk.app import Kiosk

LOOK_S: Final = 0.01
# 15 s: a step of the desk takes tenths of a second; a door answers within 8 s.
SHOWN_S_MAX: Final = 15.0
# Where a charge is at this moment differs with the line, and the desk says so honestly; that it
# is pending, and how much, is compared.
MASKS: Final = (*transcript.TIMES, (re.compile(r"(?<=50\.00 EUR: ).*"), transcript.MASK * 6))


class NotShownError(Exception):
    """The screen did not come to say what the story expects; the text holds the screen."""


@dataclass(slots=True)
class Step:
    """One step as it went."""

    name: str
    seconds: float
    screen: str = ""
    at_desk: bool = True


@dataclass(slots=True)
class Clerk:
    """Hands and eyes at one kiosk."""

    app: Kiosk
    pilot: Pilot[None]
    clock: Clock
    steps: list[Step] = field(default_factory=list)

    async def step(self, name: str, act: Callable[[], Awaitable[str]]) -> None:
        """A step of the desk: `act` presses keys and says which words end it."""
        _say(name)
        started = self.clock.monotonic()
        words = await act()
        await self.until(words)
        spent = self.clock.monotonic() - started
        self.steps.append(Step(name, spent, await self._settled()))

    async def aside(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        """Something of the world around the desk; it takes its time and has no screen."""
        _say(name)
        started = self.clock.monotonic()
        await act()
        self.steps.append(Step(name, self.clock.monotonic() - started, at_desk=False))

    async def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text into the field that has the focus."""
        await self.pilot.press(*(_KEY_OF.get(char, char) for char in text))

    async def until(self, words: str, seconds: float = SHOWN_S_MAX) -> None:
        """Wait until the screen says this; `|` parts words that must all be there."""
        deadline = self.clock.monotonic() + seconds
        wanted = words.split("|")
        while not all(word in self.shown() for word in wanted):
            if self.clock.monotonic() > deadline:
                raise NotShownError(f"{words!r} was not shown; the screen says:\n{self.shown()}")
            await sleep(self.clock, LOOK_S)
            await self.pilot.pause(0)

    def shown(self) -> str:
        """The screen as a person sees it, nothing masked."""
        return transcript.text(self.app, masks=(), covering=False)

    async def _settled(self) -> str:
        """The masked screen once it has stopped changing."""
        before = ""
        for _ in range(100):
            now = transcript.text(self.app, masks=MASKS)
            if now == before:
                return now
            before = now
            await sleep(self.clock, 0.15)
            await self.pilot.pause(0)
        return before


def _say(name: str) -> None:
    # A sign of life: healing takes a minute when the payment service was asked in vain before.
    click.echo(f"    {name}", err=True)


_KEY_OF: Final = {" ": "space", ".": "full_stop", "-": "minus", "'": "apostrophe"}
