"""The twin's own record of what really happened, which no read model of the box can flatter."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.kernel.clock import Clock

# Names that would put a secret into the record; a caller who uses one has a bug.
SECRET_FIELDS: Final = frozenset(
    {"pin", "digits", "credential", "secret", "password", "card_number"}
)

Entry = dict[str, Any]


class Journal:
    """Append-only entries, in memory or in a JSON-lines file that several processes may share.

    An entry is one JSON object with `kind`, `wall_ms` (UTC, where a clock was given) and the
    fields of the caller. Each is written with one `write` on an O_APPEND descriptor, so entries
    of several threads and processes never interleave and survive a killed process. There is no
    fsync: the journal outlives processes, not power cuts of the machine that simulates.
    """

    def __init__(self, path: Path | None = None, clock: Clock | None = None) -> None:
        """Open or create the file; without a path the entries stay in memory."""
        self._clock = clock
        self._lines: list[bytes] = []
        self._lock = threading.Lock()
        self._path = path
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._end_torn_line(self._file)

    @property
    def path(self) -> Path | None:
        """Where the entries are, None for a journal in memory."""
        return self._path

    def note(self, kind: str, **fields: object) -> None:
        """Write one entry; returns when the operating system has it.

        Values must be JSON-able by msgspec (bytes become base64). Raises ValueError for a field
        whose name says that it is a secret, OSError when the disk is full.
        """
        if not SECRET_FIELDS.isdisjoint(fields):
            bad = ", ".join(sorted(SECRET_FIELDS & set(fields)))
            raise ValueError(f"the journal takes no secrets: leave out {bad}")
        entry: Entry = {"kind": kind}
        if self._clock is not None:
            entry["wall_ms"] = self._clock.read().wall_ms
        entry.update(fields)
        line = msgspec.json.encode(entry) + b"\n"
        if self._file is None:
            with self._lock:
                self._lines.append(line)
        else:
            os.write(self._file, line)

    def read(self, kind: str | None = None) -> list[Entry]:
        """All entries in the order written, of every process, or those of one kind.

        A line that a dying machine left half written is given as `{"kind": "torn"}`.
        """
        if self._path is None:
            with self._lock:
                lines = list(self._lines)
        else:
            lines = self._path.read_bytes().splitlines()
        entries = (_entry(line) for line in lines)
        return [entry for entry in entries if kind is None or entry["kind"] == kind]

    def count(self, kind: str, **fields: object) -> int:
        """How many entries of this kind carry all of these values."""
        wanted = fields.items()
        return sum(all(e.get(k) == v for k, v in wanted) for e in self.read(kind))

    def close(self) -> None:
        """Let go of the file; further notes raise OSError."""
        if self._file is not None:
            os.close(self._file)
            self._file = -1

    @staticmethod
    def _end_torn_line(file: int) -> None:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")


def _entry(line: bytes) -> Entry:
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {"kind": "torn"}
    return entry if isinstance(entry, dict) and "kind" in entry else {"kind": "torn"}
