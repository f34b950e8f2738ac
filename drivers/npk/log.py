"""A lock's own log: numbered, hash-chained, signed when it is handed over, kept until acknowledged.

An entry is `[seq, UTC s, doubt s (-1: unknown), kind, cti, status, command id]`. The head after an
entry is SHA-256 over the head before it and the entry's bytes; the first head is 32 zero bytes. So a
log that was cut, changed or begun anew does not continue where the collector left it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.cbor import Item, NotStrictError, read, write
from appliance.kernel.cose import sign1
from drivers.npk.codes import MESSAGE_BYTES_MAX, LogKind, ProtocolError, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric import ec

    from drivers.judge import DeviceTime, Memory

LOG_LABEL: Final = b"NPK1-LOG"
HEAD_BYTES: Final = 32
SLOT_BYTES: Final = 2
FIRST_HEAD: Final = bytes(HEAD_BYTES)
# A week without the box at 70 uses a day, as in twin/books.py: about 20 kB of flash.
ENTRIES_MAX: Final = 500
# What is left of a message after tag, response, signature, lock id, numbers and two heads.
_EXPORT_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 200
_SECTION: Final = "npk_log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log. `kind` and `status` stay numbers: a newer lock may know more."""

    seq: int
    wall_s: int
    uncertainty_s: int  # -1: the lock did not know the time; `wall_s` was certainly past
    kind: int
    cti: bytes = b""
    status: int = Status.DONE
    command_id: bytes = b""

    def encoded(self) -> bytes:
        """The bytes that are chained and sent."""
        return write(self.item())

    def item(self) -> list[Item]:
        """As it stands in an export."""
        times: list[Item] = [self.seq, self.wall_s, self.uncertainty_s]
        return [*times, self.kind, self.cti, self.status, self.command_id]


def entry_of(item: Item) -> Entry:
    """Raises ProtocolError for what is no entry."""
    match item:
        case [int(seq), int(wall), int(doubt), int(kind), bytes(cti), int(status), bytes(command)]:
            return Entry(
                seq=seq,
                wall_s=wall,
                uncertainty_s=doubt,
                kind=kind,
                cti=cti,
                status=status,
                command_id=command,
            )
        case _:
            raise ProtocolError("not an entry of a log")


def slot_code(slot: int | None) -> bytes:
    """What a PIN's entry has in place of a command id: the keypad's slot, 2 bytes."""
    return b"" if slot is None else slot.to_bytes(SLOT_BYTES, "big")


def slot_of(entry: Entry) -> int | None:
    """The slot of a PIN's entry; None for any other entry."""
    if entry.kind != LogKind.PIN or len(entry.command_id) != SLOT_BYTES:
        return None
    return int.from_bytes(entry.command_id, "big")


def head_after(head: bytes, entries: Iterable[Entry]) -> bytes:
    """The chain's head after these entries."""
    for entry in entries:
        head = hashlib.sha256(head + entry.encoded()).digest()
    return head


class LockLog:
    """The lock's side. Changes are durable from the memory's next commit on."""

    def __init__(self, memory: Memory, *, lock_id: int) -> None:
        self._memory = memory
        self._lock_id = lock_id
        self._base_seq: int = memory.get("npk", "log_base_seq", 0)
        self._base_head = bytes.fromhex(memory.get("npk", "log_base_head", FIRST_HEAD.hex()))
        kept = (_entry(raw) for raw in memory.section(_SECTION).values())
        self._entries = sorted(kept, key=lambda entry: entry.seq)

    @property
    def seq(self) -> int:
        """Number of the newest entry."""
        return self._entries[-1].seq if self._entries else self._base_seq

    @property
    def waiting(self) -> int:
        """How many entries nobody has acknowledged."""
        return len(self._entries)

    def add(
        self,
        kind: LogKind,
        time: DeviceTime,
        *,
        cti: bytes = b"",
        status: Status = Status.DONE,
        command_id: bytes = b"",
    ) -> Entry:
        """Write one line. Where the log is full the oldest falls out; its number tells the box."""
        entry = Entry(
            seq=self.seq + 1,
            wall_s=time.ms // 1000,
            uncertainty_s=time.uncertainty_ms // 1000 if time.known else -1,
            kind=kind,
            cti=cti,
            status=status,
            command_id=command_id,
        )
        self._entries.append(entry)
        self._memory.put(_SECTION, str(entry.seq), entry.encoded().hex())
        if len(self._entries) > ENTRIES_MAX:
            self._forget(1)
        return entry

    def about(self, cti: bytes, command_id: bytes) -> Entry | None:
        """The newest entry about one command, as long as it is kept."""
        wanted = (cti, command_id)
        found = (e for e in reversed(self._entries) if (e.cti, e.command_id) == wanted)
        return next(found, None)

    def export(self, after: int, most: int, key: ec.EllipticCurvePrivateKey) -> bytes:
        """At most `most` entries after this number, signed; begins later where that is forgotten."""
        skip = max(0, min(after - self._base_seq, len(self._entries)))
        start_head = head_after(self._base_head, self._entries[:skip])
        given: list[Entry] = []
        size = 0
        for entry in self._entries[skip : skip + max(0, most)]:
            size += len(entry.encoded())
            if size > _EXPORT_BYTES_MAX:
                break
            given.append(entry)
        payload: list[Item] = [
            self._lock_id,
            self._base_seq + skip,
            start_head,
            [entry.item() for entry in given],
            head_after(start_head, given),
            self.seq,
        ]
        return sign1(write(payload), key, aad=LOG_LABEL)

    def acknowledge(self, seq: int, head: bytes) -> bool:
        """Forget what the box has on disk; False where its copy is not this log."""
        count = seq - self._base_seq
        if count < 0 or count > len(self._entries):
            return False
        if head_after(self._base_head, self._entries[:count]) != head:
            return False
        self._forget(count)
        return True

    def _forget(self, count: int) -> None:
        if count == 0:
            return
        gone, self._entries = self._entries[:count], self._entries[count:]
        self._base_head = head_after(self._base_head, gone)
        self._base_seq = gone[-1].seq
        for entry in gone:
            self._memory.drop(_SECTION, str(entry.seq))
        self._memory.put("npk", "log_base_seq", self._base_seq)
        self._memory.put("npk", "log_base_head", self._base_head.hex())


def _entry(raw: str) -> Entry:
    try:
        return entry_of(read(bytes.fromhex(raw)))
    except NotStrictError:  # pragma: no cover - our own flash, written by `add`
        raise ProtocolError("the flash holds an entry that is none") from None
