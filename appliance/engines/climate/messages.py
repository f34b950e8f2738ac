"""The words of climate: set points asked for, eco, leaks, valves, and what devices suffer from.

Measurements are telemetry, not facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.bus.words import DeviceKind, Outcome
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
    NOT_A_VALVE = "not_a_valve"
    STILL_WET = "still_wet"  # a sensor of its area stands in water
    UNKNOWN_ALARM = "unknown_alarm"
    ALREADY_SEEN = "already_seen"  # somebody has taken the alarm on


class AlarmKind(StrEnum):
    """What a device suffers from, most urgent first."""

    LEAK = "leak"
    VALVE_STUCK = "valve_stuck"  # it was to be closed and has not said that it is
    TAMPER = "tamper"
    LOG_BROKEN = "log_broken"  # a lock's signed log has a gap or a fork
    JAMMED = "jammed"
    AJAR = "ajar"
    CLOCK_LOST = "clock_lost"
    BATTERY = "battery"
    SILENT = "silent"
    NOT_PAIRED = "not_paired"  # a lock whose point its radio was not given
    NOT_ENROLLED = "not_enrolled"
    HALF_JOINED = "half_joined"
    PIN_NOT_TAKEN = "pin_not_taken"
    RADIO_LOST = "radio_lost"
    RADIO_HUNG = "radio_hung"
    RADIO_FOREIGN = "radio_foreign"
    RADIO_SILENT = "radio_silent"
    BACKUP_STALE = "backup_stale"


class ValveReason(StrEnum):
    """Why a valve moves."""

    LEAK = "leak"
    PERSON = "person"


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


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MoveValve(Command):
    """Open or close a valve. It stays closed while a sensor of its area is wet."""

    name: ClassVar[str] = "climate.move_valve"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = STAFF | BOX
    device_id: str
    open: bool
    despite_water: bool = False  # a manager's word: the sensor is wrong, or the floor is mopped


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SettleValve(Command):
    """What the valve answered."""

    name: ClassVar[str] = "climate.settle_valve"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX
    order_id: str
    device_id: str
    outcome: Outcome
    evidence: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlarm(Command):
    """A device suffers from something; raising what is up already changes nothing."""

    name: ClassVar[str] = "climate.raise_alarm"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX
    device_id: str
    alarm: AlarmKind
    battery_pct: int | None = None
    days_left: int | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAlarm(Command):
    """The cause is gone; clearing what is not up changes nothing."""

    name: ClassVar[str] = "climate.clear_alarm"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = BOX
    device_id: str
    alarm: AlarmKind


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgeAlarm(Command):
    """A person takes an alarm on; it stays up until its cause is gone."""

    name: ClassVar[str] = "climate.acknowledge_alarm"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = STAFF
    device_id: str
    alarm: AlarmKind


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


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ValveAsked(Event):
    """A valve's order, on disk before it leaves. Closing is repeated until the valve has said so."""

    kind: ClassVar[str] = "climate.valve_asked.v1"
    order_id: str
    device_id: str
    open: bool
    reason: ValveReason
    expires_at_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ValveSettled(Event):
    """What became of a valve's order."""

    kind: ClassVar[str] = "climate.valve_settled.v1"
    order_id: str
    device_id: str
    outcome: Outcome
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Event):
    """A device suffers from something. Raised again where the forecast got much worse."""

    kind: ClassVar[str] = "climate.alarm_raised.v1"
    device_id: str
    room_id: str | None
    alarm: AlarmKind
    battery_pct: int | None = None
    days_left: int | None = None
    device_kind: DeviceKind | None = None  # None: a driver process


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmAcknowledged(Event):
    """Who took it on stands beside the fact."""

    kind: ClassVar[str] = "climate.alarm_acknowledged.v1"
    device_id: str
    alarm: AlarmKind


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCleared(Event):
    """The cause is gone."""

    kind: ClassVar[str] = "climate.alarm_cleared.v1"
    device_id: str
    alarm: AlarmKind
