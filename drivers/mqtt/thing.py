"""One foreign thing: what it says made into words of the bus, and what is asked of it said once.

A word that the broker had kept (retained) has no known age: it is no event and no proof. An order's
end is the thing's own answer, or its own report said after the order; else it is unknown.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from appliance.bus.port import Published
from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, Outcome, Verb
from appliance.kernel.clock import within
from drivers.facts import LOCKED, NOTHING, UNLOCKED, Facts, state_of, turns
from drivers.mqtt.dialect import Heard, Say
from drivers.port import Alarm, Evidence, Happening, Told

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.bus.words import State
    from appliance.kernel.clock import Clock
    from drivers.mqtt.dialect import Dialect
    from drivers.port import Attempt, House, Pin
    from drivers.radios import Thing

# 15 s: Zigbee2MQTT's own timeout of 10 s and the radio's last repetitions; a bolt may move until then.
LATE_S_MAX: Final = 15.0
# How long how a thing stands is taken for the doing of the newest order; then a hand had time.
PROOF_S_MAX: Final = 120.0
# How long a thing is given to say how it stands: one poll of a sleepy Zigbee child is 7.68 s.
READ_S_MAX: Final = 4.0
# Ends remembered for somebody who asks later: a day of a busy door.
ENDS_MAX: Final = 64
# A burst of 100 (a gateway that comes back says everything), then 10/s: beyond it is no thing.
BURST_MAX: Final = 100
HEARD_PER_S_MAX: Final = 10.0
# The same state is said again at most this often: its age matters, the wear as well.
RESTATE_S: Final = 60.0
# Words of one sender that are older than its last by up to this much came late; beyond, its clock
# was set back.
DISORDER_MS_MAX: Final = 600_000

T = TypeVar("T")

# A report that follows an order's proof this soon is the order's own.
CREDIT_S: Final = 3.0
_BOLT_EVENTS: Final = {EventKind.UNLOCKED: UNLOCKED, EventKind.LOCKED: LOCKED}
_MEASURED: Final = (
    "power_w10",
    "energy_wh",
    "volume_ml",
    "temperature_c10",
    "humidity_pct10",
    "light_lux",
)


@dataclass(slots=True)
class _Asked:
    """One publication of ours whose end is awaited."""

    order_id: str
    say: Say
    end: asyncio.Future[Told]
    may_act_until_s: float
    late: bool = False


class MqttThing:
    """A `Device` of the mqtt radio."""

    decides = False

    def __init__(self, thing: Thing, dialect: Dialect, *, bus: Bus, clock: Clock) -> None:
        self.thing = thing
        self._dialect = dialect
        self._bus = bus
        self._clock = clock
        self.guest_locks = False
        self.online: bool | None = None
        self.heard_s: float | None = None
        self.flooded = 0  # words dropped because there were too many
        self._fresh = NOTHING
        self._stamp_ms: int | None = None
        self._asked: _Asked | None = None
        self._reading: asyncio.Future[None] | None = None
        self._ends: OrderedDict[str, Told] = OrderedDict()
        # The newest order, what was known before it, and since when it runs.
        self._newest: tuple[str, Facts, float] | None = None
        self._credit: tuple[str, float] | None = None
        # Until when a turn whose end nobody knows may still move it, and when the bolt was last told.
        self._doubt_s: float | None = None
        self._bolt_s = 0.0
        self._stated: State | None = None
        self._stated_s = 0.0
        self._tokens, self._refilled_s = float(BURST_MAX), clock.monotonic()

    @property
    def name(self) -> str:
        """Its name on the bus."""
        return self.thing.name

    @property
    def kind(self) -> DeviceKind:
        """What it is."""
        return self.thing.kind

    @property
    def filters(self) -> tuple[str, ...]:
        """The topics it speaks under."""
        return self._dialect.filters

    async def state(self) -> State | None:
        """How it stands: asked, where its dialect can ask, else as it last said itself.

        None where it has said nothing since the line came up.
        """
        await self._asked_how_it_stands(self._clock.monotonic() + READ_S_MAX)
        if not self._fresh.said():
            return None
        return state_of(self.kind, self._fresh, self._clock.read().wall_ms)

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:  # noqa: ARG002 - no dialect takes a PIN
        """Say it once, then wait for the thing's own word."""
        say = self._dialect.say(order)
        if isinstance(say, LockRefusal) or self._promises_too_little(order):
            return _refused(LockRefusal.NOT_SUPPORTED, Evidence.NOT_SUPPORTED)
        if self.online is False or not self._bus.connected:
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NO_RADIO,))
        now_s = self._clock.monotonic()
        if now_s >= deadline_s:
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,))
        if say.turn and self._may_still_act(now_s):
            # A report that comes now could be the earlier order's: neither would know its end.
            return _refused(LockRefusal.BUSY, Evidence.NEVER_LEFT)
        return await self._put(order.id, say, deadline_s)

    async def find_out(self, attempt: Attempt) -> Told | None:
        """What has been seen of an order since, or what the thing says now; nothing is repeated."""
        if (known := self._ends.get(attempt.order_id)) is not None:
            return known
        order = Order(id=attempt.order_id, verb=Verb(attempt.verb), expires_at_ms=0, reply_topic="")
        say = self._dialect.say(order)
        if isinstance(say, LockRefusal) or not self._can_prove(attempt.order_id, say):
            return None
        if not await self._asked_how_it_stands(self._clock.monotonic() + READ_S_MAX):
            return None
        if (known := self._ends.get(attempt.order_id)) is not None:
            return known
        if self._can_prove(attempt.order_id, say) and self._fresh.holds(say.proof):
            return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))
        return None

    async def hear(self, message: Message, house: House) -> None:
        """Take in one message of the thing's topics."""
        if not self._bearable():
            self.flooded += 1
            return
        heard = self._dialect.hear(message.topic, message.payload)
        if heard is None or self._came_late(heard):
            return
        if heard.half_joined is not None:
            await house.alarm(Alarm.DEVICE_HALF_JOINED, device=self.name, on=heard.half_joined)
        if heard.online is not None:
            await self._appear(house, online=heard.online)
        # Water that was on the floor when the box started is said; a dry floor of long ago is not.
        if message.retained and not (self.kind is DeviceKind.LEAK and heard.facts.wet):
            return
        await self._take_in(heard, house)

    async def ask(self) -> bool:
        """Have it say how it stands, where its dialect has such a word."""
        say = self._dialect.ask()
        return say is not None and await self._publish(say) is not Published.NOT_SENT

    def forget(self) -> None:
        """The line was away: what was said meanwhile is not known."""
        self._fresh = NOTHING
        self._stated = None

    def _can_prove(self, order_id: str, say: Say) -> bool:
        """Whether how the thing stands says anything of that order: not after a later one."""
        if self._newest is None or not say.proof.said():
            return False
        newest, before, begun_s = self._newest
        if newest != order_id or self._clock.monotonic() - begun_s > PROOF_S_MAX:
            return False
        return not say.turn or _differs(before, say.proof)

    async def _put(self, order_id: str, say: Say, deadline_s: float) -> Told:
        end: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        asked = self._asked = _Asked(order_id, say, end, deadline_s + LATE_S_MAX)
        if self._doubt_s is not None and self._bolt_s <= self._doubt_s:
            # Told before an earlier turn could have moved it: not how it stands before this one.
            self._fresh = replace(self._fresh, bolt=None)
        self._newest = (order_id, self._fresh, self._clock.monotonic())
        if say.turn:
            self._doubt_s = asked.may_act_until_s
        if await self._publish(say) is Published.NOT_SENT:
            self._asked = self._doubt_s = None
            return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,))
        try:
            told = await within(self._clock, max(0.0, deadline_s - self._clock.monotonic()), end)
        except TimeoutError:
            asked.late = True
            return Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.DEADLINE,))
        self._asked = None
        return told

    async def _publish(self, say: Say) -> Published:
        # QoS 0, never retained: a broker that keeps an order opens a door when nobody asks any more.
        return await self._bus.publish(say.topic, say.payload, qos=0, retain=False)

    async def _asked_how_it_stands(self, deadline_s: float) -> bool:
        self._reading = asyncio.get_running_loop().create_future()
        try:
            if not await self.ask():
                return False
            left_s = max(0.0, deadline_s - self._clock.monotonic())
            await within(self._clock, left_s, self._reading)
        except TimeoutError:
            return False
        finally:
            self._reading = None
        return True

    async def _take_in(self, heard: Heard, house: House) -> None:
        self.heard_s = self._clock.monotonic()
        before = self._fresh
        await self._judge(heard, before, house)
        if heard.acted is None and any(event.kind in _BOLT_EVENTS for event in heard.events):
            # A hand or a code has moved it since: how it stands proves nothing of an order now.
            self._newest = None
        bolt = next((_BOLT_EVENTS[e.kind] for e in heard.events if e.kind in _BOLT_EVENTS), None)
        self._fresh = before.updated(heard.facts).updated(Facts(bolt=bolt))
        if bolt is not None or heard.facts.bolt is not None:
            self._bolt_s = self._clock.monotonic()
        if heard.facts.said():
            if self._reading is not None and not self._reading.done():
                self._reading.set_result(None)
            await self._appear(house, online=True)
        said = {event.kind for event in heard.events}
        seen = [Happening(kind=k) for k in turns(before, self._fresh) if k not in said]
        for event in (*heard.events, *seen):
            await house.happened(self.name, self._credited(event))
        await self._state(house)
        values = {k: float(v) for k, v in heard.facts.said().items() if k in _MEASURED}
        if values:
            await house.measured(self.name, values)

    def _credited(self, event: Happening) -> Happening:
        """The act of an order has the order's name; its second report is a repeat."""
        if event.kind not in _BOLT_EVENTS or self._credit is None:
            return event
        order_id, until_s = self._credit
        if self._clock.monotonic() > until_s:
            return event
        return replace(event, order_id=order_id, key=f"{event.kind}:{order_id}")

    async def _judge(self, heard: Heard, before: Facts, house: House) -> None:
        """Whether this is the end of what was asked."""
        asked = self._asked
        if asked is None:
            return
        told = _proof(asked, heard, before)
        if told is None:
            if self._clock.monotonic() > asked.may_act_until_s:
                self._asked = None
            return
        if told.outcome is Outcome.DONE:
            self._credit = (asked.order_id, self._clock.monotonic() + CREDIT_S)
        self._doubt_s = None
        _remember(self._ends, asked.order_id, told)
        if not asked.end.done():
            asked.end.set_result(told)
        if asked.late:
            self._asked = None
            await house.settled(self.name, asked.order_id, told)

    async def _state(self, house: House) -> None:
        wall_ms, now_s = self._clock.read().wall_ms, self._clock.monotonic()
        state = state_of(self.kind, self._fresh, wall_ms)
        if state is None:
            return
        bare = state_of(self.kind, self._fresh, 0)
        if bare != self._stated or now_s - self._stated_s >= RESTATE_S:
            self._stated, self._stated_s = bare, now_s
            await house.stated(self.name, state)

    async def _appear(self, house: House, *, online: bool) -> None:
        if online is not self.online:
            self.online = online
            if not online:
                self.forget()
            await house.present(self.name, online=online)

    def _promises_too_little(self, order: Order) -> bool:
        """A guest's door is not opened on a path that cannot say what became of it."""
        return (
            self.kind is DeviceKind.LOCK
            and order.verb is Verb.UNLOCK
            and self.thing.room is not None
            and not self._dialect.answers
            and not self.guest_locks
        )

    def _may_still_act(self, now_s: float) -> bool:
        asked = self._asked
        return asked is not None and not asked.end.done() and now_s < asked.may_act_until_s

    def _came_late(self, heard: Heard) -> bool:
        stamp_ms, last_ms = heard.stamp_ms, self._stamp_ms
        if stamp_ms is None:
            return False
        if last_ms is not None and 0 < last_ms - stamp_ms <= DISORDER_MS_MAX:
            return True
        self._stamp_ms = stamp_ms
        return False

    def _bearable(self) -> bool:
        now_s = self._clock.monotonic()
        grown = (now_s - self._refilled_s) * HEARD_PER_S_MAX
        self._tokens, self._refilled_s = min(float(BURST_MAX), self._tokens + grown), now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _proof(asked: _Asked, heard: Heard, before: Facts) -> Told | None:  # noqa: PLR0911 - in order
    say = asked.say
    if say.answer_id is not None:
        answer = heard.answer
        if answer is None or answer.id != say.answer_id:
            return None
        evidence = (Evidence.LATE_ANSWER if asked.late else Evidence.ANSWER,)
        if answer.done:
            return Told(outcome=Outcome.DONE, evidence=evidence)
        refusal = LockRefusal.NOT_SUPPORTED
        return Told(outcome=Outcome.REFUSED, evidence=evidence, refusal=refusal, note=answer.note)
    if not say.proof.said():
        return None
    done = Told(outcome=Outcome.DONE, evidence=(Evidence.EVENT,))
    if heard.acted is not None:
        return done if heard.acted == say.proof.bolt else None
    # A hand, a key or a keypad moved it: that is not this order.
    if any(event.kind in _BOLT_EVENTS for event in heard.events):
        return None
    if say.turn and not _differs(before, say.proof):
        return None
    return done if heard.facts.holds(say.proof) else None


def _differs(before: Facts, proof: Facts) -> bool:
    """Whether every fact of the proof was known to be another one."""
    return all(getattr(before, name) not in {None, value} for name, value in proof.said().items())


def _refused(refusal: LockRefusal, evidence: Evidence) -> Told:
    return Told(outcome=Outcome.REFUSED, evidence=(evidence,), refusal=refusal)


def _remember(book: OrderedDict[str, T], order_id: str, what: T) -> None:
    book[order_id] = what
    while len(book) > ENDS_MAX:
        book.popitem(last=False)
