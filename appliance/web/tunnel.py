"""A phone's frames to a lock and back, unread: a WebSocket at one end, the bus at the other.

Phone and lock agree on keys that the box does not have (NPK 1, docs/npk1.md), so it can carry,
delay or drop these frames, and nothing else. What it decides is who may use its radio: a signed-in
guest with a living key at that door, once at a time, for seconds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import WSMsgType, web

from appliance.bus.port import Published
from appliance.bus.words import TOPIC_ROOT, TunnelFrame, decode, device_of, encode, tunnel_topic
from appliance.engines.doors import queries as doors
from appliance.engines.doors.messages import HolderKind
from appliance.web.limits import TUNNEL_ROOT, Rates, is_own_origin, is_socket, refusal

if TYPE_CHECKING:
    from appliance.bus.port import Message
    from appliance.web.context import Ports, Request
    from appliance.web.sessions import Sessions

logger = logging.getLogger(__name__)

# 10 s is what a lock gives a session (ble.md 2.6), 10 more for the radio to find the lock.
SESSION_S_MAX: Final = 20.0
# The longest attribute value of Bluetooth; a frame is one value.
FRAME_BYTES_MAX: Final = 512
# Handshake and answer are 22 frames of 20 bytes, the least there is; three times that each way.
FRAMES_MAX: Final = 64
# The handshake has 620 bytes, a denylist brought along 1.5 kB; twice that and a bit each way.
BYTES_MAX: Final = 4_096
# A radio serves one or two locks at a time; the others wait for seconds and are told so.
TUNNELS_MAX: Final = 16
# A guest who tries again and again, at one a second for a moment; then once in six seconds.
OPENED_BURST: Final = 10.0
OPENED_PER_S: Final = 1 / 6
# A frame that does not leave within this was sent to a phone that is gone.
SEND_S_MAX: Final = 5.0
_CODE_OF_NO: Final = 4403
_CODE_TOO_MUCH: Final = 4413


@dataclass(slots=True)
class _Relay:
    """One phone and one lock. Frames of the lock wait in `coming`; None is the lock's good-bye."""

    session: str
    device: str
    coming: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(FRAMES_MAX))
    expected: int = 0
    why: str = ""
    ending: bool = False

    def hear(self, frame: TunnelFrame) -> None:
        """The next frame of the lock; a repeat is dropped, a gap or a flood ends it."""
        if self.ending or (frame.number < self.expected and not frame.end):
            return
        if frame.end:
            # Whoever hangs up on the way (a driver that is busy) has not counted along.
            self.end(frame.why)
        elif frame.number > self.expected:
            self.end("gap")
        elif not 1 <= len(frame.frame) <= FRAME_BYTES_MAX or self.expected >= FRAMES_MAX:
            self.end("flood")
        else:
            self.expected += 1
            self.coming.put_nowait(frame.frame)

    def end(self, why: str) -> None:
        """No more from the lock's side."""
        self.ending, self.why = True, why
        if self.coming.full():
            self.coming.get_nowait()
        self.coming.put_nowait(None)


@dataclass(frozen=True, slots=True)
class _No:
    """A refusal: its word for the page, its sentence for the guest."""

    code: str
    sentence: str


