"""The rules of doors: who gets a key and until when, who may press, and what an answer settles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from appliance.bus.words import Outcome
from appliance.engines.doors.ahead import cti_of, make_way, revoked
from appliance.engines.doors.door import DWELLERS, DoorState, Key, LockLog
from appliance.engines.doors.messages import (
    DESK,
    AccessLogged,
    CutKey,
    DeliveryNoted,
    HolderKind,
    KeyCut,
    KeyReason,
    LogAccess,
    NoteDelivery,
    NotePinShown,
    OpenAsked,
    OpenDoor,
    OpenSettled,
    PinShown,
    Refusal,
    RevocationAsked,
    RevokeKey,
    RevokeKeys,
    SettleOpening,
)
from appliance.engines.doors.scene import (
    AccessScene,
    DeliveryScene,
    Door,
    DoorScene,
    Holder,
    NamedKey,
)
from appliance.engines.doors.slots import NO_PIN, free_slot
from appliance.engines.doors.windows import Asked, KeyWindow, in_hours, is_week, window
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event, Role, Who

# 6 s: half a second of radio, a retry below us, and still before the guest is told at 8 s.
OPEN_EXPIRES_MS: Final = 6_000
# A door that everybody shares: nobody's key may end another's.
SHARED_GENERATION: Final = 1
# Missing numbers remembered in case they come late; a lock keeps 500 events itself.
MISSING_MAX: Final = 512
# A family in one room; everybody else is another booking.
JOINERS_MAX: Final = 8


def cut_key(scene: DoorScene, command: CutKey, context: Context) -> Decision:
    """A key for a holder at a door, and the end of those it replaces."""
    door = scene.door
    if (refusal := _unfit(scene, command)) is not None:
        return refusal
    if door is None:
        return Refusal.UNKNOWN_DOOR
    window_of_key = _window(scene, command, context)
    if window_of_key is None:
        return Refusal.BAD_WINDOW
    own = scene.state.keys_of(command.holder_kind, command.holder_id)
    if command.reason is KeyReason.RENEWED and _reaches(own, window_of_key.until_s):
        return []
    made = _keys(scene.state, command, door, own, window_of_key, context)
    if isinstance(made, Refusal):
        return made
    # The new keys stand before the old ones fall: nobody is without one in between.
    ended = [revoked(key, door, reason) for key, reason in _replaced(own, command, window_of_key)]
    first = made[0]
    result = {
        "key_id": first.key_id,
        "door_id": door.door_id,
        "generation": first.generation,
        "valid_until_s": first.valid_until_s,
    }
    moved = make_way(scene.state, first, window_of_key, door, context)
    return Yes(events=[*made, *ended, *moved], result=result)


def _keys(
    state: DoorState,
    command: CutKey,
    door: Door,
    own: tuple[Key, ...],
    new: KeyWindow,
    context: Context,
) -> list[KeyCut] | Refusal:
    """The key asked for; where a holder's time or generation changes, one for each joiner too."""
    people = _people(own)
    last = people.get(0)
    lost, joins = command.reason is KeyReason.LOST, command.reason is KeyReason.JOINER
    if joins and last is None:
        return Refusal.NO_KEY
    number = max(people, default=0) + 1 if joins else 0
    if number > JOINERS_MAX:
        return Refusal.TOO_MANY_JOINERS
    now_s = context.now.wall_s
    fresh = lost or joins or last is None
    hours = _hours(command, door)
    slot = free_slot(state, now_s) if fresh or last is None else last.slot
    if hours is not None or (slot is None and door.shared):
        slot = NO_PIN  # a keypad keeps no hours; and a common door has more guests than places
    if slot is None:
        return Refusal.NO_SLOT
    generation = _generation(state, command, door, None if lost else last, now_s)

    def key(number: int, slot: int, pin_ref: str) -> KeyCut:
        key_id = context.new_id("key", *([f"joiner-{number}"] if number and not joins else []))
        return KeyCut(
            key_id=key_id,
            holder_kind=command.holder_kind,
            holder_id=command.holder_id,
            door_id=door.door_id,
            generation=generation,
            valid_from_s=new.from_s,
            valid_until_s=new.until_s,
            reason=command.reason,
            cti=cti_of(key_id),
            slot=slot,
            clock_unsure=new.unsure,
            pin_ref=pin_ref,
            joiner=number,
            bound_to=command.bound_to,
            sponsor=command.sponsor,
            hours=hours,
        )

    first = key(number, slot, "" if fresh or last is None else last.pin_ref)
    if command.reason not in {KeyReason.LOST, KeyReason.EXTENDED, KeyReason.RENEWED}:
        return [first]
    # Whose key was lost is known, and it is not theirs: joiners keep their PINs.
    joiners = [key(number, each.slot, each.pin_ref) for number, each in people.items() if number]
    return [first, *joiners]


