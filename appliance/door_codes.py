"""The PIN of a stay's door for whoever tells the guest: derived when it is asked for, never kept.

Asked over the command socket by the box's own sync, on its way to a PMS that prints it or sends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from appliance.engines.doors.credentials import Locksmith
from appliance.engines.doors.messages import HolderKind, NotePinShown
from appliance.engines.doors.queries import KeyView, door_of_stay, doors_of_stay, keys_of
from appliance.engines.doors.slots import NO_PIN
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Done, Role, Surface, Who
from appliance.kernel.reader import Reader

SYNC: Final = Who(actor="sync", role=Role.SERVICE, surface=Surface.SYNC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What the word carries."""

    stay_id: str


class DoorCodes:
    """Answers the socket's words "door_code" and "stay_doors"."""

    def __init__(self, *, asker: Asker, reader: Reader, locksmith: Locksmith, clock: Clock) -> None:
        self._asker = asker
        self._reader = reader
        self._locksmith = locksmith
        self._clock = clock

    async def take(self, fields: Any) -> dict[str, Any] | None:
        """The code that opens the room of a stay, or None; that it was told is a fact first.

        It is the stay's first person's, at the first door of the room. A key that is prepared for
        a guest who is still to come counts; one whose PIN the lock refused does not.
        """
        stay_id = msgspec.convert(fields, _Wanted).stay_id
        found = await door_of_stay(self._reader, stay_id)
        if found is None:
            return None
        door_id, room_id = found
        now_s = self._clock.read().wall_s
        keys = await keys_of(self._reader, HolderKind.STAY, stay_id)
        key = next((key for key in keys if _opens(key, door_id, now_s)), None)
        if key is None:
            return None
        look = NotePinShown(door_id=door_id, key_id=key.facts.key_id)
        # The key's own name: however often a push is repeated, one line says that it was told.
        asking = Asking(command=look, command_id=f"door-code:{key.facts.key_id}", who=SYNC)
        if not isinstance(await self._asker.ask(asking), Done):
            return None
        return {
            "stay_id": stay_id,
            "room_id": room_id,
            "generation": key.facts.generation,
            "valid_from_s": key.facts.valid_from_s,
            "valid_until_s": key.facts.valid_until_s,
            "digits": self._locksmith.pin(key.facts),
        }

    async def doors(self, fields: Any) -> list[str]:
        """The doors of the room a stay lives in or is expected in; where a key for it is cut."""
        return await doors_of_stay(self._reader, msgspec.convert(fields, _Wanted).stay_id)


def _opens(key: KeyView, door_id: str, now_s: int) -> bool:
    return (
        key.facts.door_id == door_id
        and key.joiner == 0
        and key.revoked_at_ms is None
        and key.facts.slot != NO_PIN
        and key.facts.valid_until_s > now_s
        and key.pin_at_lock is not False
    )
