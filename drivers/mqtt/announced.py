"""Things that announce themselves by Home Assistant's MQTT discovery.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. An announcement is a stranger's
word: it is taken only for a thing on our sheet (its `unique_id`, or a device identifier), and every
topic it names must lie below the prefix that the sheet gives (`below`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import (
    JAMMED,
    LOCKED,
    MEASURES,
    NOTHING,
    UNLOCKED,
    Facts,
    celsius_c10,
    number,
    on_off_facts,
    whole,
)
from drivers.mqtt.announcements import expand
from drivers.mqtt.dialect import Heard, Say
from drivers.mqtt.strangers import read, word
from drivers.mqtt.template import Template, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.radios import Thing

ROOT: Final = "homeassistant"
# Entities of one thing: a weather station has 12; more is no thing of a room.
ENTITIES_MAX: Final = 32
# Words kept until their announcement comes: the broker sends what it retains in any order.
KEPT_MAX: Final = 64
KEPT_BYTES_MAX: Final = 2_048
ANNOUNCEMENT_BYTES_MAX: Final = 16_384

_COMPONENTS: Final = {
    DeviceKind.LOCK: frozenset({"lock", "sensor"}),
    DeviceKind.SWITCH: frozenset({"switch", "sensor"}),
    DeviceKind.LIGHT: frozenset({"light"}),
    DeviceKind.VALVE: frozenset({"valve", "switch", "sensor"}),
    DeviceKind.THERMOSTAT: frozenset({"climate", "sensor"}),
    DeviceKind.LEAK: frozenset({"binary_sensor", "sensor"}),
    DeviceKind.SENSOR: frozenset({"binary_sensor", "sensor"}),
    DeviceKind.METER: frozenset({"sensor"}),
}
_FACTORS: Final = {"W": 1.0, "kW": 1000.0, "Wh": 0.001, "kWh": 1.0, "L": 0.001, "m³": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One announced entity, with every topic checked and every template read."""

    component: str
    config: Mapping[str, Any]
    topics: frozenset[str]
    templates: Mapping[str, Template] = field(default_factory=dict)


