"""The words of what a person decides about an item that sync has put aside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from appliance.engines.stays.messages import DESK, MANAGERS
from appliance.kernel.messages import Command, Event, Role, asked, fact

# As many as any vendor takes in one booking.
PEOPLE_MAX: Final = 99
NO_ROOM: Final = "none"  # how a person writes that the vendor is told of no room


class ParkedAct(StrEnum):
    """What sync is to do with it."""

    RETRY = "retry"  # look it up outside, then try again
    DONE = "done"  # a person did it at the vendor: nothing is sent any more
    EDIT = "edit"  # the vendor is told something else; then as RETRY


class ParkedField(StrEnum):
    """What of an act can be told otherwise; of which act which, sync knows (sync.editing)."""

    ROOM = "room"  # the number on a door, or NO_ROOM
    ADULTS = "adults"
    CHILDREN = "children"
    DEPARTURE = "departure"  # a day, written 2026-11-29
    LEFT_ON = "left_on"  # a day


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedChange:
    """One field and what the vendor is told instead. A room, a number or a day: no person's data."""

    field: ParkedField
    value: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryParked(Command):
    """Ask sync to try a parked item again; it looks first, so nothing happens twice."""

    name: ClassVar[str] = "stays.retry_parked"
    roles: ClassVar[frozenset[Role]] = DESK
    item_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkParkedDone(Command):
    """Say that a person has done it at the vendor. A manager's word: nobody checks it there."""

    name: ClassVar[str] = "stays.mark_parked_done"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    item_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EditParked(Command):
    """Change what a vendor is told, and ask sync to try again; the stay here stays as it is."""

    name: ClassVar[str] = "stays.edit_parked"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    item_id: str
    changes: tuple[ParkedChange, ...]


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedDecided(Event):
    """A person decided about an item of sync's; sync reads it when it is up, and once."""

    kind: ClassVar[str] = "stays.parked_decided.v1"
    item_id: str  # as sync calls it: an effect, `mews:ID`, `ical:...`, `inbox:N`
    act: ParkedAct
    changes: tuple[ParkedChange, ...] = ()  # of EDIT alone
