"""The PIN slots of a lock, and the ways in which real locks keep them wrongly (ZCL8 7.3.2.15)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

OCCUPIED_ENABLED: Final = 1
AVAILABLE: Final = 0
NO_USER_TYPE: Final = 0xFF


class PinStatus(IntEnum):
    """Answer to Set PIN Code (7.3.2.17.4)."""

    SUCCESS = 0
    FAILURE = 1
    MEMORY_FULL = 2
    DUPLICATE = 3


@dataclass(frozen=True, slots=True, repr=False)
class Slot:
    """What one slot holds. Its digits are in no repr."""

    status: int
    user_type: int
    digits: bytes


class PinSlots:
    """Slots 0 to `users`-1, of which at most `memory` hold a code at once."""

    def __init__(self, *, users: int, memory: int, digits_min: int, digits_max: int) -> None:
        self.users = users
        self.memory = memory
        self.digits_min = digits_min
        self.digits_max = digits_max
        self.applies = True  # False: says yes, keeps nothing
        self._slots: dict[int, Slot] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, number: int) -> Slot | None:
        """What stands there."""
        return self._slots.get(number)

    def set(self, number: int, slot: Slot) -> PinStatus:
        """Write a code, or say why not."""
        size = len(slot.digits)
        if number >= self.users or not slot.digits.isdigit():
            return PinStatus.FAILURE
        if not self.digits_min <= size <= self.digits_max:
            return PinStatus.FAILURE
        if any(s.digits == slot.digits for n, s in self._slots.items() if n != number):
            return PinStatus.DUPLICATE
        if number not in self._slots and len(self._slots) >= self.memory:
            return PinStatus.MEMORY_FULL
        if self.applies:
            self._slots[number] = slot
        return PinStatus.SUCCESS

    def set_status(self, number: int, status: int) -> bool:
        """Enable or disable a code that is there."""
        slot = self._slots.get(number)
        if slot is None:
            return False
        self._slots[number] = Slot(status, slot.user_type, slot.digits)
        return True

    def clear(self, number: int) -> bool:
        """Whether there was anything."""
        if not self.applies:
            return False
        return self._slots.pop(number, None) is not None

    def clear_all(self) -> None:
        """Nobody's code works any more."""
        self._slots.clear()

    def matching(self, digits: bytes) -> int | None:
        """The slot whose enabled code this is."""
        return next(
            (
                number
                for number, slot in self._slots.items()
                if slot.digits == digits and slot.status == OCCUPIED_ENABLED
            ),
            None,
        )
