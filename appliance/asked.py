"""What every room's api.py is written in: who asks, how to ask, and what an answer looks like.

It lies beside the floors because rooms may not know the web above them, and the web fills it in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, NewType, Protocol

import strawberry
from strawberry.types import Info as StrawberryInfo

from appliance.kernel import messages
from appliance.kernel.clock import Clock
from appliance.kernel.messages import Command, Done, Refused, Who
from appliance.kernel.reader import Reader

# 2^53 - 1: the largest whole number that every JSON reader keeps exactly.
EXACT_MAX = 9_007_199_254_740_991

Minor = NewType("Minor", int)
"""Whole numbers beyond 32 bits: money in minor units, milliseconds, seconds."""

Date = NewType("Date", date)
"""A day, YYYY-MM-DD."""

JSON = NewType("JSON", object)
"""Any JSON value."""


def _as_it_is(value: Any) -> Any:
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > EXACT_MAX:
        raise ValueError("a whole number is needed here")
    return value


def _day(value: object) -> date:
    if not isinstance(value, str) or len(value) != len("2026-01-31"):
        raise ValueError("a day is written YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("a day is written YYYY-MM-DD") from None


SCALARS: dict[object, Any] = {
    Minor: strawberry.scalar(name="Minor", serialize=int, parse_value=_whole),
    Date: strawberry.scalar(name="Date", serialize=str, parse_value=_day),
    JSON: strawberry.scalar(name="JSON", serialize=_as_it_is, parse_value=_as_it_is),
}

Role = strawberry.enum(messages.Role, name="Role")


class NeedsSignInError(Exception):
    """Nobody is signed in, or the session has ended. Cure: sign in again."""


class NotForYouError(Exception):
    """Whoever is signed in may not see this. Cure: ask somebody whose work it is."""


class Asked(Protocol):
    """The GraphQL context of one request."""

    @property
    def who(self) -> Who | None:
        """Who is signed in, if anybody."""
        ...

    @property
    def language(self) -> str:
        """The language of sentences, as BCP 47."""
        ...

    @property
    def reader(self) -> Reader:
        """Reads committed facts and read models."""
        ...

    @property
    def vault(self) -> Any:
        """Opens sealed text (`appliance.kernel.vault.Vault`)."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def ports(self) -> Any:
        """The named parts of the composition root (`appliance.web.context.Ports`)."""
        ...

    async def ask(
        self, command: Command, command_id: str, approved_by: str | None = None
    ) -> messages.Answer:
        """Carry a command out at most once; it is on disk when the answer arrives."""
        ...

    async def business_date(self) -> date | None:
        """The hotel's date; None before the property is set up."""
        ...

    async def once(self, key: str, load: Callable[[], Awaitable[Any]]) -> Any:
        """Load something once for all fields of this request."""
        ...

    def say(self, answer: messages.Answer) -> str:
        """One sentence for a person."""
        ...

    def text(self, key: str, **values: object) -> str:
        """A sentence of the text catalogue in the asker's language."""
        ...

    def staff(self) -> Who:
        """The member of the staff who asks; raises for guests and strangers."""
        ...

    def signed_in(self) -> Who:
        """Whoever is signed in; raises for strangers."""
        ...


Info = StrawberryInfo[Asked, None]


@strawberry.type
class Answer:
    """What became of a mutation: done, or refused with a code and a sentence."""

    done: bool
    engine: str | None
    code: str | None
    sentence: str
    result: JSON
    position: int | None


async def answer(
    info: Info, command: Command, command_id: str, approved_by: str | None = None
) -> Answer:
    """Ask a command for a mutation and say what came of it."""
    asked = info.context
    asked.signed_in()
    return told(asked, await asked.ask(command, command_id, approved_by))


GUEST_ROLES = frozenset({messages.Role.GUEST, messages.Role.RESIDENT})


def own_stay(who: Who) -> str | None:
    """The stay of a guest who asks; None for staff, who may ask for any."""
    return who.actor.removeprefix("stay:") if who.role in GUEST_ROLES else None


def told(asked: Asked, said: messages.Answer) -> Answer:
    """A kernel answer as GraphQL shows it."""
    match said:
        case Done():
            return Answer(
                done=True,
                engine=None,
                code=None,
                sentence=asked.say(said),
                result=JSON(said.result),
                position=said.position,
            )
        case Refused():
            return Answer(
                done=False,
                engine=said.engine,
                code=said.code,
                sentence=asked.say(said),
                result=JSON(said.detail),
                position=None,
            )


def graft(owner: type, *parts: type) -> type:
    """Give a type the fields of other rooms' parts of it, before the schema is built.

    A room may not import another, so `stays.Stay` does not know of keys: doors' `OfStay` has the
    field, whose `self` is the owner at run time. Grafting twice changes nothing.
    """
    definition: Any = owner.__strawberry_definition__  # type: ignore[attr-defined]
    known = {field.name for field in definition.fields}
    for part in parts:
        more: Any = part.__strawberry_definition__  # type: ignore[attr-defined]
        definition.fields.extend(field for field in more.fields if field.name not in known)
        known |= {field.name for field in more.fields}
    return owner
