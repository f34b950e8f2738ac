"""What every device writes down: the events it numbered and the orders it answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.bus.words import DeviceAnswer, DeviceEvent, EventKind, LockRefusal, Outcome

if TYPE_CHECKING:
    from twin.flash import Flash

# A lock's log of a week without the box: 70 door uses a day. The oldest falls out, refusals first,
# and the gap in the numbers tells the box.
EVENTS_KEPT_MAX: Final = 500
# Answers are kept at least until their order has expired, and 256 of them longer than that.
ANSWERS_KEPT: Final = 256
# Orders that have not expired yet; beyond this the device says BUSY instead of forgetting one.
ANSWERS_MAX: Final = 8_192


class EventBook:
    """Events under the device's own rising numbers, kept until the bus has taken them."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        self.seq: int = flash.get("number", "seq", 0)
        kept = flash.section("event").values()
        self._kept = {e.seq: e for e in (_event(value) for value in kept)}
        self._fresh: list[DeviceEvent] = []

    def add(self, kind: EventKind, **fields: Any) -> DeviceEvent:
        """Number one event (fields of DeviceEvent); durable from the flash's next commit on."""
        self.seq += 1
        event = DeviceEvent(seq=self.seq, kind=kind, **fields)
        self._kept[event.seq] = event
        self._fresh.append(event)
        self._flash.put("number", "seq", self.seq)
        self._flash.put("event", str(event.seq), event)
        if len(self._kept) > EVENTS_KEPT_MAX:
            # Refusals go first: whoever fumbles at a lock must not wipe out who came in.
            refusals = (e.seq for e in self._kept.values() if e.kind is EventKind.REFUSED)
            oldest = next(refusals, next(iter(self._kept)))
            del self._kept[oldest]
            self._flash.drop("event", str(oldest))
        return event

    def fresh(self) -> tuple[DeviceEvent, ...]:
        """Events added since this was last asked."""
        fresh, self._fresh = tuple(self._fresh), []
        return fresh

    def last_fresh(self) -> int | None:
        """The number of the newest event not yet asked for, None where there is none."""
        return self._fresh[-1].seq if self._fresh else None

    def pending(self) -> list[DeviceEvent]:
        """Events the bus has not taken yet, oldest first."""
        return list(self._kept.values())

    def taken(self, seq: int) -> None:
        """The bus has this event; it need not be said again."""
        if self._kept.pop(seq, None) is not None:
            self._flash.drop("event", str(seq))
            self._flash.commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One answered order. An UNKNOWN one was begun by a device that died before its end."""

    answer: DeviceAnswer
    expires_at_ms: int


class OrderBook:
    """Orders this device has answered, so that a repeat gets the same answer and moves nothing."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        kept = flash.section("order").items()
        self._kept = {
            k: v if isinstance(v, Remembered) else msgspec.convert(v, Remembered) for k, v in kept
        }
        self._sweep_at = ANSWERS_KEPT

    def known(self, order_id: str) -> DeviceAnswer | None:
        """The first answer, marked as repeated, or None for a new order."""
        entry = self._kept.get(order_id)
        return None if entry is None else replace(entry.answer, repeated=True)

    def room(self, now_ms: int) -> bool:
        """Whether one more order can be remembered; forgets expired ones to make room."""
        if len(self._kept) >= self._sweep_at:
            self._sweep(now_ms)
        return len(self._kept) < ANSWERS_MAX

    def begin(self, order_id: str, expires_at_ms: int) -> None:
        """Write down, before anything moves, that this order is being carried out.

        A device that dies in between answers UNKNOWN to the repeat, and does not act again.
        """
        self.finish(DeviceAnswer(id=order_id, outcome=Outcome.UNKNOWN), expires_at_ms)
        self._flash.commit()

    def finish(self, answer: DeviceAnswer, expires_at_ms: int) -> None:
        """Remember the answer; durable from the flash's next commit on."""
        entry = Remembered(answer=answer, expires_at_ms=expires_at_ms)
        self._kept[answer.id] = entry
        self._flash.put("order", answer.id, entry)

    def _sweep(self, now_ms: int) -> None:
        expired = [k for k, v in self._kept.items() if v.expires_at_ms < now_ms]
        floor = self._flash.get("clock", "floor_ms", 0)
        for order_id in expired[: max(0, len(self._kept) - ANSWERS_KEPT // 2)]:
            # A forgotten id must stay expired for ever, so the clock may not be set before it.
            floor = max(floor, self._kept.pop(order_id).expires_at_ms + 1)
            self._flash.drop("order", order_id)
        self._flash.put("clock", "floor_ms", floor)
        self._sweep_at = min(ANSWERS_MAX, max(ANSWERS_KEPT, 2 * len(self._kept)))


def refused(order_id: str, refusal: LockRefusal, **fields: Any) -> DeviceAnswer:
    """The answer "no", with its reason."""
    return DeviceAnswer(id=order_id, outcome=Outcome.REFUSED, refusal=refusal, **fields)


def _event(value: Any) -> DeviceEvent:
    return value if isinstance(value, DeviceEvent) else msgspec.convert(value, DeviceEvent)
