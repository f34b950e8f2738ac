"""Door commands under every fault of a Nuki bridge, through a driver's desks and file, on virtual time.

The truth is the bridge's own count of its motors. One press at a time for each lock, and each
lock's presses so far apart that a motor that runs late is still counted for the press it belongs to.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.bus.requests import Orders
from appliance.bus.words import DeviceAnswer, DeviceKind, Order, Outcome, Verb, answer_topic
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.http.radio import build
from drivers.radios import Setting, Thing
from drivers.running import Parts, run
from drivers.switchboard import will_of
from twin.door_chaos import HOUSE_MAX, START_MS, Tally
from twin.http.loop import LoopWire
from twin.http.nuki import NukiBridgeTwin, NukiFault, NukiLockTwin
from twin.journal import Journal
from twin.spoilt_radio import EXPIRES_MS

if TYPE_CHECKING:
    from drivers.http.wire import Wire

BRIDGE: Final = "driver-http0"
LOCKS: Final = 10
TOKEN: Final = "a bridge of the twin"  # noqa: S105 - nobody else's
# Until a lost press may no longer move the bolt, and the list has been read twice.
APART_S: Final = 75.0
FAULTS: Final = tuple(NukiFault)


async def try_nuki(commands: int, seed: int) -> Tally:
    """Houses of ten locks behind one bridge, one after another, each with its own seed."""
    total = Tally()
    for number in range(0, commands, HOUSE_MAX):
        house = NukiTrial(min(HOUSE_MAX, commands - number), seed + number)
        total.add(await house.run())
    return total


class NukiTrial:
    """One bridge, its locks, the driver before it and the box that presses."""

    def __init__(self, commands: int, seed: int) -> None:
        self._commands = commands
        self._chance = random.Random(seed)
        self._clock = VirtualClock(START_MS)
        self._world = Nursery(lambda _name, _error: None)
        self._journal = Journal()
        self._locks = [
            NukiLockTwin(f"lock-{n}", n, relock_s=self._chance.choice((None, 3.0, 20.0)))
            for n in range(1, LOCKS + 1)
        ]
        self._bridge = NukiBridgeTwin(
            TOKEN, self._locks, clock=self._clock, nursery=self._world, journal=self._journal
        )
        self._wire = LoopWire(self._bridge.handle, self._clock)
        self._believed: dict[str, Outcome] = {}
        self._moves: dict[str, int] = {}
        self.tally = Tally()

    async def run(self) -> Tally:
        """All commands, then the reckoning."""
        hub = InProcessHub(clock=self._clock, nursery=self._world)
        core = hub.join("core", role=BusRole.CORE)
        names = tuple(lock.name for lock in self._locks)
        bus = hub.join(
            BRIDGE,
            role=BusRole.BRIDGE,
            devices=names,
            will=will_of(BRIDGE),
            connected=False,
        )
        db = sqlite3.connect(":memory:", isolation_level=None)
        driver = await run(
            Parts(
                radio=build(self._setting(), self._open),
                names=names,
                db=db,
                bus=bus,
                clock=self._clock,
                nursery=self._world,
            )
        )
        await bus.connect()
        orders = Orders(bus=core, clock=self._clock, on_late_answer=self._late)
        await orders.start()
        share = -(-self._commands // LOCKS)
        work = asyncio.gather(
            *(
                self._press_all(orders, lock, min(share, self._commands - share * n))
                for n, lock in enumerate(self._locks)
                if share * n < self._commands
            )
        )
        await self._clock.run_until(work, limit_s=1e9)
        await self._clock.run_until(self._ask_again(orders), limit_s=1e9)
        shown = {attempt.order_id for attempt in driver.keep.unknowns()}
        self._reckon(shown)
        await orders.close()
        await self._world.close()
        await self._wire.close()
        db.close()
        return self.tally

    def _open(self, _address: str, _options: Mapping[str, object]) -> Wire:
        return self._wire

    def _setting(self) -> Setting:
        things = tuple(
            Thing(
                name=lock.name,
                kind=DeviceKind.LOCK,
                protocol="nuki",
                address="http://bridge",
                options={"nuki_id": lock.nuki_id, "token": TOKEN},
            )
            for lock in self._locks
        )
        return Setting(
            id="http0",
            kind="http",
            bridge=BRIDGE,
            things=things,
            clock=self._clock,
            nursery=self._world,
            folder=Path(),
            property_id="chaos",
            issuer_points=(),
            presser=ec.generate_private_key(ec.SECP256R1()),
        )

    async def _press_all(self, orders: Orders, lock: NukiLockTwin, count: int) -> None:
        await sleep(self._clock, 1.0 + self._chance.uniform(0.0, APART_S))
        for number in range(count):
            order_id = f"{lock.name}.{number}"
            before = self._moved(lock)
            fault = self._chance.choice((None, *FAULTS))
            if fault is not None:
                self._bridge.faults_of.setdefault(lock.nuki_id, []).append(fault)
            if fault is NukiFault.REFUSE:
                self._wire.handle = None
            told = await orders.order(
                lock.name,
                Order(
                    id=order_id,
                    verb=Verb.UNLOCK,
                    expires_at_ms=self._clock.read().wall_ms + EXPIRES_MS,
                    reply_topic=answer_topic(lock.name),
                ),
                answer_s_max=7.5,
            )
            self._wire.handle = self._bridge.handle
            self._bridge.faults_of.pop(lock.nuki_id, None)
            self._believe(order_id, told.outcome)
            await sleep(self._clock, APART_S)
            self._moves[order_id] = self._moved(lock) - before
            if lock.position == "jammed" or self._chance.random() < 0.2:
                # A hand puts it right again, and locks.
                self._bridge.turn_by_hand(lock.nuki_id, "locked")
                await sleep(self._clock, APART_S)

    async def _ask_again(self, orders: Orders) -> None:
        """Ask about what is unknown, as the box does."""
        open_ = [name for name, known in self._believed.items() if known is Outcome.UNKNOWN]
        for order_id in open_:
            device = order_id.partition(".")[0]
            order = Order(
                id=f"{order_id}.read",
                verb=Verb.READ,
                expires_at_ms=self._clock.read().wall_ms + EXPIRES_MS,
                reply_topic=answer_topic(device),
                about=order_id,
            )
            told = (await orders.order(device, order)).answer
            if told is not None and told.about_outcome is not None:
                self._believe(order_id, told.about_outcome)

    def _moved(self, lock: NukiLockTwin) -> int:
        return self._journal.count("bolt", device=lock.name, to="unlocked")

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
