"""The words of identity: staff and their PINs, shifts, and every session of staff and guests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, Trust, asked, fact
from appliance.kernel.sealed import Sealed

HEADS = frozenset({Role.MANAGER, Role.ADMIN, Role.INSTALLER, Role.SERVICE})
BOX = frozenset({Role.SERVICE})
ANYONE_SIGNED_IN = frozenset(Role)


class SessionKind(StrEnum):
    """What a session may be used for."""

    STAFF = "staff"
    GUEST = "guest"


class Refusal(StrEnum):
    """Why nobody was added, changed or let in."""

    EXISTS = "exists"
    UNKNOWN_PERSON = "unknown_person"
    INACTIVE = "inactive"
    NO_ROLES = "no_roles"
    ROLE_NOT_FOR_STAFF = "role_not_for_staff"
    LAST_MANAGER = "last_manager"
    UNKNOWN_SESSION = "unknown_session"
    SHIFT_OPEN = "shift_open"
    NO_SHIFT = "no_shift"
    UNACKNOWLEDGED = "unacknowledged"  # open unknowns must be acknowledged at hand-over
    REUSED_REFRESH = "reused_refresh"
    STILL_ACTIVE = "still_active"  # who works here cannot be forgotten
    NOT_YOURS = "not_yours"  # another person's shift
    BAD_PIN = "bad_pin"  # no argon2id hash of a PIN that is allowed
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CARD_NUMBER = "card_number"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddStaff(Command):
    """A person of the staff. `pin_hash` is argon2id with a salt derived from the command's id."""

    name: ClassVar[str] = "identity.add_staff"
    roles: ClassVar[frozenset[Role]] = HEADS
    person_id: str
    display_name: str
    staff_roles: tuple[Role, ...]
    pin_hash: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePin(Command):
    """A new PIN for a person."""

    name: ClassVar[str] = "identity.change_pin"
    roles: ClassVar[frozenset[Role]] = HEADS
    person_id: str
    pin_hash: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class DeactivateStaff(Command):
    """A person may not sign in any more; their sessions end at once."""

    name: ClassVar[str] = "identity.deactivate_staff"
    roles: ClassVar[frozenset[Role]] = HEADS
    person_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession(Command):
    """The box let somebody in; `session_hash` is of an opaque 256-bit token, never the token.

    A guest's session names the stay; `person_id` then is the guest of that stay or None.
    """

    name: ClassVar[str] = "identity.open_session"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = BOX
    session_hash: str
    kind: SessionKind
    person_id: str | None
    stay_id: str | None
    surface: str
    terminal: str | None
    expires_at_s: int
    trust: Trust = Trust.PROVEN


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession(Command):
    """Signed out, locked out or replaced."""

    name: ClassVar[str] = "identity.end_session"
    roles: ClassVar[frozenset[Role]] = BOX
    session_hash: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RotateRefresh(Command):
    """A refresh token was used: its successor takes its place (both as hashes)."""

    name: ClassVar[str] = "identity.rotate_refresh"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = BOX
    session_hash: str
    used_hash: str
    next_hash: str
    at_s: int


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenShift(Command):
    """A person takes a terminal over."""

    name: ClassVar[str] = "identity.open_shift"
    roles: ClassVar[frozenset[Role]] = ANYONE_SIGNED_IN
    person_id: str
    terminal: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CloseShift(Command):
    """Hand-over: the open unknowns were read out and acknowledged by their ids."""

    name: ClassVar[str] = "identity.close_shift"
    roles: ClassVar[frozenset[Role]] = ANYONE_SIGNED_IN
    person_id: str
    terminal: str
    acknowledged: tuple[str, ...] = ()


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerson(Command):
    """Erase a person for ever: their key is destroyed, and destroyed again after a restore."""

    name: ClassVar[str] = "identity.forget_person"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.MANAGER, Role.ADMIN, Role.SERVICE})
    person_id: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PersonForgotten(Event):
    """A person's key is to be destroyed; the box does so at once and at every restore."""

    kind: ClassVar[str] = "identity.person_forgotten.v1"
    person_id: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class StaffAdded(Event):
    """A person works here."""

    kind: ClassVar[str] = "identity.staff_added.v1"
    person_id: str
    display_name: Sealed
    staff_roles: tuple[Role, ...]
    pin_hash: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PinChanged(Event):
    """A person has a new PIN."""

    kind: ClassVar[str] = "identity.pin_changed.v1"
    person_id: str
    pin_hash: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class StaffDeactivated(Event):
    """A person may not sign in any more."""

    kind: ClassVar[str] = "identity.staff_deactivated.v1"
    person_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(Event):
    """Somebody was let in."""

    kind: ClassVar[str] = "identity.session_opened.v1"
    session_hash: str
    session_kind: SessionKind
    person_id: str | None
    stay_id: str | None
    surface: str
    terminal: str | None
    expires_at_s: int
    trust: Trust = Trust.PROVEN


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """Somebody was let out."""

    kind: ClassVar[str] = "identity.session_ended.v1"
    session_hash: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRotated(Event):
    """A refresh token has a successor."""

    kind: ClassVar[str] = "identity.refresh_rotated.v1"
    session_hash: str
    used_hash: str
    next_hash: str
    at_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftOpened(Event):
    """A person has a terminal."""

    kind: ClassVar[str] = "identity.shift_opened.v1"
    shift_id: str
    person_id: str
    terminal: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftClosed(Event):
    """A person handed a terminal over."""

    kind: ClassVar[str] = "identity.shift_closed.v1"
    shift_id: str
    person_id: str
    terminal: str
    acknowledged: tuple[str, ...]
