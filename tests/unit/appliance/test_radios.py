"""What a driver's silence means for its things, and how the box shows a radio: never a green dot."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessBus, InProcessHub
from appliance.bus.words import (
    Presence,
    RadioState,
    decode,
    encode,
    online_topic,
    radio_topic,
)
from appliance.kernel.health import Health, Vital, VitalState
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from appliance.radios import LATE_AFTER_MS, Radios
from drivers.switchboard import will_of

BRIDGE = "driver-ble0"
THINGS = ("lock-101", "lock-102")
START_MS = 1_800_000_000_000
STATE = RadioState(up=True, since_ms=START_MS - 60_000, wall_ms=START_MS, devices=2, names=THINGS)
ONLINE, OFFLINE = encode(Presence(online=True)), encode(Presence(online=False))


@dataclass
class House:
    clock: VirtualClock
    hub: InProcessHub
    health: Health
    driver: InProcessBus
    said: dict[str, bool]

    async def say(self, state: RadioState) -> None:
        await self.driver.publish(radio_topic(BRIDGE), encode(state), retain=True)
        await self.clock.settle()

    async def here(self) -> None:
        for name in (BRIDGE, *THINGS):
            await self.driver.publish(online_topic(name), ONLINE, retain=True)
        await self.clock.settle()

    def vital(self) -> Vital:
        [vital] = self.health.snapshot(self.clock)
        return vital

    async def listen(self) -> None:
        core = self.hub.join("core", role=BusRole.CORE)
        await Radios(
            bus=core,
            clock=self.clock,
            health=self.health,
            behind=lambda name: THINGS if name == BRIDGE else (),
        ).start()
        await self.clock.settle()


@asynccontextmanager
async def _house() -> AsyncGenerator[House, None]:
    clock = VirtualClock(START_MS)
    nursery = Nursery(lambda _name, _error: None)
    hub = InProcessHub(clock=clock, nursery=nursery)
    driver = hub.join(BRIDGE, role=BusRole.BRIDGE, devices=THINGS, will=will_of(BRIDGE))
    watcher = hub.join("watcher", role=BusRole.CORE)
    said: dict[str, bool] = {}

    async def hear(message: object) -> None:
        presence = decode(message.payload, Presence)  # type: ignore[attr-defined] # a Message
        assert presence is not None
        said[message.topic.split("/")[1]] = presence.online  # type: ignore[attr-defined] # as above

    await watcher.subscribe("np/+/up/online", hear)
    house = House(clock, hub, Health(), driver, said)
    try:
        yield house
    finally:
        await nursery.close()


async def test_a_driver_that_dies_takes_its_things_away() -> None:
    async with _house() as house:
        await house.listen()
        await house.here()
        house.driver.drop()
        await house.clock.settle()
        assert house.said == {BRIDGE: False, "lock-101": False, "lock-102": False}


async def test_also_where_the_box_was_away_when_it_died() -> None:
    async with _house() as house:
        await house.here()
        house.driver.drop()
        await house.listen()
        assert house.said["lock-101"] is False


async def test_the_silence_of_a_lock_is_its_own() -> None:
    async with _house() as house:
        await house.listen()
        await house.here()
        await house.driver.publish(online_topic("lock-101"), OFFLINE, retain=True)
        await house.clock.settle()
        assert house.said == {BRIDGE: True, "lock-101": False, "lock-102": True}


async def test_what_the_driver_says_when_it_is_back_holds() -> None:
    async with _house() as house:
        await house.listen()
        await house.here()
        house.driver.drop()
        await house.clock.settle()
        await house.driver.connect()
        await house.here()
        assert set(house.said.values()) == {True}


async def test_a_radio_is_shown_with_its_age_and_its_things() -> None:
    async with _house() as house:
        await house.listen()
        await house.say(STATE)
        await house.clock.advance(30)
        vital = house.vital()
        assert vital.state is VitalState.OK
        assert "2 of 2 things known, last said 30 s ago" in vital.sentence


async def test_a_radio_that_says_nothing_any_more_is_late() -> None:
    async with _house() as house:
        await house.listen()
        await house.say(STATE)
        await house.clock.advance(LATE_AFTER_MS / 1000 + 1)
        assert house.vital().state is VitalState.LATE


async def test_alarms_and_unknown_orders_are_shown_with_their_time() -> None:
    async with _house() as house:
        await house.listen()
        alarms = (("backup_stale", START_MS - 7_200_000),)
        await house.say(replace(STATE, alarms=alarms, unknown_orders=2))
        vital = house.vital()
        assert vital.state is VitalState.LATE
        assert "backup_stale for 2 h, 2 orders whose end nobody knows" in vital.sentence


async def test_a_radio_that_is_away_is_down_and_so_is_a_dead_driver() -> None:
    async with _house() as house:
        await house.listen()
        await house.say(replace(STATE, up=False))
        assert "its radio is away" in house.vital().sentence
        assert house.vital().state is VitalState.DOWN
        await house.say(STATE)
        await house.here()
        house.driver.drop()
        await house.clock.settle()
        assert house.vital().state is VitalState.DOWN
        assert "its process is away" in house.vital().sentence


async def test_what_is_no_radio_state_changes_nothing() -> None:
    async with _house() as house:
        await house.listen()
        await house.driver.publish(radio_topic(BRIDGE), b"{", retain=True)
        await house.clock.settle()
        assert house.health.snapshot(house.clock) == []
