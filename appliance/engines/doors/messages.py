"""The words of doors: keys of any holder, one intent per press, and what the locks said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed

DESK = frozenset({Role.FRONT_DESK, Role.MANAGER, Role.ADMIN})
OPENERS = DESK | {Role.GUEST, Role.RESIDENT, Role.HOUSEKEEPING, Role.MAINTENANCE, Role.SERVICE}
BOX = frozenset({Role.SERVICE})
MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})
PHONE_HOLDERS = (OPENERS | {Role.CONCIERGE}) - BOX


class HolderKind(StrEnum):
    """Whose key it is."""

    STAY = "stay"
    LEASE = "lease"
    STAFF = "staff"
    VENDOR = "vendor"


class KeyReason(StrEnum):
    """Why a key was cut."""

    FIRST = "first"
    ANOTHER = "another"  # a second key beside the first, same generation
    LOST = "lost"  # replaces all keys of the holder at this door: next generation
    MOVED = "moved"
    EXTENDED = "extended"
    AHEAD = "ahead"  # prepared before the guest is here; decides nothing until it is taken up
    RENEWED = "renewed"  # a lease goes on, and its keys with it
    JOINER = "joiner"  # another person of the stay: own name, own PIN, same generation


class MasterKind(StrEnum):
    """What a key for every door is for."""

    MASTER = "master"  # opens whatever the guest has asked for, while the lock knows the time
    EMERGENCY = "emergency"  # opens also where the clock is lost


class Risk(StrEnum):
    """Why a key that was prepared may not open."""

    NO_KEY = "no_key"  # none could be prepared
    SILENT = "silent"  # the lock has not taken it, and nobody has heard of the lock
    LOCK_REFUSED = "lock_refused"


class Refusal(StrEnum):
    """Why there is no key, or no press."""

    UNKNOWN_DOOR = "unknown_door"
    UNKNOWN_HOLDER = "unknown_holder"
    HOLDER_NOT_IN_HOUSE = "holder_not_in_house"
    HOLDER_NOT_IN_ROOM = "holder_not_in_room"
    BAD_WINDOW = "bad_window"
    NO_KEY = "no_key"
    KEY_EXPIRED = "key_expired"
    KEY_NOT_YET = "key_not_yet"
    NOT_YOURS = "not_yours"
    UNKNOWN_OPENING = "unknown_opening"
    ALREADY_SETTLED = "already_settled"
    SEEN_BEFORE = "seen_before"  # the device's sequence number is not new
    UNKNOWN_DEVICE = "unknown_device"
    NO_SLOT = "no_slot"
    NO_EVIDENCE = "no_evidence"  # a second word on an opening needs something that shows it
    BAD_POINT = "bad_point"  # not 65 bytes of a point on P-256
    PHONE_OF_ANOTHER = "phone_of_another"
    TOO_MANY_PHONES = "too_many_phones"
    UNKNOWN_PHONE = "unknown_phone"
    OTHER_LOCK = "other_lock"  # the door has got another lock since
    NOT_AHEAD = "not_ahead"  # nobody is expected in this room within 72 h, or the clock is unsure
    TOO_MANY_JOINERS = "too_many_joiners"
    NO_SPONSOR = "no_sponsor"  # a vendor comes on the word of somebody who works here
    NOT_OPEN = "not_open"  # the shift or the ticket is over, or there was none
    BAD_HOURS = "bad_hours"
    OUT_OF_HOURS = "out_of_hours"
    NEEDS_EVICTION = "needs_eviction"  # a home key ends with the lease, or by an eviction
    NEEDS_SECOND = "needs_second"  # another manager's approval
    REASON_NEEDED = "reason_needed"
    TOO_LONG = "too_long"
    UNKNOWN_LEASE = "unknown_lease"
    UNKNOWN_MASTER = "unknown_master"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CutKey(Command):
    """A key for a holder at one door. Times are UTC seconds; the window is half-open.

    With `valid_until_s` None the window ends at the holder's departure plus the grace. While the
    clock is unsure the engine shortens it to 4 h and flags it (law 6). Who works here has a key for
    a shift or a ticket: `bound_to` is "shift:<id>" or "ticket:<id>", and the key ends with it. A
    vendor needs a `sponsor`, the person id of somebody who works here. `hours` are (weekdays, from
    minute, to minute) of the property's day, bit 0 is Monday.
    """

    name: ClassVar[str] = "doors.cut_key"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    holder_kind: HolderKind
    holder_id: str
    door_id: str
    reason: KeyReason
    valid_from_s: int | None = None
    valid_until_s: int | None = None
    bound_to: str = ""
    sponsor: str = ""
    hours: tuple[int, int, int] | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKeys(Command):
    """Every key of a holder dies, at one door or (None) at all. Nothing to revoke is no error."""

    name: ClassVar[str] = "doors.revoke_keys"
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    holder_kind: HolderKind
    holder_id: str
    door_id: str | None
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey(Command):
    """One key dies and no other: a joiner who leaves first, a phone that was lent."""

    name: ClassVar[str] = "doors.revoke_key"
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    door_id: str
    key_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RenewLease(Command):
    """A resident lives in this room until this day; their keys go on until then.

    Whatever is owed (DESIGN law 9): nothing about money is asked, known or looked at here.
    """

    name: ClassVar[str] = "doors.renew_lease"
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    lease_id: str
    room_id: str
    until: date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EvictResident(Command):
    """A person's own act: every key of a resident ends. Needs a reason and a second manager."""

    name: ClassVar[str] = "doors.evict_resident"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    lease_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CutMaster(Command):
    """A key for every door that works with box and line dead. Needs a second manager.

    `point` binds it to one phone (65 bytes in hex); without one it is a card in a sealed envelope,
    and `label` says which. The holder is somebody who works here and answers for it.
    """

    name: ClassVar[str] = "doors.cut_master"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    master_kind: MasterKind
    holder_id: str
    label: str
    valid_until_s: int
    point: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeMaster(Command):
    """A key for every door ends: every lock is told."""

    name: ClassVar[str] = "doors.revoke_master"
    roles: ClassVar[frozenset[Role]] = MANAGERS | BOX | {Role.INSTALLER}
    master_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteMasterShown(Command):
    """Somebody is about to be handed a key for every door; asked before it is signed."""

    name: ClassVar[str] = "doors.note_master_shown"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    master_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteMasterUsed(Command):
    """A lock has seen a key for every door."""

    name: ClassVar[str] = "doors.note_master_used"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX
    master_id: str
    door_id: str
    device_id: str
    seq: int
    event: EventKind
    device_wall_ms: int


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDenylist(Command):
    """What locks are to refuse has changed, or not: `digest` is SHA-256 of it, in hex."""

    name: ClassVar[str] = "doors.issue_denylist"
    roles: ClassVar[frozenset[Role]] = BOX
    digest: str
    entries: int


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareKey(Command):
    """A key for a stay that is expected, at a door of its room. Asked again it changes nothing."""

    name: ClassVar[str] = "doors.prepare_key"
    roles: ClassVar[frozenset[Role]] = BOX
    stay_id: str
    door_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUpKeys(Command):
    """The guest is here, or has opened with a prepared key: from now on it counts."""

    name: ClassVar[str] = "doors.take_up_keys"
    roles: ClassVar[frozenset[Role]] = BOX | DESK
    door_id: str
    stay_id: str
    because: str  # "checked_in", "used"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKeyRisk(Command):
    """A guest is expected within a day and the lock has not shown that it will open."""

    name: ClassVar[str] = "doors.note_key_risk"
    roles: ClassVar[frozenset[Role]] = BOX
    stay_id: str
    door_id: str
    why: Risk


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ClearKeyRisk(Command):
    """The lock has shown it, or nobody is expected any more. Nothing to clear is no error."""

    name: ClassVar[str] = "doors.clear_key_risk"
    roles: ClassVar[frozenset[Role]] = BOX
    stay_id: str
    door_id: str
    because: str  # "cured", "gone"


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoor(Command):
    """One intent to move one bolt once. The opening's id is in the result; its outcome follows."""

    name: ClassVar[str] = "doors.open"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = OPENERS
    door_id: str
    holder_kind: HolderKind
    holder_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SettleOpening(Command):
    """What is known of an opening. UNKNOWN may be settled later by evidence, never by a resend."""

    name: ClassVar[str] = "doors.settle_opening"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX | DESK
    opening_id: str
    door_id: str
    outcome: Outcome
    refusal: LockRefusal | None = None
    evidence: str = (
        ""  # "answer", "late_answer", "event:<seq>", "bolt_state", "deadline", "restart", "person"
    )


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class LogAccess(Command):
    """An event of a lock, as its device numbered it; a repeat is refused as SEEN_BEFORE."""

    name: ClassVar[str] = "doors.log_access"
    admission: ClassVar[Admission] = Admission.DOOR
    roles: ClassVar[frozenset[Role]] = BOX
    device_id: str
    seq: int
    event: EventKind
    device_wall_ms: int
    device_uncertainty_ms: int = 0
    order_id: str | None = None
    cti: str | None = None
    slot: int | None = None
    refusal: LockRefusal | None = None
    generation: int | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDelivery(Command):
    """A lock took (or refused) a PIN or a denylist entry."""

    name: ClassVar[str] = "doors.note_delivery"
    admission: ClassVar[Admission] = Admission.DESK
    roles: ClassVar[frozenset[Role]] = BOX
    door_id: str
    key_id: str
    what: str  # "pin_put", "pin_cleared", "denied"
    outcome: Outcome
    fitting: int = 0  # the position of the fact that gave the door this lock; 0: its first one


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NotePinShown(Command):
    """Somebody is about to see a key's PIN; asked before the digits are derived."""

    name: ClassVar[str] = "doors.note_pin_shown"
    roles: ClassVar[frozenset[Role]] = DESK | BOX | {Role.GUEST, Role.RESIDENT}
    door_id: str
    key_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolPhone(Command):
    """A phone for its holder, asked by nobody else. `point`: 65 bytes of P-256, hex."""

    name: ClassVar[str] = "doors.enrol_phone"
    admission: ClassVar[Admission] = Admission.GUEST
    roles: ClassVar[frozenset[Role]] = PHONE_HOLDERS
    holder_kind: HolderKind
    holder_id: str
    point: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePhone(Command):
    """One phone gets no key any more; what it has ends within 26 h, or with its key."""

    name: ClassVar[str] = "doors.remove_phone"
    admission: ClassVar[Admission] = Admission.GUEST
    roles: ClassVar[frozenset[Role]] = PHONE_HOLDERS | BOX
    holder_kind: HolderKind
    holder_id: str
    phone_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class EndPhones(Command):
    """Every phone of a holder ends with the holder's time here. None to end is no error."""

    name: ClassVar[str] = "doors.end_phones"
    roles: ClassVar[frozenset[Role]] = DESK | BOX
    holder_kind: HolderKind
    holder_id: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCut(Event):
    """A key exists. Its credential and its PIN are derived from this again, never stored."""

    kind: ClassVar[str] = "doors.key_cut.v1"
    key_id: str
    holder_kind: HolderKind
    holder_id: str
    door_id: str
    generation: int
    valid_from_s: int
    valid_until_s: int
    reason: KeyReason
    cti: str  # 8 bytes, hex
    slot: int
    clock_unsure: bool = False
    pin_ref: str = ""  # the key whose PIN this one shares; empty: its own
    joiner: int = 0  # which further person of the stay; 0: the first
    bound_to: str = ""  # the shift or ticket that it ends with
    sponsor: str = ""  # who answers for a vendor
    hours: tuple[int, int, int] | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationAsked(Event):
    """Every key of a holder is to die, wherever it opens."""

    kind: ClassVar[str] = "doors.revocation_asked.v1"
    holder_kind: HolderKind
    holder_id: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked(Event):
    """A key is dead for the box; the lock learns it by the next key, a denylist or expiry."""

    kind: ClassVar[str] = "doors.key_revoked.v1"
    key_id: str
    holder_kind: HolderKind
    holder_id: str
    door_id: str
    generation: int
    cti: str
    slot: int
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAsked(Event):
    """The intent, on disk before the first byte leaves. `expires_at_ms` travels with the order."""

    kind: ClassVar[str] = "doors.open_asked.v1"
    opening_id: str
    door_id: str
    device_id: str
    door_number: int
    key_id: str
    holder_kind: HolderKind
    holder_id: str
    generation: int
    expires_at_ms: int
    cti: str = ""  # of the key that is pressed, hex


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRenewed(Event):
    """A resident lives here until this day."""

    kind: ClassVar[str] = "doors.lease_renewed.v1"
    lease_id: str
    room_id: str
    until: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentEvicted(Event):
    """Two managers ended a resident's keys; who they are stands beside the fact."""

    kind: ClassVar[str] = "doors.resident_evicted.v1"
    lease_id: str
    reason: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class MasterCut(Event):
    """A key for every door exists; who approved it stands beside the fact."""

    kind: ClassVar[str] = "doors.master_cut.v1"
    master_id: str
    master_kind: MasterKind
    holder_id: str
    label: str
    cti: str
    point: str | None
    valid_from_s: int
    valid_until_s: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class MasterRevoked(Event):
    """A key for every door has ended."""

    kind: ClassVar[str] = "doors.master_revoked.v1"
    master_id: str
    cti: str
    reason: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class MasterShown(Event):
    """Who was handed a key for every door stands beside the fact; the key stands nowhere."""

    kind: ClassVar[str] = "doors.master_shown.v1"
    master_id: str
    holder_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class MasterUsed(Event):
    """A key for every door was held to a lock, which said yes or no; also one that is over."""

    kind: ClassVar[str] = "doors.master_used.v1"
    master_id: str
    holder_id: str
    door_id: str
    device_id: str
    seq: int
    event: EventKind
    device_wall_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DenylistIssued(Event):
    """A signed list of a rising number says what locks refuse; it is made from the tables."""

    kind: ClassVar[str] = "doors.denylist_issued.v1"
    seq: int
    issued_s: int
    digest: str
    entries: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTakenUp(Event):
    """A prepared key counts from now on: its guest is here."""

    kind: ClassVar[str] = "doors.key_taken_up.v1"
    key_id: str
    door_id: str
    holder_id: str
    because: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAtRisk(Event):
    """Within a day a guest will stand at this door, and it may not open."""

    kind: ClassVar[str] = "doors.key_at_risk.v1"
    stay_id: str
    door_id: str
    why: Risk


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRiskCleared(Event):
    """The lock has shown that it will open, or nobody is expected any more."""

    kind: ClassVar[str] = "doors.key_risk_cleared.v1"
    stay_id: str
    door_id: str
    because: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSettled(Event):
    """What became of an opening; UNKNOWN may be followed by a better one, with its evidence."""

    kind: ClassVar[str] = "doors.open_settled.v1"
    opening_id: str
    door_id: str
    outcome: Outcome
    refusal: LockRefusal | None
    evidence: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogged(Event):
    """What a lock says happened, from any path, once per device and number."""

    kind: ClassVar[str] = "doors.access_logged.v1"
    door_id: str
    device_id: str
    seq: int
    event: EventKind
    device_wall_ms: int
    device_uncertainty_ms: int
    order_id: str | None
    cti: str | None
    slot: int | None
    refusal: LockRefusal | None
    generation: int | None
    key_id: str | None  # whose key it was, where we know
    holder_id: str | None
    missed: int = 0  # numbers between the last one and this one that never arrived
    series: int = 0  # rises when another lock takes the device's name and counts from the start


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryNoted(Event):
    """A lock took or refused a PIN or a denylist entry."""

    kind: ClassVar[str] = "doors.delivery_noted.v1"
    door_id: str
    key_id: str
    what: str
    outcome: Outcome
    fitting: int = 0


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PinShown(Event):
    """Who looked at a PIN stands beside the fact; the digits stand nowhere."""

    kind: ClassVar[str] = "doors.pin_shown.v1"
    door_id: str
    key_id: str
    holder_kind: HolderKind
    holder_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneEnrolled(Event):
    """A phone that mobile keys may be bound to. The point is public; its key never left the phone."""

    kind: ClassVar[str] = "doors.phone_enrolled.v1"
    phone_id: str
    point: str  # 65 bytes, hex
    holder_kind: HolderKind
    holder_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRemoved(Event):
    """A phone that gets no key any more."""

    kind: ClassVar[str] = "doors.phone_removed.v1"
    phone_id: str
    holder_kind: HolderKind
    holder_id: str
    reason: str  # "removed", or why the holder's time ended
