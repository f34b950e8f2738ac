"""What a foreign thing has said of itself, and the bus's words made from it: pure.

A dialect (`drivers/mqtt`, `drivers/http`) reads a vendor's payload into `Facts`; everything after
that is the same for every vendor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LeakState,
    LightState,
    LockState,
    MeterState,
    SensorState,
    State,
    SwitchState,
    ThermostatState,
    ValveState,
)

LOCKED: Final = "locked"
UNLOCKED: Final = "unlocked"
JAMMED: Final = "jammed"
# What a vendor's "battery critical" without a number is worth on a scale of 100.
BATTERY_CRITICAL_PCT: Final = 5
BATTERY_LOW_PCT: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one thing; None: it has not said. Units as in `appliance.bus.words`."""

    bolt: str | None = None
    ajar: bool | None = None
    battery_pct: int | None = None
    firmware: str | None = None
    on: bool | None = None
    level_pct: int | None = None
    power_w10: int | None = None
    energy_wh: int | None = None
    volume_ml: int | None = None
    temperature_c10: int | None = None
    humidity_pct10: int | None = None
    contact_open: bool | None = None
    occupied: bool | None = None
    light_lux: int | None = None
    wet: bool | None = None
    valve_open: bool | None = None
    set_point_c10: int | None = None
    eco: bool | None = None
    heating: bool | None = None

    def updated(self, later: Facts) -> Facts:
        """These facts with whatever a later word says of them."""
        return replace(self, **later.said())

    def said(self) -> dict[str, Any]:
        """Only what is known."""
        return {f.name: v for f in _FIELDS if (v := getattr(self, f.name)) is not None}

    def holds(self, wanted: Facts) -> bool:
        """Whether all that `wanted` says is so."""
        return all(getattr(self, name) == value for name, value in wanted.said().items())


_FIELDS: Final = fields(Facts)
NOTHING: Final = Facts()


def state_of(kind: DeviceKind, facts: Facts, wall_ms: int) -> State | None:
    """The retained word for a thing of this kind; None while what it must hold is not known."""
    return _STATES[kind](facts, wall_ms)


def _lock(facts: Facts, wall_ms: int) -> State:
    return LockState(
        bolt=facts.bolt or "unknown",
        battery_pct=facts.battery_pct,
        seq=0,
        generation=0,
        wall_ms=wall_ms,
        ajar=facts.ajar or False,
        firmware=facts.firmware or "",
        heard_ms=wall_ms,
    )


def _thermostat(facts: Facts, wall_ms: int) -> State | None:
    if facts.set_point_c10 is None:
        return None
    return ThermostatState(
        set_point_c10=facts.set_point_c10,
        measured_c10=facts.temperature_c10,
        eco=facts.eco or False,
        heating=facts.heating or False,
        wall_ms=wall_ms,
        battery_pct=facts.battery_pct,
    )


def _leak(facts: Facts, wall_ms: int) -> State | None:
    if facts.wet is None:
        return None
    return LeakState(wet=facts.wet, wall_ms=wall_ms, battery_pct=facts.battery_pct)


def _switch(facts: Facts, wall_ms: int) -> State | None:
    if facts.on is None:
        return None
    return SwitchState(on=facts.on, wall_ms=wall_ms, power_w10=facts.power_w10)


def _light(facts: Facts, wall_ms: int) -> State | None:
    if facts.on is None:
        return None
    return LightState(on=facts.on, wall_ms=wall_ms, level_pct=facts.level_pct)


def _valve(facts: Facts, wall_ms: int) -> State | None:
    if not facts.said():
        return None
    return ValveState(open=facts.valve_open, wall_ms=wall_ms, battery_pct=facts.battery_pct)


def _meter(facts: Facts, wall_ms: int) -> State | None:
    meter = MeterState(
        wall_ms=wall_ms,
        energy_wh=facts.energy_wh,
        power_w10=facts.power_w10,
        volume_ml=facts.volume_ml,
    )
    return None if meter == MeterState(wall_ms=wall_ms) else meter


def _sensor(facts: Facts, wall_ms: int) -> State | None:
    sensor = SensorState(
        wall_ms=wall_ms,
        temperature_c10=facts.temperature_c10,
        humidity_pct10=facts.humidity_pct10,
        contact_open=facts.contact_open,
        occupied=facts.occupied,
        light_lux=facts.light_lux,
        battery_pct=facts.battery_pct,
    )
    return None if sensor == SensorState(wall_ms=wall_ms) else sensor


_STATES: Final[Mapping[DeviceKind, Callable[[Facts, int], State | None]]] = {
    DeviceKind.LOCK: _lock,
    DeviceKind.THERMOSTAT: _thermostat,
    DeviceKind.LEAK: _leak,
    DeviceKind.SWITCH: _switch,
    DeviceKind.LIGHT: _light,
    DeviceKind.VALVE: _valve,
    DeviceKind.METER: _meter,
    DeviceKind.SENSOR: _sensor,
}


