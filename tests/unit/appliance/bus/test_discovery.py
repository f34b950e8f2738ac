"""What an existing Home Assistant is told, key by documented key."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.bus.broker.permissions import Action, may
from appliance.bus.credentials import BusRole, Identity
from appliance.bus.discovery import Announced, announce, discovery, keep_announced, withdraw
from appliance.bus.in_process import InProcessHub
from appliance.bus.words import (
    DeviceKind,
    MeterState,
    SensorState,
    SwitchState,
    ValveState,
    encode,
    state_topic,
)
from appliance.kernel.clock import SystemClock
from drivers.mqtt.template import parse
from support.bus_house import Inbox, nursery

DOOR = Announced(device="lock-101", kind=DeviceKind.LOCK, name="Door 101", area="Room 101")
# From Home Assistant's MQTT pages: what each component cannot do without, beside a unique id.
REQUIRED = {
    "lock": {"command_topic"},
    "climate": set[str](),
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "switch": {"command_topic"},
    "light": {"command_topic"},
    "valve": {"state_topic"},
}


def _configs(thing: Announced) -> dict[str, dict[str, Any]]:
    return {topic: msgspec.json.decode(payload) for topic, payload in discovery(thing).items()}


def test_a_lock_is_a_lock_with_a_battery() -> None:
    configs = _configs(DOOR)
    assert set(configs) == {
        "homeassistant/lock/np_lock-101/lock/config",
        "homeassistant/sensor/np_lock-101/battery/config",
    }
    lock = configs["homeassistant/lock/np_lock-101/lock/config"]
    assert lock["state_topic"] == state_topic("lock-101")
    assert lock["device"]["suggested_area"] == "Room 101"
    assert not lock["command_topic"].startswith("np/lock-101/down/")


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_every_kind_is_announced_with_what_home_assistant_requires(kind: DeviceKind) -> None:
    configs = _configs(Announced(device="x.1@b", kind=kind, name="X"))
    assert configs
    assert len({config["unique_id"] for config in configs.values()}) == len(configs)
    for topic, config in configs.items():
        root, component, node, _entity, last = topic.split("/")
        assert (root, last) == ("homeassistant", "config")
        assert set(node) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
        assert set(config) >= REQUIRED[component] | {"unique_id", "device", "availability"}


def test_a_leak_sensor_speaks_of_moisture() -> None:
    configs = _configs(Announced(device="leak-1", kind=DeviceKind.LEAK, name="Bath"))
    assert (
        configs["homeassistant/binary_sensor/np_leak-1/leak/config"]["device_class"] == "moisture"
    )


@pytest.mark.parametrize("kind", list(DeviceKind))
def test_nothing_that_is_announced_can_be_commanded(kind: DeviceKind) -> None:
    """Home Assistant sees and does not command: its command topics are nobody's to publish on."""
    reader = Identity(name="ha", role=BusRole.READER)
    for config in _configs(Announced(device="x-1", kind=kind, name="X")).values():
        for key, topic in config.items():
            if "command_topic" in key:
                assert not may(reader, Action.PUBLISH, topic)
                assert "/down/" not in topic


@pytest.mark.parametrize(
    ("kind", "state", "shown"),
    [
        (
            DeviceKind.SWITCH,
            SwitchState(on=True, wall_ms=1, power_w10=405),
            {"switch": "ON", "power": "40.5"},
        ),
        (DeviceKind.SWITCH, SwitchState(on=False, wall_ms=1), {"switch": "OFF", "power": None}),
        (DeviceKind.VALVE, ValveState(open=None, wall_ms=1), {"valve": "None"}),
        (DeviceKind.VALVE, ValveState(open=False, wall_ms=1), {"valve": "closed"}),
        (
            DeviceKind.METER,
            MeterState(wall_ms=1, energy_wh=1200, volume_ml=2500),
            {"energy": "1200", "water": "2.5", "power": None},
        ),
        (
            DeviceKind.SENSOR,
            SensorState(wall_ms=1, temperature_c10=215, contact_open=True, battery_pct=9),
            {
                "temperature": "21.5",
                "opening": "ON",
                "occupancy": "None",
                "battery": "9",
                "humidity": None,
            },
        ),
    ],
)
def test_what_a_thing_says_is_what_home_assistant_shows(
    kind: DeviceKind, state: object, shown: dict[str, str | None]
) -> None:
    payload = encode(state)
    configs = _configs(Announced(device="x-1", kind=kind, name="X"))
    for entity, wanted in shown.items():
        [config] = [c for topic, c in configs.items() if topic.split("/")[3] == entity]
        template = parse(config["value_template"])
        assert template is not None
        assert template.render(payload.decode(), msgspec.json.decode(payload)) == wanted


async def test_devices_are_announced_again_when_home_assistant_is_born_and_can_be_withdrawn() -> (
    None
):
    async with nursery() as owner:
        hub = InProcessHub(clock=SystemClock(floor_path=None), nursery=owner)
        core, reader, seen = (
            hub.join("core", role=BusRole.CORE),
            hub.join("ha", role=BusRole.READER),
            Inbox(),
        )
        await keep_announced(core, lambda: [DOOR])
        await hub.quiet()
        await reader.subscribe("homeassistant/+/+/+/config", seen)
        assert (await seen.next()).retained
        assert (await seen.next()).retained
        await reader.publish("homeassistant/status", b"online")
        assert not (await seen.next()).retained
        assert not (await seen.next()).retained
        await withdraw(core, DOOR)
        assert (await seen.next()).payload == b""
        await announce(core, [])
