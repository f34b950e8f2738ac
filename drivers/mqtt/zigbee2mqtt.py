"""Zigbee2MQTT 1.40 and later (https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html).

A lock is unlocked in one form only, `zclcommand` with `disableRecovery`: every other form is sent
twice when an answer is lost, and the bolt moves twice (measured; docs/doors.md). No answer carries
our id, so an outcome is the lock's own report, or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceKind, EventKind, LockRefusal, Order, Verb
from drivers.facts import (
    JAMMED,
    LOCKED,
    UNLOCKED,
    Facts,
    celsius_c10,
    kwh_wh,
    one_of,
    percent,
    tenths,
    watts_w10,
    whole,
    yes_no,
)
from drivers.mqtt.dialect import Heard, Relay, Say
from drivers.mqtt.strangers import PAYLOAD_BYTES_MAX, Json, at, mapping, read, word
from drivers.port import Happening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.radios import Thing

_BOLTS: Final = {"LOCK": LOCKED, "UNLOCK": UNLOCKED}
_LOCK_STATES: Final = {"locked": LOCKED, "unlocked": UNLOCKED, "not_fully_locked": JAMMED}
# `action` of a lock's operation event, with what it means and whether it worked.
_ACTIONS: Final = {
    "unlock": EventKind.UNLOCKED,
    "key_unlock": EventKind.UNLOCKED,
    "manual_unlock": EventKind.UNLOCKED,
    "lock": EventKind.LOCKED,
    "auto_lock": EventKind.LOCKED,
    "key_lock": EventKind.LOCKED,
    "manual_lock": EventKind.LOCKED,
    "one_touch_lock": EventKind.LOCKED,
    "schedule_lock": EventKind.LOCKED,
    "schedule_unlock": EventKind.UNLOCKED,
    "lock_failure_invalid_pin_or_id": EventKind.REFUSED,
    "unlock_failure_invalid_pin_or_id": EventKind.REFUSED,
}
# A pin's slot in ZCL is 16 bits; more is no slot.
SLOT_MAX: Final = 65_535


class Zigbee2Mqtt:
    """One thing behind Zigbee2MQTT; `address` is base topic and friendly name."""

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._relay = Relay(thing)
        self._base, _, self._name = thing.address.partition("/")
        self._topic = thing.address
        self._endpoint = str(thing.options.get("endpoint", ""))

    @property
    def answers(self) -> bool:
        """A failed command is one line in the gateway's log and nothing else."""
        return False

    @property
    def filters(self) -> tuple[str, ...]:
        """Its state, its availability, and how the gateway itself is."""
        return (self._topic, f"{self._topic}/availability", f"{self._base}/bridge/#")

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing."""
        if topic == self._topic:
            said = mapping(payload)
            return None if said is None else self._state(said)
        if topic == f"{self._topic}/availability":
            return _online(payload)
        if topic == f"{self._base}/bridge/state":
            gateway = _online(payload)
            # A gateway that is there says nothing of a thing behind it; one that is gone does.
            return gateway if gateway is not None and gateway.online is False else None
        if topic == f"{self._base}/bridge/event":
            return self._interviewed(payload)
        if topic == f"{self._base}/bridge/devices":
            return self._listed(payload)
        return None

    def say(self, order: Order) -> Say | LockRefusal:
        """What to publish; a thing is never toggled, and a PIN never goes this way."""
        if self._kind is DeviceKind.LOCK:
            return self._lock(order)
        key = f"state_{self._endpoint}" if self._endpoint else "state"
        if (on := self._relay.wanted(order)) is not None:
            return self._set({key: "ON" if on else "OFF"}, self._relay.facts(on=on))
        match (self._kind, order.verb):
            case (DeviceKind.LIGHT, Verb.SET_LEVEL) if order.level_pct is not None:
                level = max(0, min(100, order.level_pct))
                said = {"brightness": round(level * 254 / 100)}
                return self._set(said, Facts(level_pct=level))
            case (DeviceKind.THERMOSTAT, Verb.SET_POINT) if order.set_point_c10 is not None:
                said_c = {"occupied_heating_setpoint": order.set_point_c10 / 10}
                return self._set(said_c, Facts(set_point_c10=order.set_point_c10))
            case (_, Verb.BLINK):
                return self._set({"identify": "identify"}, Facts())
            case _:
                return LockRefusal.NOT_SUPPORTED

    def ask(self) -> Say | None:
        """Have the gateway read the thing itself, not its memory of it."""
        key = "occupied_heating_setpoint" if self._kind is DeviceKind.THERMOSTAT else "state"
        if self._kind in {DeviceKind.LEAK, DeviceKind.SENSOR, DeviceKind.METER}:
            return None
        return Say(topic=f"{self._topic}/get", payload=msgspec.json.encode({key: ""}))

    def _lock(self, order: Order) -> Say | LockRefusal:
        if order.verb not in {Verb.UNLOCK, Verb.LOCK}:
            return LockRefusal.NOT_SUPPORTED
        opens = order.verb is Verb.UNLOCK
        said = {
            "zclcommand": {
                "cluster": "closuresDoorLock",
                "command": "unlockDoor" if opens else "lockDoor",
                "payload": {"pincodevalue": ""},
                "options": {"disableRecovery": True},
            }
        }
        proof = Facts(bolt=UNLOCKED if opens else LOCKED)
        return Say(
            topic=f"{self._topic}/set", payload=msgspec.json.encode(said), proof=proof, turn=True
        )

    def _set(self, said: Mapping[str, object], proof: Facts) -> Say:
        return Say(topic=f"{self._topic}/set", payload=msgspec.json.encode(said), proof=proof)

    def _state(self, said: Mapping[str, Json]) -> Heard:
        suffix = f"_{self._endpoint}" if self._endpoint else ""
        on = yes_no(said.get(f"state{suffix}"), "ON", "OFF")
        bolt = one_of(said.get("lock_state"), _LOCK_STATES) or one_of(said.get("state"), _BOLTS)
        brightness = whole(said.get("brightness"), 0, 254)
        contact = yes_no(said.get("contact"), yes=False, no=True)
        facts = Facts(
            bolt=bolt if self._kind is DeviceKind.LOCK else None,
            ajar=contact if self._kind is DeviceKind.LOCK else None,
            battery_pct=percent(said.get("battery")) if "battery" in said else _low(said),
            level_pct=None if brightness is None else round(brightness * 100 / 254),
            power_w10=watts_w10(said.get(f"power{suffix}")),
            energy_wh=kwh_wh(said.get(f"energy{suffix}")),
            temperature_c10=celsius_c10(
                said.get("local_temperature", said.get("temperature")),
            ),
            humidity_pct10=tenths(said.get("humidity"), 0, 100),
            contact_open=contact,
            occupied=yes_no(said.get("occupancy"), yes=True, no=False),
            light_lux=whole(said.get("illuminance"), 0, 200_000),
            # A definition made from the clusters alone calls it by its IAS zone bit.
            wet=yes_no(said.get("water_leak", said.get("alarm_1")), yes=True, no=False)
            if self._kind is DeviceKind.LEAK
            else None,
            set_point_c10=celsius_c10(
                said.get("occupied_heating_setpoint", said.get("current_heating_setpoint")),
            ),
            heating=yes_no(said.get("running_state"), "heat", "idle"),
        )
        lock = self._kind is DeviceKind.LOCK
        events = self._events(said) if lock else ()
        return Heard(
            facts=facts if on is None or lock else facts.updated(self._relay.facts(on=on)),
            events=events,
            acted=_acted(said, events),
            stamp_ms=whole(said.get("last_seen"), 0, 1e14),
        )

    def _events(self, said: Mapping[str, Json]) -> tuple[Happening, ...]:
        action = said.get("action")
        kind = _ACTIONS.get(action) if isinstance(action, str) else None
        if kind is None:
            return ()
        slot = whole(said.get("action_user"), 0, SLOT_MAX)
        refusal = LockRefusal.WRONG_PIN if kind is EventKind.REFUSED else None
        return (Happening(kind=kind, slot=slot, refusal=refusal),)

    def _interviewed(self, payload: bytes) -> Heard | None:
        said = mapping(payload)
        if said is None or at(said, "data", "friendly_name") != self._name:
            return None
        if said.get("type") == "device_leave":
            return Heard(online=False, half_joined=True)
        if said.get("type") != "device_interview":
            return None
        status = at(said, "data", "status")
        return Heard(half_joined=status == "failed") if status in _INTERVIEW_ENDS else None

    def _listed(self, payload: bytes) -> Heard | None:
        listed = next((d for d in devices(payload) if d.name == self._name), None)
        return None if listed is None else Heard(half_joined=not listed.usable)


_INTERVIEW_ENDS: Final = ("successful", "failed")


def _acted(said: Mapping[str, Json], events: tuple[Happening, ...]) -> str | None:
    if said.get("action_source_name") != "rf":
        return None
    kinds = {EventKind.UNLOCKED: UNLOCKED, EventKind.LOCKED: LOCKED}
    return next((kinds[event.kind] for event in events if event.kind in kinds), None)


def _low(said: Mapping[str, Json]) -> int | None:
    # Many contact and leak sensors have no number, only this bit.
    low = yes_no(said.get("battery_low"), yes=True, no=False)
    return None if low is None else (10 if low else 100)


def _online(payload: bytes) -> Heard | None:
    """`{"state":"online"}` since 1.29, the bare word before (and by a setting)."""
    said = mapping(payload)
    state = word(payload) if said is None else said.get("state")
    online = yes_no(state, "online", "offline")
    return None if online is None else Heard(online=online)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of `bridge/devices`."""

    name: str
    ieee: str
    supported: bool  # False: no definition; it may work, and nobody has said how
    interviewed: bool
    vendor: str = ""
    model: str = ""

    @property
    def usable(self) -> bool:
        """Whether its interview is complete and its definition known."""
        return self.supported and self.interviewed


