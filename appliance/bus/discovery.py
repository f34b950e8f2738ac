"""Every device announced in Home Assistant's MQTT discovery, so that an existing one sees it.

Home Assistant sees and does not command: opening a door needs a signed credential and an order with
an id, which only the box can make. Keys are those of Home Assistant's own documentation
(https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from appliance.bus.broker.permissions import DISCOVERY_BIRTH
from appliance.bus.credentials import DISCOVERY_ROOT
from appliance.bus.words import TOPIC_ROOT, DeviceKind, online_topic, state_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from appliance.bus.port import Bus, Message

# What Home Assistant shows as the maker of everything announced here.
MAKER = "Nightporter"
# The span a guest may choose from; the same as on the guest's page.
SET_POINT_MIN_C = 5
SET_POINT_MAX_C = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """One device as Home Assistant is to know it."""

    device: str
    kind: DeviceKind
    name: str  # what people call it, such as "Door 101"
    area: str | None = None  # Home Assistant's suggested area, such as "Room 101"
    firmware: str = ""


def discovery(thing: Announced) -> dict[str, bytes]:
    """All retained messages that announce one device: topic to payload."""
    entities = _entities(thing)
    return {
        topic: msgspec.json.encode({**_shared(thing, entity), **config})
        for (topic, entity), config in entities.items()
    }


async def announce(bus: Bus, things: Iterable[Announced]) -> None:
    """Publish every announcement; to be repeated after every connect of the bus."""
    for thing in things:
        for topic, payload in discovery(thing).items():
            await bus.publish(topic, payload, qos=1, retain=True)


async def withdraw(bus: Bus, thing: Announced) -> None:
    """Take a device out of Home Assistant again."""
    for topic in discovery(thing):
        await bus.publish(topic, b"", qos=1, retain=True)


async def keep_announced(bus: Bus, things: Callable[[], Iterable[Announced]]) -> None:
    """Announce now and whenever the bus or Home Assistant has come back without a memory."""

    async def again() -> None:
        await announce(bus, things())

    async def born(message: Message) -> None:
        if message.payload == b"online" and not message.retained:
            await again()

    bus.on_connect(again)
    await bus.subscribe(DISCOVERY_BIRTH, born)
    if bus.connected:
        await again()


def _entities(thing: Announced) -> dict[tuple[str, str], dict[str, Any]]:  # noqa: PLR0911 - one line per kind
    match thing.kind:
        case DeviceKind.LOCK:
            return _entry(thing, "lock", "lock", _lock(thing)) | _battery(thing)
        case DeviceKind.THERMOSTAT:
            return _entry(thing, "climate", "climate", _climate(thing)) | _battery(thing)
        case DeviceKind.LEAK:
            wet = {
                "name": "Leak",
                "device_class": "moisture",
                "value_template": "{{ 'ON' if value_json.wet else 'OFF' }}",
            }
            return _entry(thing, "binary_sensor", "leak", wet) | _battery(thing)
        case DeviceKind.SWITCH:
            return _entry(thing, "switch", "switch", _switch(thing)) | _number(thing, _POWER)
        case DeviceKind.LIGHT:
            return _entry(thing, "light", "light", _light(thing))
        case DeviceKind.VALVE:
            return _entry(thing, "valve", "valve", _VALVE) | _battery(thing)
        case DeviceKind.METER:
            return _number(thing, _ENERGY) | _number(thing, _POWER) | _number(thing, _WATER)
        case DeviceKind.SENSOR:
            return _measuring(thing)
        case _:
            assert_never(thing.kind)


def _lock(thing: Announced) -> dict[str, Any]:
    return {
        "name": None,  # the device's main feature carries the device's name
        # Required by Home Assistant; no identity may publish there, so a press changes nothing.
        "command_topic": f"{TOPIC_ROOT}/{thing.device}/ask/lock",
        "value_template": "{{ value_json.bolt | upper }}",
        "state_locked": "LOCKED",
        "state_unlocked": "UNLOCKED",
        "state_jammed": "JAMMED",
        "optimistic": False,
    }


def _climate(thing: Announced) -> dict[str, Any]:
    topic = state_topic(thing.device)
    return {
        "name": None,
        "current_temperature_topic": topic,
        "current_temperature_template": "{{ value_json.measured_c10 / 10 if value_json.measured_c10 is not none }}",
        "temperature_state_topic": topic,
        "temperature_state_template": "{{ value_json.set_point_c10 / 10 }}",
        "action_topic": topic,
        "action_template": "{{ 'heating' if value_json.heating else 'idle' }}",
        "mode_state_topic": topic,
        "mode_state_template": "heat",
        "modes": ["heat"],
        "preset_mode_state_topic": topic,
        "preset_mode_value_template": "{{ 'eco' if value_json.eco else 'none' }}",
        # Home Assistant wants a command topic beside presets; nobody may publish there.
        "preset_mode_command_topic": f"{TOPIC_ROOT}/{thing.device}/ask/preset",
        "preset_modes": ["eco"],
        "temperature_unit": "C",
        "precision": 0.1,
        "temp_step": 0.5,
        "min_temp": SET_POINT_MIN_C,
        "max_temp": SET_POINT_MAX_C,
    }


def _switch(thing: Announced) -> dict[str, Any]:
    return {
        "name": None,
        # As with a lock: required, and nobody may publish there.
        "command_topic": f"{TOPIC_ROOT}/{thing.device}/ask/switch",
        "value_template": "{{ 'ON' if value_json.on else 'OFF' }}",
        "state_on": "ON",
        "state_off": "OFF",
        "optimistic": False,
    }


def _light(thing: Announced) -> dict[str, Any]:
    topic = state_topic(thing.device)
    return {
        "name": None,
        "command_topic": f"{TOPIC_ROOT}/{thing.device}/ask/light",
        "state_value_template": "{{ 'ON' if value_json.on else 'OFF' }}",
        "brightness_command_topic": f"{TOPIC_ROOT}/{thing.device}/ask/level",
        "brightness_state_topic": topic,
        "brightness_value_template": "{{ value_json.level_pct if value_json.level_pct is not none }}",
        "brightness_scale": 100,
        "optimistic": False,
    }


# No command topic: Home Assistant shows such a valve and offers nothing to press.
_VALVE: Final[Mapping[str, Any]] = {
    "name": None,
    "device_class": "water",
    "reports_position": False,
    "value_template": "{{ 'None' if value_json.open is none else 'open' if value_json.open else 'closed' }}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """One number of a state, as a sensor of Home Assistant's; `part` of ours makes one of theirs."""

    entity: str
    name: str
    device_class: str
    unit: str
    of: str
    part: int = 1
    state_class: str = "measurement"


