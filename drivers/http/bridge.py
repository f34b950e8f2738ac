"""One Nuki bridge: one request at a time, its list read in turns, and its call taken as a hint."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from appliance.kernel.clock import within
from drivers.http import nuki
from drivers.http.wire import CutError, NotSentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.kernel.clock import Clock
    from drivers.http.wire import Ask, Reply, Wire

logger = logging.getLogger(__name__)

# The list comes from the bridge's memory. 30 s: how late a hand at the knob is seen without a call.
POLL_S: Final = 30.0
POLL_ANSWER_S_MAX: Final = 5.0


class NukiBridge:
    """The way to the locks behind one bridge."""

    def __init__(self, wire: Wire, *, token: str, clock: Clock, plain: bool = False) -> None:
        """`plain`: the token itself, for a box that has no time; else a hash that is good once."""
        self._wire = wire
        self._token = token
        self._clock = clock
        self._plain = plain
        self._bell = asyncio.Event()
        # The bridge drops what comes while it works: one request at a time.
        self._mutex = asyncio.Lock()

    def auth(self) -> Mapping[str, str]:
        """What proves us, for one request."""
        if self._plain:
            return {"token": self._token}
        return nuki.hashed(self._token, self._clock.read().wall_s)

    async def ask(self, ask: Ask, *, deadline_s: float) -> Reply:
        """Ask once, when the bridge is free; raises NotSentError or CutError."""
        await self._turn(deadline_s)
        try:
            return await self._wire.ask(ask, deadline_s=deadline_s)
        finally:
            self._mutex.release()

    async def listed(self) -> list[nuki.LockWord] | int:
        """All locks as the bridge has them; a status where it refuses, 0 where it is away."""
        deadline_s = self._clock.monotonic() + POLL_ANSWER_S_MAX
        try:
            reply = await self.ask(nuki.listing(self.auth()), deadline_s=deadline_s)
        except (NotSentError, CutError):
            return 0
        if reply.status != 200:
            return reply.status
        words = nuki.read_list(reply.body)
        return 0 if words is None else words

    async def register(self, url: str) -> bool:
        """Have the bridge call us, if it does not already; whether it will."""
        deadline_s = self._clock.monotonic() + POLL_ANSWER_S_MAX
        try:
            reply = await self.ask(nuki.callbacks(self.auth()), deadline_s=deadline_s)
            known = nuki.read_callbacks(reply.body) if reply.status == 200 else None
            if known is None or url in known:
                return known is not None
            reply = await self.ask(nuki.add_callback(url, self.auth()), deadline_s=deadline_s)
        except (NotSentError, CutError):
            return False
        return reply.status == 200 and nuki.read_success(reply.body) is True

    def ring(self) -> None:
        """Something has changed there, somebody says: look."""
        self._bell.set()

    async def rest(self) -> None:
        """Until the next look is due, or somebody rang."""
        ringing = asyncio.ensure_future(self._bell.wait())
        try:
            await within(self._clock, POLL_S, ringing)
        except TimeoutError:
            pass
        finally:
            ringing.cancel()
        self._bell.clear()

    async def close(self) -> None:
        """Let go of the host."""
        await self._wire.close()

    async def _turn(self, deadline_s: float) -> None:
        taking = asyncio.ensure_future(self._mutex.acquire())
        try:
            await within(self._clock, max(0.0, deadline_s - self._clock.monotonic()), taking)
        except TimeoutError:
            # It may have been given to us in this very turn of the loop.
            if taking.done() and not taking.cancelled():
                self._mutex.release()
            raise NotSentError("the bridge was busy") from None
        except asyncio.CancelledError:
            if taking.done() and not taking.cancelled():
                self._mutex.release()
            raise
        finally:
            taking.cancel()
