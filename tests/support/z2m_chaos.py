"""Door commands through a real Zigbee2MQTT under faults on the air: our driver, its word, the bolt's.

Real time: the gateway waits ten seconds for an answer that is lost. Ten locks are pressed at once.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.bus.words import DeviceKind, Order, Outcome, Verb
from appliance.kernel.clock import SystemClock, sleep
from appliance.kernel.tasks import Nursery
from drivers.mqtt.radio import MqttRadio, build
from drivers.mqtt.thing import LATE_S_MAX
from drivers.radios import Thing
from support.driver_house import HeardHouse
from support.foreign_house import setting
from support.zigbee2mqtt import BASE, Zigbee2Mqtt, running_z2m, z2m_of
from twin.door_chaos import Tally
from twin.zigbee.clusters.door_lock import LOCKED
from twin.zigbee.devices import Lock
from twin.zigbee.faults import Act, Way, zcl_command
from twin.zigbee.site import Site, site

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.zigbee.node import Node

FIRST: Final = 0x00158D0000000001
LOCKS: Final = 10
DEADLINE_S: Final = 3.0
JOIN_S_MAX: Final = 30.0
UNLOCK: Final = zcl_command(0x0101, 0x01)
EVENT: Final = zcl_command(0x0101, 0x20)
REPORT: Final = zcl_command(0x0101, 0x0A, specific=False)

# What happens to one press: way, act, and the frames that are met.
TROUBLES: Final = (
    (),
    ((Way.UP, Act.DROP, UNLOCK),),
    ((Way.UP, Act.DROP, UNLOCK), (Way.UP, Act.DROP, EVENT)),
    ((Way.UP, Act.DROP, UNLOCK), (Way.UP, Act.DROP, EVENT), (Way.UP, Act.DROP, REPORT)),
    ((Way.DOWN, Act.DROP, UNLOCK),),
    ((Way.DOWN, Act.ACK_LOST, UNLOCK),),
    ((Way.DOWN, Act.DUPLICATE, UNLOCK),),
    ((Way.UP, Act.DUPLICATE, EVENT),),
    ((Way.DOWN, Act.NO_CONFIRM, UNLOCK),),
)


async def try_z2m(commands: int, seed: int) -> Tally:
    """So many presses, shared by ten locks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with site(path) as here, running_z2m(here.path, path, known_lock=True) as z2m:
            return await _Campaign(here, z2m, random.Random(seed)).run(commands)


class _Campaign:
    def __init__(self, here: Site, z2m: Zigbee2Mqtt, chance: random.Random) -> None:
        self._here = here
        self._z2m = z2m
        self._chance = chance
        self._clock = SystemClock(floor_path=None)
        self._house = HeardHouse()
        self.tally = Tally()

    async def run(self, commands: int) -> Tally:
        locks = [Lock(f"lock-{n}", FIRST + n) for n in range(min(LOCKS, commands))]
        await self._z2m.permit()
        for lock in locks:
            assert await self._here.join(lock)
            await self._z2m.interviewed(z2m_of(lock.ieee))
        nursery = Nursery(lambda _name, _error: None)
        radio = self._radio(locks, nursery)
        nursery.mortal("radio", radio.run(self._house))
        share = -(-commands // len(locks))
        try:
            await asyncio.gather(
                *(
                    self._press_all(radio, lock, min(share, commands - share * n))
                    for n, lock in enumerate(locks)
                    if share * n < commands
                )
            )
        finally:
            await nursery.close()
        return self.tally

    def _radio(self, locks: list[Lock], nursery: Nursery) -> MqttRadio:
        things = tuple(
            Thing(
                name=lock.name,
                kind=DeviceKind.LOCK,
                protocol="zigbee2mqtt",
                address=f"{BASE}/{z2m_of(lock.ieee)}",
            )
            for lock in locks
        )
        return build(setting(things, clock=self._clock, nursery=nursery, bus=self._z2m.bus))

    async def _press_all(self, radio: MqttRadio, lock: Lock, count: int) -> None:
        topic = z2m_of(lock.ieee)
        await self._locked(lock, topic)
        for number in range(count):
            order = Order(
                id=f"{lock.name}.{number}", verb=Verb.UNLOCK, expires_at_ms=0, reply_topic=""
            )
            faults = [
                self._here.fault(way, act, _of(lock, meets), times=None)
                for way, act, meets in self._chance.choice(TROUBLES)
            ]
            before = self._moved(lock)
            deadline_s = self._clock.monotonic() + DEADLINE_S
            told = await radio.devices[lock.name].carry_out(order, deadline_s=deadline_s)
            outcome = told.outcome
            if outcome is Outcome.UNKNOWN:
                # A bolt that moves late moves within this; the next press is refused until then.
                await sleep(self._clock, LATE_S_MAX + 0.5)
                ends = [t.outcome for _, o, t in self._house.ends if o == order.id]
                outcome = ends[-1] if ends else outcome
            else:
                await sleep(self._clock, 0.5)
            for fault in faults:
                self._here.air.faults.remove(fault)
            self._reckon(outcome, self._moved(lock) - before)
            await self._locked(lock, topic)

    def _reckon(self, outcome: Outcome, moved: int) -> None:
        tally = self.tally
        tally.commands += 1
        tally.outcomes[outcome.value] += 1
        tally.double_moves += moved > 1
        tally.false_done += outcome is Outcome.DONE and not moved
        tally.false_not_sent += outcome is Outcome.NOT_SENT and moved > 0
        tally.false_refused += outcome is Outcome.REFUSED and moved > 0

    def _moved(self, lock: Lock) -> int:
        return self._here.journal.count("bolt", device=lock.name, to="unlocked")

    async def _locked(self, lock: Lock, topic: str) -> None:
        """A hand locks the door, and the gateway has heard of it."""
        mark = len(self._z2m.said)
        lock.lock.thumb(LOCKED)
        try:
            await self._z2m.until(
                topic, lambda said: said.get("state") == "LOCK", after=mark, seconds=JOIN_S_MAX
            )
        except AssertionError:
            # A bolt that was locked already reports nothing: have it read.
            await self._z2m.say(f"{topic}/get", {"state": ""})
            await self._z2m.until(topic, lambda said: said.get("state") == "LOCK", after=mark)


def _of(
    lock: Lock, meets: Callable[[Node, int, bytes], bool]
) -> Callable[[Node, int, bytes], bool]:
    return lambda node, cluster, data: node is lock and meets(node, cluster, data)
