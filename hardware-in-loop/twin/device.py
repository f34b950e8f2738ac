"""One device on the bus: a core, a wire, and whatever goes wrong between them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.port import Published, Will
from appliance.bus.words import (
    PAYLOAD_BYTES_MAX,
    DeviceAnswer,
    DeviceKind,
    Order,
    Outcome,
    Presence,
    answer_topic,
    command_topic,
    encode,
    event_topic,
    online_topic,
    state_topic,
    telemetry_topic,
)
from appliance.kernel.clock import sleep, within
from twin.core import Reply
from twin.faults import QUIET, Fault, FaultPlan, Trouble
from twin.lock import LockCore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from appliance.bus.port import Bus, Message
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.core import Core
    from twin.journal import Journal

    Prepare = Callable[[Bus], Awaitable[None]]
    Wire = Callable[[str, Will, Prepare], Awaitable[Bus]]

# An event whose acknowledgement did not come is said again, under the same number.
AGAIN_S: Final = 1.0
OFFLINE: Final = encode(Presence(online=False))
ONLINE: Final = encode(Presence(online=True))
_ORDER: Final = msgspec.json.Decoder(Order)


class Device:
    """Takes orders from the bus, gives answers, events and retained state; can be unplugged.

    Events stay in the core until the bus acknowledged them; after a reconnect they are said again
    under the same numbers. Whatever a fault does is one entry `fault` in the journal.
    """

    def __init__(
        self,
        core: Core,
        *,
        wire: Wire,
        clock: Clock,
        nursery: Nursery,
        journal: Journal,
        faults: FaultPlan | None = None,
    ) -> None:
        """`wire(name, will, prepare)` opens a connection, after `prepare` has put handlers on it."""
        self.core = core
        self.faults = faults or FaultPlan()
        self.powered = False
        self._wire = wire
        self._clock = clock
        self._nursery = nursery
        self._journal = journal
        self._bus: Bus | None = None
        self._bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dirty = True
        name = core.device
        self._topics = (event_topic(name), state_topic(name), online_topic(name))
        self._answers = answer_topic(name)

    @property
    def name(self) -> str:
        """Its name on the bus."""
        return self.core.device

    @property
    def bus(self) -> Bus | None:
        """Its connection, None while it is unplugged."""
        return self._bus

    async def start(self) -> None:
        """Plug it in and let its time run. Returns before the bus is reached."""
        await self.plug_in()
        self._nursery.deadly(f"device {self.name}", self._live())

    async def plug_in(self) -> None:
        """Give it power: it connects, takes orders and says again what it was not rid of."""
        self.powered = True
        will = Will(topic=self._topics[2], payload=OFFLINE)
        self._bus = await self._wire(self.name, will, self._prepare)

    async def unplug(self, seconds: float | None = None) -> None:
        """Take its power away, for so long or until `plug_in`; memory stays, as in flash.

        A closed MQTT connection publishes no will, so the will is said here in the broker's place.
        """
        bus, self._bus, self.powered = self._bus, None, False
        if bus is not None:
            self._journal.note("unplugged", device=self.name)
            await bus.publish(self._topics[2], OFFLINE, retain=True)
            await bus.close()
        if seconds is not None:
            await sleep(self._clock, seconds)
            await self.plug_in()

    async def close(self) -> None:
        """Say good-bye and write down what is left. The nursery ends the background work."""
        bus, self._bus, self.powered = self._bus, None, False
        if bus is not None:
            await bus.publish(self._topics[2], OFFLINE, retain=True)
            await bus.close()
        self.core.close()

    def happened(self, reply: Reply) -> Reply:
        """Something happened at the device (a key, a hand, water): let the bus know in its time."""
        if reply.events or reply.state is not None:
            self._dirty = self._dirty or reply.state is not None
            self._ring()
        return reply

    async def _prepare(self, bus: Bus) -> None:
        # Before the first byte: the broker hands over what it kept for us as soon as it knows us.
        self._bus = bus
        bus.on_connect(self._greet)
        await bus.subscribe(command_topic(self.name), self._on_command)

    async def _on_command(self, message: Message) -> None:
        if not self.powered:
            return
        if len(message.payload) > PAYLOAD_BYTES_MAX:
            self._journal.note("bad_message", device=self.name, size=len(message.payload))
            return
        try:
            order = _ORDER.decode(message.payload)
        except msgspec.MsgspecError:
            # Not even the id can be trusted, so there is nobody to answer.
            self._journal.note("bad_message", device=self.name, size=len(message.payload))
            return
        trouble = self.faults.next()
        if trouble is QUIET:
            await self._carry_out(order)
        else:
            await self._suffer(order, trouble)

    async def _carry_out(self, order: Order) -> None:
        reply = self.core.handle_order(order, self._clock.read())
        if reply.answer is not None:
            await self._say(reply.answer)
        # After the answer: somebody stands at the door, and the log can wait a millisecond.
        self.happened(reply)

    async def _say(self, answer: DeviceAnswer) -> None:
        if self._bus is not None:
            await self._bus.publish(self._answers, encode(answer))

    async def _suffer(self, order: Order, trouble: Trouble) -> None:
        faults = sorted(trouble.faults)
        self._journal.note("fault", device=self.name, faults=faults, order_id=order.id)
        if Fault.UNPLUG in trouble:
            self._later("unplug", self.unplug(trouble.delay_s))
            return
        if Fault.DROP_REQUEST in trouble:
            return
        if Fault.CLOCK_LOST in trouble:
            self.core.rtc.lose()
        if Fault.LIE in trouble or Fault.LIE_AND_DIE in trouble:
            await self._lie(order, trouble)
        elif Fault.DELAY_REQUEST in trouble:
            self._later("late request", self._after(trouble.delay_s, order, trouble))
        else:
            await self._act(order, trouble)

    async def _lie(self, order: Order, trouble: Trouble) -> None:
        wall_ms = self._clock.read().wall_ms
        await self._say(DeviceAnswer(id=order.id, outcome=Outcome.DONE, wall_ms=wall_ms))
        if Fault.LIE_AND_DIE not in trouble:
            silent = replace(trouble, faults=trouble.faults | {Fault.DROP_ANSWER})
            self._later("lie", self._after(trouble.delay_s, order, silent))

    async def _after(self, seconds: float, order: Order, trouble: Trouble) -> None:
        await sleep(self._clock, seconds)
        if self.powered:
            await self._act(order, trouble)

    async def _act(self, order: Order, trouble: Trouble) -> None:
        """The exchange itself, with what its trouble leaves of it."""
        stuck = isinstance(self.core, LockCore) and Fault.JAM in trouble
        if stuck and isinstance(self.core, LockCore):
            self.core.bolt.stuck = True
        copies = 2 if Fault.DUPLICATE_REQUEST in trouble else 1
        replies = [self.core.handle_order(order, self._clock.read()) for _ in range(copies)]
        if stuck and isinstance(self.core, LockCore):
            self.core.bolt.stuck = False
        for reply in replies:
            self.happened(reply)
        if Fault.UNPLUG_AFTER in trouble:
            self._later("unplug", self.unplug(trouble.delay_s))
        elif Fault.DROP_ANSWER not in trouble:
            answers = [r.answer for r in replies if r.answer is not None]
            if Fault.DUPLICATE_ANSWER in trouble:
                answers *= 2
            work = self._say_all(answers, trouble)
            if Fault.DELAY_ANSWER in trouble:
                self._later("late answer", work)
            else:
                await work

    async def _say_all(self, answers: list[DeviceAnswer], trouble: Trouble) -> None:
        if Fault.DELAY_ANSWER in trouble:
            await sleep(self._clock, trouble.delay_s)
        for answer in answers:
            await self._say(answer)

    def _later(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        # The handler returns at once: the bus takes a handler of five seconds for a broken one.
        self._nursery.mortal(f"{what} {self.name}", work)

    async def _greet(self) -> None:
        """After every connect: the bus forgets, so its owners say it again."""
        if self._bus is None:
            return
        await self._bus.publish(self._topics[2], ONLINE, retain=True)
        self._dirty = True
        self._ring()

    def _ring(self) -> None:
        if not self._bell.done():
            self._bell.set_result(None)

    async def _live(self) -> None:
        """Let time pass and say what there is to say, until the nursery closes."""
        while True:
            self._bell = asyncio.get_running_loop().create_future()
            await self._pass_time()
            said = await self._speak()
            await self._rest(said=said)

    async def _pass_time(self) -> None:
        now = self._clock.read()
        due_ms = self.core.due_ms()
        if due_ms is None or now.wall_ms < due_ms or not self.powered:
            return
        reply = self.core.tick(now)
        self._dirty = self._dirty or reply.state is not None
        if self.core.kind is DeviceKind.THERMOSTAT and self._bus is not None:
            measured = encode(self.core.state(now))
            await self._bus.publish(telemetry_topic(self.name), measured, qos=0)

    async def _speak(self) -> bool:
        """Say every event and the state; False where the bus did not take one of them."""
        bus = self._bus
        if bus is None:
            return True
        for event in self.core.pending():
            if await bus.publish(self._topics[0], encode(event)) is not Published.ACCEPTED:
                return False
            self.core.taken(event.seq)
        if self._dirty:
            self._dirty = False
            state = encode(self.core.state(self._clock.read()))
            if await bus.publish(self._topics[1], state, retain=True) is not Published.ACCEPTED:
                self._dirty = True
                return False
        return True

    async def _rest(self, *, said: bool) -> None:
        """Until something happens, is due, or is worth another try."""
        waits: list[float] = []
        due_ms = self.core.due_ms() if self.powered else None
        if due_ms is not None:
            waits.append(max(0.0, (due_ms - self._clock.read().wall_ms) / 1000))
        # Without a connection there is nothing to try: the next greeting rings.
        if not said and self._bus is not None and self._bus.connected:
            waits.append(AGAIN_S)
        if not waits:
            await asyncio.wait([self._bell])
            return
        try:
            await within(self._clock, min(waits), self._bell)
        except TimeoutError:
            return
