"""NPK 1 over one link: messages in frames out and back, and what may have been heard by when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from drivers.ble.links import LinkLostError
from drivers.npk.codes import Command, Message, Op, ProtocolError
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.phone import ANSWER_S_MAX, Greeting, PhoneSession, Verdict, read_no

if TYPE_CHECKING:
    from appliance.kernel.cbor import Item
    from appliance.kernel.clock import Clock
    from drivers.ble.links import Link

# ble.md 2.9: between M2 and M3 at most 3 s, the whole session 10 s; ours takes milliseconds.
SESSION_S_MAX: Final = 10.0


class DeclinedError(Exception):
    """The lock said in clear that it will not talk now (busy, or too many wrong tries)."""

    def __init__(self, status: int, wait_ms: int) -> None:
        super().__init__(f"declined with {status}")
        self.status = status
        self.wait_ms = wait_ms


class Talk:
    """One session. Raises ProtocolError, LinkLostError, TimeoutError, DeclinedError.

    `committed`: the last frame of M3 was handed to the stack, so the lock may act on it. Before
    that it has pieces of a sealed message, and pieces move nothing.
    """

    def __init__(
        self, link: Link, session: PhoneSession, *, clock: Clock, deadline_s: float
    ) -> None:
        self._link = link
        self._session = session
        self._clock = clock
        self._deadline_s = min(deadline_s, clock.monotonic() + SESSION_S_MAX)
        self._framer = Framer()
        self._reassembler = Reassembler()
        self.committed = False

    async def greet(self) -> Greeting:
        """M1 and M2: the lock proves who it is before it learns who we are."""
        await self._send(Message.M1, self._session.m1())
        return self._session.on_m2(await self._expect(Message.M2))

    async def command(self, command: Command, command_id: bytes) -> Verdict:
        """M3 and M4."""
        await self._send(Message.M3, self._session.m3(command, command_id), commits=True)
        return self._session.on_m4(await self._expect(Message.M4))

    async def ask(self, op: Op, *arguments: Item) -> tuple[int, Item]:
        """One request more, its status and result."""
        await self._send(Message.REQUEST, self._session.request(op, *arguments))
        return self._session.on_response(await self._expect(Message.RESPONSE))

    async def _send(self, kind: Message, message: bytes, *, commits: bool = False) -> None:
        frames = self._framer.split(kind, message, self._link.value_bytes_max)
        for number, frame in enumerate(frames, 1):
            # Said before the stack has it: a stack that fails may have sent it all the same.
            self.committed = self.committed or (commits and number == len(frames))
            await self._link.send(frame)

    async def _expect(self, kind: Message) -> bytes:
        until_s = min(self._deadline_s, self._clock.monotonic() + ANSWER_S_MAX)
        while True:
            value = await self._link.next_value(until_s)
            message = self._reassembler.feed(value, int(self._clock.monotonic() * 1000))
            if message is None:
                continue
            found, body = message
            if found == Message.NO:
                raise DeclinedError(*read_no(body))
            if found != kind:
                raise ProtocolError(f"message {found} instead of {kind}")
            return body


TALK_ERRORS: Final = (ProtocolError, LinkLostError, TimeoutError, DeclinedError)