def _reaches(own: tuple[Key, ...], until_s: int) -> bool:
    return bool(own) and max(key.valid_until_s for key in own) == until_s


def _hours(command: CutKey, door: Door) -> tuple[int, int, int] | None:
    if command.hours is not None:
        return command.hours
    return door.hours if command.holder_kind in DWELLERS else None


def _people(own: tuple[Key, ...]) -> dict[int, Key]:
    """The newest key of each person of a holder."""
    return {key.joiner: key for key in own}


def revoke_keys(scene: DoorScene, command: RevokeKeys, context: Context) -> Decision:
    """The end of a holder's keys; where every door is meant, a fact that the engine acts on."""
    del context
    kind = command.holder_kind
    if kind is HolderKind.LEASE and (scene.holder is None or scene.holder.state != "evicted"):
        return Refusal.NEEDS_EVICTION
    if command.door_id is None:
        event = RevocationAsked(
            holder_kind=command.holder_kind, holder_id=command.holder_id, reason=command.reason
        )
        return [event]
    if scene.door is None:
        return Refusal.UNKNOWN_DOOR
    keys = scene.state.keys_of(command.holder_kind, command.holder_id)
    events = [revoked(key, scene.door, command.reason) for key in keys]
    return Yes(events=events, result={"revoked": [key.key_id for key in keys]})


def revoke_key(scene: DoorScene, command: RevokeKey, context: Context) -> Decision:
    """The end of one key, whoever else of its holder has one."""
    del context
    if scene.door is None:
        return Refusal.UNKNOWN_DOOR
    key = next((key for key in scene.state.keys if key.key_id == command.key_id), None)
    if key is None:
        return Refusal.NO_KEY
    if key.holder_kind is HolderKind.LEASE and not key.joiner:
        return Refusal.NEEDS_EVICTION
    return Yes(events=[revoked(key, scene.door, command.reason)], result={"revoked": [key.key_id]})


def open_door(scene: DoorScene, command: OpenDoor, context: Context) -> Decision:
    """One intent to move one bolt once."""
    door = scene.door
    if not command.door_id:
        # Asked to open whatever the holder's key fits: there is none.
        return Refusal.NO_KEY if _may_press(command, context.who) else Refusal.NOT_YOURS
    if door is None:
        return Refusal.UNKNOWN_DOOR
    if not _may_press(command, context.who):
        return Refusal.NOT_YOURS
    now_s = context.now.wall_s
    key = _key_to_press(scene.state, command, now_s)
    if isinstance(key, Refusal):
        return key
    if key.hours is not None and not in_hours(key.hours, now_s, scene.time_zone):
        return Refusal.OUT_OF_HOURS
    opening_id = context.new_id("open")
    event = OpenAsked(
        opening_id=opening_id,
        door_id=door.door_id,
        device_id=door.device_id,
        door_number=door.number,
        key_id=key.key_id,
        holder_kind=key.holder_kind,
        holder_id=key.holder_id,
        generation=_pressed_generation(scene.state, key, door, now_s),
        expires_at_ms=context.now.wall_ms + OPEN_EXPIRES_MS,
        cti=key.cti,
    )
    return Yes(events=[event], result={"opening_id": opening_id, "door_id": door.door_id})


