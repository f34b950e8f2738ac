"""The vocabulary between the box and things: topics, payloads, and nothing about guests.

Every payload is one JSON object of at most `PAYLOAD_BYTES_MAX` bytes. A device publishes below
`np/<device>/up/` and reads below `np/<device>/down/`; `docs/bus.md` has the contract with examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import msgspec

# 16 KiB: the largest payload of ours (100 denied keys, 1.5 kB; a firmware note) with room to spare.
PAYLOAD_BYTES_MAX = 16_384
TOPIC_ROOT = "np"

T = TypeVar("T")


class Outcome(StrEnum):
    """What became of an effect outside the box (DESIGN law 3)."""

    DONE = "done"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class DeviceKind(StrEnum):
    """Device words of DESIGN section 7."""

    LOCK = "lock"
    THERMOSTAT = "thermostat"
    LEAK = "leak"
    METER = "meter"
    SWITCH = "switch"
    LIGHT = "light"
    VALVE = "valve"
    SENSOR = "sensor"  # temperature, humidity, contact, motion: whatever it measures


class LockRefusal(StrEnum):
    """Why a lock said no, in the order in which it looks (ble.md 2.9)."""

    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    BAD_FRAME = "bad_frame"
    UNKNOWN_ISSUER = "unknown_issuer"
    BAD_SIGNATURE = "bad_signature"
    WRONG_DOOR = "wrong_door"
    DENIED = "denied"
    SUPERSEDED = "superseded"
    NO_TIME = "no_time"
    NOT_YET = "not_yet"
    EXPIRED = "expired"
    WRONG_PIN = "wrong_pin"
    PRIVACY = "privacy"
    JAMMED = "jammed"
    SCHEDULE = "schedule"  # outside the weekly hours the key carries
    NOT_SUPPORTED = "not_supported"  # this kind of device has no such act
    SLOTS_FULL = "slots_full"
    PIN_TAKEN = "pin_taken"  # the same digits stand in another slot


class Verb(StrEnum):
    """What the box may ask of a device."""

    UNLOCK = "unlock"
    LOCK = "lock"
    READ = "read"
    PUT_PIN = "put_pin"
    CLEAR_PIN = "clear_pin"
    DENY = "deny"  # denylist entries and a minimum generation
    SET_CLOCK = "set_clock"
    SET_POINT = "set_point"
    BLINK = "blink"
    SWITCH_ON = "switch_on"
    SWITCH_OFF = "switch_off"
    SET_LEVEL = "set_level"  # a light, in percent
    OPEN_VALVE = "open_valve"
    CLOSE_VALVE = "close_valve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command to one device, on `np/<device>/down/command`, QoS 1, never retained.

    `id` makes a repeat harmless: a device answers a known id again and moves nothing.
    `expires_at_ms` (UTC) is checked by the device: a late order is refused as EXPIRED.
    `credential` is a COSE_Sign1 CWT (base64 by JSON) that the lock verifies by itself.
    """

    id: str
    verb: Verb
    expires_at_ms: int
    reply_topic: str
    credential: bytes | None = None
    slot: int | None = None
    pin_sealed: bytes | None = None  # AES-256-GCM under the device's own secret: nonce || box
    valid_from_s: int | None = None
    valid_until_s: int | None = None
    generation: int | None = None
    denied: tuple[bytes, ...] = ()  # `cti` values
    set_point_c10: int | None = None  # tenths of a degree Celsius
    eco: bool | None = None
    wall_ms: int | None = None
    traceparent: str | None = None
    about: str | None = None  # READ: the id of an earlier order whose end is asked for
    level_pct: int | None = None
    denylist: bytes | None = None  # COSE_Sign1 of the issuer (npk1.md), for locks that verify it
    after_seq: int | None = None  # READ: say the events after this number again
    errand_key: bytes | None = None  # for a driver: visit this lock for its log and clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAnswer:
    """What the device says of one order, on the order's reply topic, QoS 1.

    `about` repeats a READ's `about`; with it `about_outcome` None says that this device has never
    begun that order, and UNKNOWN that it lost its power in the middle of it. `since_ms` says with a
    None since when it remembers at all: of an order from before, None proves nothing.
    """

    id: str
    outcome: Outcome
    refusal: LockRefusal | None = None
    repeated: bool = False
    seq: int | None = None  # the device's own event number, where the act made one
    wall_ms: int | None = None
    traceparent: str | None = None
    about: str | None = None
    about_outcome: Outcome | None = None
    about_refusal: LockRefusal | None = None
    since_ms: int | None = None
    evidence: tuple[str, ...] = ()  # how a driver knows, where one stands between (drivers/port.py)


