"""The one way out to a counterparty: its limit, its breaker, its clock, and what we last heard."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
import random
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.discreet import where
from sync.ledger import Ledger
from sync.manners import (
    Breaker,
    Limiter,
    Rule,
    Standing,
    http_date_ms,
    retry_after_ms,
)
from sync.transport import Answer, NoAnswer, Request, Transport

logger = logging.getLogger(__name__)

# A probe must fit, with the longest wait before it, into ten seconds.
PROBE_TIMEOUT_S: Final = 4.0
# A full disk is no reason to ask it again at once.
DISK_AWAY_S: Final = 1.0
# How long the prober waits before it looks at a healthy breaker again, when nobody wakes it.
IDLE_LOOK_S: Final = 60.0

# An answer, a commit and the next question: so long the rest waits for another urgent request.
URGENT_GAP_MS: Final = 1_000
# What is not urgent waits no longer than this, however much is.
URGENT_MS_MAX: Final = 30_000

# A `Date` that differs more than this from what we know of their clock is believed when the next
# one says the same: one answer may carry a proxy's clock, or be an old page. A minute is more than
# an answer is under way.
DATE_JUMP_MS: Final = 60_000

HTTP_UNAUTHORISED: Final = 401
HTTP_FORBIDDEN: Final = 403
HTTP_TOO_MANY: Final = 429
HTTP_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not sent: the way is closed for so long, and why."""

    wait_ms: int
    sentence: str


