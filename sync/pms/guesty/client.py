"""Asks Guesty: one token for all, three windows at once, and a 403 looked at before it is believed."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from appliance.kernel.clock import Clock
from sync.gate import (
    HTTP_FORBIDDEN,
    HTTP_TOO_MANY,
    HTTP_UNAUTHORISED,
    PROBE_TIMEOUT_S,
    Gate,
    Held,
)
from sync.ledger import Ledger
from sync.outcome import NotSent, Refused
from sync.pms.answers import Failure, Said, failure_at, why
from sync.pms.guesty.account import GuestyAccount
from sync.pms.guesty.tokens import Barred, GuestyTokens
from sync.pms.patience import Patience
from sync.pms.port import (
    ACT_TIMEOUT_S,
    NotAskableError,
    NotFetchedError,
)
from sync.transport import Answer, NoAnswer, Request

# The vendor's own page (cloud.md 1.1).
PAGE: Final = 100
# Rows that a page shows again of the one before: so many may leave the list in between unnoticed.
PAGE_OVERLAP: Final = 5
# A list of more pages than this is a mistake of ours in the filter.
PAGES_MAX: Final = 200
WINDOWS: Final = ("second", "minute", "hour")
# The cheapest question there is; whoever may ask nothing else may ask this.
CHEAPEST: Final = "/accounts/me"

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fine:
    """2xx and whole JSON."""

    value: Any = field(repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The value as an object; empty where it is none."""
        return self.value if isinstance(self.value, dict) else {}


# A 401 or 403 that is said here is about the question, not about us: our token is good.
Reply = Fine | Said | NoAnswer | Held | Barred


class NotPermittedError(NotFetchedError):
    """This question is closed to our application, others are not."""

    answered = True


