"""Tasmota (https://tasmota.github.io/docs/MQTT/).

`address` is the device's FullTopic, such as `tasmota/plug9/%prefix%`; without `%prefix%` it is
Tasmota's default `%prefix%/<address>`, which puts every device below the same three prefixes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import Facts, celsius_c10, kwh_wh, percent, tenths, watts_w10, yes_no
from drivers.mqtt.dialect import Heard, Relay, Say
from drivers.mqtt.strangers import at, mapping, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.radios import Thing

_PREFIX: Final = "%prefix%"
_LISTENING: Final = ("stat", "tele")


class Tasmota:
    """One relay, dimmer or sensor of one Tasmota device; option `relay` counts from 1."""

    answers = False

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._relay = Relay(thing)
        address = thing.address
        full = address if _PREFIX in address.split("/") else f"{_PREFIX}/{address}"
        self._at = {p: full.replace(_PREFIX, p) for p in (*_LISTENING, "cmnd")}
        relay = thing.options.get("relay", 1)
        # A device with one relay says POWER; with several, POWER1 and on.
        self._powers = {"POWER", "POWER1"} if relay == 1 else {f"POWER{relay}"}
        self._power = "POWER1" if relay == 1 else f"POWER{relay}"

    @property
    def filters(self) -> tuple[str, ...]:
        """What it reports and what it answers."""
        return tuple(f"{self._at[prefix]}/+" for prefix in _LISTENING)

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing."""
        above, _, last = topic.rpartition("/")
        if above not in {self._at["stat"], self._at["tele"]}:
            return None
        if last == "LWT":
            online = yes_no(word(payload), "Online", "Offline")
            return None if online is None else Heard(online=online)
        if last in self._powers:
            return self._turned(word(payload))
        if last not in {"RESULT", "STATE", "SENSOR"}:
            return None
        said = mapping(payload)
        return None if said is None else self._read(said)

    def say(self, order: Order) -> Say | LockRefusal:
        """What to publish; POWER takes a place, never TOGGLE."""
        on = self._relay.wanted(order)
        if on is not None:
            return Say(
                topic=f"{self._at['cmnd']}/{self._power}",
                payload=b"ON" if on else b"OFF",
                proof=self._relay.facts(on=on),
                turn=self._kind is DeviceKind.LOCK,
            )
        if self._kind is DeviceKind.LIGHT and order.verb is Verb.SET_LEVEL:
            level = max(0, min(100, order.level_pct or 0))
            return Say(
                topic=f"{self._at['cmnd']}/Dimmer",
                payload=str(level).encode(),
                proof=Facts(level_pct=level) if level else Facts(on=False),
            )
        return LockRefusal.NOT_SUPPORTED

    def ask(self) -> Say | None:
        """A command without a payload is a question."""
        if self._kind in {DeviceKind.SENSOR, DeviceKind.METER, DeviceKind.LEAK}:
            return None
        return Say(topic=f"{self._at['cmnd']}/{self._power}", payload=b"")

    def _turned(self, said: object) -> Heard | None:
        on = yes_no(said, "ON", "OFF")
        return None if on is None else Heard(facts=self._relay.facts(on=on))

    def _read(self, said: Mapping[str, Any]) -> Heard:
        facts = Facts(level_pct=percent(said.get("Dimmer")))
        for power in self._powers:
            turned = self._turned(said.get(power))
            if turned is not None:
                facts = facts.updated(turned.facts)
        facts = facts.updated(
            Facts(
                power_w10=watts_w10(at(said, "ENERGY", "Power")),
                energy_wh=kwh_wh(at(said, "ENERGY", "Total")),
            )
        )
        # Fahrenheit is a setting of the device; a room at 70 degrees Celsius is none.
        if said.get("TempUnit", "C") == "C":
            for inner in said.values():
                facts = facts.updated(
                    Facts(
                        temperature_c10=celsius_c10(at(inner, "Temperature")),
                        humidity_pct10=tenths(at(inner, "Humidity"), 0, 100),
                    )
                )
        return Heard(facts=facts)
