"""Calls to the clouds without sockets, for hours that pass in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
        reply = await cloud.answer(request)
        if self._clock.monotonic() - began_s > timeout_s:
            raise TimeoutError
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
