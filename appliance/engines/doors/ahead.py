"""Keys prepared before their guest is here, and why they never touch the guest who is.

A prepared key opens nothing before the check-in time, nor before the last key of whoever lives in
the room has ended. Its generation lies above theirs, and the door counts it from the moment its
guest is checked in or has opened with it. Somebody who comes in between gets the number above, and
the prepared key is made anew above that, with the same PIN in the same slot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from appliance.engines.doors.door import DWELLERS, DoorState, Key
from appliance.engines.doors.messages import (
    ClearKeyRisk,
    HolderKind,
    KeyAtRisk,
    KeyCut,
    KeyReason,
    KeyRevoked,
    KeyRiskCleared,
    KeyTakenUp,
    NoteKeyRisk,
    PrepareKey,
    Refusal,
    Risk,
    TakeUpKeys,
)
from appliance.engines.doors.scene import Door, DoorScene
from appliance.engines.doors.slots import free_slot
from appliance.engines.doors.windows import LENGTH_S_MAX, KeyWindow
from appliance.engines.stays.messages import StayState
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event

# DESIGN section 8: keys known three days ahead are at their lock before anybody stands there.
AHEAD_S_MAX: Final = 72 * 3_600
CTI_BYTES: Final = 8


def cti_of(key_id: str) -> str:
    """A key's own name at a lock, hex."""
    return hashlib.sha256(f"cti:{key_id}".encode()).digest()[:CTI_BYTES].hex()


def revoked(key: Key, door: Door, reason: str) -> KeyRevoked:
    """The end of a key."""
    return KeyRevoked(
        key_id=key.key_id,
        holder_kind=key.holder_kind,
        holder_id=key.holder_id,
        door_id=door.door_id,
        generation=key.generation,
        cti=key.cti,
        slot=key.slot,
        reason=reason,
    )


def prepare_key(scene: DoorScene, command: PrepareKey, context: Context) -> Decision:
    """A key for an expected guest; the same again is no news, other dates are another key."""
    door = scene.door
    window = _expected(scene, command, context)
    if isinstance(window, Refusal):
        return window
    assert door is not None, "nobody is expected at a door that is not there"
    own = scene.state.keys_of(HolderKind.STAY, command.stay_id)
    start_s, end_s = window.from_s, window.until_s
    for key in own:
        if (key.valid_from_s, key.valid_until_s) == (start_s, end_s):
            return Yes(events=[], result={"key_id": key.key_id, "valid_from_s": start_s})
    last = own[-1] if own else None
    slot = last.slot if last is not None else free_slot(scene.state, context.now.wall_s)
    if slot is None:
        return Refusal.NO_SLOT
    key_id = context.new_id("key")
    cut = KeyCut(
        key_id=key_id,
        holder_kind=HolderKind.STAY,
        holder_id=command.stay_id,
        door_id=door.door_id,
        generation=scene.state.next_generation,
        valid_from_s=start_s,
        valid_until_s=end_s,
        reason=KeyReason.AHEAD,
        cti=cti_of(key_id),
        slot=slot,
        pin_ref="" if last is None else last.pin_ref,
    )
    events: list[Event] = [cut, *(revoked(key, door, "other_dates") for key in own)]
    later = [key for key in _others(scene.state, cut) if key.valid_from_s >= start_s]
    events += yielding(later, cut, window, door, context)
    return Yes(events=events, result={"key_id": key_id, "valid_from_s": start_s})


def _expected(  # noqa: PLR0911 - one line for each reason
    scene: DoorScene, command: PrepareKey, context: Context
) -> KeyWindow | Refusal:
    """From the check-in time, or the end of whoever is there before, to the departure."""
    door, holder = scene.door, scene.holder
    if door is None:
        return Refusal.UNKNOWN_DOOR
    if holder is None:
        return Refusal.UNKNOWN_HOLDER
    if door.shared or door.room_id != holder.room_id:
        return Refusal.HOLDER_NOT_IN_ROOM
    begin_s, end_s = holder.arrival_start_s, holder.departure_end_s
    confirmed = holder.state == StayState.CONFIRMED.value
    if not confirmed or begin_s is None or end_s is None or not context.now.sure:
        return Refusal.NOT_AHEAD
    start_s = max([begin_s, *_ends_before(scene.state, command.stay_id, begin_s)])
    if end_s <= max(start_s, context.now.wall_s):
        return Refusal.BAD_WINDOW
    if context.now.wall_s < start_s - AHEAD_S_MAX or end_s - start_s > LENGTH_S_MAX:
        return Refusal.NOT_AHEAD
    return KeyWindow(from_s=start_s, until_s=end_s, unsure=False)


