"""Subscriptions over WebSocket (graphql-transport-ws): signed in first, bounded, slow ones cut."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web
from graphql import ExecutionResult, GraphQLError, OperationType, execute, subscribe

from appliance.kernel.tasks import Nursery
from appliance.web.context import Request
from appliance.web.documents import BadDocumentError
from appliance.web.graphql import Api, Envelope, error_of, said
from appliance.web.limits import (
    BODY_BYTES_MAX,
    SOCKETS_MAX,
    SOCKETS_PER_ADDRESS_MAX,
    is_own_origin,
    refusal,
)
from appliance.web.news import TooSlowError

logger = logging.getLogger(__name__)

PROTOCOL: Final = "graphql-transport-ws"
# 5 s: a client that connected knows its token already.
INIT_S_MAX: Final = 5.0
# 20 s between pings: shorter than any router's patience with a silent connection.
PING_S: Final = 20.0
# A kiosk has one; a guest page one.
OPERATIONS_MAX: Final = 20
# A message that does not leave within this was sent to a client that is gone or too slow.
SEND_S_MAX: Final = 5.0

WhoIs = Callable[[web.Request, str | None], Awaitable[Request | None]]


class _Message(msgspec.Struct):
    type: str
    id: str | None = None
    payload: Any = None


_MESSAGES: Final = msgspec.json.Decoder(_Message)
_ENCODER: Final = msgspec.json.Encoder()


class Live:
    """Every WebSocket of the box."""

    def __init__(self, api: Api, who_is: WhoIs, nursery: Nursery) -> None:
        self.api = api
        self.nursery = nursery
        self._who_is = who_is
        self._by_address: Counter[str] = Counter()

    @property
    def sockets(self) -> int:
        """How many are open."""
        return self._by_address.total()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /graphql with an upgrade."""
        address = request.remote or ""
        if not is_own_origin(request):
            return refusal(403, "This page is of another site.")
        full = self.sockets >= SOCKETS_MAX
        if full or self._by_address[address] >= SOCKETS_PER_ADDRESS_MAX:
            return refusal(429, "Too many live connections from here.")
        socket = web.WebSocketResponse(
            protocols=(PROTOCOL,), max_msg_size=BODY_BYTES_MAX, heartbeat=PING_S, compress=False
        )
        if not socket.can_prepare(request).ok:
            return refusal(400, "This is no WebSocket.")
        self._by_address[address] += 1
        try:
            await socket.prepare(request)
            await _Connection(self, socket, request).run()
        finally:
            self._by_address[address] -= 1
            self._by_address += Counter()  # forgets addresses with nothing open
        return socket

    async def who_is(self, request: web.Request, authorization: str | None) -> Request | None:
        """Who connects, or None."""
        return await self._who_is(request, authorization)


