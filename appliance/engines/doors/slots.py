"""Which place on a keypad a key gets: a slot rests as long as possible between two people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from appliance.engines.doors.door import DoorState

# Slot 0 is the installer's; keypads of this class have 200 (zigbee.md, PIN facts).
SLOT_MIN: Final = 1
SLOT_MAX: Final = 199
# A key without a PIN: where the keypad cannot keep hours, or a common door has more guests.
NO_PIN: Final = 0


def free_slot(state: DoorState, now_s: int, also: Collection[int] = ()) -> int | None:
    """The next slot in turn that no living key has, nor one of `also`; None: all are taken."""
    taken = {key.slot for key in state.keys if key.valid_until_s > now_s} | set(also)
    span = SLOT_MAX - SLOT_MIN + 1
    # Round and round: a slot rests as long as possible before somebody else's PIN lies in it.
    in_turn = (SLOT_MIN + (state.last_slot - SLOT_MIN + 1 + step) % span for step in range(span))
    return next((slot for slot in in_turn if slot not in taken), None)
