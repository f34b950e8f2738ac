"""One device's desk: every order is written down before it is sent, and sent at most once.

Known ids are answered again and move nothing. What nobody knows the end of is looked for by
reading (`finding.py`), and said again when it is found.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceAnswer, LockRefusal, Order, Outcome, Verb
from appliance.kernel.clock import sleep, within
from appliance.kernel.discreet import where
from drivers.doorman import Ruling
from drivers.finding import FIND_OUT_S_MAX, Finder
from drivers.office import (
    CANCEL_S_MAX,
    CARRY_S_MAX,
    HUNG_S_MAX,
    SETTLE_S_MAX,
    STATE_S_MAX,
    STORE_PAUSE_S,
    STORE_TRIES_MAX,
    WAITING_MAX,
)
from drivers.port import Attempt, Device, Evidence, Pin, Told

if TYPE_CHECKING:
    from drivers.doorman import Doorman
    from drivers.office import Office

logger = logging.getLogger(__name__)

# What may be done without knowing the time: it carries its own, or can only shut.
_TIMELESS: Final = frozenset({Verb.DENY, Verb.PUT_PIN, Verb.CLEAR_PIN, Verb.CLOSE_VALVE})
_NO_RADIO: Final = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NO_RADIO,))
_NOT_BEGUN: Final = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.DESK,), note="disk")
_TOO_LATE: Final = Told(
    outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note="written too late"
)
_NOT_YET: Final = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.DEADLINE,))
_STOPPED: Final = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.RESTART,))
_BROKE: Final = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.BROKE,))


class Desk:
    """Takes the orders of one device, one after another."""

    def __init__(self, name: str, office: Office, doorman: Doorman | None = None) -> None:
        """`doorman` verifies keys in place of a lock that cannot."""
        self.name = name
        self._office = office
        self._keep = office.keep
        self._clock = office.clock
        self._doorman = doorman
        self._mutex = asyncio.Lock()
        self._finder = Finder(name, office, self._mutex, self.say_again)
        self._running: dict[str, asyncio.Future[None]] = {}
        self._early: dict[str, Told] = {}
        self._unwritten: OrderedDict[str, Told] = OrderedDict()

    @property
    def generation(self) -> int | None:
        """The highest generation let in here, None where no doorman counts them."""
        return None if self._doorman is None else self._doorman.generation

    @property
    def busy(self) -> int:
        """Orders that are being served or wait."""
        return len(self._running)

    def take(self, order: Order) -> None:
        """Serve an order in its turn; returns at once, so that the bus may go on."""
        running = self._running.get(order.id)
        if running is not None:
            self._office.nursery.mortal(f"{self.name} again", self._again(order, running))
            return
        ended = self._running[order.id] = asyncio.get_running_loop().create_future()
        self._office.nursery.mortal(f"{self.name} {order.verb}", self._served(order, ended))

    def take_up(self, attempt: Attempt) -> None:
        """Look for an end that an earlier life left unknown."""
        self._finder.seek(attempt)

    async def settled(self, order_id: str, told: Told) -> None:
        """Evidence of an order's end, from the radio: only an UNKNOWN can get better by it."""
        if told.outcome is Outcome.UNKNOWN:
            return
        if order_id in self._running:
            self._early[order_id] = told  # whoever carries it out will want to know
        elif self._finder.improve(order_id, told):
            attempt = self._keep.attempt(self.name, order_id)
            assert attempt is not None
            await self.say_again(attempt)

    def came_back(self) -> None:
        """The device can be reached: whoever looks for an end may look now."""
        self._finder.came_back()

    async def say_again(self, attempt: Attempt) -> None:
        """An end that the bus has not taken yet, or a better one than it was told."""
        if attempt.told is not None and attempt.order_id not in self._running:
            await self._say(attempt.order_id, attempt.told, repeated=True)

    async def quiet(self) -> None:
        """Return once no order is being served."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    # -- one order -------------------------------------------------------------------------

    async def _served(self, order: Order, ended: asyncio.Future[None]) -> None:
        try:
            if order.verb is Verb.READ:
                await self._read(order)
            else:
                await self._serve(order)
        finally:
            self._running.pop(order.id, None)
            self._early.pop(order.id, None)
            if not ended.done():
                ended.set_result(None)

    async def _again(self, order: Order, running: asyncio.Future[None]) -> None:
        await asyncio.wait({running})
        self.take(order)

    async def _serve(self, order: Order) -> None:
        if (known := self._known(order)) is not None:
            await self._say(order.id, known, repeated=True, traceparent=order.traceparent)
            return
        if len(self._running) > WAITING_MAX:
            told = self._begin(order, _refused(LockRefusal.BUSY))
        else:
            async with self._mutex:
                told = await self._carry_out(order)
        await self._say(order.id, told, traceparent=order.traceparent)
        if told.outcome is Outcome.UNKNOWN:
            early = self._early.pop(order.id, None)
            if early is not None and self._finder.improve(order.id, early):
                # It came while we were saying that nobody knows.
                await self._say(order.id, early, repeated=True, traceparent=order.traceparent)
                return
            attempt = self._keep.attempt(self.name, order.id)
            if attempt is not None:
                self._finder.seek(attempt)

    def _known(self, order: Order) -> Told | None:
        known = self._keep.attempt(self.name, order.id)
        if known is None:
            return self._unwritten.get(order.id)
        if known.verb != order.verb:
            return _refused(LockRefusal.BAD_FRAME)
        # Begun and without an end, and nobody works on it: its end could not be written.
        return known.told or _BROKE

    async def _carry_out(self, order: Order) -> Told:
        """Everything that may move something; the caller holds the mutex."""
        device = self._office.reach(self.name)
        now_ms = self._office.now_ms()
        ruling = self._rule(order, device, now_ms)
        told = self._begin(order, ruling.told, ruling)
        if told is not _SENDING or device is None:
            return told
        # A disk may take seconds to write it down, and nothing is sent after its time.
        now_ms = self._office.now_ms()
        if self._late(order, now_ms) is LockRefusal.EXPIRED:
            return await self._end(order.id, _TOO_LATE)
        told = await self._transmit(device, order, ruling.pin, now_ms)
        if told.outcome is Outcome.UNKNOWN:
            told = self._early.pop(order.id, told)
        return await self._end(order.id, told)

    def _rule(self, order: Order, device: Device | None, now_ms: int) -> Ruling:
        """What is settled without the radio; a ruling without `told` is to be sent."""
        if (refusal := self._late(order, now_ms)) is not None:
            evidence = Evidence.EXPIRED if refusal is LockRefusal.EXPIRED else Evidence.DESK
            return Ruling(told=_refused(refusal, evidence))
        if device is None:
            return Ruling(told=_NO_RADIO)
        if self._doorman is None or device.decides:
            return Ruling()
        return self._doorman.rule(order, self._office.time())

    def _late(self, order: Order, now_ms: int) -> LockRefusal | None:
        if order.verb is Verb.SET_CLOCK:
            return None
        if not self._office.shares_clock and not self._clock.read().sure:
            # On another machine without the time nobody can say how old an order is.
            return None if order.verb in _TIMELESS else LockRefusal.NO_TIME
        return LockRefusal.EXPIRED if now_ms >= order.expires_at_ms else None

    def _begin(self, order: Order, told: Told | None, ruling: Ruling | None = None) -> Told:
        """Write the attempt down, with its end where that is known; what came of it."""
        attempt = Attempt(
            device=self.name,
            order_id=order.id,
            verb=order.verb,
            begun_ms=self._office.now_ms(),
            expires_at_ms=order.expires_at_ms,
        )
        try:
            with self._keep.together():
                if ruling is not None and ruling.event is not None:
                    now = self._clock.read()
                    event = self._office.outbox.add(self.name, ruling.event, now)
                    seq = None if event is None else event.seq
                    told = None if told is None else replace(told, seq=seq)
                    self._office.ring()
                if told is None and ruling is not None and self._doorman is not None:
                    self._doorman.admit(ruling)
                if not self._keep.begin(replace(attempt, told=told)):
                    told = _refused(LockRefusal.BUSY)
                    self._remember(order.id, told)
        except sqlite3.Error as error:
            logger.error("an order of %s was not begun: %s", self.name, where(error))  # noqa: TRY400 - without the text
            told = _NOT_BEGUN if told is None else told
            self._remember(order.id, told)
        return told or _SENDING

    async def _transmit(self, device: Device, order: Order, pin: Pin | None, now_ms: int) -> Told:
        left_s = self._left_s(order, now_ms)
        deadline_s = self._clock.monotonic() + left_s
        work = asyncio.ensure_future(device.carry_out(order, deadline_s=deadline_s, pin=pin))
        ended = asyncio.ensure_future(_outcome(work, self.name))
        try:
            return await within(self._clock, left_s + SETTLE_S_MAX, ended)
        except TimeoutError:
            await self._say(order.id, await self._end(order.id, _NOT_YET))
            return await self._outwait(work, ended)
        except asyncio.CancelledError:
            # We are being stopped in the middle: it may have left, and nothing is sent again.
            self._keep.end(self.name, order.id, _STOPPED)
            raise
        finally:
            work.cancel()

    def _left_s(self, order: Order, now_ms: int) -> float:
        """What is left of an order's time, by a clock that is the box's own."""
        if order.verb is Verb.SET_CLOCK or not self._office.shares_clock:
            return CARRY_S_MAX
        return min(CARRY_S_MAX, (order.expires_at_ms - now_ms) / 1000)

    async def _outwait(self, work: asyncio.Future[Told], ended: asyncio.Future[Told]) -> Told:
        """The mutex stays taken until the radio has let go of the order, whatever it takes."""
        try:
            return await within(self._clock, HUNG_S_MAX, ended)
        except TimeoutError:
            self._office.hung(self.name)
            work.cancel()
        try:
            return await within(self._clock, CANCEL_S_MAX, ended)
        except TimeoutError:
            # Only a new process gets rid of it: a second order must not meet the first.
            self._office.nursery.deadly(f"{self.name} is stuck", _die(self.name))
            return await ended

    async def _end(self, order_id: str, told: Told) -> Told:
        """Written before it is said; raises where the disk refuses for seconds."""
        for attempt in range(1, STORE_TRIES_MAX):
            try:
                return self._keep.end(self.name, order_id, told)
            except sqlite3.Error as error:
                logger.error("an end of %s was not written: %s", self.name, where(error))  # noqa: TRY400 - without the text
                await sleep(self._clock, STORE_PAUSE_S * attempt)
        return self._keep.end(self.name, order_id, told)

    def _remember(self, order_id: str, told: Told) -> None:
        """An answer that is in no file: the same id must not act later in this life."""
        self._unwritten[order_id] = told
        while len(self._unwritten) > WAITING_MAX * 16:
            self._unwritten.popitem(last=False)

    async def _say(
        self, order_id: str, told: Told, *, repeated: bool = False, traceparent: str | None = None
    ) -> None:
        answer = DeviceAnswer(
            id=order_id,
            outcome=told.outcome,
            refusal=told.refusal,
            repeated=repeated,
            seq=told.seq,
            wall_ms=self._office.now_ms(),
            traceparent=traceparent,
            evidence=tuple(told.evidence),
        )
        if await self._office.answer(self.name, answer):
            self._keep.said(self.name, order_id, told)

    # -- asking ----------------------------------------------------------------------------

    async def _read(self, order: Order) -> None:
        if order.about is not None:
            await self._tell_about(order, order.about)
            return
        if order.after_seq is not None:
            self._office.outbox.say_again(self.name, order.after_seq)
            self._office.ring()
        device = self._office.reach(self.name)
        if device is None:
            told = _NO_RADIO
        elif order.errand_key is not None and device.decides:
            told = await self._visit(device, order)
        else:
            told = await self._ask_state(device)
        if order.after_seq is not None:
            # The events were asked for, and those are ours.
            told = Told(outcome=Outcome.DONE, evidence=(Evidence.DESK,))
        await self._say(order.id, told, traceparent=order.traceparent)

    async def _visit(self, device: Device, order: Order) -> Told:
        """The lock itself is asked, with the key that came along; nothing moves or is kept."""
        async with self._mutex:
            now_ms = self._office.now_ms()
            if (refusal := self._late(order, now_ms)) is not None:
                return _refused(refusal)
            left_s = self._left_s(order, now_ms)
            deadline_s = self._clock.monotonic() + left_s
            work = asyncio.ensure_future(device.carry_out(order, deadline_s=deadline_s))
            ended = asyncio.ensure_future(_outcome(work, self.name))
            try:
                return await within(self._clock, left_s + SETTLE_S_MAX, ended)
            except TimeoutError:
                return _NOT_YET
            finally:
                work.cancel()

    async def _ask_state(self, device: Device) -> Told:
        asked = asyncio.ensure_future(device.state())
        try:
            state = await within(self._clock, STATE_S_MAX, asked)
        except Exception as error:  # noqa: BLE001 - a device's trouble is an answer, not our end
            logger.info("%s did not say how it stands: %s", self.name, where(error))
            return _NOT_YET
        finally:
            asked.cancel()
        if state is not None:
            await self._office.stated(self.name, state)
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def _tell_about(self, order: Order, about: str) -> None:
        left_s = max(0.0, (order.expires_at_ms - self._office.now_ms()) / 1000)
        if (running := self._running.get(about)) is not None:
            # Half of what is left: the answer must still find whoever asked.
            await self._wait_for(running, left_s / 2)
        attempt = self._keep.attempt(self.name, about)
        told: Told | None = _NOT_YET
        if about not in self._running:
            if attempt is None:
                # What is called never begun must not begin: not after a boot without the time.
                self._keep.raise_floor(self._office.now_ms())
            told = None if attempt is None else attempt.told or _BROKE
            if attempt is not None and told is not None and told.outcome is Outcome.UNKNOWN:
                limit_s = min(FIND_OUT_S_MAX, left_s / 2)
                told = await self._finder.find_out(attempt, limit_s) or told
        answer = DeviceAnswer(
            id=order.id,
            outcome=Outcome.DONE,
            wall_ms=self._office.now_ms(),
            traceparent=order.traceparent,
            about=about,
            about_outcome=None if told is None else told.outcome,
            about_refusal=None if told is None else told.refusal,
            since_ms=self._keep.since_ms if told is None else None,
            evidence=() if told is None else tuple(told.evidence),
        )
        await self._office.answer(self.name, answer)

    async def _wait_for(self, running: asyncio.Future[None], seconds: float) -> None:
        waiting = asyncio.ensure_future(asyncio.wait({running}))
        try:
            await within(self._clock, seconds, waiting)
        except TimeoutError:
            pass
        finally:
            waiting.cancel()


# Written down and on its way: no end is known, and none is said.
_SENDING: Final = Told(outcome=Outcome.UNKNOWN, evidence=())


async def _outcome(work: asyncio.Future[Told], name: str) -> Told:
    """What became of a call, where raising is an end like another."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if not work.cancelled():
            raise
        return _BROKE
    except Exception as error:  # noqa: BLE001 - whatever a radio raises, something may have left
        logger.error("an order of %s broke: %s", name, where(error))  # noqa: TRY400 - without the text
        return _BROKE


async def _die(name: str) -> None:
    raise RuntimeError(f"{name} never returned from an order")


def _refused(refusal: LockRefusal, evidence: Evidence = Evidence.DESK) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(evidence,), refusal=refusal)
