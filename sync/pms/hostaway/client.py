"""Asks Hostaway: one answer or none, a refused token renewed once, and never a body in a log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import PROBE_TIMEOUT_S, Gate, Held
from sync.ledger import Ledger
from sync.outcome import NotSent, Refused
from sync.pms.answers import Failure, Said, failure_at, why
from sync.pms.hostaway.token import HostawayAccount, Tokens
from sync.pms.hostaway.words import LIMIT, TITLE, object_of
from sync.pms.patience import Patience
from sync.pms.port import ACT_TIMEOUT_S, LIST_TIMEOUT_S, NotFetchedError
from sync.transport import NoAnswer, Request

# 100 pages are 10,000 reservations; a list of more is a mistake of ours in the filter.
PAGES_MAX: Final = 100
# Cursors that are tried when a list seems to end early, because a cursor's own row went away.
CURSORS_BACK: Final = 3
# More than 64 bits have; a longer row of digits is no id.
ID_DIGITS_MAX: Final = 20
# The longest of their sentences that is shown to a person.
SENTENCE_CHARS_MAX: Final = 300

HTTP_FORBIDDEN: Final = 403
HTTP_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """Success, and what it holds; `count` is of all that matches."""

    result: Any = field(repr=False)
    count: int | None = None


Reply = Fine | Said | NoAnswer | Held


class HostawayClient:
    """One account at Hostaway."""

    def __init__(
        self, account: HostawayAccount, gate: Gate, *, ledger: Ledger, clock: Clock
    ) -> None:
        self.account = account
        self.gate = gate
        self.tokens = Tokens(account, gate, ledger=ledger, clock=clock)
        self._patience = Patience(gate)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = ACT_TIMEOUT_S,
        probe: bool = False,
    ) -> Reply:
        """One request, once; again only where a refused token proves that nothing was done."""
        token = await self.tokens.current(probe=probe)
        if not isinstance(token, str):
            return token
        request = self._request(method, path, query, body, timeout_s)
        reply = await self._send(request, token, probe=probe)
        if not isinstance(reply, Said) or reply.status != HTTP_FORBIDDEN:
            return reply
        renewed = await self.tokens.after(token)
        if renewed is None:
            if not probe and isinstance(await self._cheapest(token), Fine):
                return reply  # the token is good: the refusal is about this
            return Held(
                wait_ms=self.gate.closed_ms() or 1, sentence=f"{TITLE} refuses our token (403)"
            )
        if not isinstance(renewed, str):
            return renewed
        reply = await self._send(request, renewed, probe=True)
        if isinstance(reply, Said) and reply.status == HTTP_FORBIDDEN and not probe:
            # A fresh token that is refused for this is about this: the others may go on.
            await self.probe()
        return reply

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free."""
        await self.ask(
            "GET", "reservations", query={"limit": 1}, timeout_s=PROBE_TIMEOUT_S, probe=True
        )

    async def _cheapest(self, token: str) -> Reply:
        request = self._request("GET", "reservations", {"limit": 1}, None, PROBE_TIMEOUT_S)
        return await self._send(request, token, probe=True)

    async def read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """One request that changes nothing; None: there is no such thing. NotFetchedError."""
        reply = await self.ask("GET", path, query=query)
        if isinstance(reply, Fine):
            return reply.result
        if isinstance(reply, Said) and reply.status == HTTP_NOT_FOUND:
            return None
        raise NotFetchedError(f"{path}: {why(reply)}", answered=_answered(reply))

    async def pages(
        self, path: str, query: Mapping[str, Any], *, timeout_s: float = LIST_TIMEOUT_S
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Every page after the last row of the one before, until nothing comes (docs).

        Rows move to the front while we page: a caller looks at the front again. A cursor whose own
        row went out of the list gives nothing; then an earlier one is tried. NotFetchedError.
        """
        behind: list[int] = []
        seen: set[int] = set()
        for _ in range(PAGES_MAX):
            cursor = behind[-1] if behind else None
            rows, count = await self._page(path, query, cursor, timeout_s)
            if not rows and count is not None and len(seen) < count:
                for cursor in behind[-2 : -2 - CURSORS_BACK : -1]:
                    rows, _ = await self._page(path, query, cursor, timeout_s)
                    rows = [row for row in rows if row["id"] not in seen]
                    if rows:
                        break
            if not rows:
                if count and not seen:
                    raise NotFetchedError(f"{path}: no row of {count} came", answered=True)
                return
            yield rows
            behind += [row["id"] for row in rows]
            seen.update(behind)
        raise NotFetchedError(f"{path}: the list has no end")

    async def listed(
        self, path: str, query: Mapping[str, Any], *, timeout_s: float = ACT_TIMEOUT_S
    ) -> list[dict[str, Any]]:
        """A whole list that goes by `offset`, by default a short one; raises NotFetchedError."""
        found: list[dict[str, Any]] = []
        offset = 0
        for _ in range(PAGES_MAX):
            asked = {"limit": LIMIT, **query, "offset": offset}
            reply = await self.ask("GET", path, query=asked, timeout_s=timeout_s)
            found += _rows(reply, path)[0]
            # Counted as they came: one without an id makes no page the last.
            offset += (came := _came(reply))
            if came < LIMIT:
                return found
        raise NotFetchedError(f"{path}: the list has no end")

    async def _page(
        self, path: str, query: Mapping[str, Any], after: int | None, timeout_s: float
    ) -> tuple[list[dict[str, Any]], int | None]:
        asked = {"limit": LIMIT, "includeResources": 1, **query}
        if after is not None:
            asked["afterId"] = after
        wait_s = max(timeout_s, self._patience.wait_s())
        reply = await self.ask("GET", path, query=asked, timeout_s=wait_s)
        self._patience.heard(in_time=not isinstance(reply, NoAnswer))
        return _rows(reply, path)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        timeout_s: float,
    ) -> Request:
        asked = f"?{urlencode(query)}" if query else ""
        return Request(
            method=method,
            url=f"{self.account.base_url}/v1/{path}{asked}",
            headers={"Content-Type": "application/json"},
            body=b"" if body is None else msgspec.json.encode(body),
            timeout_s=timeout_s,
        )

    async def _send(self, request: Request, token: str, *, probe: bool) -> Reply:
        sent = Request(
            method=request.method,
            url=request.url,
            headers={**request.headers, "Authorization": f"Bearer {token}"},
            body=request.body,
            timeout_s=request.timeout_s,
        )
        reply = await self.gate.send(sent, probe=probe)
        if isinstance(reply, NoAnswer | Held):
            return reply
        fields = object_of(reply.body)
        if reply.status == 200 and fields is not None and fields.get("status") == "success":
            count = fields.get("count")
            return Fine(
                result=fields.get("result"), count=count if isinstance(count, int) else None
            )
        if reply.status == 200 and fields is None:
            return NoAnswer(sent=True, why="the answer was cut short")
        return Said(status=reply.status, message=_sentence(fields or {}, reply.status))


def failure(reply: Said | NoAnswer | Held) -> Failure:
    """What an answer that is no success means for one write (cloud.md 1.2)."""
    match reply:
        case Said(status=401):
            return NotSent(sentence=f"{TITLE} refuses our key: a person must look at the settings")
        case Said(status=403):
            return Refused(
                sentence=f"{TITLE} does not let our key do this: give the key the right in {TITLE}",
                said=True,
            )
        case _:
            return failure_at(TITLE, reply)


def _answered(reply: Reply) -> bool:
    """Whether it was about this question, not about our key or our haste."""
    return isinstance(reply, Said) and reply.status not in {401, 429}


def _rows(reply: Reply, path: str) -> tuple[list[dict[str, Any]], int | None]:
    if not isinstance(reply, Fine):
        raise NotFetchedError(f"{path}: {why(reply)}", answered=_answered(reply))
    if not isinstance(reply.result, list):
        raise NotFetchedError(f"{path}: the answer is no list", answered=True)
    return rows_of(reply.result), reply.count


def _came(reply: Reply) -> int:
    return len(reply.result) if isinstance(reply, Fine) and isinstance(reply.result, list) else 0


def rows_of(found: list[Any]) -> list[dict[str, Any]]:
    """The rows that have an id, which is a number here and may come as its text."""
    rows = []
    for row in found:
        if isinstance(row, dict):
            id_ = row.get("id")
            if (
                isinstance(id_, str)
                and id_.isascii()
                and id_.isdigit()
                and len(id_) <= ID_DIGITS_MAX
            ):
                rows.append({**row, "id": int(id_)})
            elif isinstance(id_, int) and not isinstance(id_, bool):
                rows.append(row)
    return rows


def _sentence(fields: Mapping[str, Any], status: int) -> str:
    # On a failure the text is in `result` or in `message`, whichever they chose.
    for name in ("message", "result"):
        text = fields.get(name)
        if isinstance(text, str) and text:
            return text[:SENTENCE_CHARS_MAX]
    return f"answer {status}"
