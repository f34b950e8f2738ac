"""Between sync and the clouds: here and there an answer that is none of the contract's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from support.sync_bench import SyncBench
from sync.transport import Answer, NoAnswer, Request, Transport

Change = Callable[[Request, Answer], Answer]


class Oddly:
    """A transport whose answers a test may change; `asked` are the URLs, in order."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.change: Change | None = None
        self.instead: Callable[[Request], Answer | None] | None = None  # asked before the clouds
        self.asked: list[str] = []

    async def send(self, request: Request) -> Answer | NoAnswer:
        """As the other, changed on its way back."""
        self.asked.append(request.url)
        if self.instead is not None and (odd := self.instead(request)) is not None:
            return odd
        reply = await self._inner.send(request)
        if isinstance(reply, Answer) and self.change is not None:
            return self.change(request, reply)
        return reply


def put_between(bench: SyncBench) -> Oddly:
    """Start again with answers that may be changed."""
    made: list[Oddly] = []

    def wrap(transport: Transport) -> Transport:
        made.append(Oddly(transport))
        return made[-1]

    bench.wrap = wrap
    bench.start_again()
    return made[-1]


def once(where: str, change: Callable[[Answer], Answer], *, times: int = 1) -> Change:
    """The next answers of an endpoint are changed, and no other."""
    left = [times]

    def changed(request: Request, reply: Answer) -> Answer:
        if where not in request.url or not left[0]:
            return reply
        left[0] -= 1
        return change(reply)

    return changed


def said(value: Any, status: int = 200) -> Callable[[Answer], Answer]:
    """This body instead, whole and as JSON."""
    return lambda reply: replace(reply, status=status, body=msgspec.json.encode(value))


def dated(text: str) -> Callable[[Answer], Answer]:
    """The same under another `Date`."""
    return lambda reply: replace(reply, headers={**reply.headers, "date": text})


def rows_changed(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Answer], Answer]:
    """Every row of a list in the answer, changed in place."""

    def changed(reply: Answer) -> Answer:
        fields = msgspec.json.decode(reply.body)
        for row in fields.get(name) or []:
            change(row)
        return replace(reply, body=msgspec.json.encode(fields))

    return changed
