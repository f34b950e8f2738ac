"""A lock that decides by itself: keys, PINs and orders in, bolt moves and events out, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import (
    DeviceAnswer,
    DeviceKind,
    EventKind,
    LockRefusal,
    LockState,
    Order,
    Outcome,
    Verb,
)
from appliance.kernel.cose import Flaw
from drivers.judge import Judge, No, Pass, flaw_refusal
from drivers.local_time import local_for
from twin.backoff import Backoff
from twin.bolt import LOCKED, UNLOCKED, Bolt
from twin.books import EventBook, OrderBook, refused
from twin.core import Reply
from twin.pin_slots import PIN_DIGITS_MAX, PinSlots, Slot, judge_slot
from twin.rtc import Rtc

if TYPE_CHECKING:
    from appliance.bus.words import DeviceEvent
    from appliance.kernel.clock import Reading
    from appliance.kernel.cose import Claims
    from twin.flash import Flash
    from twin.identity import LockIdentity
    from twin.journal import Journal

FIRMWARE: Final = "twin-lock 1"


class LockCore:
    """One lock. `now` is always the true time of the simulation; the lock's own clock may differ.

    What must outlive a restart is in `flash`: numbers, generation, PIN slots (sealed), denylist,
    answered orders, unsaid events. The journal records what really happened, and no digits.
    """

    def __init__(
        self,
        identity: LockIdentity,
        *,
        flash: Flash,
        journal: Journal,
        now: Reading,
        battery_pct: int = 100,
    ) -> None:
        self._me = identity
        self._flash = flash
        self._journal = journal
        self.rtc = Rtc(flash, now, drift_ppm=identity.drift_ppm)
        self.bolt = Bolt(identity, flash, journal, now, battery_pct=battery_pct)
        self.judge = Judge(identity, flash)
        self._pins = PinSlots(flash, device=identity.device, secret=identity.secret)
        self._events = EventBook(flash)
        self._orders = OrderBook(flash)
        self._keypad = Backoff(flash, "keypad")
        self._radio = Backoff(flash, "radio")
        flash.commit()

    @property
    def device(self) -> str:
        """Its name on the bus."""
        return self._me.device

    @property
    def kind(self) -> DeviceKind:
        """A lock."""
        return DeviceKind.LOCK

    def handle_order(self, order: Order, now: Reading) -> Reply:
        """Carry out an order of the box; a known id gets its first answer and moves nothing.

        The wrong-try limits do not count here: a stranger at the keypad must not be able to take
        the desk's hand off the door. A lock with flat cells gives an empty reply.
        """
        if self.bolt.battery_pct == 0:
            return Reply()
        if (known := self._orders.known(order.id)) is not None:
            return Reply(answer=known)
        time = self.rtc.read(now)
        if order.verb is Verb.READ:
            return Reply(answer=self._told(order, time.ms), state=self.state(now))
        if not self._orders.room(time.ms):
            return Reply(answer=refused(order.id, LockRefusal.BUSY))
        if order.verb is Verb.UNLOCK:
            return self._unlock_order(order, now)
        refusal = self._expired(order, now) or self._carry_out(order, now)
        return self._answered(order, refusal, now)

    def try_credential(self, data: bytes, now: Reading, order_id: str | None = None) -> Reply:
        """Somebody holds a key to the lock; the same key with the same id opens once."""
        if self.bolt.battery_pct == 0:
            return Reply()
        if self._radio.waits(now.wall_ms):
            return self._turned_away(No(refusal=LockRefusal.RATE_LIMITED), "key", now)
        claims = self.judge.read(data)
        if isinstance(claims, Flaw):
            self._radio.wrong(now.wall_ms)
            return self._turned_away(No(refusal=flaw_refusal(claims)), "key", now)
        self._radio.right()
        # Ids are the phone's own: two phones may choose the same one.
        scoped = None if order_id is None else f"{claims.cti.hex()}:{order_id}"
        if scoped is not None and (known := self._orders.known(scoped)) is not None:
            return Reply(answer=known)
        verdict = self._judge_key(claims, now)
        if isinstance(verdict, No):
            return self._turned_away(verdict, "key", now)
        return self._open(verdict, "key", now, scoped, claims.exp_s * 1000)

    def try_pin(self, digits: str, now: Reading) -> Reply:
        """Somebody types digits on the keypad."""
        if self.bolt.battery_pct == 0:
            return Reply()
        if self._keypad.waits(now.wall_ms):
            return self._turned_away(No(refusal=LockRefusal.RATE_LIMITED), "pin", now)
        matching = self._pins.matching(digits) if len(digits) <= PIN_DIGITS_MAX else []
        if not matching:
            self._keypad.wrong(now.wall_ms)
            return self._turned_away(No(refusal=LockRefusal.WRONG_PIN), "pin", now)
        time = self.rtc.read(now)
        verdicts = [judge_slot(slot, self.judge, time) for slot in matching]
        # Two guests may have been given the same digits: one that holds is enough.
        verdict = next((v for v in verdicts if isinstance(v, Pass)), verdicts[0])
        if isinstance(verdict, No):
            return self._turned_away(verdict, "pin", now)
        self._keypad.right()
        return self._open(verdict, "pin", now)

    def tick(self, now: Reading) -> Reply:
        """Lock again when the time has come."""
        if self.bolt.battery_pct == 0:
            self.bolt.relock_at_ms = None
            return Reply()
        if not self.bolt.relock_due(now):
            return Reply()
        moved = self.bolt.move(LOCKED, now, via="timer")
        kind = EventKind.LOCKED if moved else EventKind.JAMMED
        self._events.add(kind, **self._stamp(now))
        return self._settled(None, now)

    def due_ms(self) -> int | None:
        """When the bolt locks again by itself (true time, ms)."""
        return self.bolt.relock_at_ms

    def state(self, now: Reading) -> LockState:
        """What the lock says of itself."""
        time = self.rtc.read(now)
        return LockState(
            bolt=self.bolt.position,
            battery_pct=self.bolt.battery_pct,
            seq=self._events.seq,
            generation=self.judge.generation,
            wall_ms=time.ms,
            uncertainty_ms=time.uncertainty_ms,
            ajar=self.bolt.ajar,
            firmware=FIRMWARE,
        )

    def swing(self, now: Reading, *, ajar: bool) -> Reply:
        """Somebody opened or closed the leaf."""
        self.bolt.swing(now, ajar=ajar)
        kind = EventKind.DOOR_OPENED if ajar else EventKind.DOOR_CLOSED
        self._events.add(kind, **self._stamp(now))
        return self._settled(None, now)

    def tamper(self, now: Reading) -> Reply:
        """Somebody took the cover off."""
        self._journal.note("tamper", device=self.device)
        self._events.add(EventKind.TAMPER, **self._stamp(now))
        return self._settled(None, now)

    def set_privacy(self, *, on: bool) -> None:
        """The guest turned the knob inside."""
        self.judge.set_privacy(on=on)
        self._flash.commit()

    def pending(self) -> list[DeviceEvent]:
        """Events the bus has not taken, oldest first."""
        return self._events.pending()

    def taken(self, seq: int) -> None:
        """The bus has this event."""
        self._events.taken(seq)

    def close(self) -> None:
        """Write down what is left."""
        self._flash.close()

    def _told(self, order: Order, time_ms: int) -> DeviceAnswer:
        """The answer to READ, with what became of the order it asks about."""
        first = None if order.about is None else self._orders.known(order.about)
        return DeviceAnswer(
            id=order.id,
            outcome=Outcome.DONE,
            wall_ms=time_ms,
            traceparent=order.traceparent,
            about=order.about,
            about_outcome=None if first is None else first.outcome,
            about_refusal=None if first is None else first.refusal,
        )

    def _unlock_order(self, order: Order, now: Reading) -> Reply:
        verdict = self._judge_order(order, now)
        if isinstance(verdict, No):
            self._note_refusal(verdict, "order", order.id)
            self._add_refusal(verdict, now, order.id)
            return self._answered(order, verdict.refusal, now)
        return self._open(verdict, "order", now, order.id, order.expires_at_ms, order.traceparent)

    def _judge_order(self, order: Order, now: Reading) -> Pass | No:
        if order.credential is None:
            return No(refusal=LockRefusal.BAD_FRAME)
        claims = self.judge.read(order.credential)
        if isinstance(claims, Flaw):
            return No(refusal=flaw_refusal(claims))
        verdict = self._judge_key(claims, now)
        if isinstance(verdict, Pass) and (late := self._expired(order, now)) is not None:
            return No(refusal=late, cti=verdict.cti, generation=verdict.generation)
        return verdict

    def _judge_key(self, claims: Claims, now: Reading) -> Pass | No:
        time = self.rtc.read(now)
        local = local_for(claims, self._me.time_zone, time.past_ms)
        return self.judge.judge_key(claims, time, local=local)

    def _expired(self, order: Order, now: Reading) -> LockRefusal | None:
        """A late order does nothing. Not widened by doubt: the asker has given up by then."""
        if order.verb is Verb.SET_CLOCK:
            return None
        time = self.rtc.read(now)
        # A lock without the time takes PINs and denials: they carry or need no moment of their own.
        if not time.known:
            return LockRefusal.NO_TIME if order.verb is Verb.UNLOCK else None
        return LockRefusal.EXPIRED if time.ms > order.expires_at_ms else None

    def _carry_out(self, order: Order, now: Reading) -> LockRefusal | None:  # noqa: PLR0911 - one line per verb
        match order.verb:
            case Verb.LOCK:
                moved = self.bolt.move(LOCKED, now, via="order", order_id=order.id)
                kind = EventKind.LOCKED if moved else EventKind.JAMMED
                self._events.add(kind, order_id=order.id, **self._stamp(now))
                return None if moved else LockRefusal.JAMMED
            case Verb.PUT_PIN:
                return self._put_pin(order)
            case Verb.CLEAR_PIN if order.slot is not None:
                self._pins.clear(order.slot)
                return None
            case Verb.DENY:
                taken = self.judge.deny(order.denied, order.generation)
                return None if taken else LockRefusal.BAD_FRAME
            case Verb.SET_CLOCK if order.wall_ms is not None:
                return None if self.rtc.set(order.wall_ms, now) else LockRefusal.NO_TIME
            case Verb.BLINK:
                self._journal.note("blink", device=self.device, order_id=order.id)
                return None
            case _:
                return LockRefusal.BAD_FRAME

    def _put_pin(self, order: Order) -> LockRefusal | None:
        if order.slot is None or order.pin_sealed is None or order.valid_until_s is None:
            return LockRefusal.BAD_FRAME
        slot = Slot(
            slot=order.slot,
            sealed=order.pin_sealed,
            valid_from_s=order.valid_from_s or 0,
            valid_until_s=order.valid_until_s,
            generation=order.generation,
        )
        return None if self._pins.put(slot) else LockRefusal.BAD_FRAME

    def _open(
        self,
        right: Pass,
        via: str,
        now: Reading,
        order_id: str | None = None,
        expires_at_ms: int = 0,
        traceparent: str | None = None,
    ) -> Reply:
        """Move the bolt for a right that holds; what is promised is on flash before it moves."""
        answer_id = order_id or ""
        self.judge.admit(right)
        self.rtc.seen(right.issued_ms)
        if order_id is not None:
            self._orders.begin(order_id, expires_at_ms)
        who: dict[str, Any] = {"order_id": order_id, "cti": right.cti, "slot": right.slot}
        moved = self.bolt.move(UNLOCKED, now, via=via, generation=right.generation, **who)
        kind = EventKind.UNLOCKED if moved else EventKind.JAMMED
        event = self._events.add(kind, generation=right.generation, **who, **self._stamp(now))
        answer = DeviceAnswer(
            id=answer_id,
            outcome=Outcome.DONE if moved else Outcome.REFUSED,
            refusal=None if moved else LockRefusal.JAMMED,
            seq=event.seq,
            wall_ms=event.wall_ms,
            traceparent=traceparent,
        )
        if order_id is not None:
            self._orders.finish(answer, expires_at_ms)
        return self._settled(answer, now)

    def _turned_away(self, no: No, via: str, now: Reading) -> Reply:
        self._note_refusal(no, via, None)
        answer = refused("", no.refusal, wall_ms=self.rtc.read(now).ms)
        # A wait makes no event: the wrong tries before it did, and a lock's log is short.
        if no.refusal is not LockRefusal.RATE_LIMITED:
            self._add_refusal(no, now, None)
        return self._settled(answer, now)

    def _answered(self, order: Order, refusal: LockRefusal | None, now: Reading) -> Reply:
        answer = DeviceAnswer(
            id=order.id,
            outcome=Outcome.DONE if refusal is None else Outcome.REFUSED,
            refusal=refusal,
            seq=self._events.last_fresh(),
            wall_ms=self.rtc.read(now).ms,
            traceparent=order.traceparent,
        )
        if refusal is not None and order.verb is not Verb.UNLOCK:
            self._note_refusal(No(refusal=refusal), str(order.verb), order.id)
        self._orders.finish(answer, order.expires_at_ms)
        return self._settled(answer, now)

    def _settled(self, answer: DeviceAnswer | None, now: Reading) -> Reply:
        self.bolt.weigh(now, self._events, **self._stamp(now))
        self._flash.commit()
        return Reply(answer=answer, events=self._events.fresh(), state=self.state(now))

    def _add_refusal(self, no: No, now: Reading, order_id: str | None) -> None:
        self._events.add(
            EventKind.REFUSED,
            refusal=no.refusal,
            order_id=order_id,
            cti=no.cti,
            slot=no.slot,
            generation=no.generation,
            **self._stamp(now),
        )

    def _note_refusal(self, no: No, via: str, order_id: str | None) -> None:
        self._journal.note(
            "refusal",
            device=self.device,
            door_number=self._me.door_number,
            reason=no.refusal,
            via=via,
            order_id=order_id,
            cti=no.cti,
            slot=no.slot,
            generation=no.generation,
        )

    def _stamp(self, now: Reading) -> dict[str, Any]:
        time = self.rtc.read(now)
        return {"wall_ms": time.ms, "uncertainty_ms": time.uncertainty_ms}