def settle_opening(state: DoorState, command: SettleOpening, context: Context) -> Decision:
    """What became of a press. UNKNOWN may get better by evidence; all else is final."""
    opening = state.openings.get(command.opening_id)
    if opening is None:
        return Refusal.UNKNOWN_OPENING
    person = context.who.role in DESK
    evidence = "person" if person else command.evidence
    if opening.final:
        return Refusal.ALREADY_SETTLED
    if opening.outcome is Outcome.UNKNOWN:
        if command.outcome not in {Outcome.DONE, Outcome.REFUSED}:
            return Refusal.ALREADY_SETTLED
        if not evidence:
            return Refusal.NO_EVIDENCE
    elif person:
        # While the order is on its way nobody in front of a screen knows better than the lock.
        return Refusal.NO_EVIDENCE
    event = OpenSettled(
        opening_id=command.opening_id,
        door_id=command.door_id,
        outcome=command.outcome,
        refusal=command.refusal,
        evidence=evidence,
    )
    return Yes(events=[event], result={"outcome": command.outcome.value})


def log_access(scene: AccessScene, command: LogAccess, context: Context) -> Decision:
    """An event of a lock, once for each number; a jump in the numbers is counted as missed."""
    del context
    if scene.door is None:
        return Refusal.UNKNOWN_DEVICE
    log = scene.log.of_series(scene.series)
    if command.seq <= log.last and command.seq not in log.missing:
        return Refusal.SEEN_BEFORE
    event = AccessLogged(
        door_id=scene.door.door_id,
        device_id=command.device_id,
        seq=command.seq,
        event=command.event,
        device_wall_ms=command.device_wall_ms,
        device_uncertainty_ms=command.device_uncertainty_ms,
        order_id=command.order_id,
        cti=command.cti,
        slot=command.slot,
        refusal=command.refusal,
        generation=command.generation,
        key_id=None if scene.key is None else scene.key.key_id,
        holder_id=None if scene.key is None else scene.key.holder_id,
        missed=max(0, command.seq - log.last - 1),
        series=scene.series,
    )
    return [event]


def note_delivery(scene: DeliveryScene, command: NoteDelivery, context: Context) -> Decision:
    """A lock took or refused something of a key; a lock that was taken off says nothing here."""
    del context
    if scene.key is None or scene.door is None:
        return Refusal.NO_KEY
    if command.fitting != scene.door.fitting:
        return Refusal.OTHER_LOCK
    event = DeliveryNoted(
        door_id=command.door_id,
        key_id=command.key_id,
        what=command.what,
        outcome=command.outcome,
        fitting=command.fitting,
    )
    return [event]


def note_pin_shown(key: NamedKey | None, command: NotePinShown, context: Context) -> Decision:
    """Who may see a PIN: the desk, and whoever the key is for."""
    if key is None:
        return Refusal.NO_KEY
    if not _is_theirs(key.holder_kind, key.holder_id, context.who):
        return Refusal.NOT_YOURS
    event = PinShown(
        door_id=command.door_id,
        key_id=command.key_id,
        holder_kind=key.holder_kind,
        holder_id=key.holder_id,
    )
    return [event]


def fold_lock(state: LockLog | None, events: Iterable[Event]) -> LockLog:
    """The numbers of one lock after some more facts."""
    state = state or LockLog()
    last, missing, series = state.last, set(state.missing), state.series
    for event in events:
        if isinstance(event, AccessLogged):
            if event.series != series:
                last, missing, series = 0, set(), event.series
            missing.discard(event.seq)
            missing.update(range(max(last + 1, event.seq - MISSING_MAX), event.seq))
            last = max(last, event.seq)
    kept = frozenset(sorted(missing)[-MISSING_MAX:])
    return LockLog(last=last, missing=kept, series=series)


