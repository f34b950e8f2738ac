"""Door commands at locks behind a vendor's gateway, through a driver's desks and file, on virtual time.

The truth is the gateway's own count of its motors. One press at a time for each lock, and a lock's
presses so far apart that a motor that runs late is still counted for the press it belongs to.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from typing import TYPE_CHECKING, Any, Final, Protocol

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.bus.requests import Orders
from appliance.bus.words import DeviceAnswer, Order, Outcome, Verb, answer_topic
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.running import Parts, run
from drivers.switchboard import will_of
from twin.door_chaos import HOUSE_MAX, START_MS, Tally
from twin.journal import Journal
from twin.spoilt_radio import EXPIRES_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bus.in_process import InProcessBus
    from drivers.port import Radio

LOCKS: Final = 10
BRIDGE: Final = "driver-chaos0"
# Until a lost press may no longer move the bolt, and the driver has looked twice.
APART_S: Final = 75.0


class World:
    """What a gateway of the twin is built in."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = VirtualClock(START_MS)
        self.nursery = Nursery(lambda _name, _error: None)
        self.journal = Journal()
        self.hub = InProcessHub(clock=self.clock, nursery=self.nursery)


class Corridor(Protocol):
    """Locks of one vendor behind one gateway."""

    names: tuple[str, ...]
    also: tuple[str, ...]  # topics of the vendor's that the driver may use

    async def radio(self, bus: InProcessBus) -> Radio:
        """The driver's radio for these locks."""
        ...

    def spoil(self, name: str) -> None:
        """Choose what happens to this lock's next press."""
        ...

    def heal(self, name: str) -> None:
        """No trouble that is left over."""
        ...

    def moved(self, name: str) -> int:
        """How often this lock's motor has run open for the radio."""
        ...

    def by_hand(self, name: str) -> None:
        """Somebody may lock it, and frees what is jammed."""
        ...

    async def close(self) -> None:
        """Whatever it still does ends."""
        ...


async def try_corridors(commands: int, seed: int, make: Callable[[World], Corridor]) -> Tally:
    """Houses of ten locks, one after another, each with its own seed."""
    total = Tally()
    for number in range(0, commands, HOUSE_MAX):
        world = World(seed + number)
        count = min(HOUSE_MAX, commands - number)
        total.add(await PressTrial(world, make(world), count).run())
    return total


class PressTrial:
    """One corridor, the driver before it and the box that presses."""

    def __init__(self, world: World, corridor: Corridor, commands: int) -> None:
        self._world = world
        self._clock = world.clock
        self._corridor = corridor
        self._commands = commands
        self._believed: dict[str, Outcome] = {}
        self._moves: dict[str, int] = {}
        self.tally = Tally()

    async def run(self) -> Tally:
        """All commands, then the reckoning."""
        hub, names = self._world.hub, self._corridor.names
        core = hub.join("core", role=BusRole.CORE)
        bus = hub.join(
            BRIDGE,
            role=BusRole.BRIDGE,
            devices=names,
            also=self._corridor.also,
            will=will_of(BRIDGE),
            connected=False,
        )
        db: Any = sqlite3.connect(":memory:", isolation_level=None)
        driver = await run(
            Parts(
                radio=await self._corridor.radio(bus),
                names=names,
                db=db,
                bus=bus,
                clock=self._clock,
                nursery=self._world.nursery,
            )
        )
        await bus.connect()
        orders = Orders(bus=core, clock=self._clock, on_late_answer=self._late)
        await orders.start()
        share = -(-self._commands // LOCKS)
        work = asyncio.gather(
            *(
                self._press_all(orders, name, min(share, self._commands - share * n))
                for n, name in enumerate(names)
                if share * n < self._commands
            )
        )
        await self._clock.run_until(work, limit_s=1e9)
        await self._clock.run_until(self._ask_again(orders), limit_s=1e9)
        self._reckon({attempt.order_id for attempt in driver.keep.unknowns()})
        await orders.close()
        await self._world.nursery.close()
        await self._corridor.close()
        db.close()
        return self.tally

    async def _press_all(self, orders: Orders, name: str, count: int) -> None:
        chance, corridor = self._world.chance, self._corridor
        await sleep(self._clock, 1.0 + chance.uniform(0.0, APART_S))
        for number in range(count):
            before = corridor.moved(name)
            corridor.spoil(name)
            order = self._order(f"{name}.{number}", name, Verb.UNLOCK)
            told = await orders.order(name, order, answer_s_max=7.5)
            self._believe(order.id, told.outcome)
            await sleep(self._clock, APART_S)
            corridor.heal(name)
            self._moves[order.id] = corridor.moved(name) - before
            corridor.by_hand(name)
            await sleep(self._clock, APART_S)

    def _order(self, order_id: str, name: str, verb: Verb, about: str | None = None) -> Order:
        return Order(
            id=order_id,
            verb=verb,
            expires_at_ms=self._clock.read().wall_ms + EXPIRES_MS,
            reply_topic=answer_topic(name),
            about=about,
        )

    async def _ask_again(self, orders: Orders) -> None:
        """Ask about what is unknown, as the box does."""
        open_ = [name for name, known in self._believed.items() if known is Outcome.UNKNOWN]
        for order_id in open_:
            name = order_id.partition(".")[0]
            order = self._order(f"{order_id}.read", name, Verb.READ, order_id)
            told = (await orders.order(name, order)).answer
            if told is not None and told.about_outcome is not None:
                self._believe(order_id, told.about_outcome)

    async def _late(self, _device: str, answer: DeviceAnswer) -> None:
        if answer.id in self._believed:
            self._believe(answer.id, answer.outcome)

    def _believe(self, order_id: str, outcome: Outcome) -> None:
        known = self._believed.get(order_id)
        if known is None or known is Outcome.UNKNOWN:
            self._believed[order_id] = outcome
        elif outcome not in {known, Outcome.UNKNOWN}:
            self.tally.contradicted += 1

    def _reckon(self, shown: set[str]) -> None:
        tally = self.tally
        tally.commands = len(self._moves)
        for order_id, moved in self._moves.items():
            outcome = self._believed[order_id]
            tally.outcomes[outcome.value] += 1
            tally.double_moves += moved > 1
            tally.false_done += outcome is Outcome.DONE and not moved
            tally.false_not_sent += outcome is Outcome.NOT_SENT and moved > 0
            tally.false_refused += outcome is Outcome.REFUSED and moved > 0
            tally.hidden_unknown += outcome is Outcome.UNKNOWN and order_id not in shown
