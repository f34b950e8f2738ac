"""Asks Mews: tokens in the body, one answer or none, and never a body in a log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.outcome import NotSent
from sync.pms.answers import Failure, Said, failure_at, why
from sync.pms.mews.words import COUNT_MAX, object_of
from sync.pms.port import ACT_TIMEOUT_S, LIST_TIMEOUT_S, NotAskableError, NotFetchedError
from sync.transport import NoAnswer, Request

PREFIX: Final = "/api/connector/v1/"
CLIENT_NAME: Final = "Nightporter 1.0.0"
# 408: too heavy, ask for less; below this a page is not what is too heavy.
PAGE_MIN: Final = 50
# A list of more pages than this is a mistake of ours in the filter.
PAGES_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MewsAccount:
    """Where and as whom we ask; neither token is ever logged."""

    base_url: str
    client_token: str
    access_token: str
    # The contract of `reservations/cancel` has only notes; some environments take a reason too.
    send_cancellation_reason: bool = True
    # Where the event stream is; empty: nobody listens, and no device command is taken.
    stream_url: str = ""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"MewsAccount({self.base_url})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """200 and a whole object."""

    fields: dict[str, Any] = field(repr=False)


Reply = Fine | Said | NoAnswer | Held


class MewsClient:
    """One property at Mews."""

    def __init__(self, account: MewsAccount, gate: Gate) -> None:
        self.account = account
        self.gate = gate
        self._page = COUNT_MAX

    async def ask(
        self,
        endpoint: str,
        body: Mapping[str, Any],
        *,
        timeout_s: float = ACT_TIMEOUT_S,
        probe: bool = False,
    ) -> Reply:
        """One request, once."""
        tokens = {
            "ClientToken": self.account.client_token,
            "AccessToken": self.account.access_token,
            "Client": CLIENT_NAME,
        }
        request = Request(
            method="POST",
            url=self.account.base_url + PREFIX + endpoint,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode({**tokens, **body}),
            timeout_s=timeout_s,
        )
        reply = await self.gate.send(request, probe=probe)
        if isinstance(reply, NoAnswer | Held):
            return reply
        fields = object_of(reply.body)
        if reply.status == 200:
            return (
                NoAnswer(sent=True, why="the answer was cut short")
                if fields is None
                else Fine(fields=fields)
            )
        message = (fields or {}).get("Message")
        return Said(status=reply.status, message=str(message or f"answer {reply.status}"))

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free."""
        await self.ask("configuration/get", {}, timeout_s=PROBE_TIMEOUT_S, probe=True)

    async def read(self, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One request that changes nothing; raises NotFetchedError."""
        reply = await self.ask(endpoint, body)
        if isinstance(reply, Fine):
            return reply.fields
        raise NotFetchedError(f"{endpoint}: {why(reply)}", answered=_answered(reply))

    async def pages(
        self,
        endpoint: str,
        body: Mapping[str, Any],
        name: str,
        *,
        timeout_s: float = LIST_TIMEOUT_S,
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Every page of a list; raises NotFetchedError half way when the line goes.

        Rows may move between pages: a caller needs an overlap and must take a row twice.
        """
        cursor = None
        for _ in range(PAGES_MAX):
            limitation = {"Count": self._page, "Cursor": cursor}
            reply = await self.ask(
                endpoint, {**body, "Limitation": limitation}, timeout_s=timeout_s
            )
            if isinstance(reply, Said) and reply.status == 408 and self._page > PAGE_MIN:
                self._page //= 2
                continue
            if isinstance(reply, Said) and reply.status == 400:
                raise NotAskableError(f"{endpoint}: {why(reply)}")
            if not isinstance(reply, Fine):
                if isinstance(reply, NoAnswer):
                    # Cut off or too slow, nobody can tell: the next look asks for less at once.
                    self._page = max(PAGE_MIN, self._page // 2)
                raise NotFetchedError(f"{endpoint}: {why(reply)}", answered=_answered(reply))
            self._page = min(COUNT_MAX, self._page + self._page // 4)
            rows = reply.fields.get(name)
            if not isinstance(rows, list):
                # Taken for an empty list, it would end this one early, or prove an act undone.
                raise NotFetchedError(f"{endpoint}: the answer has no list", answered=True)
            yield [row for row in rows if isinstance(row, dict)]
            before, cursor = cursor, reply.fields.get("Cursor")
            if cursor is None or (not rows and cursor == before):
                return
        raise NotFetchedError(f"{endpoint}: the list has no end")

    async def all_of(
        self,
        endpoint: str,
        body: Mapping[str, Any],
        name: str,
        *,
        timeout_s: float = ACT_TIMEOUT_S,
    ) -> list[dict[str, Any]]:
        """A whole list, by default a short one; raises NotFetchedError."""
        pages = self.pages(endpoint, body, name, timeout_s=timeout_s)
        return [row async for page in pages for row in page]


def _answered(reply: Reply) -> bool:
    """Whether it was about this question, not about our tokens or our haste."""
    return isinstance(reply, Said) and reply.status not in {401, 429}


def failure(reply: Said | NoAnswer | Held) -> Failure:
    """What an answer that is no success means for one write (cloud.md 1.3)."""
    if isinstance(reply, Said) and reply.status == 401:
        return NotSent(sentence="Mews refuses our tokens: a person must look at the settings")
    return failure_at("Mews", reply)