def _unfit(scene: DoorScene, command: CutKey) -> Refusal | None:
    if scene.holder is None:
        return Refusal.UNKNOWN_HOLDER
    if (refusal := _unwelcome(scene, scene.holder, command)) is not None:
        return refusal
    if command.bound_to and not scene.bond_open:
        return Refusal.NOT_OPEN
    if command.hours is not None and not is_week(command.hours):
        return Refusal.BAD_HOURS
    return None


def _unwelcome(scene: DoorScene, holder: Holder, command: CutKey) -> Refusal | None:
    door = scene.door
    match command.holder_kind:
        case HolderKind.STAY if holder.state != "in_house":
            return Refusal.HOLDER_NOT_IN_HOUSE
        case HolderKind.STAY:
            elsewhere = door is not None and not door.shared and door.room_id != holder.room_id
            return Refusal.HOLDER_NOT_IN_ROOM if elsewhere else None
        case HolderKind.STAFF | HolderKind.LEASE:
            return Refusal.UNKNOWN_HOLDER if holder.state != "active" else None
        case HolderKind.VENDOR:
            known = scene.sponsor is not None and scene.sponsor.state == "active"
            return None if known else Refusal.NO_SPONSOR


def _window(scene: DoorScene, command: CutKey, context: Context) -> KeyWindow | None:
    asked = Asked(
        holder_kind=command.holder_kind,
        from_s=command.valid_from_s,
        until_s=command.valid_until_s,
        departure_end_s=None if scene.holder is None else scene.holder.departure_end_s,
    )
    return window(asked, context.now)


def _generation(state: DoorState, command: CutKey, door: Door, last: Key | None, now_s: int) -> int:
    if door.shared:
        return SHARED_GENERATION
    if command.holder_kind not in DWELLERS:
        return state.generation_now(now_s)
    if last is not None:
        return last.generation
    # Somebody new, or a key in a stranger's hand: whatever was cut before dies at the first use.
    return state.next_generation


def _pressed_generation(state: DoorState, key: Key, door: Door, now_s: int) -> int:
    if door.shared or key.holder_kind in DWELLERS:
        return key.generation
    # Staff whose key was cut before the guest came in are not the previous guest.
    return max(key.generation, state.generation_now(now_s))


def _replaced(own: tuple[Key, ...], command: CutKey, new: KeyWindow) -> list[tuple[Key, str]]:
    if command.reason is KeyReason.LOST:
        return [(key, "lost") for key in own]
    if command.reason in {KeyReason.EXTENDED, KeyReason.RENEWED} and not new.unsure:
        # An earlier departure: what reaches beyond it ends; what ends sooner does no harm.
        return [(key, "shortened") for key in own if key.valid_until_s > new.until_s]
    return []


def _may_press(command: OpenDoor, who: Who) -> bool:
    if command.holder_kind in DWELLERS:
        return _is_theirs(command.holder_kind, command.holder_id, who)
    # Staff press with a key in their own name; only the box acts for others.
    own = who.actor == f"{command.holder_kind}:{command.holder_id}"
    return own or who.role is Role.SERVICE


def _is_theirs(kind: HolderKind, holder_id: str, who: Who) -> bool:
    return who.role in DESK | {Role.SERVICE} or who.actor == f"{kind}:{holder_id}"


def _key_to_press(state: DoorState, command: OpenDoor, now_s: int) -> Key | Refusal:
    keys = state.keys_of(command.holder_kind, command.holder_id)
    if not keys:
        return Refusal.NO_KEY
    live = [key for key in keys if key.holds_at(now_s) and not key.ahead]
    if live:
        return max(live, key=lambda key: key.valid_until_s)
    not_yet = any(key.valid_from_s > now_s or key.ahead for key in keys)
    return Refusal.KEY_NOT_YET if not_yet else Refusal.KEY_EXPIRED
