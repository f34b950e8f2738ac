"""The WebSocket to Mews itself: tokens as cookies of the handshake, and nowhere else."""

from __future__ import annotations

import contextlib
from typing import Final

import aiohttp

from sync.pms.mews.client import MewsAccount
from sync.pms.mews.stream import MESSAGE_BYTES_MAX, PATH, StreamAwayError

# Whoever has gone silent does not say goodbye either.
CLOSE_S_MAX: Final = 1.0

_ENDS: Final = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}
)


class Dialler:
    """Makes connections with one pool of its own."""

    def __init__(self, account: MewsAccount) -> None:
        self._account = account
        self._url = account.stream_url.rstrip("/") + PATH
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self) -> AioLine:
        """One connection; raises StreamAwayError."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        # No spaces round "=": the vendor asks for it, and a cookie jar might quote a token.
        cookie = (
            f"ClientToken={self._account.client_token}; AccessToken={self._account.access_token}"
        )
        try:
            socket = await self._session.ws_connect(
                self._url,
                headers={"Cookie": cookie},
                autoping=False,
                max_msg_size=MESSAGE_BYTES_MAX,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S_MAX),
            )
        except aiohttp.WSServerHandshakeError as error:
            # Not chained: the error carries our request, and with it the tokens.
            raise StreamAwayError(f"Mews answered {error.status} to the handshake") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise StreamAwayError(f"no connection ({type(error).__name__})") from None
        return AioLine(socket)

    async def close(self) -> None:
        """Let go of the pool."""
        if self._session is not None:
            await self._session.close()


class AioLine:
    """One WebSocket of aiohttp."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def heard(self) -> str:
        """The next message; answers the other side's pings on the way."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return str(message.data)
        if message.type in _ENDS:
            raise StreamAwayError("Mews hung up")
        if message.type is aiohttp.WSMsgType.ERROR:
            raise StreamAwayError(f"the line broke ({type(message.data).__name__})")
        if message.type is aiohttp.WSMsgType.PING:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._socket.pong(message.data)
        return ""

    async def ping(self) -> None:
        """Ask for a sign of life."""
        try:
            await self._socket.ping()
        except (aiohttp.ClientError, OSError) as error:
            raise StreamAwayError(f"the line broke ({type(error).__name__})") from None

    async def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._socket.close()
