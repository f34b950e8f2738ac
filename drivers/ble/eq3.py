"""The six frames of an eQ-3 CC-RT-BLE radiator thermostat, and the status it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

SERVICE: Final = "3e135142-654f-9090-134a-a6ff5bb77046"
WRITE: Final = "3fa4585a-ce4a-3bad-db4b-b8df8179ea09"
NOTIFY: Final = "d0e8434d-cd29-0996-af41-6c90f4e0eb2a"

# The dial's ends: 4.5 is "off" (frost protection), 30 is "on"; tenths of a degree, steps of 0.5.
SET_POINT_C10_MIN: Final = 45
SET_POINT_C10_MAX: Final = 300
STEP_C10: Final = 5
# A status has 6 bytes, with the end of a holiday 10, with presets 15.
_STATUS_BYTES_MIN: Final = 6
_CENTURY: Final = 2000

_ASK_ID: Final = 0x00
_ID: Final = 0x01
_STATUS: Final = 0x02
_TIME: Final = 0x03
_MODE: Final = 0x40
_SET_POINT: Final = 0x41
_BOOST: Final = 0x45
_LOCK: Final = 0x80
_MANUAL: Final = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the thermostat says of itself. `valve_pct` is how far its valve is open."""

    set_point_c10: int
    valve_pct: int
    manual: bool
    boost: bool = False
    holiday: bool = False
    window_open: bool = False
    locked: bool = False  # the wheel and keys are without effect
    battery_low: bool = False

    @property
    def heating(self) -> bool:
        """Whether hot water runs."""
        return self.valve_pct > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Its firmware (tenths, 120 is 1.20) and serial number."""

    firmware: int
    serial: str


def ask_identity() -> bytes:
    """Ask who it is."""
    return bytes([_ASK_ID])


def set_time(local: datetime) -> bytes:
    """The time of day in the house; it is answered with the status."""
    return bytes(
        [
            _TIME,
            local.year - _CENTURY,
            local.month,
            local.day,
            local.hour,
            local.minute,
            local.second,
        ]
    )


def set_manual() -> bytes:
    """Keep what is set instead of following its own weekly programme."""
    return bytes([_MODE, _MANUAL])


def set_point(c10: int) -> bytes:
    """Keep this many tenths of a degree, rounded to half degrees and held to the dial's ends."""
    return bytes([_SET_POINT, nearest_c10(c10) // STEP_C10])


def set_boost(*, on: bool) -> bytes:
    """Valve wide open for five minutes, or no longer."""
    return bytes([_BOOST, int(on)])


def set_lock(*, on: bool) -> bytes:
    """Take the wheel from the guest, or give it back."""
    return bytes([_LOCK, int(on)])


def nearest_c10(c10: int) -> int:
    """What the thermostat can keep that is nearest to this."""
    held = min(max(c10, SET_POINT_C10_MIN), SET_POINT_C10_MAX)
    return (2 * held + STEP_C10) // (2 * STEP_C10) * STEP_C10


def read(frame: bytes) -> Status | Identity | None:
    """One notification; None for what is neither, never raises on any bytes."""
    if len(frame) >= _STATUS_BYTES_MIN and frame[0] == _STATUS and frame[1] == 1:
        bits = frame[2]
        return Status(
            set_point_c10=frame[5] * STEP_C10,
            valve_pct=min(frame[3], 100),
            manual=bool(bits & 0x01),
            holiday=bool(bits & 0x02),
            boost=bool(bits & 0x04),
            window_open=bool(bits & 0x10),
            locked=bool(bits & 0x20),
            battery_low=bool(bits & 0x80),
        )
    if len(frame) >= 14 and frame[0] == _ID:
        # The serial's characters are sent with 0x30 added.
        letters = bytes(byte - 0x30 for byte in frame[4:14] if byte >= 0x30)
        return Identity(firmware=frame[1], serial=letters.decode("ascii", "replace"))
    return None
