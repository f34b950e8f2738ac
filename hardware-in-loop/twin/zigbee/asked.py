"""What may be asked of a running stick, as bodies of requests (docs/zigbee-twin.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from twin.zigbee.faults import Act, Way

# A person's patience with a simulation; nothing on the air takes longer.
SECONDS_MAX = 3_600
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]
_Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
_Short = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
_Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
_Ieee = Annotated[str, msgspec.Meta(pattern="^(0x)?[0-9a-fA-F]{16}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A request without words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Something is so, or no longer."""

    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The line stands still; `flushable`: what waits is within reach of the host's flush."""

    on: bool
    flushable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Press the pairing button of a device, new or known, near the stick or near a router."""

    name: _Name
    kind: str | None = None  # needed for a new one
    ieee: _Ieee | None = None
    near: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """A device goes; without `tell` by a reset that nobody hears."""

    tell: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """How often a sleepy device asks its parent; 0: at once."""

    seconds: _Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """Digits at a keypad."""

    digits: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,16}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumb:
    """The knob inside."""

    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a lock does wrongly; what is left out stays as it is."""

    lies: bool | None = None
    motor_s: _Seconds | None = None
    jammed: bool | None = None
    deaf_to_radio: bool | None = None
    events_use_request_number: bool | None = None
    applies_pins: bool | None = None
    pin_memory: _Byte | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Water, a door leaf, a person: there or not. `enrols` False: it never will."""

    on: bool | None = None
    enrols: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """Hundredths: air around a thermostat or sensor, and a hand at the knob."""

    measured_c100: Annotated[int, msgspec.Meta(ge=-4000, le=8500)] | None = None
    set_point_c100: Annotated[int, msgspec.Meta(ge=0, le=5000)] | None = None
    humidity_pct100: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A hand at a switch, a stuck relay, a load."""

    on: bool | None = None
    stuck: bool | None = None
    watts: Annotated[float, msgspec.Meta(ge=0, le=3600)] | None = None
    watt_hours: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Other cells."""

    pct: _Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplug:
    """Pull the stick out, for some seconds or until `plug`."""

    seconds: _Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """Put it in; `fresh`: another one from the factory, the first is dead."""

    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Share of reads that are spoilt on the serial line."""

    chance: Annotated[float, msgspec.Meta(ge=0, le=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One fault on the air; without `cluster` every frame is met, without `device` everybody's."""

    way: Way
    act: Act
    cluster: _Short | None = None
    command: _Byte | None = None
    device: str | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = 1
    seconds: _Seconds = 0.0
    status: _Byte = 0xB7
