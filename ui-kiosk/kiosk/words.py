"""What the box says, as far as the kiosk shows it; camel case on the wire, snake case here."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec


class Word(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One answer or a part of it. Fields that a query did not ask for keep their default."""


class StaffName(Word, frozen=True):
    """A line of the sign-in list."""

    person: str
    name: str


class SignedIn(Word, frozen=True, rename=None):
    """Who is at the desk; `access` lives 15 minutes and only in memory."""

    access: str
    person: str
    expires_s: int  # seconds from now
    roles: list[str] = []
    shift: str | None = None

    def __repr__(self) -> str:
        """Without the token: this may land in a traceback."""
        return f"SignedIn(person={self.person!r}, shift={self.shift!r})"


class Answer(Word, frozen=True):
    """What a command came to: done, or refused with a sentence."""

    done: bool
    engine: str | None = None
    code: str | None = None
    sentence: str = ""
    result: dict[str, Any] | None = None


class House(Word, frozen=True):
    """The property as the box knows it; `now_ms` is the box's clock."""

    title: str
    time_zone: str
    currency: str
    business_date: dt.date
    now_ms: int
    clock_sure: bool
    check_in_from: str = ""
    check_out_until: str = ""


class Vital(Word, frozen=True):
    """One counterparty or engine, with the age of its last confirmed exchange (law 7)."""

    name: str
    state: str  # ok | late | down | quarantined | unknown
    last_confirmed_ms: int | None = None
    queued: int = 0
    oldest_ms: int | None = None
    sentence: str = ""


class Health(Word, frozen=True):
    """Everything the status line says."""

    vitals: list[Vital] = []
    line_down_since_ms: int | None = None


class Me(Word, frozen=True):
    """The person the box takes us for."""

    actor: str = ""
    name: str = ""
    roles: list[str] = []
    terminal: str | None = None
    shift: str | None = None


class DeviceAlarm(Word, frozen=True):
    """What a device suffers from."""

    device_id: str
    alarm: str
    sentence: str
    since_ms: int
    room_id: str | None = None
    days_left: int | None = None
    seen_by: str | None = None


class MasterUse(Word, frozen=True):
    """Where a key for every door was seen, by the lock's own clock."""

    holder: str
    label: str
    door_id: str
    door_title: str
    event: str
    at_ms: int


class Standing(Word, frozen=True):
    """House, health, me and what is alarming in one answer: asked every few seconds."""

    house: House
    health: Health
    me: Me | None = None
    device_alarms: list[DeviceAlarm] = []
    master_uses: list[MasterUse] = []


class GuestName(Word, frozen=True):
    """A person of a stay."""

    given: str
    family: str


class Night(Word, frozen=True):
    """One night and its price."""

    date: dt.date
    amount_minor: int
    currency: str
    price_source: str = ""


class Note(Word, frozen=True):
    """What somebody wrote about a stay."""

    text: str
    at_ms: int
    by: str


class FolioLine(Word, frozen=True):
    """One line of the account."""

    text: str
    amount_minor: int
    kind: str = ""


class Intent(Word, frozen=True):
    """Money that was asked for; it is never called paid before the provider confirmed it."""

    id: str
    amount_minor: int
    currency: str
    state: str
    sentence: str = ""
    kind: str = "deposit"
    stay_id: str | None = None
    url: str | None = None  # the page that waits for the guest


class RecoveryItem(Word, frozen=True):
    """Money without a booking, or a booking without money."""

    id: str
    what: str
    amount_minor: int
    currency: str
    sentence: str = ""
    stay_id: str | None = None
    by_s: int | None = None
    at_ms: int = 0


class Drawer(Word, frozen=True):
    """A drawer that is open."""

    id: str
    terminal: str
    opened_at_ms: int
    float_minor: int
    currency: str


class Money(Word, frozen=True):
    """What of money needs a person, what no bank has answered, and the open drawers."""

    recovery: list[RecoveryItem] = []
    pending_intents: list[Intent] = []
    drawers: list[Drawer] = []


class Balance(Word, frozen=True):
    """A stay's account in minor units."""

    due_minor: int
    pending_minor: int
    currency: str
    charges_minor: int = 0
    paid_minor: int = 0
    saved_card: bool = False
    lines: list[FolioLine] = []
    intents: list[Intent] = []


class Key(Word, frozen=True):
    """A key of a stay."""

    id: str
    door_id: str
    door_title: str
    generation: int
    valid_from_s: int
    valid_until_s: int
    reason: str
    live: bool
    pin_at_lock: bool | None = None
    clock_unsure: bool = False
    prepared: bool = False  # waits for its guest
    joiner: int = 0  # which further person of the stay; 0: the first


class ConflictItem(Word, frozen=True):
    """One point of a conflict: both versions, who said each of them, and when."""

    field: str
    box_says: str = ""
    upstream_says: str = ""
    box_by: str | None = None
    box_terminal: str | None = None
    box_at_ms: int | None = None
    upstream_at_ms: int | None = None


class Conflict(Word, frozen=True):
    """Two masters disagree; a person decides."""

    id: str
    what: str = ""
    stay_id: str = ""
    box_says: str = ""
    upstream_says: str = ""
    at_ms: int = 0
    open: bool = True
    upstream_version: str | None = None
    decide_by_ms: int | None = None
    overdue: bool = False
    items: list[ConflictItem] = []


