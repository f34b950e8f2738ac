"""What became of one try: done, not done, or unknown, each with a sentence for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from appliance.kernel.messages import Command, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Homeward:
    """A command for the box; its id is derived from what made it, so asking twice is once."""

    command_id: str
    lane: str
    command: Command
    origin: Origin | None = None
    cause: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """It is done at the vendor. `evidence` says how we know."""

    sentence: str
    provider_ref: str | None = None
    evidence: str = "answer"
    # What else is to be told of it: `capture_by_s`, `amount_minor`, `customer_ref`, ...
    detail: dict[str, Any] = field(default_factory=dict)
    home: tuple[Homeward, ...] = ()
    # Written in the same transaction as the success itself, so that a kill leaves both or neither.
    within: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The provider looked at it and said no; final for this key."""

    sentence: str
    code: str | None = None
    provider_ref: str | None = None
    evidence: str = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiresAction:
    """The guest must confirm it themselves; `detail` may hold the `url` where they do."""

    sentence: str
    code: str | None = None
    provider_ref: str | None = None
    evidence: str = "answer"
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A byte left and no clear answer came. `look_first`: look before anything is sent again."""

    sentence: str
    look_first: bool = True
    provider_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Certainly nothing happened at the vendor; try again when the way is free."""

    sentence: str
    wait_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Certainly nothing happened, but what we knew was stale: look, then decide anew."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt:
    """Proven absent at the vendor: a new attempt with a new key may be made."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The vendor refused it by a rule of theirs: parked, with their words.

    `said`: so was their one answer, which may have been an accident of theirs; asked once more.
    """

    sentence: str
    said: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Its usefulness ended: before it was ever sent, or proven undone and too late now."""

    sentence: str
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """A person must look; nothing is sent again by itself."""

    sentence: str
    code: str | None = None
    provider_ref: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


Outcome = (
    Succeeded
    | Declined
    | RequiresAction
    | Unknown
    | NotSent
    | Again
    | NewAttempt
    | Refused
    | Expired
    | Manual
)
