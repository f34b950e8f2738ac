"""The shape of an engine as the kernel sees it: rules to ask, read models to feed, reactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from appliance.kernel.clock import Reading
from appliance.kernel.messages import Command, Event, Origin, Who
from appliance.kernel.values import derived_id


class Cursor(Protocol):
    """What `execute` gives: rows as tuples."""

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Every row that is left."""
        ...


class Connection(Protocol):
    """The little of SQLite that the log and read models use; sqlite3 and apsw both fit."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement; the answer is a `Cursor`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One fact as it stands in the log."""

    position: int
    stream: str
    version: int
    event: Event
    command_id: str
    who: Who
    origin: Origin | None
    cause: str | None
    trace: str | None
    at_wall_ms: int
    at_boot_ms: int
    boot_id: str
    uncertainty_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may know beside state and command: who asks, and what the clock says."""

    who: Who
    now: Reading
    command_id: str
    origin: Origin | None = None

    def new_id(self, prefix: str, *parts: str) -> str:
        """An id for something this command makes: the same whenever the same asker repeats it."""
        return derived_id(prefix, self.who.actor, self.command_id, *parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Yes:
    """A decision with references for the asker; a bare list of events is one without.

    `stream` is for the rare rule that learns only from its state whose facts these are (a booking
    the PMS calls by its own id); None keeps the handling's.
    """

    events: Sequence[Event]
    result: Mapping[str, Any] = field(default_factory=dict)
    stream: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A refusal with what the asker may be told; a bare enum member is one without."""

    refusal: StrEnum
    detail: Mapping[str, Any] = field(default_factory=dict)


Decision = Yes | No | Sequence[Event] | StrEnum


class Facts(Protocol):
    """What a loader may look at: the engine's own streams, read models and live rules.

    It runs on the writer's connection and sees everything decided before, also in this batch.
    """

    def fold(self, stream: str) -> Any:
        """The state of one stream by its engine's fold."""
        ...

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query over inline read models."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Every row of a query over inline read models."""
        ...

    def setting(self, key: str, default: Any, scope: str = "property") -> Any:
        """The live rule in force, or the default."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How one command is decided: which stream, which state, which rule."""

    command: type[Command]
    stream: Callable[[Any, Context], str]
    load: Callable[[Facts, Any, Context], Any]
    decide: Callable[[Any, Any, Context], Decision]


Fold = Callable[[Any, Iterable[Event]], Any]
"""(state or None, events) -> state. States are values: a fold never changes one in place."""

Apply = Callable[[Connection, Any, Recorded], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """A read model: its tables, and how one fact changes them.

    `ddl` is a sequence of `CREATE TABLE/INDEX IF NOT EXISTS` statements; `tables` names every
    table of it, so that a rebuild can empty and fill them.
    """

    name: str
    ddl: Sequence[str]
    tables: Sequence[str]
    on: Mapping[type[Event], Apply]


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineReaction:
    """Another engine's fact makes this engine act in the same transaction.

    A refusal of one of the commands takes the whole first command back.
    """

    event: type[Event]
    react: Callable[[Facts, Any, Recorded], Sequence[Command]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """Another engine's fact makes this engine act afterwards, by a durable cursor.

    `react` is pure; command ids derive from the fact's position, so a repeat asks nothing new.
    `worth` looks into the engine's own tables whether a command is worth asking at all.
    """

    name: str
    on: Mapping[type[Event], Callable[[Any, Recorded], Sequence[Command]]]
    worth: Callable[[Connection, Any], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One room of the house, as the composition root hands it to the kernel."""

    name: str
    handlings: Sequence[Handling] = ()
    folds: Mapping[str, Fold] = field(default_factory=dict)  # by the stream's first part
    projection: Projection | None = None  # inline
    views: Sequence[Projection] = ()  # followers
    inline: Sequence[InlineReaction] = ()
    reactions: Sequence[Reaction] = ()
    # What it guards must not happen unseen: where it raises at another engine's fact, that command
    # is broken. Any other engine that raises misses the fact, is shown, and stops nobody.
    guards: bool = False
