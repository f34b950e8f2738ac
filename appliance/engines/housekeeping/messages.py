"""The words of housekeeping: a room's status, and what is to be cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact

KEEPERS = frozenset(
    {
        Role.HOUSEKEEPING,
        Role.MAINTENANCE,
        Role.FRONT_DESK,
        Role.MANAGER,
        Role.ADMIN,
        Role.SERVICE,
    }
)


class RoomStatus(StrEnum):
    """What state a room is in; CLEAN and INSPECTED may be given to a guest."""

    CLEAN = "clean"
    DIRTY = "dirty"
    INSPECTED = "inspected"
    OUT_OF_ORDER = "out_of_order"


class Refusal(StrEnum):
    """Why a room's status stays."""

    UNKNOWN_ROOM = "unknown_room"
    NOT_CLEAN = "not_clean"  # only a clean room can be inspected
    REASON_NEEDED = "reason_needed"  # out of order needs one
    TOO_LONG = "too_long"
    CARD_NUMBER = "card_number"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SetRoomStatus(Command):
    """A person (or a departure) says how a room is."""

    name: ClassVar[str] = "housekeeping.set_room_status"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = KEEPERS
    room_id: str
    status: RoomStatus
    reason: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCleaning(Command):
    """An arrival, departure or move changed what a room needs on a date."""

    name: ClassVar[str] = "housekeeping.plan_cleaning"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE, *KEEPERS})
    room_id: str
    stay_id: str
    on: date | None  # the day the guest leaves; None takes the stay off the list
    why: str  # "departure", "arrival", "moved", "undone"


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomStatusSet(Event):
    """A room is clean, dirty, inspected or out of order."""

    kind: ClassVar[str] = "housekeeping.room_status_set.v1"
    room_id: str
    status: RoomStatus
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningPlanned(Event):
    """The cleaning list changed for a room."""

    kind: ClassVar[str] = "housekeeping.cleaning_planned.v1"
    room_id: str
    stay_id: str
    on: date | None
    why: str
