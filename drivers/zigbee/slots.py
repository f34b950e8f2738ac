"""Which PIN slots of a lock are the house's, and what stands in them: numbers and times, never digits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from pathlib import Path

# Slot 0 is the master code on most keypads; whoever fitted the lock chose it, and it is theirs.
MASTER_SLOT: Final = 0
# Kept for staff, so that a full house of guests cannot shut housekeeping out.
STAFF_SLOTS: Final = 4
# What a lock is taken to have that does not say; the smallest keypad lock seen has ten.
USERS_UNKNOWN: Final = 10


class SlotState(StrEnum):
    """What stands in a slot as far as we know."""

    PUTTING = "putting"  # told to the lock, not read back
    HELD = "held"  # read back
    CLEARING = "clearing"  # told to the lock, not read back


@dataclass(slots=True, kw_only=True)
class Slot:
    """One slot of a lock: `house` is the order's slot, `user` the lock's own number."""

    house: int
    user: int
    state: SlotState
    order_id: str
    staff: bool
    valid_until_s: int | None = None


@dataclass(slots=True, kw_only=True)
class _File:
    locks: dict[str, list[Slot]] = field(default_factory=dict)


class SlotBook:
    """The slots of all locks of one stick, in one file (0600) beside the network's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError:
            self._file = _File()

    def of(self, ieee: str) -> list[Slot]:
        """One lock's slots; changing the list and calling `keep` is how they change."""
        return self._file.locks.setdefault(ieee, [])

    def keep(self) -> None:
        """Write them down, durably: a slot is ours before the lock is told."""
        write_whole(self._path, msgspec.json.encode(self._file))


class SlotTable:
    """One lock's table."""

    def __init__(self, book: SlotBook, ieee: str) -> None:
        self._book = book
        self._slots = book.of(ieee)

    def find(self, house: int) -> Slot | None:
        """The slot that holds the house's slot."""
        return next((slot for slot in self._slots if slot.house == house), None)

    def of_order(self, order_id: str) -> Slot | None:
        """The slot that this order last touched."""
        return next((slot for slot in self._slots if slot.order_id == order_id), None)

    def house_slot(self, user: int) -> int | None:
        """Whose PIN was typed, in the house's numbers; None: not one of ours."""
        return next((slot.house for slot in self._slots if slot.user == user), None)

    def take(self, house: int, *, staff: bool, users: int | None, order_id: str) -> Slot | None:
        """The slot for this PIN, marked PUTTING and written down; None where the lock is full."""
        slot = self.find(house)
        if slot is None:
            user = self._free(staff=staff, users=users or USERS_UNKNOWN)
            if user is None:
                return None
            slot = Slot(
                house=house, user=user, state=SlotState.PUTTING, order_id=order_id, staff=staff
            )
            self._slots.append(slot)
        self.mark(slot, SlotState.PUTTING, order_id)
        return slot

    def mark(self, slot: Slot, state: SlotState, order_id: str) -> None:
        """Note what was told or read back."""
        slot.state, slot.order_id = state, order_id
        self._book.keep()

    def drop(self, slot: Slot) -> None:
        """It is empty: read back."""
        self._slots.remove(slot)
        self._book.keep()

    def forget(self) -> None:
        """The lock has left."""
        self._slots.clear()
        self._book.keep()

    def _free(self, *, staff: bool, users: int) -> int | None:
        first_guest = MASTER_SLOT + 1 + STAFF_SLOTS
        wanted = range(MASTER_SLOT + 1, first_guest) if staff else range(first_guest, users)
        taken = {slot.user for slot in self._slots}
        return next((user for user in wanted if user < users and user not in taken), None)
