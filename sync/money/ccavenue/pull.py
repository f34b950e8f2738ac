"""Looks at every open order until it has ended: often while the guest is there, then rarely."""

from __future__ import annotations

import asyncio
from typing import Final

from appliance.kernel.clock import Clock
from sync.ledger import Effect, Ledger
from sync.money.ccavenue.account import NAME
from sync.money.ccavenue.orders import (
    ORDER,
    NotTracked,
    Watched,
    asked_of,
    may_still_be_paid,
    opened_ms,
)
from sync.money.ccavenue.pusher import CCAvenue, stray
from sync.money.ccavenue.words import OrderState, OrderStatus
from sync.money.learning import Learn

# Within an hour of opening the page a guest is at it: once a minute. Later a bank is: hourly.
FRESH_MS: Final = 3_600_000
FRESH_GAP_MS: Final = 60_000
LATER_GAP_MS: Final = 3_600_000
# In one look; the rest comes with the next.
LOOK_MAX: Final = 20


class CCAvenuePull:
    """The pull cursor is the orders themselves: an open one is asked about again."""

    name = NAME
    title = "CCAvenue"

    def __init__(self, *, pusher: CCAvenue, ledger: Ledger, clock: Clock, learn: Learn) -> None:
        self.gate = pusher.gate
        self._pusher = pusher
        self._ledger = ledger
        self._clock = clock
        self._learn = learn
        self._looked_ms: dict[str, int] = {}
        self._unread_ms: dict[str, int] = {}  # when the answer about one could not be read
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> bool:
        """Those whose turn it is; False when CCAvenue could not be asked.

        One order about which nothing readable is said keeps nobody else's news away (law 5).
        """
        now_ms = self._clock.read().wall_ms
        due = [each for each in self._open() if self._due_ms(each) <= now_ms]
        due.sort(key=self._due_ms)
        for effect in due[:LOOK_MAX]:
            why_not = await self._look_at(effect)
            if why_not is not None and (not why_not.answered or self.gate.closed_ms()):
                return False
        return await self._look_at_watched()

    async def look_at(self, order_id: str) -> bool:
        """At the order of one attempt, now: its guest's browser has come back."""
        for effect in self._open():
            ref = asked_of(effect).order_ref
            if order_id == ref or order_id.startswith(f"{ref}-"):
                return await self._look_at(effect) is None
        return False

    def start_over(self) -> None:
        """Nothing is remembered that a restore could make wrong."""
        self._looked_ms.clear()
        self._unread_ms.clear()

    def _open(self) -> list[Effect]:
        return self._ledger.effects("kind = ? AND state = 'requires_action'", ORDER)

    def _due_ms(self, effect: Effect) -> int:
        if (unread_ms := self._unread_ms.get(effect.id)) is not None:
            return unread_ms + FRESH_GAP_MS
        looked_ms = self._looked_ms.get(effect.id)
        if looked_ms is None:
            return 0
        times = opened_ms(effect)
        fresh = bool(times) and looked_ms - times[-1] < FRESH_MS
        return looked_ms + (FRESH_GAP_MS if fresh else LATER_GAP_MS)

    async def _look_at(self, effect: Effect) -> NotTracked | None:
        async with self._one_at_a_time:
            statuses, why_not = await self._pusher.orders.look(effect)
            if why_not is not None:
                if why_not.answered:
                    self._unread_ms[effect.id] = self._clock.read().wall_ms
                return why_not
            self._unread_ms.pop(effect.id, None)
            self._looked_ms[effect.id] = self._clock.read().wall_ms
            now = self._ledger.effect(effect.id)
            with self._ledger.transaction():
                if now is not None and self._learn(now.id, self._pusher.judge(now, statuses)):
                    self._looked_ms.pop(effect.id, None)
            return None

    async def _look_at_watched(self) -> bool:
        """Attempts at links that are paid already, as rarely as those a bank thinks about."""
        now_ms = self._clock.read().wall_ms
        for attempt in self._pusher.orders.watched():
            looked_ms = self._looked_ms.get(attempt.order_id)
            if looked_ms is not None and looked_ms + LATER_GAP_MS > now_ms:
                continue
            status = await self._pusher.orders.track(attempt.order_id)
            if isinstance(status, NotTracked):
                if not status.answered or self.gate.closed_ms():
                    return False
                continue
            self._looked_ms[attempt.order_id] = now_ms
            if status.state is not OrderState.PAID and may_still_be_paid(
                status, attempt.opened_ms, now_ms
            ):
                continue
            self._end_watch(attempt, status)
        return True

    def _end_watch(self, attempt: Watched, status: OrderStatus) -> None:
        effect = self._ledger.effect(attempt.effect_id)
        with self._ledger.transaction():
            if status.state is OrderState.PAID and effect is not None:
                self._ledger.post(stray(effect, status), self._clock.read().wall_ms)
            self._pusher.orders.watch_no_more(attempt)
