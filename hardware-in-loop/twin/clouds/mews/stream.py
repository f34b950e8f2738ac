"""The event stream: one WebSocket for each client, `GET /ws/connector` with the tokens as cookies.

From the vendor's guide (cloud.md 1.3): `{"Events": [..]}`, no acknowledgement, no replay. What
happens while nobody is connected is told to nobody; a client is told of the devices that were
there when it connected. The vendor says nothing about pings; like every server it answers them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSMsgType, web

from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import ACCESS_TOKEN, CLIENT_TOKEN

STREAM_PATH: Final = "/ws/connector"
# A client that reads nothing for this many messages is hung up on.
WAITING_MAX: Final = 10_000

Json = dict[str, Any]


@dataclass(slots=True)
class StreamFaults:
    """How the stream misbehaves, until it is told otherwise."""

    refuse: bool = False  # the handshake is answered 401
    silent: bool = False  # connections stay open, and nothing comes: no event, no pong
    lossy: bool = False  # events are lost on their way
    copies: int = 1  # how often each message is sent
    hold: int = 1  # so many messages are kept back and then sent, last first


@dataclass(eq=False, slots=True)
class Listener:
    """One connection, by the cloud's side. `messages` holds text; None ends it."""

    devices: frozenset[str]
    messages: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)


class Streams:
    """Everybody who listens to one property."""

    def __init__(self, store: MewsStore) -> None:
        self.faults = StreamFaults()
        self.connects = 0
        self._store = store
        self._listeners: set[Listener] = set()
        self._held: list[Json] = []
        store.watch(self.tell)

    @property
    def listeners(self) -> int:
        """How many are connected."""
        return len(self._listeners)

    def tell(self, event: Json) -> None:
        """Something happened: one message to everybody who is connected."""
        if self.faults.lossy:
            return
        self._held.append(event)
        if len(self._held) < self.faults.hold:
            return
        held, self._held = self._held[::-1], []
        for each in held:
            for _ in range(self.faults.copies):
                self._send(each)

    def drop(self) -> None:
        """Every connection ends."""
        for listener in self._listeners:
            listener.messages.put_nowait(None)
        self._listeners.clear()

    def admits(self, cookies: Mapping[str, str]) -> bool:
        """Whether a handshake is answered with a connection."""
        right = cookies.get("ClientToken") == CLIENT_TOKEN
        return right and cookies.get("AccessToken") == ACCESS_TOKEN and not self.faults.refuse

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """A connection for as long as the context lasts, over a socket or in process."""
        self.connects += 1
        listener = Listener(frozenset(self._store.devices))
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket until either side ends it."""
        if request.path != STREAM_PATH:
            return web.json_response({"Message": "The resource was not found."}, status=404)
        if not self.admits(request.cookies):
            return web.json_response({"Message": "Invalid tokens."}, status=401)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async with self.listening() as listener:
            sending = asyncio.ensure_future(_send_all(listener, socket))
            try:
                async for message in socket:
                    if message.type is WSMsgType.PING and not self.faults.silent:
                        await socket.pong(message.data)
            finally:
                sending.cancel()
        return socket

    def _send(self, event: Json) -> None:
        if self.faults.silent:
            return
        text = json.dumps({"Events": [event]})
        for listener in list(self._listeners):
            if event["Type"] == "DeviceCommand" and not self._hears(listener, event["Id"]):
                continue
            if listener.messages.qsize() >= WAITING_MAX:
                listener.messages.put_nowait(None)
                self._listeners.discard(listener)
                continue
            listener.messages.put_nowait(text)

    def _hears(self, listener: Listener, command_id: str) -> bool:
        return self._store.commands[command_id].device_id in listener.devices


async def _send_all(listener: Listener, socket: web.WebSocketResponse) -> None:
    while (text := await listener.messages.get()) is not None:
        await socket.send_str(text)
    await socket.close()
