"""A device's memory that outlives its process, as flash does: sections of small records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

# After this many appended lines the file is written anew: about 300 kB of a lock's records.
LINES_MAX: Final = 2_000


class Flash:
    """Records by (section, key), in memory and, with a path, in an append-only file.

    `put` and `drop` show at once in memory; `commit` writes all since the last commit as one line
    with one `write`, so a killed process leaves all of it or none. A half-written last line is
    ignored. There is no fsync: what is simulated here is a device's own power, not this machine's.
    Values are anything msgspec encodes; after a restart they come back as plain JSON values.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Load what is there; raises OSError when the file cannot be read or made."""
        self._path = path
        self._data: dict[str, dict[str, Any]] = {}
        self._waiting: list[tuple[str, str, Any]] = []
        self._lines = 0
        self._file: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._load(path.read_bytes())
            self._rewrite()

    def section(self, section: str) -> dict[str, Any]:
        """All records of one section; change them through `put` and `drop` only."""
        return self._data.setdefault(section, {})

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """One record, or the default."""
        return self.section(section).get(key, default)

    def put(self, section: str, key: str, value: object) -> None:
        """Set one record; durable from the next commit on."""
        self.section(section)[key] = value
        if self._file is not None:
            self._waiting.append((section, key, value))

    def drop(self, section: str, key: str) -> None:
        """Forget one record; a record that is not there is no error."""
        if self.section(section).pop(key, None) is not None and self._file is not None:
            self._waiting.append((section, key, None))

    def commit(self) -> None:
        """Write what changed; raises OSError when the disk is full."""
        if not self._waiting or self._file is None:
            return
        os.write(self._file, msgspec.json.encode(self._waiting) + b"\n")
        self._waiting.clear()
        self._lines += 1
        if self._lines >= LINES_MAX:
            self._rewrite()

    def close(self) -> None:
        """Commit and let go of the file."""
        self.commit()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _load(self, raw: bytes) -> None:
        for line in raw.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            for section, key, value in msgspec.json.decode(line, type=list[tuple[str, str, Any]]):
                if value is None:
                    self.section(section).pop(key, None)
                else:
                    self.section(section)[key] = value

    def _rewrite(self) -> None:
        assert self._path is not None
        whole = [(s, k, v) for s, records in self._data.items() for k, v in records.items()]
        fresh = self._path.with_suffix(self._path.suffix + ".new")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        if whole:
            os.write(file, msgspec.json.encode(whole) + b"\n")
        fresh.replace(self._path)
        if self._file is not None:
            os.close(self._file)
        self._file, self._lines = file, 0
        self._waiting.clear()
