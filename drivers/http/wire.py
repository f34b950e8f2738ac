"""One request, once: what left, what came back, and never a second time.

aiohttp sends an idempotent request again by itself when a connection drops, and a Nuki bridge opens
doors by GET. So a request passes a middleware that lets it through once, no connection is used
twice, no redirect is followed, and a body has a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp

if TYPE_CHECKING:
    import ssl

    from appliance.kernel.clock import Clock

# 64 KiB: a bridge with its 20 locks lists them in 12 kB; a Shelly's whole status is 4 kB.
BODY_BYTES_MAX: Final = 65_536
HEADER_CHARS_MAX: Final = 1_024
# 3 s to connect: a bridge on the same network answers in milliseconds, or is not there.
CONNECT_S_MAX: Final = 3.0
# A client of ours asks one thing at a time per host; more is a queue elsewhere.
CONNECTIONS_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request; `path` begins with a slash."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer: status line, the one header that is of use, body."""

    status: int
    body: bytes = b""
    challenge: str = ""  # WWW-Authenticate


class NotSentError(Exception):
    """No byte of the request has left; the text is a word for a person."""


class CutError(Exception):
    """It may have been heard, and no whole answer came; the text is a word for a person."""


class Wire(Protocol):
    """The way to one host."""

    async def ask(self, ask: Ask, *, deadline_s: float) -> Reply:
        """Ask once; `deadline_s` is `clock.monotonic()`. Raises NotSentError or CutError."""
        ...

    async def close(self) -> None:
        """Let go of the host."""
        ...


class HttpWire:
    """A `Wire` over aiohttp to `base` (`http://host:port`); the session is made at the first use."""

    def __init__(
        self, base: str, *, clock: Clock, tls: ssl.SSLContext | aiohttp.Fingerprint | None = None
    ) -> None:
        self._base = base.rstrip("/")
        self._clock = clock
        self._tls: ssl.SSLContext | aiohttp.Fingerprint | bool = True if tls is None else tls
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, ask: Ask, *, deadline_s: float) -> Reply:
        """Ask once."""
        left_s = deadline_s - self._clock.monotonic()
        if left_s <= 0:
            raise NotSentError("too late")
        session = self._opened()
        try:
            async with session.request(
                ask.method,
                self._base + ask.path,
                params=dict(ask.query),
                headers={**ask.headers, "Accept-Encoding": "identity"},
                data=ask.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=left_s, sock_connect=min(left_s, CONNECT_S_MAX)
                ),
            ) as response:
                return await _whole(response)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ServerFingerprintMismatch,
            aiohttp.InvalidURL,
        ) as error:
            raise NotSentError(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # The text of an error may hold the query, and with it a token.
            raise CutError(type(error).__name__) from None

    async def close(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=self._tls, force_close=True, limit=CONNECTIONS_MAX
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=HEADER_CHARS_MAX * 8,
                max_field_size=HEADER_CHARS_MAX * 8,
                middlewares=(_once,),
            )
        return self._session


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turn what aiohttp would answer by sending again into an error that it does not know."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise CutError(type(error).__name__) from None


async def _whole(response: aiohttp.ClientResponse) -> Reply:
    body = bytearray()
    async for chunk in response.content.iter_chunked(8_192):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            response.close()
            raise CutError("too large")
    challenge = response.headers.get("WWW-Authenticate", "")
    return Reply(status=response.status, body=bytes(body), challenge=challenge[:HEADER_CHARS_MAX])
