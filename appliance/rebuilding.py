"""Read models built anew while the box works: the word on the command socket, and the verb."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from appliance.box_socket import ask_or_stop
from appliance.where import data_option, say_and_stop, settings_of

# An hour: a log of many years is replayed at some 50,000 facts a second.
REBUILD_S_MAX = 3_600.0


class Rebuilding:
    """Serves the word `rebuild`; one at a time."""

    def __init__(
        self, engines: Sequence[Any], log_file: Path, asker: Any, followers: Any = None
    ) -> None:
        from appliance.kernel import rebuild  # noqa: PLC0415 - the verb below needs none of it

        self._rebuild = rebuild.rebuild
        self._known = {
            projection.name: (projection, inline)
            for projection, inline in rebuild.projections_of(engines)
        }
        self._log_file = log_file
        self._asker = asker
        self._followers = followers
        self._turn = asyncio.Lock()

    async def take(self, fields: Any) -> dict[str, Any]:
        """{"name": one or None for all} -> {"built": {name: position}} or {"error": sentence}."""
        name = fields.get("name") if isinstance(fields, Mapping) else None
        if name is not None and name not in self._known:
            known = ", ".join(sorted(self._known))
            return {"error": f"there is no read model {str(name)[:80]!r}; there are: {known}."}
        if self._turn.locked():
            return {"error": "a rebuild is under way: wait until it has ended."}
        async with self._turn:
            built = {}
            for one in [name] if name is not None else list(self._known):
                projection, inline = self._known[one]
                built[one] = await self._rebuild(
                    projection, self._log_file, self._asker, inline=inline
                )
                if self._followers is not None and not inline:
                    await self._followers.all[f"view:{one}"].rebuilt()
        return {"built": built}


@click.command(epilog="Example: nightporter rebuild stays --data ~/riverside")
@click.argument("name", required=False)
@data_option
def rebuild(name: str | None, data: Path | None) -> None:
    """Build the read model NAME, or all of them, anew from the first fact. The box keeps working."""
    settings = settings_of(data)
    answer = ask_or_stop(settings.command_socket, "rebuild", {"name": name}, REBUILD_S_MAX)
    if sentence := answer.get("error"):
        say_and_stop(sentence)
    for one, position in answer["built"].items():
        click.echo(f"{one}: built anew up to fact {position}")
