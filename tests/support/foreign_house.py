"""Foreign things on an in-process bus, the mqtt radio beside them, all on virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.words import DeviceKind, Order, Verb
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.mqtt.radio import MqttRadio, build
from drivers.radios import Option, Setting, Thing
from support.driver_house import HeardHouse

if TYPE_CHECKING:
    from appliance.bus.port import Message
    from drivers.port import Device, Told

START_MS = 1_800_000_000_000
PREFIXES = ("zigbee2mqtt", "esphome", "tasmota", "shellies", "zwave", "homeassistant")


def setting(
    things: tuple[Thing, ...],
    *,
    kind: str = "mqtt",
    clock: Any = None,
    nursery: Nursery | None = None,
    bus: Any = None,
    options: Mapping[str, Option] | None = None,
) -> Setting:
    """What a radio of these things is built from."""
    return Setting(
        id=f"{kind}0",
        kind=kind,
        bridge=f"driver-{kind}0",
        things=things,
        clock=clock or VirtualClock(START_MS),
        nursery=nursery or Nursery(lambda _name, _error: None),
        folder=Path(),
        property_id="marina",
        issuer_points=(),
        presser=ec.generate_private_key(ec.SECP256R1()),
        options=options or {},
        bus=bus,
    )


def order(verb: Verb, number: int = 1, **more: Any) -> Order:
    """An order of the box."""
    more.setdefault("expires_at_ms", START_MS + 3_600_000)
    return Order(id=f"o{number}", verb=verb, reply_topic="np/x/up/answer", **more)


@dataclass(slots=True)
class ForeignHouse:
    """Everything a test may touch; `gateway` is the stranger's end of the bus."""

    clock: VirtualClock
    hub: InProcessHub
    radio: MqttRadio
    house: HeardHouse
    bus: InProcessBus
    gateway: InProcessBus
    nursery: Nursery
    published: list[Message] = field(default_factory=list)

    @property
    def thing(self) -> Device:
        """The only one, or the first."""
        return next(iter(self.radio.devices.values()))

    async def say(self, topic: str, payload: Any, *, retain: bool = False, qos: int = 0) -> None:
        """The stranger publishes; bytes as they are, anything else as JSON."""
        data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        await self.gateway.publish(topic, data, retain=retain, qos=qos)
        await self.clock.settle()

    def carry_out(self, asked: Order, seconds: float = 6.0) -> Any:
        """Begin an order; a future of what becomes of it."""
        work = self.thing.carry_out(asked, deadline_s=self.clock.monotonic() + seconds)
        return self.nursery.mortal(f"order {asked.id}", work)

    async def told(self, asked: Order, seconds: float = 6.0) -> Told:
        """Carry out, with time running until its end."""
        told: Told = await self.clock.run_until(self.carry_out(asked, seconds), 60.0)
        return told

    def asked(self) -> list[tuple[str, Any]]:
        """What the radio has published to strangers, questions apart."""
        return [
            (m.topic, m.payload)
            for m in self.published
            if not m.topic.endswith("/get") and b"GetStatus" not in m.payload and m.payload
        ]


@asynccontextmanager
async def open_foreign_house(
    *things: Thing, **options: Option
) -> AsyncGenerator[ForeignHouse, None]:
    """A running mqtt radio with these things, and a stranger who may speak for them."""
    clock, nursery = VirtualClock(START_MS), Nursery(lambda _name, _error: None)
    hub = InProcessHub(clock=clock, nursery=nursery)
    gateway = hub.join("stranger", role=BusRole.BRIDGE, also=PREFIXES[:-1] + ANNOUNCES)
    bus = hub.join("driver-mqtt0", role=BusRole.BRIDGE, also=PREFIXES)
    radio = build(setting(things, clock=clock, nursery=nursery, bus=bus, options=options))
    house = HeardHouse()
    opened = ForeignHouse(clock, hub, radio, house, bus, gateway, nursery)

    async def overheard(message: Message) -> None:
        if (
            message.topic.endswith(("/set", "/get", "/command", "/rpc"))
            or "/cmnd/" in message.topic
        ):
            opened.published.append(message)

    for prefix in PREFIXES[:-1]:
        await gateway.subscribe(f"{prefix}/#", overheard)
    try:
        nursery.mortal("radio", radio.run(house))
        await clock.settle()
        await clock.advance(1.0)
        yield opened
    finally:
        await nursery.close()


ANNOUNCES = ("homeassistant/lock/esp9", "homeassistant/sensor/esp9", "homeassistant/device/esp9")


def thing(kind: DeviceKind, protocol: str, address: str, **options: Option) -> Thing:
    """One thing on the sheet, in no guest's room."""
    return Thing(
        name=f"{kind.value}-9", kind=kind, protocol=protocol, address=address, options=options
    )
