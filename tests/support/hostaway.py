"""Asks the twin's Hostaway in process, as a stranger would: bytes in, status and JSON out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from appliance.kernel.virtual_clock import VirtualClock
from twin.clouds.hostaway import ACCOUNT_ID, CLIENT_SECRET, HostawayCloud
from twin.clouds.wire import Reply, Request
from twin.journal import Journal

FRIDAY_18_MS = 1_793_383_200_000  # 2026-10-30 18:00 UTC
FRIDAY = date(2026, 10, 30)
FORM = urlencode(
    {
        "grant_type": "client_credentials",
        "client_id": ACCOUNT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "general",
    }
).encode()


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def result(self) -> Any:
        """What a success holds."""
        assert self.body["status"] == "success", self.body
        return self.body["result"]


class Stranger:
    """One caller with one token, on a clock that only moves when told."""

    def __init__(self) -> None:
        self.clock = VirtualClock(FRIDAY_18_MS)
        self.journal = Journal(clock=self.clock)
        self.cloud = HostawayCloud(self.clock, self.journal)
        self.store = self.cloud.store
        self.token = ""

    async def log_in(self) -> None:
        """Take a token and wait until it counts."""
        said = await self.post("accessTokens", FORM)
        self.token = said.body["access_token"]
        await self.clock.advance(1)

    async def get(self, path: str, **query: Any) -> Said:
        """One read."""
        return await self.ask("GET", path, urlencode(query))

    async def post(self, path: str, body: bytes | dict[str, Any], **query: Any) -> Said:
        """One POST."""
        return await self.ask("POST", path, urlencode(query), body)

    async def put(self, path: str, body: bytes | dict[str, Any], **query: Any) -> Said:
        """One PUT."""
        return await self.ask("PUT", path, urlencode(query), body)

    async def ask(
        self, method: str, path: str, query: str = "", body: bytes | dict[str, Any] = b""
    ) -> Said:
        """One call of anything; the limits are kept by waiting."""
        reply = await self.raw(method, path, query, body)
        return Said(reply.status, json.loads(reply.body), dict(reply.headers))

    async def raw(
        self, method: str, path: str, query: str = "", body: bytes | dict[str, Any] = b""
    ) -> Reply:
        """As `ask`, with how much of the answer arrives."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}"}
        return await self.cloud.answer(
            Request(method=method, path=f"/v1/{path}", query=query, headers=headers, body=sent)
        )
