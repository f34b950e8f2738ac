"""Calls to the clouds without sockets, for hours that pass in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep
from twin.clouds.wire import Cloud, Delivery, Reply, Request
from twin.line import Line

# What every HTTP client does in the end, in seconds of the given clock.
TIMEOUT_S: Final = 30.0


class CutShort(ConnectionError):  # noqa: N818 - a connection's end, named as what happened
    """The answer began and did not end: executed or not, nobody can tell from this side."""


class InProcess:
    """Sends requests to clouds over a line that may be down.

    `clouds` maps a base address such as `https://pms.twin` to a cloud. `send` raises what a
    socket would: ConnectionRefusedError (surely not sent), TimeoutError, ConnectionResetError
    and CutShort (all three: unknown).
    """

    def __init__(self, clouds: Mapping[str, Cloud], line: Line, clock: Clock) -> None:
        self._clouds = dict(clouds)
        self._line = line
        self._clock = clock
        self._under_way: set[asyncio.Future[Reply]] = set()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> Reply:
        """One request and its whole answer."""
        cloud, path, query = self._find(url)
        if self._line.refused:
            raise ConnectionRefusedError("the line is down")
        began_s = self._clock.monotonic()
        if not await self._line.carry(len(body)):
            await self._never(began_s, timeout_s)
        lower = {name.lower(): text for name, text in (headers or {}).items()}
        request = Request(method=method, path=path, query=query, headers=lower, body=body)
        reply = await self._answered(cloud.answer(request), began_s + timeout_s)
        if not await self._line.carry(len(reply.body)):
            if self._line.refused:
                raise ConnectionResetError("the line was cut while waiting")
            await self._never(began_s, timeout_s)
        match reply.delivery:
            case Delivery.WHOLE:
                return reply
            case Delivery.CUT:
                raise CutShort("the answer ended early")
            case Delivery.DROPPED:
                raise ConnectionResetError("the connection was closed without an answer")
            case Delivery.SILENT:
                await self._never(began_s, timeout_s)
        raise TimeoutError

    async def _answered(self, answer: Coroutine[Any, Any, Reply], deadline_s: float) -> Reply:
        """The answer, while the caller has patience; what it gave up is carried out all the same."""
        answering = asyncio.ensure_future(answer)
        self._under_way.add(answering)
        answering.add_done_callback(self._under_way.discard)
        alarm = asyncio.ensure_future(sleep(self._clock, deadline_s - self._clock.monotonic()))
        try:
            await asyncio.wait({answering, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        if not answering.done():
            raise TimeoutError
        return answering.result()

    def _find(self, url: str) -> tuple[Cloud, str, str]:
        for base, cloud in self._clouds.items():
            if url.startswith(base):
                path, _, query = url.removeprefix(base).partition("?")
                return cloud, path or "/", query
        raise ConnectionRefusedError(f"no cloud of the twin answers at {url}")

    async def _never(self, began_s: float, timeout_s: float) -> None:
        left_s = began_s + timeout_s - self._clock.monotonic()
        if left_s > 0:
            await sleep(self._clock, left_s)
        raise TimeoutError
