"""Who works here, who has which terminal, and who is to be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from appliance.engines.identity.messages import (
    AddStaff,
    ChangePin,
    CloseShift,
    DeactivateStaff,
    ForgetPerson,
    OpenShift,
    PersonForgotten,
    PinChanged,
    Refusal,
    ShiftClosed,
    ShiftOpened,
    StaffAdded,
    StaffDeactivated,
)
from appliance.kernel.engine import Context, Decision, No, Yes
from appliance.kernel.messages import Event, Role
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import looks_like_card_number

NOT_FOR_STAFF = frozenset({Role.GUEST, Role.RESIDENT, Role.SERVICE})
# Without one of these nobody could add the next person.
MANAGING = frozenset({Role.MANAGER, Role.ADMIN})
# A name on a badge, and an id that is typed at a terminal.
NAME_CHARS_MAX = 80
ID_CHARS_MAX = 64
# An encoded argon2id hash of ours has 97 characters.
HASH_CHARS_MAX = 200
# What a refusal lists of unknowns; the hand-over screen asks for all of them anyway.
LISTED_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of the staff."""

    roles: frozenset[Role]
    active: bool = True

    @property
    def manages(self) -> bool:
        """Whether this person can put the staff in order."""
        return self.active and bool(self.roles & MANAGING)


def _nobody() -> MappingProxyType[str, Member]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Everybody who works or worked here, by person id."""

    members: MappingProxyType[str, Member] = field(default_factory=_nobody)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Who has a terminal; `shift_id` None: nobody."""

    shift_id: str | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffScene:
    """The staff, and whether the person named was forgotten once."""

    staff: Staff
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftScene:
    """One terminal, the staff, and what nobody knows the end of yet."""

    shift: Shift
    staff: Staff
    unknowns: Sequence[str] = ()


def fold_staff(state: Staff | None, events: Iterable[Event]) -> Staff:
    """The staff after more facts."""
    members = dict(state.members) if state else {}
    for event in events:
        if isinstance(event, StaffAdded):
            members[event.person_id] = Member(roles=frozenset(event.staff_roles))
        elif isinstance(event, StaffDeactivated):
            members[event.person_id] = replace(members[event.person_id], active=False)
    return Staff(members=MappingProxyType(members))


def fold_person(state: bool | None, events: Iterable[Event]) -> bool:  # noqa: FBT001 - a state
    """Whether a person was forgotten."""
    return bool(state) or any(isinstance(event, PersonForgotten) for event in events)


def fold_shift(state: Shift | None, events: Iterable[Event]) -> Shift:
    """Who has a terminal after more facts."""
    now = state or Shift()
    for event in events:
        if isinstance(event, ShiftOpened):
            now = Shift(shift_id=event.shift_id, person_id=event.person_id)
        elif isinstance(event, ShiftClosed):
            now = Shift()
    return now


def add_staff(scene: StaffScene, command: AddStaff, _context: Context) -> Decision:
    """An id is given once, also after its person has left or was forgotten."""
    refusal = _text_refusal(command.person_id, ID_CHARS_MAX)
    refusal = refusal or _text_refusal(command.display_name, NAME_CHARS_MAX)
    if any(map(looks_like_card_number, (command.person_id, command.display_name))):
        refusal = Refusal.CARD_NUMBER
    if refusal is not None:
        return refusal
    if command.person_id in scene.staff.members or scene.forgotten:
        return Refusal.EXISTS
    if not command.staff_roles:
        return Refusal.NO_ROLES
    strange = sorted(set(command.staff_roles) & NOT_FOR_STAFF)
    if strange:
        return No(refusal=Refusal.ROLE_NOT_FOR_STAFF, detail={"roles": strange})
    if not _is_hash(command.pin_hash):
        return Refusal.BAD_PIN
    event = StaffAdded(
        person_id=command.person_id,
        display_name=seal_later(command.person_id, command.display_name.strip()),
        staff_roles=tuple(dict.fromkeys(command.staff_roles)),
        pin_hash=seal_later(command.person_id, command.pin_hash),
    )
    return Yes(events=[event], result={"person_id": command.person_id})


def _is_hash(text: str) -> bool:
    """A PIN itself never comes this far: whoever sends one has not read the contract."""
    return text.startswith("$argon2id$") and len(text) <= HASH_CHARS_MAX


