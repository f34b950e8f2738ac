"""The words of the calendar: who holds which room-night; half-open, one holder for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact

# People reach the calendar through what they do (a stay, an amenity booking), whose engine asks in
# the same transaction: nobody frees a room-night under a guest by asking the calendar itself.
KEEPERS = frozenset({Role.SERVICE})
# What is only closed is nobody's: a guest of the channel may stand at the desk.
OPENERS = frozenset({Role.FRONT_DESK, Role.MANAGER, Role.ADMIN})


class Refusal(StrEnum):
    """Why nothing is held."""

    SOLD_OUT = "sold_out"
    ROOM_TAKEN = "room_taken"
    ALLOTMENT_SPENT = "allotment_spent"
    UNKNOWN_ROOM_TYPE = "unknown_room_type"
    UNKNOWN_RESOURCE = "unknown_resource"
    BAD_DATES = "bad_dates"
    NOT_HELD = "not_held"
    TOO_MANY_ROOMS = "too_many_rooms"  # an allotment beyond the rooms there are


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldNights(Command):
    """Hold one room of a type for [start, end) for a holder; replaces what it held before.

    With `adding` the other nights it holds stay as they are (an extension, a move from a date on).
    `confirmed` (the PMS sold it) is never refused: it may overbook, and says so. What the box
    sells itself is unconfirmed until the PMS knows it, and counts against the offline allotment.
    """

    name: ClassVar[str] = "calendar.hold_nights"
    roles: ClassVar[frozenset[Role]] = KEEPERS
    holder_id: str
    room_type_id: str
    start: date
    end: date
    confirmed: bool
    beyond_allotment: bool = False  # a manager's word
    adding: bool = False


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResource(Command):
    """Claim a named resource ("room:204") for [start, end); exactly one holder per night."""

    name: ClassVar[str] = "calendar.claim"
    roles: ClassVar[frozenset[Role]] = KEEPERS
    resource: str
    holder_id: str
    start: date
    end: date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResource(Command):
    """Let go of what a holder claimed of a resource from a date on."""

    name: ClassVar[str] = "calendar.release"
    roles: ClassVar[frozenset[Role]] = KEEPERS
    resource: str
    holder_id: str
    start: date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHolder(Command):
    """Let go of everything a holder holds from a date on (None: all of it)."""

    name: ClassVar[str] = "calendar.release_holder"
    roles: ClassVar[frozenset[Role]] = KEEPERS
    holder_id: str
    start: date | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmHold(Command):
    """The PMS knows this sale now: the allotment it used is free again."""

    name: ClassVar[str] = "calendar.confirm_hold"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = KEEPERS
    holder_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The nights [start, end)."""

    start: date
    end: date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CloseNights(Command):
    """Close one room of a type for exactly these nights from `since` on; replaces what was closed.

    With `room_id` that very room is closed. What somebody holds already stays theirs: a closure
    takes only what is free, overbooks nothing, and no stretches open everything again. Nights
    before `since` are over, and stay as they were.
    """

    name: ClassVar[str] = "calendar.close_nights"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = KEEPERS
    closure_id: str
    room_type_id: str
    room_id: str | None
    since: date
    stretches: tuple[Stretch, ...]


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SetAllotment(Command):
    """How many rooms of a type the box may sell by itself in each night of [start, end).

    None takes the nights' own number away: the live rule's, or the property file's, counts again.
    """

    name: ClassVar[str] = "calendar.set_allotment"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.MANAGER, Role.ADMIN})
    room_type_id: str
    start: date
    end: date
    rooms: int | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class AllotmentSet(Event):
    """Nights have an allotment of their own, or with None no longer."""

    kind: ClassVar[str] = "calendar.allotment_set.v1"
    room_type_id: str
    start: date
    end: date
    rooms: int | None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenNights(Command):
    """A person opens closed nights [start, end) to sell them: of a room, or of a type's closures.

    What is not sold may be closed again by whoever closed it, a feed within a day.
    """

    name: ClassVar[str] = "calendar.open_nights"
    roles: ClassVar[frozenset[Role]] = OPENERS
    room_type_id: str
    room_id: str | None
    start: date
    end: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class NightsHeld(Event):
    """A room of a type is held for [start, end). `overbooked` lists nights beyond capacity."""

    kind: ClassVar[str] = "calendar.nights_held.v1"
    holder_id: str
    room_type_id: str
    start: date
    end: date
    confirmed: bool
    overbooked: tuple[date, ...] = ()
    at_risk: bool = False
    adding: bool = False  # nights outside [start, end) stay as they were


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceClaimed(Event):
    """A resource has its one holder for [start, end)."""

    kind: ClassVar[str] = "calendar.resource_claimed.v1"
    resource: str
    holder_id: str
    start: date
    end: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReleased(Event):
    """A holder let go of a resource from a date on."""

    kind: ClassVar[str] = "calendar.resource_released.v1"
    resource: str
    holder_id: str
    start: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class HolderReleased(Event):
    """A holder holds nothing from a date on (None: nothing at all)."""

    kind: ClassVar[str] = "calendar.holder_released.v1"
    holder_id: str
    start: date | None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class HoldConfirmed(Event):
    """A sale of the box is known to the PMS."""

    kind: ClassVar[str] = "calendar.hold_confirmed.v1"
    holder_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAgain(Event):
    """The overbooked `nights` of a holder have room again: others let go, or it holds other nights.

    It stands in the stream of the holder whose change made the room.
    """

    kind: ClassVar[str] = "calendar.room_again.v1"
    holder_id: str
    nights: tuple[date, ...]


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class NightsClosed(Event):
    """From `since` on a closure holds exactly these nights; `left` it asked for, and others hold."""

    kind: ClassVar[str] = "calendar.nights_closed.v1"
    closure_id: str
    room_type_id: str
    room_id: str | None
    since: date
    stretches: tuple[Stretch, ...]
    left: tuple[Stretch, ...] = ()


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class NightsOpened(Event):
    """A person opened what a closure held of [start, end)."""

    kind: ClassVar[str] = "calendar.nights_opened.v1"
    closure_id: str
    start: date
    end: date
