"""GraphQL of one room or two over a `Desk`: the context that the web fills in, and a schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from appliance.asked import SCALARS, NeedsSignInError, NotForYouError
from appliance.kernel.messages import Answer, Command, Role, Who
from appliance.kernel.reader import Reader
from appliance.web.texts import Texts, load_texts
from support.desk import CLERK, Desk


@dataclass
class DeskAsked:
    """One request's context over a desk."""

    desk: Desk
    reader: Reader
    who: Who | None = CLERK
    language: str = "en"
    texts: Texts = field(default_factory=load_texts)

    @property
    def vault(self) -> Any:
        return self.desk.vault

    @property
    def clock(self) -> Any:
        return self.desk.clock

    @property
    def ports(self) -> Any:
        return None

    async def ask(
        self, command: Command, command_id: str, approved_by: str | None = None
    ) -> Answer:
        who = replace(self.signed_in(), approved_by=approved_by)
        return self.desk.ask(command, who, command_id)

    async def business_date(self) -> date | None:
        return None

    async def once(self, key: str, load: Callable[[], Awaitable[Any]]) -> Any:
        return await load()

    def say(self, answer: Answer) -> str:
        return self.texts.answer(answer, self.language)

    def text(self, key: str, **values: object) -> str:
        return self.texts.text(key, self.language, **values)

    def signed_in(self) -> Who:
        if self.who is None:
            raise NeedsSignInError
        return self.who

    def staff(self) -> Who:
        who = self.signed_in()
        if who.role in {Role.GUEST, Role.RESIDENT}:
            raise NotForYouError
        return who


def schema(query: type, mutation: type) -> strawberry.Schema:
    """A schema of these mixins alone."""
    return strawberry.Schema(
        query=query, mutation=mutation, config=StrawberryConfig(scalar_map=SCALARS)
    )


async def told(made: strawberry.Schema, asked: DeskAsked, text: str, **values: Any) -> Any:
    """The data of one request that must have no errors."""
    found = await made.execute(text, variable_values=values, context_value=asked)
    assert found.errors is None, found.errors
    return found.data


async def denied(made: strawberry.Schema, asked: DeskAsked, text: str) -> type[BaseException]:
    """What stopped a request that must have been stopped."""
    found = await made.execute(text, context_value=asked)
    assert found.errors
    original = found.errors[0].original_error
    assert original is not None
    return type(original)
