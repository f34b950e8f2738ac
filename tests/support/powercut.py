"""A disk that loses and tears what was not synced: an apsw VFS with a cut at any I/O call.

Every file is an image that survives (`durable`) and an ordered list of writes since its last
sync. At the cut each of those is dropped, kept, or torn at 512-byte sectors, by a seed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import apsw

SECTOR = 512
_numbers = itertools.count()


class PowerCutError(BaseException):
    """The supply is gone. A BaseException, so that no code of ours can carry on."""


@dataclass(slots=True)
class Disk:
    """What is on the medium, what is only in its cache, and when the power goes."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    live: dict[str, bytearray] = field(default_factory=dict)
    unsynced: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    calls: int = 0
    cut_at: int | None = None
    dark: bool = False

    def tick(self) -> bool:
        """Count one I/O call that changes the medium; the power may go here.

        False once it is gone: what SQLite still does while it unwinds reaches nothing.
        """
        self.calls += 1
        if self.dark:
            return False
        if self.cut_at is not None and self.calls >= self.cut_at:
            self.dark = True
            raise PowerCutError
        return True

    def after_cut(self, chance: random.Random) -> Disk:
        """The disk as it is found when the power is back."""
        for name, act, offset, data in self.unsynced:
            luck = chance.random()
            if luck < 0.4:
                continue
            if luck < 0.7 or act == "truncate":
                _change(self.durable, name, act, offset, data)
                continue
            for start in range(0, len(data), SECTOR):  # torn
                if chance.random() < 0.5:
                    part = data[start : start + SECTOR]
                    _change(self.durable, name, act, offset + start, part)
        return Disk(durable={name: bytearray(data) for name, data in self.durable.items()})


def _change(files: dict[str, bytearray], name: str, act: str, offset: int, data: bytes) -> None:
    image = files.setdefault(name, bytearray())
    if act == "truncate":
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class _File:
    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name
        self._image = disk.live.setdefault(name, bytearray(disk.durable.get(name, b"")))

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return bytes(self._image[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if not self._disk.tick():
            return
        _change(self._disk.live, self._name, "write", offset, bytes(data))
        self._disk.unsynced.append((self._name, "write", offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if not self._disk.tick():
            return
        del self._image[size:]
        self._disk.unsynced.append((self._name, "truncate", size, b""))

    def xSync(self, _flags: int) -> None:  # noqa: N802
        if not self._disk.tick():
            return
        waiting, self._disk.unsynced = self._disk.unsynced, []
        for name, act, offset, data in waiting:
            if name == self._name:
                _change(self._disk.durable, name, act, offset, data)
            else:
                self._disk.unsynced.append((name, act, offset, data))

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._image)

    def xLock(self, _level: int) -> None:  # noqa: N802
        return

    def xUnlock(self, _level: int) -> None:  # noqa: N802
        return

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _op: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0

    def xClose(self) -> None:  # noqa: N802
        return


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.name = f"powercut-{next(_numbers)}"
        super().__init__(self.name, "")

    def xOpen(self, name: Any, _flags: Any) -> Any:  # noqa: N802
        # A transient file of SQLite has no name of its own.
        text = name if isinstance(name, str) else name.filename() if name else f"tmp{id(self)}"
        return _File(self._disk, text)

    def xAccess(self, name: str, _flags: int) -> bool:  # noqa: N802
        image = self._disk.live.get(name, self._disk.durable.get(name))
        return bool(image)

    def xDelete(self, name: str, _sync: bool) -> None:  # noqa: FBT001, N802
        if not self._disk.tick():
            return
        self._disk.live.pop(name, None)
        self._disk.durable.pop(name, None)
        self._disk.unsynced = [entry for entry in self._disk.unsynced if entry[0] != name]

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name


@contextmanager
def open_on(
    disk: Disk, name: str, synchronous: str = "FULL"
) -> Generator[apsw.Connection, None, None]:
    """A connection to a file on that disk, with the log's pragmas."""
    vfs = _Vfs(disk)
    db = apsw.Connection(name, vfs=vfs.name)
    # A VFS in Python has no shared memory: WAL works with the file locked by one connection.
    for pragma in (
        "locking_mode=EXCLUSIVE",
        "page_size=4096",
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "wal_autocheckpoint=40",  # often, so that cuts fall into checkpoints too
        "cell_size_check=ON",
    ):
        db.execute(f"PRAGMA {pragma}")
    try:
        yield db
    finally:
        db.close()
        vfs.unregister()
