"""The object ids of BTHome v2 (bthome.io/format): how long, with or without sign, times what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Quantity(StrEnum):
    """What the house understands; every other object is skipped by its length."""

    PACKET = "packet"
    BATTERY = "battery"  # percent
    TEMPERATURE = "temperature"  # tenths of a degree Celsius
    HUMIDITY = "humidity"  # tenths of a percent
    LIGHT = "light"  # lux
    ENERGY = "energy"  # Wh
    POWER = "power"  # tenths of a watt
    WATER = "water"  # ml
    BATTERY_LOW = "battery_low"
    OPENING = "opening"
    WET = "wet"
    MOTION = "motion"
    OCCUPANCY = "occupancy"
    SMOKE = "smoke"
    TAMPER = "tamper"
    BUTTON = "button"


@dataclass(frozen=True, slots=True)
class Form:
    """How one object is written: `size` bytes, little endian, times `factor` in our unit."""

    size: int
    quantity: Quantity | None = None
    factor: float = 1.0
    signed: bool = False


_Q = Quantity

# Text and raw bytes carry their own length.
VARIABLE: Final = frozenset({0x53, 0x54})

FORMS: Final[dict[int, Form]] = {
    0x00: Form(1, _Q.PACKET),
    0x01: Form(1, _Q.BATTERY),
    0x02: Form(2, _Q.TEMPERATURE, 0.1, signed=True),
    0x03: Form(2, _Q.HUMIDITY, 0.1),
    0x04: Form(3),  # pressure
    0x05: Form(3, _Q.LIGHT, 0.01),
    0x06: Form(2),  # mass, kg
    0x07: Form(2),  # mass, lb
    0x08: Form(2, signed=True),  # dew point
    0x09: Form(1),  # count
    0x0A: Form(3, _Q.ENERGY),
    0x0B: Form(3, _Q.POWER, 0.1),
    0x0C: Form(2),  # voltage
    0x0D: Form(2),  # particles of 2.5 um
    0x0E: Form(2),  # particles of 10 um
    0x0F: Form(1),  # any yes or no
    0x10: Form(1),  # power on
    0x11: Form(1, _Q.OPENING),
    0x12: Form(2),  # carbon dioxide
    0x13: Form(2),  # volatile organic compounds
    0x14: Form(2),  # moisture of a plant's earth, percent
    0x15: Form(1, _Q.BATTERY_LOW),
    0x16: Form(1),  # charging
    0x17: Form(1),  # carbon monoxide
    0x18: Form(1),  # cold
    0x19: Form(1),  # connectivity
    0x1A: Form(1, _Q.OPENING),  # door
    0x1B: Form(1, _Q.OPENING),  # garage door
    0x1C: Form(1),  # gas
    0x1D: Form(1),  # heat
    0x1E: Form(1),  # light seen
    0x1F: Form(1),  # lock
    0x20: Form(1, _Q.WET),
    0x21: Form(1, _Q.MOTION),
    0x22: Form(1, _Q.MOTION),  # moving
    0x23: Form(1, _Q.OCCUPANCY),
    0x24: Form(1),  # plug
    0x25: Form(1, _Q.OCCUPANCY),  # presence
    0x26: Form(1),  # problem
    0x27: Form(1),  # running
    0x28: Form(1),  # safety
    0x29: Form(1, _Q.SMOKE),
    0x2A: Form(1),  # sound
    0x2B: Form(1, _Q.TAMPER),
    0x2C: Form(1),  # vibration
    0x2D: Form(1, _Q.OPENING),  # window
    0x2E: Form(1, _Q.HUMIDITY, 10.0),
    0x2F: Form(1),  # moisture, whole percent
    0x3A: Form(1, _Q.BUTTON),
    0x3C: Form(2),  # dimmer
    0x3D: Form(2),  # count
    0x3E: Form(4),
    0x3F: Form(2, signed=True),  # rotation
    0x40: Form(2),  # distance, mm
    0x41: Form(2),  # distance, m
    0x42: Form(3),  # duration
    0x43: Form(2),  # current
    0x44: Form(2),  # speed
    0x45: Form(2, _Q.TEMPERATURE, 1.0, signed=True),
    0x46: Form(1),  # ultraviolet index
    0x47: Form(2),  # volume
    0x48: Form(2),
    0x49: Form(2),  # flow
    0x4A: Form(2),  # voltage
    0x4B: Form(3),  # gas volume
    0x4C: Form(4),
    0x4D: Form(4, _Q.ENERGY),
    0x4E: Form(4),  # volume
    0x4F: Form(4, _Q.WATER),
    0x50: Form(4),  # time of day
    0x51: Form(2),  # acceleration
    0x52: Form(2),  # gyroscope
    0x55: Form(4),  # volume in store
    0x56: Form(2),  # conductivity
    0x57: Form(1, _Q.TEMPERATURE, 10.0, signed=True),
    0x58: Form(1, _Q.TEMPERATURE, 3.5, signed=True),
    0x59: Form(1, signed=True),  # count
    0x5A: Form(2, signed=True),
    0x5B: Form(4, signed=True),
    0x5C: Form(4, _Q.POWER, 0.1, signed=True),
    0x5D: Form(2, signed=True),  # current
    0x5E: Form(2),  # direction
    0x5F: Form(2),  # rain
    0x60: Form(1),  # channel
    0x61: Form(2),  # turns a minute
    0x62: Form(4, signed=True),  # speed
    0x63: Form(4, signed=True),  # acceleration
    0x64: Form(1),  # light level
    0xF0: Form(2),  # device type
    0xF1: Form(4),  # firmware
    0xF2: Form(3),
}
