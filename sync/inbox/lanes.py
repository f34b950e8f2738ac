"""From a stored item to its listener: one lane for each source, so that none waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep, within
from appliance.kernel.discreet import where
from sync.inbox.delivery import Stored, UnreadableError
from sync.inbox.inbox import Inbox
from sync.inbox.store import count_open
from sync.inbox.words import CrowdListener, Listener, NotYetError, PoisonedError
from sync.inbox.writer import Connection, StoreAwayError

logger = logging.getLogger(__name__)

# What one commit settles, and what a crash hands over a second time at most.
TURN_MAX: Final = 256
# Between two turns of one source, so that a flood of hints is a few writes a second and not a
# write each: nobody waits for a booking to be fetched a quarter of a second sooner.
GAP_S: Final = 0.25
# A listener writes to sync.db and asks one vendor once; a minute without an end is a hang.
HEARD_S_MAX: Final = 60.0
# A fault of ours may be a passing one; five times over half a minute is not.
TRIES_MAX: Final = 5
BACKOFF_MS_MIN: Final = 1_000
BACKOFF_MS_MAX: Final = 300_000
# "Not yet" for three days, as long as any vendor itself goes on: then a person looks.
NOT_YET_MS_MAX: Final = 259_200_000
# How often a lane looks for what is due again, and how long it leaves a store that took nothing.
LOOK_S: Final = 5.0

_STORED: Final = ", ".join(Stored.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How handing over one item ended; an empty state is success."""

    stored: Stored
    parked: str = ""
    again_ms: int | None = None
    sentence: str = ""


class Lanes:
    """Hands over, at least once each. `turn` is one round of one source, for tests too."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._look = {source: asyncio.Event() for source in inbox.vendors}

    async def run(self) -> None:
        """Every source for ever, each at its own pace."""
        lanes = [self._lane(source) for source in self._look]
        await asyncio.gather(self._spread(), *lanes)

    async def _spread(self) -> None:
        while True:
            await self._inbox.news.wait()
            self._inbox.news.clear()
            for look in self._look.values():
                look.set()

    async def _lane(self, source: str) -> None:
        look = self._look[source]
        while True:
            look.clear()
            try:
                full = await self.turn(source) >= TURN_MAX
            except StoreAwayError as error:
                logger.warning("inbox: %s", error)
                full = False
            if not full:
                await sleep(self._clock, GAP_S)
                await _until(self._clock, look, LOOK_S)

    async def turn(self, source: str) -> int:
        """Hand over what is due; the number of items that were tried."""
        listener = self._inbox.listeners.get(source)
        if listener is None:
            return 0
        now_ms = self._clock.read().wall_ms
        due = await self._inbox.store.do(lambda db: _due(db, source, now_ms))
        if not due:
            return 0
        ends = await self._hand_over_many(listener, due)
        at_ms = self._clock.read().wall_ms
        self._inbox.open_items = await self._inbox.store.do(lambda db: _settle(db, ends, at_ms))
        return len(due)

    async def _hand_over_many(self, listener: Listener, due: Sequence[Stored]) -> list[_End]:
        if isinstance(listener, CrowdListener) and len(due) > 1:
            try:
                events = [self._inbox.vendors[each.source].normalise(each) for each in due]
                await self._in_time(listener.heard_many(events))
            except Exception as error:  # noqa: BLE001 - whose it is comes out one by one
                logger.info("inbox: handed over one by one after %s", type(error).__name__)
            else:
                return [_End(stored=each) for each in due]
        return [await self._hand_over(each) for each in due]

    async def _in_time(self, work: Coroutine[Any, Any, None]) -> None:
        heard = asyncio.ensure_future(work)
        try:
            await within(self._clock, HEARD_S_MAX, heard)
        finally:
            heard.cancel()

    async def _hand_over(self, stored: Stored) -> _End:
        vendor = self._inbox.vendors[stored.source]
        try:
            event = vendor.normalise(stored)
            await self._in_time(self._inbox.listeners[stored.source].heard(event))
        except (UnreadableError, PoisonedError) as error:
            return _End(stored=stored, parked=str(error))
        except NotYetError as error:
            return self._again(stored, f"not yet: {error}", patient=True)
        except Exception as error:  # noqa: BLE001 - one item's fault stops neither lane nor role
            logger.warning("inbox: an item of %s broke: %s", stored.source, where(error))
            return self._again(stored, f"it broke here ({type(error).__name__})", patient=False)
        return _End(stored=stored)

    def _again(self, stored: Stored, sentence: str, *, patient: bool) -> _End:
        now_ms = self._clock.read().wall_ms
        spent = now_ms - stored.received_ms > NOT_YET_MS_MAX
        if spent if patient else stored.tries + 1 >= TRIES_MAX:
            return _End(stored=stored, parked=f"{sentence}, {stored.tries + 1} times")
        wait_ms = min(BACKOFF_MS_MAX, BACKOFF_MS_MIN << min(stored.tries, 10))
        return _End(stored=stored, again_ms=now_ms + wait_ms, sentence=sentence)


async def _until(clock: Clock, event: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    try:
        await within(clock, seconds, waiting)
    except TimeoutError:
        pass
    finally:
        waiting.cancel()


def _due(db: Connection, source: str, now_ms: int) -> list[Stored]:
    rows = db.execute(
        f"SELECT {_STORED} FROM inbox WHERE state = 'waiting' AND source = ?"  # noqa: S608 - field names
        " AND settled_ms IS NULL AND next_at_ms <= ? ORDER BY next_at_ms, seq LIMIT ?",
        (source, now_ms, TURN_MAX),
    )
    return [Stored(**dict(zip(Stored.__dataclass_fields__, row, strict=True))) for row in rows]


def _settle(db: Connection, ends: Sequence[_End], now_ms: int) -> int:
    for end in ends:
        seq, arrivals = end.stored.seq, end.stored.arrivals
        if end.parked:
            db.execute(
                "UPDATE inbox SET state = 'parked', tries = tries + 1, sentence = ? WHERE seq = ?",
                (end.parked, seq),
            )
        elif end.again_ms is not None:
            db.execute(
                "UPDATE inbox SET tries = tries + 1, next_at_ms = ?, sentence = ?"
                " WHERE seq = ? AND arrivals = ?",
                (end.again_ms, end.sentence, seq, arrivals),
            )
        else:
            # What came again while it was handed over is handed over again.
            db.execute(
                "UPDATE inbox SET state = 'handled', raw = x'', papers = x'', settled_ms = ?,"
                " sentence = '' WHERE seq = ? AND arrivals = ?",
                (now_ms, seq, arrivals),
            )
    return count_open(db)
