"""The driver's end of the bus: orders in; answers, events, states and presence out.

The bus forgets: after every connect all that is retained is said again, and what the bus had not
taken. A bridge has one connection, so its will covers its own name alone; the box counts the
things of a bridge that is away as away (`appliance/bus/bridges.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.port import Published, Will
from appliance.bus.words import (
    DeviceAnswer,
    Order,
    Presence,
    RadioState,
    TunnelFrame,
    answer_topic,
    command_topic,
    decode,
    device_of,
    encode,
    event_topic,
    online_topic,
    radio_topic,
    state_topic,
    telemetry_topic,
    tunnel_topic,
)
from appliance.kernel.clock import within

if TYPE_CHECKING:
    from appliance.bus.port import Bus, Message
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.desk import Desk
    from drivers.keep import Keep
    from drivers.outbox import Outbox
    from drivers.shown import Shown
    from drivers.tunnels import Tunnels

logger = logging.getLogger(__name__)

# An event whose acknowledgement did not come is said again, under the same number.
AGAIN_S: Final = 1.0
# Read from the file at once: a collected log of a lock has 500 events.
EVENTS_AT_ONCE_MAX: Final = 100


def will_of(bridge: str) -> Will:
    """What the broker says when this driver goes without a word."""
    return Will(topic=online_topic(bridge), payload=encode(Presence(online=False)))


class Switchboard:
    """Connects the desks of one radio with the bus."""

    def __init__(
        self, bus: Bus, *, keep: Keep, outbox: Outbox, shown: Shown, clock: Clock, nursery: Nursery
    ) -> None:
        self._bus = bus
        self._keep = keep
        self._outbox = outbox
        self._shown = shown
        self._clock = clock
        self._nursery = nursery
        self._desks: Mapping[str, Desk] = {}
        self._tunnels: Tunnels | None = None
        self._online: dict[str, bool] = {}
        self._radio: bytes | None = None
        self._bell = asyncio.Event()

    async def start(self, desks: Mapping[str, Desk], tunnels: Tunnels) -> None:
        """Listen for orders; call it before the bus is started, and nothing kept for us is lost."""
        self._desks, self._tunnels = desks, tunnels
        self._online = dict.fromkeys(desks, False)
        for name in desks:
            await self._bus.subscribe(command_topic(name), self._ordered)
            await self._bus.subscribe(tunnel_topic(name, down=True), self._framed)
        self._bus.on_connect(self._greet)
        self._nursery.deadly("events", self._speak())

    async def close(self) -> None:
        """Say that nobody can be reached through us any more."""
        for name in list(self._online):
            await self.present(name, online=False)
        offline = encode(Presence(online=False))
        await self._bus.publish(online_topic(self._bus.identity), offline, retain=True)

    # -- out -------------------------------------------------------------------------------

    async def answer(self, device: str, answer: DeviceAnswer) -> bool:
        """An answer; False where the bus has not taken it."""
        return await self._say(answer_topic(device), encode(answer))

    async def state(self, device: str, payload: bytes) -> None:
        """A thing's state, retained."""
        self._shown.state(device, payload)
        await self._say(state_topic(device), payload, retain=True)

    async def present(self, device: str, *, online: bool) -> None:
        """Whether a thing can be reached, retained."""
        if self._online.get(device) != online:
            self._online[device] = online
            payload = encode(Presence(online=online))
            await self._say(online_topic(device), payload, retain=True)

    async def measured(self, device: str, values: dict[str, float]) -> None:
        """Telemetry, shed where the line is down."""
        await self._bus.publish(telemetry_topic(device), msgspec.json.encode(values), qos=0)

    async def radio(self, state: RadioState) -> None:
        """How the radio stands, retained; and once more which things can be reached.

        The box writes the things of a silent bridge off, maybe a moment after we were back.
        """
        self._radio = encode(state)
        await self._say(radio_topic(self._bus.identity), self._radio, retain=True)
        await self._say_presences()

    async def frame(self, device: str, frame: TunnelFrame) -> None:
        """One frame of a lock for a phone."""
        await self._say(tunnel_topic(device, down=False), encode(frame))

    def online(self) -> Sequence[str]:
        """The things that can be reached."""
        return [name for name, online in self._online.items() if online]

    def ring(self) -> None:
        """There are events to say."""
        self._bell.set()

    async def _say(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        published = await self._bus.publish(topic, payload, retain=retain)
        return published is Published.ACCEPTED

    # -- in --------------------------------------------------------------------------------

    async def _ordered(self, message: Message) -> None:
        order = decode(message.payload, Order)
        desk = self._desks.get(device_of(message.topic) or "")
        if order is None or desk is None or message.retained:
            # Not even the id can be trusted, so there is nobody to answer; nor is what the broker
            # kept for everybody an order to us.
            logger.warning("%s holds no order that can be read", message.topic)
            return
        desk.take(order)

    async def _framed(self, message: Message) -> None:
        frame = decode(message.payload, TunnelFrame)
        device = device_of(message.topic)
        if frame is None or device is None or message.retained:
            logger.warning("%s holds no frame that can be read", message.topic)
            return
        assert self._tunnels is not None
        await self._tunnels.take(device, frame)

    # -- after every connect ---------------------------------------------------------------

    async def _greet(self) -> None:
        online = encode(Presence(online=True))
        await self._say(online_topic(self._bus.identity), online, retain=True)
        if self._radio is not None:
            await self._say(radio_topic(self._bus.identity), self._radio, retain=True)
        for attempt in self._keep.owed():
            desk = self._desks.get(attempt.device)
            if desk is not None:
                await desk.say_again(attempt)
        await self._say_presences()
        for device, payload in list(self._shown.states.items()):
            if device in self._desks:
                await self._say(state_topic(device), payload, retain=True)
        self.ring()

    async def _say_presences(self) -> None:
        for device, is_online in list(self._online.items()):
            await self._say(online_topic(device), encode(Presence(online=is_online)), retain=True)

    async def _speak(self) -> None:
        """Say every event until the bus has it, until the nursery closes."""
        while True:
            self._bell.clear()
            if not await self._say_events():
                await self._rest()
            elif not self._bell.is_set():
                await self._bell.wait()

    async def _say_events(self) -> bool:
        while waiting := self._outbox.unsaid(EVENTS_AT_ONCE_MAX):
            for device, event in waiting:
                if not await self._say(event_topic(device), encode(event)):
                    return False
                self._outbox.said(device, event.seq)
        return True

    async def _rest(self) -> None:
        """Until somebody rings; with a line also until it is worth another try."""
        ringing = asyncio.ensure_future(self._bell.wait())
        try:
            # Without a connection there is nothing to try: the next greeting rings.
            if self._bus.connected:
                await within(self._clock, AGAIN_S, ringing)
            else:
                await ringing
        except TimeoutError:
            return
        finally:
            ringing.cancel()
