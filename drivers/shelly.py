"""What Shelly's second and later generations say and understand, over MQTT and HTTP alike: pure.

JSON-RPC as in https://shelly-api-docs.shelly.cloud/gen2/; components are named `switch:0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import (
    LOCKED,
    NOTHING,
    UNLOCKED,
    Facts,
    celsius_c10,
    percent,
    tenths,
    watts_w10,
    whole,
    yes_no,
)

if TYPE_CHECKING:
    from drivers.radios import Thing

# How long a door's strike is held open: what a guest needs to push a door.
STRIKE_S: Final = 5
# Ids of a device: sixteen inputs and outputs on the largest.
ID_MAX: Final = 15
_COMPONENTS: Final = {
    DeviceKind.LIGHT: "light",
    DeviceKind.LEAK: "flood",
    DeviceKind.METER: "pm1",
    DeviceKind.SENSOR: "temperature",
}


class Shelly:
    """One component of one Shelly: options `component` ("switch", "cover", "light", "pm1", ...) and `id`."""

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        component = thing.options.get("component", _COMPONENTS.get(thing.kind, "switch"))
        number = thing.options.get("id", 0)
        self.id = number if isinstance(number, int) and 0 <= number <= ID_MAX else 0
        self.component = str(component)
        self._inverted = thing.options.get("inverted") is True
        self._strike_s = whole(thing.options.get("strike_s"), 1, 60) or STRIKE_S

    @property
    def key(self) -> str:
        """Its name within the device, such as `switch:0`."""
        return f"{self.component}:{self.id}"

    @property
    def pulses(self) -> bool:
        """Whether an order is an impulse of its own: a strike's is, a switch's place is not."""
        return self._kind is DeviceKind.LOCK

    def facts(self, status: object) -> Facts:
        """What a component's status says, whole or only what has changed of it."""
        if not isinstance(status, Mapping):
            return NOTHING
        output = yes_no(status.get("output"), yes=True, no=False)
        facts = self._turned(status) if output is None else self._active(output)
        energy, temperature = status.get("aenergy"), status.get("temperature")
        return facts.updated(
            Facts(
                level_pct=percent(status.get("brightness")),
                power_w10=watts_w10(status.get("apower", status.get("act_power"))),
                # The counter of a Gen2 meter is in watt-hours.
                energy_wh=whole(_in(energy, "total"), 0, 1e10),
                temperature_c10=celsius_c10(status.get("tC"))
                if self._kind is DeviceKind.SENSOR
                else None,
                humidity_pct10=tenths(status.get("rh"), 0, 100),
                wet=yes_no(status.get("alarm"), yes=True, no=False)
                if self.component == "flood"
                else None,
                battery_pct=percent(_in(status.get("battery"), "percent")),
            )
        ).updated(
            Facts(temperature_c10=celsius_c10(_in(temperature, "tC")))
            if self._kind is DeviceKind.SENSOR
            else NOTHING
        )

    def call(self, order: Order) -> tuple[str, dict[str, Any], Facts] | LockRefusal:
        """Method, parameters, and what is so afterwards. Toggle is never used."""
        active = _ACTIVE.get((self._kind, order.verb))
        if self._kind is DeviceKind.LIGHT and order.verb is Verb.SET_LEVEL:
            level = max(0, min(100, order.level_pct or 0))
            said: dict[str, Any] = {"id": self.id, "on": level > 0}
            if level:
                said["brightness"] = level
            return "Light.Set", said, Facts(level_pct=level) if level else Facts(on=False)
        if active is None or self.component not in {"switch", "light", "cover"}:
            return LockRefusal.NOT_SUPPORTED
        if self.component == "cover":
            if self._kind is not DeviceKind.VALVE:
                return LockRefusal.NOT_SUPPORTED
            method = "Cover.Open" if active is not self._inverted else "Cover.Close"
            return method, {"id": self.id}, Facts(valve_open=active)
        on = active is not self._inverted
        parameters: dict[str, Any] = {"id": self.id, "on": on}
        if self._kind is DeviceKind.LOCK and active:
            # The device itself lets go again: a box that dies holds no door open.
            parameters["toggle_after"] = self._strike_s
        method = "Light.Set" if self.component == "light" else "Switch.Set"
        return method, parameters, self._active(on)

    def _active(self, output: bool) -> Facts:  # noqa: FBT001 - the contact's place is the one thing said
        active = output is not self._inverted
        match self._kind:
            case DeviceKind.LOCK:
                return Facts(bolt=UNLOCKED if active else LOCKED)
            case DeviceKind.VALVE:
                return Facts(valve_open=active)
            case DeviceKind.SWITCH | DeviceKind.LIGHT:
                return Facts(on=active)
            case _:
                return NOTHING

    def _turned(self, status: Mapping[str, Any]) -> Facts:
        if self._kind is not DeviceKind.VALVE:
            return NOTHING
        opened = yes_no(status.get("state"), "open", "closed")
        return Facts(valve_open=None if opened is None else opened is not self._inverted)


_ACTIVE: Final = {
    (DeviceKind.SWITCH, Verb.SWITCH_ON): True,
    (DeviceKind.SWITCH, Verb.SWITCH_OFF): False,
    (DeviceKind.LIGHT, Verb.SWITCH_ON): True,
    (DeviceKind.LIGHT, Verb.SWITCH_OFF): False,
    (DeviceKind.VALVE, Verb.OPEN_VALVE): True,
    (DeviceKind.VALVE, Verb.CLOSE_VALVE): False,
    (DeviceKind.LOCK, Verb.UNLOCK): True,
    (DeviceKind.LOCK, Verb.LOCK): False,
}


def _in(found: object, key: str) -> object:
    return found.get(key) if isinstance(found, Mapping) else None
