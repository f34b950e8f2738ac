"""What the entries of an NPK lock's log are called in the house."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.words import EventKind, LockRefusal
from appliance.kernel.clock import UNCERTAINTY_UNKNOWN_MS
from drivers.npk.codes import LogKind, Status, refusal_of
from drivers.npk.log import slot_of
from drivers.port import Happening

if TYPE_CHECKING:
    from drivers.npk.log import Entry

# What somebody tried: it happened, was refused, or the motor stuck.
_TRIES: Final = {
    LogKind.UNLOCK: EventKind.UNLOCKED,
    LogKind.OFFICE: EventKind.UNLOCKED,
    LogKind.PIN: EventKind.UNLOCKED,
    LogKind.LOCK: EventKind.LOCKED,
}
_PLAIN: Final = {
    LogKind.RELOCK: EventKind.LOCKED,
    LogKind.DOOR_OPENED: EventKind.DOOR_OPENED,
    LogKind.DOOR_CLOSED: EventKind.DOOR_CLOSED,
    LogKind.TAMPER: EventKind.TAMPER,
    LogKind.JAMMED: EventKind.JAMMED,
    LogKind.BATTERY_LOW: EventKind.BATTERY_LOW,
    LogKind.CLOCK_LOST: EventKind.CLOCK_LOST,
    LogKind.AJAR: EventKind.AJAR,
}


def happening(entry: Entry, order_id: str | None) -> Happening | None:
    """The event of one entry; None for the lock's own housekeeping."""
    kind, refusal = _kind(entry)
    if kind is None:
        return None
    known = entry.uncertainty_s >= 0
    return Happening(
        kind=kind,
        own_seq=entry.seq,
        wall_ms=entry.wall_s * 1000,
        uncertainty_ms=entry.uncertainty_s * 1000 if known else UNCERTAINTY_UNKNOWN_MS,
        order_id=order_id,
        cti=entry.cti.hex() or None,
        refusal=refusal,
        slot=slot_of(entry),
    )


def _kind(entry: Entry) -> tuple[EventKind | None, LockRefusal | None]:
    try:
        kind = LogKind(entry.kind)
    except ValueError:  # a newer lock; its number is not lost, only its name
        return None, None
    if entry.status == Status.UNKNOWN:
        # Begun, and the cells were out before the end: whether the bolt moved nobody knows.
        return EventKind.TAMPER if kind is LogKind.TAMPER else None, None
    refusal = refusal_of(entry.status)
    if refusal is LockRefusal.JAMMED:
        return EventKind.JAMMED, refusal
    if refusal is not None:
        return EventKind.REFUSED, refusal
    return _TRIES.get(kind) or _PLAIN.get(kind), None
