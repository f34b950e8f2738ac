"""GraphQL of the live rules: what is in force, and changing it."""

from __future__ import annotations

import strawberry

from appliance.asked import JSON, Answer, Asked, Info, answer
from appliance.engines.rules import projection
from appliance.engines.rules.messages import ChangeSetting, Scope


@strawberry.type
class Setting:
    """A live rule and its value in force."""

    key: str
    value: JSON
    sentence: str


async def load_settings(asked: Asked) -> list[Setting]:
    """Every live rule, by key."""
    return [
        Setting(key=row.key, value=JSON(row.value), sentence=row.sentence)
        for row in await projection.settings(asked.reader)
    ]


@strawberry.type
class Query:
    """Questions of the live rules."""

    @strawberry.field
    async def settings(self, info: Info) -> list[Setting]:
        """Every live rule."""
        info.context.staff()
        return await load_settings(info.context)


@strawberry.type
class Mutation:
    """Acts on the live rules."""

    @strawberry.mutation
    async def change_setting(self, info: Info, id: str, key: str, value: JSON) -> Answer:
        """Put a value in force for the property, or null for the default."""
        # What is neither text, number nor switch has no key to fit: it is said as a wrong type.
        given: object = value
        if given is not None and not isinstance(given, str | int | bool):
            given = str(given)[:80]
        command = ChangeSetting(key=key, scope=Scope.PROPERTY, value=given)
        return await answer(info, command, id)
