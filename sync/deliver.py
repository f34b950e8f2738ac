"""Brings what sync learned home: in order within a lane, until each command has its answer."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Final

import msgspec

from appliance.engines.payments.messages import (
    NoteCapture,
    NoteCardSetUp,
    NoteIntent,
    NotePayLink,
    NoteRefund,
)
from appliance.engines.payments.messages import Refusal as PaymentRefusal
from appliance.engines.stays.messages import LearnBooking
from appliance.engines.stays.messages import Refusal as StayRefusal
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.messages import Done, KernelRefusal, Refused
from appliance.kernel.values import derived_id
from sync.home import Asked, Home, HomeAwayError, HomeSaidNoError
from sync.ledger import Ledger, Letter
from sync.manners import full_jitter_ms
from sync.mirror import Mirror

logger = logging.getLogger(__name__)

# Half of what the appliance lets one connection have under way is for others.
UNDER_WAY_MAX: Final = 64
RETRY_MS_MIN: Final = 200
RETRY_MS_MAX: Final = 10_000
# A rule over there that raises this often is not healed by asking once more.
BROKEN_TRIES_MAX: Final = 8
LOOK_S: Final = 30.0

# The box's word that it will do later; everything else of the kernel's is ours to repair.
_LATER: Final = frozenset({KernelRefusal.OVERLOADED, KernelRefusal.NOT_STORED})
# Noes that mean "I know that already".
_KNOWN: Final = {
    **{
        note.name: frozenset({PaymentRefusal.ALREADY_FINAL.value})
        for note in (NoteCapture, NoteCardSetUp, NoteIntent, NotePayLink, NoteRefund)
    },
    LearnBooking.name: frozenset({StayRefusal.UNCHANGED.value}),
    "stays.link_upstream": frozenset({StayRefusal.UNCHANGED.value}),
}


class Deliverer:
    """Empties the `homeward` table; a row goes only when its answer has come."""

    def __init__(
        self,
        *,
        home: Home,
        ledger: Ledger,
        mirror: Mirror,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._home = home
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - spreads load, guards nothing
        self.news = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        while True:
            self.news.clear()
            if not await self.turn():
                await self._pause()

    async def turn(self) -> bool:
        """Ask the oldest command of each lane; False when there was none, or nobody is home."""
        letters = self._ledger.next_letters(self._clock.read().wall_ms, UNDER_WAY_MAX)
        answers = await asyncio.gather(*(self._ask(letter) for letter in letters))
        with self._ledger.transaction():
            for letter, answer in zip(letters, answers, strict=True):
                self._settle(letter, answer)
        return any(answer is not None for answer in answers)

    @property
    def waiting(self) -> int:
        """How many commands are on their way."""
        row = self._ledger.db.execute("SELECT count(*) FROM homeward WHERE refused IS NULL")
        return int(row.fetchone()[0])

    async def _ask(self, letter: Letter) -> Done | Refused | str | None:
        """The answer; a sentence when they could not read it; None when nobody is home."""
        try:
            return await self._home.ask(
                Asked(
                    name=letter.name,
                    command_id=letter.command_id,
                    body=letter.body,
                    origin=letter.origin,
                    cause=letter.cause,
                    trace=letter.trace,
                )
            )
        except HomeAwayError:
            return None
        except HomeSaidNoError as error:
            return str(error)

    def _settle(self, letter: Letter, answer: Done | Refused | str | None) -> None:
        if answer is None or self._later(letter, answer):
            self._again(letter)
            return
        if isinstance(answer, Done) or (
            isinstance(answer, Refused) and answer.code in _KNOWN.get(letter.name, ())
        ):
            self._ledger.db.execute("DELETE FROM homeward WHERE seq = ?", (letter.seq,))
            return
        if isinstance(answer, Refused) and self._is_told_in_other_words(letter, answer):
            self._under_another_id(letter)
            return
        if isinstance(answer, Refused) and self._is_of_a_lost_log(letter, answer):
            logger.info("the restored box asks no more for what %s is about", letter.command_id)
            self._ledger.db.execute("DELETE FROM homeward WHERE seq = ?", (letter.seq,))
            return
        code = answer if isinstance(answer, str) else f"{answer.engine}: {answer.code}"
        logger.warning("home refused %s (%s): %s", letter.name, letter.command_id, code)
        if letter.name == LearnBooking.name:
            self._park_booking(letter, code)
            return
        self._ledger.db.execute("UPDATE homeward SET refused = ? WHERE seq = ?", (code, letter.seq))

    def _is_told_in_other_words(self, letter: Letter, answer: Refused) -> bool:
        """Whether a sync.db that was lost says again, by other evidence, what the box was told.

        Only for notes that the box answers with "I know that already".
        """
        return answer.code == KernelRefusal.ID_REUSED and letter.name in _KNOWN

    def _under_another_id(self, letter: Letter) -> None:
        """Asked again, so that the engine judges what it says; the same words have the same id."""
        other = derived_id("note", letter.command_id, letter.body.decode())
        self._ledger.db.execute(
            "UPDATE OR REPLACE homeward SET command_id = ? WHERE seq = ?", (other, letter.seq)
        )

    def _is_of_a_lost_log(self, letter: Letter, answer: Refused) -> bool:
        """Whether the box says that it never asked for this, and its log says so too.

        Money that was taken for it is told by itself, as a stray.
        """
        effect = self._ledger.effect(letter.cause) if letter.cause else None
        unknown = answer.code == PaymentRefusal.UNKNOWN_INTENT
        return unknown and effect is not None and self._ledger.is_unasked(effect)

    def _later(self, letter: Letter, answer: Done | Refused | str) -> bool:
        if not isinstance(answer, Refused):
            return False
        if answer.code == KernelRefusal.BROKEN:
            return letter.tries < BROKEN_TRIES_MAX
        return answer.code in _LATER

    def _again(self, letter: Letter) -> None:
        wait_ms = full_jitter_ms(letter.tries, RETRY_MS_MIN, RETRY_MS_MAX, self._chance)
        self._ledger.db.execute(
            "UPDATE homeward SET tries = tries + 1, next_at_ms = ? WHERE seq = ?",
            (self._clock.read().wall_ms + wait_ms, letter.seq),
        )

    def _park_booking(self, letter: Letter, code: str) -> None:
        # It can be fetched again, so the guests' names need not be kept here.
        booking = msgspec.json.decode(letter.body, type=LearnBooking)
        source, upstream_id = booking.source, booking.upstream_id
        why = f"the box does not take this booking ({code})"
        now_ms = self._clock.read().wall_ms
        self._mirror.hold(source, upstream_id, why, person=True, now_ms=now_ms)
        self._ledger.db.execute("DELETE FROM homeward WHERE seq = ?", (letter.seq,))

    async def _pause(self) -> None:
        row = self._ledger.db.execute(
            "SELECT min(next_at_ms) FROM homeward WHERE refused IS NULL"
        ).fetchone()
        now_ms = self._clock.read().wall_ms
        wait_s = LOOK_S if row[0] is None else min(LOOK_S, max(0.05, (row[0] - now_ms) / 1000))
        alarm: asyncio.Future[Any] = asyncio.ensure_future(sleep(self._clock, wait_s))
        news = asyncio.ensure_future(self.news.wait())
        try:
            await asyncio.wait({alarm, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            news.cancel()
