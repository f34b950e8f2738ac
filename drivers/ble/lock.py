"""An NPK lock on the bus: pressed with the driver's own key, asked by reading only, visited on errands."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, LockRefusal, LockState, Order, Outcome, Verb
from appliance.kernel import cose
from drivers.ble.conversations import (
    VISIT_ERRORS,
    Conversations,
    Fitting,
    Ground,
    NoErrandKeyError,
    NotHeardError,
    RefusedError,
)
from drivers.ble.links import NoLinkError
from drivers.ble.lock_log import LockLog
from drivers.ble.press import NOT_HEARD, Presser, told_of
from drivers.ble.talk import TALK_ERRORS, Talk
from drivers.ble.tunnel import LockTunnel
from drivers.local_time import changes_ahead
from drivers.npk.codes import LogKind, Op, Status, command_id
from drivers.port import Alarm, Evidence, Told

if TYPE_CHECKING:
    from appliance.bus.words import TunnelFrame
    from appliance.kernel.cbor import Item
    from drivers.npk.log import Entry
    from drivers.npk.phone import Greeting, Verdict
    from drivers.port import Attempt, House, Pin

logger = logging.getLogger(__name__)

# Orders whose command id is remembered, to name them in the log: a week of one busy door.
ORDERS_MAX: Final = 512
# An errand: handshake, a full log at MTU 23 (drivers/npk/session.py gives it 60 s), hanging up.
ERRAND_S: Final = 60.0
# The box's clock is set into a lock that is further off than this.
CLOCK_OFF_S_MAX: Final = 30
# BoltWord of drivers/npk/body.py, by number, in the words of the bus.
BOLTS: Final = ("locked", "unlocked", "jammed", "unknown")

_UNSUPPORTED: Final = Told(
    outcome=Outcome.REFUSED,
    evidence=(Evidence.NOT_SUPPORTED,),
    refusal=LockRefusal.NOT_SUPPORTED,
)
_NO_CREDENTIAL: Final = Told(
    outcome=Outcome.REFUSED,
    evidence=(Evidence.NOT_SUPPORTED,),
    refusal=LockRefusal.BAD_FRAME,
    note="no credential",
)


@dataclass(slots=True)
class _Pressed:
    """One order. `cti` None: its credential is none, or was of a life before this one."""

    order_id: str
    cti: bytes | None
    unsettled: bool = False


class NpkLock:
    """One lock. One conversation at a time; the desk sees to one order at a time."""

    kind = DeviceKind.LOCK
    decides = True

    def __init__(self, fitting: Fitting, ground: Ground) -> None:
        self.name = fitting.name
        self._fitting = fitting
        self._ground = ground
        self._clock = ground.clock
        self._conversations = Conversations(fitting, ground)
        self._presser = Presser(
            self._conversations,
            clock=ground.clock,
            needs_time=self._needs_time,
            opened=self._opened,
        )
        self._orders: OrderedDict[bytes, _Pressed] = OrderedDict()
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()  # collected, by command id
        self._state: LockState | None = None
        self.log = LockLog(
            fitting.name,
            lock_id=fitting.lock_id,
            lock_point=fitting.lock_point,
            path=fitting.log_path,
        )
        self.tunnelling = LockTunnel(fitting.name, ground=ground, turn=self._conversations.turn)
        self.house: House | None = None

    def serve(self, house: House) -> None:
        """Report to this house from now on."""
        self.house = house
        self.tunnelling.back = lambda frame: house.tunnelled(self.name, frame)

    async def tunnel(self, frame: TunnelFrame) -> None:
        """A frame of a phone on its way to this lock, unread."""
        await self.tunnelling.take(frame)

    async def state(self) -> LockState | None:
        """How it stood when it last spoke."""
        return self._state

    @property
    def may_visit(self) -> bool:
        """Whether the box has given a key for errands."""
        return self._conversations.errand_key() is not None

    @property
    def unsettled(self) -> bool:
        """Whether a visit would settle an order whose end is unknown."""
        return any(p.unsettled and p.cti is not None for p in self._orders.values())

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        """One order; a session that breaks is made again under the same command id."""
        del pin  # the lock opens the box itself
        for key in (order.errand_key, order.credential):
            self._ground.errands.offer(self.name, self._fitting.lock_id, key)
        self._ground.courier.offer(order.denylist)
        if order.verb is not Verb.READ:
            # A visit can wait for a phone; a press or a denial cannot.
            self.tunnelling.make_way()
        match order.verb:
            case Verb.UNLOCK:
                return await self._unlock(order, deadline_s)
            case Verb.DENY if order.denylist is not None:
                return await self._deliver(order.denylist, deadline_s)
            case Verb.READ | Verb.SET_CLOCK | Verb.LOCK | Verb.BLINK | Verb.DENY:
                return await self._visit_for(order, deadline_s)
            case Verb.PUT_PIN | Verb.CLEAR_PIN if order.slot is not None:
                # A lock without a keypad says so itself.
                return await self._visit_for(order, deadline_s)
            case _:
                return _UNSUPPORTED

    async def find_out(self, attempt: Attempt) -> Told | None:
        """What became of an order, out of the lock's log and book; nothing moves."""
        if attempt.verb != Verb.UNLOCK:
            return None
        wanted = command_id(attempt.order_id)
        pressed = self._orders.get(wanted)
        if pressed is None:
            # Of a life before this one: a later visit may bring its entry.
            pressed = self._keep(wanted, _Pressed(attempt.order_id, cti=None, unsettled=True))
        if (told := self._logged(wanted, pressed)) is not None:
            return told
        try:
            async with self._conversations.visit(self._clock.monotonic() + ERRAND_S) as (talk, _):
                await self._collected(talk)
                if (told := self._logged(wanted, pressed)) is not None:
                    return told
                # Of an order from before a restart the log may have been collected already, so
                # that nothing in it proves nothing; the lock's book has to be asked by its key.
                if pressed.cti is not None:
                    return await self._asked(talk, pressed.cti, wanted)
        except VISIT_ERRORS as error:
            logger.info("%s could not be asked: %s", self.name, type(error).__name__)
        return None

    async def errand(self) -> bool:
        """Set the clock, bring the denylist, collect the log, look how it stands; True when done."""
        try:
            async with self._conversations.visit(self._clock.monotonic() + ERRAND_S) as visit:
                talk, greeting = visit
                await self._set_clock(talk, greeting, None)
                await self._tell_local_time(talk)
                await self._bring_denylist(talk, greeting)
                await self._collected(talk)
                await self._settle(talk)
                await self._look(talk, greeting)
        except VISIT_ERRORS as error:
            logger.info("an errand to %s was not done: %s", self.name, type(error).__name__)
            return False
        return True

    # --- pressing

    async def _unlock(self, order: Order, deadline_s: float) -> Told:
        if order.credential is None:
            return _NO_CREDENTIAL
        wanted = command_id(order.id)
        claims = cose.verify(order.credential, self._ground.errands.issuers)
        cti = claims.cti if isinstance(claims, cose.Claims) else None
        pressed = self._keep(wanted, _Pressed(order.id, cti))
        told: Told | None = None
        try:
            told = await self._presser.press(order.credential, wanted, deadline_s)
        finally:
            # Not before: a visit between two sessions would find nothing of it and say so.
            pressed.unsettled = told is None or told.outcome is Outcome.UNKNOWN
        return told

    async def _opened(self, greeting: Greeting, verdict: Verdict) -> None:
        await self._say(greeting, bolt="unlocked", seq=verdict.event)

    def _needs_time(self, greeting: Greeting) -> bool:
        """Tell a lock the time before it refuses the guest for want of it, if we can."""
        wanted = greeting.time_unknown and self.may_visit and self._clock.read().sure
        if wanted:
            # In a session of its own; the press waits for its turn behind it.
            self._ground.nursery.mortal(f"time for {self.name}", self._bring_time())
        return wanted

    async def _bring_time(self) -> None:
        try:
            async with self._conversations.visit(self._clock.monotonic() + ERRAND_S) as visit:
                await self._set_clock(*visit, None)
        except VISIT_ERRORS as error:
            logger.info("%s was not told the time: %s", self.name, type(error).__name__)

    # --- visits with the key for errands

    async def _visit_for(self, order: Order, deadline_s: float) -> Told:
        """Whatever may be done twice without harm: all but UNLOCK."""
        asked = False
        try:
            async with self._conversations.visit(deadline_s) as (talk, greeting):
                asked = True
                told = await self._errand_of(order, talk, greeting)
                await self._look(talk, greeting)
        except RefusedError as error:
            return Told(outcome=Outcome.REFUSED, evidence=(Evidence.ANSWER,), refusal=error.refusal)
        except VISIT_ERRORS as error:
            return _not_done(error, asked=asked)
        return told

    async def _errand_of(self, order: Order, talk: Talk, greeting: Greeting) -> Told:
        status: int = Status.DONE
        match order.verb:
            case Verb.SET_CLOCK:
                status = await self._set_clock(talk, greeting, order.wall_ms)
            case Verb.LOCK:
                status, told = await talk.ask(Op.LOCK, command_id(order.id))
                match told:
                    case [int(event), int(_), int(repeated)]:
                        evidence = Evidence.REPEATED if repeated else Evidence.ANSWER
                        return told_of(status, event, evidence)
                    case _:
                        pass
            case Verb.BLINK:
                status, _ = await talk.ask(Op.BLINK)
            case Verb.PUT_PIN if order.pin_sealed is not None and order.valid_until_s is not None:
                lowest = -1 if order.generation is None else order.generation
                times: list[Item] = [order.valid_from_s or 0, order.valid_until_s]
                sealed: list[Item] = [order.slot or 0, order.pin_sealed]
                status, _ = await talk.ask(Op.PUT_PIN, *sealed, *times, lowest)
            case Verb.PUT_PIN:
                status = Status.BAD_FRAME
            case Verb.CLEAR_PIN:
                status, _ = await talk.ask(Op.CLEAR_PIN, order.slot or 0)
            case Verb.DENY:
                lowest = -1 if order.generation is None else order.generation
                status, _ = await talk.ask(Op.DENY, list(order.denied), lowest)
            case _:
                await self._collected(talk)
                await self._settle(talk)
        return told_of(status, None, Evidence.ANSWER)

    async def _deliver(self, denylist: bytes, deadline_s: float) -> Told:
        """A signed denylist: the lock believes the signature, so anybody may bring it."""
        asked = False
        try:
            async with self._conversations.talk(b"", deadline_s) as talk:
                await talk.greet()
                asked = True
                status, _ = await talk.ask(Op.DENYLIST, denylist)
        except VISIT_ERRORS as error:
            return _not_done(error, asked=asked)
        if status == Status.SUPERSEDED:
            # It has this one, from a phone or an errand, or one that is newer.
            return Told(outcome=Outcome.DONE, evidence=(Evidence.REPEATED,))
        return told_of(status, None, Evidence.ANSWER)

    async def _set_clock(self, talk: Talk, greeting: Greeting, wall_ms: int | None) -> int:
        """Set what is off; an order's own time only where this box does not know better."""
        now = self._clock.read()
        if not now.sure and wall_ms is None:
            return Status.DONE
        wall_s = now.wall_s if now.sure or wall_ms is None else wall_ms // 1000
        off_s = abs(greeting.wall_s - wall_s)
        if wall_ms is None and not greeting.time_unknown and off_s <= CLOCK_OFF_S_MAX:
            return Status.DONE
        status, _ = await talk.ask(Op.SET_TIME, wall_s)
        if status == Status.DONE and self.house is not None:
            await self.house.alarm(Alarm.CLOCK_UNKNOWN, device=self.name, on=False)
        return status

    async def _tell_local_time(self, talk: Talk) -> None:
        """The house's next changes of offset; a lock that has them writes nothing."""
        now = self._clock.read()
        if now.sure:
            table = changes_ahead(self._ground.zone, now.wall_s)
            await talk.ask(Op.LOCAL_TIME, [list(change) for change in table.changes])

    async def _bring_denylist(self, talk: Talk, greeting: Greeting) -> None:
        newer = self._ground.courier.newer_than(greeting.denylist_seq)
        if newer is not None:
            status, _ = await talk.ask(Op.DENYLIST, newer)
            logger.info("%s took the denylist: %s", self.name, status == Status.DONE)

    async def _collected(self, talk: Talk) -> None:
        if self.house is None:
            return
        for entry in await self.log.collect(talk, self.house, order_of=self._order_of):
            if entry.kind != LogKind.UNLOCK:
                continue
            self._entries[entry.command_id] = entry
            while len(self._entries) > ORDERS_MAX:
                self._entries.popitem(last=False)
            pressed = self._orders.get(entry.command_id)
            if pressed is not None and pressed.unsettled and pressed.cti in {None, entry.cti}:
                await self._settled(pressed, told_of(entry.status, entry.seq, Evidence.EVENT))

    async def _settle(self, talk: Talk) -> None:
        """Ask the lock's book about orders that its log does not name."""
        for wanted, pressed in list(self._orders.items()):
            if pressed.unsettled and pressed.cti is not None:
                told = await self._asked(talk, pressed.cti, wanted)
                if told is not None:
                    await self._settled(pressed, told)

    async def _settled(self, pressed: _Pressed, told: Told) -> None:
        # UNKNOWN by the lock's own word (its cells were out in the middle) is for a person.
        pressed.unsettled = False
        if self.house is not None and told.outcome is not Outcome.UNKNOWN:
            await self.house.settled(self.name, pressed.order_id, told)

    async def _asked(self, talk: Talk, cti: bytes, wanted: bytes) -> Told | None:
        """The lock's book about one command: what it never began, it can never have heard whole."""
        status, found = await talk.ask(Op.FIND, cti, wanted)
        match status, found:
            case Status.DONE, [int(ended), int(event), int(_)]:
                return told_of(ended, event, Evidence.STATE_READ)
            case Status.DONE, 0:
                return Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.STATE_READ,))
            case _:
                return None

    async def _look(self, talk: Talk, greeting: Greeting) -> None:
        status, found = await talk.ask(Op.STATE)
        match status, found:
            case Status.DONE, [int(bolt), int(pct), int(ajar), *_] if bolt < len(BOLTS):
                await self._say(greeting, bolt=BOLTS[bolt], battery_pct=pct, ajar=bool(ajar))
            case _:
                pass

    async def _say(
        self,
        greeting: Greeting,
        *,
        bolt: str,
        seq: int = 0,
        battery_pct: int | None = None,
        ajar: bool = False,
    ) -> None:
        known = self._state
        if battery_pct is None:
            battery_pct = None if known is None else known.battery_pct
        self._state = LockState(
            bolt=bolt,
            battery_pct=battery_pct,
            seq=max(seq, self.log.seq),
            generation=greeting.generation,
            wall_ms=greeting.wall_s * 1000,
            uncertainty_ms=max(0, greeting.uncertainty_s) * 1000,
            ajar=ajar,
            firmware="npk 1",
            heard_ms=self._clock.read().wall_ms,
            clock_known=not greeting.time_unknown,
            denylist_seq=greeting.denylist_seq,
        )
        if self.house is not None:
            await self.house.stated(self.name, self._state)

    def _logged(self, wanted: bytes, pressed: _Pressed) -> Told | None:
        """What the log says of it, as far as it was collected in this life."""
        entry = self._entries.get(wanted)
        if entry is None or pressed.cti not in {None, entry.cti}:
            return None
        return told_of(entry.status, entry.seq, Evidence.EVENT)

    def _keep(self, wanted: bytes, pressed: _Pressed) -> _Pressed:
        self._orders[wanted] = pressed
        while len(self._orders) > ORDERS_MAX:
            self._orders.popitem(last=False)
        return pressed

    def _order_of(self, wanted: bytes) -> str | None:
        pressed = self._orders.get(wanted)
        return None if pressed is None else pressed.order_id


def _not_done(error: Exception, *, asked: bool) -> Told:
    """A visit that broke off: what was asked may have been done, and may be asked again."""
    note = type(error).__name__
    match error:
        case NotHeardError():
            return NOT_HEARD
        case NoErrandKeyError():
            return Told(
                outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,), note="no errand key"
            )
        case NoLinkError():
            note = str(error)
        case _:
            pass
    return Told(
        outcome=Outcome.UNKNOWN if asked else Outcome.NOT_SENT,
        evidence=(
            Evidence.LINK_LOST if isinstance(error, TALK_ERRORS) else Evidence.STACK_REFUSED,
        ),
        note=note,
    )