# Fact, its value, and what its arrival means; of a thing whose last word on it was another.
_TURNS: Final[tuple[tuple[str, object, EventKind], ...]] = (
    ("bolt", UNLOCKED, EventKind.UNLOCKED),
    ("bolt", LOCKED, EventKind.LOCKED),
    ("bolt", JAMMED, EventKind.JAMMED),
    ("ajar", True, EventKind.DOOR_OPENED),
    ("ajar", False, EventKind.DOOR_CLOSED),
    ("on", True, EventKind.SWITCHED_ON),
    ("on", False, EventKind.SWITCHED_OFF),
    ("valve_open", True, EventKind.VALVE_OPENED),
    ("valve_open", False, EventKind.VALVE_CLOSED),
    ("wet", True, EventKind.LEAK),
    ("wet", False, EventKind.LEAK_CLEARED),
    ("occupied", True, EventKind.MOTION),
)


def turns(before: Facts, after: Facts) -> list[EventKind]:
    """What has happened between two looks, where it can be seen from them.

    A first word is no event: nobody knows since when it is so. Water is: better twice than never.
    """
    found = [
        kind
        for name, value, kind in _TURNS
        if getattr(after, name) == value
        and getattr(before, name) != value
        and (getattr(before, name) is not None or kind is EventKind.LEAK)
    ]
    if before.set_point_c10 not in {None, after.set_point_c10}:
        found.append(EventKind.SET_POINT_CHANGED)
    was, now = before.battery_pct, after.battery_pct
    if now is not None:
        if now <= BATTERY_CRITICAL_PCT and (was is None or was > BATTERY_CRITICAL_PCT):
            found.append(EventKind.BATTERY_CRITICAL)
        elif now <= BATTERY_LOW_PCT and (was is None or was > BATTERY_LOW_PCT):
            found.append(EventKind.BATTERY_LOW)
    return found


def number(value: object, low: float, high: float) -> float | None:
    """A finite number between two bounds, also where it is written as text; else None."""
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high and math.isfinite(value) else None


def tenths(value: object, low: float, high: float) -> int | None:
    """The same, in whole tenths."""
    found = number(value, low, high)
    return None if found is None else round(found * 10)


def whole(value: object, low: float, high: float, *, times: float = 1) -> int | None:
    """The same, multiplied and rounded."""
    found = number(value, low, high)
    return None if found is None else round(found * times)


def yes_no(value: object, yes: object, no: object) -> bool | None:
    """True or False for exactly these words; None for any other. `1` is not `True`."""
    for word, meaning in ((yes, True), (no, False)):
        if type(value) is type(word) and value == word:
            return meaning
    return None


def one_of(value: object, words: Mapping[str, str]) -> str | None:
    """Our word for one of a vendor's."""
    return words.get(value) if isinstance(value, str) else None


# Bounds of what a hotel's things can measure: beyond them a sensor is broken, not hot.
def celsius_c10(value: object) -> int | None:
    """Degrees Celsius of a room, a pipe or a roof, in tenths."""
    return tenths(value, -60, 130)


def percent(value: object) -> int | None:
    """0 to 100."""
    return whole(value, 0, 100)


def watts_w10(value: object) -> int | None:
    """Up to a house's whole supply, in tenths; below zero is a roof that feeds in."""
    return tenths(value, -1_000_000, 1_000_000)


def kwh_wh(value: object) -> int | None:
    """A meter's reading in kWh, in Wh."""
    return whole(value, 0, 10_000_000, times=1000)


# What one number or word measures, by the names that ESPHome and Home Assistant use.
MEASURES: Final[Mapping[str, Callable[[object], Facts]]] = {
    "temperature": lambda value: Facts(temperature_c10=celsius_c10(value)),
    "humidity": lambda value: Facts(humidity_pct10=tenths(value, 0, 100)),
    "illuminance": lambda value: Facts(light_lux=whole(value, 0, 200_000)),
    "battery": lambda value: Facts(battery_pct=percent(value)),
    "power": lambda value: Facts(power_w10=watts_w10(value)),
    "energy": lambda value: Facts(energy_wh=kwh_wh(value)),
    "water": lambda value: Facts(volume_ml=whole(value, 0, 1e9, times=1000)),
}


def on_off_facts(measure: str, *, on: bool) -> Facts:
    """What a two-valued sensor of this Home Assistant device class says by being on."""
    match measure:
        case "moisture" | "leak":
            return Facts(wet=on)
        case "door" | "window" | "opening" | "garage_door" | "contact":
            return Facts(contact_open=on)
        case "motion" | "occupancy" | "presence" | "moving":
            return Facts(occupied=on)
        case "battery":
            return Facts(battery_pct=10 if on else 100)
        case _:
            return NOTHING