class GuestyClient:
    """One account at Guesty."""

    def __init__(self, account: GuestyAccount, *, gate: Gate, ledger: Ledger, clock: Clock) -> None:
        self.account = account
        self.gate = gate
        self.tokens = GuestyTokens(account=account, gate=gate, ledger=ledger, clock=clock)
        self._urgent = False
        self._patience = Patience(gate)
        # An expired token is 403 here, a night that is taken 401: neither closes the way.
        gate.leave_to_client(HTTP_UNAUTHORISED, HTTP_FORBIDDEN)

    def first(self) -> GuestyClient:
        """The same client for what must not wait behind the rest: new bookings, in and out."""
        hurried = copy.copy(self)
        hurried._urgent = True  # noqa: SLF001 - one of our own
        return hurried

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        fields: Mapping[str, Any] | None = None,
        timeout_s: float = ACT_TIMEOUT_S,
        probe: bool = False,
    ) -> Reply:
        """One request, once; a token that is refused is replaced once, and then a person's work."""
        if not probe and (wait_ms := self.gate.closed_ms()):
            return Held(wait_ms=wait_ms, sentence=self.gate.breaker.sentence or "the way is closed")
        token = await self._token()
        if not isinstance(token, str):
            return token
        request = self._request(method, path, query, fields, timeout_s)
        reply = await self._send(request, token, probe=probe)
        if not _is_about_a_token(reply):
            return _heard(reply)
        # A night that is taken and a permission that is missing look like an expired token; one
        # cheap question tells them apart and saves one of five tokens.
        if path != CHEAPEST:
            again = self._request("GET", CHEAPEST, (), None, PROBE_TIMEOUT_S)
            checked = await self._send(again, token, probe=probe)
            if not _is_about_a_token(checked):
                return _heard(reply if isinstance(checked, Answer) else checked)
        return await self._with_another_token(request, token, probe=probe)

    async def probe(self) -> None:
        """Ask something cheap, so that the gate learns whether the way is free."""
        await self.ask("GET", CHEAPEST, timeout_s=PROBE_TIMEOUT_S, probe=True)

    async def read(self, path: str, query: Query = ()) -> Any:
        """One request that changes nothing; raises NotFetchedError."""
        reply = await self.ask("GET", path, query=query, timeout_s=self._patience.wait_s())
        self._patience.heard(in_time=not isinstance(reply, NoAnswer))
        if isinstance(reply, Fine):
            return reply.value
        if isinstance(reply, Said) and reply.status in {400, 404, 410, 422}:
            raise NotAskableError(f"{path}: {reply.status} {reply.message}")
        if isinstance(reply, Said) and reply.status in {401, 403, 405}:
            raise NotPermittedError(f"{path}: {reply.status} {reply.message}")
        answered = isinstance(reply, Said) and reply.status != HTTP_TOO_MANY
        raise NotFetchedError(f"{path}: {_why(reply)}", answered=answered)

    async def pages(
        self, path: str, query: Query, *, first_skip: int = 0
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Every row of a list that is read by `skip` and `limit`, new rows only, page by page.

        A row may leave the list while we read, and everything behind it moves up over an edge. So
        each page begins within the one before, and where its first row is new to us we go back.
        Raises NotFetchedError half way when the line goes, or when the list repeats itself.
        """
        seen: set[str] = set()
        skip, before, back = first_skip, None, 0
        for _ in range(PAGES_MAX):
            window = [("limit", str(PAGE)), ("skip", str(skip))]
            found = await self.read(path, [*query, *window])
            rows = rows_of(found)
            ids = [id_of(row) for row in rows]
            if ids and ids == before and not back:
                raise NotFetchedError(f"{path}: the list repeats a page")
            before = ids
            if skip > first_skip and (not ids or ids[0] not in seen):
                back = max(1, back * 2)
                skip = max(first_skip, skip - back * PAGE_OVERLAP)
                continue
            back = 0
            fresh = [row for row, each in zip(rows, ids, strict=True) if each not in seen]
            seen.update(ids)
            if fresh:
                yield fresh
            if not _has_more(found, skip, len(rows)):
                return
            skip += max(1, len(rows) - PAGE_OVERLAP)
        raise NotFetchedError(f"{path}: the list has no end")

    # -- inside ----------------------------------------------------------------------------------

    async def _with_another_token(self, request: Request, refused: str, *, probe: bool) -> Reply:
        fresh = await self._token(instead_of=refused)
        if not isinstance(fresh, str):
            return fresh
        reply = await self._send(request, fresh, probe=probe)
        if _is_about_a_token(reply):
            return self._bar("Guesty refuses a token that it just gave us: look at our permissions")
        return _heard(reply)

    async def _token(self, *, instead_of: str | None = None) -> str | Held | NoAnswer | Barred:
        token = await self.tokens.token(instead_of=instead_of)
        if isinstance(token, Held):
            self.gate.wait(token.wait_ms, token.sentence)
        elif isinstance(token, Barred):
            return self._bar(token.sentence)
        return token

    def _bar(self, sentence: str) -> Barred:
        self.gate.refuse(sentence)
        return Barred(sentence=sentence)

    async def _send(self, request: Request, token: str, *, probe: bool) -> Answer | NoAnswer | Held:
        signed = Request(
            method=request.method,
            url=request.url,
            headers={**request.headers, "Authorization": f"Bearer {token}"},
            body=request.body,
            timeout_s=request.timeout_s,
        )
        reply = await self.gate.send(signed, probe=probe, urgent=self._urgent)
        if isinstance(reply, Answer):
            self.gate.heed(remaining_of(reply.headers))
        return reply

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        fields: Mapping[str, Any] | None,
        timeout_s: float,
    ) -> Request:
        text = f"?{urlencode(query)}" if query else ""
        return Request(
            method=method,
            url=f"{self.account.base_url}/v1{path}{text}",
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=b"" if fields is None else msgspec.json.encode(fields),
            timeout_s=timeout_s,
        )


def remaining_of(headers: Mapping[str, str]) -> tuple[int | None, ...]:
    """`X-RateLimit-Remaining-{Second,Minute,Hour}` in the order of GUESTY_RULES."""
    texts = [headers.get(f"x-ratelimit-remaining-{each}", "") for each in WINDOWS]
    return tuple(int(text) if text.isascii() and text.isdigit() else None for text in texts)


def rows_of(found: Any) -> list[dict[str, Any]]:
    """The rows of an answer: a bare list, one object, or a list in an envelope.

    Raises NotFetchedError where there is none of these: taken for an empty list, it would end one
    early, or prove an act undone.
    """
    if isinstance(found, dict):
        inner = found.get("results", found.get("data"))
        found = [found] if not isinstance(inner, list) and id_of(found) else inner
    if not isinstance(found, list):
        raise NotFetchedError("the answer has no list", answered=True)
    return [row for row in found if isinstance(row, dict)]


def id_of(row: Mapping[str, Any]) -> str:
    """A record's id under any of the names it goes by; empty where there is none."""
    for name in ("_id", "reservationId", "id"):
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _has_more(found: Any, skip: int, count: int) -> bool:
    pagination = found.get("pagination") if isinstance(found, dict) else None
    if isinstance(pagination, dict) and isinstance(pagination.get("hasMore"), bool):
        return bool(pagination["hasMore"])
    total = found.get("count") if isinstance(found, dict) else None
    if isinstance(total, int):
        return skip + count < total
    return count >= PAGE


def _is_about_a_token(reply: Answer | NoAnswer | Held) -> bool:
    return isinstance(reply, Answer) and reply.status in {HTTP_UNAUTHORISED, HTTP_FORBIDDEN}


def _heard(reply: Answer | NoAnswer | Held) -> Reply:
    if not isinstance(reply, Answer):
        return reply
    try:
        value = msgspec.json.decode(reply.body) if reply.body else {}
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if 200 <= reply.status < 300:
        cut = NoAnswer(sent=True, why="the answer was cut short")
        return cut if value is None else Fine(value=value)
    return Said(status=reply.status, message=_message(value) or f"answer {reply.status}")


def _message(value: Any) -> str:
    """The vendor's sentence, wherever it stands: `message`, `error`, or `error.message`."""
    if not isinstance(value, dict):
        return ""
    error = value.get("error")
    inner = error.get("message") if isinstance(error, dict) else error
    for text in (value.get("message"), inner):
        if isinstance(text, str) and text:
            return text[:300]
    return ""


def _why(reply: Said | NoAnswer | Held | Barred) -> str:
    return reply.sentence if isinstance(reply, Barred) else why(reply)


def failure(reply: Said | NoAnswer | Held | Barred) -> Failure:
    """What an answer that is no success means for one write (cloud.md 1.1)."""
    match reply:
        case Barred():
            return NotSent(sentence=reply.sentence)
        case Said(status=403):
            return Refused(
                sentence="Guesty does not permit us this: give our application the right",
                said=True,
            )
        case _:
            return failure_at("Guesty", reply)
