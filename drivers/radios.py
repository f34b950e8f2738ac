"""Which kinds of radio there are, what each is built from, and where its factory lies.

`drivers/<kind>/radio.py` has one function, `build(setting: Setting) -> Radio`. It is imported when
a property has such a radio and not before: a box without a stick loads no stack.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

    from appliance.bus.port import Bus
    from appliance.bus.words import DeviceKind
    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from drivers.port import Radio

Option = str | int | float | bool

# The word in `[[radio]] kind = "..."`, and the module with its `build`.
FACTORIES: Final[Mapping[str, str]] = {
    "ble": "drivers.ble.radio",
    "zigbee": "drivers.zigbee.radio",
    "mqtt": "drivers.mqtt.radio",
    "http": "drivers.http.radio",
}


class NoSuchRadioError(Exception):
    """No radio of this kind can be built here; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing behind a radio, as the driver's sheet has it.

    `address` is what the radio finds it by: a MAC or IEEE address, a topic, a host. `protocol`
    ("npk", "eq3", "zigbee", "nuki", ...) is the radio's own word for how it is spoken to.
    `door_number` (uint32) is what keys name; `zones` are group numbers (0x8000 and above) that
    this lock answers to as well. `options` may hold a vendor's token, so it is never shown.
    """

    name: str
    kind: DeviceKind
    address: str = ""
    protocol: str = ""
    secret: bytes = field(default=b"", repr=False)  # 32 bytes: opens sealed PINs
    door_number: int | None = None
    zones: tuple[int, ...] = ()
    room: str | None = None
    vendor: str = ""
    model: str = ""
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that one radio is built from.

    `options` are the radio's own words of the property file (`port`, `adapter`, `url`, ...);
    `folder` is for its files alone and exists. `issuer_points` are the 65-byte points whose
    signatures open this property's doors, newest first; `presser` is the key with which this
    driver presses NPK locks.
    """

    id: str  # "ble0"
    kind: str
    bridge: str  # the driver's own name on the bus, "driver-ble0"
    things: tuple[Thing, ...]
    clock: Clock
    nursery: Nursery
    folder: Path
    property_id: str
    issuer_points: tuple[bytes, ...]
    presser: ec.EllipticCurvePrivateKey = field(repr=False)
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)
    # The driver's own connection, for a radio whose things speak on the bus itself ("mqtt").
    bus: Bus | None = field(default=None, repr=False)


Build = Callable[[Setting], "Radio"]


def factory_of(kind: str, factories: Mapping[str, str] = FACTORIES) -> Build:
    """The `build` of one kind; raises NoSuchRadioError with the cure."""
    module = factories.get(kind)
    if module is None:
        known = ", ".join(sorted(factories))
        raise NoSuchRadioError(f"there is no radio of the kind {kind!r}; write one of {known}")
    try:
        build: Build = importlib.import_module(module).build
    except ImportError as error:
        raise NoSuchRadioError(
            f"the radio kind {kind!r} needs {error.name or module}, which is not installed:"
            f" install nightporter[{kind}]"
        ) from error
    return build
