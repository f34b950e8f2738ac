"""What one calendar file says: stretches of nights, each a booking, a closure, or either."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Kind(StrEnum):
    """What a channel calls a stretch of nights (cloud.md section 4).

    `CLOSED` is Booking.com's one word for a booking and a block alike: the nights are closed, and
    because a guest may come, its absence is judged as a booking's.
    """

    RESERVED = "reserved"
    CLOSED = "closed"
    BLOCKED = "blocked"

    @property
    def guest_may_come(self) -> bool:
        """Whether losing it by mistake could cost a guest the room."""
        return self is not Kind.BLOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event of a calendar: the nights [start, end), as RFC 5545 3.6.1 counts them."""

    uid: str
    kind: Kind
    start: date
    end: date
    code: str = ""  # the channel's confirmation number, where the file says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One whole calendar file as read.

    `unread` are entries that are there and cannot be used (an end before its start): present, so
    nothing of them vanished. `cancelled` are those with STATUS:CANCELLED, an explicit word.
    """

    entries: tuple[Entry, ...] = ()
    unread: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()