def make_way(
    state: DoorState, cut: KeyCut, window: KeyWindow, door: Door, context: Context
) -> list[Event]:
    """What becomes of prepared keys when a guest who is here gets this one."""
    if cut.holder_kind not in DWELLERS or door.shared:
        return []
    return yielding(_others(state, cut), cut, window, door, context)


def yielding(
    prepared: Iterable[Key], cut: KeyCut, window: KeyWindow, door: Door, context: Context
) -> list[Event]:
    """Prepared keys made anew above a new one and after its end; those in order stay as they are."""
    events: list[Event] = []
    highest, busy_until_s = cut.generation, window.until_s
    for key in prepared:
        start_s = max(key.valid_from_s, busy_until_s)
        if key.generation > highest and start_s == key.valid_from_s:
            highest = key.generation
            continue
        if start_s < key.valid_until_s:
            highest = max(highest + 1, key.generation)
            key_id = context.new_id("key", key.key_id)
            again = KeyCut(
                key_id=key_id,
                holder_kind=key.holder_kind,
                holder_id=key.holder_id,
                door_id=door.door_id,
                generation=highest,
                valid_from_s=start_s,
                valid_until_s=key.valid_until_s,
                reason=KeyReason.AHEAD,
                cti=cti_of(key_id),
                slot=key.slot,
                pin_ref=key.pin_ref,
            )
            events.append(again)
        events.append(revoked(key, door, "made_way"))
    return events


def take_up_keys(scene: DoorScene, command: TakeUpKeys, context: Context) -> Decision:
    """The door counts a guest's prepared keys; none to count is no error."""
    del context
    if scene.door is None:
        return Refusal.UNKNOWN_DOOR
    return [
        KeyTakenUp(
            key_id=key.key_id,
            door_id=command.door_id,
            holder_id=command.stay_id,
            because=command.because,
        )
        for key in scene.state.keys_of(HolderKind.STAY, command.stay_id)
        if key.ahead
    ]


Risks = Mapping[str, Risk]
"""The fold of `risks/<stay_id>`: by door, what is wrong there."""


def fold_risks(state: Risks | None, events: Iterable[Event]) -> Risks:
    """What stands against a guest's keys after some more facts."""
    known = dict(state or {})
    for event in events:
        match event:
            case KeyAtRisk():
                known[event.door_id] = event.why
            case KeyRiskCleared():
                known.pop(event.door_id, None)
            case _:
                pass
    return MappingProxyType(known)


def note_risk(state: Risks, command: NoteKeyRisk, context: Context) -> Decision:
    """An alert, once for as long as it is the same one."""
    del context
    if state.get(command.door_id) is command.why:
        return []
    return [KeyAtRisk(stay_id=command.stay_id, door_id=command.door_id, why=command.why)]


def clear_risk(state: Risks, command: ClearKeyRisk, context: Context) -> Decision:
    """The end of an alert."""
    del context
    if command.door_id not in state:
        return []
    return [
        KeyRiskCleared(stay_id=command.stay_id, door_id=command.door_id, because=command.because)
    ]


def _others(state: DoorState, cut: KeyCut) -> tuple[Key, ...]:
    return state.ahead_of_others(cut.holder_kind, cut.holder_id)


def _ends_before(state: DoorState, stay_id: str, start_s: int) -> list[int]:
    """When the keys of those who were here, or come, before this guest end."""
    return [
        key.valid_until_s
        for key in state.keys
        if key.holder_kind in DWELLERS
        and not key.is_of(HolderKind.STAY, stay_id)
        and (not key.ahead or key.valid_from_s < start_s)
    ]
