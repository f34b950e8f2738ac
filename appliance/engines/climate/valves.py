"""Between the log and the valves: a closing is sent until the valve has said that it is closed.

Opening and closing name a position, so sending again is safe; the last order of a valve wins.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from appliance.bus.words import Order, Outcome, ValveState, Verb, answer_topic
from appliance.engines.climate.messages import (
    AlarmKind,
    ClearAlarm,
    RaiseAlarm,
    SettleValve,
    ValveAsked,
)
from appliance.engines.climate.projection import ValveOrder, open_valve_orders
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Command, Role, Who

if TYPE_CHECKING:
    from appliance.bus.fittings import Fittings
    from appliance.bus.requests import Orders
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# Less than we wait for the answer: an order given up cannot undo a later one.
EXPIRES_MS: Final = 3_000
ANSWER_S_MAX: Final = 4.0
# Water does damage by the second; a valve whose radio is away is asked again at once when it is back.
PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
# Tries to close before a person is told: about five seconds of a valve that does not answer.
TRIES_QUIET: Final = 1
_FINAL: Final = frozenset({Outcome.DONE, Outcome.REFUSED})
_BOX: Final = Who(actor="box", role=Role.SERVICE)


class Valves:
    """One lane for each valve that has an order."""

    def __init__(
        self,
        *,
        orders: Orders,
        store: Callable[[Asking], Awaitable[Answer]],
        reader: Reader,
        clock: Clock,
        nursery: Nursery,
        fittings: Fittings[ValveState],
    ) -> None:
        self._orders = orders
        self._store = store
        self._reader = reader
        self._clock = clock
        self._nursery = nursery
        self._fittings = fittings
        self._wanted: dict[str, list[ValveOrder]] = {}
        self._serving: set[str] = set()

    async def take_up(self) -> None:
        """Go on with what a crash left open."""
        for order in await open_valve_orders(self._reader):
            self._want(order)

    def notice(self, facts: Sequence[Recorded]) -> None:
        """What was committed."""
        for fact in facts:
            if isinstance(fact.event, ValveAsked):
                asked = fact.event
                self._want(
                    ValveOrder(
                        order_id=asked.order_id,
                        device_id=asked.device_id,
                        open=asked.open,
                        expires_at_ms=asked.expires_at_ms,
                    )
                )

    def _want(self, order: ValveOrder) -> None:
        device_id = order.device_id
        self._wanted.setdefault(device_id, []).append(order)
        if device_id in self._serving:
            self._fittings.ring(device_id)
        else:
            self._serving.add(device_id)
            self._nursery.mortal(f"valve {device_id}", self._serve(device_id))

    async def _serve(self, device_id: str) -> None:
        try:
            while waiting := self._wanted.get(device_id):
                order = waiting.pop(0)
                if waiting:
                    unheard = Outcome.UNKNOWN if order.maybe_sent else Outcome.NOT_SENT
                    await self._settle(order, unheard, "superseded")
                else:
                    await self._settle(order, *await self._fulfil(order))
            del self._wanted[device_id]
        finally:
            self._serving.discard(device_id)

    async def _fulfil(self, order: ValveOrder) -> tuple[Outcome, str]:
        """Send until the valve has said it, the order is stale, or there is another one."""
        sent, tries = order.maybe_sent, 0
        while True:
            unheard = Outcome.UNKNOWN if sent else Outcome.NOT_SENT
            if self._wanted.get(order.device_id):
                return unheard, "superseded"
            now_ms = self._clock.read().wall_ms
            if now_ms >= order.expires_at_ms:
                return unheard, "expired"
            told = await self._orders.order(
                order.device_id,
                Order(
                    # Another try is another id: a known one would get its first answer again.
                    id=f"{order.order_id}.{tries}.{now_ms}",
                    verb=Verb.OPEN_VALVE if order.open else Verb.CLOSE_VALVE,
                    expires_at_ms=min(now_ms + EXPIRES_MS, order.expires_at_ms),
                    reply_topic=answer_topic(order.device_id),
                ),
                answer_s_max=ANSWER_S_MAX,
            )
            if told.answer is not None:
                self._fittings.spoke(order.device_id)
            if told.outcome is Outcome.DONE or (order.open and told.outcome in _FINAL):
                await self._alarm(order, up=False)
                return told.outcome, "answer"
            sent = sent or told.outcome is not Outcome.NOT_SENT
            tries += 1
            if tries > TRIES_QUIET and not order.open:
                await self._alarm(order, up=True)
            if not self._wanted.get(order.device_id):
                pause_s = PAUSES_S[min(tries - 1, len(PAUSES_S) - 1)]
                await self._fittings.heard_of(order.device_id, pause_s)

    async def _settle(self, order: ValveOrder, outcome: Outcome, evidence: str) -> None:
        command = SettleValve(
            order_id=order.order_id,
            device_id=order.device_id,
            outcome=outcome,
            evidence=evidence,
        )
        await self._ask(command, f"settle:{order.order_id}:{evidence}")

    async def _alarm(self, order: ValveOrder, *, up: bool) -> None:
        # Named by the order: a valve may be stuck again another day.
        word = RaiseAlarm if up else ClearAlarm
        command = word(device_id=order.device_id, alarm=AlarmKind.VALVE_STUCK)
        await self._ask(command, f"{'stuck' if up else 'moves'}:{order.order_id}")

    async def _ask(self, command: Command, command_id: str) -> None:
        await self._store(Asking(command=command, command_id=command_id, who=_BOX))
