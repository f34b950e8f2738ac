"""The words of stays: a reservation from booked to departed, and what two masters disagree on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from appliance.kernel.messages import Admission, Command, Event, Role, asked, fact
from appliance.kernel.sealed import Sealed

DESK = frozenset({Role.FRONT_DESK, Role.MANAGER, Role.ADMIN})
DESK_AND_SYNC = DESK | {Role.SERVICE}
MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})


class StayState(StrEnum):
    """The one state a stay is in. `CONFIRMED` covers due: due is a matter of the business date."""

    CONFIRMED = "confirmed"
    IN_HOUSE = "in_house"
    DEPARTED = "departed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class Refusal(StrEnum):
    """Why a stay stays as it is."""

    UNKNOWN_STAY = "unknown_stay"
    EXISTS = "exists"
    NOT_CONFIRMED = "not_confirmed"
    NOT_IN_HOUSE = "not_in_house"
    ALREADY_IN_HOUSE = "already_in_house"
    DEPARTED = "departed"
    CANCELLED = "cancelled"
    NOT_DUE_YET = "not_due_yet"
    NO_NIGHTS = "no_nights"
    NO_GUESTS = "no_guests"
    NO_ROOM = "no_room"  # nothing assigned
    UNKNOWN_ROOM = "unknown_room"
    UNKNOWN_ROOM_TYPE = "unknown_room_type"
    ROOM_NOT_READY = "room_not_ready"
    DOOR_IN_TROUBLE = "door_in_trouble"  # its lock may not open for the guest tonight
    ROOM_OUT_OF_ORDER = "room_out_of_order"
    ROOM_OCCUPIED = "room_occupied"  # another guest has not left it yet
    SAME_ROOM = "same_room"
    BAD_DATES = "bad_dates"
    TOO_LATE_TO_UNDO = "too_late_to_undo"
    UNKNOWN_CONFLICT = "unknown_conflict"
    CONFLICT_SETTLED = "conflict_settled"
    NOTHING_TO_AUDIT = "nothing_to_audit"
    CARD_NUMBER = "card_number"  # text that passes Luhn is refused
    EMPTY = "empty"
    TOO_LONG = "too_long"
    NEEDS_MANAGER = "needs_manager"  # a night given away
    UNCHANGED = "unchanged"
    UNKNOWN_ITEM = "unknown_item"  # the conflict has no such point
    UNKNOWN_DECISION = "unknown_decision"
    UNDO_EXPIRED = "undo_expired"  # the hours of the live rule are over
    UNDONE_ALREADY = "undone_already"
    NOTHING_TO_UNDO = "nothing_to_undo"
    CHANGED_SINCE = "changed_since"  # somebody acted on it
    GUEST_MOVED = "guest_moved"  # a guest in house does not move back by a key press
    NIGHTS_OVER = "nights_over"
    NO_FREE_ROOM = "no_free_room"  # of that type, for all the nights
    BAD_AMOUNT = "bad_amount"
    BAD_VALUE = "bad_value"  # no number, or no day, where a vendor is told one
    FIELD_TWICE = "field_twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One person of a stay as typed or learned; sealed whole before it is written."""

    given: str
    family: str
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One night of a stay and its price; a stay of n nights has n of them, in order."""

    date: date
    amount_minor: int
    currency: str
    price_source: str  # "upstream", "rate:<room type>", "comp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """A fee or tax of the whole stay."""

    code: str
    amount_minor: int
    currency: str


class ItemField(StrEnum):
    """What of a booking two masters can disagree on, one by one."""

    STATE = "state"
    ARRIVAL = "arrival"
    DEPARTURE = "departure"
    ROOM_TYPE = "room_type"
    ROOM = "room"
    PRICE = "price"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictItem:
    """One point of a conflict: both versions, and who said each of them, when (UTC ms).

    The box's three are None where its version came from the PMS too, or is older than the log.
    """

    field: ItemField
    box_says: str
    upstream_says: str
    box_by: str | None = None  # the actor
    box_terminal: str | None = None
    box_at_ms: int | None = None
    upstream_at_ms: int | None = None  # the vendor's own time of that version


class UndoStep(StrEnum):
    """What an undoing does, one step each; which follow from what the decision had changed."""

    REINSTATE = "reinstate"  # a cancellation or no-show: confirmed again
    CANCEL_AGAIN = "cancel_again"  # a booking called back
    UNDO_CHECK_IN = "undo_check_in"
    CHECK_IN_AGAIN = "check_in_again"  # a departure that a person took from the PMS
    DATES = "dates"
    DEPARTURE = "departure"
    ROOM_TYPE = "room_type"
    PRICE = "price"
    ROOM_BACK = "room_back"  # where it is still free
    ROOM_AWAY = "room_away"
    REOPEN = "reopen"  # the conflict waits for a person again


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSays:
    """What the PMS last said of a stay: the common ground when box and PMS are compared."""

    version: str
    state: StayState
    room_type_id: str
    room_id: str | None
    arrival: date
    departure: date
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...] = ()
    channel: str = "pms"
    guests_version: str = ""
    eta: str = ""  # when the guest means to come, "HH:MM" on the property's wall
    note_mark: str = ""  # tells a changed note from an echo; see `merging.mark_of`


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class LearnBooking(Command):
    """What the PMS says of one booking now; sync asks this with an `Origin`.

    The stay id is derived from source and upstream id. An older version changes nothing, an equal
    one only where its content differs. `guests_version` (the newest change of the guests' own
    records) tells a renamed guest from an echo; `our_ref` is the stay id that the box gave the
    PMS when it sold the booking itself.
    """

    name: ClassVar[str] = "stays.learn_booking"
    admission: ClassVar[Admission] = Admission.BULK
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE})
    source: str
    upstream_id: str
    upstream_version: str
    code: str  # the confirmation number a guest can type
    state: StayState
    room_type_id: str
    room_id: str | None
    arrival: date
    departure: date
    guests: tuple[Guest, ...]
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...] = ()
    channel: str = "pms"
    note: str = ""
    account_ref: str | None = None
    no_show: bool = False
    guests_version: str = ""
    our_ref: str | None = None
    eta: str = ""  # "HH:MM" on the property's wall, where the vendor knows it


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SellWalkIn(Command):
    """Sell and confirm a stay at the desk, from the free rooms and the offline allotment.

    `nights` come from a quote. With `room_id` None the engine takes the first ready room.
    """

    name: ClassVar[str] = "stays.sell_walk_in"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    room_type_id: str
    room_id: str | None
    arrival: date
    departure: date
    guests: tuple[Guest, ...]
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...] = ()
    quote_id: str | None = None
    note: str = ""


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUpstream(Command):
    """The PMS has taken a booking the box sold: from now on it is known by this id."""

    name: ClassVar[str] = "stays.link_upstream"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE})
    stay_id: str
    source: str
    upstream_id: str
    upstream_version: str
    code: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AssignRoom(Command):
    """Give a confirmed stay a room."""

    name: ClassVar[str] = "stays.assign_room"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    room_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckIn(Command):
    """The guest is here. `room_id` assigns on the way; `accept_not_ready` is a person's word."""

    name: ClassVar[str] = "stays.check_in"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    room_id: str | None = None
    accept_not_ready: bool = False


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class UndoCheckIn(Command):
    """It was the wrong guest: the stay is confirmed again, its keys die, the room stays free."""

    name: ClassVar[str] = "stays.undo_check_in"
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRoom(Command):
    """Another room from today's business date on; new key first, then the old one dies."""

    name: ClassVar[str] = "stays.move_room"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    room_id: str
    reason: str
    accept_not_ready: bool = False


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDeparture(Command):
    """Stay longer (with the added nights priced) or leave earlier (nights dropped)."""

    name: ClassVar[str] = "stays.change_departure"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    departure: date
    added_nights: tuple[Night, ...] = ()


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOut(Command):
    """The guest has left; an early departure frees the nights that are left."""

    name: ClassVar[str] = "stays.check_out"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class CancelStay(Command):
    """Cancel a stay that is not in house."""

    name: ClassVar[str] = "stays.cancel"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    reason: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkNoShow(Command):
    """A person's decision that the guest of a due stay is not coming."""

    name: ClassVar[str] = "stays.mark_no_show"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    closing: date | None = None  # the day a night audit is closing; None: the business date


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class AddNote(Command):
    """A note on a stay; text with a card number is refused."""

    name: ClassVar[str] = "stays.add_note"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    stay_id: str
    text: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RunNightAudit(Command):
    """Roll the business date from `closing` to the next day, marking the named no-shows."""

    name: ClassVar[str] = "stays.run_night_audit"
    roles: ClassVar[frozenset[Role]] = DESK_AND_SYNC
    closing: date
    no_shows: tuple[str, ...] = ()


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class SettleConflict(Command):
    """A person decides: keep what the box holds, or take what the PMS says.

    `accept` decides item by item: the PMS's word is taken for these, the box's kept for the rest;
    None means `take_upstream` for all of them.
    """

    name: ClassVar[str] = "stays.settle_conflict"
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    conflict_id: str
    take_upstream: bool
    accept: tuple[ItemField, ...] | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class UndoDecision(Command):
    """Take back what the box decided by itself, or a person in the inbox, within a day.

    The PMS is told only what the facts that follow tell it anyway.
    """

    name: ClassVar[str] = "stays.undo_decision"
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    decision_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class Rehouse(Command):
    """Another room, of whatever type, for who is not here yet; the type sold and the price stay.

    With `room_id` None the engine takes the first room of the type that is free.
    """

    name: ClassVar[str] = "stays.rehouse"
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    room_type_id: str
    room_id: str | None = None


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class WalkGuest(Command):
    """Send a guest whom there is no room for to another house, which costs the hotel something.

    A manager's act, or one with a manager's word. The PMS hears of it as a cancellation.
    """

    name: ClassVar[str] = "stays.walk_guest"
    roles: ClassVar[frozenset[Role]] = DESK
    stay_id: str
    where_to: str
    cost_minor: int
    currency: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RemindConflict(Command):
    """The time to decide an overbooking has run out; asked early, or twice, it says nothing."""

    name: ClassVar[str] = "stays.remind_conflict"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE})
    stay_id: str
    conflict_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOverbooked(Command):
    """The calendar holds nights for a stay that it has no room for, or beyond the allotment."""

    name: ClassVar[str] = "stays.note_overbooked"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE})
    stay_id: str
    room_type_id: str
    nights: tuple[date, ...]  # without a room; empty where only the allotment is spent


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class ClearConflict(Command):
    """What the open conflicts of one kind were about is in order again; `because` says how."""

    name: ClassVar[str] = "stays.clear_conflict"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.SERVICE})
    stay_id: str
    what: str
    because: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class Booked(Event):
    """A stay is confirmed. Each of `guests` is the JSON of a `Guest`, sealed for that person.

    `room_id` is always None: a room is given by `RoomAssigned`, which may follow at once.
    """

    kind: ClassVar[str] = "stays.booked.v1"
    stay_id: str
    source: str | None  # None: sold by the box
    upstream_id: str | None
    upstream_version: str | None
    code: str
    room_type_id: str
    room_id: str | None
    arrival: date
    departure: date
    guests: tuple[Sealed, ...]
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...]
    channel: str
    quote_id: str | None = None
    account_ref: str | None = None
    at_risk: bool = False  # sold beyond the offline allotment on a manager's word
    guests_version: str = ""
    eta: str = ""
    note_mark: str = ""


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BookingChanged(Event):
    """The PMS changed a booking that is not in house (or only harmless parts of one that is).

    No `guests` means the guests are as they were.
    """

    kind: ClassVar[str] = "stays.booking_changed.v1"
    stay_id: str
    upstream_version: str
    room_type_id: str
    arrival: date
    departure: date
    guests: tuple[Sealed, ...]
    adults: int
    children: int
    nights: tuple[Night, ...]
    fees: tuple[Fee, ...]
    channel: str
    guests_version: str = ""
    same_nights: bool = False  # dates and room type are as they were: nothing to hold anew
    eta: str = ""


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLinked(Event):
    """A stay the box sold is known to the PMS."""

    kind: ClassVar[str] = "stays.upstream_linked.v1"
    stay_id: str
    source: str
    upstream_id: str
    upstream_version: str
    code: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSeen(Event):
    """What the PMS says now, where that is not what the stay's other facts say already.

    Alone it changes nothing here (often the echo of our own write).
    """

    kind: ClassVar[str] = "stays.upstream_seen.v1"
    stay_id: str
    upstream_version: str
    says: UpstreamSays | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAssigned(Event):
    """A confirmed stay has a room for its nights."""

    kind: ClassVar[str] = "stays.room_assigned.v1"
    stay_id: str
    room_id: str
    room_type_id: str  # of the room, which may differ from the type sold
    previous_room_id: str | None
    arrival: date
    departure: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomUnassigned(Event):
    """A confirmed stay has no room any more: the PMS changed its dates or type, the room is not free."""

    kind: ClassVar[str] = "stays.room_unassigned.v1"
    stay_id: str
    room_id: str
    room_type_id: str  # the type sold, which is held again


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedIn(Event):
    """The guest is in house."""

    kind: ClassVar[str] = "stays.checked_in.v1"
    stay_id: str
    room_id: str
    arrival: date
    departure: date
    business_date: date
    not_ready_accepted: bool = False


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInUndone(Event):
    """The check-in was a mistake; the stay is confirmed again, without a room."""

    kind: ClassVar[str] = "stays.check_in_undone.v1"
    stay_id: str
    room_id: str
    reason: Sealed
    room_type_id: str | None = None  # the type sold, which is held again


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMoved(Event):
    """The guest has another room for the rest of the stay."""

    kind: ClassVar[str] = "stays.room_moved.v1"
    stay_id: str
    from_room_id: str
    to_room_id: str
    to_room_type_id: str
    from_date: date
    departure: date
    reason: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DepartureChanged(Event):
    """The stay is longer or shorter; `nights` are all of it, priced."""

    kind: ClassVar[str] = "stays.departure_changed.v1"
    stay_id: str
    room_id: str | None
    previous: date
    departure: date
    nights: tuple[Night, ...]
    by_upstream: bool = False  # a person took the PMS's word: the nights are confirmed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut(Event):
    """The guest has left. `early` where nights were left."""

    kind: ClassVar[str] = "stays.checked_out.v1"
    stay_id: str
    room_id: str
    business_date: date
    departure: date
    early: bool


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DepartedElsewhere(Event):
    """The PMS says the guest came and left without the box: history, no room turns dirty by it."""

    kind: ClassVar[str] = "stays.departed_elsewhere.v1"
    stay_id: str
    room_id: str | None
    business_date: date
    upstream_version: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstated(Event):
    """The PMS took back a cancellation or a no-show: the stay is confirmed again, without a room."""

    kind: ClassVar[str] = "stays.reinstated.v1"
    stay_id: str
    upstream_version: str
    room_type_id: str
    arrival: date
    departure: date


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class StayCancelled(Event):
    """The stay will not happen."""

    kind: ClassVar[str] = "stays.cancelled.v1"
    stay_id: str
    by_upstream: bool
    reason: Sealed
    upstream_version: str | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class NoShowMarked(Event):
    """The guest did not come; a person, the night audit or the PMS says so."""

    kind: ClassVar[str] = "stays.no_show_marked.v1"
    stay_id: str
    by_upstream: bool
    business_date: date
    upstream_version: str | None = None


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAdded(Event):
    """A note on a stay."""

    kind: ClassVar[str] = "stays.note_added.v1"
    stay_id: str
    text: Sealed


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRaised(Event):
    """Two masters disagree; nothing was overwritten, a person decides."""

    kind: ClassVar[str] = "stays.conflict_raised.v1"
    stay_id: str
    conflict_id: str
    what: str  # "cancelled_in_house", "dates_in_house", "overbooked", "no_show_in_house", ...
    box_says: str
    upstream_says: str
    upstream_version: str | None
    nights: tuple[date, ...] = ()  # that it is about: gone with them where it has any
    items: tuple[ConflictItem, ...] = ()  # each is taken or kept by itself
    by_hand: bool = False  # a person opened it again, and only a person closes it
    decide_by_ms: int | None = None  # UTC; an overbooked arrival of the next 24 h has a clock


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxHolds:
    """What the box holds once a person decided; the PMS is told the kept points of it."""

    state: StayState
    arrival: date
    departure: date
    room_type_id: str
    room_id: str | None
    nights: tuple[Night, ...]


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictSettled(Event):
    """A person decided; what follows in the same command takes over the accepted points."""

    kind: ClassVar[str] = "stays.conflict_settled.v1"
    stay_id: str
    conflict_id: str
    took_upstream: bool
    accepted: tuple[ItemField, ...] = ()  # whose upstream version was taken
    kept: tuple[ItemField, ...] = ()  # of which the box's version stands
    held: BoxHolds | None = None  # None in logs that are older than it


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictCleared(Event):
    """A conflict lost its cause and closed by itself; `because` is the evidence, a sentence."""

    kind: ClassVar[str] = "stays.conflict_cleared.v1"
    stay_id: str
    conflict_id: str
    because: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictOverdue(Event):
    """Nobody has decided an overbooking in time."""

    kind: ClassVar[str] = "stays.conflict_overdue.v1"
    stay_id: str
    conflict_id: str
    decide_by_ms: int


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class GuestWalked(Event):
    """A guest was sent to another house; the stay's cancellation follows."""

    kind: ClassVar[str] = "stays.guest_walked.v1"
    stay_id: str
    where_to: Sealed
    cost_minor: int
    currency: str
    nights: tuple[date, ...]  # that are given away


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionUndone(Event):
    """A person took a decision back; the facts after it put the stay where it was."""

    kind: ClassVar[str] = "stays.decision_undone.v1"
    stay_id: str
    decision_id: str
    steps: tuple[UndoStep, ...]


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessDateRolled(Event):
    """The hotel's day ended by decision, not by the clock."""

    kind: ClassVar[str] = "stays.business_date_rolled.v1"
    closed: date
    opened: date
    no_shows: tuple[str, ...] = ()
    in_house: int = 0  # stays in house at the closing
    room_revenue_minor: int = 0  # of the closed night, in the property's currency
    arrivals_left: int = 0  # due, not here and no no-show: they stay due on the next date
    departures_left: int = 0  # should have left, still in house
