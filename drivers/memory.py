"""What a driver remembers in place of a lock that cannot: generation, denylist, floors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from drivers.keep import Keep


class Memory:
    """Sections of small records of one device, in memory and in the keep.

    `put` and `drop` show at once and ride with the transaction that is open, or the next one.
    Values are anything msgspec encodes; after a restart they come back as plain JSON values.
    """

    def __init__(self, keep: Keep, device: str) -> None:
        self._keep = keep
        self._device = device
        self._data: dict[str, dict[str, Any]] = {}
        self._waiting: dict[tuple[str, str], None] = {}
        self._number = 0
        rows = keep.db.execute(
            "SELECT section, key, value, number FROM memory WHERE device = ? ORDER BY number",
            (device,),
        ).fetchall()
        for section, key, value, number in rows:
            self.section(section)[key] = msgspec.json.decode(value)
            self._number = number
        keep.rides_along(self)

    def section(self, section: str) -> dict[str, Any]:
        """All records of one section, oldest first; change them through `put` and `drop` only."""
        return self._data.setdefault(section, {})

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """One record, or the default."""
        return self.section(section).get(key, default)

    def put(self, section: str, key: str, value: object) -> None:
        """Set one record."""
        self.section(section)[key] = value
        self._waiting[(section, key)] = None

    def drop(self, section: str, key: str) -> None:
        """Forget one record; a record that is not there is no error."""
        if self.section(section).pop(key, None) is not None:
            self._waiting[(section, key)] = None

    def commit(self) -> None:
        """Write what changed, now or with the transaction that is open."""
        if self._waiting:
            with self._keep.together():
                pass

    def write(self) -> None:
        """Put what changed into the transaction that is open."""
        for section, key in self._waiting:
            value = self.section(section).get(key)
            if value is None:
                self._keep.db.execute(
                    "DELETE FROM memory WHERE device = ? AND section = ? AND key = ?",
                    (self._device, section, key),
                )
                continue
            self._number += 1
            self._keep.db.execute(
                "INSERT OR REPLACE INTO memory (device, section, key, value, number)"
                " VALUES (?, ?, ?, ?, ?)",
                (self._device, section, key, msgspec.json.encode(value).decode(), self._number),
            )

    def written(self) -> None:
        """It is on disk."""
        self._waiting.clear()
