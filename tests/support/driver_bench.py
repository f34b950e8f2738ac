"""A driver around things made by hand: hub, file and virtual time, and a radio that obeys the test."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.requests import Orders
from appliance.bus.requests import Told as Asked
from appliance.bus.words import (
    DeviceAnswer,
    DeviceEvent,
    DeviceKind,
    LockState,
    Order,
    Outcome,
    Verb,
    answer_topic,
    decode,
    device_of,
)
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.doorman import Doorman
from drivers.keep import Keep
from drivers.port import Attempt, Device, Evidence, House, Pin, Told
from drivers.running import Driver, Parts, run
from drivers.switchboard import will_of

BRIDGE = "driver-test0"
LOCK = "lock-101"
START_MS = 1_800_000_000_000
DONE = Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))
UNKNOWN = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.DEADLINE,))
NOT_SENT = Told(outcome=Outcome.NOT_SENT, evidence=(Evidence.NEVER_LEFT,))


@dataclass
class Hand:
    """A thing that does what the test says, and counts what it was asked to do."""

    name: str = LOCK
    kind: DeviceKind = DeviceKind.LOCK
    decides: bool = True
    does: Any = DONE  # a Told, an exception, or a future that is awaited
    finds: Told | None = None
    stands: LockState | None = None
    orders: list[Order] = field(default_factory=list)
    pins: list[Pin | None] = field(default_factory=list)
    looks: int = 0
    deadlines: list[float] = field(default_factory=list)

    async def carry_out(self, order: Order, *, deadline_s: float, pin: Pin | None = None) -> Told:
        self.orders.append(order)
        self.pins.append(pin)
        self.deadlines.append(deadline_s)
        does = self.does() if callable(self.does) else self.does
        if isinstance(does, asyncio.Future):
            does = await does
        if isinstance(does, Exception):
            raise does
        assert isinstance(does, Told)
        return does

    async def find_out(self, attempt: Attempt) -> Told | None:
        self.looks += 1
        return self.finds

    async def state(self) -> LockState | None:
        return self.stands


class HandRadio:
    """A radio whose end the test decides."""

    def __init__(self, *things: Device) -> None:
        self.devices: dict[str, Device] = {thing.name: thing for thing in things}
        self.house: House | None = None
        self.runs = 0
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, house: House) -> None:
        self.house = house
        self.runs += 1
        self.end = asyncio.get_running_loop().create_future()
        await self.end

    def fall(self, error: Exception) -> None:
        """The radio ends like this."""
        self.end.set_exception(error)


@dataclass
class DriverBench:
    """One driver and the box that speaks to it."""

    clock: VirtualClock
    hub: InProcessHub
    core: InProcessBus
    orders: Orders
    db: sqlite3.Connection
    radio: HandRadio
    world: Nursery
    hire: Callable[[Keep, str], Doorman | None]
    shares_clock: bool = True
    answers: list[DeviceAnswer] = field(default_factory=list)
    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    said: dict[str, bytes] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    nursery: Nursery = field(init=False)
    bus: InProcessBus = field(init=False)
    driver: Driver = field(init=False)
    _numbers: int = 0

    async def start(self) -> None:
        self.nursery = Nursery(lambda name, _error: self.deaths.append(name))
        self.bus = self.hub.join(
            BRIDGE,
            role=BusRole.BRIDGE,
            devices=tuple(self.radio.devices) or (LOCK,),
            will=will_of(BRIDGE),
            connected=False,
            nursery=self.nursery,
        )
        self.driver = await run(
            Parts(
                radio=self.radio,
                names=tuple(self.radio.devices) or (LOCK,),
                db=self.db,
                bus=self.bus,
                clock=self.clock,
                nursery=self.nursery,
                hire=self.hire,
                shares_clock=self.shares_clock,
            )
        )
        self.bus.appear()
        await self.clock.settle()

    async def die(self) -> None:
        """No last word: the will speaks, and what is in memory is gone."""
        self.bus.drop()
        await self.nursery.close()

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        """An order of the box, good for 8 s."""
        self._numbers += 1
        order = Order(
            id=f"order-{self._numbers}",
            verb=verb,
            expires_at_ms=self.clock.read().wall_ms + 8_000,
            reply_topic=answer_topic(LOCK),
        )
        return replace(order, **fields)

    async def ask(self, order: Order, device: str = LOCK, limit_s: float = 60.0) -> Asked:
        """Send one as the box does, and wait for what it hears."""
        return await self.clock.run_until(
            self.orders.order(device, order, answer_s_max=limit_s - 1), limit_s=limit_s
        )

    async def hear(self, message: Any) -> None:
        """Write down everything that is said."""
        self.said[message.topic] = message.payload
        if message.topic.endswith("/up/answer"):
            answer = decode(message.payload, DeviceAnswer)
            assert answer is not None
            self.answers.append(answer)
        if message.topic.endswith("/up/event"):
            event, device = decode(message.payload, DeviceEvent), device_of(message.topic)
            assert event is not None
            assert device is not None
            self.events.append((device, event))


@asynccontextmanager
async def driver_bench(
    *things: Device,
    hire: Callable[[Keep, str], Doorman | None] = lambda _keep, _name: None,
    shares_clock: bool = True,
    uncertainty_ms: int = 0,
) -> AsyncGenerator[DriverBench, None]:
    """A driver that runs, with these things behind its radio."""
    clock = VirtualClock(START_MS, uncertainty_ms=uncertainty_ms)
    world = Nursery(lambda _name, _error: None)
    hub = InProcessHub(clock=clock, nursery=world)
    core = hub.join("core", role=BusRole.CORE)
    orders = Orders(bus=core, clock=clock)
    house = DriverBench(
        clock=clock,
        hub=hub,
        core=core,
        orders=orders,
        db=sqlite3.connect(":memory:", isolation_level=None),
        radio=HandRadio(*things),
        world=world,
        hire=hire,
        shares_clock=shares_clock,
    )
    await orders.start()
    await core.subscribe("np/+/up/#", house.hear)
    await house.start()
    try:
        yield house
    finally:
        await orders.close()
        await house.nursery.close()
        await world.close()
        house.db.close()