class Turnstile:
    """A lock that lets the urgent go first, each kind in the order it came."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    @contextlib.asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncGenerator[None, None]:
        """Hold it; cancelled while waiting or holding, the next one has it."""
        if self._taken:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (not urgent, next(self._number), mine))
            try:
                await mine
            except asyncio.CancelledError:
                if not mine.cancelled():
                    self._pass_on()  # it was ours already
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            following = heapq.heappop(self._waiting)[2]
            if not following.done():
                following.set_result(None)  # taken stays true: nobody slips in between
                return
        self._taken = False


class Gate:
    """Sends for one counterparty and one credential, and remembers how that went.

    What it learned (used windows, cool-down, breaker) is in sync.db before the next byte leaves,
    so a restart does not forget a promise to wait.
    """

    def __init__(  # noqa: PLR0913 - the parts of one way out, all by name
        self,
        *,
        name: str,
        rules: tuple[Rule, ...],
        ledger: Ledger,
        clock: Clock,
        transport: Transport,
        chance: random.Random | None = None,
        forbidden_is_ours: bool = True,
    ) -> None:
        self.name = name
        self._ledger = ledger
        self._clock = clock
        self._transport = transport
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        # At Mews a 403 is a rule of the hotel's business, at others it is about our key.
        self._refusals = {HTTP_UNAUTHORISED} | ({HTTP_FORBIDDEN} if forbidden_is_ours else set())
        self._judged_by_client: frozenset[int] = frozenset()
        used = ledger.kept(f"limiter.{name}", tuple[tuple[tuple[int, int], ...], ...], ())
        self._limiter = Limiter(rules=rules, used=used)
        self._breaker: Breaker = ledger.kept(f"breaker.{name}", Breaker, Breaker())
        self.last_confirmed_ms: int | None = ledger.kept(f"confirmed.{name}", int | None)
        self.unanswered = False  # something was asked since the last answer that was one
        # Of the clock that nobody sets, so that a correction of ours is none of theirs.
        self._remote_ahead_ms: int | None = None
        self._doubted_ahead_ms: int | None = None
        self._turnstile = Turnstile()
        self._urgent_until_ms = 0
        self._changed = asyncio.Event()
        self._on_open: list[Callable[[], None]] = []
        self._on_change: list[Callable[[], None]] = []

    @property
    def breaker(self) -> Breaker:
        """How the counterparty is at the moment."""
        return self._breaker

    def on_open(self, callback: Callable[[], None], *, first: bool = False) -> None:
        """Call back when the way is free again; `first`: before those who asked earlier."""
        self._on_open.insert(0 if first else len(self._on_open), callback)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back when the standing changed."""
        self._on_change.append(callback)

    def closed_ms(self) -> int:
        """0 when work may be sent, else how long it may not, milliseconds."""
        return self._breaker.wait_ms(self._now_ms())

    def vendor_now_ms(self) -> int | None:
        """The vendor's own time by its `Date` headers; None when we never heard one."""
        if self._remote_ahead_ms is None:
            return None
        return self._monotonic_ms() + self._remote_ahead_ms

    def leave_to_client(self, *statuses: int) -> None:
        """These answers prove nothing by themselves: the client looks closer, and may `refuse`."""
        self._judged_by_client = frozenset(statuses)

    def refuse(self, sentence: str) -> None:
        """The client knows that they do not take our credentials: a person must look."""
        self._settle(self._breaker.refused(self._now_ms(), sentence))

    def wait(self, wait_ms: int, sentence: str) -> None:
        """The client knows that nothing can be sent for so long (no token can be had)."""
        limited = self._breaker.limited(self._now_ms(), wait_ms, self._chance)
        self._settle(replace(limited, sentence=sentence))

    def heed(self, remaining: tuple[int | None, ...]) -> None:
        """What the vendor says is left of each rule's window, in the order of the rules.

        Written down with the next request: until then nobody but us has learned of it.
        """
        self._limiter = self._limiter.heed(self._now_ms(), remaining)

    async def send_aside(self, request: Request) -> Answer | NoAnswer:
        """Send once outside the limit and its cool-down: a token endpoint has rules of its own."""
        reply = await self._transport.send(request)
        if isinstance(reply, NoAnswer) or reply.status >= HTTP_SERVER_ERROR:
            self._learn(reply)
        else:
            self._learn_time(reply)
        return reply

    async def send(
        self, request: Request, *, probe: bool = False, urgent: bool = False
    ) -> Answer | NoAnswer | Held:
        """Send once, when the limit and the breaker allow it; what is urgent goes before the rest.

        Where a limit lets little through, new bookings must not wait behind every check-out of
        three days.
        """
        if not probe and (wait_ms := self.closed_ms()):
            return Held(wait_ms=wait_ms, sentence=self._breaker.sentence or "the way is closed")
        if urgent:
            self._urgent_until_ms = self._now_ms() + URGENT_GAP_MS
        else:
            await self._let_the_urgent_pass()
        async with self._turnstile.turn(urgent=urgent):
            await self._wait_for_the_limit()
            # While we waited for our turn, another request may have found the line cut.
            if not probe and (wait_ms := self.closed_ms()):
                return Held(wait_ms=wait_ms, sentence=self._breaker.sentence)
            self._limiter = self._limiter.spend(self._now_ms())
            # Probes are far below any limit; days of them would only wear out the card.
            if not probe:
                with self._ledger.transaction():
                    self._ledger.keep(f"limiter.{self.name}", self._limiter.used)
                    self._ledger.keep(f"confirmed.{self.name}", self.last_confirmed_ms)
        self.unanswered = True
        reply = await self._transport.send(request)
        if urgent:
            self._urgent_until_ms = self._now_ms() + URGENT_GAP_MS
        self._learn(reply)
        return reply

    async def _let_the_urgent_pass(self) -> None:
        """The next urgent request often follows from the answer of the one before."""
        began_ms = self._now_ms()
        while (
            wait_ms := self._urgent_until_ms - self._now_ms()
        ) > 0 and self._now_ms() - began_ms < URGENT_MS_MAX:
            await sleep(self._clock, wait_ms / 1000)

    async def probe_for_ever(self, ask: Callable[[], Awaitable[object]]) -> None:
        """While the counterparty is down, look again and again; wake everybody when it answers.

        Works by failing calls alone: nobody asks the network whether it thinks it is up.
        """
        while True:
            wait_ms = self.closed_ms()
            if not wait_ms:
                if self._breaker.standing is Standing.LIMITED:
                    self._settle(self._breaker.answered(self._now_ms()))
                await self._wait_for_change(IDLE_LOOK_S)
                continue
            await self._wait_for_change(wait_ms / 1000)
            if self._breaker.standing in {Standing.DOWN, Standing.REFUSED} and (
                self._now_ms() >= self._breaker.until_ms
            ):
                try:
                    await ask()
                except sqlite3.Error as error:
                    # A full disk while the line is cut: whoever writes says so, and we go on.
                    logger.warning("%s: a probe was not written down: %s", self.name, where(error))
                    await sleep(self._clock, DISK_AWAY_S)

    async def _wait_for_the_limit(self) -> None:
        while wait_ms := self._limiter.wait_ms(self._now_ms()):
            await sleep(self._clock, wait_ms / 1000)

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        alarm = asyncio.ensure_future(sleep(self._clock, seconds))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({alarm, change}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            change.cancel()

    def _learn(self, reply: Answer | NoAnswer) -> None:
        now_ms = self._now_ms()
        if isinstance(reply, NoAnswer):
            sentence = f"{self.name} does not answer ({reply.why})"
            self._settle(self._breaker.failed(now_ms, sentence, self._chance))
            return
        self._learn_time(reply)
        if reply.status in self._judged_by_client:
            return
        if reply.status == HTTP_TOO_MANY:
            # A time of day is told by their clock; ours may be days behind it.
            date_ms = http_date_ms(reply.headers.get("date"))
            wait_ms = retry_after_ms(reply.headers.get("retry-after"), date_ms or now_ms)
            self._settle(self._breaker.limited(now_ms, wait_ms, self._chance))
        elif reply.status in self._refusals:
            sentence = f"{self.name} refuses our credentials ({reply.status})"
            self._settle(self._breaker.refused(now_ms, sentence))
        elif reply.status >= HTTP_SERVER_ERROR:
            sentence = f"{self.name} answers with an error of its own ({reply.status})"
            self._settle(self._breaker.failed(now_ms, sentence, self._chance))
        else:
            self._confirm(now_ms)

    def _learn_time(self, reply: Answer) -> None:
        date_ms = http_date_ms(reply.headers.get("date"))
        if date_ms is None:
            return
        ahead_ms = date_ms - self._monotonic_ms()
        believed_ms, doubted_ms = self._remote_ahead_ms, self._doubted_ahead_ms
        reading = self._clock.read()
        if believed_ms is None and reading.sure:
            believed_ms = reading.wall_ms - self._monotonic_ms()
        self._doubted_ahead_ms = None
        if believed_ms is None or any(
            each is not None and abs(ahead_ms - each) <= DATE_JUMP_MS
            for each in (believed_ms, doubted_ms)
        ):
            self._remote_ahead_ms = ahead_ms
        else:
            self._doubted_ahead_ms = ahead_ms

    def _confirm(self, now_ms: int) -> None:
        self.last_confirmed_ms = now_ms
        self.unanswered = False
        self._settle(self._breaker.answered(now_ms))

    def _settle(self, breaker: Breaker) -> None:
        before, self._breaker = self._breaker, breaker
        if before == breaker:
            return
        opened = breaker.standing is Standing.OK and before.standing is not Standing.OK
        if breaker.standing is not before.standing or breaker.standing is Standing.LIMITED:
            self._write_down(breaker, opened=opened)
            logger.info("%s: %s. %s", self.name, breaker.standing.value, breaker.sentence)
        if breaker.standing is not before.standing:
            self._changed.set()
            for callback in [*self._on_change, *(self._on_open if opened else ())]:
                callback()

    def _write_down(self, breaker: Breaker, *, opened: bool) -> None:
        with self._ledger.transaction():
            self._ledger.keep(f"breaker.{self.name}", breaker)
            if self.last_confirmed_ms is not None:
                self._ledger.keep(f"confirmed.{self.name}", self.last_confirmed_ms)
            if opened:
                self._ledger.wake(self.name)

    def _now_ms(self) -> int:
        return self._clock.read().wall_ms

    def _monotonic_ms(self) -> int:
        return int(self._clock.monotonic() * 1000)
