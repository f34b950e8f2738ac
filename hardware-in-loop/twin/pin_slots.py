"""The PIN memory of a lock: slots that stay sealed under the device's own secret."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.bus.words import LockRefusal
from drivers.judge import No, Pass, outside

if TYPE_CHECKING:
    from drivers.judge import DeviceTime, Judge
    from twin.flash import Flash

# A typical keypad lock has 100 to 250 slots.
SLOT_MAX: Final = 249
NONCE_BYTES: Final = 12
PIN_DIGITS_MIN: Final = 4
PIN_DIGITS_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One PIN and when it is good; times in s since 1970, UTC."""

    slot: int
    sealed: bytes
    valid_from_s: int
    valid_until_s: int
    generation: int | None  # None where generations do not count: staff


def judge_slot(slot: Slot, judge: Judge, time: DeviceTime) -> Pass | No:
    """Whether a PIN that was typed right opens now: the same at every lock of ours."""

    def no(refusal: LockRefusal) -> No:
        return No(refusal=refusal, slot=slot.slot, generation=slot.generation)

    if slot.generation is not None and judge.superseded(slot.generation):
        return no(LockRefusal.SUPERSEDED)
    if not time.sure:
        return no(LockRefusal.NO_TIME)
    if (late := outside(slot.valid_from_s, slot.valid_until_s, time)) is not None:
        return no(late)
    if judge.privacy:
        return no(LockRefusal.PRIVACY)
    return Pass(slot=slot.slot, generation=slot.generation)


class PinSlots:
    """Slots by number. Opened digits live in memory only and never leave this object."""

    def __init__(self, flash: Flash, *, device: str, secret: bytes) -> None:
        """`secret` is the 32 bytes given to the device when it was provisioned."""
        self._flash = flash
        self._device = device.encode()
        self._box = AESGCM(secret)
        self._slots: dict[int, tuple[Slot, bytes]] = {}
        for value in flash.section("pin").values():
            slot = value if isinstance(value, Slot) else msgspec.convert(value, Slot)
            digits = self._open(slot.sealed)
            if digits is not None:
                self._slots[slot.slot] = (slot, digits)

    def put(self, slot: Slot) -> bool:
        """Fill or replace a slot; False where the box does not open to a PIN or the slot is none."""
        digits = self._open(slot.sealed)
        if digits is None or not 0 <= slot.slot <= SLOT_MAX:
            return False
        self._slots[slot.slot] = (slot, digits)
        self._flash.put("pin", str(slot.slot), slot)
        return True

    def clear(self, number: int) -> None:
        """Empty a slot; an empty one stays empty."""
        self._slots.pop(number, None)
        self._flash.drop("pin", str(number))

    def matching(self, digits: str) -> list[Slot]:
        """Slots with these digits; takes as long for a wrong PIN as for a right one."""
        tried = digits.encode()
        return [s for s, pin in self._slots.values() if hmac.compare_digest(pin, tried)]

    def __len__(self) -> int:
        """How many slots are filled."""
        return len(self._slots)

    def _open(self, sealed: bytes) -> bytes | None:
        try:
            digits = self._box.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._device)
        except (InvalidTag, ValueError):
            return None
        right = PIN_DIGITS_MIN <= len(digits) <= PIN_DIGITS_MAX and digits.isdigit()
        return digits if right else None


def seal_pin(digits: str, *, device: str, secret: bytes, nonce: bytes) -> bytes:
    """What the box puts into an order's `pin_sealed`: nonce (12 bytes), then the closed box."""
    return nonce + AESGCM(secret).encrypt(nonce, digits.encode("ascii"), device.encode())
