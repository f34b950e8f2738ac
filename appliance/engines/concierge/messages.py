"""The words of the concierge: a request and its status, the same on every surface."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed

STAFF = frozenset(
    {
        Role.FRONT_DESK,
        Role.CONCIERGE,
        Role.HOUSEKEEPING,
        Role.MAINTENANCE,
        Role.MANAGER,
        Role.ADMIN,
    }
)


class RequestType(StrEnum):
    """What is asked for."""

    HELP = "help"
    TOWELS = "towels"
    CLEANING = "cleaning"
    MAINTENANCE = "maintenance"
    LUGGAGE = "luggage"
    WAKE_UP = "wake_up"
    LEAK = "leak"
    OTHER = "other"


class RequestStatus(StrEnum):
    """Where a request is (DESIGN section 6)."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    COMPLETED = "completed"
    FAILED = "failed"


class Refusal(StrEnum):
    """Why a request is not taken or not changed."""

    UNKNOWN_STAY = "unknown_stay"
    NOT_IN_HOUSE = "not_in_house"
    NOT_YOURS = "not_yours"
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_REQUEST = "unknown_request"
    WRONG_STATUS = "wrong_status"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CARD_NUMBER = "card_number"
    TOO_MANY_OPEN = "too_many_open"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MakeRequest(Command):
    """Ask for something. `stay_id` None is a request of the house itself (a leak)."""

    name: ClassVar[str] = "concierge.make_request"
    admission: ClassVar[Admission] = Admission.GUEST
    roles: ClassVar[frozenset[Role]] = STAFF | {Role.GUEST, Role.RESIDENT, Role.SERVICE}
    stay_id: str | None
    room_id: str | None
    type: RequestType
    text: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequestStatus(Command):
    """Staff acknowledges, completes or fails a request."""

    name: ClassVar[str] = "concierge.set_request_status"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = STAFF | {Role.SERVICE}
    request_id: str
    status: RequestStatus


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMade(Event):
    """Somebody asks for something; status PENDING."""

    kind: ClassVar[str] = "concierge.request_made.v1"
    request_id: str
    asker: str
    stay_id: str | None
    room_id: str | None
    type: RequestType
    text: Sealed
    at_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStatusSet(Event):
    """A request moved on."""

    kind: ClassVar[str] = "concierge.request_status_set.v1"
    request_id: str
    status: RequestStatus
