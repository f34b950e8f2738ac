"""Commands that a lock has begun: the same one again is answered and moves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drivers.npk.codes import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.judge import Memory

# A retry comes within seconds; 256 openings of one door take days.
COMMANDS_MAX: Final = 256
_SECTION: Final = "npk_command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. UNKNOWN: begun by a lock that lost its power before the end."""

    status: Status
    event: int
    wall_s: int


class CommandBook:
    """By (cti, command id): two phones may choose the same id."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def known(self, cti: bytes, command_id: bytes) -> Ended | None:
        """How it ended, None for a new one."""
        kept = self._memory.get(_SECTION, _name(cti, command_id))
        return None if kept is None else _ended(kept)

    def begin(self, cti: bytes, command_id: bytes) -> None:
        """To be committed before anything moves."""
        self._memory.put(_SECTION, _name(cti, command_id), [int(Status.UNKNOWN), 0, 0])
        held = self._memory.section(_SECTION)
        while len(held) > COMMANDS_MAX:
            self._memory.drop(_SECTION, next(iter(held)))

    def finish(self, cti: bytes, command_id: bytes, ended: Ended) -> None:
        """To be committed with the log's entry."""
        record = [int(ended.status), ended.event, ended.wall_s]
        self._memory.put(_SECTION, _name(cti, command_id), record)

    def broken_off(self) -> Iterator[tuple[bytes, bytes]]:
        """Commands begun without an end: (cti, command id)."""
        for name, kept in list(self._memory.section(_SECTION).items()):
            if kept[:2] == [Status.UNKNOWN, 0]:
                cti, _, command_id = name.partition(":")
                yield bytes.fromhex(cti), bytes.fromhex(command_id)


def _name(cti: bytes, command_id: bytes) -> str:
    return f"{cti.hex()}:{command_id.hex()}"


def _ended(kept: list[int]) -> Ended:
    status, event, wall_s = kept
    return Ended(status=Status(status), event=event, wall_s=wall_s)
