"""Collecting one lock's log: on disk here first, then forgotten there, and every breach is loud."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.kernel.durable import write_whole
from drivers.ble.lock_events import happening
from drivers.npk.codes import Op, ProtocolError, Status
from drivers.npk.collector import BATCH_MAX, Collector, LogBrokenError
from drivers.npk.log import FIRST_HEAD
from drivers.port import Alarm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.ble.talk import Talk
    from drivers.npk.log import Entry
    from drivers.port import House

logger = logging.getLogger(__name__)

# A full log of 500 entries is 13 of them; a lock that always has more is not a lock.
BATCHES_MAX: Final = 64


class Position(msgspec.Struct, frozen=True):
    """How far the box has this lock's log; of a lock with another key nothing."""

    lock_point: str
    seq: int
    head: str


class LockLog:
    """The box's copy of one lock's log, as far as it must be remembered."""

    def __init__(self, name: str, *, lock_id: int, lock_point: bytes, path: Path | None) -> None:
        self._name = name
        self._path = path
        self._lock_id = lock_id
        self._lock_point = lock_point
        position = self._load()
        self._collector = Collector(
            lock_id=lock_id,
            lock_point=lock_point,
            seq=0 if position is None else position.seq,
            head=FIRST_HEAD if position is None else bytes.fromhex(position.head),
        )
        self.broken = False

    @property
    def seq(self) -> int:
        """Number of the newest entry that the box has."""
        return self._collector.seq

    async def collect(
        self, talk: Talk, house: House, *, order_of: Callable[[bytes], str | None]
    ) -> list[Entry]:
        """All that waits. Raises LogBrokenError after the alarm, what a talk raises, and OSError."""
        collected: list[Entry] = []
        for _ in range(BATCHES_MAX):
            status, blob = await talk.ask(Op.LOG, self._collector.seq, BATCH_MAX)
            if status != Status.DONE or not isinstance(blob, bytes):
                raise ProtocolError("the lock does not hand over its log")
            before = (self._collector.seq, self._collector.head)
            try:
                batch = self._collector.take(blob)
            except LogBrokenError:
                self.broken = True
                await house.alarm(Alarm.LOG_BROKEN, device=self._name)
                raise
            if batch.lost is not None:
                # Not tampering by itself (a log holds a week), but nobody will ever read them.
                logger.warning("%s lost entries %d to %d of its log", self._name, *batch.lost)
                await house.alarm(Alarm.LOG_BROKEN, device=self._name)
            try:
                for entry in batch.entries:
                    what = happening(entry, order_of(entry.command_id))
                    if what is not None:
                        await house.happened(self._name, what)
                self._save(batch.seq, batch.head)
            except BaseException:
                # Not on disk: the lock keeps it, and the same batch comes again.
                self._collector.seq, self._collector.head = before
                raise
            collected += batch.entries
            if batch.entries:
                await talk.ask(Op.ACK, batch.seq, batch.head)
            if not batch.more:
                break
        return collected

    def _load(self) -> Position | None:
        if self._path is None:
            return None
        try:
            position = msgspec.json.decode(self._path.read_bytes(), type=Position)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):
            logger.warning("where %s's log stood is unreadable: all of it comes again", self._name)
            return None
        return position if position.lock_point == self._lock_point.hex() else None

    def _save(self, seq: int, head: bytes) -> None:
        if self._path is not None:
            position = Position(self._lock_point.hex(), seq, head.hex())
            write_whole(self._path, msgspec.json.encode(position))
