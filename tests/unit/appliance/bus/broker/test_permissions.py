"""The permission table, cell by cell, and the same table as mosquitto reads it."""

from __future__ import annotations

import pytest

from appliance.bus.broker.permissions import Action, may
from appliance.bus.credentials import BusRole, Identity

CORE = Identity(name="core", role=BusRole.CORE)
LOCK = Identity(name="lock-1", role=BusRole.DEVICE)
BRIDGE = Identity(name="ble0", role=BusRole.BRIDGE, devices=("lock-7",))
MQTT = Identity(
    name="driver-mqtt0",
    role=BusRole.BRIDGE,
    devices=("plug-9",),
    also=("zigbee2mqtt", "homeassistant"),
)
ESP = Identity(name="esp-9", role=BusRole.BRIDGE, also=("esphome/room9",))
READER = Identity(name="ha", role=BusRole.READER)
P, S, R = Action.PUBLISH, Action.SUBSCRIBE, Action.RECEIVE


@pytest.mark.parametrize(
    ("who", "action", "topic"),
    [
        (CORE, P, "np/lock-1/down/command"),
        (CORE, S, "np/+/up/#"),
        (CORE, S, "np/#"),
        (CORE, P, "homeassistant/lock/np_x/lock/config"),
        (LOCK, P, "np/lock-1/up/event"),
        (LOCK, S, "np/lock-1/down/#"),
        (LOCK, S, "np/lock-1/down/+"),
        (LOCK, R, "np/lock-1/down/command"),
        (BRIDGE, P, "np/lock-7/up/event"),
        (BRIDGE, P, "np/ble0/up/online"),
        (BRIDGE, S, "np/lock-7/down/#"),
        (MQTT, P, "zigbee2mqtt/Door 9/set"),
        (MQTT, S, "zigbee2mqtt/#"),
        (MQTT, R, "zigbee2mqtt/bridge/state"),
        (MQTT, S, "homeassistant/#"),
        (MQTT, P, "np/plug-9/up/state"),
        (ESP, P, "esphome/room9/switch/fan/state"),
        (READER, S, "np/+/up/#"),
        (READER, R, "np/lock-1/up/state"),
        (READER, S, "homeassistant/#"),
        (READER, P, "homeassistant/status"),
    ],
)
def test_what_a_role_is_for_is_granted(who: Identity, action: Action, topic: str) -> None:
    assert may(who, action, topic) is True


@pytest.mark.parametrize(
    ("who", "action", "topic"),
    [
        (CORE, S, "#"),
        (CORE, S, "$SYS/#"),
        (CORE, S, "+/lock-1/up/state"),
        (CORE, P, "npx/lock-1/up/event"),
        (LOCK, P, "np/lock-1/down/command"),
        (LOCK, P, "np/lock-2/up/event"),
        (LOCK, P, "np/lock-11/up/event"),
        (LOCK, P, "np/lock-1/upx/event"),
        (LOCK, P, "homeassistant/lock/x/config"),
        (LOCK, S, "np/lock-1/#"),
        (LOCK, S, "np/+/down/#"),
        (LOCK, S, "np/lock-1/+/command"),
        (LOCK, S, "#"),
        (LOCK, R, "np/lock-2/down/command"),
        (LOCK, R, "np/lock-1/up/state"),
        (BRIDGE, P, "np/lock-8/up/event"),
        (BRIDGE, S, "np/+/down/#"),
        (BRIDGE, P, "np"),
        (BRIDGE, S, "zigbee2mqtt/#"),
        (MQTT, P, "homeassistant/lock/np_lock-1/lock/config"),
        (MQTT, P, "homeassistant/status"),
        (MQTT, P, "np/lock-1/up/event"),
        (MQTT, P, "np/plug-9/down/command"),
        (MQTT, S, "#"),
        (MQTT, S, "+/Door 9"),
        (MQTT, P, "zigbee2mqttx/Door 9/set"),
        (ESP, P, "esphome/room8/switch/fan/command"),
        (ESP, S, "esphome/#"),
        (ESP, S, "esphome/+/switch/fan/state"),
        (ESP, P, "np/lock-1/down/command"),
        (READER, S, "np/#"),
        (READER, S, "np/+/#"),
        (READER, S, "np/+/+/state"),
        (READER, S, "np/#/up"),
        (READER, R, "np/lock-1/down/command"),
        (READER, P, "np/lock-1/down/command"),
        (READER, P, "homeassistant/lock/x/config"),
    ],
)
def test_everything_else_is_refused(who: Identity, action: Action, topic: str) -> None:
    assert may(who, action, topic) is False