def _text_refusal(text: str, at_most: int) -> Refusal | None:
    if not text.strip():
        return Refusal.EMPTY
    return Refusal.TOO_LONG if len(text) > at_most else None


def change_pin(scene: StaffScene, command: ChangePin, _context: Context) -> Decision:
    """A new PIN for somebody who works here."""
    refusal = _not_active(scene.staff, command.person_id)
    if refusal is not None:
        return refusal
    if not _is_hash(command.pin_hash):
        return Refusal.BAD_PIN
    hashed = seal_later(command.person_id, command.pin_hash)
    return [PinChanged(person_id=command.person_id, pin_hash=hashed)]


def deactivate_staff(scene: StaffScene, command: DeactivateStaff, _context: Context) -> Decision:
    """Nobody sends the last one away who could let others in."""
    refusal = _not_active(scene.staff, command.person_id)
    if refusal is not None:
        return refusal
    others = (member for key, member in scene.staff.members.items() if key != command.person_id)
    if scene.staff.members[command.person_id].manages and not any(m.manages for m in others):
        return Refusal.LAST_MANAGER
    return [StaffDeactivated(person_id=command.person_id)]


def _not_active(staff: Staff, person_id: str) -> Refusal | None:
    member = staff.members.get(person_id)
    if member is None:
        return Refusal.UNKNOWN_PERSON
    return None if member.active else Refusal.INACTIVE


def forget_person(scene: StaffScene, command: ForgetPerson, _context: Context) -> Decision:
    """Erase a person once; who works here is deactivated first."""
    refusal = _text_refusal(command.person_id, ID_CHARS_MAX)
    if refusal is not None:
        return refusal
    member = scene.staff.members.get(command.person_id)
    if member is not None and member.active:
        return Refusal.STILL_ACTIVE
    if scene.forgotten:
        return []
    return [PersonForgotten(person_id=command.person_id, reason=command.reason[:NAME_CHARS_MAX])]


def open_shift(scene: ShiftScene, command: OpenShift, context: Context) -> Decision:
    """One person has a terminal at a time; the same person asking again has it already."""
    refusal = _text_refusal(command.terminal, ID_CHARS_MAX) or _not_yours(
        command.person_id, context, for_others=False
    )
    refusal = refusal or _not_active(scene.staff, command.person_id)
    if refusal is not None:
        return refusal
    if scene.shift.person_id == command.person_id:
        return Yes(events=[], result={"shift_id": scene.shift.shift_id})
    if scene.shift.person_id is not None:
        return No(refusal=Refusal.SHIFT_OPEN, detail={"person_id": scene.shift.person_id})
    shift_id = context.new_id("shift")
    event = ShiftOpened(shift_id=shift_id, person_id=command.person_id, terminal=command.terminal)
    return Yes(events=[event], result={"shift_id": shift_id})


def close_shift(scene: ShiftScene, command: CloseShift, context: Context) -> Decision:
    """Whoever hands over has read out what nobody knows the end of."""
    refusal = _not_yours(command.person_id, context, for_others=True)
    if refusal is not None:
        return refusal
    if scene.shift.shift_id is None or scene.shift.person_id != command.person_id:
        return Refusal.NO_SHIFT
    missing = sorted(set(scene.unknowns) - set(command.acknowledged))
    if missing:
        detail = {"missing": missing[:LISTED_MAX], "count": len(missing)}
        return No(refusal=Refusal.UNACKNOWLEDGED, detail=detail)
    event = ShiftClosed(
        shift_id=scene.shift.shift_id,
        person_id=command.person_id,
        terminal=command.terminal,
        # Only what there was to acknowledge: the fact says what was read out, not what was typed.
        acknowledged=tuple(sorted(set(scene.unknowns))),
    )
    return Yes(events=[event], result={"shift_id": scene.shift.shift_id})


def _not_yours(person_id: str, context: Context, *, for_others: bool) -> Refusal | None:
    """A shift is one's own; a manager closes that of somebody who went home."""
    if context.who.actor == f"staff:{person_id}":
        return None
    if for_others and context.who.role in MANAGING:
        return None
    return Refusal.NOT_YOURS
