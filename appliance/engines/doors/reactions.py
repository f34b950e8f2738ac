"""What other engines' facts do to keys, in the same transaction: a departed guest has none.

None of these commands can be refused, because a refusal would take the check-out back: what could
be refused is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.engines.doors.messages import (
    AccessLogged,
    CutKey,
    EndPhones,
    HolderKind,
    KeyReason,
    RevocationAsked,
    RevokeKeys,
    SettleOpening,
    TakeUpKeys,
)
from appliance.engines.doors.phones import has_phones
from appliance.engines.doors.scene import (
    doors_held,
    doors_of_room,
    joiners_at,
    key_used,
    keys_ahead,
    opening_awaits,
    stay_end_s,
)
from appliance.engines.identity.messages import StaffDeactivated
from appliance.engines.stays.messages import (
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    DepartureChanged,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
)
from appliance.kernel.engine import Facts, InlineReaction, Recorded
from appliance.kernel.messages import Command

_WHY: Final = {
    CheckedOut: "checked_out",
    DepartedElsewhere: "departed_elsewhere",
    CheckInUndone: "check_in_undone",
    StayCancelled: "cancelled",
    NoShowMarked: "no_show",
}
_SHOWN_BY: Final = {
    EventKind.UNLOCKED: Outcome.DONE,
    EventKind.REFUSED: Outcome.REFUSED,
    EventKind.JAMMED: Outcome.REFUSED,
}


def _gone(
    facts: Facts,
    event: CheckedOut | DepartedElsewhere | CheckInUndone | StayCancelled | NoShowMarked,
    _: Recorded,
) -> Sequence[Command]:
    why = _WHY[type(event)]
    revoked = _revoke_all(facts, HolderKind.STAY, event.stay_id, why)
    if isinstance(event, CheckInUndone):
        return revoked  # the booking stands, and the phone is still its guest's
    return [*revoked, *_end_phones(facts, HolderKind.STAY, event.stay_id, why)]


def _staff_gone(facts: Facts, event: StaffDeactivated, _: Recorded) -> Sequence[Command]:
    return [
        *_revoke_all(facts, HolderKind.STAFF, event.person_id, "deactivated"),
        *_end_phones(facts, HolderKind.STAFF, event.person_id, "deactivated"),
    ]


def _revocation(facts: Facts, event: RevocationAsked, _: Recorded) -> Sequence[Command]:
    return _revoke_all(facts, event.holder_kind, event.holder_id, event.reason)


def _moved(facts: Facts, event: RoomMoved, recorded: Recorded) -> Sequence[Command]:
    """New keys first, then the end of those of the room that was left."""
    held = doors_held(facts, HolderKind.STAY, event.stay_id)
    left = [door for door, room in held if room == event.from_room_id]
    end_s = stay_end_s(facts, event.departure)
    # A guest beyond the departure gets no key by itself: the desk changes the departure first.
    still = end_s is not None and end_s > recorded.at_wall_ms // 1000
    entered = doors_of_room(facts, event.to_room_id) if left and still else []
    return [
        *(_cut(event.stay_id, door, KeyReason.MOVED) for door in entered),
        # Everybody of the stay moves along, each with a PIN of their own.
        *(
            _cut(event.stay_id, door, KeyReason.JOINER)
            for door in entered
            for _ in range(max(joiners_at(facts, event.stay_id, old) for old in left))
        ),
        *(_revoke(HolderKind.STAY, event.stay_id, door, "moved") for door in left),
    ]


def _arrived(facts: Facts, event: CheckedIn, _: Recorded) -> Sequence[Command]:
    """The door counts what was prepared; what was prepared at another room's door is over."""
    return [
        TakeUpKeys(door_id=door, stay_id=event.stay_id, because="checked_in")
        if room == event.room_id
        else _revoke(HolderKind.STAY, event.stay_id, door, "other_room")
        for door, room in keys_ahead(facts, event.stay_id)
    ]


def _other_room(
    facts: Facts, event: RoomAssigned | RoomUnassigned, _: Recorded
) -> Sequence[Command]:
    """A prepared key is taken back where its guest will not live."""
    room_id = event.room_id if isinstance(event, RoomAssigned) else None
    ahead = keys_ahead(facts, event.stay_id)
    return [
        _revoke(HolderKind.STAY, event.stay_id, door, "other_room")
        for door, room in ahead
        if room != room_id
    ]


