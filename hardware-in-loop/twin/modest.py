"""What thermostats and sensors share: orders answered once, events numbered, flash, a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.bus.words import DeviceAnswer, LockRefusal, Order, Outcome, Verb
from twin.books import EventBook, OrderBook, refused
from twin.core import Reply
from twin.rtc import Rtc

if TYPE_CHECKING:
    from appliance.bus.words import DeviceEvent, State
    from appliance.kernel.clock import Reading
    from twin.flash import Flash
    from twin.journal import Journal


class ModestCore:
    """A device that guards nothing: it trusts the bus, and still does no order twice or late."""

    def __init__(self, device: str, *, flash: Flash, journal: Journal, now: Reading) -> None:
        self._name = device
        self._flash = flash
        self._journal = journal
        self.rtc = Rtc(flash, now)
        self._events = EventBook(flash)
        self._orders = OrderBook(flash)

    @property
    def device(self) -> str:
        """Its name on the bus."""
        return self._name

    def handle_order(self, order: Order, now: Reading) -> Reply:
        """Carry out an order; a known id gets its first answer."""
        if (known := self._orders.known(order.id)) is not None:
            return Reply(answer=known)
        time = self.rtc.read(now)
        if not self._orders.room(time.ms):
            return Reply(answer=refused(order.id, LockRefusal.BUSY))
        if order.verb is not Verb.SET_CLOCK and time.known and time.ms > order.expires_at_ms:
            refusal: LockRefusal | None = LockRefusal.EXPIRED
        else:
            refusal = self._basic(order, now)
        answer = DeviceAnswer(
            id=order.id,
            outcome=Outcome.DONE if refusal is None else Outcome.REFUSED,
            refusal=refusal,
            seq=self._events.last_fresh(),
            wall_ms=time.ms,
            traceparent=order.traceparent,
        )
        if refusal is not None:
            self._journal.note(
                "refusal", device=self._name, reason=refusal, via=order.verb, order_id=order.id
            )
        self._orders.finish(answer, order.expires_at_ms)
        return self._settled(answer, now)

    def state(self, now: Reading) -> State:
        """What the device says of itself."""
        raise NotImplementedError

    def carry_out(self, order: Order, now: Reading) -> LockRefusal | None:
        """The device's own verbs; BAD_FRAME for one it has never heard of."""
        raise NotImplementedError

    def pending(self) -> list[DeviceEvent]:
        """Events the bus has not taken, oldest first."""
        return self._events.pending()

    def taken(self, seq: int) -> None:
        """The bus has this event."""
        self._events.taken(seq)

    def close(self) -> None:
        """Write down what is left."""
        self._flash.close()

    def _basic(self, order: Order, now: Reading) -> LockRefusal | None:
        match order.verb:
            case Verb.READ:
                return None
            case Verb.BLINK:
                self._journal.note("blink", device=self._name, order_id=order.id)
                return None
            case Verb.SET_CLOCK if order.wall_ms is not None:
                return None if self.rtc.set(order.wall_ms, now) else LockRefusal.NO_TIME
            case _:
                return self.carry_out(order, now)

    def _settled(self, answer: DeviceAnswer | None, now: Reading) -> Reply:
        self._flash.commit()
        return Reply(answer=answer, events=self._events.fresh(), state=self.state(now))

    def _stamp(self, now: Reading) -> dict[str, Any]:
        time = self.rtc.read(now)
        return {"wall_ms": time.ms, "uncertainty_ms": time.uncertainty_ms}