class EventKind(StrEnum):
    """What a device may report as having happened."""

    UNLOCKED = "unlocked"
    LOCKED = "locked"
    REFUSED = "refused"
    DOOR_OPENED = "door_opened"
    DOOR_CLOSED = "door_closed"
    JAMMED = "jammed"
    TAMPER = "tamper"
    BATTERY_LOW = "battery_low"
    LEAK = "leak"
    LEAK_CLEARED = "leak_cleared"
    SET_POINT_CHANGED = "set_point_changed"
    AJAR = "ajar"  # left open longer than the lock likes
    CLOCK_LOST = "clock_lost"
    BATTERY_CRITICAL = "battery_critical"
    SWITCHED_ON = "switched_on"
    SWITCHED_OFF = "switched_off"
    VALVE_OPENED = "valve_opened"
    VALVE_CLOSED = "valve_closed"
    MOTION = "motion"
    PRESSED = "pressed"  # a button: `slot` says in which way (BTHome's numbers, 1 is once)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvent:
    """Something that happened at a device, on `np/<device>/up/event`, QoS 1.

    `seq` is the device's own number, rising by one for ever: a repeat is dropped by (device, seq).
    `order_id` names the order that caused it; `cti` (hex) the credential, `slot` the PIN.
    """

    seq: int
    kind: EventKind
    wall_ms: int
    uncertainty_ms: int = 0
    order_id: str | None = None
    cti: str | None = None
    slot: int | None = None
    refusal: LockRefusal | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """Retained on `np/<device>/up/state`; re-published by the lock after every connect."""

    bolt: str  # "locked" | "unlocked" | "jammed" | "unknown"
    battery_pct: int | None  # None: it has not said, or it has no cells
    seq: int  # number of the last event
    generation: int  # highest generation that has opened it
    wall_ms: int
    uncertainty_ms: int = 0
    ajar: bool = False
    firmware: str = ""
    heard_ms: int | None = None  # behind a radio: when the driver last heard of it
    clock_known: bool = True
    denylist_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermostatState:
    """Retained on `np/<device>/up/state`."""

    set_point_c10: int
    measured_c10: int | None  # None: it has no room sensor of its own
    eco: bool
    heating: bool
    wall_ms: int
    battery_pct: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakState:
    """Retained on `np/<device>/up/state`."""

    wet: bool
    wall_ms: int
    battery_pct: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Retained on `np/<device>/up/state`; power in tenths of a watt where it is measured."""

    on: bool
    wall_ms: int
    power_w10: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LightState:
    """Retained on `np/<device>/up/state`."""

    on: bool
    wall_ms: int
    level_pct: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValveState:
    """Retained on `np/<device>/up/state`; None: the valve has not said."""

    open: bool | None
    wall_ms: int
    battery_pct: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterState:
    """Retained on `np/<device>/up/state`: what has run through so far, and what runs now."""

    wall_ms: int
    energy_wh: int | None = None
    power_w10: int | None = None
    volume_ml: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorState:
    """Retained on `np/<device>/up/state`: only what this sensor has said; the rest is None."""

    wall_ms: int
    temperature_c10: int | None = None
    humidity_pct10: int | None = None
    contact_open: bool | None = None
    occupied: bool | None = None
    light_lux: int | None = None
    battery_pct: int | None = None


State = (
    LockState
    | ThermostatState
    | LeakState
    | SwitchState
    | LightState
    | ValveState
    | MeterState
    | SensorState
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioState:
    """A driver process of itself, retained on `np/<bridge>/up/radio`.

    `alarms` are words of `drivers.port.Alarm`, `alarm` or `alarm:device`, each with the time since
    when it holds. `point` (hex, 65 bytes) is the key that the driver presses NPK locks with.
    """

    up: bool
    since_ms: int
    wall_ms: int
    restarts: int = 0
    devices: int = 0
    unknown_orders: int = 0
    alarms: tuple[tuple[str, int], ...] = ()
    names: tuple[str, ...] = ()  # the devices it speaks for
    point: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelFrame:
    """One NPK frame of a phone on its way through the box, unread; QoS 1, never retained.

    `np/<device>/down/tunnel` to the lock, `np/<device>/up/tunnel` back. `number` counts from 0 in
    each direction of a session; `end` hangs up, `why` then says in one word what happened.
    """

    session: str
    number: int
    frame: bytes = b""
    end: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Retained on `np/<device>/up/online`; `false` is the device's last will."""

    online: bool


def command_topic(device: str) -> str:
    """Where the box speaks to a device."""
    return f"{TOPIC_ROOT}/{device}/down/command"


def answer_topic(device: str) -> str:
    """Where a device answers; it is also the order's reply topic."""
    return f"{TOPIC_ROOT}/{device}/up/answer"


def event_topic(device: str) -> str:
    """Where a device reports what happened."""
    return f"{TOPIC_ROOT}/{device}/up/event"


def state_topic(device: str) -> str:
    """Where a device keeps its retained state."""
    return f"{TOPIC_ROOT}/{device}/up/state"


def online_topic(device: str) -> str:
    """Where a device's presence and last will are kept."""
    return f"{TOPIC_ROOT}/{device}/up/online"


def telemetry_topic(device: str) -> str:
    """Where a device streams measurements, QoS 0."""
    return f"{TOPIC_ROOT}/{device}/up/telemetry"


def radio_topic(bridge: str) -> str:
    """Where a driver process keeps its own retained state."""
    return f"{TOPIC_ROOT}/{bridge}/up/radio"


def tunnel_topic(device: str, *, down: bool) -> str:
    """Where a phone's frames travel, to the lock (`down`) or back."""
    return f"{TOPIC_ROOT}/{device}/{'down' if down else 'up'}/tunnel"


def device_of(topic: str) -> str | None:
    """The device a topic belongs to, or None where the topic is not ours."""
    parts = topic.split("/")
    return parts[1] if len(parts) >= 4 and parts[0] == TOPIC_ROOT else None


def encode(word: object) -> bytes:
    """One payload, as UTF-8 JSON."""
    return msgspec.json.encode(word)


def decode(payload: bytes, into: type[T]) -> T | None:
    """Read one payload; None where it is too large, not JSON, or not this word."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return None
    try:
        return msgspec.json.decode(payload, type=into)
    except msgspec.DecodeError:
        return None