class Tunnels:
    """Every tunnel of the box."""

    def __init__(self, ports: Ports, sessions: Sessions) -> None:
        self._ports = ports
        self._sessions = sessions
        self._relays: dict[str, _Relay] = {}
        self._at: set[tuple[str, str]] = set()  # (who, door) that have one
        self._rates = Rates(ports.clock, per_s=OPENED_PER_S, burst=OPENED_BURST)

    def routes(self) -> list[web.RouteDef]:
        """The address."""
        return [web.get(TUNNEL_ROOT + "{door}/tunnel", self.serve)]

    async def start(self, _app: web.Application) -> None:
        """Hear the locks' frames; a box without a bus has no tunnels."""
        if self._ports.bus is not None:
            await self._ports.bus.subscribe(f"{TOPIC_ROOT}/+/up/tunnel", self._came)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET /my/doors/<door>/tunnel with an upgrade."""
        socket = web.WebSocketResponse(max_msg_size=FRAME_BYTES_MAX + 1, compress=False)
        if not is_socket(request) or not socket.can_prepare(request).ok:
            return refusal(405, "Open a WebSocket here.")
        # Browsers name their origin on every WebSocket; who does not is no page of ours.
        if "Origin" not in request.headers or not is_own_origin(request):
            return refusal(403, "This page is of another site.")
        signed = await self._sessions.guest(request)
        asked = self._sessions.context(request, signed)
        await socket.prepare(request)
        if signed is None:
            no = _No("needs_sign_in", asked.text("page.sign_in.again"))
            return await _said_no(socket, no)
        door_id = request.match_info["door"][:80]
        device = await self._device(asked, door_id)
        place = (asked.signed_in().actor, door_id)
        if isinstance(device, str):
            # From here to `add` nothing is awaited: two taps cannot both find the place free.
            device = self._crowded(asked, place) or device
        if isinstance(device, _No):
            return await _said_no(socket, device)
        self._at.add(place)
        try:
            await self._carry(socket, device)
        finally:
            self._at.discard(place)
        return socket

    def _crowded(self, asked: Request, place: tuple[str, str]) -> _No | None:
        if place in self._at:
            return _No("busy", asked.text("page.tunnel.busy"))
        if len(self._at) >= TUNNELS_MAX:
            return _No("full", asked.text("page.tunnel.full"))
        if self._rates.wait_s(place[0]) > 0:
            return _No("too_often", asked.text("page.tunnel.too_often"))
        return None

    async def _device(self, asked: Request, door_id: str) -> str | _No:
        """The lock to speak to, or why not; said before any frame leaves."""
        actor = asked.signed_in().actor
        kind, _, holder_id = actor.partition(":")
        now_s = asked.clock.read().wall_s
        why = await doors.unable_at(asked.reader, HolderKind(kind), holder_id, door_id, now_s)
        if why is not None:
            return _No(why.value, asked.text(f"refusal.doors.{why}"))
        fitting = await doors.fitting_of(asked.reader, door_id)
        if fitting is None or not fitting.tunnel or self._ports.bus is None:
            return _No("no_tunnel", asked.text("page.tunnel.no_tunnel"))
        if self._ports.devices.now(fitting.device_id).online is False:
            return _No("lock_away", asked.text("page.tunnel.lock_away"))
        return fitting.device_id

    async def _carry(self, socket: web.WebSocketResponse, device: str) -> None:
        relay = _Relay(session=secrets.token_hex(8), device=device)
        self._relays[relay.session] = relay
        back = self._ports.nursery.mortal("tunnel back", _bring(socket, relay))
        sent, why = 0, "closed"
        try:
            # Sockets live in real time, so their deadlines do.
            async with asyncio.timeout(SESSION_S_MAX):
                sent, why = await self._take(socket, relay)
        except TimeoutError:
            why = "too_long"
        finally:
            del self._relays[relay.session]
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            if not relay.ending:
                await self._send(relay, TunnelFrame(session=relay.session, number=sent, end=True))
        if not socket.closed:
            await socket.close(code=_CODE_TOO_MUCH, message=why.encode())

    async def _take(self, socket: web.WebSocketResponse, relay: _Relay) -> tuple[int, str]:
        """Frames of the phone, one at a time: the next is read when this one has left."""
        number = carried = 0
        while True:
            message = await socket.receive()
            if message.type is not WSMsgType.BINARY:
                gone = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}
                return number, "closed" if message.type in gone else "no_frame"
            carried += len(message.data)
            if not message.data or number >= FRAMES_MAX or carried > BYTES_MAX:
                return number, "too_much"
            frame = TunnelFrame(session=relay.session, number=number, frame=message.data)
            number += 1
            if await self._send(relay, frame) is not Published.ACCEPTED:
                return number, "lock_away"

    async def _send(self, relay: _Relay, frame: TunnelFrame) -> Published:
        topic = tunnel_topic(relay.device, down=True)
        published: Published = await self._ports.bus.publish(topic, encode(frame), qos=1)
        return published

    async def _came(self, message: Message) -> None:
        frame = decode(message.payload, TunnelFrame)
        relay = None if frame is None else self._relays.get(frame.session)
        # A lock speaks in its own tunnels only, whatever session it names.
        if frame is not None and relay is not None and relay.device == device_of(message.topic):
            relay.hear(frame)


async def _bring(socket: web.WebSocketResponse, relay: _Relay) -> None:
    """Frames of the lock to the phone, in order, until it hangs up."""
    try:
        while (frame := await relay.coming.get()) is not None:
            async with asyncio.timeout(SEND_S_MAX):
                await socket.send_bytes(frame)
        why = relay.why if relay.why.isascii() and relay.why.replace("_", "").isalnum() else ""
        await socket.close(code=1000, message=why[:60].encode())
    except (ConnectionError, TimeoutError):
        await socket.close(code=1013, message=b"too slow")


async def _said_no(socket: web.WebSocketResponse, no: _No) -> web.WebSocketResponse:
    # A page cannot read the body of a refused upgrade: the sentence travels in the open socket.
    await socket.send_json({"refused": no.code, "sentence": no.sentence})
    await socket.close(code=_CODE_OF_NO, message=no.code.encode())
    return socket
