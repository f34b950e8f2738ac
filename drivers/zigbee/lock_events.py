"""What a lock reports by itself, in words of the bus: who opened, with what, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import EventKind, LockRefusal
from drivers.port import Happening

if TYPE_CHECKING:
    from drivers.zigbee.lock import ZigbeeLock

OPERATION: Final = 0x20
PROGRAMMING: Final = 0x21
KEYPAD, RADIO, BY_HAND, CARD = 0x00, 0x01, 0x02, 0x03
NOBODY: Final = 0xFFFF
LOCKS: Final = frozenset(
    {0x01, 0x07, 0x08, 0x0A, 0x0B, 0x0D}
)  # also one touch, key, auto, schedule
UNLOCKS: Final = frozenset({0x02, 0x09, 0x0C, 0x0E})
REFUSALS: Final = {
    0x03: LockRefusal.WRONG_PIN,
    0x04: LockRefusal.SCHEDULE,
    0x05: LockRefusal.WRONG_PIN,
    0x06: LockRefusal.SCHEDULE,
}
# Alarm codes of the door lock cluster (ZCL 7.3.2.12).
ALARM_JAMMED: Final = 0x00
ALARMS: Final = {
    0x03: EventKind.TAMPER,  # RF module power cycled
    0x04: EventKind.TAMPER,  # wrong code entry limit
    0x05: EventKind.TAMPER,  # front escutcheon removed
    0x06: EventKind.TAMPER,  # door forced while locked
}
# A motor runs for a few seconds; a jam that is told later belongs to no press of ours.
JAM_AFTER_PRESS_S: Final = 15.0


class LockEars:
    """Turns a lock's notifications into happenings."""

    def __init__(self, lock: ZigbeeLock) -> None:
        self._lock = lock

    def event(self, tsn: int, args: Any) -> None:
        """An operation or a programming event; the latter only moves the PIN table."""
        if not hasattr(args, "operation_event_code"):
            return
        source, code = int(args.operation_event_source), int(args.operation_event_code)
        user = int(args.user_id)
        # The notification may hold the digits that were typed: they go nowhere, not even hashed.
        key = (
            f"{self._lock.entry.ieee}/0101/{tsn:02x}/{source:02x}{code:02x}{user:04x}"
            f"{int(args.local_time):08x}"
        )
        if code in REFUSALS:
            self._lock.happened(
                Happening(
                    kind=EventKind.REFUSED,
                    refusal=REFUSALS[code],
                    slot=self._slot(source, user),
                    key=key,
                )
            )
            return
        if code not in LOCKS | UNLOCKS:
            return
        order_id = None
        if source == RADIO:
            order_id = self._lock.radio_event(code)
        elif code in UNLOCKS:
            self._lock.moved_by_somebody()
        else:
            # Whoever locks by hand has found it open.
            self._lock.was_open()
        self._lock.bolt_is("unlocked" if code in UNLOCKS else "locked")
        self._lock.happened(
            Happening(
                kind=EventKind.UNLOCKED if code in UNLOCKS else EventKind.LOCKED,
                order_id=order_id,
                slot=self._slot(source, user),
                key=key,
            )
        )
        self._lock.said()

    def alarm(self, code: int) -> None:
        """The alarms cluster: also how a lock that said yes too early takes it back."""
        if code == ALARM_JAMMED:
            order_id = self._lock.jam(JAM_AFTER_PRESS_S)
            self._lock.happened(Happening(kind=EventKind.JAMMED, order_id=order_id))
        elif (kind := ALARMS.get(code)) is not None:
            self._lock.happened(Happening(kind=kind))

    def _slot(self, source: int, user: int) -> int | None:
        """The house's slot of the lock's user, where a PIN was typed."""
        if source != KEYPAD or user == NOBODY:
            return None
        return self._lock.slots.house_slot(user)
