"""Which thing of the air is which thing of the house; the stack's own database may be rebuilt, this not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import DeviceKind
from appliance.kernel.durable import write_whole
from drivers.zigbee.thing import Entry

if TYPE_CHECKING:
    from pathlib import Path

# Z-Stack keeps 200 link keys on a CC2652; a house with more has two sticks.
THINGS_MAX: Final = 200


@dataclass(slots=True, kw_only=True)
class _File:
    things: list[Entry] = field(default_factory=list)


class NetworkBook:
    """The things of one stick by IEEE address, in one file (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.virgin = not path.exists()
        self._file = _File() if self.virgin else msgspec.json.decode(path.read_bytes(), type=_File)

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order in which they came."""
        return self._file.things

    def find(self, ieee: str) -> Entry | None:
        """The entry of this address."""
        return next((entry for entry in self._file.things if entry.ieee == ieee), None)

    def named(self, name: str) -> Entry | None:
        """The entry of this name."""
        return next((entry for entry in self._file.things if entry.name == name), None)

    def add(self, entry: Entry) -> None:
        """A thing that was not here before."""
        self._file.things.append(entry)
        self.keep()

    def drop(self, ieee: str) -> None:
        """A thing has left for good."""
        self._file.things = [entry for entry in self._file.things if entry.ieee != ieee]
        self.keep()

    def keep(self) -> None:
        """Write it down, durably."""
        write_whole(self._path, msgspec.json.encode(self._file))

    def free_name(self, kind: DeviceKind, room: str) -> str:
        """`lock-101`, or `lock-101-2` where there is one already."""
        base = name = f"{kind.value}-{room}"
        number = 1
        while self.named(name) is not None:
            number += 1
            name = f"{base}-{number}"
        return name
