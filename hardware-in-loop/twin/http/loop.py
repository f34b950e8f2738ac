"""A simulated host in the same loop as its driver: the same ends as a socket's, on any clock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.kernel.clock import sleep, within
from appliance.kernel.tasks import Nursery
from drivers.http.wire import BODY_BYTES_MAX, Ask, CutError, NotSentError, Reply
from twin.http.answers import Answer, Handle, Request

if TYPE_CHECKING:
    from appliance.kernel.clock import Clock


class LoopWire:
    """Fills `drivers.http.wire.Wire`. `handle` None: the host is away."""

    def __init__(self, handle: Handle, clock: Clock) -> None:
        self.handle: Handle | None = handle
        self._clock = clock
        self._nursery = Nursery(lambda _name, _error: None)

    async def ask(self, ask: Ask, *, deadline_s: float) -> Reply:
        """One request; whoever stops waiting takes nothing back: the host goes on."""
        left_s = deadline_s - self._clock.monotonic()
        if left_s <= 0 or self.handle is None:
            raise NotSentError("away")
        request = Request(
            method=ask.method,
            path=ask.path,
            query=dict(ask.query),
            headers={key.lower(): value for key, value in ask.headers.items()},
            body=ask.body or b"",
        )
        work = self._nursery.mortal("host", _answered(self.handle, request, self._clock))
        try:
            answer: Answer = await within(self._clock, left_s, work)
        except TimeoutError:
            raise CutError("TimeoutError") from None
        if answer.reset or answer.cut or len(answer.body) > BODY_BYTES_MAX:
            raise CutError("reset")
        challenge = answer.headers.get("WWW-Authenticate", "")
        return Reply(status=answer.status, body=answer.body, challenge=challenge)

    async def close(self) -> None:
        """Whatever the host still does ends."""
        await self._nursery.close()


async def _answered(handle: Handle, request: Request, clock: Clock) -> Answer:
    answer = await handle(request)
    if answer.delay_s:
        await sleep(clock, answer.delay_s)
    if answer.silent:
        await asyncio.get_running_loop().create_future()
    return answer
