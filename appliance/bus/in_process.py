"""A bus without sockets: the same promises in one loop, on whatever clock, for tests and replay."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from appliance.bus.broker.packets import filter_is_sound, matches, topic_is_sound
from appliance.bus.broker.permissions import Action, may
from appliance.bus.credentials import BusRole, Identity
from appliance.bus.lanes import Lanes
from appliance.bus.port import BusRefusedError, Message, Published, Standing

if TYPE_CHECKING:
    from appliance.bus.port import Greeting, Handler, Will
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery

# The same queue the brokers are given (broker/settings.py).
QUEUED_MAX = 2_000


class InProcessHub:
    """The broker of this loop: permissions, retained messages, one queue per persistent member."""

    def __init__(self, *, clock: Clock, nursery: Nursery) -> None:
        self._clock = clock
        self._nursery = nursery
        self._members: dict[str, InProcessBus] = {}
        self._retained: dict[str, Message] = {}
        self._routes: dict[str, list[tuple[InProcessBus, int]]] = {}

    def join(  # noqa: PLR0913 - what a CONNECT and its credential carry
        self,
        identity: str,
        *,
        role: BusRole,
        devices: tuple[str, ...] = (),
        also: tuple[str, ...] = (),
        will: Will | None = None,
        connected: bool = True,
        nursery: Nursery | None = None,
    ) -> InProcessBus:
        """Let somebody in. A known name takes its session over, with what it has not handled.

        With `connected=False` handlers can be put in place first: nothing kept is lost then.
        """
        who = Identity(name=identity, role=role, devices=devices, also=also)
        member = InProcessBus(self, who, will, nursery=nursery or self._nursery, clock=self._clock)
        old = self._members.get(identity)
        if old is not None:
            old.drop()
            member.inherit(old)
        self._members[identity] = member
        self._routes.clear()
        if connected:
            member.appear()
        return member

    async def quiet(self) -> None:
        """Return once no member has a message left to handle."""
        while busy := [m for m in self._members.values() if m.lanes.waiting]:
            for member in busy:
                await member.lanes.quiet()

    def distribute(self, sender: Identity, message: Message, *, retain: bool) -> None:
        """Give a message to everybody who may have it, if the sender may send it."""
        if not may(sender, Action.PUBLISH, message.topic):
            return
        if retain:
            if message.payload:
                self._retained[message.topic] = replace(message, retained=True)
            else:
                self._retained.pop(message.topic, None)
        for member, granted in self._receivers(message.topic):
            qos = min(message.qos, granted)
            member.accept(message if qos == message.qos else replace(message, qos=qos))

    def retained_for(self, topic_filter: str) -> list[Message]:
        """What a new subscription is shown at once."""
        return [kept for topic, kept in self._retained.items() if matches(topic_filter, topic)]

    def forget_routes(self) -> None:
        """Somebody's subscriptions changed."""
        self._routes.clear()

    def _receivers(self, topic: str) -> list[tuple[InProcessBus, int]]:
        found = self._routes.get(topic)
        if found is None:
            found = self._routes[topic] = [
                (member, granted)
                for member in self._members.values()
                if (granted := member.granted(topic)) is not None
            ]
        return found


