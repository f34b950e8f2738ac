"""The stick and its devices, judged by a second stack with another codec: Zigbee2MQTT from npm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.zigbee2mqtt import Zigbee2Mqtt, running_z2m, z2m_of
from twin.zigbee.devices import KINDS, Leak, Lock, Plug, Trv
from twin.zigbee.faults import Act, Way, zcl_command
from twin.zigbee.port import TcpPort
from twin.zigbee.site import Site, site

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from twin.zigbee.node import Node

# A gateway takes 5 to 15 s to start, and waits 10 s for an answer that is lost.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FIRST = 0x00158D0000000001
UNLOCK = zcl_command(0x0101, 0x01)
ONE_SHOT = {
    "zclcommand": {
        "cluster": "closuresDoorLock",
        "command": "unlockDoor",
        "payload": {"pincodevalue": ""},
        "options": {"disableRecovery": True},
    }
}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with site(tmp_path) as found:
        yield found


@pytest.fixture
async def z2m(here: Site, tmp_path: Path) -> AsyncGenerator[Zigbee2Mqtt, None]:
    async with running_z2m(here.path, tmp_path) as found:
        yield found


async def joined(z2m: Zigbee2Mqtt, here: Site, node: Node) -> str:
    await z2m.permit()
    assert await here.join(node)
    await z2m.interviewed(z2m_of(node.ieee))
    return z2m_of(node.ieee)


def says_error(about: str) -> Any:
    return lambda said: said["level"] == "error" and about in said["message"]


async def test_every_kind_joins_and_is_given_a_definition(z2m: Zigbee2Mqtt, here: Site) -> None:
    await z2m.permit()
    for number, (kind, make) in enumerate(KINDS.items()):
        node = make(kind, FIRST + number)
        assert await here.join(node)
        definition = await z2m.interviewed(z2m_of(node.ieee))
        assert definition["source"] == "generated"
        assert definition["model"] == node.model.decode()


async def test_the_one_safe_form_moves_the_bolt_once_when_the_answer_is_lost(
    z2m: Zigbee2Mqtt, here: Site
) -> None:
    lock = Lock("lock-1", FIRST)
    name = await joined(z2m, here, lock)
    here.fault(Way.UP, Act.DROP, UNLOCK, times=None)
    await z2m.say(f"{name}/set", ONE_SHOT)
    await z2m.until("bridge/logging", says_error("unlockDoor"))
    assert lock.lock.moves == 1


async def test_the_plain_form_moves_it_twice_and_the_harness_notices(
    z2m: Zigbee2Mqtt, here: Site
) -> None:
    lock = Lock("lock-1", FIRST)
    name = await joined(z2m, here, lock)
    here.fault(Way.UP, Act.DROP, UNLOCK, times=None)
    await z2m.say(f"{name}/set", {"state": "UNLOCK"})
    await z2m.until("bridge/logging", says_error("unlockDoor"))
    assert here.journal.count("bolt", device="lock-1", to="unlocked") == 2


async def test_a_known_lock_reports_a_press_and_takes_a_pin(here: Site, tmp_path: Path) -> None:
    lock = Lock("lock-1", FIRST)
    async with running_z2m(here.path, tmp_path, known_lock=True) as z2m:
        name = await joined(z2m, here, lock)
        await z2m.until("bridge/logging", lambda s: "Successfully configured" in s["message"])
        await z2m.say(f"{name}/set", ONE_SHOT)
        await z2m.until(name, lambda said: said.get("state") == "UNLOCK")
        await z2m.until(name, lambda said: said.get("action") == "unlock")
        assert lock.lock.moves == 1
        code = {"user": 3, "user_type": "unrestricted", "user_enabled": True, "pin_code": 471100}
        await z2m.say(f"{name}/set", {"pin_code": code})
        await z2m.until(name, lambda said: said.get("action") == "pin_code_added")
        assert lock.lock.keypad("471100")


async def test_a_leak_sensor_is_enrolled_and_its_water_is_told(
    z2m: Zigbee2Mqtt, here: Site
) -> None:
    leak = Leak("leak-1", FIRST)
    name = await joined(z2m, here, leak)
    assert leak.zone.enrolled
    leak.zone.sense(on=True)
    await z2m.until(name, lambda said: said.get("alarm_1") is True)


async def test_a_set_point_arrives_and_a_wrong_one_is_an_error(
    z2m: Zigbee2Mqtt, here: Site
) -> None:
    trv = Trv("trv-1", FIRST)
    name = await joined(z2m, here, trv)
    await z2m.say(f"{name}/set", {"occupied_heating_setpoint": 22})
    await z2m.until(name, lambda said: said.get("occupied_heating_setpoint") == 22)
    assert trv.thermostat.number(0x0012) == 2200
    await z2m.say(f"{name}/set", {"occupied_heating_setpoint": 99})
    await z2m.until("bridge/logging", says_error("occupied_heating_setpoint"))
    assert trv.thermostat.number(0x0012) == 2200


async def test_a_plug_is_switched_and_measures(z2m: Zigbee2Mqtt, here: Site) -> None:
    plug = Plug("plug-1", FIRST)
    name = await joined(z2m, here, plug)
    await z2m.say(f"{name}/set", {"state": "ON"})
    await z2m.until(name, lambda said: said.get("state") == "ON")
    assert plug.relay.on


async def test_its_backup_names_the_network_and_every_device(z2m: Zigbee2Mqtt, here: Site) -> None:
    lock = Lock("lock-1", FIRST)
    await joined(z2m, here, lock)
    await z2m.ask("backup")
    backup = json.loads((z2m.data / "coordinator_backup.json").read_text())
    assert backup["network_key"]["key"] == here.air.seat(lock).network.key.hex()
    assert [d["ieee_address"] for d in backup["devices"]] == [lock.ieee[::-1].hex()]


async def test_an_ethernet_stick_serves_as_well(tmp_path: Path) -> None:
    lock = Lock("lock-1", FIRST)
    async with (
        site(tmp_path, port=TcpPort()) as here,
        running_z2m(here.path, tmp_path) as z2m,
    ):
        name = await joined(z2m, here, lock)
        await z2m.say(f"{name}/set", ONE_SHOT)
        await z2m.until(name, lambda said: said.get("state") == "UNLOCK")
        assert lock.lock.moves == 1
