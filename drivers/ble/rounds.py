"""Visits to locks that ask for one in their advertisement, and to every lock now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from appliance.kernel.clock import within
from drivers.npk.codes import Flag

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock
    from drivers.ble.lock import NpkLock

logger = logging.getLogger(__name__)

# ble.md 2.9: the log is collected when the lock says so, else every six hours.
ROUND_S: Final = 21_600.0
# Guests come and go: a lock that always has something new is visited once a minute, not for ever.
BETWEEN_S: Final = 60.0
# An order whose end nobody knows is asked for soon: somebody stands at the door.
UNSETTLED_S: Final = 2.0
# A lock that cannot be visited is tried again after these, so that its cells last.
AGAIN_S_MIN: Final = 30.0
AGAIN_S_MAX: Final = 3_600.0
LOOK_S: Final = 1.0

WISHES: Final = Flag.TIME_UNKNOWN | Flag.LOG_WAITING | Flag.DENYLIST_OLD


@dataclass(slots=True)
class _Round:
    """One lock's visits."""

    flags: int = 0
    heard: bool = False
    visited_s: float | None = None
    not_before_s: float = 0.0
    again_s: float = AGAIN_S_MIN


class Rounds:
    """One visit at a time: presses of guests go before, by the lock's own turn."""

    def __init__(self, locks: Mapping[str, NpkLock], *, clock: Clock) -> None:
        self._locks = locks
        self._clock = clock
        self._rounds = {name: _Round() for name in locks}

    def heard(self, name: str, flags: int) -> None:
        """What a lock says to everybody."""
        found = self._rounds[name]
        found.heard = True
        found.flags = flags

    async def run(self) -> NoReturn:
        """Visit, until cancelled."""
        while True:
            for name, lock in self._locks.items():
                if self._due(name, lock):
                    await self._visit(name, lock)
            never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            try:
                await within(self._clock, LOOK_S, never)
            except TimeoutError:
                continue

    def _due(self, name: str, lock: NpkLock) -> bool:
        found = self._rounds[name]
        now_s = self._clock.monotonic()
        if not found.heard or not lock.may_visit or now_s < found.not_before_s:
            return False
        if lock.unsettled or found.visited_s is None or now_s - found.visited_s >= ROUND_S:
            return True
        return bool(found.flags & WISHES) and now_s - found.visited_s >= BETWEEN_S

    async def _visit(self, name: str, lock: NpkLock) -> None:
        found = self._rounds[name]
        done = await lock.errand()
        now_s = self._clock.monotonic()
        if done:
            found.visited_s = now_s
            found.again_s = AGAIN_S_MIN
            found.not_before_s = now_s + UNSETTLED_S
            return
        found.not_before_s = now_s + found.again_s
        found.again_s = min(2 * found.again_s, AGAIN_S_MAX)
