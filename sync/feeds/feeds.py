"""All calendar feeds of a property: each looked at by its own clock, shown together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.tasks import Nursery
from sync.feeds.feed import Feed, Looked
from sync.looking import Looks
from sync.manners import Standing, utc_text

# The name under which all feeds are one counterparty: a hotel may have two hundred.
CALENDARS: Final = "calendars"
# After the line comes back a booking must be here within thirty seconds (R5 of anchors.md).
# A channel that is broken itself is not asked so often.
SOONER_S: Final = {Looked.NOT_REACHED: 15.0, Looked.BROKEN: 120.0}

_OUT: Final = frozenset({Standing.DOWN, Standing.REFUSED})


class Feeds:
    """Every feed by name."""

    def __init__(self, feeds: Sequence[Feed], *, clock: Clock) -> None:
        self._feeds: Mapping[str, Feed] = {feed.account.name: feed for feed in feeds}
        self._clock = clock
        self._wakers = {name: asyncio.Event() for name in self._feeds}
        self._on_news: Callable[[], None] = lambda: None
        self._looks = Looks(clock)

    def __getitem__(self, name: str) -> Feed:
        return self._feeds[name]

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call back after each look: something may be on its way home, or shown differently."""
        self._on_news = callback

    def start(self, nursery: Nursery, ready: Callable[[], Awaitable[None]]) -> None:
        """Look at each for ever, once `ready` has come."""
        for name in self._feeds:
            nursery.deadly(f"sync: calendar {name}", self._look_for_ever(name, ready))

    async def look(self, name: str) -> Looked:
        """One look at one feed; what it brought is put on its way."""
        looked = await self._feeds[name].look()
        self._on_news()
        return looked

    def start_over(self) -> None:
        """The box may have forgotten what we told it; call inside a transaction."""
        for feed in self._feeds.values():
            feed.tell_again()
        self._wake_all()

    def retry(self, name: str) -> str | None:
        """A person asks for a feed (`ical:NAME`) or a booking of it again; None: not ours."""
        feed = self._of(name)
        if feed is None:
            return None
        feed.tell_again()
        self._wakers[feed.account.name].set()
        return f"everything of {feed.account.name} is told anew with the next look"

    def accept(self, name: str) -> str:
        """A person says that what is missing from a feed is gone indeed."""
        feed = self._feeds.get(name)
        if feed is None:
            return f"there is no feed {name}; there is: {', '.join(self._feeds) or 'none'}"
        said = feed.accept()
        self._on_news()
        return said

    def answer(self, words: Sequence[str]) -> list[str]:
        """What a person says to the feeds: nothing, or `accept NAME`."""
        match words:
            case []:
                return self.lines()
            case ["accept", name]:
                return [self.accept(name)]
            case _:
                return ["say `feeds`, or `feeds accept NAME`"]

    def parked(self) -> list[dict[str, Any]]:
        """What waits for a person."""
        waiting = [each for feed in self._feeds.values() for each in feed.parked()]
        return [*waiting, *self._looks.parked()]

    def counterparty(self) -> dict[str, Any] | None:
        """All of them as one line of the report; None where there are none."""
        gates = [feed.gate for feed in self._feeds.values()]
        if not gates:
            return None
        out = [gate.name for gate in gates if gate.breaker.standing in _OUT]
        heard = [gate.last_confirmed_ms for gate in gates if gate.last_confirmed_ms is not None]
        all_out = len(out) == len(gates)
        return {
            "name": CALENDARS,
            "last_confirmed_ms": max(heard, default=None),
            "queued": 0,
            "oldest_ms": None,
            "state": Standing.DOWN.value if all_out else Standing.OK.value,
            "sentence": f"{len(out)} of {len(gates)} calendars cannot be reached" if out else "",
            "unanswered": all_out,
        }

    def lines(self) -> list[str]:
        """Each feed in a sentence."""
        found = []
        for name, feed in sorted(self._feeds.items()):
            state, heard = feed.state, feed.gate.last_confirmed_ms
            age = "never read" if heard is None else f"last heard {utc_text(heard)}"
            missing = f", {len(state.missing)} missing and held" if state.missing else ""
            found.append(f"{name}: {age}, {len(state.held)} entries{missing}")
            found += [f"  {each['sentence']}" for each in feed.parked()]
        return found or ["no calendar feeds: name one in [sync.feeds.NAME] of nightporter.toml"]

    # -- inside ----------------------------------------------------------------------------------

    def _of(self, name: str) -> Feed | None:
        for feed in self._feeds.values():
            if name == feed.account.source or name.startswith(f"{feed.account.source}:"):
                return feed
        return None

    def _wake_all(self) -> None:
        for waker in self._wakers.values():
            waker.set()

    async def _look_safely(self, name: str) -> Looked:
        """One look; a file that nobody foresaw is one channel's matter."""
        looked = Looked.BROKEN

        async def look() -> bool:
            nonlocal looked
            looked = await self.look(name)
            return True

        await self._looks.safely(self._feeds[name].account.source, look)
        return looked

    async def _look_for_ever(self, name: str, ready: Callable[[], Awaitable[None]]) -> None:
        # A booking of a room that the log has not told us yet would be for no room.
        await ready()
        waker = self._wakers[name]
        while True:
            waker.clear()
            looked = await self._look_safely(name)
            interval_s = self._feeds[name].account.interval_s
            wait_s = min(interval_s, SOONER_S.get(looked, interval_s))
            alarm = asyncio.ensure_future(sleep(self._clock, wait_s))
            woken = asyncio.ensure_future(waker.wait())
            try:
                await asyncio.wait({alarm, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                alarm.cancel()
                woken.cancel()
