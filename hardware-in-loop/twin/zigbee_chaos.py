"""Randomly faulted presses through real zigpy: what the lock did is held against what was said.

Every press has a number of its own in the air, which the twin writes beside each run of its motor;
so a move belongs to its press, however late it comes.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import Outcome, Verb
from appliance.kernel.clock import sleep
from twin.door_chaos import Tally
from twin.zigbee.devices import Lock
from twin.zigbee.faults import Act, Confirm, Way, zcl_command
from twin.zigbee_house import LOCK_IEEE, Rig, rig

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.zigbee.lock import ZigbeeLock
    from drivers.zigbee.press import Press
    from twin.journal import Entry
    from twin.zigbee.faults import Fault
    from twin.zigbee.node import Node

UNLOCK = zcl_command(0x0101, 0x01)
EVENT = zcl_command(0x0101, 0x20)
REPORT = zcl_command(0x0101, 0x0A, specific=False)
READ = zcl_command(0x0101, 0x01, specific=False)
FAILED = (
    Confirm.APS_NO_ACK,
    Confirm.NWK_NO_ROUTE,
    Confirm.MAC_EXPIRED,
    Confirm.MAC_NO_ACK,
    Confirm.CHANNEL_BUSY,
)
REFUSED = (Confirm.BUFFER_FULL, Confirm.MEMORY, Confirm.NWK_INVALID_REQUEST)
LOCKS: Final = 8
# Presses of one house, so that a seed that finds something is short to tell.
HOUSE_MAX: Final = 250
SETTLED_S: Final = 3.0
PATIENT_S: Final = 1.5


@dataclass
class Found:
    """What a campaign found; `broken` says each broken promise with its fault."""

    tally: Tally = field(default_factory=Tally)
    moves: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass
class Tried:
    """One press with the fault it met, and where in the journal it began."""

    node: Lock
    lock: ZigbeeLock
    fault: str
    began: int
    press: Press | None = None
    told: Outcome | None = None


async def try_zigbee(commands: int, seed: int) -> Tally:
    """Houses of some hundred presses each, one after another, every one with its own seed."""
    total = Tally()
    for number in range(0, commands, HOUSE_MAX):
        count = min(HOUSE_MAX, commands - number)
        with tempfile.TemporaryDirectory(prefix="nightporter-chaos-") as folder:
            found = await campaign(Path(folder), presses=count, seed=seed + number)
        total.add(found.tally)
    return total


async def campaign(folder: Path, *, presses: int, seed: int, locks: int = LOCKS) -> Found:
    """Press all doors at once until there were so many presses; every third meets no fault."""
    dice = random.Random(seed)
    async with rig(folder) as it:
        doors = []
        for number in range(locks):
            node = Lock(f"lock-{number}", LOCK_IEEE + number)
            node.lock.attrs[0x0023].value = dice.choice((0, 0, 1, 3))
            doors.append((node, await it.join(node, room=f"{100 + number}")))
        tried: list[Tried] = []
        shares = [presses // locks + (number < presses % locks) for number in range(locks)]
        await asyncio.gather(
            *(
                _press_one(it, node, lock, share, random.Random(f"{seed}/{number}"), tried)
                for number, ((node, lock), share) in enumerate(zip(doors, shares, strict=True))
            )
        )
        it.site.heal()
        for node, _ in doors:
            it.site.air.wake(node)
        await it.up()
        await sleep(it.clock, SETTLED_S)
        return _judge(it, tried)


async def _press_one(
    it: Rig, node: Lock, lock: ZigbeeLock, share: int, dice: random.Random, tried: list[Tried]
) -> None:
    for _ in range(share):
        await it.plugged(lock.name)
        fault, name = _trouble(it, node, dice)
        mark = Tried(node=node, lock=lock, fault=name, began=len(it.site.journal.read()))
        tried.append(mark)
        before = lock.last_press
        told = await it.ask(lock.name, Verb.UNLOCK, within_s=0.5)
        mark.told = told.outcome
        if lock.last_press is not before:
            mark.press = lock.last_press
        if fault is not None and fault in it.site.air.faults:
            it.site.air.faults.remove(fault)
        if node.lock.lies:
            # Who jams after a lie is told DONE, and then JAMMED: no promise of ours reaches that.
            await sleep(it.clock, 2 * node.lock.motor_s)
        node.lock.jammed = node.lock.lies = node.lock.events_use_request_number = False
        node.lock.motor_s = 0.0
        if told.outcome is Outcome.UNKNOWN and dice.random() < 0.5:
            # A patient person: until the frame can no longer arrive, and we have looked again.
            await sleep(it.clock, PATIENT_S)
        if node.lock.bolt != "locked" and dice.random() < 0.7:
            node.lock.thumb(1)


def _trouble(it: Rig, node: Lock, dice: random.Random) -> tuple[Fault | None, str]:
    """One fault for one lock's next frames."""

    def meets(of: Any) -> Any:
        return lambda at, cluster, data: at is node and of(at, cluster, data)

    def everything(at: Node, _cluster: int, _data: bytes) -> bool:
        return at is node

    def habit(**how: Any) -> None:
        for name, value in how.items():
            setattr(node.lock, name, value)

    def habit_and_lost() -> Fault:
        habit(events_use_request_number=True)
        return fault(Way.UP, Act.DROP, meets(UNLOCK))

    fault = it.site.fault
    makes: dict[str, Callable[[], Fault | None]] = {
        "none": lambda: None,
        "lost on the way": lambda: fault(Way.DOWN, Act.DROP, meets(UNLOCK)),
        "late": lambda: fault(Way.DOWN, Act.DELAY, meets(UNLOCK), seconds=dice.uniform(0, 0.9)),
        "twice": lambda: fault(Way.DOWN, Act.DUPLICATE, meets(UNLOCK)),
        "delivered, reported failed": lambda: fault(
            Way.DOWN, Act.ACK_LOST, meets(UNLOCK), times=None, status=dice.choice(FAILED)
        ),
        "refused by the stick": lambda: fault(
            Way.DOWN, Act.REFUSE, meets(UNLOCK), status=dice.choice(REFUSED)
        ),
        "never confirmed": lambda: fault(Way.DOWN, Act.NO_CONFIRM, meets(UNLOCK)),
        "answer lost": lambda: fault(Way.UP, Act.DROP, meets(UNLOCK)),
        "answer late": lambda: fault(
            Way.UP, Act.DELAY, meets(UNLOCK), seconds=dice.uniform(0.2, 1.2)
        ),
        "event late": lambda: fault(Way.UP, Act.DELAY, meets(EVENT), seconds=dice.uniform(0, 1.2)),
        "report late": lambda: fault(
            Way.UP, Act.DELAY, meets(REPORT), times=2, seconds=dice.uniform(0, 1.2)
        ),
        "mute": lambda: fault(Way.UP, Act.DROP, everything, times=None),
        "mute for some frames": lambda: fault(
            Way.UP, Act.DROP, everything, times=dice.randrange(1, 4)
        ),
        "cut off": lambda: fault(Way.DOWN, Act.DROP, everything, times=None),
        "its number is ours": lambda: habit(events_use_request_number=True),
        "number is ours, answer lost": habit_and_lost,
        "jammed": lambda: habit(jammed=True),
        "lies": lambda: habit(lies=True, motor_s=dice.uniform(0, 0.3)),
        "slow motor": lambda: habit(motor_s=dice.uniform(0.1, 0.9)),
        "asleep for a while": lambda: _nap(it, node, dice.uniform(0.05, 0.7)),
        "line stalls": lambda: _stall(it, dice.uniform(0.05, 1.0)),
        "stick hangs": lambda: _hang(it, dice.uniform(0.05, 1.5)),
        "stick pulled": lambda: _pull(it, dice.uniform(0.0, 0.05)),
        "noise": lambda: _noise(it, dice.uniform(0.05, 0.5)),
    }
    rare = {"line stalls": 0.15, "stick hangs": 0.15, "stick pulled": 0.15, "noise": 0.15}
    weights = [12 if name == "none" else rare.get(name, 1.0) for name in makes]
    (name,) = dice.choices(list(makes), weights)
    return makes[name](), name


