"""Orders to devices and their answers: matched by id, bounded in time, never sent twice."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.bus.port import Published
from appliance.bus.words import (
    TOPIC_ROOT,
    DeviceAnswer,
    Order,
    Outcome,
    command_topic,
    decode,
    device_of,
    encode,
)
from appliance.kernel.clock import within

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.kernel.clock import Clock

logger = logging.getLogger(__name__)

# 8 s: what a guest in front of a door is asked to wait at most (DESIGN section 8).
ANSWER_S_MAX = 8.0
# Orders remembered so that the same id is never sent again by this process: some days' worth.
REMEMBERED_MAX = 10_000

LateAnswer = Callable[[str, DeviceAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of one order. `answer` is there whenever the device has spoken in time."""

    outcome: Outcome
    answer: DeviceAnswer | None = None


class Orders:
    """Sends orders over one bus and knows what became of each."""

    def __init__(self, *, bus: Bus, clock: Clock, on_late_answer: LateAnswer | None = None) -> None:
        self._bus = bus
        self._clock = clock
        self._on_late_answer = on_late_answer
        self._open: dict[tuple[str, str], asyncio.Future[DeviceAnswer]] = {}
        self._asked: OrderedDict[tuple[str, str], asyncio.Future[Told]] = OrderedDict()

    async def start(self) -> None:
        """Listen for answers of every device; call it before the bus is started."""
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/answer", self._answered)

    async def order(self, device: str, order: Order, *, answer_s_max: float = ANSWER_S_MAX) -> Told:
        """Send an order once and wait for its answer, at most `answer_s_max` seconds.

        NOT_SENT means that the device cannot have seen it; UNKNOWN that it may have, and then only
        evidence (state, an event, a late answer) can tell. The same id asked again joins the first
        asking and sends nothing. Cancelling the caller takes nothing back.
        """
        key = (device, order.id)
        asked = self._asked.get(key)
        if asked is None:
            asked = asyncio.ensure_future(self._send(device, order, answer_s_max))
            self._asked[key] = asked
            while len(self._asked) > REMEMBERED_MAX and next(iter(self._asked.values())).done():
                self._asked.popitem(last=False)
        told = await asyncio.shield(asked)
        if told.outcome is Outcome.NOT_SENT and told.answer is None:
            # Nothing has left, so asking again is safe, and may find the line up.
            self._asked.pop(key, None)
        return told

    async def close(self) -> None:
        """Stop waiting for answers; whoever still waits is cancelled."""
        waiting = [asked for asked in self._asked.values() if not asked.done()]
        for asked in waiting:
            asked.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _send(self, device: str, order: Order, answer_s_max: float) -> Told:
        deadline_s = self._clock.monotonic() + answer_s_max
        key = (device, order.id)
        # Open before the first byte leaves: the answer can overtake the acknowledgement.
        answer = self._open[key] = asyncio.get_running_loop().create_future()
        try:
            published = await self._bus.publish(command_topic(device), encode(order), qos=1)
            if published is Published.NOT_SENT and not answer.done():
                return Told(outcome=Outcome.NOT_SENT)
            left_s = max(0.0, deadline_s - self._clock.monotonic())
            said = await within(self._clock, left_s, answer)
        except TimeoutError:
            return Told(outcome=Outcome.UNKNOWN)
        else:
            return Told(outcome=said.outcome, answer=said)
        finally:
            del self._open[key]

    async def _answered(self, message: Message) -> None:
        device = device_of(message.topic)
        answer = decode(message.payload, DeviceAnswer)
        if device is None or answer is None:
            logger.warning("%s holds no answer that can be read", message.topic)
            return
        # By device and id: a device cannot answer for another, whatever id it names.
        waiting = self._open.get((device, answer.id))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        elif self._on_late_answer is not None and not _told_already(waiting, answer):
            # Also a better word right behind an UNKNOWN that its asker has not read yet.
            await self._on_late_answer(device, answer)


def _told_already(waiting: asyncio.Future[DeviceAnswer] | None, answer: DeviceAnswer) -> bool:
    if waiting is None or waiting.cancelled():
        return False
    told = waiting.result()
    return (told.outcome, told.refusal) == (answer.outcome, answer.refusal)
