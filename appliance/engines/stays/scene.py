"""What a rule of stays may look at: the stay, its rooms and the business date, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.stays.decisions import COLUMNS, Made, made_of
from appliance.engines.stays.messages import (
    AssignRoom,
    CheckIn,
    ItemField,
    LearnBooking,
    LinkUpstream,
    MoveRoom,
    NoteOverbooked,
    Rehouse,
    RunNightAudit,
    SellWalkIn,
    SettleConflict,
    UndoDecision,
)
from appliance.engines.stays.state import Stay
from appliance.kernel.engine import Context, Facts
from appliance.kernel.messages import Command, Role
from appliance.kernel.values import derived_id

MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})
UNDO_HOURS = 24  # where the live rule `stays.undo_hours` says nothing else
WALK_MINUTES = 30  # anchors.md 5.5 P1; the live rule `stays.walk_minutes`
READY = frozenset({RoomStatus.CLEAN, RoomStatus.INSPECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Nights [start, end) of a room that another stay has."""

    stay_id: str
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room as stays knows it."""

    room_id: str
    room_type_id: str
    status: RoomStatus
    occupied_by: str | None
    spans: Sequence[Span] = ()
    door_trouble: str | None = None  # what its lock suffers from

    @property
    def ready(self) -> bool:
        """Clean enough to be given to a guest."""
        return self.status in READY

    def free(self, stay_id: str, start: date, end: date) -> bool:
        """Whether no other stay has it in any night of [start, end)."""
        return not any(
            span.stay_id != stay_id and span.start < end and span.end > start for span in self.spans
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Who at the box changed one point of a stay last, where, and when (UTC ms)."""

    by: str
    terminal: str | None
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything one decision looks at."""

    business_date: date
    stay: Stay | None = None
    rooms: Mapping[str, Room] = field(default_factory=dict)  # those the decision may touch
    room_types: Mapping[str, int] = field(default_factory=dict)  # id -> offline allotment
    zone: str | None = None  # where the house is; asked for where a clock is started
    walk_minutes: int = 0
    touches: Mapping[ItemField, Touch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What a walk-in's decision looks at."""

    business_date: date
    known_type: bool
    room: Room | None  # the room asked for, or the first one that can be given


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a night audit looks at; `told` are the totals of the day it is asked to close again."""

    business_date: date
    in_house: int = 0
    room_revenue_minor: int = 0
    due: int = 0
    departures_left: int = 0
    told: Mapping[str, int | str] | None = None


def stay_id_of(source: str, upstream_id: str) -> str:
    """The stay id of a booking the PMS sold."""
    return derived_id("stay", source, upstream_id)


def has_managers_word(context: Context) -> bool:
    """Whether a manager asks, or approved what is asked."""
    return context.who.role in MANAGERS or context.who.approved_by is not None


def business_date(facts: Facts, context: Context) -> date:
    """The hotel's date; before a property is set up, the clock's."""
    row = facts.row("SELECT business_date FROM stays_business_date")
    if row is not None:
        return date.fromisoformat(row[0])
    return datetime.fromtimestamp(context.now.wall_ms / 1000, UTC).date()


def load_stay(facts: Facts, command: Command, context: Context) -> Scene:
    """The stay that the command names, and the rooms it may touch."""
    stay: Stay | None = facts.fold(f"stay/{command.stay_id}")  # type: ignore[attr-defined]
    wanted = {stay.room_id} if stay is not None else set()
    if isinstance(command, AssignRoom | CheckIn | MoveRoom):
        wanted.add(command.room_id)
    if isinstance(command, SettleConflict) and stay is not None and stay.says is not None:
        wanted.add(stay.says.room_id)
    today = business_date(facts, context)
    return Scene(business_date=today, stay=stay, rooms=_rooms(facts, wanted, today))


def load_crowd(facts: Facts, command: NoteOverbooked, context: Context) -> Scene:
    """The stay, and what its clock needs."""
    row = facts.row("SELECT time_zone FROM stays_business_date")
    return replace(
        load_stay(facts, command, context),
        zone=None if row is None else row[0],
        walk_minutes=int(facts.setting("stays.walk_minutes", WALK_MINUTES)),
    )


def load_rehousing(facts: Facts, command: Rehouse, context: Context) -> tuple[Scene, str | None]:
    """The stay, and the room asked for or the first one of the type that is free for it."""
    scene = load_stay(facts, command, context)
    stay = scene.stay
    if stay is None:
        return scene, None
    types = facts.rows(
        "SELECT room_type_id, offline_allotment FROM stays_room_type WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    start = max(stay.arrival, scene.business_date)
    room_id = command.room_id or _first_room(facts, command.room_type_id, start, stay.departure)
    rooms = _rooms(facts, {room_id, stay.room_id}, scene.business_date)
    return replace(scene, rooms=rooms, room_types=dict(types)), room_id


def load_link(facts: Facts, command: LinkUpstream, context: Context) -> tuple[Scene, bool]:
    """The stay, and whether the PMS's id is another stay's already."""
    other = facts.row(
        "SELECT 1 FROM stays_stay WHERE source = ? AND upstream_id = ? AND stay_id <> ?",
        (command.source, command.upstream_id, command.stay_id),
    )
    return load_stay(facts, command, context), other is not None


def load_learning(facts: Facts, command: LearnBooking, context: Context) -> Scene:
    """The stay the PMS means: by its own id, or by ours where the box sold it."""
    row = facts.row(
        "SELECT stay_id FROM stays_stay WHERE source = ? AND upstream_id = ?",
        (command.source, command.upstream_id),
    )
    stay_id = row[0] if row else command.our_ref
    stay: Stay | None = facts.fold(f"stay/{stay_id}") if stay_id else None
    types = facts.rows(
        "SELECT room_type_id, offline_allotment FROM stays_room_type WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    wanted = {command.room_id, stay.room_id if stay is not None else None}
    today = business_date(facts, context)
    return Scene(
        business_date=today,
        stay=stay,
        rooms=_rooms(facts, wanted, today),
        room_types=dict(types),
        touches=_touches(facts, stay),
    )


def _touches(facts: Facts, stay: Stay | None) -> dict[ItemField, Touch]:
    if stay is None:
        return {}
    rows = facts.rows(
        "SELECT field, by, terminal, at_ms FROM stays_touch WHERE stay_id = ?", (stay.stay_id,)
    )
    return {
        ItemField(name): Touch(by=by, terminal=terminal, at_ms=at_ms)
        for name, by, terminal, at_ms in rows
    }


def load_undo(
    facts: Facts, command: UndoDecision, context: Context
) -> tuple[Scene, Made | None, int]:
    """The stay, the decision with how it stood before, and the hours an undoing is allowed in."""
    row = facts.row(
        f"SELECT {COLUMNS} FROM stays_decision"  # noqa: S608 - names only
        " WHERE decision_id = ? AND stay_id = ? AND kind <> 'none'",
        (command.decision_id, command.stay_id),
    )
    made = None if row is None else made_of(row)
    scene = load_stay(facts, command, context)
    if made is not None:
        before = made.before.room_id if made.before is not None else None
        wanted = {before, scene.stay.room_id if scene.stay is not None else None}
        scene = replace(scene, rooms=_rooms(facts, wanted, scene.business_date))
    hours = facts.setting("stays.undo_hours", UNDO_HOURS)
    return scene, made, int(hours)


def load_sale(facts: Facts, command: SellWalkIn, context: Context) -> Sale:
    """The type and the room; what may be sold of it, the calendar says."""
    today = business_date(facts, context)
    kind = facts.row(
        "SELECT 1 FROM stays_room_type WHERE room_type_id = ?",
        (command.room_type_id,),
    )
    if kind is None:
        return Sale(business_date=today, known_type=False, room=None)
    room_id = command.room_id or _first_room(
        facts, command.room_type_id, command.arrival, command.departure
    )
    return Sale(
        business_date=today,
        known_type=True,
        room=_rooms(facts, {room_id}, today).get(room_id) if room_id else None,
    )


def _first_room(facts: Facts, room_type_id: str, start: date, end: date) -> str | None:
    """Ready and empty ones first, then as people count the numbers: always the same choice."""
    row = facts.row(
        "SELECT room_id FROM stays_room r WHERE room_type_id = ? AND status <> 'out_of_order'"
        " AND NOT EXISTS (SELECT 1 FROM stays_span s WHERE s.room_id = r.room_id"
        " AND s.first < ? AND s.until > ?)"
        " ORDER BY EXISTS (SELECT 1 FROM stays_door_trouble t WHERE t.room_id = r.room_id),"
        " status NOT IN ('clean', 'inspected'), occupied_by IS NOT NULL,"
        " length(number), number LIMIT 1",
        (room_type_id, end.isoformat(), start.isoformat()),
    )
    return row[0] if row else None


def load_closing(facts: Facts, command: RunNightAudit, context: Context) -> Closing:
    """The totals of the day that is about to end."""
    day = command.closing.isoformat()
    told = facts.row(
        "SELECT closed, opened, in_house, room_revenue_minor, no_shows, arrivals_left,"
        " departures_left FROM stays_audit WHERE closed = ?",
        (day,),
    )
    names = ("closed", "opened", "in_house", "room_revenue_minor", "no_shows", "arrivals_left")
    return Closing(
        business_date=business_date(facts, context),
        in_house=_count(facts, "SELECT count(*) FROM stays_stay WHERE state = 'in_house'"),
        room_revenue_minor=_count(
            facts,
            "SELECT coalesce(sum(n.amount_minor), 0) FROM stays_night n JOIN stays_stay s"
            " USING (stay_id) JOIN stays_business_date b ON b.currency = n.currency"
            " WHERE s.state = 'in_house' AND n.night = ?",
            day,
        ),
        due=_count(
            facts,
            "SELECT count(*) FROM stays_stay WHERE state = 'confirmed' AND arrival <= ?",
            day,
        ),
        departures_left=_count(
            facts,
            "SELECT count(*) FROM stays_stay WHERE state = 'in_house' AND departure <= ?",
            day,
        ),
        told=None if told is None else dict(zip((*names, "departures_left"), told, strict=True)),
    )


def _count(facts: Facts, sql: str, *parameters: str) -> int:
    row = facts.row(sql, parameters)
    return int(row[0]) if row else 0


def _rooms(facts: Facts, wanted: set[str | None], today: date) -> dict[str, Room]:
    found = {}
    for room_id in sorted(each for each in wanted if each is not None):
        row = facts.row(
            "SELECT room_type_id, status, occupied_by, (SELECT alarm FROM stays_door_trouble t"
            " WHERE t.room_id = r.room_id ORDER BY alarm LIMIT 1)"
            " FROM stays_room r WHERE room_id = ?",
            (room_id,),
        )
        if row is None:
            continue
        spans = facts.rows(
            "SELECT stay_id, first, until FROM stays_span WHERE room_id = ? AND until > ?",
            (room_id, today.isoformat()),
        )
        found[room_id] = Room(
            room_id=room_id,
            room_type_id=row[0],
            status=RoomStatus(row[1]),
            occupied_by=row[2],
            spans=[
                Span(stay_id=who, start=date.fromisoformat(first), end=date.fromisoformat(until))
                for who, first, until in spans
            ],
            door_trouble=row[3],
        )
    return found
