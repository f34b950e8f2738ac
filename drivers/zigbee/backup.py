"""Backups of the network: taken after every join, read back before they count, never replaced by less.

Without the keys in it a dead stick means that somebody walks to every door. The files hold the
network's keys: mode 0600, and the disk's encryption is the image's business.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

logger = logging.getLogger(__name__)

# A month of joins at an installer's pace, or ten days of one a day.
GENERATIONS_KEPT: Final = 10
# zigpy's own step; with 0 a restored lock stayed deaf (its replay protection).
COUNTER_STEP: Final = 10_000
# More frames a second than a coordinator sends over a day: the counter must never go back.
FRAMES_A_SECOND_MAX: Final = 25
COUNTER_MAX: Final = 0xF000_0000


class WorseBackupError(Exception):
    """What the stick gave is less than what is kept; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One verified generation. `missing`: things of the house whose link key is not in it."""

    generation: int
    keys: int
    missing: tuple[str, ...]


class Backups:
    """The generations of one stick's network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    async def take(self, app: Any, known: Collection[str]) -> Taken:
        """Read the network out of the stick and keep it as a new generation.

        Raises WorseBackupError and keeps nothing where a key is gone that the last one had.
        """
        fresh = await app.backups.create_backup(load_devices=True)
        text = json.dumps(fresh.as_open_coordinator_json()).encode()
        again = parsed(text)
        if not again.is_complete() or not again.is_compatible_with(fresh):
            raise WorseBackupError("the backup does not read back as it was written")
        keys = keys_of(again)
        if keys != keys_of(fresh):
            raise WorseBackupError("link keys do not read back as they were written")
        before = self.newest()
        if before is not None and same_network(before, again):
            lost = (keys_of(before) - keys) & set(known)
            if lost:
                raise WorseBackupError(
                    f"the stick has lost the keys of {len(lost)} things; the last backup is kept"
                )
        generation = self._last() + 1
        write_whole(self._path(generation), text)
        for old in self.generations()[:-GENERATIONS_KEPT]:
            self._path(old).unlink(missing_ok=True)
        missing = tuple(sorted(set(known) - keys))
        return Taken(generation=generation, keys=len(keys), missing=missing)

    def newest(self) -> Any:
        """The newest generation that reads, or None; an unreadable one is passed over and said."""
        for generation in reversed(self.generations()):
            try:
                return parsed(self._path(generation).read_bytes())
            except (OSError, ValueError, KeyError) as error:
                logger.warning("backup %d cannot be read: %s", generation, type(error).__name__)
        return None

    def generations(self) -> list[int]:
        """Their numbers, oldest first."""
        return sorted(int(path.stem) for path in self._folder.glob("[0-9]*.json"))

    def _last(self) -> int:
        return max(self.generations(), default=0)

    def _path(self, generation: int) -> Path:
        return self._folder / f"{generation:06d}.json"


async def restore(app: Any, backup: Any, now_ms: int) -> None:
    """Write a network into an empty stick.

    The frame counter goes on from where the old stick can have been: a device drops what counts
    backwards, for ever.
    """
    age_s = max(0, now_ms // 1000 - int(backup.backup_time.timestamp()))
    counter = int(backup.network_info.network_key.tx_counter or 0)
    step = COUNTER_STEP + age_s * FRAMES_A_SECOND_MAX
    step = max(COUNTER_STEP, min(step, COUNTER_MAX - counter))
    await app.backups.restore_backup(backup, counter_increment=step)


def parsed(text: bytes) -> Any:
    """A backup from its file; raises ValueError or KeyError where it is none."""
    from zigpy.backups import NetworkBackup  # noqa: PLC0415 - the stack is loaded where a stick is

    return NetworkBackup.from_open_coordinator_json(json.loads(text))


def keys_of(backup: Any) -> set[str]:
    """Whose link keys are in it."""
    return {str(key.partner_ieee) for key in backup.network_info.key_table}


def same_network(one: Any, other: Any) -> bool:
    """Whether two backups are of one network: its key, its id and its coordinator's address.

    The channel may differ: a network that moved is still ours.
    """
    a, b = one.network_info, other.network_info
    return bool(
        a.network_key.key == b.network_key.key
        and a.extended_pan_id == b.extended_pan_id
        and one.node_info.ieee == other.node_info.ieee
    )