def devices(payload: bytes) -> list[Listed]:
    """The gateway's list of what has joined; entries that cannot be read are left out."""
    found = read(payload, bytes_max=PAYLOAD_BYTES_MAX)
    if not isinstance(found, list):
        return []
    listed = []
    for entry in found:
        name, ieee = at(entry, "friendly_name"), at(entry, "ieee_address")
        if not isinstance(name, str) or not isinstance(ieee, str):
            continue
        if at(entry, "type") == "Coordinator":
            continue
        state = at(entry, "interview_state")
        done = at(entry, "interview_completed") is True or state == "SUCCESSFUL"
        listed.append(
            Listed(
                name=name[:128],
                ieee=ieee[:32],
                supported=at(entry, "definition") is not None and at(entry, "supported") is True,
                interviewed=done,
                vendor=_text(at(entry, "definition", "vendor")),
                model=_text(at(entry, "definition", "model")),
            )
        )
    return listed


def permit_join(base: str, seconds: int) -> Say:
    """Let new things in, for at most the 254 s that Zigbee knows; 0 closes."""
    said = {"time": max(0, min(254, seconds))}
    return Say(topic=f"{base}/bridge/request/permit_join", payload=msgspec.json.encode(said))


def _text(found: Json) -> str:
    return found[:64] if isinstance(found, str) else ""
