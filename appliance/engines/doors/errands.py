"""Visits to NPK doors that nobody presses from the box: their log, their clock, their denylist.

A door that is opened by phones alone gives no press an errand key could travel with. So the box
asks each such lock by itself, and its driver keeps the key that comes along.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockState, Order, Outcome, Verb, answer_topic
from appliance.kernel.clock import within

if TYPE_CHECKING:
    from appliance.bus.fittings import Fittings
    from appliance.bus.requests import Orders
    from appliance.engines.doors.credentials import Locksmith
    from appliance.engines.doors.denylists import Denylists
    from appliance.kernel.clock import Clock
    from appliance.kernel.reader import Reader

logger = logging.getLogger(__name__)

# ble.md 2.9: the log is collected when the lock says so, else every six hours.
ERRAND_S: Final = 21_600.0
# A driver that has the key visits by itself; these are for one that was away or heard no lock.
PAUSES_S: Final = (5.0, 60.0, 300.0, 1_800.0)
# Doors are asked one after the other, so a minute is soon enough to look who is due.
LOOK_S: Final = 60.0
# As a delivery (delivery.py): what was given up can no longer happen behind a guest's press.
EXPIRES_MS: Final = 6_000
ANSWER_S_MAX: Final = 8.0

_DOORS: Final = """
SELECT door_id, number, device_id, presser_point, fitting FROM doors_door
WHERE protocol = 'npk' AND presser_point IS NOT NULL ORDER BY door_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """One lock as it hangs; another lock, driver or fitting is another door here."""

    door_id: str
    number: int
    device_id: str
    presser: str  # hex
    fitting: int


@dataclass(slots=True)
class _Turn:
    """When a door is asked next (monotonic s), and how often in a row it gave no word."""

    due_s: float
    tries: int = 0


class Errands:
    """Asks each door at its fitting, after a start, and every six hours; remembers nothing else."""

    def __init__(
        self,
        *,
        orders: Orders,
        reader: Reader,
        clock: Clock,
        locksmith: Locksmith,
        fittings: Fittings[LockState],
        denylists: Denylists,
    ) -> None:
        self._orders = orders
        self._reader = reader
        self._clock = clock
        self._locksmith = locksmith
        self._fittings = fittings
        self._denylists = denylists
        self._turns: dict[_Door, _Turn] = {}
        self._bell: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Another lock hangs somewhere: look now."""
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def run(self) -> None:
        """Go round until the box stops."""
        while True:
            self._bell = asyncio.get_running_loop().create_future()
            try:
                await self.go_round()
            except Exception:
                # The next round reads the doors anew; one door must not cost the others.
                logger.exception("a round of errands broke off")
            try:
                await within(self._clock, self._pause_s(), self._bell)
            except TimeoutError:
                continue

    async def go_round(self) -> None:
        """Ask every door that is due, one after the other: presses share the radio."""
        now_s = self._clock.monotonic()
        doors = [
            _Door(door_id=row[0], number=row[1], device_id=row[2], presser=row[3], fitting=row[4])
            for row in await self._reader.rows(_DOORS)
        ]
        self._turns = {door: self._turns.get(door, _Turn(due_s=now_s)) for door in doors}
        for door, turn in self._turns.items():
            if turn.due_s <= self._clock.monotonic():
                done = await self._ask(door)
                turn.tries = 0 if done else turn.tries + 1
                pause_s = ERRAND_S if done else PAUSES_S[min(turn.tries, len(PAUSES_S)) - 1]
                turn.due_s = self._clock.monotonic() + pause_s

    def _pause_s(self) -> float:
        now_s = self._clock.monotonic()
        next_s = min((turn.due_s for turn in self._turns.values()), default=now_s + LOOK_S)
        return min(LOOK_S, max(0.0, next_s - now_s))

    async def _ask(self, door: _Door) -> bool:
        """READ with a key for errands; False where nobody has done it."""
        if self._fittings.of(door.device_id).online is False:
            return False
        now = self._clock.read()
        order = Order(
            id=f"{door.device_id}.errand.{now.wall_ms}",
            verb=Verb.READ,
            expires_at_ms=now.wall_ms + EXPIRES_MS,
            reply_topic=answer_topic(door.device_id),
            errand_key=self._locksmith.errand(door.number, bytes.fromhex(door.presser), now.wall_s),
            denylist=await self._denylists.current(),
        )
        told = await self._orders.order(door.device_id, order, answer_s_max=ANSWER_S_MAX)
        return told.outcome is Outcome.DONE
