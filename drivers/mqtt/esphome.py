"""ESPHome's MQTT client (https://esphome.io/components/mqtt.html).

`address` is `<topic prefix>/<component>/<object id>`. For a sensor, a meter or a leak detector it
is the topic prefix alone, and the options say what each object measures: `temperature = "bath"`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import (
    JAMMED,
    LOCKED,
    MEASURES,
    UNLOCKED,
    Facts,
    celsius_c10,
    number,
    on_off_facts,
    one_of,
    whole,
    yes_no,
)
from drivers.mqtt.dialect import Heard, Relay, Say
from drivers.mqtt.strangers import mapping, word

if TYPE_CHECKING:
    from drivers.radios import Thing

_BOLTS: Final = {"LOCKED": LOCKED, "UNLOCKED": UNLOCKED, "JAMMED": JAMMED}
_TWO_VALUED: Final = frozenset({"leak", "moisture", "contact", "door", "window", "motion"})
_MEASURING: Final = frozenset({DeviceKind.SENSOR, DeviceKind.METER, DeviceKind.LEAK})


class EspHome:
    """One component of one ESPHome node, or what several of its sensors measure together."""

    answers = False

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._topic = thing.address
        self._relay = Relay(thing)
        self._sensors: dict[str, str] = {}
        prefix = thing.address
        if thing.kind in _MEASURING:
            for measure, sensor in thing.options.items():
                component = "binary_sensor" if measure in _TWO_VALUED else "sensor"
                if measure in MEASURES or measure in _TWO_VALUED:
                    self._sensors[f"{prefix}/{component}/{sensor}/state"] = measure
        else:
            prefix = thing.address.rsplit("/", 2)[0]
        self._status = f"{prefix}/status"

    @property
    def filters(self) -> tuple[str, ...]:
        """The node's presence and the component's own topics."""
        own = tuple(self._sensors) if self._kind in _MEASURING else (f"{self._topic}/#",)
        return (self._status, *own)

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing."""
        if topic == self._status:
            online = yes_no(word(payload), "online", "offline")
            return None if online is None else Heard(online=online)
        measure = self._sensors.get(topic)
        if measure is not None:
            return _measured(measure, payload)
        if self._kind in _MEASURING or not topic.startswith(f"{self._topic}/"):
            return None
        facts = self._facts(topic.removeprefix(f"{self._topic}/"), payload)
        return None if facts is None else Heard(facts=facts)

    def say(self, order: Order) -> Say | LockRefusal:
        """What to publish."""
        command = f"{self._topic}/command"
        on = self._relay.wanted(order)
        if on is not None:
            proof = self._relay.facts(on=on)
            lock = self._kind is DeviceKind.LOCK
            return Say(topic=command, payload=self._put(on=on), proof=proof, turn=lock)
        if self._kind is DeviceKind.LIGHT and order.verb is Verb.SET_LEVEL:
            level = max(0, min(100, order.level_pct or 0))
            said = {"state": "ON" if level else "OFF", "brightness": round(level * 255 / 100)}
            proof = Facts(level_pct=level) if level else Facts(on=False)
            return Say(topic=command, payload=msgspec.json.encode(said), proof=proof)
        if order.verb is Verb.SET_POINT and order.set_point_c10 is not None:
            return Say(
                topic=f"{self._topic}/target_temperature/command",
                payload=f"{order.set_point_c10 / 10:.1f}".encode(),
                proof=Facts(set_point_c10=order.set_point_c10),
            )
        return LockRefusal.NOT_SUPPORTED

    def ask(self) -> Say | None:
        """A node has no such word: it retains its states."""
        return None

    def _put(self, *, on: bool) -> bytes:
        match self._kind:
            case DeviceKind.LOCK:
                return b"UNLOCK" if on else b"LOCK"
            case DeviceKind.VALVE:
                return b"OPEN" if on else b"CLOSE"
            case DeviceKind.LIGHT:
                return msgspec.json.encode({"state": "ON" if on else "OFF"})
            case _:
                return b"ON" if on else b"OFF"

    def _facts(self, part: str, payload: bytes) -> Facts | None:  # noqa: PLR0911 - one line per topic
        said = word(payload)
        match (self._kind, part):
            case (DeviceKind.LIGHT, "state"):
                return self._light(payload)
            case (DeviceKind.SWITCH, "state"):
                on = yes_no(said, "ON", "OFF")
                return None if on is None else self._relay.facts(on=on)
            case (DeviceKind.LOCK, "state"):
                return Facts(bolt=one_of(said, _BOLTS))
            case (DeviceKind.VALVE, "state"):
                on = yes_no(said, "open", "closed")
                return None if on is None else self._relay.facts(on=on)
            case (DeviceKind.THERMOSTAT, "target_temperature/state"):
                return Facts(set_point_c10=celsius_c10(said))
            case (DeviceKind.THERMOSTAT, "current_temperature/state"):
                return Facts(temperature_c10=celsius_c10(said))
            case (DeviceKind.THERMOSTAT, "action/state"):
                return Facts(heating=yes_no(said, "heating", "idle"))
            case _:
                return None

    def _light(self, payload: bytes) -> Facts | None:
        said = mapping(payload)
        on = None if said is None else yes_no(said.get("state"), "ON", "OFF")
        if said is None or on is None:
            return None
        level = whole(said.get("brightness"), 0, 255)
        facts = self._relay.facts(on=on)
        return facts if level is None else facts.updated(Facts(level_pct=round(level * 100 / 255)))


def _measured(measure: str, payload: bytes) -> Heard | None:
    said = word(payload)
    if measure in _TWO_VALUED:
        on = yes_no(said, "ON", "OFF")
        return None if on is None else Heard(facts=on_off_facts(measure, on=on))
    # "nan" is what a node says before its sensor has answered.
    found = number(said, -1e12, 1e12)
    return None if found is None else Heard(facts=MEASURES[measure](found))
