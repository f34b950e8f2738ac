"""The base of every fact and every request, and who is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, TypeVar


class Role(StrEnum):
    """What a person may be (DESIGN section 10). `SERVICE` is a process of the box itself."""

    GUEST = "guest"
    RESIDENT = "resident"
    FRONT_DESK = "front_desk"
    HOUSEKEEPING = "housekeeping"
    MAINTENANCE = "maintenance"
    CONCIERGE = "concierge"
    MANAGER = "manager"
    OWNER = "owner"
    ADMIN = "admin"
    INSTALLER = "installer"
    SERVICE = "service"


class Trust(StrEnum):
    """How sure the box is of who is asking."""

    ANONYMOUS = "anonymous"
    CLAIMED = "claimed"  # a guest who knew room and surname
    PROVEN = "proven"  # a PIN, a passkey, a process on the command socket


class Surface(StrEnum):
    """Where a request came in."""

    KIOSK = "kiosk"
    GUEST_APP = "guest_app"
    PORTAL = "portal"
    CONSOLE = "console"
    AGENT = "agent"
    SYNC = "sync"
    BOX = "box"


class Admission(IntEnum):
    """Which queue a command waits in; a lower number is served first."""

    DOOR = 0
    DESK = 1
    MONEY = 2
    GUEST = 3
    BULK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The asker of a command: written beside every fact it causes."""

    actor: str
    role: Role
    trust: Trust = Trust.PROVEN
    surface: Surface = Surface.BOX
    terminal: str | None = None
    shift: str | None = None
    on_behalf_of: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a fact was learned when it happened outside the box."""

    source: str
    upstream_id: str
    version: str
    occurred_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Never edited, never deleted."""

    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something asked for. Its id travels beside it, so that asking twice is asking once.

    `roles` is the closed list of who may ask at all; what is theirs to touch is for the rules.
    """

    name: ClassVar[str]
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]]


class KernelRefusal(StrEnum):
    """What the kernel itself answers, before or instead of an engine's own refusal."""

    WRONG_ROLE = "wrong_role"
    ID_REUSED = "id_reused"  # the same id came with another body
    OVERLOADED = "overloaded"  # the class's queue is full: nothing was looked at
    TOO_LARGE = "too_large"
    BROKEN = "broken"  # a rule, projection or reaction raised: nothing was written
    NOT_STORED = "not_stored"  # the disk refused: nothing was written
    UNKNOWN_COMMAND = "unknown_command"
    MALFORMED = "malformed"  # text that is not Unicode, or an id that names nothing
    CARD_NUMBER = "card_number"  # a text of it looks like the number of a card


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The command took effect, now or the first time it was asked.

    `result` holds references only (ids, states), never a secret; `position` is the last fact's.
    """

    position: int
    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command changed nothing. `code` is the refusal's value, `engine` whose it is."""

    engine: str
    code: str
    detail: dict[str, Any]


Answer = Done | Refused

EventT = TypeVar("EventT", bound=Event)
CommandT = TypeVar("CommandT", bound=Command)

event_of: dict[str, type[Event]] = {}
command_of: dict[str, type[Command]] = {}


def fact(event: type[EventT]) -> type[EventT]:
    """Class decorator: let the log read this kind back."""
    assert event.kind not in event_of, f"two events share the kind {event.kind!r}"
    event_of[event.kind] = event
    return event


def asked(command: type[CommandT]) -> type[CommandT]:
    """Class decorator: let the command be asked over a socket by its name."""
    assert command.name not in command_of, f"two commands share the name {command.name!r}"
    command_of[command.name] = command
    return command
