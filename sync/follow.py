"""Follows the box's log: each page becomes effects and moves the cursor, in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.engines.inventory.messages import PropertySetUp
from appliance.engines.stays.parked_messages import ParkedDecided
from appliance.kernel.clock import Clock, sleep
from sync.carrier import Pusher
from sync.home import ChainMismatchError, Fact, Home, HomeAwayError, HomeSaidNoError, Page
from sync.ledger import (
    GENERATION,
    OPEN,
    PROPERTY_ID,
    PROVE_UNTIL,
    TO_THE_HEAD,
    Cursor,
    Draft,
    Ledger,
)
from sync.parked import note_wish
from sync.plan import Planner

logger = logging.getLogger(__name__)

# The server's page; 200 facts with their bodies are well below its line limit.
PAGE: Final = 200
WAIT_S: Final = 30.0
# The appliance restarts within seconds; asking more often only fills its backlog.
AWAY_S: Final = 1.0

CURSOR: Final = "feed.cursor"


class Follower:
    """Reads facts once, in order.

    Facts that were there before this ledger was (a new sync.db, a restored log) may have been
    acted on already: their effects are proven absent at the vendor before anything is sent.
    """

    def __init__(  # noqa: PLR0913 - the parts of one role, all by name
        self,
        *,
        home: Home,
        ledger: Ledger,
        planner: Planner,
        pushers: Mapping[str, Pusher],
        clock: Clock,
        on_effects: Callable[[], None],
        on_mismatch: Callable[[], None],
    ) -> None:
        self._home = home
        self._ledger = ledger
        self._planner = planner
        self._pushers = pushers
        self._clock = clock
        self._on_effects = on_effects
        self._on_mismatch = on_mismatch
        self.at_head = False
        self._away = False
        self._sought_property = False
        self.moved = asyncio.Event()
        if ledger.kept(PROVE_UNTIL, int) is None:
            with ledger.transaction():
                ledger.keep(PROVE_UNTIL, TO_THE_HEAD)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.turn(WAIT_S)

    async def caught_up(self) -> None:
        """Until the log has been read to its head; before that not every room and type is known."""
        while not self.at_head:
            self.moved.clear()
            await self.moved.wait()

    async def turn(self, wait_s: float = 0.0) -> int:
        """Read one page; how many facts there were."""
        cursor = self._ledger.cursor()
        try:
            if cursor.position and not self._sought_property:
                await self._seek_property()
            page = await self._home.feed(cursor.position, cursor.chain, PAGE, wait_s)
        except ChainMismatchError:
            self.start_over("the box's log was restored")
            return 0
        except (HomeAwayError, HomeSaidNoError) as error:
            if not self._away:
                logger.info("feed: %s", error)
            self._away, self.at_head = True, False
            await sleep(self._clock, AWAY_S)
            return 0
        self._away = False
        self._take(page)
        return len(page.facts)

    def start_over(self, why: str) -> None:
        """Reconcile first: read the whole log again, prove every open effect, learn anew."""
        logger.warning("reconcile first: %s", why)
        with self._ledger.transaction():
            self._ledger.keep(CURSOR, Cursor())
            self._ledger.keep(PROVE_UNTIL, TO_THE_HEAD)
            self._ledger.keep(GENERATION, self._ledger.generation() + 1)
            self._ledger.db.execute(
                f"UPDATE effect SET look_first = 1 WHERE state IN ({', '.join('?' * len(OPEN))})",  # noqa: S608 - constants only
                OPEN,
            )
            self._on_mismatch()

    async def _seek_property(self) -> None:
        """A ledger of a release that did not keep it: it is among the first facts of a log."""
        if self._ledger.kept(PROPERTY_ID, str) is None:
            page = await self._home.feed(0, "", PAGE, 0.0)
            for fact in page.facts:
                if fact.kind == PropertySetUp.kind:
                    with self._ledger.transaction():
                        self._ledger.keep(PROPERTY_ID, fact.body["property_id"])
        self._sought_property = True

    def _take(self, page: Page) -> None:
        prove_until = self._ledger.kept(PROVE_UNTIL, int, TO_THE_HEAD)
        if page.facts or prove_until == TO_THE_HEAD:
            with self._ledger.transaction():
                if prove_until == TO_THE_HEAD:
                    prove_until = page.head
                    self._ledger.keep(PROVE_UNTIL, prove_until)
                for fact in page.facts:
                    self._read(fact, prove=fact.position <= prove_until)
                if page.facts:
                    last = page.facts[-1]
                    self._ledger.keep(CURSOR, Cursor(position=last.position, chain=last.chain))
            self._on_effects()
        self.at_head = self._ledger.cursor().position >= page.head
        self.moved.set()

    def _read(self, fact: Fact, *, prove: bool) -> None:
        now_ms = self._clock.read().wall_ms
        try:
            if fact.kind == ParkedDecided.kind:
                note_wish(self._ledger, fact, old=prove)
                return
            drafts = self._planner.read(fact, now_ms)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # A fact of a newer release than ours: it is left out and said, the others go on.
            logger.exception("fact %d (%s) could not be read", fact.position, fact.kind)
            self._note_unread(fact, type(error).__name__)
            return
        for draft in drafts:
            if not self._ledger.owe(draft, now_ms, look_first=prove) and prove:
                self._retell(draft, now_ms)

    def _retell(self, draft: Draft, now_ms: int) -> None:
        generation = self._ledger.generation()
        pusher = self._pushers.get(draft.counterparty)
        for effect in self._ledger.effects("natural_key = ?", draft.natural_key):
            for letter in pusher.retell(effect, generation) if pusher is not None else ():
                self._ledger.post(letter, now_ms)

    def _note_unread(self, fact: Fact, why: str) -> None:
        unread: list[Any] = self._ledger.kept("feed.unread", list[Any], [])
        entry = {"position": fact.position, "kind": fact.kind, "why": why}
        self._ledger.keep("feed.unread", [*unread, entry][-100:])
