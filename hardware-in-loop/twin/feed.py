"""Reads the box's facts over its command socket, as sync does; for looking on from outside."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

LINE_BYTES_MAX: Final = 4_194_304
PAGE: Final = 500


class Feed:
    """Facts in order, each once."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._after = 0
        self._chain = ""

    async def news(self) -> list[dict[str, Any]]:
        """Facts since the last call, at most a page of them."""
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=LINE_BYTES_MAX)
        try:
            asked = {"after": self._after, "chain": self._chain, "limit": PAGE}
            writer.write(json.dumps({"n": 1, "feed": asked}).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        facts: list[dict[str, Any]] = answer["feed"]["facts"]
        if facts:
            self._after, self._chain = facts[-1]["position"], facts[-1]["chain"]
        return facts

    async def all(self) -> list[dict[str, Any]]:
        """Every fact that is left."""
        found: list[dict[str, Any]] = []
        while page := await self.news():
            found += page
        return found
