"""Acts that were sent and not answered, kept so that a crash of the terminal loses none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

# Far more than a shift can leave open; past it the oldest go, since a person never looked.
ENTRIES_MAX = 200
# Only these values are written down: ids, dates, amounts and closed words. Names, notes,
# reasons and PINs stay in memory.
PLAIN = frozenset(
    {
        "acceptNotReady",
        "acknowledged",
        "amountMinor",
        "closing",
        "accept",
        "conflictId",
        "costMinor",
        "decisionId",
        "departure",
        "doorId",
        "keyId",
        "noShows",
        "requestId",
        "roomId",
        "roomTypeId",
        "status",
        "stayId",
        "takeUpstream",
    }
)
# A reason is free text except here, where it is one of four words.
KEY_REASONS = frozenset({"first", "another", "joiner", "lost"})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One act without an answer. `whole` says whether `given` is everything that was sent."""

    act: str
    command_id: str
    person: str  # command ids belong to their asker: nobody else can finish this
    at_ms: int
    given: dict[str, Any]
    whole: bool


def plain_part(act: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What of an act may be written down."""
    return {
        key: value
        for key, value in variables.items()
        if key in PLAIN or (act == "cutKey" and key == "reason" and value in KEY_REASONS)
    }


class Journal:
    """A small file of mode 0600, rewritten whole. `path` None keeps it in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        if path is not None and path.exists():
            self._read(path)

    @property
    def entries(self) -> list[Entry]:
        """Oldest first."""
        return list(self._entries.values())

    def begin(self, entry: Entry) -> None:
        """Before the first byte leaves. Raises OSError when the file cannot be written."""
        self._entries[entry.command_id] = entry
        while len(self._entries) > ENTRIES_MAX:
            self._entries.pop(next(iter(self._entries)))
        self._write()

    def end(self, command_id: str) -> None:
        """An answer came, or nothing ever left."""
        if self._entries.pop(command_id, None) is not None:
            self._write()

    def _read(self, path: Path) -> None:
        try:
            entries = msgspec.json.decode(path.read_bytes(), type=list[Entry])
        except msgspec.MsgspecError:
            # A torn file is set aside, not thrown away: a person may still read the ids.
            path.replace(path.with_suffix(".unreadable"))
            return
        self._entries = {entry.command_id: entry for entry in entries}

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(msgspec.json.encode(self.entries))
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self._path)
