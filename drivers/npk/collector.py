"""The box's side of a lock's log: what must be on disk, and then what may be acknowledged.

    batch = collector.take(blob)          # after session.request(Op.LOG, collector.seq, 40)
    ... batch.entries on disk, in one transaction with collector.seq and collector.head ...
    session.request(Op.ACK, batch.seq, batch.head)

Killed anywhere, the same batch comes again with the same numbers, so nothing is lost or doubled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from appliance.kernel.cbor import Item, NotStrictError, read
from appliance.kernel.cose import Flaw, point_key, verify1
from drivers.npk.codes import ProtocolError
from drivers.npk.log import FIRST_HEAD, HEAD_BYTES, LOG_LABEL, Entry, entry_of, head_after

# What one request asks for; the lock gives as many of them as fit a message.
BATCH_MAX: Final = 40


class Breach(StrEnum):
    """How a lock's log can contradict what the box has: each needs a person to look."""

    NOT_SIGNED = "not_signed"  # not the lock's signature, or another lock's log
    NOT_A_CHAIN = "not_a_chain"  # the entries are not what their head says
    FORK = "fork"  # another history up to the number that the box has
    ROLLED_BACK = "rolled_back"  # the lock's newest number is older than the box's


class LogBrokenError(Exception):
    """The log does not continue what the box has: raise LOG_BROKEN and take nothing from it."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(f"the lock's log is broken ({breach}): look at the lock")
        self.breach = breach


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Entries to write down, then (`seq`, `head`) to acknowledge.

    `lost` are the numbers (first, last) that fell out of a full log before anybody collected them;
    `more` says that the lock has further entries.
    """

    entries: tuple[Entry, ...]
    seq: int
    head: bytes
    lost: tuple[int, int] | None
    more: bool


class Collector:
    """What the box has of one lock's log; `seq` and `head` are kept beside the entries."""

    def __init__(
        self, *, lock_id: int, lock_point: bytes, seq: int = 0, head: bytes = FIRST_HEAD
    ) -> None:
        """Raises ValueError for a point that is none."""
        self._lock_id = lock_id
        self._lock_key = point_key(lock_point)
        self.seq = seq
        self.head = head

    def take(self, blob: bytes) -> Batch:
        """Check one export and go on from it; raises LogBrokenError and then stays where it was."""
        payload = verify1(blob, self._lock_key, aad=LOG_LABEL)
        if isinstance(payload, Flaw):
            raise LogBrokenError(Breach.NOT_SIGNED)
        start, start_head, entries, head, newest = self._parts(payload)
        numbers = [entry.seq for entry in entries]
        if numbers != list(range(start + 1, start + 1 + len(entries))):
            raise LogBrokenError(Breach.NOT_A_CHAIN)
        if head_after(start_head, entries) != head or newest < start + len(entries):
            raise LogBrokenError(Breach.NOT_A_CHAIN)
        if newest < self.seq:
            raise LogBrokenError(Breach.ROLLED_BACK)
        if start < self.seq or (start == self.seq and start_head != self.head):
            raise LogBrokenError(Breach.FORK)
        lost = (self.seq + 1, start) if start > self.seq else None
        self.seq, self.head = start + len(entries), head
        return Batch(entries=entries, seq=self.seq, head=head, lost=lost, more=newest > self.seq)

    def _parts(self, payload: bytes) -> tuple[int, bytes, tuple[Entry, ...], bytes, int]:
        try:
            match read(payload):
                case [
                    int(lock_id),
                    int(start),
                    bytes(start_head),
                    list(entries),
                    bytes(head),
                    int(newest),
                ] if len(start_head) == len(head) == HEAD_BYTES:
                    if lock_id != self._lock_id:
                        raise LogBrokenError(Breach.NOT_SIGNED)
                    return start, start_head, _entries(entries), head, newest
                case _:
                    raise LogBrokenError(Breach.NOT_A_CHAIN)
        except NotStrictError:
            raise LogBrokenError(Breach.NOT_A_CHAIN) from None


def _entries(found: list[Item]) -> tuple[Entry, ...]:
    try:
        return tuple(entry_of(item) for item in found)
    except ProtocolError:
        raise LogBrokenError(Breach.NOT_A_CHAIN) from None
