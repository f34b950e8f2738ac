"""What Mews tells by itself: the stream's hints on their way to the look and to the device queue."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, Final

from appliance.kernel.clock import Clock, sleep
from appliance.kernel.discreet import where
from sync.ledger import Ledger
from sync.pms.mews.client import MewsClient
from sync.pms.mews.commands import DeviceQueue
from sync.pms.mews.dial import Dialler
from sync.pms.mews.stream import Dial, Hints, Stream
from sync.pms.port import Hooks

logger = logging.getLogger(__name__)

# One check-in at Mews' desk is several events of one reservation within a blink: one read.
LINGER_S: Final = 0.3
# A queue that could not be read although the way is free.
FAILED_LOOK_S: Final = 5.0
# While nobody is connected the queue is asked for: a guest waits at the desk no longer than that.
UNHEARD_LOOK_S: Final = 30.0


class MewsListening:
    """Implements `sync.pms.port.Listening`: one stream, and what its hints set going."""

    def __init__(
        self,
        *,
        client: MewsClient,
        ledger: Ledger,
        clock: Clock,
        dial: Dial | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._own = None if dial is not None else Dialler(client.account)
        self.queue = DeviceQueue(client=client, ledger=ledger, clock=clock)
        self.stream = Stream(
            dial=dial or self._dialler,
            clock=clock,
            on_connect=self._connected,
            on_hints=self._heard,
            chance=chance,
        )
        self._hooks: Hooks | None = None
        self._reservations: dict[str, None] = {}
        self._hinted = asyncio.Event()
        self._queue_now = asyncio.Event()

    def tasks(self, hooks: Hooks) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """What runs for as long as the role does."""
        self._hooks = hooks
        return [
            ("stream", self._listen),
            ("stream hints", self._pass_on),
            ("device queue", self._look_at_queue),
        ]

    async def _listen(self) -> None:
        try:
            await self.stream.run()
        finally:
            if self._own is not None:
                await self._own.close()

    def _dialler(self) -> Any:
        assert self._own is not None, "without another way to dial there is our own"
        return self._own()

    def _connected(self) -> None:
        """Nothing is replayed: everything that changed is looked for."""
        assert self._hooks is not None, "the tasks were started"
        self._hooks.look()
        self._queue_now.set()

    def _heard(self, hints: Hints) -> None:
        if hints.reservations:
            self._reservations |= dict.fromkeys(hints.reservations)
            self._hinted.set()
        if hints.commands:
            assert self._hooks is not None, "the tasks were started"
            try:
                self.queue.heard(hints.commands)
            except sqlite3.Error as error:
                logger.warning("mews: commands were not written down: %s", where(error))
                self._queue_now.set()  # they are in the queue itself
            self._hooks.wake()

    async def _pass_on(self) -> None:
        assert self._hooks is not None, "the tasks were started"
        while True:
            await self._hinted.wait()
            # Doubled and reordered events of the same moment are one hint.
            await sleep(self._clock, LINGER_S)
            self._hinted.clear()
            hinted, self._reservations = self._reservations, {}
            try:
                self._hooks.hint(list(hinted))
            except sqlite3.Error as error:
                logger.warning("mews: hints were not written down: %s", where(error))
                self._hooks.look()  # which finds what changed without them

    async def _look_at_queue(self) -> None:
        assert self._hooks is not None, "the tasks were started"
        owed = False
        while True:
            if owed:
                await sleep(self._clock, FAILED_LOOK_S)
            else:
                await self._pause(UNHEARD_LOOK_S)
            owed = owed or self._queue_now.is_set() or not self.stream.listening
            self._queue_now.clear()
            if owed and not self._client.gate.closed_ms():
                owed = not await self.queue.look()
                self._hooks.wake()

    async def _pause(self, seconds: float) -> None:
        alarm = asyncio.ensure_future(sleep(self._clock, seconds))
        asked = asyncio.ensure_future(self._queue_now.wait())
        try:
            await asyncio.wait({alarm, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            asked.cancel()
