"""Z-Wave JS UI in ValueID mode (https://zwave-js.github.io/zwave-js-ui/#/usage/setup?id=gateway).

`address` is `<prefix>/<node>`; topics below it are `<command class>/<endpoint>/<property>[/<key>]`.
A lock is seen and locked, never unlocked: its driver sends again by itself (`sendData` attempts),
and no setting of ours can forbid it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import (
    LOCKED,
    UNLOCKED,
    Facts,
    celsius_c10,
    kwh_wh,
    percent,
    tenths,
    watts_w10,
    whole,
    yes_no,
)
from drivers.mqtt.dialect import Heard, Relay, Say
from drivers.mqtt.strangers import mapping, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.radios import Thing

# Command classes of the Z-Wave specification.
SWITCH: Final = 37
DIMMER: Final = 38
SENSOR: Final = 49
METER: Final = 50
SET_POINT: Final = 67
DOOR_LOCK: Final = 98
NOTIFICATION: Final = 113
BATTERY: Final = 128

_STATUS: Final = {"Alive": True, "Asleep": True, "Awake": True, "Dead": False}
_MODES: Final = {0: UNLOCKED, 255: LOCKED}


class ZwaveJs:
    """One endpoint of one node."""

    answers = False

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._topic = thing.address
        self._relay = Relay(thing)
        endpoint = thing.options.get("endpoint", 0)
        self._endpoint = endpoint if isinstance(endpoint, int) else 0

    @property
    def filters(self) -> tuple[str, ...]:
        """Everything of the node: a value's topic has three to five levels below it."""
        return (f"{self._topic}/#",)

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing."""
        if not topic.startswith(f"{self._topic}/"):
            return None
        part = topic.removeprefix(f"{self._topic}/")
        if part == "status":
            said = mapping(payload)
            status = None if said is None else said.get("status")
            online = _STATUS.get(status) if isinstance(status, str) else None
            return None if online is None else Heard(online=online)
        found = read(payload)
        stamp_ms = None
        if isinstance(found, dict):
            stamp_ms, found = whole(found.get("time"), 0, 1e14), found.get("value")
        facts = self._facts(part, found)
        return None if facts is None else Heard(facts=facts, stamp_ms=stamp_ms)

    def say(self, order: Order) -> Say | LockRefusal:  # noqa: PLR0911 - one line per command class
        """What to publish."""
        if self._kind is DeviceKind.LOCK:
            if order.verb is not Verb.LOCK:
                return LockRefusal.NOT_SUPPORTED
            return self._put(DOOR_LOCK, "targetMode", 255, Facts(bolt=LOCKED))
        on = self._relay.wanted(order)
        if on is not None:
            proof = self._relay.facts(on=on)
            if self._kind is DeviceKind.LIGHT:
                return self._put(DIMMER, "targetValue", 99 if on else 0, proof)
            return self._put(SWITCH, "targetValue", on, proof)
        if self._kind is DeviceKind.LIGHT and order.verb is Verb.SET_LEVEL:
            level = max(0, min(99, order.level_pct or 0))
            proof = Facts(level_pct=_level(level)) if level else Facts(on=False)
            return self._put(DIMMER, "targetValue", level, proof)
        if order.verb is Verb.SET_POINT and order.set_point_c10 is not None:
            proof = Facts(set_point_c10=order.set_point_c10)
            return self._put(SET_POINT, "setpoint/1", order.set_point_c10 / 10, proof)
        return LockRefusal.NOT_SUPPORTED

    def ask(self) -> Say | None:
        """Reading goes through the gateway's API with its own credentials: not used."""
        return None

    def _put(self, command_class: int, name: str, value: object, proof: Facts) -> Say:
        return Say(
            topic=f"{self._topic}/{command_class}/{self._endpoint}/{name}/set",
            payload=msgspec.json.encode(value),
            proof=proof,
        )

    def _facts(self, part: str, value: object) -> Facts | None:
        command_class, _, rest = part.partition("/")
        endpoint, _, name = rest.partition("/")
        if name in {"currentValue", "currentMode"} and endpoint != str(self._endpoint):
            return None
        if command_class == str(DIMMER) and name == "currentValue":
            level = whole(value, 0, 99)
            if level is None or self._kind is not DeviceKind.LIGHT:
                return None
            return Facts(on=level > 0, level_pct=_level(level))
        if command_class == str(SWITCH) and name == "currentValue":
            on = yes_no(value, yes=True, no=False)
            return None if on is None else self._relay.facts(on=on)
        read_as = _VALUES.get(f"{command_class}/{name}")
        return None if read_as is None else read_as(value)


def _level(level: int) -> int:
    # 99 is Z-Wave's word for all of it.
    return 100 if level == 99 else level


def _mode(value: object) -> Facts:
    mode = whole(value, 0, 255)
    return Facts(bolt=None if mode is None else _MODES.get(mode))


def _water(value: object) -> Facts:
    # Notification type 5: 0 idle, 1 and 2 leak detected.
    status = whole(value, 0, 255)
    return Facts(wet=None if status is None else {0: False, 1: True, 2: True}.get(status))


def _door(value: object) -> Facts:
    # Notification type 6: 22 open, 23 closed.
    opened = {22: True, 23: False}.get(whole(value, 0, 255) or 0)
    return Facts(contact_open=opened, ajar=opened)


_VALUES: Final[Mapping[str, Callable[[object], Facts]]] = {
    f"{DOOR_LOCK}/currentMode": _mode,
    f"{SENSOR}/Air_temperature": lambda value: Facts(temperature_c10=celsius_c10(value)),
    f"{SENSOR}/Humidity": lambda value: Facts(humidity_pct10=tenths(value, 0, 100)),
    f"{SENSOR}/Illuminance": lambda value: Facts(light_lux=whole(value, 0, 200_000)),
    # Meter keys: type 1 (electric), scale 0 kWh and 2 W, rate type 1.
    f"{METER}/value/65537": lambda value: Facts(energy_wh=kwh_wh(value)),
    f"{METER}/value/66049": lambda value: Facts(power_w10=watts_w10(value)),
    f"{SET_POINT}/setpoint/1": lambda value: Facts(set_point_c10=celsius_c10(value)),
    f"{NOTIFICATION}/Water_Alarm/Sensor_status": _water,
    f"{NOTIFICATION}/Access_Control/Door_state": _door,
    f"{NOTIFICATION}/Access_Control/Door_state_simple": _door,
    f"{BATTERY}/level": lambda value: Facts(battery_pct=percent(value)),
}
