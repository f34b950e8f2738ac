"""The words of climate: set points asked for, eco, leaks. Measurements are telemetry, not facts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.bus.words import Outcome
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact

BOX = frozenset({Role.SERVICE})
STAFF = frozenset({Role.FRONT_DESK, Role.HOUSEKEEPING, Role.MAINTENANCE, Role.MANAGER, Role.ADMIN})


class Refusal(StrEnum):
    """Why the room stays as warm as it is."""

    UNKNOWN_ROOM = "unknown_room"
    NO_THERMOSTAT = "no_thermostat"
    OUT_OF_RANGE = "out_of_range"  # the live rule climate.set_point_c10_min/max
    NOT_YOURS = "not_yours"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_SETTLED = "already_settled"
    UNKNOWN_DEVICE = "unknown_device"
    SEEN_BEFORE = "seen_before"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoomClimate(Command):
    """A wish for a room: tenths of a degree Celsius, or eco."""

    name: ClassVar[str] = "climate.set_room_climate"
    admission: ClassVar[Admission] = Admission.GUEST
    roles: ClassVar[frozenset[Role]] = STAFF | BOX | {Role.GUEST, Role.RESIDENT}
    room_id: str
    set_point_c10: int
    eco: bool = False


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SettleClimate(Command):
    """What the thermostat answered."""

    name: ClassVar[str] = "climate.settle"
    admission: ClassVar[Admission] = Admission.GUEST
    roles: ClassVar[frozenset[Role]] = BOX
    order_id: str
    room_id: str
    outcome: Outcome
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class LogLeak(Command):
    """A leak sensor reports wet or dry, by its own number."""

    name: ClassVar[str] = "climate.log_leak"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX
    device_id: str
    seq: int
    wet: bool
    device_wall_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateAsked(Event):
    """A wish on its way to the thermostat."""

    kind: ClassVar[str] = "climate.asked.v1"
    order_id: str
    room_id: str
    device_id: str
    set_point_c10: int
    eco: bool
    expires_at_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ClimateSettled(Event):
    """What became of the wish."""

    kind: ClassVar[str] = "climate.settled.v1"
    order_id: str
    room_id: str
    outcome: Outcome
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class LeakLogged(Event):
    """A sensor is wet or dry again."""

    kind: ClassVar[str] = "climate.leak_logged.v1"
    device_id: str
    room_id: str | None
    seq: int
    wet: bool
    device_wall_ms: int
