"""A phone's session with a lock, carried by the box: frames through, unread and unforgeable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from appliance.bus.words import TunnelFrame
from appliance.kernel.clock import within
from drivers.ble.links import LinkLostError, NoLinkError
from drivers.npk.codes import RX_UUID, SERVICE_UUID, TX_UUID, ProtocolError
from drivers.npk.frames import Framer, Reassembler

if TYPE_CHECKING:
    from drivers.ble.conversations import Ground
    from drivers.ble.links import Link

logger = logging.getLogger(__name__)

# The lock gives a session 10 s (ble.md 2.6); the phone's way to us takes a moment of it.
SESSION_S_MAX: Final = 12.0
CONNECT_S_MAX: Final = 8.0
# A guest who is asked something by the browser takes a few seconds; the lock gives up after 8.
IDLE_S_MAX: Final = 5.0
# Four messages of 2 kB at MTU 23 are 440 frames; a phone that sends more is not talking NPK.
FRAMES_MAX: Final = 512
HEARD_S_MAX: Final = 10.0


@dataclass(slots=True)
class _Session:
    """One phone at one lock."""

    id: str
    frames: asyncio.Queue[TunnelFrame] = field(default_factory=asyncio.Queue)
    expected: int = 0  # number of the next frame down
    sent: int = 0  # number of the next frame up
    taken: int = 0


Back = Callable[[TunnelFrame], Awaitable[None]]


class LockTunnel:
    """The driver's end at one lock: one phone at a time, and a press of the box goes before."""

    def __init__(self, name: str, *, ground: Ground, turn: asyncio.Lock) -> None:
        """`turn`: who holds it talks to the lock."""
        self._name = name
        self._ears = ground.ears
        self._links = ground.links
        self._clock = ground.clock
        self._nursery = ground.nursery
        self._turn = turn
        self._session: _Session | None = None
        self._ended: str | None = None
        self.back: Back | None = None

    async def take(self, frame: TunnelFrame) -> None:
        """One frame of a phone. A repeat is dropped, a gap hangs up; returns without waiting."""
        session = self._session
        if session is None or session.id != frame.session:
            if frame.end or frame.session == self._ended:
                return
            if session is not None or self._turn.locked():
                await self._say_end(frame.session, 0, "busy")
                return
            if frame.number != 0:
                await self._say_end(frame.session, 0, "gap")
                return
            session = self._session = _Session(frame.session)
            self._nursery.mortal(f"tunnel {self._name}", self._carry(session))
        if frame.number < session.expected:
            return
        if frame.number > session.expected or session.taken >= FRAMES_MAX:
            frame = TunnelFrame(session=session.id, number=frame.number, end=True, why="gap")
        session.expected += 1
        session.taken += 1
        session.frames.put_nowait(frame)

    def make_way(self) -> None:
        """The box has an order for this lock: a phone that has not begun to talk yields."""
        session = self._session
        if session is not None and session.taken <= 1:
            session.frames.put_nowait(
                TunnelFrame(session=session.id, number=session.expected, end=True, why="busy")
            )

    async def _carry(self, session: _Session) -> None:
        why, said_by_phone = "lost", False
        try:
            async with self._turn:
                why, said_by_phone = await self._connected(session)
        finally:
            self._session, self._ended = None, session.id
            if not said_by_phone:
                await self._say_end(session.id, session.sent, why)

    async def _connected(self, session: _Session) -> tuple[str, bool]:
        until_s = self._clock.monotonic() + CONNECT_S_MAX
        heard = await self._ears.hear(self._name, fresh_s=HEARD_S_MAX, deadline_s=until_s)
        if heard is None:
            return "not_heard", False
        try:
            async with self._links.to(
                heard.device, until_s, service=SERVICE_UUID, write=TX_UUID, notify=RX_UUID
            ) as link:
                return await self._both_ways(session, link)
        except NoLinkError:
            return "not_connected", False

    async def _both_ways(self, session: _Session, link: Link) -> tuple[str, bool]:
        down = asyncio.ensure_future(self._down(session, link))
        up = asyncio.ensure_future(self._up(session, link))
        either = asyncio.ensure_future(
            asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        )
        try:
            await within(self._clock, SESSION_S_MAX, either)
        except TimeoutError:
            return "too_long", False
        else:
            # The lock's last word and its hanging up come together: let the word through.
            if up.done():
                return up.result(), False
            why = down.result()
            return (why, False) if why is not None else ("", True)
        finally:
            for task in (down, up, either):
                task.cancel()

    async def _down(self, session: _Session, link: Link) -> str | None:
        """Frames of the phone, cut anew to what this link carries; None when the phone hung up."""
        reassembler, framer = Reassembler(), Framer()
        while True:
            getting = asyncio.ensure_future(session.frames.get())
            try:
                frame = await within(self._clock, IDLE_S_MAX, getting)
            except TimeoutError:
                return "idle"
            finally:
                getting.cancel()
            if frame.end:
                return frame.why if frame.why in {"busy", "gap"} else None
            try:
                message = reassembler.feed(frame.frame)
                if message is None:
                    continue
                for piece in framer.split(*message, link.value_bytes_max):
                    await link.send(piece)
            except ProtocolError:
                return "bad_frame"
            except LinkLostError:
                return "lost"

    async def _up(self, session: _Session, link: Link) -> str:
        """Frames of the lock, as they are."""
        last: bytes | None = None
        while True:
            try:
                value = await link.next_value(self._clock.monotonic() + SESSION_S_MAX)
            except (LinkLostError, TimeoutError):
                return "hung_up"
            if value == last:
                continue  # a stack that says each notification twice
            last = value
            if self.back is not None:
                await self.back(TunnelFrame(session=session.id, number=session.sent, frame=value))
            session.sent += 1

    async def _say_end(self, session: str, number: int, why: str) -> None:
        if self.back is not None:
            await self.back(TunnelFrame(session=session, number=number, end=True, why=why))