class Stay(Word, frozen=True):
    """A stay, as a line of a list or whole."""

    id: str
    code: str
    state: str
    arrival: dt.date
    departure: dt.date
    room_type_id: str
    room_id: str | None = None
    room_number: str | None = None
    room_ready: bool | None = None
    guests: list[GuestName] = []
    adults: int = 0
    children: int = 0
    channel: str = ""
    source: str | None = None
    at_risk: bool = False
    due: bool = False
    nights: list[Night] = []
    balance: Balance | None = None
    notes: list[Note] = []
    keys: list[Key] = []
    conflicts: list[Conflict] = []
    unfinished: list[str] = []
    guest_page_url: str | None = None


class Whose(Word, frozen=True):
    """A stay as far as a door's line names it."""

    id: str
    room_number: str | None = None
    guests: list[GuestName] = []


class KeyRisk(Word, frozen=True):
    """A guest who is expected within a day, and a door that may not open for them."""

    stay_id: str
    door_id: str
    door_title: str
    why: str
    since_ms: int
    sentence: str = ""


class Doors(Word, frozen=True):
    """What doors tell beside their log, and whose the keys are."""

    keys_at_risk: list[KeyRisk] = []
    master_uses: list[MasterUse] = []
    arrivals: list[Whose] = []
    tomorrow: list[Whose] = []
    in_house: list[Whose] = []


class Access(Word, frozen=True):
    """What a lock says happened: by its own clock, how sure that was, and when we heard."""

    position: int
    at_ms: int
    uncertainty_ms: int
    learned_ms: int
    door_id: str
    event: str
    holder: str | None = None
    refusal: str | None = None
    missed: int = 0


class Device(Word, frozen=True):
    """A lock or a thermostat, with its age."""

    id: str
    online: bool | None = None
    age_ms: int | None = None
    battery_pct: int | None = None
    bolt: str | None = None


class Room(Word, frozen=True):
    """A room on the board."""

    id: str
    number: str
    room_type_id: str
    status: str
    floor: int = 0
    occupied_by: str | None = None
    due_in: str | None = None
    lock: Device | None = None


class RoomType(Word, frozen=True):
    """What can be sold."""

    id: str
    title: str
    sleeps: int
    rate_minor: int
    offline_allotment: int = 0


class Free(Word, frozen=True):
    """What is free of one type in a window of nights."""

    room_type_id: str
    rooms: list[Room]
    free_count: int
    allotment_left: int


class Quote(Word, frozen=True):
    """The price of a stay before it is sold."""

    nights: list[Night]
    total_minor: int
    currency: str


class Opening(Word, frozen=True):
    """One press of a door through the box and what became of it."""

    id: str
    door_title: str
    sentence: str
    outcome: str | None = None  # DONE | REFUSED | NOT_SENT | UNKNOWN
    refusal: str | None = None
    evidence: str | None = None
    asked_ms: int = 0
    stay_id: str | None = None


class ParkedValue(Word, frozen=True):
    """A field of it that can be edited, and how it stands."""

    field: str  # ROOM | ADULTS | CHILDREN | DEPARTURE | LEFT_ON
    value: str  # a room's number or "none", a number, a day; "" where it is not known


class Parked(Word, frozen=True):
    """Something the sync put aside, with the reason."""

    id: str
    entity: str
    sentence: str
    since_ms: int
    asked: str | None = None  # retry | done | edit: what was last asked about it
    asked_ms: int | None = None
    said: str = ""  # sync's answer to that
    editable: list[ParkedValue] = []


class Request(Word, frozen=True):
    """What somebody asked the house for."""

    id: str
    type: str
    status: str
    text: str
    at_ms: int
    stay_id: str | None = None
    room_number: str | None = None


class CleaningRow(Word, frozen=True):
    """A line of the cleaning list."""

    room_id: str
    room_number: str
    status: str
    why: str
    leaving: bool = False
    arriving: bool = False


class HandOver(Word, frozen=True):
    """What one shift owes the next."""

    unknown_openings: list[Opening] = []
    pending_intents: list[Intent] = []
    parked: list[Parked] = []
    unfinished: list[Stay] = []
    conflicts: list[Conflict] = []
    open_requests: list[Request] = []
    cash_minor: int = 0
    currency: str = ""


class WayOut(Word, frozen=True):
    """What may be offered to a guest whom there is no room for."""

    way: str
    room_type_id: str | None = None
    title: str = ""
    free: int = 0
    room_id: str | None = None
    room_number: str | None = None


class Candidate(Word, frozen=True):
    """A guest who is not here yet and might be asked; `rank` 1 first."""

    rank: int
    stay: Whose
    nights: int = 1
    rate_minor: int = 0
    currency: str = ""
    ota: bool = False
    alternatives: list[WayOut] = []


class CrowdedNight(Word, frozen=True):
    """A night with more guests of a type than rooms."""

    room_type_id: str
    night: dt.date
    rooms: int = 0
    held: int = 0
    in_house: int = 0
    decide_by_ms: int | None = None
    overdue: bool = False
    candidates: list[Candidate] = []


class Change(Word, frozen=True):
    """One thing that a decision changed."""

    what: str
    before: str = ""
    after: str = ""


class Decision(Word, frozen=True):
    """What the box decided by itself, or a person in the inbox, and may be taken back."""

    id: str
    stay_id: str
    kind: str = ""
    at_ms: int = 0
    by: str = ""
    changes: list[Change] = []
    steps: list[str] = []
    undoable: bool = False
    why: str = ""


class Allotment(Word, frozen=True):
    """One type tonight: what may be sold while nobody outside answers."""

    room_type_id: str
    rooms: int = 0
    sold: int = 0
    left: int = 0
