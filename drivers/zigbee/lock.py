"""One Zigbee lock: the only place that sends Lock and Unlock, and the rules that keep it at one move.

A Zigbee frame carries no id that a lock would know again, so what is sent twice opens twice, half
a minute apart where the lock relocks by itself. Everything here follows from that (docs/doors.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import LockState, Order, Outcome, Verb
from appliance.kernel.clock import within
from drivers.port import Attempt, Evidence, Told
from drivers.zigbee.air import NoWordError, pause, reach
from drivers.zigbee.journey import Journey
from drivers.zigbee.lock_events import PROGRAMMING, LockEars
from drivers.zigbee.pins import PinKeeper
from drivers.zigbee.press import OPEN, SHUT, Act, Press, Unclear, after, by_status, send_once
from drivers.zigbee.thing import NO_RADIO, NOT_SUPPORTED, POWER, Report, Thing

if TYPE_CHECKING:
    from drivers.port import Pin
    from drivers.zigbee.air import Air
    from drivers.zigbee.slots import SlotTable
    from drivers.zigbee.thing import Entry

DOOR_LOCK: Final = 0x0101
ALARMS: Final = 0x0009
POLL_CONTROL: Final = 0x0020
LOCK_STATE: Final = 0x0000
# Our numbers that an answer may still carry; half of the 256 there are stay free.
NUMBERS_KEPT: Final = 64
PRESSES_KEPT: Final = 32
# Ten minutes of looking whether the stick is back; what is unknown then stays so, and is shown.
SETTLE_ROUNDS_MAX: Final = 75
BOLTS: Final = {0x00: "jammed", 0x01: "locked", 0x02: "unlocked"}
EVENT_MASKS: Final = (
    "alarm_mask",
    "keypad_operation_event_mask",
    "rf_operation_event_mask",
    "manual_operation_event_mask",
    "rfid_operation_event_mask",
    "keypad_programming_event_mask",
    "rf_programming_event_mask",
    "rfid_programming_event_mask",
)
ALL_EVENTS: Final = 0xFFFF


class ZigbeeLock(Thing):
    """A lock. `desk` and this both keep one press in the air at a time."""

    reports = (
        Report(cluster=DOOR_LOCK, attribute="lock_state", min_s=0, max_s=3600, change=1),
        Report(
            cluster=POWER,
            attribute="battery_percentage_remaining",
            min_s=3600,
            max_s=43200,
            change=2,
        ),
    )
    bound = (ALARMS, POLL_CONTROL)

    def __init__(self, entry: Entry, air: Air, slots: SlotTable) -> None:
        super().__init__(entry, air)
        self._mutex = asyncio.Lock()
        self._presses: deque[Press] = deque(maxlen=PRESSES_KEPT)
        self._used: deque[int] = deque(maxlen=NUMBERS_KEPT)
        self._lock_number = 0  # the number of the last frame that the lock sent by itself
        self._bolt = "unknown"
        self._locked_s: float | None = None  # when it was last certainly locked
        self._ears = LockEars(self)
        self.pins = PinKeeper(self, slots)

    @property
    def slots(self) -> SlotTable:
        """Which PIN slots are ours and what stands in them."""
        return self.pins.slots

    def plug(self, node: Any) -> None:
        """Listen to its alarms too, which many locks send and do not list."""
        for endpoint in node.non_zdo_endpoints:
            if DOOR_LOCK in endpoint.in_clusters and ALARMS not in endpoint.in_clusters:
                endpoint.add_input_cluster(ALARMS)
        super().plug(node)

    async def carry_out(  # noqa: PLR0911 - one line per verb
        self, order: Order, *, deadline_s: float, pin: Pin | None = None
    ) -> Told:
        """Do one order; Unlock is sent once whatever becomes of it."""
        if self._node is None or self._air.lost.is_set():
            return NO_RADIO
        match order.verb:
            case Verb.UNLOCK:
                return await self._operate(OPEN, order, deadline_s)
            case Verb.LOCK:
                return await self._shut(order, deadline_s)
            case Verb.PUT_PIN:
                return await self._answered(self.pins.put(order, pin, deadline_s))
            case Verb.CLEAR_PIN:
                return await self._answered(self.pins.clear(order, deadline_s))
            case Verb.READ | Verb.BLINK:
                return await super().carry_out(order, deadline_s=deadline_s, pin=pin)
            case _:
                return NOT_SUPPORTED

    async def find_out(  # noqa: PLR0911 - one line per reason to say nothing
        self, attempt: Attempt
    ) -> Told | None:
        """Evidence about an earlier order, by reading only."""
        if self._node is None or self._air.lost.is_set():
            return None
        until_s = self._air.clock.monotonic() + self._air.patience.look_s
        if attempt.verb in {Verb.PUT_PIN, Verb.CLEAR_PIN}:
            return await self.pins.find_out(attempt.order_id, until_s)
        press = next((p for p in reversed(self._presses) if p.order_id == attempt.order_id), None)
        if press is not None:
            if (told := await self._look_again(press)) is not None:
                press.told = told
            return told
        if attempt.verb != Verb.LOCK:
            # Nothing is left of it but its name: an unlocked bolt may be anybody's doing.
            return None
        try:
            bolt = await self._read_bolt(until_s)
        except NoWordError:
            return None
        if bolt != SHUT.state:
            return None
        return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))

    async def state(self) -> LockState:
        """As far as it has said; while a press may still arrive, the bolt is unknown."""
        return LockState(
            bolt="unknown" if self._about_to_move() else self._bolt,
            battery_pct=self._battery_pct,
            seq=0,
            generation=0,
            wall_ms=self._now_ms(),
            heard_ms=self.heard_ms,
            clock_known=False,
        )

    async def configured(self) -> None:
        """Ask it to report every act, and learn what it is like."""
        until_s = self._air.clock.monotonic() + 2 * self._air.patience.request_s
        for mask in EVENT_MASKS:
            # Each by itself: most locks lack some, and one write with a wrong one fails whole.
            if mask in self.cluster(DOOR_LOCK).attributes_by_name:
                await self._write(DOOR_LOCK, {mask: ALL_EVENTS}, until_s)
        facts = await self._read(
            DOOR_LOCK,
            [
                "lock_state",
                "auto_relock_time",
                "num_of_pin_users_supported",
                "min_pin_len",
                "max_pin_len",
            ],
            until_s,
        )
        for name, value in facts.items():
            if name != "lock_state":
                self.entry.facts[name] = int(value)
        self._air.remember()

    # --- what it says by itself

    def heard_number(self, cluster: int, tsn: int) -> None:
        """Remember where the lock's own counter stands."""
        del cluster
        self._lock_number = tsn

    def reported(self, cluster: int, attribute: int, value: Any) -> None:
        """The bolt's position, or the cells."""
        if (cluster, attribute) == (DOOR_LOCK, LOCK_STATE):
            self.bolt_is(BOLTS.get(int(value), "unknown"))
            self.said()
        else:
            super().reported(cluster, attribute, value)

    def commanded(self, cluster: int, tsn: int, command: int, args: Any) -> None:
        """An event, an alarm, or an answer nobody waits for any more."""
        if cluster == ALARMS:
            self._lock_number = tsn
            if command == 0x00 and int(args.cluster_id) == DOOR_LOCK:
                self._ears.alarm(int(args.alarm_code))
            return
        if cluster != DOOR_LOCK:
            return
        kind = type(args).__name__
        if kind.endswith("_event_notification"):
            self._lock_number = tsn
            self._ears.event(tsn, args)
            if command == PROGRAMMING:
                self.pins.programmed(args)
        elif command in {OPEN.number, SHUT.number} and kind.endswith("_door_response"):
            self.answered_late(cluster, tsn, command, int(args.status))

    def answered_late(self, cluster: int, tsn: int, command: int, status: int) -> None:
        """An answer after the deadline; its number says whose it is."""
        if cluster != DOOR_LOCK:
            return
        for press in reversed(self._presses):
            if press.journey.tsn == tsn and press.act.number == command:
                self._settle_late(press, by_status(status, Evidence.LATE_ANSWER))
                return

    def bolt_is(self, bolt: str) -> None:
        """The bolt was reported or read."""
        self._bolt = bolt
        if bolt == "locked":
            self._locked_s = self._air.clock.monotonic()
        elif bolt == "unlocked":
            self.was_open()

    def was_open(self) -> None:
        """The bolt was open: whoever locks it later makes no press of before undone."""
        for press in self._presses:
            press.seen_open = True

    def radio_event(self, code: int) -> str | None:
        """The lock did something that the radio asked for: which order's doing it is, if known.

        An event names no request. It is this press's only where no other press of the kind can be
        meant: an earlier one that may have been heard and whose own event is still owed.
        """
        now_s = self._air.clock.monotonic()
        owed = [
            press
            for press in self._presses
            if press.act.event == code
            and press.may_have_moved
            and not press.reported
            and now_s - press.begun_s <= self._air.patience.owed_s
        ]
        if not owed:
            return None
        press = owed[-1]
        press.reported = True
        if len(owed) > 1:
            return None
        told = Told(outcome=Outcome.DONE, evidence=(Evidence.EVENT,))
        self._settle_late(press, told)
        return press.order_id

    def moved_by_somebody(self) -> None:
        """Another press, a hand or a PIN moves the bolt: what is read now proves no earlier press."""
        for press in self._presses:
            press.before = False

    # --- one press

    async def _shut(self, order: Order, deadline_s: float) -> Told:
        """Locking is safe to repeat, so it is."""
        told = await self._operate(SHUT, order, deadline_s)
        if told.outcome not in {Outcome.NOT_SENT, Outcome.UNKNOWN}:
            return told
        if self._air.lost.is_set() or self._air.clock.monotonic() >= deadline_s:
            return told
        return await self._operate(SHUT, order, deadline_s)

    async def _operate(self, act: Act, order: Order, deadline_s: float) -> Told:
        async with self._mutex:
            cluster = self.cluster(DOOR_LOCK)
            if cluster is None or self._air.lost.is_set():
                return NO_RADIO
            now_s = self._air.clock.monotonic()
            press = Press(
                order_id=order.id,
                act=act,
                begun_s=now_s,
                journey=Journey(tsn=self._next_number()),
                before=self._certainly_before(act),
            )
            # From here an open bolt may be this press's doing: it proves no older one any more.
            self.moved_by_somebody()
            self._presses.append(press)
            until_s = min(deadline_s, now_s + self._air.patience.answer_s)
            end = await send_once(self._air, cluster, press, until_s, jammed=self._bolt == "jammed")
            if isinstance(end, Unclear) and end.stray is not None:
                self._stray(press.journey.tsn, end.stray)
            if isinstance(end, Unclear):
                end = await self._look_for_evidence(press, end)
            press.told = end
            if end.outcome is Outcome.DONE and Evidence.ANSWER not in end.evidence:
                self._bolt = BOLTS[act.state]
            elif end.outcome is Outcome.UNKNOWN:
                self._air.nursery.mortal(f"settle {self.name}", self._settle_slowly(press))
            self.said()
            return end

    async def _look_for_evidence(self, press: Press, end: Unclear) -> Told:
        """Listen, then read the bolt; never send again."""
        patience, clock = self._air.patience, self._air.clock
        self.said()
        try:
            heard = await within(clock, patience.settle_s, asyncio.shield(press.word))
        except TimeoutError:
            heard = None
        if heard is None and not self._air.lost.is_set():
            heard = await self._by_bolt(press, patience.read_s)
        if heard is not None:
            return after(end.why, heard, end.note)
        note = "asleep" if self.sleepy and not end.note else end.note
        return Told(outcome=Outcome.UNKNOWN, evidence=(end.why,), note=note)

    async def _by_bolt(self, press: Press, bound_s: float, *, last: bool = False) -> Told | None:
        """What a fresh look at the bolt says; it proves a press only if it stood otherwise before."""
        reading = asyncio.ensure_future(self._read_bolt(self._air.clock.monotonic() + bound_s))
        either: set[asyncio.Future[Any]] = {reading, press.word}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            bolt = None if press.word.done() else reading.result()
        except NoWordError:
            return None
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if press.word.done():
            return press.word.result()
        if bolt == press.act.state and (press.before or not press.act.opens):
            return Told(outcome=Outcome.DONE, evidence=(Evidence.STATE_READ,))
        return self._provably_not(press, bolt) if last else None

    async def _settle_slowly(self, press: Press) -> None:
        """Once the frame can no longer arrive, look again and tell what was found."""
        patience = self._air.patience
        await pause(self._air, patience.settle_s)
        for _ in range(SETTLE_ROUNDS_MAX):
            await pause(self._air, patience.air_s)
            if press.told is None or press.told.outcome is not Outcome.UNKNOWN:
                return
            if self._may_arrive(press) or self._air.lost.is_set():
                continue
            if (told := await self._look_again(press)) is not None:
                self._settle_late(press, told)
            self.said()
            return

    async def _look_again(self, press: Press) -> Told | None:
        """What can be said of a press by now; None: nothing more than before."""
        if press.word.done():
            return press.word.result()
        if press.told is not None and press.told.outcome is not Outcome.UNKNOWN:
            return press.told
        if self._node is None or self._air.lost.is_set():
            return None
        return await self._by_bolt(press, self._air.patience.look_s, last=True)

    def _provably_not(self, press: Press, bolt: int | None) -> Told | None:
        """Not opened, where nothing else can be: rule 7 of docs/doors.md.

        It never relocks by itself, was locked before, is read locked after the frame can no longer
        arrive, and has reported nothing in between.
        """
        left_s = press.journey.left_s
        if not press.act.opens or not press.before or left_s is None or bolt != SHUT.state:
            return None
        relocks = self.entry.facts.get("auto_relock_time", 1) != 0
        early = self._air.clock.monotonic() - left_s <= self._air.patience.air_s
        if relocks or early or press.reported or press.seen_open or self._may_arrive(press):
            return None
        return Told(
            outcome=Outcome.NOT_SENT,
            evidence=(Evidence.DEADLINE, Evidence.STATE_READ),
            note="still locked",
        )

    def _settle_late(self, press: Press, told: Told) -> None:
        """Evidence about a press: for whoever waits, or for the house where nobody does any more."""
        press.hear(told)
        if press.told is not None and press.told.outcome is Outcome.UNKNOWN:
            settled = after(press.told.evidence[0], told, press.told.note)
            press.told = settled
            self._air.say(lambda house: house.settled(self.name, press.order_id, settled))

    async def _read_bolt(self, until_s: float) -> int | None:
        cluster = self.cluster(DOOR_LOCK)
        if cluster is None:
            return None
        call = cluster.read_attributes(["lock_state"], allow_cache=False, ask_for_ack=True)
        found, _ = await reach(self._air, call, until_s)
        values = [int(value) for value in found.values()]
        if not values:
            return None
        self.bolt_is(BOLTS.get(values[0], "unknown"))
        return values[0]

    def _certainly_before(self, act: Act) -> bool:
        """Whether the bolt certainly stands where this act starts from.

        Locked was seen after the last press that may have opened it: only then does an open bolt
        speak for the new one.
        """
        if not act.opens or self._locked_s is None or self._bolt != "locked":
            return False
        for press in self._presses:
            if not press.act.opens or not press.may_have_moved:
                continue
            journey = press.journey
            arrives_s = press.begun_s if journey.left_s is None else journey.left_s
            if not journey.confirmed.is_set():
                arrives_s += self._air.patience.air_s
            if arrives_s >= self._locked_s or (
                press.told and press.told.outcome is Outcome.UNKNOWN
            ):
                return False
        return True

    def _about_to_move(self) -> bool:
        """Whether a press of which nothing is known may still arrive."""
        return any(
            self._may_arrive(press)
            for press in self._presses
            if press.told is None or press.told.outcome is Outcome.UNKNOWN
        )

    def _may_arrive(self, press: Press) -> bool:
        """Not confirmed, and younger than the stick keeps frames; or still on its way to the stick.

        What the stick has not taken is gone only when the stick was reset, at our next start: no
        flush of ours reaches bytes that wait in a cable or in a network's buffers.
        """
        left_s, journey = press.journey.left_s, press.journey
        if left_s is None or not journey.left or journey.confirmed.is_set():
            return False
        if self._air.clock.monotonic() - left_s < self._air.patience.air_s:
            return True
        return not journey.taken and self._air.up_s <= left_s

    def _next_number(self) -> int:
        """Half a circle from the lock's own, none of our last 64, none of another device's in the air."""
        busy = self._air.app.busy() if self._air.app is not None else set()
        numbers = [(self._lock_number + 0x80 + step) & 0xFF for step in range(256)]
        free = [number for number in numbers if number not in self._used]
        chosen = next((number for number in free if number not in busy), free[0])
        self._used.append(chosen)
        return chosen

    def _stray(self, tsn: int, frame: Any) -> None:
        """A frame of the lock that passed for our answer: back to where it belongs."""
        if hasattr(frame, "operation_event_code"):
            self.commanded(DOOR_LOCK, tsn, 0x20, frame)
        elif hasattr(frame, "program_event_code"):
            self.commanded(DOOR_LOCK, tsn, PROGRAMMING, frame)

    @property
    def last_press(self) -> Press | None:
        """The press that was begun last."""
        return self._presses[-1] if self._presses else None

    # --- for its ears and its PINs

    def jam(self, order_window_s: float) -> str | None:
        """The lock says that its bolt is stuck: whose press that was, if one is young enough."""
        self._bolt = "jammed"
        self.said()
        now_s = self._air.clock.monotonic()
        for press in reversed(self._presses):
            if press.may_have_moved and now_s - press.begun_s <= order_window_s:
                return press.order_id
        return None

    @property
    def air(self) -> Air:
        """The radio, for what belongs to this lock."""
        return self._air
