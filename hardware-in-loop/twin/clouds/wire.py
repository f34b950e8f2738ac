"""What travels between a cloud and its callers, over a socket or in process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from aiohttp import web

from twin.clouds.faults import Faults

JSON_TYPE = "application/json; charset=utf-8"

# More than any vendor accepts in one request; below it each cloud refuses by its own rule.
BODY_BYTES_MAX = 32 * 1024 * 1024


class Delivery(StrEnum):
    """How an answer reaches the caller, or does not."""

    WHOLE = "whole"
    CUT = "cut"  # headers and half of the body, then the connection is gone
    DROPPED = "dropped"  # the connection closes without a byte
    SILENT = "silent"  # the connection stays open and says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as a cloud sees it; header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer, and how much of it the caller gets to see."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE

    @classmethod
    def json(cls, status: int, value: Any, **headers: str) -> Reply:
        """An answer with a JSON body; header names use `_` for `-`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status=status, body=msgspec.json.encode(value), headers=named)


def dated(reply: Reply, now_s: int, **headers: str) -> Reply:
    """The answer with the cloud's own time; a box without a clock measures its doubt by it."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(
        status=reply.status,
        body=reply.body,
        headers={"Date": formatdate(now_s, usegmt=True), **named, **reply.headers},
        delivery=reply.delivery,
    )


class Cloud(Protocol):
    """A vendor's service without its sockets."""

    faults: Faults

    async def answer(self, request: Request) -> Reply:
        """Answer one request; never raises for anything a caller can send."""
        ...


class StreamsFor(Protocol):
    """The part of a cloud that keeps a connection open and speaks by itself."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket until either side ends it."""
        ...


class Shell:
    """Puts a cloud behind a real HTTP server, broken deliveries included."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._closing = asyncio.Event()

    def app(self) -> web.Application:
        """The aiohttp application; every path and method goes to the cloud."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def let_go(self) -> None:
        """End the connections that were kept silent; called before the server stops."""
        self._closing.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        streams: StreamsFor | None = getattr(self._cloud, "streams", None)
        if streams is not None and request.headers.get("Upgrade", "").lower() == "websocket":
            return await streams.serve(request)
        reply = await self._cloud.answer(
            Request(
                method=request.method,
                path=request.rel_url.raw_path,
                query=request.rel_url.raw_query_string,
                headers={name.lower(): text for name, text in request.headers.items()},
                body=await request.read(),
            )
        )
        headers = {"Content-Type": JSON_TYPE, **reply.headers}
        if reply.delivery is Delivery.WHOLE:
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        if reply.delivery is Delivery.SILENT:
            await self._closing.wait()
        if reply.delivery is Delivery.CUT:
            headers["Content-Length"] = str(len(reply.body))
            torn = web.StreamResponse(status=reply.status, headers=headers)
            await torn.prepare(request)
            await torn.write(reply.body[: len(reply.body) // 2])
            _hang_up(request)
            return torn
        _hang_up(request)
        return web.Response()


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
