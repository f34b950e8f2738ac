"""HTTP as sync sees it: an answer, or no answer and whether a byte had left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp

# 64 MiB: a thousand Mews reservations with every field are about 2 MiB; more is a mistake.
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
# A handshake that takes longer than this is a cut line, not a slow one.
CONNECT_S_MAX: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `body` is never logged, it carries tokens and guests."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Nothing, or half of it. `sent` False: certainly no byte of the request left the box."""

    sent: bool
    why: str


class Transport(Protocol):
    """What carries requests; replay on virtual time plugs the twin in here."""

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send once. Never raises for the line, never retries, never follows a redirect."""
        ...


class HttpTransport:
    """aiohttp with pooled connections, TCP_NODELAY (its default) and no retries of its own."""

    def __init__(self) -> None:
        # A fresh look-up each time: an address cached before an outage may be wrong after it.
        connector = aiohttp.TCPConnector(limit=16, ttl_dns_cache=30)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._session.close()

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send once."""
        timeout = aiohttp.ClientTimeout(
            total=request.timeout_s, sock_connect=min(CONNECT_S_MAX, request.timeout_s)
        )
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=request.body or None,
                headers=dict(request.headers),
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                # One byte more than allowed tells "too large" from "exactly full".
                body = await response.content.read(BODY_BYTES_MAX + 1)
                while chunk := await response.content.read(BODY_BYTES_MAX + 1 - len(body)):
                    body += chunk
                headers = {name.lower(): text for name, text in response.headers.items()}
        except aiohttp.ConnectionTimeoutError:
            return NoAnswer(sent=False, why="the connection was not made in time")
        except aiohttp.ClientConnectorError as error:
            return NoAnswer(sent=False, why=f"no connection: {type(error).__name__}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(sent=True, why=type(error).__name__)
        if len(body) > BODY_BYTES_MAX:
            return NoAnswer(sent=True, why="the answer is too large")
        return Answer(status=response.status, headers=headers, body=body)


class CallTransport:
    """A transport over a callable that raises as sockets do: the twin in process, a fake."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Send once; a refused connection carried nothing, everything else may have."""
        try:
            reply = await self._call(
                request.method,
                request.url,
                headers=dict(request.headers),
                body=request.body,
                timeout_s=request.timeout_s,
            )
        except ConnectionRefusedError as error:
            return NoAnswer(sent=False, why=type(error).__name__)
        except (OSError, TimeoutError) as error:
            return NoAnswer(sent=True, why=type(error).__name__)
        headers = {name.lower(): text for name, text in reply.headers.items()}
        return Answer(status=reply.status, headers=headers, body=reply.body)
