"""Where Nuki bridges call us: a call is a hint to look, and nothing in it is believed.

Anybody on the network can call, so the body is thrown away unread; the path holds a random word
only so that a stranger does not make us look all day.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

# A bridge's call is below 500 bytes.
CALL_BYTES_MAX: Final = 4_096


class Calls:
    """A small server on an address of this machine that the bridges can reach."""

    def __init__(self, host: str, port: int, rang: Callable[[], None]) -> None:
        self._host = host
        self._port = port
        self._rang = rang
        self._word = secrets.token_urlsafe(16)
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; returns the address that a bridge is to call."""
        application = web.Application(client_max_size=CALL_BYTES_MAX)
        application.router.add_post(f"/{self._word}", self._called)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        [address, *_] = self._runner.addresses
        return f"http://{self._host}:{address[1]}/{self._word}"

    async def close(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _called(self, _request: web.Request) -> web.Response:
        self._rang()
        return web.Response(status=204)
