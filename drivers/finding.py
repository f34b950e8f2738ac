"""Looks for the end of orders that nobody knows: by reading only, never by sending again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import TYPE_CHECKING, Final

from appliance.bus.words import Outcome
from appliance.kernel.clock import within
from appliance.kernel.discreet import where
from drivers.port import Attempt, Told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from drivers.office import Office

logger = logging.getLogger(__name__)

FIND_OUT_S_MAX: Final = 10.0
# Pauses between looks; the last one is repeated. A lock on cells is woken a hundred times a day.
SEEK_PAUSES_S: Final = (1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0)
# A day; after that the device's own words may still tell.
SEEKS_MAX: Final = 100


class Finder:
    """The one who looks, for one device; `mutex` is the device's own."""

    def __init__(
        self,
        name: str,
        office: Office,
        mutex: asyncio.Lock,
        news: Callable[[Attempt], Awaitable[None]],
    ) -> None:
        """`news` is told of an attempt whose end was found."""
        self._name = name
        self._office = office
        self._keep = office.keep
        self._mutex = mutex
        self._news = news
        self._seeking: set[str] = set()
        self._bell = asyncio.Event()

    def came_back(self) -> None:
        """The device can be reached: look now."""
        self._bell.set()

    def seek(self, attempt: Attempt) -> None:
        """Look for an end until it is found, for a day."""
        if attempt.order_id not in self._seeking:
            self._seeking.add(attempt.order_id)
            self._office.nursery.mortal(f"{self._name} seeks", self._seek(attempt))

    async def find_out(self, attempt: Attempt, limit_s: float = FIND_OUT_S_MAX) -> Told | None:
        """One look; the end as it is written from now on, or None."""
        looking = asyncio.ensure_future(self._look(attempt))
        try:
            found = await within(self._office.clock, limit_s, looking)
        except TimeoutError:
            return None
        finally:
            looking.cancel()
        if found is None or not self.improve(attempt.order_id, found):
            known = self._keep.attempt(self._name, attempt.order_id)
            return None if known is None or _is_open(known) else known.told
        return found

    def improve(self, order_id: str, told: Told) -> bool:
        """Write evidence down; whether it is news. Only an UNKNOWN gets better."""
        known = self._keep.attempt(self._name, order_id)
        if known is None or not _is_open(known) or told.outcome is Outcome.UNKNOWN:
            return False
        try:
            self._keep.end(self._name, order_id, told)
        except sqlite3.Error as error:
            logger.error("an end of %s was not written: %s", self._name, where(error))  # noqa: TRY400 - without the text
            return False
        return True

    async def _seek(self, attempt: Attempt) -> None:
        try:
            for number in range(SEEKS_MAX):
                await self._pause(SEEK_PAUSES_S[min(number, len(SEEK_PAUSES_S) - 1)])
                if not self._is_open(attempt.order_id):
                    return
                if await self.find_out(attempt) is not None:
                    found = self._keep.attempt(self._name, attempt.order_id)
                    assert found is not None
                    await self._news(found)
                    return
        finally:
            self._seeking.discard(attempt.order_id)

    async def _pause(self, seconds: float) -> None:
        self._bell.clear()
        ringing = asyncio.ensure_future(self._bell.wait())
        try:
            await within(self._office.clock, seconds, ringing)
        except TimeoutError:
            pass
        finally:
            ringing.cancel()

    async def _look(self, attempt: Attempt) -> Told | None:
        # Never beside an order: one frame in the air for each lock.
        async with self._mutex:
            device = self._office.reach(self._name)
            if device is None or not self._is_open(attempt.order_id):
                return None
            try:
                return await device.find_out(attempt)
            except Exception as error:  # noqa: BLE001 - looking is harmless and is done again
                logger.info("no end was found at %s: %s", self._name, where(error))
                return None

    def _is_open(self, order_id: str) -> bool:
        known = self._keep.attempt(self._name, order_id)
        return known is not None and _is_open(known)


def _is_open(attempt: Attempt) -> bool:
    return attempt.told is None or attempt.told.outcome is Outcome.UNKNOWN