class _Connection:
    """One WebSocket and its operations."""

    def __init__(self, live: Live, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._live = live
        self._socket = socket
        self._request = request
        self._asked: Request | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        if self._socket.ws_protocol != PROTOCOL:
            await self._socket.close(code=4406, message=b"Subprotocol not acceptable")
            return
        try:
            async with asyncio.timeout(INIT_S_MAX):
                first = await self._next()
            if first is None or not await self._begin(first):
                return
            while (message := await self._next()) is not None:
                if not await self._take(message):
                    return
        except TimeoutError:
            await self._socket.close(code=4408, message=b"Connection initialisation timeout")
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _next(self) -> _Message | None:
        received = await self._socket.receive()
        if received.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
            return None
        try:
            # Bytes are no text, and no message: the decoder says so.
            return _MESSAGES.decode(received.data if received.type is WSMsgType.TEXT else b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            await self._socket.close(code=4400, message=b"Invalid message")
            return None

    async def _begin(self, message: _Message) -> bool:
        if message.type != "connection_init":
            await self._socket.close(code=4401, message=b"Unauthorized")
            return False
        payload = message.payload if isinstance(message.payload, dict) else {}
        header = payload.get("authorization") or payload.get("Authorization")
        asked = await self._live.who_is(self._request, header if isinstance(header, str) else None)
        if asked is None:
            await self._socket.close(code=4403, message=b"Forbidden")
            return False
        self._asked = asked
        await self._send({"type": "connection_ack"})
        return True

    async def _take(self, message: _Message) -> bool:
        match message.type:
            case "ping":
                await self._send({"type": "pong"})
            case "pong":
                pass
            case "complete":
                task = self._running.pop(message.id or "", None)
                if task is not None:
                    task.cancel()
            case "subscribe" if message.id:
                return await self._start(message.id, message.payload)
            case _:
                code = 4429 if message.type == "connection_init" else 4400
                await self._socket.close(code=code, message=b"Invalid message")
                return False
        return True

    async def _start(self, operation_id: str, payload: Any) -> bool:
        if operation_id in self._running or len(operation_id) > 64:
            await self._socket.close(code=4409, message=b"Subscriber already exists")
            return False
        if len(self._running) >= OPERATIONS_MAX:
            await self._fail(operation_id, "Too many operations on this connection.")
            return True
        work = self._operate(operation_id, payload)
        task = self._live.nursery.mortal("live operation", work)
        self._running[operation_id] = task
        return True

    async def _operate(self, operation_id: str, payload: Any) -> None:
        assert self._asked is not None, "nobody subscribes before signing in"
        try:
            results = await self._results(payload, self._asked)
            async for result in results:
                body = said(result, self._asked)
                await self._send({"type": "next", "id": operation_id, "payload": body})
            await self._send({"type": "complete", "id": operation_id})
        except BadDocumentError as error:
            await self._fail(operation_id, *error.sentences)
        except (TooSlowError, TimeoutError):
            await self._socket.close(code=1013, message=b"Too slow: connect again")
        except ConnectionError:
            pass  # the other side has gone; nobody is left to be told
        except Exception as error:  # noqa: BLE001 - whatever a room raises ends one stream
            # A stream that raises ends alone; what is said of it holds no inside.
            shown = error_of(GraphQLError("", original_error=error), self._asked)
            await self._send({"type": "error", "id": operation_id, "payload": [shown]})
        finally:
            self._running.pop(operation_id, None)

    async def _results(self, payload: Any, asked: Request) -> AsyncIterator[ExecutionResult]:
        try:
            envelope = msgspec.convert(payload, Envelope)
        except msgspec.ValidationError:
            raise BadDocumentError("This is not a GraphQL request.") from None
        text = self._live.api.text_of(envelope)
        if text is None:
            raise BadDocumentError("There is no query here.")
        document = self._live.api.documents.read(text)
        operation = document.operation(envelope.operation_name)
        if operation is None:
            raise BadDocumentError("Name one operation of this document.")
        live = operation.operation is OperationType.SUBSCRIPTION
        started: Any = (subscribe if live else execute)(
            self._live.api.schema,
            document.node,
            context_value=asked,
            variable_values=envelope.variables,
            operation_name=envelope.operation_name,
            hide_suggestions=True,
        )
        if asyncio.iscoroutine(started) or isinstance(started, Awaitable):
            started = await started
        return _one(started, asked) if isinstance(started, ExecutionResult) else _each(started)

    async def _fail(self, operation_id: str, *sentences: str) -> None:
        errors = [{"message": each, "extensions": {"code": "BAD_REQUEST"}} for each in sentences]
        await self._send({"type": "error", "id": operation_id, "payload": errors})

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            if self._socket.closed:
                raise ConnectionResetError
            text = _ENCODER.encode(message).decode()
            # Sockets live in real time, so their deadlines do.
            async with asyncio.timeout(SEND_S_MAX):
                await self._socket.send_str(text)


async def _one(result: ExecutionResult, asked: Request) -> AsyncIterator[ExecutionResult]:
    if result.data is None and result.errors:
        raise BadDocumentError(*(error_of(error, asked)["message"] for error in result.errors))
    yield result


async def _each(stream: Any) -> AsyncIterator[ExecutionResult]:
    async with contextlib.aclosing(stream):
        async for result in stream:
            for error in result.errors or ():
                if isinstance(error, GraphQLError) and isinstance(
                    error.original_error, TooSlowError
                ):
                    raise TooSlowError
            yield result
