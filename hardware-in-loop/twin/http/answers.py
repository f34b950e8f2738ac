"""What a simulated host does with one request, and how a real socket or a loop shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aiohttp import web

from appliance.kernel.clock import sleep

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock


# Whoever still waits for a silent host is dropped at once.
SHUTDOWN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the host reads it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back. `cut`: only half of the body, then the line drops. `silent`: nothing ever.

    `reset`: the line drops without a word. `delay_s` is before anything goes back.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    reset: bool = False
    silent: bool = False

    def later(self, seconds: float) -> Answer:
        """The same after a while."""
        return replace(self, delay_s=self.delay_s + seconds)


Handle = Callable[[Request], Awaitable[Answer]]


class Served:
    """A host on a real socket of this machine."""

    def __init__(self, handle: Handle, clock: Clock, *, keep_alive: bool = True) -> None:
        self._handle = handle
        self._clock = clock
        self._keep_alive = keep_alive
        self._runner: web.ServerRunner | None = None
        self.url = ""
        self.connections = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0, ssl: object = None) -> str:
        """Listen; returns the address."""
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), shutdown_timeout=SHUTDOWN_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=ssl)  # type: ignore[arg-type]  # a context or nothing
        await site.start()
        scheme = "http" if ssl is None else "https"
        self.url = f"{scheme}://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def close(self) -> None:
        """Stop; whoever still waits is dropped."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.connections += 1
        asked = Request(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={key.lower(): value for key, value in request.headers.items()},
            body=await request.read(),
        )
        answer = await self._handle(asked)
        if answer.delay_s:
            await sleep(self._clock, answer.delay_s)
        if answer.silent:
            await asyncio.get_running_loop().create_future()
        transport = request.transport
        if answer.reset:
            if transport is not None:
                transport.abort()
            return web.Response(status=500)
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        if not self._keep_alive:
            response.force_close()
        await response.prepare(request)
        half = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
        await response.write(half)
        if answer.cut:
            if transport is not None:
                transport.abort()
            return response
        await response.write_eof()
        return response
