"""Between the log and the things of a room: the last wish wins, and what came of it is written down.

A set point may be sent again, a wish that was overtaken never is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.fittings import Fittings
from appliance.bus.requests import Orders
from appliance.bus.words import (
    TOPIC_ROOT,
    DeviceEvent,
    DeviceKind,
    EventKind,
    LeakState,
    LockRefusal,
    Order,
    Outcome,
    Presence,
    ThermostatState,
    ValveState,
    Verb,
    answer_topic,
    decode,
    device_of,
)
from appliance.engines.climate.messages import ClimateAsked, LogLeak, SettleClimate
from appliance.engines.climate.projection import Wish, open_wishes
from appliance.engines.climate.valves import Valves
from appliance.engines.climate.watch import Watch
from appliance.engines.inventory.messages import DeviceAdded
from appliance.kernel.clock import sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, KernelRefusal, Refused, Role, Who

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.engines.climate.telemetry import Telemetry
    from appliance.kernel.ask import Asker
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Recorded
    from appliance.kernel.reader import Reader
    from appliance.kernel.tasks import Nursery

logger = logging.getLogger(__name__)

# Less than we wait for the answer: an order given up cannot undo a later wish.
EXPIRES_MS: Final = 6_000
ANSWER_S_MAX: Final = 8.0
PAUSES_S: Final = (2.0, 5.0, 15.0, 60.0)
STORE_TRIES_MAX: Final = 20
STORE_PAUSE_S: Final = 0.25
# Quantities of one telemetry message; ours have four.
QUANTITIES_MAX: Final = 32
# What this gateway speaks with; all others it only watches over.
OURS: Final = (DeviceKind.THERMOSTAT, DeviceKind.LEAK, DeviceKind.VALVE)
BOX: Final = Who(actor="box", role=Role.SERVICE)
_PASSING: Final = frozenset({LockRefusal.BUSY, LockRefusal.NO_TIME, LockRefusal.EXPIRED})
_NOT_STORED: Final = frozenset(
    {KernelRefusal.OVERLOADED, KernelRefusal.NOT_STORED, KernelRefusal.BROKEN}
)


class NotStoredError(Exception):
    """What a sensor said is not on disk yet: it must say it again. Look at the disk and the log."""


@dataclass(frozen=True, slots=True)
class _End:
    outcome: Outcome
    evidence: str


class Gateway:
    """The only part of climate that meets the outside world."""

    def __init__(
        self,
        *,
        bus: Bus,
        asker: Asker,
        reader: Reader,
        clock: Clock,
        nursery: Nursery,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._bus = bus
        self._asker = asker
        self._reader = reader
        self._clock = clock
        self._nursery = nursery
        self._telemetry = telemetry
        self._orders = Orders(bus=bus, clock=clock)
        self._kinds: dict[str, DeviceKind] = {}
        self._wanted: dict[str, Wish] = {}
        self._serving: dict[str, Wish | None] = {}
        self._overtaken: dict[str, list[Wish]] = {}
        self.thermostats: Fittings[ThermostatState] = Fittings(clock)
        self.sensors: Fittings[LeakState] = Fittings(clock)
        self.taps: Fittings[ValveState] = Fittings(clock)
        self.valves = Valves(
            orders=self._orders,
            store=self._store,
            reader=reader,
            clock=clock,
            nursery=nursery,
            fittings=self.taps,
        )
        self.watch = Watch(
            bus=bus,
            store=self._store,
            reader=reader,
            clock=clock,
            nursery=nursery,
            telemetry=telemetry,
        )

    async def start(self) -> None:
        """Begin to follow; wishes that a crash left open are taken up, the last of each room."""
        self._asker.listen(self._notice)
        rows = await self._reader.rows(
            "SELECT device_id, kind FROM climate_device WHERE kind IN (?, ?, ?)",
            tuple(kind.value for kind in OURS),
        )
        self._kinds.update({device_id: DeviceKind(kind) for device_id, kind in rows})
        await self._orders.start()
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/event", self._happened)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/state", self._stated)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/online", self._came_or_went)
        await self._bus.subscribe(f"{TOPIC_ROOT}/+/up/telemetry", self._measured, qos=0)
        self._bus.on_connect(self._line_is_back)
        await self.watch.start()
        for wish in await open_wishes(self._reader):
            self._want(wish)
        await self.valves.take_up()

    async def close(self) -> None:
        """Stop waiting for answers; open wishes are taken up at the next start."""
        await self._orders.close()

    def _notice(self, facts: Sequence[Recorded]) -> None:
        # Valves first: water waits for nobody's comfort.
        self.valves.notice(facts)
        self.watch.notice(facts)
        for fact in facts:
            match fact.event:
                case ClimateAsked() as event:
                    self._want(
                        Wish(
                            order_id=event.order_id,
                            room_id=event.room_id,
                            device_id=event.device_id,
                            set_point_c10=event.set_point_c10,
                            eco=event.eco,
                            expires_at_ms=event.expires_at_ms,
                        )
                    )
                case DeviceAdded() as event:
                    if event.device_kind in OURS:
                        self._kinds[event.device_id] = event.device_kind
                case _:
                    pass

    def _want(self, wish: Wish) -> None:
        """The last wish is the one that counts; the one before it is not sent any more."""
        device_id = wish.device_id
        before = self._wanted.get(device_id)
        if before is not None and before.order_id == wish.order_id:
            return
        if before is not None and self._serving.get(device_id) is not before:
            self._overtaken.setdefault(device_id, []).append(before)
        self._wanted[device_id] = wish
        if device_id in self._serving:
            self.thermostats.ring(device_id)
        else:
            self._serving[device_id] = None
            self._nursery.mortal(f"climate of {device_id}", self._serve(device_id))

    async def _serve(self, device_id: str) -> None:
        try:
            while (wish := self._wanted.get(device_id)) is not None:
                for skipped in self._overtaken.pop(device_id, []):
                    await self._settle(skipped, _End(_unheard(skipped.maybe_sent), "superseded"))
                self._serving[device_id] = wish
                await self._settle(wish, await self._fulfil(wish))
                self._serving[device_id] = None
                if self._wanted.get(device_id) is wish:
                    del self._wanted[device_id]
        finally:
            del self._serving[device_id]

    async def _fulfil(self, wish: Wish) -> _End:
        """Send until the thermostat answers, the wish is stale, or there is another one."""
        sent, tries = wish.maybe_sent, 0
        while True:
            unheard = _unheard(sent)
            if self._wanted.get(wish.device_id) is not wish:
                return _End(unheard, "superseded")
            now_ms = self._clock.read().wall_ms
            if now_ms >= wish.expires_at_ms:
                return _End(unheard, "expired")
            order = Order(
                # Another try is another id: a known one would get its first answer again.
                id=f"{wish.order_id}.{now_ms}",
                verb=Verb.SET_POINT,
                expires_at_ms=min(now_ms + EXPIRES_MS, wish.expires_at_ms),
                reply_topic=answer_topic(wish.device_id),
                set_point_c10=wish.set_point_c10,
                eco=wish.eco,
            )
            told = await self._orders.order(wish.device_id, order, answer_s_max=ANSWER_S_MAX)
            answer = told.answer
            if answer is not None:
                self.thermostats.spoke(wish.device_id)
                if answer.refusal not in _PASSING and answer.outcome is not Outcome.UNKNOWN:
                    return _End(answer.outcome, "answer")
            sent = sent or told.outcome is Outcome.UNKNOWN
            if self._wanted.get(wish.device_id) is wish:
                left_s = (wish.expires_at_ms - self._clock.read().wall_ms) / 1000
                pause_s = min(PAUSES_S[min(tries, len(PAUSES_S) - 1)], max(left_s, 0.001))
                await self.thermostats.heard_of(wish.device_id, pause_s)
            tries += 1

    async def _settle(self, wish: Wish, end: _End) -> None:
        command = SettleClimate(
            order_id=wish.order_id,
            room_id=wish.room_id,
            outcome=end.outcome,
            evidence=end.evidence,
        )
        asking = Asking(
            command=command, command_id=f"settle:{wish.order_id}:{end.evidence}", who=BOX
        )
        await self._store(asking)

    async def _store(self, asking: Asking) -> Answer:
        """Ask until it is decided: what a device said must not be lost to a busy moment."""
        answer = await self._asker.ask(asking)
        for attempt in range(1, STORE_TRIES_MAX):
            if not _is_owed(answer):
                break
            await sleep(self._clock, STORE_PAUSE_S * attempt)
            answer = await self._asker.ask(asking)
        else:
            logger.error("%s could not be stored", asking.command.name)
        return answer

    async def _happened(self, message: Message) -> None:
        device_id = device_of(message.topic)
        if device_id is None or self._kinds.get(device_id) is not DeviceKind.LEAK:
            return
        event = decode(message.payload, DeviceEvent)
        if event is None or event.kind not in {EventKind.LEAK, EventKind.LEAK_CLEARED}:
            return
        self.sensors.spoke(device_id)
        command = LogLeak(
            device_id=device_id,
            seq=event.seq,
            wet=event.kind is EventKind.LEAK,
            device_wall_ms=event.wall_ms,
        )
        command_id = f"leak:{device_id}:{event.seq}"
        answer = await self._asker.ask(Asking(command=command, command_id=command_id, who=BOX))
        if _is_owed(answer):
            # Not acknowledged: the bus brings it again.
            raise NotStoredError

    async def _stated(self, message: Message) -> None:
        device_id = device_of(message.topic) or ""
        match self._kinds.get(device_id):
            case DeviceKind.THERMOSTAT:
                warm = decode(message.payload, ThermostatState)
                if warm is not None:
                    self.thermostats.state(device_id, warm, retained=message.retained)
            case DeviceKind.LEAK:
                wet = decode(message.payload, LeakState)
                if wet is not None:
                    self.sensors.state(device_id, wet, retained=message.retained)
            case DeviceKind.VALVE:
                tap = decode(message.payload, ValveState)
                if tap is not None:
                    self.taps.state(device_id, tap, retained=message.retained)
            case _:
                pass

    async def _came_or_went(self, message: Message) -> None:
        device_id = device_of(message.topic) or ""
        kind = self._kinds.get(device_id)
        presence = decode(message.payload, Presence) if kind is not None else None
        if presence is None:
            return
        match kind:
            case DeviceKind.THERMOSTAT:
                self.thermostats.presence(device_id, online=presence.online)
            case DeviceKind.VALVE:
                self.taps.presence(device_id, online=presence.online)
            case _:
                self.sensors.presence(device_id, online=presence.online)

    async def _measured(self, message: Message) -> None:
        device_id = device_of(message.topic) or ""
        if device_id not in self._kinds:
            return
        if self._kinds[device_id] is DeviceKind.THERMOSTAT:
            state = decode(message.payload, ThermostatState)
            if state is not None:
                self.thermostats.state(device_id, state, retained=False)
        if self._telemetry is None:
            return
        fields: dict[str, Any] = decode(message.payload, dict[str, Any]) or {}
        # By the box's clock: a sensor's own may be years off, and a curve needs one line of time.
        at_ms = self._clock.read().wall_ms
        for name, value in list(fields.items())[:QUANTITIES_MAX]:
            if name != "wall_ms" and isinstance(value, int | float):
                self._telemetry.add(device_id, name, float(value), at_ms)

    async def _line_is_back(self) -> None:
        self.thermostats.ring()
        self.taps.ring()


def _unheard(sent: bool) -> Outcome:  # noqa: FBT001 - the question itself
    return Outcome.UNKNOWN if sent else Outcome.NOT_SENT


def _is_owed(answer: Answer) -> bool:
    return isinstance(answer, Refused) and answer.code in _NOT_STORED
