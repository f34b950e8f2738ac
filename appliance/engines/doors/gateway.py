"""Between the log and the locks: sends each committed press once, and writes down what came of it.

It follows the facts right after their commit and asks the rules what it learned. It decides
nothing, and sends no press a second time: what is unknown is read back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.fittings import Fittings
from appliance.bus.requests import Orders
from appliance.bus.words import (
    TOPIC_ROOT,
    DeviceAnswer,
    DeviceEvent,
    LockRefusal,
    LockState,
    Order,
    Outcome,
    Presence,
    Verb,
    answer_topic,
    decode,
    device_of,
)
from appliance.engines.doors.delivery import Deliveries
from appliance.engines.doors.denylists import Denylists
from appliance.engines.doors.errands import Errands
from appliance.engines.doors.messages import (
    AccessLogged,
    KeyCut,
    KeyRevoked,
    LogAccess,
    MasterRevoked,
    OpenAsked,
    OpenSettled,
    SettleOpening,
)
from appliance.engines.doors.rules import OPEN_EXPIRES_MS
from appliance.engines.inventory.messages import (
    DoorAdded,
    DoorFitted,
    LockProtocol,
    PropertySetUp,
)
from appliance.kernel.clock import sleep, within
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Done, KernelRefusal, Refused, Role, Who
from appliance.kernel.telemetry import open_tracer

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.engines.doors.credentials import Locksmith
    from appliance.kernel.ask import Asker
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader
    from appliance.kernel.tasks import Nursery
    from appliance.kernel.telemetry import Tracer

logger = logging.getLogger(__name__)

# 8 s: what a person in front of a door is asked to wait at most (DESIGN section 8).
OUTCOME_S_MAX: Final = 8.0
# Half a second less, so that UNKNOWN is on disk before the person is told.
ANSWER_S_MAX: Final = 7.5
# Pauses before an unknown opening is asked about again; the last one is repeated.
SEEK_PAUSES_S: Final = (0.2, 1.0, 3.0, 8.0, 20.0, 60.0)
# A day of asking a silent lock; its own events settle the press also after that.
SEEKS_MAX: Final = 1_440
# Outcomes kept in memory for the page that asks right after the press.
REMEMBERED_MAX: Final = 4_096
# A disk that refuses for this long is another alarm's business.
STORE_TRIES_MAX: Final = 20
STORE_PAUSE_S: Final = 0.25
BOX: Final = Who(actor="box", role=Role.SERVICE)
_NOT_STORED: Final = frozenset(
    {KernelRefusal.OVERLOADED, KernelRefusal.NOT_STORED, KernelRefusal.BROKEN}
)


class NotStoredError(Exception):
    """What a lock said is not on disk yet: it must say it again. Look at the disk and the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is known of an opening. None as an outcome: the order is on its way."""

    opening_id: str
    outcome: Outcome | None
    refusal: LockRefusal | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    opening_id: str
    door_id: str
    device_id: str
    expires_at_ms: int
    trace: str | None = None
    series: int = 0  # which lock had the name


class Gateway:
    """The only part of doors that meets the outside world."""

    def __init__(  # noqa: PLR0913 - the parts of one gateway, each by its own name
        self,
        *,
        bus: Bus,
        asker: Asker,
        reader: Reader,
        clock: Clock,
        nursery: Nursery,
        locksmith: Locksmith,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer or open_tracer("doors")
        self._bus = bus
        self._asker = asker
        self._reader = reader
        self._clock = clock
        self._nursery = nursery
        self.locksmith = locksmith
        self._orders = Orders(bus=bus, clock=clock, on_late_answer=self._late)
        self._door_of: dict[str, str] = {}
        # Which lock a name means, where it has meant another one before.
        self._series: dict[str, int] = {}
        # Who presses an NPK door: its driver's point, which the lock wants to see proved.
        self._pressers: dict[str, bytes] = {}
        self._open: dict[str, _Open] = {}
        self._waiting: dict[str, asyncio.Future[Settled]] = {}
        self._known: OrderedDict[str, Settled] = OrderedDict()
        self.fittings: Fittings[LockState] = Fittings(clock)
        self.denylists = Denylists(ask=self._store, reader=reader, clock=clock, locksmith=locksmith)
        self._asked_again: set[tuple[str, int]] = set()
        self.deliveries = Deliveries(
            orders=self._orders,
            ask=self._store,
            reader=reader,
            clock=clock,
            nursery=nursery,
            locksmith=locksmith,
            fittings=self.fittings,
            denylists=self.denylists,
        )
        self.errands = Errands(
            orders=self._orders,
            reader=reader,
            clock=clock,
            locksmith=locksmith,
            fittings=self.fittings,
            denylists=self.denylists,
        )

    async def start(self) -> None:
        """Begin to follow. Call it after the log is open and before anybody may press.

        Presses that a crash left without an end become UNKNOWN and are asked about.
        """
        self._asker.listen(self._notice)
        await self._load()
        await self._orders.start()
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/event", self._happened)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/state", self._stated)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/online", self._came_or_went)
        self._bus.on_connect(self._line_is_back)
        await self._take_up()
        await self.deliveries.take_up()
        self._nursery.mortal("errands", self.errands.run())

    async def close(self) -> None:
        """Stop waiting for answers; what is open is UNKNOWN at the next start."""
        await self._orders.close()

    async def outcome_of(self, opening_id: str) -> Settled | None:
        """The outcome as soon as it is on disk, UNKNOWN after 8 s at most; None: no such opening."""
        waiting = self._waiting.get(opening_id)
        if waiting is not None:
            try:
                return await within(self._clock, OUTCOME_S_MAX, waiting)
            except TimeoutError:
                return Settled(opening_id=opening_id, outcome=Outcome.UNKNOWN, evidence="deadline")
        known = self._known.get(opening_id)
        return known if known is not None else await self._read(opening_id)

    def open_unknowns(self) -> list[str]:
        """Ids of openings that are asked about."""
        return list(self._open)

    # -- what was committed ----------------------------------------------------------------

    def _notice(self, facts: Sequence[Recorded]) -> None:
        for fact in facts:
            match fact.event:
                case OpenAsked() as event:
                    self._pressed(event, fact)
                case OpenSettled() as event:
                    self._ended(event)
                case KeyCut() | KeyRevoked() as event:
                    self.deliveries.owe(event.door_id)
                case MasterRevoked():
                    for door_id in set(self._door_of.values()):
                        self.deliveries.owe(door_id)
                case AccessLogged() as event:
                    self._missed(event)
                case DoorAdded() as event:
                    self._door_of[event.device_id] = event.door_id
                case DoorFitted() as event:
                    self._fitted(event, fact.position)
                case PropertySetUp() as event:
                    self.locksmith.property_id = event.property_id
                case _:
                    pass

    def _missed(self, event: AccessLogged) -> None:
        """Numbers were left out: ask the device once to say everything after the last one."""
        after = event.seq - event.missed - 1
        if not event.missed or (event.device_id, after) in self._asked_again:
            return
        if len(self._asked_again) >= REMEMBERED_MAX:
            self._asked_again.clear()
        self._asked_again.add((event.device_id, after))
        self._nursery.mortal(f"events of {event.device_id}", self._again(event.device_id, after))

    async def _again(self, device_id: str, after_seq: int) -> None:
        now_ms = self._clock.read().wall_ms
        order = Order(
            id=f"{device_id}.after.{after_seq}.{now_ms}",
            verb=Verb.READ,
            expires_at_ms=now_ms + int(OUTCOME_S_MAX * 1000),
            reply_topic=answer_topic(device_id),
            after_seq=after_seq,
        )
        # What comes of it comes as events, each with its number; a device that cannot says nothing.
        await self._orders.order(device_id, order, answer_s_max=ANSWER_S_MAX)

    def _fitted(self, event: DoorFitted, position: int) -> None:
        """Another lock may hang at the door now: the old one is no longer listened to."""
        for device_id in [one for one, door in self._door_of.items() if door == event.door_id]:
            del self._door_of[device_id]
        self._door_of[event.device_id] = event.door_id
        if event.new_lock:
            self._series[event.device_id] = position
        self._presser(event.door_id, event.protocol, event.presser_point)
        self.deliveries.owe(event.door_id)
        self.errands.ring()

    def _presser(self, door_id: str, protocol: str, point: str | None) -> None:
        self._pressers.pop(door_id, None)
        if protocol == LockProtocol.NPK and point is not None:
            self._pressers[door_id] = bytes.fromhex(point)

    def _serves(self, opening: _Open) -> bool:
        """Whether the lock that was pressed is still the door's."""
        same = self._series.get(opening.device_id, 0) == opening.series
        return same and self._door_of.get(opening.device_id) == opening.door_id

    def _pressed(self, event: OpenAsked, fact: Recorded) -> None:
        opening = _Open(
            opening_id=event.opening_id,
            door_id=event.door_id,
            device_id=event.device_id,
            expires_at_ms=event.expires_at_ms,
            trace=fact.trace,
            series=self._series.get(event.device_id, 0),
        )
        self._open[event.opening_id] = opening
        self._waiting[event.opening_id] = asyncio.get_running_loop().create_future()
        self._nursery.mortal(f"press {event.opening_id}", self._press(event, opening))

    def _ended(self, event: OpenSettled) -> None:
        settled = Settled(
            opening_id=event.opening_id,
            outcome=event.outcome,
            refusal=event.refusal,
            evidence=event.evidence,
        )
        self._known[event.opening_id] = settled
        self._known.move_to_end(event.opening_id)
        if len(self._known) > REMEMBERED_MAX:
            self._known.popitem(last=False)
        waiting = self._waiting.pop(event.opening_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(settled)
        opening = self._open.get(event.opening_id)
        if opening is None:
            return
        if event.outcome is Outcome.UNKNOWN:
            self._nursery.mortal(f"seek {event.opening_id}", self._seek(opening))
        else:
            del self._open[event.opening_id]

    # -- one press -------------------------------------------------------------------------

    async def _press(self, event: OpenAsked, opening: _Open) -> None:
        if self._clock.read().wall_ms >= event.expires_at_ms:
            # The writer was held up: whoever pressed has walked on.
            await self._settle(opening, Outcome.NOT_SENT, None, "not_sent")
            return
        presser = self._pressers.get(event.door_id)
        try:
            with self._tracer.span("press", opening.trace, device=event.device_id) as span:
                order = Order(
                    id=event.opening_id,
                    verb=Verb.UNLOCK,
                    expires_at_ms=event.expires_at_ms,
                    reply_topic=answer_topic(event.device_id),
                    credential=self.locksmith.press(event, presser),
                    errand_key=None
                    if presser is None
                    else self.locksmith.errand(
                        event.door_number, presser, self._clock.read().wall_s
                    ),
                    traceparent=span.traceparent,
                )
                told = await self._orders.order(event.device_id, order, answer_s_max=ANSWER_S_MAX)
                span.note(outcome=told.outcome.value)
        except Exception:
            logger.exception("the press %s broke on its way out", event.opening_id)
            await self._settle(opening, Outcome.UNKNOWN, None, "deadline")
            return
        if told.answer is None:
            silent = "not_sent" if told.outcome is Outcome.NOT_SENT else "deadline"
            await self._settle(opening, told.outcome, None, silent)
        elif not self._serves(opening):
            await self._settle(opening, Outcome.UNKNOWN, None, "other_lock")
        else:
            self.fittings.spoke(event.device_id)
            await self._settle(opening, told.outcome, told.answer.refusal, "answer")

    async def _late(self, device_id: str, answer: DeviceAnswer) -> None:
        """An answer after the deadline, or to a press of the time before a restart."""
        opening = self._open.get(answer.id)
        if opening is None or opening.device_id != device_id or not self._serves(opening):
            return
        if answer.outcome in {Outcome.DONE, Outcome.REFUSED}:
            await self._settle(opening, answer.outcome, answer.refusal, "late_answer")

    async def _seek(self, opening: _Open) -> None:
        """Ask the lock what became of an order, until somebody or something says it."""
        for number in range(SEEKS_MAX):
            pause_s = SEEK_PAUSES_S[min(number, len(SEEK_PAUSES_S) - 1)]
            await self.fittings.heard_of(opening.device_id, pause_s)
            if opening.opening_id not in self._open:
                return
            if not self._serves(opening):
                return  # it was taken off: only a person can say
            told = await self._read_back(opening)
            if told is None or told.about != opening.opening_id:
                continue
            match told.about_outcome:
                case Outcome.DONE | Outcome.REFUSED as outcome:
                    await self._settle(opening, outcome, told.about_refusal, "read_back")
                    return
                case None if (told.since_ms or 0) > opening.expires_at_ms - OPEN_EXPIRES_MS:
                    return  # another radio's file had it, or one before a restore
                case None if (told.wall_ms or 0) > opening.expires_at_ms:
                    # Never begun, and by the lock's own clock too late to begin: it cannot move.
                    await self._settle(opening, Outcome.REFUSED, LockRefusal.EXPIRED, "read_back")
                    return
                case Outcome.UNKNOWN if not told.evidence:
                    # The lock lost its power in the middle: only a person can look.
                    return
                case _:
                    pass

    async def _read_back(self, opening: _Open) -> DeviceAnswer | None:
        now_ms = self._clock.read().wall_ms
        order = Order(
            id=f"{opening.opening_id}.read.{now_ms}",
            verb=Verb.READ,
            expires_at_ms=now_ms + int(OUTCOME_S_MAX * 1000),
            reply_topic=answer_topic(opening.device_id),
            about=opening.opening_id,
            traceparent=opening.trace,
        )
        told = await self._orders.order(opening.device_id, order, answer_s_max=ANSWER_S_MAX)
        return told.answer

    async def _settle(
        self, opening: _Open, outcome: Outcome, refusal: LockRefusal | None, evidence: str
    ) -> None:
        known = self._known.get(opening.opening_id)
        if known is not None and known.outcome is not Outcome.UNKNOWN:
            return  # the lock's event was quicker; asking would only be refused
        command = SettleOpening(
            opening_id=opening.opening_id,
            door_id=opening.door_id,
            outcome=outcome,
            refusal=refusal,
            evidence=evidence,
        )
        asking = Asking(
            command=command,
            command_id=f"settle:{opening.opening_id}:{evidence}",
            who=BOX,
            trace=opening.trace,
        )
        await self._store(asking)

    async def _store(self, asking: Asking) -> Answer:
        """Ask until it is decided: what a lock said must not be lost to a busy moment."""
        answer = await self._asker.ask(asking)
        for attempt in range(1, STORE_TRIES_MAX):
            if not _is_owed(answer):
                break
            await sleep(self._clock, STORE_PAUSE_S * attempt)
            answer = await self._asker.ask(asking)
        else:
            logger.error("%s could not be stored", asking.command.name)
        return answer

    # -- what locks say --------------------------------------------------------------------

    async def _happened(self, message: Message) -> None:
        device_id = device_of(message.topic)
        if device_id not in self._door_of:
            return
        event = decode(message.payload, DeviceEvent)
        if event is None:
            logger.warning("%s holds no event that can be read", message.topic)
            return
        self.fittings.spoke(device_id)
        command = LogAccess(
            device_id=device_id,
            seq=event.seq,
            event=event.kind,
            device_wall_ms=event.wall_ms,
            device_uncertainty_ms=event.uncertainty_ms,
            order_id=event.order_id,
            cti=event.cti,
            slot=event.slot,
            refusal=event.refusal,
            generation=event.generation,
        )
        opening = self._open.get(event.order_id or "")
        series = self._series.get(device_id, 0)
        asking = Asking(
            command=command,
            command_id=f"access:{device_id}:{event.seq}" + (f":{series}" if series else ""),
            who=BOX,
            trace=None if opening is None else opening.trace,
        )
        answer = await self._asker.ask(asking)
        if _is_owed(answer):
            # Not acknowledged: the bus brings it again.
            raise NotStoredError

    async def _stated(self, message: Message) -> None:
        device_id = device_of(message.topic)
        if device_id in self._door_of:
            state = decode(message.payload, LockState)
            if state is not None:
                self.fittings.state(device_id, state, retained=message.retained)

    async def _came_or_went(self, message: Message) -> None:
        device_id = device_of(message.topic)
        if device_id in self._door_of:
            presence = decode(message.payload, Presence)
            if presence is not None:
                self.fittings.presence(device_id, online=presence.online)

    async def _line_is_back(self) -> None:
        self.fittings.ring()

    # -- after a start ---------------------------------------------------------------------

    async def _load(self) -> None:
        doors = await self._reader.rows(
            "SELECT d.device_id, d.door_id, d.protocol, d.presser_point, coalesce(s.series, 0)"
            " FROM doors_door d LEFT JOIN doors_series s ON s.device_id = d.device_id"
        )
        for device_id, door_id, protocol, point, series in doors:
            self._door_of[device_id] = door_id
            self._series[device_id] = series
            self._presser(door_id, protocol, point)
        house = await self._reader.row("SELECT property_id FROM doors_house")
        if house is not None:
            self.locksmith.property_id = house[0]

    async def _take_up(self) -> None:
        """What a crash left open: never sent again, asked about instead."""
        rows = await self._reader.rows(
            "SELECT opening_id, door_id, device_id, expires_at_ms, outcome FROM doors_opening"
            " WHERE outcome IS NULL OR outcome = 'unknown' ORDER BY asked_at_ms DESC LIMIT 500"
        )
        for opening_id, door_id, device_id, expires_at_ms, outcome in reversed(rows):
            if opening_id in self._open:
                continue  # pressed while we were starting
            opening = _Open(
                opening_id=opening_id,
                door_id=door_id,
                device_id=device_id,
                expires_at_ms=expires_at_ms,
                series=self._series.get(device_id, 0),
            )
            self._open[opening_id] = opening
            if outcome is None:
                # Following the fact begins the search.
                await self._settle(opening, Outcome.UNKNOWN, None, "restart")
            else:
                self._nursery.mortal(f"seek {opening_id}", self._seek(opening))

    async def _read(self, opening_id: str) -> Settled | None:
        row = await self._reader.row(
            "SELECT outcome, refusal, evidence FROM doors_opening WHERE opening_id = ?",
            (opening_id,),
        )
        if row is None:
            return None
        return Settled(
            opening_id=opening_id,
            outcome=None if row[0] is None else Outcome(row[0]),
            refusal=None if row[1] is None else LockRefusal(row[1]),
            evidence=row[2],
        )


def _is_owed(answer: Answer) -> bool:
    match answer:
        case Done():
            return False
        case Refused():
            return answer.code in _NOT_STORED
