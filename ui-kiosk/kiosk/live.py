"""News from the box as they happen: one subscription over graphql-transport-ws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from kiosk.client import Client, SignedOut, Unreachable
from kiosk.clock import Clock
from kiosk.queries import CHANGES

PROTOCOL = "graphql-transport-ws"
# The poll asks every 5 s anyway, so a lost subscription is not chased harder than that.
AGAIN_S = 5.0
# A change is a topic, an id and a position: far under a kilobyte.
MESSAGE_BYTES_MAX = 64 * 1024


class Live:
    """Follows `changes` for as long as somebody is signed in; `connected` says if it does."""

    def __init__(self, client: Client, clock: Clock, on_change: Callable[[str], None]) -> None:
        self.connected = False
        self._client = client
        self._clock = clock
        self._on_change = on_change

    async def run(self) -> None:
        """Connect, follow, connect again. Ends only when it is cancelled."""
        while True:
            try:
                await self._follow()
            except (aiohttp.ClientError, TimeoutError, OSError, Unreachable, SignedOut):
                pass  # the poll shows what is true meanwhile
            finally:
                self.connected = False
            await self._clock.pause(AGAIN_S)

    async def _follow(self) -> None:
        access = await self._client.access()
        address = self._client.base_url.replace("http", "ws", 1) + "/graphql"
        async with self._client.session.ws_connect(
            address,
            protocols=(PROTOCOL,),
            headers={"Authorization": f"Bearer {access}"},
            heartbeat=10.0,
            max_msg_size=MESSAGE_BYTES_MAX,
        ) as socket:
            hello = {"Authorization": f"Bearer {access}"}
            await socket.send_str(_text({"type": "connection_init", "payload": hello}))
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                said = msgspec.json.decode(message.data, type=dict[str, Any])
                if not await self._take(socket, said):
                    break

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, said: dict[str, Any]) -> bool:
        """One message of the protocol; False when the subscription is over."""
        match said.get("type"):
            case "connection_ack":
                start = {"id": "1", "type": "subscribe", "payload": {"query": CHANGES}}
                await socket.send_str(_text(start))
                self.connected = True
            case "ping":
                await socket.send_str(_text({"type": "pong"}))
            case "next":
                change = ((said.get("payload") or {}).get("data") or {}).get("changes") or {}
                self._on_change(str(change.get("topic", "")))
            case "error" | "complete":
                return False
            case _:
                pass
        return True


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
