"""Sync's way home within one loop: the asker and the reader themselves, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from appliance.kernel import codec
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.deciding import Asking
from appliance.kernel.engine import Recorded
from appliance.kernel.log import CHAIN_START, COLUMNS, recorded
from appliance.kernel.messages import Answer, Origin, Role, Surface, Who
from appliance.kernel.reader import Reader
from appliance.kernel.socket import show
from appliance.kernel.vault import Vault
from sync.home import Asked, ChainMismatchError, DoorCode, Fact, Page

SYNC = Who(actor="sync", role=Role.SERVICE, surface=Surface.SYNC)
_PAGE = f"SELECT {COLUMNS}, chain FROM event WHERE position > ? ORDER BY position LIMIT ?"  # noqa: S608 - our own columns


class LoopHome:
    """Implements `sync.home.Home` as the command socket does, minus the bytes in between."""

    def __init__(self, *, asker: Asker, reader: Reader, vault: Vault, clock: Clock) -> None:
        self._asker = asker
        self._reader = reader
        self._vault = vault
        self._clock = clock
        self._news = asyncio.Event()
        self.standing: Mapping[str, Any] = {}
        asker.listen(self._notice)

    async def ask(self, asked: Asked) -> Answer:
        """Ask a command; its answer is on disk."""
        asking = Asking(
            command=codec.decode_command(asked.name, asked.body),
            command_id=asked.command_id,
            who=SYNC,
            origin=None if asked.origin is None else msgspec.json.decode(asked.origin, type=Origin),
            cause=asked.cause,
            trace=asked.trace,
        )
        return await self._asker.ask(asking)

    async def feed(self, after: int, chain: str, limit: int, wait_s: float) -> Page:
        """Facts after a position; waits for the first."""
        here = await self._reader.chain_at(after)
        if here is None or (after and here.hex() != (chain or CHAIN_START.hex())):
            raise ChainMismatchError
        self._news.clear()
        facts = await self._facts(after, limit)
        if not facts and wait_s > 0:
            await self._wait(wait_s)
            facts = await self._facts(after, limit)
        return Page(facts=tuple(facts), head=self._asker.head())

    async def door_code(self, stay_id: str) -> DoorCode | None:
        """None: nobody is told codes in a replay."""
        del stay_id
        return None

    async def stay_doors(self, stay_id: str) -> tuple[str, ...]:
        """None: no device of a PMS cuts keys in a replay."""
        del stay_id
        return ()

    async def report(self, standing: Mapping[str, Any]) -> None:
        """Keep what sync says of itself."""
        self.standing = standing

    async def _facts(self, after: int, limit: int) -> list[Fact]:
        rows = await self._reader.rows(_PAGE, (after, limit))
        shown = (show(recorded(row[:-1]), bytes(row[-1]), self._vault) for row in rows)
        return [msgspec.convert(each, Fact) for each in shown]

    async def _wait(self, wait_s: float) -> None:
        alarm = asyncio.ensure_future(sleep(self._clock, wait_s))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({alarm, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            news.cancel()

    def _notice(self, facts: Sequence[Recorded]) -> None:
        del facts
        self._news.set()