def _other_dates(facts: Facts, event: BookingChanged, _: Recorded) -> Sequence[Command]:
    """Prepared again for the new days when their time comes."""
    if event.same_nights:
        return []
    ahead = keys_ahead(facts, event.stay_id)
    return [_revoke(HolderKind.STAY, event.stay_id, door, "other_dates") for door, _room in ahead]


def _used(facts: Facts, event: AccessLogged, _: Recorded) -> Sequence[Command]:
    """A guest who opened with a prepared key is the one the door belongs to now."""
    if event.event is not EventKind.UNLOCKED or event.key_id is None:
        return []
    found = key_used(facts, event.key_id)
    return [] if found is None else [TakeUpKeys(door_id=found[0], stay_id=found[1], because="used")]


def _departure(facts: Facts, event: DepartureChanged, recorded: Recorded) -> Sequence[Command]:
    """The same keys until the new end. An end that is past leaves a guest in house alone."""
    end_s = stay_end_s(facts, event.departure)
    if event.room_id is None or end_s is None or end_s <= recorded.at_wall_ms // 1000:
        return []
    held = doors_held(facts, HolderKind.STAY, event.stay_id)
    # Only where the guest still lives: a key left over from elsewhere would be refused.
    here = [door for door, room in held if room in {None, event.room_id}]
    return [_cut(event.stay_id, door, KeyReason.EXTENDED) for door in here]


def _shown(facts: Facts, event: AccessLogged, _: Recorded) -> Sequence[Command]:
    """An event that names an order says what became of it, also hours later."""
    outcome = _SHOWN_BY.get(event.event)
    if event.order_id is None or outcome is None:
        return []
    door_id = opening_awaits(facts, event.order_id, event.device_id)
    if door_id is None:
        return []
    refusal = LockRefusal.JAMMED if event.event is EventKind.JAMMED else event.refusal
    settle = SettleOpening(
        opening_id=event.order_id,
        door_id=door_id,
        outcome=outcome,
        refusal=refusal,
        evidence=f"event:{event.seq}",
    )
    return [settle]


def _revoke_all(facts: Facts, kind: HolderKind, holder_id: str, reason: str) -> Sequence[Command]:
    held = doors_held(facts, kind, holder_id)
    return [_revoke(kind, holder_id, door, reason) for door, _ in held]


def _end_phones(facts: Facts, kind: HolderKind, holder_id: str, reason: str) -> Sequence[Command]:
    if not has_phones(facts, kind, holder_id):
        return []
    return [EndPhones(holder_kind=kind, holder_id=holder_id, reason=reason)]


def _revoke(kind: HolderKind, holder_id: str, door_id: str, reason: str) -> RevokeKeys:
    return RevokeKeys(holder_kind=kind, holder_id=holder_id, door_id=door_id, reason=reason)


def _cut(stay_id: str, door_id: str, reason: KeyReason) -> CutKey:
    return CutKey(holder_kind=HolderKind.STAY, holder_id=stay_id, door_id=door_id, reason=reason)


INLINE: Final = (
    InlineReaction(event=CheckedIn, react=_arrived),
    InlineReaction(event=RoomAssigned, react=_other_room),
    InlineReaction(event=RoomUnassigned, react=_other_room),
    InlineReaction(event=BookingChanged, react=_other_dates),
    InlineReaction(event=DepartedElsewhere, react=_gone),
    InlineReaction(event=AccessLogged, react=_used),
    InlineReaction(event=CheckedOut, react=_gone),
    InlineReaction(event=CheckInUndone, react=_gone),
    InlineReaction(event=StayCancelled, react=_gone),
    InlineReaction(event=NoShowMarked, react=_gone),
    InlineReaction(event=StaffDeactivated, react=_staff_gone),
    InlineReaction(event=RevocationAsked, react=_revocation),
    InlineReaction(event=RoomMoved, react=_moved),
    InlineReaction(event=DepartureChanged, react=_departure),
    InlineReaction(event=AccessLogged, react=_shown),
)