_POWER: Final = _Number(
    entity="power", name="Power", device_class="power", unit="W", of="power_w10", part=10
)
_ENERGY: Final = _Number(
    entity="energy",
    name="Energy",
    device_class="energy",
    unit="Wh",
    of="energy_wh",
    state_class="total_increasing",
)
_WATER: Final = _Number(
    entity="water",
    name="Water",
    device_class="water",
    unit="L",
    of="volume_ml",
    part=1000,
    state_class="total_increasing",
)
_MEASURED: Final = (
    _Number(
        entity="temperature",
        name="Temperature",
        device_class="temperature",
        unit="°C",
        of="temperature_c10",
        part=10,
    ),
    _Number(
        entity="humidity",
        name="Humidity",
        device_class="humidity",
        unit="%",
        of="humidity_pct10",
        part=10,
    ),
    _Number(entity="light", name="Light", device_class="illuminance", unit="lx", of="light_lux"),
)


def _number(thing: Announced, number: _Number) -> dict[tuple[str, str], dict[str, Any]]:
    value = f"value_json.{number.of}"
    divided = value if number.part == 1 else f"{value} / {number.part}"
    config = {
        "name": number.name,
        "device_class": number.device_class,
        "unit_of_measurement": number.unit,
        "state_class": number.state_class,
        # What a thing has never said stays unknown.
        "value_template": f"{{{{ {divided} if {value} is not none }}}}",
    }
    return _entry(thing, "sensor", number.entity, config)


def _measuring(thing: Announced) -> dict[tuple[str, str], dict[str, Any]]:
    found = _battery(thing)
    for number in _MEASURED:
        found |= _number(thing, number)
    for entity, name, of in (
        ("opening", "Opening", "contact_open"),
        ("occupancy", "Occupancy", "occupied"),
    ):
        value = f"value_json.{of}"
        config = {
            "name": name,
            "device_class": entity,
            "value_template": f"{{{{ 'None' if {value} is none else 'ON' if {value} else 'OFF' }}}}",
        }
        found |= _entry(thing, "binary_sensor", entity, config)
    return found


def _battery(thing: Announced) -> dict[tuple[str, str], dict[str, Any]]:
    battery = {
        "name": "Battery",
        "device_class": "battery",
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "entity_category": "diagnostic",
        "value_template": "{{ value_json.battery_pct if value_json.battery_pct is not none }}",
    }
    return _entry(thing, "sensor", "battery", battery)


def _entry(
    thing: Announced, component: str, entity: str, config: Mapping[str, Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    topic = f"{DISCOVERY_ROOT}/{component}/{_node(thing)}/{entity}/config"
    full = {"state_topic": state_topic(thing.device), **config}
    # A climate has a topic per property and none for all of it.
    if component == "climate":
        del full["state_topic"]
    return {(topic, entity): full}


def _shared(thing: Announced, entity: str) -> dict[str, Any]:
    device: dict[str, Any] = {
        "identifiers": [_node(thing)],
        "name": thing.name,
        "manufacturer": MAKER,
        "model": thing.kind.value,
    }
    if thing.area is not None:
        device["suggested_area"] = thing.area
    if thing.firmware:
        device["sw_version"] = thing.firmware
    return {
        "unique_id": f"{_node(thing)}_{entity}",
        "device": device,
        "origin": {"name": MAKER},
        "qos": 1,
        "availability": [
            {
                "topic": online_topic(thing.device),
                "value_template": "{{ 'online' if value_json.online else 'offline' }}",
                "payload_available": "online",
                "payload_not_available": "offline",
            }
        ],
    }


def _node(thing: Announced) -> str:
    # Home Assistant allows letters, digits, '_' and '-' in a node id; ours may hold '.' and '@'.
    safe = "".join(c if c.isalnum() or c in "_-" else "_" for c in thing.device)
    return f"np_{safe}"