class Announced:
    """One thing on our sheet that says of itself how it is spoken to."""

    answers = False

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._name = thing.address
        below = thing.options.get("below")
        # Without a prefix on the sheet nothing is believed: any stranger could announce it.
        self._below = below if isinstance(below, str) and below else None
        self._entities: dict[str, Entity] = {}
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    @property
    def filters(self) -> tuple[str, ...]:
        """Announcements, and everything below the thing's prefix."""
        return () if self._below is None else (f"{ROOT}/#", f"{self._below}/#")

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing, or announces."""
        if topic.startswith(f"{ROOT}/"):
            return self._announced(topic, payload)
        if self._below is None or not topic.startswith(f"{self._below}/"):
            return None
        if not self._entities or topic in self._kept:
            self._keep(topic, payload)
        return self._said(topic, payload)

    def say(self, order: Order) -> Say | LockRefusal:
        """What to publish, as the announcement has it."""
        for entity in self._entities.values():
            if (found := _command(entity, order)) is not None:
                return found
        return LockRefusal.NOT_SUPPORTED

    def ask(self) -> Say | None:
        """Discovery has no such word."""
        return None

    def _announced(self, topic: str, payload: bytes) -> Heard | None:
        parts = topic.split("/")
        if self._below is None or parts[-1] != "config" or len(parts) not in {4, 5}:
            return None
        config = expand(read(payload, bytes_max=ANNOUNCEMENT_BYTES_MAX)) if payload else None
        if config is None:
            self._entities.pop(topic, None)
            return None
        if parts[1] == "device":
            return self._composite(topic, config)
        return self._entered(topic, parts[1], config)

    def _composite(self, topic: str, config: dict[str, Any]) -> Heard | None:
        """One announcement for a whole device; its `components` inherit what is common."""
        components = config.pop("components", None)
        heard: Heard | None = None
        if isinstance(components, dict):
            for key, component in list(components.items())[:ENTITIES_MAX]:
                own = expand(component)
                if own is not None and isinstance(own.get("platform"), str):
                    whole_config = {**config, **{k: v for k, v in own.items() if v not in ([], {})}}
                    heard = self._entered(f"{topic}#{key}", own["platform"], whole_config) or heard
        return heard

    def _entered(self, place: str, component: str, config: dict[str, Any]) -> Heard | None:
        if not self._mine(config) or component not in _COMPONENTS[self._kind]:
            return None
        if place not in self._entities and len(self._entities) >= ENTITIES_MAX:
            return None
        entity = self._checked(component, config)
        if entity is None:
            self._entities.pop(place, None)
            return None
        self._entities[place] = entity
        return self._again(entity)

    def _mine(self, config: Mapping[str, Any]) -> bool:
        ids = config["device"].get("identifiers")
        names = ids if isinstance(ids, list) else [ids]
        return self._name in {config.get("unique_id"), *(n for n in names if isinstance(n, str))}

    def _checked(self, component: str, config: dict[str, Any]) -> Entity | None:
        topics: set[str] = set()
        templates = {}
        for key, value in [*config.items(), *_availability(config)]:
            if key.endswith("topic") and value is not None:
                if not isinstance(value, str) or not self._allows(value):
                    return None
                topics.add(value)
            if key.endswith("template"):
                template = parse(value)
                if template is None:
                    return None
                templates[key] = template
        return Entity(
            component=component, config=config, topics=frozenset(topics), templates=templates
        )

    def _allows(self, topic: str) -> bool:
        return (
            topic.startswith(f"{self._below}/")
            and "+" not in topic
            and "#" not in topic
            and len(topic) <= 512
        )

    def _keep(self, topic: str, payload: bytes) -> None:
        if len(payload) <= KEPT_BYTES_MAX:
            self._kept[topic] = payload
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)

    def _again(self, entity: Entity) -> Heard | None:
        """What had come before its announcement did."""
        facts, online = NOTHING, None
        for topic in entity.topics & self._kept.keys():
            heard = self._said(topic, self._kept[topic])
            if heard is not None:
                facts = facts.updated(heard.facts)
                online = heard.online if heard.online is not None else online
        return Heard(facts=facts, online=online) if facts.said() or online is not None else None

    def _said(self, topic: str, payload: bytes) -> Heard | None:
        text = word(payload, bytes_max=ANNOUNCEMENT_BYTES_MAX)
        if text is None:
            return None
        parsed = read(payload)
        facts, online = NOTHING, None
        for entity in self._entities.values():
            if topic not in entity.topics:
                continue
            facts = facts.updated(_facts(entity, topic, text, parsed))
            said = _online(entity, topic, text, parsed)
            online = said if said is not None else online
        return Heard(facts=facts, online=online) if facts.said() or online is not None else None


def _availability(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [("availability_topic", entry.get("topic")) for entry in config["availability"]] + [
        ("availability_template", entry["value_template"])
        for entry in config["availability"]
        if "value_template" in entry
    ]


def _online(entity: Entity, topic: str, text: str, parsed: Any) -> bool | None:
    config = entity.config
    own = [{**config, "topic": config.get("availability_topic")}]
    for entry in [*config["availability"], *own]:
        if entry.get("topic") != topic:
            continue
        template = entity.templates.get("availability_template")
        said = text if template is None else template.render(text, parsed)
        if said == entry.get("payload_available", "online"):
            return True
        if said == entry.get("payload_not_available", "offline"):
            return False
    return None


def _facts(entity: Entity, topic: str, text: str, parsed: Any) -> Facts:
    facts = NOTHING
    for name, template_name, into in _READINGS[entity.component]:
        if entity.config.get(name) != topic:
            continue
        template = entity.templates.get(template_name)
        said = text if template is None else template.render(text, parsed)
        if said is not None:
            facts = facts.updated(into(entity.config, said))
    return facts


def _bolt(config: Mapping[str, Any], said: str) -> Facts:
    words = {
        config.get("state_locked", "LOCKED"): LOCKED,
        config.get("state_unlocked", "UNLOCKED"): UNLOCKED,
        config.get("state_jammed", "JAMMED"): JAMMED,
    }
    return Facts(bolt=words.get(said))


def _place(config: Mapping[str, Any], said: str) -> bool | None:
    on = config.get("state_on", config.get("payload_on", "ON"))
    off = config.get("state_off", config.get("payload_off", "OFF"))
    return {on: True, off: False}.get(said)


def _brightness(config: Mapping[str, Any], said: str) -> Facts:
    scale = number(config.get("brightness_scale", 255), 1, 65_535) or 255
    level = number(said, 0, scale)
    return Facts(level_pct=None if level is None else round(level * 100 / scale))


def _json_light(config: Mapping[str, Any], said: str) -> Facts:
    """The JSON schema's state carries everything; the default schema's is one word."""
    if config.get("schema") != "json":
        return Facts(on=_place(config, said))
    found = read(said.encode())
    if not isinstance(found, dict):
        return NOTHING
    on = _place({}, str(found.get("state")))
    level = found.get("brightness")
    return Facts(on=on).updated(NOTHING if level is None else _brightness(config, str(level)))


def _two_valued(config: Mapping[str, Any], said: str) -> Facts:
    on = _place(config, said)
    return NOTHING if on is None else on_off_facts(str(config.get("device_class")), on=on)


def _measured(config: Mapping[str, Any], said: str) -> Facts:
    measure = str(config.get("device_class"))
    read_as = MEASURES.get(measure)
    found = number(said, -1e12, 1e12)
    unit = config.get("unit_of_measurement")
    if read_as is None or found is None or unit == "°F":
        return NOTHING
    factor = _FACTORS.get(unit, 1.0) if isinstance(unit, str) else 1.0
    return read_as(found * factor)


def _valve(config: Mapping[str, Any], said: str) -> Facts:
    words = {config.get("state_open", "open"): True, config.get("state_closed", "closed"): False}
    return Facts(valve_open=words.get(said))


_READINGS: Final[Mapping[str, tuple[tuple[str, str, Any], ...]]] = {
    "lock": (("state_topic", "value_template", _bolt),),
    "switch": (("state_topic", "value_template", lambda c, s: Facts(on=_place(c, s))),),
    "light": (
        ("state_topic", "value_template", _json_light),
        ("brightness_state_topic", "brightness_value_template", _brightness),
    ),
    "valve": (("state_topic", "value_template", _valve),),
    "binary_sensor": (("state_topic", "value_template", _two_valued),),
    "sensor": (("state_topic", "value_template", _measured),),
    "climate": (
        (
            "current_temperature_topic",
            "current_temperature_template",
            lambda _c, s: Facts(temperature_c10=celsius_c10(s)),
        ),
        (
            "temperature_state_topic",
            "temperature_state_template",
            lambda _c, s: Facts(set_point_c10=celsius_c10(s)),
        ),
        (
            "action_topic",
            "action_template",
            lambda _c, s: Facts(heating={"heating": True, "idle": False, "off": False}.get(s)),
        ),
    ),
}


def _command(entity: Entity, order: Order) -> Say | None:  # noqa: PLR0911 - one line per component
    config, verb = entity.config, order.verb
    topic = config.get("command_topic")
    match (entity.component, verb):
        case ("lock", Verb.UNLOCK | Verb.LOCK):
            opens = verb is Verb.UNLOCK
            name, usual = ("payload_unlock", "UNLOCK") if opens else ("payload_lock", "LOCK")
            proof = Facts(bolt=UNLOCKED if opens else LOCKED)
            return _put(topic, config.get(name, usual), proof, turn=True)
        case ("switch" | "light", Verb.SWITCH_ON | Verb.SWITCH_OFF):
            on = verb is Verb.SWITCH_ON
            if config.get("schema") == "json":
                said = msgspec.json.encode({"state": "ON" if on else "OFF"}).decode()
                return _put(topic, said, Facts(on=on))
            name, usual = ("payload_on", "ON") if on else ("payload_off", "OFF")
            return _put(topic, config.get(name, usual), Facts(on=on))
        case ("light", Verb.SET_LEVEL) if order.level_pct is not None:
            scale = whole(config.get("brightness_scale", 255), 1, 65_535) or 255
            level = max(0, min(100, order.level_pct))
            if config.get("schema") == "json":
                bright = msgspec.json.encode({"state": "ON", "brightness": level * scale // 100})
                return _put(topic, bright.decode(), Facts(level_pct=level))
            name = "brightness_command_topic"
            return _put(config.get(name), str(level * scale // 100), Facts(level_pct=level))
        case ("valve", Verb.OPEN_VALVE | Verb.CLOSE_VALVE):
            opens = verb is Verb.OPEN_VALVE
            name, usual = ("payload_open", "OPEN") if opens else ("payload_close", "CLOSE")
            return _put(topic, config.get(name, usual), Facts(valve_open=opens))
        case ("climate", Verb.SET_POINT) if order.set_point_c10 is not None:
            # A template for a command would have to be run; without one it is the bare number.
            if "temperature_command_template" in config:
                return None
            name = "temperature_command_topic"
            said_c = f"{order.set_point_c10 / 10:.1f}"
            return _put(config.get(name), said_c, Facts(set_point_c10=order.set_point_c10))
        case _:
            return None


def _put(topic: object, payload: object, proof: Facts, *, turn: bool = False) -> Say | None:
    if not isinstance(topic, str) or not isinstance(payload, str):
        return None
    return Say(topic=topic, payload=payload.encode(), proof=proof, turn=turn)
