"""Door commands under random faults, on virtual time, through a driver's own desk and file.

The truth is kept at the bolts, outside the driver. What the box believes at the end is held
against it: nothing moved twice, no DONE without a move, no NOT_SENT or REFUSED with one, and every
UNKNOWN is settled or still shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.bus.requests import Orders
from appliance.bus.words import (
    DeviceAnswer,
    Order,
    Outcome,
    Verb,
    answer_topic,
    command_topic,
    encode,
)
from appliance.kernel.clock import sleep
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.running import Driver, Parts, run
from drivers.switchboard import will_of
from twin.spoilt_radio import EXPIRES_MS, USUAL, Bolts, SpoiltRadio, Weather

if TYPE_CHECKING:
    from appliance.bus.in_process import InProcessBus

BRIDGE: Final = "driver-chaos0"
START_MS: Final = 1_800_000_000_000
LOCKS: Final = 20
# Commands of one house, so that a seed that finds something is short to tell.
HOUSE_MAX: Final = 500
# Two hours of virtual time for the last unknown; almost all are settled in the first minute.
SETTLE_S: Final = 7_200.0
# Steps of the loop from a press to its first frame on the air, three times over.
STEPS_MAX: Final = 60


class Disk:
    """The driver's file; a killed process can no longer write to it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db: sqlite3.Connection | None = db

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """As SQLite does, while the process lives."""
        if self._db is None:
            raise sqlite3.OperationalError("this process is dead")
        return self._db.execute(sql, parameters)

    def die(self) -> None:
        """Kill -9: no last word."""
        self._db = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How one house is tried. `remembers` False: a driver whose file is new in each life."""

    commands: int = HOUSE_MAX
    seed: int = 0
    kills: float = 0.03  # chances after each command
    repeats: float = 0.2
    cuts: float = 0.01
    weathers: tuple[Weather, ...] = USUAL
    remembers: bool = True


@dataclass(slots=True)
class Tally:
    """What came of it."""

    commands: int = 0
    kills: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    weather: Counter[str] = field(default_factory=Counter)
    double_moves: int = 0
    false_done: int = 0
    false_not_sent: int = 0
    false_refused: int = 0
    hidden_unknown: int = 0
    contradicted: int = 0  # one of two final words must have been false

    @property
    def wrong(self) -> int:
        """Everything that must be zero."""
        return (
            self.double_moves
            + self.false_done
            + self.false_not_sent
            + self.false_refused
            + self.hidden_unknown
            + self.contradicted
        )

    def add(self, other: Tally) -> None:
        """Take another house's figures in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class Trial:
    """One house of locks, the box that presses them, and a driver that is killed and comes back."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._chance = random.Random(campaign.seed)
        self._clock = VirtualClock(START_MS)
        self._world = Nursery(_ignore)
        self._driving = Nursery(_ignore)
        self._names = tuple(f"lock-{number}" for number in range(LOCKS))
        self._bolts = Bolts(self._clock, self._world, self._chance)
        self._hub = InProcessHub(clock=self._clock, nursery=self._world)
        self._db = _memory()
        self._disk = Disk(self._db)
        self._bus: InProcessBus | None = None
        self._driver: Driver | None = None
        self._believed: dict[str, Outcome] = {}
        self._sent: dict[str, tuple[str, Order]] = {}
        core = self._hub.join("core", role=BusRole.CORE)
        self._core = core
        self._orders = Orders(bus=core, clock=self._clock, on_late_answer=self._late)
        self.tally = Tally()

    async def run(self) -> Tally:
        """All commands, then time for what is unknown, then the reckoning."""
        await self._orders.start()
        await self._start()
        work = self._press_all()
        await self._clock.run_until(work, limit_s=1e9)
        await self._clock.run_until(self._settle(), limit_s=1e9)
        self._reckon()
        await self._orders.close()
        await self._driving.close()
        await self._world.close()
        return self.tally

    # -- the driver's lives ----------------------------------------------------------------

    async def _start(self) -> None:
        if not self._campaign.remembers:
            self._db = _memory()
        self._disk = Disk(self._db)
        self._driving = Nursery(_ignore)
        self._bus = self._hub.join(
            BRIDGE,
            role=BusRole.BRIDGE,
            devices=self._names,
            will=will_of(BRIDGE),
            connected=False,
            nursery=self._driving,
        )
        self._driver = await run(
            Parts(
                radio=SpoiltRadio(self._bolts, self._names, self._campaign.weathers),
                names=self._names,
                db=self._disk,
                bus=self._bus,
                clock=self._clock,
                nursery=self._driving,
            )
        )
        self._bus.appear()

    async def _kill(self) -> None:
        """Kill -9, between any two steps of the loop, and a new process soon after."""
        assert self._bus is not None
        self._disk.die()
        self._bus.drop()
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")
        await self._driving.close()
        self.tally.kills += 1
        await sleep(self._clock, self._chance.uniform(0.1, 3.0))
        await self._start()

    # -- the box ---------------------------------------------------------------------------

    async def _press_all(self) -> None:
        presses = []
        for number in range(self._campaign.commands):
            presses.append(asyncio.ensure_future(self._press(f"order-{number}")))
            if self._chance.random() < self._campaign.kills:
                # At any step: of the loop, while an order is written down and sent ...
                for _ in range(self._chance.randrange(STEPS_MAX)):
                    await self._clock.sleep_until(0.0)
                if self._chance.random() < 0.5:  # ... or of the air
                    await sleep(self._clock, self._chance.uniform(0.0, 9.0))
                await self._kill()
            await sleep(self._clock, self._chance.uniform(0.0, 2.0))
            if self._chance.random() < self._campaign.cuts:
                await self._cut()
        await asyncio.gather(*presses)

    async def _press(self, order_id: str) -> None:
        device = self._chance.choice(self._names)
        order = Order(
            id=order_id,
            verb=self._chance.choice((Verb.UNLOCK, Verb.UNLOCK, Verb.UNLOCK, Verb.LOCK)),
            expires_at_ms=self._clock.read().wall_ms + EXPIRES_MS,
            reply_topic=answer_topic(device),
        )
        self._sent[order_id] = (device, order)
        if self._chance.random() < self._campaign.repeats:
            self._world.mortal("repeat", self._repeat(device, order))
        told = await self._orders.order(device, order, answer_s_max=7.5)
        self._believe(order_id, told.outcome)

    async def _repeat(self, device: str, order: Order) -> None:
        """A broker may deliver twice, and late."""
        for _ in range(self._chance.randint(1, 3)):
            await sleep(self._clock, self._chance.choice((0.0, 0.01, 1.0, 5.0, 9.0, 60.0)))
            await self._core.publish(command_topic(device), encode(order))

    async def _cut(self) -> None:
        assert self._bus is not None
        bus = self._bus
        await bus.cut()
        await sleep(self._clock, self._chance.uniform(0.1, 12.0))
        if bus is self._bus:
            await bus.connect()

    async def _late(self, _device: str, answer: DeviceAnswer) -> None:
        if answer.id in self._sent:
            self._believe(answer.id, answer.outcome)

    def _believe(self, order_id: str, outcome: Outcome) -> None:
        known = self._believed.get(order_id)
        if known is None or known is Outcome.UNKNOWN:
            self._believed[order_id] = outcome
        elif outcome not in {known, Outcome.UNKNOWN}:
            # Two words that exclude each other: one of them is false, and the bolt says which.
            self.tally.contradicted += 1

    async def _settle(self) -> None:
        """Ask about what is unknown, as the box does; then give the rest its time."""
        for _ in range(3):
            await sleep(self._clock, SETTLE_S / 3)
            open_ = [name for name, known in self._believed.items() if known is Outcome.UNKNOWN]
            for order_id in open_:
                await self._ask_about(order_id)

    async def _ask_about(self, order_id: str) -> None:
        device, pressed = self._sent[order_id]
        now_ms = self._clock.read().wall_ms
        order = Order(
            id=f"{order_id}.read.{now_ms}",
            verb=Verb.READ,
            expires_at_ms=now_ms + EXPIRES_MS,
            reply_topic=answer_topic(device),
            about=order_id,
        )
        told = (await self._orders.order(device, order)).answer
        if told is None or told.about != order_id:
            return
        if told.about_outcome is not None:
            self._believe(order_id, told.about_outcome)
        elif (told.wall_ms or 0) > pressed.expires_at_ms:
            self._believe(order_id, Outcome.REFUSED)  # never begun, and too late to begin

    # -- the reckoning -----------------------------------------------------------------------

    def _reckon(self) -> None:
        assert self._driver is not None
        tally, moves = self.tally, self._bolts.moves
        shown = {attempt.order_id for attempt in self._driver.keep.unknowns()}
        tally.commands = len(self._sent)
        tally.weather = Counter[str](self._bolts.weather)
        for order_id in self._sent:
            outcome = self._believed.get(order_id, Outcome.UNKNOWN)
            tally.outcomes[outcome.value] += 1
            moved = moves[order_id]
            tally.double_moves += moved > 1
            tally.false_done += outcome is Outcome.DONE and not moved
            tally.false_not_sent += outcome is Outcome.NOT_SENT and moved > 0
            tally.false_refused += outcome is Outcome.REFUSED and moved > 0
            tally.hidden_unknown += outcome is Outcome.UNKNOWN and order_id not in shown


def _ignore(_name: str, _error: BaseException | None) -> None:
    """A campaign's tasks die by the dozen; what counts is at the bolts."""


def _memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA journal_mode=MEMORY")
    return db