def _beside(it: Rig, work: Any) -> None:
    it.nursery.mortal("trouble", work)


def _nap(it: Rig, node: Lock, seconds: float) -> None:
    async def nap() -> None:
        it.site.air.sleep(node)
        await sleep(it.clock, seconds)
        it.site.air.wake(node)

    _beside(it, nap())


def _stall(it: Rig, seconds: float) -> None:
    async def stall() -> None:
        it.site.port.stall(on=True)
        await sleep(it.clock, seconds)
        it.site.port.stall(on=False)

    _beside(it, stall())


def _hang(it: Rig, seconds: float) -> None:
    async def hang() -> None:
        it.site.hang()
        await sleep(it.clock, seconds)
        it.site.hang(on=False)

    _beside(it, hang())


def _pull(it: Rig, after_s: float) -> None:
    async def pull() -> None:
        await sleep(it.clock, after_s)
        await it.site.unplug()
        await it.down()
        await sleep(it.clock, 0.05)
        await it.site.plug()

    _beside(it, pull())


def _noise(it: Rig, seconds: float) -> None:
    async def noise() -> None:
        it.site.port.noise(0.2)
        await sleep(it.clock, seconds)
        it.site.port.noise(0.0)

    _beside(it, noise())


def _judge(it: Rig, tried: list[Tried]) -> Found:
    """Hold what was said against the motors, press by press."""
    found = Found()
    by_node: dict[str, list[Tried]] = {}
    for mark in tried:
        by_node.setdefault(mark.node.name, []).append(mark)
    entries = it.site.journal.read()
    for marks in by_node.values():
        for at, mark in enumerate(marks):
            # The number of a press returns after 64 others; until then a move with it is its own.
            until = marks[at + 60].began if at + 60 < len(marks) else len(entries)
            _weigh(found, mark, _moves(entries[mark.began : until], mark))
    for ends in it.house.ends.values():
        found.tally.contradicted += len({end.outcome for end in ends}) > 1
    return found


def _moves(entries: list[Entry], mark: Tried) -> int:
    if mark.press is None:
        return 0
    return sum(
        1
        for entry in entries
        if entry["kind"] == "bolt"
        and entry["device"] == mark.node.name
        and entry.get("tsn") == mark.press.journey.tsn
        and entry["to"] == "unlocked"
    )


def _weigh(found: Found, mark: Tried, moves: int) -> None:
    assert mark.told is not None
    tally, final = found.tally, mark.told
    if mark.press is not None and mark.press.told is not None:
        final = mark.press.told.outcome
    tally.commands += 1
    tally.outcomes[final] += 1
    tally.weather[mark.fault] += 1
    found.moves += moves
    broken = {
        "double_moves": moves > 1,
        "false_done": final is Outcome.DONE and not moves,
        "false_not_sent": final is Outcome.NOT_SENT and moves > 0,
        "false_refused": final is Outcome.REFUSED and moves > 0,
    }
    for promise, wrong in broken.items():
        if wrong:
            setattr(tally, promise, getattr(tally, promise) + 1)
            end = None if mark.press is None else mark.press.told
            found.broken.append(
                f"{promise}: {mark.node.name} ({mark.fault}): {mark.told}, {end}, {moves} moves"
            )
