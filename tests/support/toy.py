"""A toy engine that is small enough to see through: shelves that hold numbered parcels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from appliance.kernel.engine import (
    Connection,
    Context,
    Decision,
    Engine,
    Facts,
    Handling,
    InlineReaction,
    No,
    Projection,
    Reaction,
    Recorded,
    Yes,
)
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed, seal_later
from appliance.kernel.values import derived_id

SHELF_ROOM_MAX = 3


class Refusal(StrEnum):
    """Why a parcel stays in the lobby."""

    FULL = "full"
    CURSED = "cursed"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class Shelve(Command):
    """Put a parcel on a shelf."""

    name: ClassVar[str] = "toy.shelve"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.FRONT_DESK, Role.SERVICE})
    shelf: str
    owner: str
    what: str = "parcel"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class Ring(Command):
    """Ring the bell: a door-class command that touches one stream."""

    name: ClassVar[str] = "toy.ring"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = frozenset({Role.FRONT_DESK, Role.SERVICE})
    bell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheard(Command):
    """What no engine here decides."""

    name: ClassVar[str] = "toy.unheard"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.FRONT_DESK})


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved(Event):
    """A parcel is on a shelf."""

    kind: ClassVar[str] = "toy.shelved.v1"
    shelf: str
    owner: Sealed
    what: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class Rung(Event):
    """The bell rang."""

    kind: ClassVar[str] = "toy.rung.v1"
    bell: str


def fold(state: int | None, events: Iterable[Event]) -> int:
    """How many parcels a shelf holds."""
    return (state or 0) + sum(isinstance(event, Shelved | Rung) for event in events)


def shelve(state: int, command: Shelve, context: Context) -> Decision:
    """At most three to a shelf; the cursed ones raise, are refused or hurt a neighbour."""
    if command.what == "bomb":
        raise ZeroDivisionError(command.owner)
    if command.what == "riddle":
        return No(refusal=Refusal.CURSED, detail={"shelf": object()})
    if command.what == "shrug":
        return None  # type: ignore[return-value]
    if command.what == "curse":
        return No(refusal=Refusal.CURSED, detail={"shelf": command.shelf})
    if state >= SHELF_ROOM_MAX:
        return Refusal.FULL
    owner = seal_later(derived_id("person", command.owner), command.owner)
    event = Shelved(shelf=command.shelf, owner=owner, what=command.what)
    return Yes(events=[event], result={"parcel": context.new_id("parcel")})


def count(db: Connection, event: Shelved, recorded: Recorded) -> None:
    """The read model: one row a parcel."""
    if event.what == "acid":
        raise ValueError(event.what)
    db.execute(
        "INSERT INTO toy_parcel (position, shelf, what) VALUES (?, ?, ?)",
        (recorded.position, event.shelf, event.what),
    )


def echo(facts: Facts, event: Shelved, recorded: Recorded) -> list[Command]:
    """Inline: a loud parcel rings the bell; a jinxed one asks for what is refused."""
    del facts, recorded
    if event.what == "loud":
        return [Ring(bell=event.shelf)]
    if event.what == "stranger":
        return [Unheard()]
    if event.what == "jinx":
        return [Shelve(shelf=event.shelf, owner="x", what="curse")]
    return []


def follow(event: Shelved, recorded: Recorded) -> list[Command]:
    """Afterwards: a slow parcel rings the bell; a poisoned one raises."""
    del recorded
    if event.what == "poison":
        raise ValueError(event.what)
    return [Ring(bell=f"slow-{event.shelf}")] if event.what == "slow" else []


def note(db: Connection, event: Shelved, recorded: Recorded) -> None:
    """The view that follows; it cannot stand venom."""
    if event.what == "venom":
        raise ValueError(event.what)
    db.execute("INSERT INTO toy_seen (position) VALUES (?)", (recorded.position,))


def _stream(command: Any, context: Context) -> str:
    del context
    return f"toy/{getattr(command, 'shelf', None) or command.bell}"


def _load(facts: Facts, command: Any, context: Context) -> int:
    state: int = facts.fold(_stream(command, context))
    return state


PARCELS = Projection(
    name="toy_parcels",
    ddl=[
        (
            "CREATE TABLE IF NOT EXISTS toy_parcel"
            " (position INTEGER PRIMARY KEY, shelf TEXT, what TEXT) STRICT"
        )
    ],
    tables=["toy_parcel"],
    on={Shelved: count},
)
SEEN = Projection(
    name="toy_seen",
    ddl=["CREATE TABLE IF NOT EXISTS toy_seen (position INTEGER PRIMARY KEY) STRICT"],
    tables=["toy_seen"],
    on={Shelved: note},
)
TOY = Engine(
    name="toy",
    handlings=[
        Handling(command=Shelve, stream=_stream, load=_load, decide=shelve),
        Handling(
            command=Ring, stream=_stream, load=_load, decide=lambda _s, c, _x: [Rung(bell=c.bell)]
        ),
    ],
    folds={"toy": fold},
    projection=PARCELS,
    views=[SEEN],
    inline=[InlineReaction(event=Shelved, react=echo)],
    reactions=[Reaction(name="bell", on={Shelved: follow})],
)
