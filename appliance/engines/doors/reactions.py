"""What other engines' facts do to keys, in the same transaction: a departed guest has none.

None of these commands can be refused, because a refusal would take the check-out back: what could
be refused is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.engines.concierge.messages import RequestStatusSet
from appliance.engines.doors.messages import (
    AccessLogged,
    CutKey,
    EndPhones,
    HolderKind,
    KeyReason,
    LeaseRenewed,
    NoteMasterUsed,
    PhoneRemoved,
    ResidentEvicted,
    RevocationAsked,
    RevokeKey,
    RevokeKeys,
    RevokeMaster,
    SettleOpening,
    TakeUpKeys,
)
from appliance.engines.doors.phones import has_phones
from appliance.engines.doors.projection import bond_of, is_over
from appliance.engines.doors.scene import (
    commons,
    doors_held,
    doors_of_room,
    holder_of,
    joiners_at,
    key_used,
    keys_ahead,
    keys_in_phones,
    keys_where,
    master_seen,
    masters_of,
    opening_awaits,
    stay_end_s,
)
from appliance.engines.doors.windows import LENGTH_S_MAX, OVERHANG_S_MAX
from appliance.engines.identity.messages import ShiftClosed, ShiftOpened, StaffDeactivated
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
    StayState,
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
        # Whoever came on their word goes with them.
        *_end_each(keys_where(facts, "sponsor", event.person_id), "sponsor_gone"),
        *(
            RevokeMaster(master_id=master_id, reason="deactivated")
            for master_id in masters_of(facts, event.person_id)
        ),
    ]


def _shift_begins(facts: Facts, event: ShiftOpened, _: Recorded) -> Sequence[Command]:
    """The common doors, for as long as the shift lasts."""
    person = holder_of(facts, HolderKind.STAFF, event.person_id)
    if person is None or person.state != "active":
        return []
    return [
        CutKey(
            holder_kind=HolderKind.STAFF,
            holder_id=event.person_id,
            door_id=door,
            reason=KeyReason.FIRST,
            bound_to=bond_of(event),
        )
        for door in commons(facts, HolderKind.STAFF)
    ]


def _over(facts: Facts, event: ShiftClosed | RequestStatusSet, _: Recorded) -> Sequence[Command]:
    """The keys of a shift or a ticket end with it."""
    if not is_over(event):
        return []
    why = "shift_over" if isinstance(event, ShiftClosed) else "ticket_closed"
    return _end_each(keys_where(facts, "bound_to", bond_of(event)), why)


def _end_each(keys: Sequence[tuple[str, str]], reason: str) -> list[Command]:
    return [RevokeKey(door_id=door, key_id=key_id, reason=reason) for door, key_id in keys]


def _lease(facts: Facts, event: LeaseRenewed, recorded: Recorded) -> Sequence[Command]:
    """The keys of a home go on, and the common doors with them."""
    end_s = stay_end_s(facts, event.until)
    if end_s is None or end_s <= recorded.at_wall_ms // 1000:
        return []
    doors = [*doors_of_room(facts, event.room_id), *commons(facts, HolderKind.LEASE)]
    return [
        CutKey(
            holder_kind=HolderKind.LEASE,
            holder_id=event.lease_id,
            door_id=door,
            reason=KeyReason.RENEWED,
        )
        for door in doors
    ]


def _evicted(facts: Facts, event: ResidentEvicted, _: Recorded) -> Sequence[Command]:
    return [
        *_revoke_all(facts, HolderKind.LEASE, event.lease_id, "evicted"),
        *_end_phones(facts, HolderKind.LEASE, event.lease_id, "evicted"),
    ]


def _phone_gone(facts: Facts, event: PhoneRemoved, recorded: Recorded) -> Sequence[Command]:
    """What a phone was given opens for a day: its guest's keys are cut anew, with the same PINs.

    The guest's other phones fetch theirs again; the one that is gone is refused by name.
    """
    if event.holder_kind is not HolderKind.STAY or event.reason != "removed":
        return []
    holder = holder_of(facts, HolderKind.STAY, event.holder_id)
    if holder is None or holder.state != StayState.IN_HOUSE.value:
        return []
    now_s = recorded.at_wall_ms // 1000
    most_s = (holder.departure_end_s or now_s) + OVERHANG_S_MAX
    if most_s <= now_s:
        return []  # nothing may be cut again, and a refusal would leave the phone enrolled
    old = keys_in_phones(facts, event.holder_id, holder.room_id, now_s)
    ends: dict[str, int] = {}
    for door_id, _, until_s in old:
        ends[door_id] = min(most_s, max(until_s, ends.get(door_id, 0)))
    anew = [
        CutKey(
            holder_kind=HolderKind.STAY,
            holder_id=event.holder_id,
            door_id=door_id,
            reason=KeyReason.EXTENDED,
            valid_until_s=until_s,
        )
        for door_id, until_s in ends.items()
    ]
    return [*anew, *_end_each([key[:2] for key in old], "phone_removed")]


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


def _arrived(facts: Facts, event: CheckedIn, recorded: Recorded) -> Sequence[Command]:
    """The door counts what was prepared; what was prepared at another room's door is over.

    And whoever is here has the common doors. A stay that is past its end, or longer than a key may
    be, gets none by itself: a refusal would take the check-in back.
    """
    now_s = recorded.at_wall_ms // 1000
    end_s = stay_end_s(facts, event.departure)
    fits = end_s is not None and now_s < end_s <= now_s + LENGTH_S_MAX
    shared = commons(facts, HolderKind.STAY) if fits else []
    return [
        *_prepared(facts, event),
        *(_cut(event.stay_id, door, KeyReason.FIRST) for door in shared),
    ]


def _prepared(facts: Facts, event: CheckedIn) -> Sequence[Command]:
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


def _master_seen(facts: Facts, event: AccessLogged, _: Recorded) -> Sequence[Command]:
    """A key for every door is loud, whatever the lock said to it and however late we hear of it."""
    master_id = master_seen(facts, event.cti)
    if master_id is None:
        return []
    return [
        NoteMasterUsed(
            master_id=master_id,
            door_id=event.door_id,
            device_id=event.device_id,
            seq=event.seq,
            event=event.event,
            device_wall_ms=event.device_wall_ms,
        )
    ]


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
    InlineReaction(event=ShiftOpened, react=_shift_begins),
    InlineReaction(event=ShiftClosed, react=_over),
    InlineReaction(event=RequestStatusSet, react=_over),
    InlineReaction(event=LeaseRenewed, react=_lease),
    InlineReaction(event=ResidentEvicted, react=_evicted),
    InlineReaction(event=CheckedIn, react=_arrived),
    InlineReaction(event=RoomAssigned, react=_other_room),
    InlineReaction(event=RoomUnassigned, react=_other_room),
    InlineReaction(event=BookingChanged, react=_other_dates),
    InlineReaction(event=DepartedElsewhere, react=_gone),
    InlineReaction(event=AccessLogged, react=_used),
    InlineReaction(event=AccessLogged, react=_master_seen),
    InlineReaction(event=CheckedOut, react=_gone),
    InlineReaction(event=CheckInUndone, react=_gone),
    InlineReaction(event=StayCancelled, react=_gone),
    InlineReaction(event=NoShowMarked, react=_gone),
    InlineReaction(event=StaffDeactivated, react=_staff_gone),
    InlineReaction(event=RevocationAsked, react=_revocation),
    InlineReaction(event=PhoneRemoved, react=_phone_gone),
    InlineReaction(event=RoomMoved, react=_moved),
    InlineReaction(event=DepartureChanged, react=_departure),
    InlineReaction(event=AccessLogged, react=_shown),
)
