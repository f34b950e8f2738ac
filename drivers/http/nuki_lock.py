"""One lock behind a Nuki bridge.

`lockAction` is a GET that moves a bolt and has no id: it leaves once. A time-out, a cut line or an
error of the bridge is UNKNOWN until the bridge says how the bolt stands, and says so of a bolt that
was known to be locked when the order began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, Outcome, Verb
from drivers.facts import JAMMED, LOCKED, NOTHING, UNLOCKED, Facts, state_of, turns
from drivers.http import nuki
from drivers.http.wire import CutError, NotSentError
from drivers.port import Alarm, Evidence, Happening, Told

if TYPE_CHECKING:
    from appliance.bus.words import State
    from appliance.kernel.clock import Clock
    from drivers.http.bridge import NukiBridge
    from drivers.http.wire import Reply
    from drivers.port import Attempt, House, Pin
    from drivers.radios import Thing

# 30 s: the bridge's own patience with a lock; until then a lost order may still move the bolt.
LATE_S_MAX: Final = 30.0
# A look at an end costs one BLE connection of the bridge, 1 to 3 s.
SETTLE_S_MAX: Final = 3.0
# What the list said within two polls and a bit counts as known when an order begins.
KNOWN_S_MAX: Final = 70.0
# A read proves an order's end until then: the order's own time, the bridge's patience, two polls.
PROOF_S_MAX: Final = 120.0


class NukiLock:
    """A `Device` of the http radio; options `nuki_id`, `device_type`, `unlatch`."""

    decides = False

    def __init__(self, thing: Thing, bridge: NukiBridge, *, clock: Clock) -> None:
        self.thing = thing
        self._bridge = bridge
        self._clock = clock
        self.nuki_id = int(thing.options.get("nuki_id", 0))
        self.device_type = int(thing.options.get("device_type", 0))
        # A door with a knob outside needs the latch drawn as well; an opener has nothing else.
        unlatches = thing.options.get("unlatch") is True or self.device_type == nuki.OPENER
        self._open_action = nuki.UNLATCH if unlatches else nuki.UNLOCK
        self._facts = NOTHING
        self._known_s: float | None = None
        self._stated: Facts | None = None
        self._word: nuki.LockWord | None = None
        self._online: bool | None = None
        self._pending: tuple[str, float] | None = None
        # The newest order alone, whether its bolt was known to stand otherwise, and since when.
        self._newest: tuple[str, bool, float] | None = None
        self._done: list[str] = []

    @property
    def name(self) -> str:
        """Its name on the bus."""
        return self.thing.name

    @property
    def kind(self) -> DeviceKind:
        """A lock."""
        return DeviceKind.LOCK

    async def state(self) -> State | None:
        """As the bridge last said; a lock is not woken for it."""
        if not self._facts.said():
            return None
        return state_of(self.kind, self._facts, self._clock.read().wall_ms)

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:  # noqa: ARG002 - the bridge sets no codes
        """Have the bolt moved, at most once."""
        if order.verb not in {Verb.UNLOCK, Verb.LOCK}:
            return _refused(LockRefusal.NOT_SUPPORTED, Evidence.NOT_SUPPORTED)
        opens = order.verb is Verb.UNLOCK
        now_s = self._clock.monotonic()
        if opens and self._pending is not None and now_s < self._pending[1]:
            return _refused(LockRefusal.BUSY, Evidence.NEVER_LEFT)
        self._note_before(order.id, opens=opens)
        action = self._open_action if opens else nuki.LOCK
        ask = nuki.lock_action(self.nuki_id, self.device_type, action, self._bridge.auth())
        try:
            reply = await self._bridge.ask(ask, deadline_s=deadline_s)
        except NotSentError as error:
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NO_RADIO,), note=str(error))
        except CutError as error:
            told = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.LINK_LOST,), note=str(error))
        else:
            told = _read(reply)
        if told.outcome is not Outcome.UNKNOWN:
            return self._ended(order, told)
        if opens:
            self._pending = (order.id, self._clock.monotonic() + LATE_S_MAX)
        found = await self._settle(order.id, opens=opens)
        if found is None:
            return told
        evidence = (*told.evidence, *found.evidence)
        return self._ended(
            order, Told(outcome=found.outcome, evidence=evidence, refusal=found.refusal)
        )

    async def find_out(self, attempt: Attempt) -> Told | None:
        """How the bolt stands, asked over the air; a move is not repeated."""
        found = await self._settle(attempt.order_id, opens=attempt.verb == Verb.UNLOCK)
        if found is not None and found.outcome is Outcome.DONE and attempt.verb == Verb.UNLOCK:
            self._done.append(attempt.order_id)
            self._pending = None
            self._bridge.ring()
        return found

    async def heard(self, word: nuki.LockWord, house: House) -> None:
        """What the bridge's list says of it."""
        await self.present(house, online=True)
        if word == self._word:
            # Nothing new since: it must not undo what an answer has told us in the meantime.
            self._known_s = self._clock.monotonic()
            await self._report(house, self._facts)
            return
        self._word = word
        await self._late(word, house)
        await self._report(house, self._facts.updated(word.facts))
        if not word.moving:
            self._known_s = self._clock.monotonic()

    async def present(self, house: House, *, online: bool) -> None:
        """Whether the bridge has it."""
        if not online:
            self._known_s = None
        if online is not self._online:
            self._online = online
            await house.present(self.name, online=online)

    async def refused(self, house: House, *, on: bool) -> None:
        """Our token does not hold: somebody must look."""
        await house.alarm(Alarm.RADIO_FOREIGN, device=self.name, on=on)

    async def _late(self, word: nuki.LockWord, house: House) -> None:
        """The bolt of an order that nobody knew the end of has moved after all."""
        if self._pending is None or word.facts.bolt != UNLOCKED:
            return
        order_id, until_s = self._pending
        if self._can_prove(order_id) and self._clock.monotonic() <= until_s:
            self._pending = None
            self._done.append(order_id)
            self._facts = self._facts.updated(Facts(bolt=UNLOCKED))
            told = Told(outcome=Outcome.DONE, evidence=(Evidence.EVENT,))
            await house.settled(self.name, order_id, told)

    async def _report(self, house: House, after: Facts) -> None:
        before, self._facts = self._facts, after
        for order_id in self._done:
            # The answer was the proof; the bolt may be locked again before the list says so.
            what = Happening(kind=EventKind.UNLOCKED, order_id=order_id, key=f"unlocked:{order_id}")
            await house.happened(self.name, what)
            before = before.updated(Facts(bolt=UNLOCKED))
        self._done.clear()
        for kind in turns(before, after):
            await house.happened(self.name, Happening(kind=kind))
        state = await self.state()
        if state is not None and after != self._stated:
            self._stated = after
            await house.stated(self.name, state)

    def _note_before(self, order_id: str, *, opens: bool) -> None:
        fresh = self._known_s is not None and self._clock.monotonic() - self._known_s <= KNOWN_S_MAX
        stood = fresh and self._facts.bolt == (LOCKED if opens else UNLOCKED)
        self._newest = (order_id, stood, self._clock.monotonic())

    def _can_prove(self, order_id: str) -> bool:
        """Whether how the bolt stands now says anything of that order.

        Not after a later order, whose doing it may be, and not when somebody has had the time to
        turn the knob.
        """
        if self._newest is None:
            return False
        newest, stood, begun_s = self._newest
        return newest == order_id and stood and self._clock.monotonic() - begun_s <= PROOF_S_MAX

    def _ended(self, order: Order, told: Told) -> Told:
        if told.outcome is Outcome.DONE:
            if order.verb is Verb.UNLOCK:
                self._pending = None
                self._done.append(order.id)
                self._facts = self._facts.updated(Facts(bolt=UNLOCKED))
            self._bridge.ring()
        return told

    async def _settle(self, order_id: str, *, opens: bool) -> Told | None:
        """Ask the lock itself; only a bolt that was known to stand otherwise proves anything."""
        if not self._can_prove(order_id):
            return None
        ask = nuki.lock_state(self.nuki_id, self.device_type, self._bridge.auth())
        try:
            reply = await self._bridge.ask(ask, deadline_s=self._clock.monotonic() + SETTLE_S_MAX)
        except (NotSentError, CutError):
            return None
        word = (
            nuki.read_state(reply.body, self.nuki_id, self.device_type)
            if reply.status == 200
            else None
        )
        if word is None:
            return None
        if word.facts.bolt == (UNLOCKED if opens else LOCKED):
            return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))
        if word.facts.bolt == JAMMED:
            return _refused(LockRefusal.JAMMED, Evidence.STATE_READ)
        return None


def _read(reply: Reply) -> Told:
    """What a whole answer to lockAction says (section 5.5 of the document)."""
    note = f"status {reply.status}"
    match reply.status:
        case 200:
            success = nuki.read_success(reply.body)
            if success is True:
                return Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))
            if success is False:
                # It tried: the motor may have run part of the way.
                return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.ANSWER,), note="no success")
            return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.MISMATCH,), note=note)
        case 400 | 401 | 403 | 404:
            # The bridge did not take it: wrong parameters, a wrong token, a lock it does not have.
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.STACK_REFUSED,), note=note)
        case _:
            # 503 is "lock offline" by the document, after the bridge has tried to reach it.
            return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.MISMATCH,), note=note)


def _refused(refusal: LockRefusal, evidence: Evidence) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(evidence,), refusal=refusal)