class InProcessBus:
    """One member of the hub: a `Bus`."""

    def __init__(
        self,
        hub: InProcessHub,
        who: Identity,
        will: Will | None,
        *,
        nursery: Nursery,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._who = who
        self._will = will
        self._clock = clock
        self._nursery = nursery
        self._wanted: dict[str, int] = {}
        self._greetings: list[Greeting] = []
        self._owed: OrderedDict[int, Message] = OrderedDict()
        self._numbers = count(1)
        self._connected = False
        self._connects = 0
        self._confirmed_s: float | None = None
        self.lanes = Lanes(clock=clock, nursery=nursery, handler_s_max=None)

    @property
    def identity(self) -> str:
        """The name this end speaks under."""
        return self._who.name

    @property
    def connected(self) -> bool:
        """Whether the line to the hub is up."""
        return self._connected

    def standing(self) -> Standing:
        """How the connection is; in one loop every exchange is confirmed as it happens."""
        now_s, confirmed_s = self._clock.monotonic(), self._confirmed_s
        if self._connected:
            confirmed_s = now_s
        return Standing(
            connected=self._connected,
            confirmed_age_s=None if confirmed_s is None else now_s - confirmed_s,
            outgoing=0,
            waiting=self.lanes.waiting,
            oldest_wait_s=self.lanes.oldest_wait_s,
            parked=self.lanes.parked,
        )

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
    ) -> Published:
        """Publish once; delivered in this loop turn's order."""
        if not topic_is_sound(topic):
            msg = f"{topic!r} is no topic to publish on"
            raise ValueError(msg)
        if not self._connected:
            return Published.NOT_SENT
        message = Message(topic=topic, payload=payload, qos=min(qos, 1))
        self._hub.distribute(self._who, message, retain=retain)
        return Published.ACCEPTED

    async def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Have messages handled; raises BusRefusedError where permissions say no."""
        if not filter_is_sound(topic_filter) or not may(self._who, Action.SUBSCRIBE, topic_filter):
            msg = f"{self.identity!r} may not read {topic_filter}. Look at its role."
            raise BusRefusedError(msg)
        self.lanes.add(topic_filter, handler)
        self._wanted[topic_filter] = min(1, max(qos, self._wanted.get(topic_filter, 0)))
        self._hub.forget_routes()
        if self._connected:
            self._show_retained(topic_filter)

    def on_connect(self, greeting: Greeting) -> None:
        """Have this awaited after every connect."""
        self._greetings.append(greeting)

    async def connect(self) -> None:
        """Bring the line back: what was owed is delivered, then every greeting is awaited."""
        if not self._connected:
            self._resume()
            await self._greet(self._connects)

    async def cut(self) -> None:
        """Lose the line: the will is published, QoS 1 messages wait for the way back."""
        self.drop()

    async def close(self) -> None:
        """Leave on purpose: no will."""
        self._leave()

    def appear(self) -> None:
        """Connect without waiting for the greetings; they run in the nursery."""
        self._resume()
        self._nursery.mortal(f"bus {self.identity} greeting", self._greet(self._connects))

    def drop(self) -> None:
        """Lose the line now."""
        if self._connected:
            self._leave()
            if self._will is not None:
                will = self._will
                message = Message(topic=will.topic, payload=will.payload, qos=min(will.qos, 1))
                self._hub.distribute(self._who, message, retain=will.retain)

    def inherit(self, old: InProcessBus) -> None:
        """Take over the subscriptions and what was delivered but never handled."""
        self._wanted = dict(old._wanted)
        for message in old._owed.values():
            self._owed[next(self._numbers)] = replace(message, repeated=True)

    def granted(self, topic: str) -> int | None:
        """The best QoS among the filters that take this topic in; None where none does."""
        matching = [qos for wanted, qos in self._wanted.items() if matches(wanted, topic)]
        if not matching or not may(self._who, Action.RECEIVE, topic):
            return None
        return max(matching)

    def accept(self, message: Message) -> None:
        """Take a message from the hub, now or, at QoS 1, when the line is back."""
        if message.qos == 0:
            if self._connected:
                self.lanes.put(message)
            return
        if len(self._owed) >= QUEUED_MAX and not self._connected:
            return
        number = next(self._numbers)
        self._owed[number] = message
        if self._connected:
            self._hand_over(number, message)

    def _hand_over(self, number: int, message: Message) -> None:
        async def settled() -> None:
            self._owed.pop(number, None)

        self.lanes.put(message, settled)

    def _resume(self) -> None:
        self._connected = True
        self._connects += 1
        for number, message in list(self._owed.items()):
            self._hand_over(number, message)
        # Like the client on a real broker, which asks for every filter again.
        for topic_filter in self._wanted:
            self._show_retained(topic_filter)

    def _leave(self) -> None:
        self._connected = False
        self._confirmed_s = self._clock.monotonic()

    async def _greet(self, connect: int) -> None:
        for greeting in self._greetings:
            if self._connected and self._connects == connect:
                await greeting()

    def _show_retained(self, topic_filter: str) -> None:
        for kept in self._hub.retained_for(topic_filter):
            if may(self._who, Action.RECEIVE, kept.topic):
                qos = min(kept.qos, self._wanted[topic_filter])
                self.accept(replace(kept, qos=qos))
