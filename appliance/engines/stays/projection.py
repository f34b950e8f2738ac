"""The tables of stays: what each one is now, its nights, guests, notes, conflicts and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from appliance.bus.words import DeviceKind
from appliance.engines.calendar.messages import HoldConfirmed, NightsHeld
from appliance.engines.climate.messages import AlarmCleared, AlarmKind, AlarmRaised
from appliance.engines.housekeeping.messages import RoomStatus, RoomStatusSet
from appliance.engines.inventory.messages import PropertySetUp, RoomAdded, RoomTypeAdded
from appliance.engines.stays import parking
from appliance.engines.stays.decisions import remembering, undone
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    BusinessDateRolled,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    ConflictCleared,
    ConflictOverdue,
    ConflictRaised,
    ConflictSettled,
    DecisionUndone,
    DepartedElsewhere,
    DepartureChanged,
    Fee,
    GuestWalked,
    Night,
    NoShowMarked,
    NoteAdded,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
    UpstreamLinked,
    UpstreamSeen,
)
from appliance.engines.stays.parked_messages import ParkedDecided
from appliance.engines.stays.touches import by_people
from appliance.kernel.engine import Connection, Projection, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.sealed import Sealed

DDL = """
CREATE TABLE IF NOT EXISTS stays_stay (
    stay_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    source TEXT,
    upstream_id TEXT,
    upstream_version TEXT,
    upstream_state TEXT,
    code TEXT NOT NULL,
    upstream_code TEXT,
    room_type_id TEXT NOT NULL,
    room_id TEXT,
    arrival TEXT NOT NULL,
    departure TEXT NOT NULL,
    adults INTEGER NOT NULL,
    children INTEGER NOT NULL,
    channel TEXT NOT NULL,
    quote_id TEXT,
    account_ref TEXT,
    at_risk INTEGER NOT NULL,
    nights_total_minor INTEGER NOT NULL,
    fees_total_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    conflicts_open INTEGER NOT NULL,
    not_ready_accepted INTEGER NOT NULL,
    booked_at_ms INTEGER NOT NULL,
    arrived_on TEXT,
    left_on TEXT,
    eta TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_stay_arrival ON stays_stay (state, arrival);
CREATE INDEX IF NOT EXISTS stays_stay_departure ON stays_stay (state, departure);
CREATE INDEX IF NOT EXISTS stays_stay_arrived ON stays_stay (arrived_on);
CREATE INDEX IF NOT EXISTS stays_stay_left ON stays_stay (left_on);
CREATE INDEX IF NOT EXISTS stays_stay_upstream ON stays_stay (source, upstream_id);
CREATE INDEX IF NOT EXISTS stays_stay_code ON stays_stay (code);
CREATE INDEX IF NOT EXISTS stays_stay_upstream_code ON stays_stay (upstream_code);
CREATE TABLE IF NOT EXISTS stays_night (
    stay_id TEXT NOT NULL,
    night TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    price_source TEXT NOT NULL,
    PRIMARY KEY (stay_id, night)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_night_night ON stays_night (night);
CREATE TABLE IF NOT EXISTS stays_fee (
    stay_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    code TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (stay_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_guest (
    stay_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    subject TEXT NOT NULL,
    box BLOB NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (stay_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_note (
    position INTEGER PRIMARY KEY,
    stay_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    box BLOB NOT NULL,
    place TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    by TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS stays_note_stay ON stays_note (stay_id);
CREATE TABLE IF NOT EXISTS stays_conflict (
    conflict_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    what TEXT NOT NULL,
    box_says TEXT NOT NULL,
    upstream_says TEXT NOT NULL,
    upstream_version TEXT,
    raised_at_ms INTEGER NOT NULL,
    settled_at_ms INTEGER,
    settled_by TEXT,
    took_upstream INTEGER,
    cleared_because TEXT,
    items TEXT NOT NULL,
    accepted TEXT,
    decide_by_ms INTEGER,
    overdue_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_conflict_stay ON stays_conflict (stay_id);
CREATE INDEX IF NOT EXISTS stays_conflict_open ON stays_conflict (raised_at_ms)
    WHERE settled_at_ms IS NULL;
CREATE TABLE IF NOT EXISTS stays_touch (
    stay_id TEXT NOT NULL,
    field TEXT NOT NULL,
    by TEXT NOT NULL,
    terminal TEXT,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (stay_id, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_walk (
    stay_id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    box BLOB NOT NULL,
    place TEXT NOT NULL,
    cost_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    nights INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_decision (
    decision_id TEXT PRIMARY KEY,
    stay_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    before TEXT,
    after TEXT,
    conflicts TEXT NOT NULL,
    undone_at_ms INTEGER,
    undone_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_decision_at ON stays_decision (at_ms);
CREATE TABLE IF NOT EXISTS stays_span (
    stay_id TEXT NOT NULL,
    first TEXT NOT NULL,
    until TEXT NOT NULL,
    room_id TEXT NOT NULL,
    PRIMARY KEY (stay_id, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_span_room ON stays_span (room_id, until);
CREATE TABLE IF NOT EXISTS stays_business_date (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    business_date TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    currency TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS stays_audit (
    closed TEXT PRIMARY KEY,
    opened TEXT NOT NULL,
    in_house INTEGER NOT NULL,
    room_revenue_minor INTEGER NOT NULL,
    no_shows INTEGER NOT NULL,
    arrivals_left INTEGER NOT NULL,
    departures_left INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_room_type (
    room_type_id TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    rate_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    offline_allotment INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays_room (
    room_id TEXT PRIMARY KEY,
    number TEXT NOT NULL,
    floor INTEGER NOT NULL,
    room_type_id TEXT NOT NULL,
    status TEXT NOT NULL,
    occupied_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_room_of_type ON stays_room (room_type_id);
CREATE TABLE IF NOT EXISTS stays_door_trouble (
    device_id TEXT NOT NULL,
    alarm TEXT NOT NULL,
    room_id TEXT NOT NULL,
    PRIMARY KEY (device_id, alarm)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stays_door_trouble_room ON stays_door_trouble (room_id)
"""

TABLES = [
    "stays_stay",
    "stays_night",
    "stays_fee",
    "stays_guest",
    "stays_note",
    "stays_conflict",
    "stays_touch",
    "stays_decision",
    "stays_walk",
    "stays_span",
    "stays_business_date",
    "stays_audit",
    "stays_room_type",
    "stays_room",
    "stays_door_trouble",
    parking.TABLE,
]

# A lock with one of these may not open for a guest who comes late.
TROUBLES = frozenset(
    {AlarmKind.JAMMED, AlarmKind.TAMPER, AlarmKind.LOG_BROKEN, AlarmKind.CLOCK_LOST}
)
# Cells that are foretold to last until the day after tomorrow, or that are at their end now.
CRITICAL_DAYS = 2
CRITICAL_PCT = 10


def _set(db: Connection, stay_id: str, **columns: str | int | None) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    db.execute(
        f"UPDATE stays_stay SET {names} WHERE stay_id = ?",  # noqa: S608 - names from below only
        (*columns.values(), stay_id),
    )


def _booked(db: Connection, event: Booked, recorded: Recorded) -> None:
    confirmed = StayState.CONFIRMED.value if event.upstream_version is not None else None
    row = {
        "stay_id": event.stay_id,
        "state": StayState.CONFIRMED.value,
        "source": event.source,
        "upstream_id": event.upstream_id,
        "upstream_version": event.upstream_version,
        "upstream_state": confirmed,
        "code": event.code,
        "upstream_code": None,
        "room_type_id": event.room_type_id,
        "room_id": None,
        "arrival": event.arrival.isoformat(),
        "departure": event.departure.isoformat(),
        "adults": event.adults,
        "children": event.children,
        "channel": event.channel,
        "quote_id": event.quote_id,
        "account_ref": event.account_ref,
        "at_risk": int(event.at_risk),
        "nights_total_minor": 0,
        "fees_total_minor": 0,
        "currency": "",
        "conflicts_open": 0,
        "not_ready_accepted": 0,
        "booked_at_ms": recorded.at_wall_ms,
        "arrived_on": None,
        "left_on": None,
        "eta": event.eta,
    }
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO stays_stay VALUES ({marks})", tuple(row.values()))  # noqa: S608
    _keep_guests(db, event.stay_id, event.guests, _place(event, "guests"))
    _keep_nights(db, event.stay_id, event.nights)
    _keep_fees(db, event.stay_id, event.fees)


def _place(event: Event, field: str) -> str:
    """Where the kernel sealed a text: it must be said again to open it (codec.seal)."""
    return f"{event.kind}:{field}"


def _keep_guests(db: Connection, stay_id: str, guests: Sequence[Sealed], place: str) -> None:
    db.execute("DELETE FROM stays_guest WHERE stay_id = ?", (stay_id,))
    for number, guest in enumerate(guests):
        db.execute(
            "INSERT INTO stays_guest VALUES (?, ?, ?, ?, ?)",
            (stay_id, number, guest.subject, guest.box, place),
        )


def _keep_nights(db: Connection, stay_id: str, nights: Sequence[Night]) -> None:
    db.execute("DELETE FROM stays_night WHERE stay_id = ?", (stay_id,))
    for night in nights:
        db.execute(
            "INSERT INTO stays_night VALUES (?, ?, ?, ?, ?)",
            (
                stay_id,
                night.date.isoformat(),
                night.amount_minor,
                night.currency,
                night.price_source,
            ),
        )
    _set(
        db,
        stay_id,
        nights_total_minor=sum(night.amount_minor for night in nights),
        currency=nights[0].currency if nights else "",
    )


def _keep_fees(db: Connection, stay_id: str, fees: Sequence[Fee]) -> None:
    db.execute("DELETE FROM stays_fee WHERE stay_id = ?", (stay_id,))
    for number, fee in enumerate(fees):
        db.execute(
            "INSERT INTO stays_fee VALUES (?, ?, ?, ?, ?)",
            (stay_id, number, fee.code, fee.amount_minor, fee.currency),
        )
    _set(db, stay_id, fees_total_minor=sum(fee.amount_minor for fee in fees))


def _booking_changed(db: Connection, event: BookingChanged, _recorded: Recorded) -> None:
    _set(
        db,
        event.stay_id,
        room_type_id=event.room_type_id,
        arrival=event.arrival.isoformat(),
        departure=event.departure.isoformat(),
        adults=event.adults,
        children=event.children,
        channel=event.channel,
        upstream_version=event.upstream_version,
        eta=event.eta,
    )
    if event.guests:
        _keep_guests(db, event.stay_id, event.guests, _place(event, "guests"))
    _keep_nights(db, event.stay_id, event.nights)
    _keep_fees(db, event.stay_id, event.fees)


def _upstream_linked(db: Connection, event: UpstreamLinked, _recorded: Recorded) -> None:
    _set(
        db,
        event.stay_id,
        source=event.source,
        upstream_id=event.upstream_id,
        upstream_version=event.upstream_version,
        upstream_code=event.code,
        at_risk=0,
    )


def _upstream_seen(db: Connection, event: UpstreamSeen, _recorded: Recorded) -> None:
    _set(db, event.stay_id, upstream_version=event.upstream_version)
    if event.says is not None:
        _set(db, event.stay_id, upstream_state=event.says.state.value)


def _room_assigned(db: Connection, event: RoomAssigned, _recorded: Recorded) -> None:
    _set(db, event.stay_id, room_id=event.room_id)
    _forget_spans(db, event.stay_id)
    db.execute(
        "INSERT INTO stays_span VALUES (?, ?, ?, ?)",
        (event.stay_id, event.arrival.isoformat(), event.departure.isoformat(), event.room_id),
    )


def _forget_spans(db: Connection, stay_id: str) -> None:
    db.execute("DELETE FROM stays_span WHERE stay_id = ?", (stay_id,))


def _end_spans(db: Connection, stay_id: str, until: str) -> None:
    db.execute("DELETE FROM stays_span WHERE stay_id = ? AND first >= ?", (stay_id, until))
    db.execute(
        "UPDATE stays_span SET until = ?1 WHERE stay_id = ?2 AND until > ?1", (until, stay_id)
    )


def _room_unassigned(db: Connection, event: RoomUnassigned, _recorded: Recorded) -> None:
    _set(db, event.stay_id, room_id=None)
    _forget_spans(db, event.stay_id)


def _checked_in(db: Connection, event: CheckedIn, _recorded: Recorded) -> None:
    _set(
        db,
        event.stay_id,
        state=StayState.IN_HOUSE.value,
        room_id=event.room_id,
        arrived_on=event.business_date.isoformat(),
        not_ready_accepted=int(event.not_ready_accepted),
    )
    _occupy(db, event.room_id, event.stay_id)


def _occupy(db: Connection, room_id: str, stay_id: str) -> None:
    db.execute("UPDATE stays_room SET occupied_by = ? WHERE room_id = ?", (stay_id, room_id))


def _empty(db: Connection, stay_id: str) -> None:
    db.execute("UPDATE stays_room SET occupied_by = NULL WHERE occupied_by = ?", (stay_id,))


def _check_in_undone(db: Connection, event: CheckInUndone, _recorded: Recorded) -> None:
    _set(
        db,
        event.stay_id,
        state=StayState.CONFIRMED.value,
        room_id=None,
        arrived_on=None,
        not_ready_accepted=0,
    )
    _empty(db, event.stay_id)
    _forget_spans(db, event.stay_id)


def _room_moved(db: Connection, event: RoomMoved, _recorded: Recorded) -> None:
    _set(db, event.stay_id, room_id=event.to_room_id)
    _empty(db, event.stay_id)
    _occupy(db, event.to_room_id, event.stay_id)
    _end_spans(db, event.stay_id, event.from_date.isoformat())
    db.execute(
        "INSERT INTO stays_span VALUES (?, ?, ?, ?)",
        (event.stay_id, event.from_date.isoformat(), event.departure.isoformat(), event.to_room_id),
    )


def _departure_changed(db: Connection, event: DepartureChanged, _recorded: Recorded) -> None:
    departure = event.departure.isoformat()
    _set(db, event.stay_id, departure=departure)
    _keep_nights(db, event.stay_id, event.nights)
    if event.departure < event.previous:
        _end_spans(db, event.stay_id, departure)
    else:
        db.execute(
            "UPDATE stays_span SET until = ? WHERE stay_id = ? AND until = ?",
            (departure, event.stay_id, event.previous.isoformat()),
        )


def _checked_out(db: Connection, event: CheckedOut, _recorded: Recorded) -> None:
    _left(db, event)
    _empty(db, event.stay_id)


def _left(db: Connection, event: CheckedOut | DepartedElsewhere) -> None:
    _set(
        db,
        event.stay_id,
        state=StayState.DEPARTED.value,
        left_on=event.business_date.isoformat(),
    )
    _end_spans(db, event.stay_id, event.business_date.isoformat())


def _departed_elsewhere(db: Connection, event: DepartedElsewhere, _recorded: Recorded) -> None:
    _left(db, event)


def _cancelled(db: Connection, event: StayCancelled, _recorded: Recorded) -> None:
    _set(db, event.stay_id, state=StayState.CANCELLED.value, room_id=None)
    _forget_spans(db, event.stay_id)


def _no_show(db: Connection, event: NoShowMarked, _recorded: Recorded) -> None:
    _set(db, event.stay_id, state=StayState.NO_SHOW.value, room_id=None)
    _forget_spans(db, event.stay_id)


def _reinstated(db: Connection, event: Reinstated, _recorded: Recorded) -> None:
    _set(
        db,
        event.stay_id,
        state=StayState.CONFIRMED.value,
        room_id=None,
        room_type_id=event.room_type_id,
        arrival=event.arrival.isoformat(),
        departure=event.departure.isoformat(),
    )


def _note_added(db: Connection, event: NoteAdded, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO stays_note VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            recorded.position,
            event.stay_id,
            event.text.subject,
            event.text.box,
            _place(event, "text"),
            recorded.at_wall_ms,
            recorded.who.actor,
        ),
    )


def _conflict_raised(db: Connection, event: ConflictRaised, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO stays_conflict VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, ?, NULL,"
        " ?, NULL)",
        (
            event.conflict_id,
            event.stay_id,
            event.what,
            event.box_says,
            event.upstream_says,
            event.upstream_version,
            recorded.at_wall_ms,
            msgspec.json.encode(event.items).decode(),
            event.decide_by_ms,
        ),
    )
    _count_conflicts(db, event.stay_id)


def _conflict_settled(db: Connection, event: ConflictSettled, recorded: Recorded) -> None:
    db.execute(
        "UPDATE stays_conflict SET settled_at_ms = ?, settled_by = ?, took_upstream = ?,"
        " accepted = ? WHERE conflict_id = ?",
        (
            recorded.at_wall_ms,
            recorded.who.actor,
            event.took_upstream,
            msgspec.json.encode(event.accepted).decode(),
            event.conflict_id,
        ),
    )
    _count_conflicts(db, event.stay_id)


def _conflict_cleared(db: Connection, event: ConflictCleared, recorded: Recorded) -> None:
    db.execute(
        "UPDATE stays_conflict SET settled_at_ms = ?, settled_by = ?, cleared_because = ?"
        " WHERE conflict_id = ?",
        (recorded.at_wall_ms, recorded.who.actor, event.because, event.conflict_id),
    )
    _count_conflicts(db, event.stay_id)


def _conflict_overdue(db: Connection, event: ConflictOverdue, recorded: Recorded) -> None:
    db.execute(
        "UPDATE stays_conflict SET overdue_at_ms = ? WHERE conflict_id = ?",
        (recorded.at_wall_ms, event.conflict_id),
    )


def _guest_walked(db: Connection, event: GuestWalked, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO stays_walk SELECT stay_id, ?, ?, ?, ?, ?, ?, ?, ?"
        " FROM stays_stay WHERE stay_id = ?",
        (
            event.where_to.subject,
            event.where_to.box,
            _place(event, "where_to"),
            event.cost_minor,
            event.currency,
            len(event.nights),
            recorded.at_wall_ms,
            recorded.who.actor,
            event.stay_id,
        ),
    )


def _count_conflicts(db: Connection, stay_id: str) -> None:
    db.execute(
        "UPDATE stays_stay SET conflicts_open = (SELECT count(*) FROM stays_conflict"
        " WHERE stay_id = ?1 AND settled_at_ms IS NULL) WHERE stay_id = ?1",
        (stay_id,),
    )


def _property_set_up(db: Connection, event: PropertySetUp, recorded: Recorded) -> None:
    """The hotel's first day is the day on its own wall when it was set up."""
    moment = datetime.fromtimestamp(recorded.at_wall_ms / 1000, UTC)
    today = moment.astimezone(ZoneInfo(event.time_zone)).date()
    db.execute(
        "INSERT INTO stays_business_date VALUES (1, ?, ?, ?)",
        (today.isoformat(), event.time_zone, event.currency),
    )


def _rolled(db: Connection, event: BusinessDateRolled, _recorded: Recorded) -> None:
    db.execute("UPDATE stays_business_date SET business_date = ?", (event.opened.isoformat(),))
    db.execute(
        "INSERT INTO stays_audit VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            event.closed.isoformat(),
            event.opened.isoformat(),
            event.in_house,
            event.room_revenue_minor,
            len(event.no_shows),
            event.arrivals_left,
            event.departures_left,
        ),
    )


def _room_type_added(db: Connection, event: RoomTypeAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO stays_room_type VALUES (?, ?, ?, ?, ?)",
        (
            event.room_type_id,
            event.title,
            event.rate_minor,
            event.currency,
            event.offline_allotment,
        ),
    )


def _room_added(db: Connection, event: RoomAdded, _recorded: Recorded) -> None:
    # A room is taken over as it stands; housekeeping says otherwise where it is otherwise.
    db.execute(
        "INSERT INTO stays_room VALUES (?, ?, ?, ?, ?, NULL)",
        (event.room_id, event.number, event.floor, event.room_type_id, RoomStatus.CLEAN.value),
    )


def _room_status_set(db: Connection, event: RoomStatusSet, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE stays_room SET status = ? WHERE room_id = ?", (event.status.value, event.room_id)
    )


def _nights_held(db: Connection, event: NightsHeld, _recorded: Recorded) -> None:
    if event.at_risk:
        _set(db, event.holder_id, at_risk=1)


def _hold_confirmed(db: Connection, event: HoldConfirmed, _recorded: Recorded) -> None:
    _set(db, event.holder_id, at_risk=0)


def _alarm_raised(db: Connection, event: AlarmRaised, _recorded: Recorded) -> None:
    if event.device_kind is not DeviceKind.LOCK or event.room_id is None:
        return
    empty = event.alarm is AlarmKind.BATTERY and (
        (event.days_left is not None and event.days_left <= CRITICAL_DAYS)
        or (event.battery_pct is not None and event.battery_pct <= CRITICAL_PCT)
    )
    if empty or event.alarm in TROUBLES:
        db.execute(
            "INSERT OR REPLACE INTO stays_door_trouble VALUES (?, ?, ?)",
            (event.device_id, event.alarm.value, event.room_id),
        )


def _alarm_cleared(db: Connection, event: AlarmCleared, _recorded: Recorded) -> None:
    db.execute(
        "DELETE FROM stays_door_trouble WHERE device_id = ? AND alarm = ?",
        (event.device_id, event.alarm.value),
    )


PROJECTION = Projection(
    name="stays",
    ddl=[*DDL.strip().split(";\n"), parking.DDL],
    tables=TABLES,
    on=remembering(
        by_people(
            {
                Booked: _booked,
                BookingChanged: _booking_changed,
                UpstreamLinked: _upstream_linked,
                UpstreamSeen: _upstream_seen,
                RoomAssigned: _room_assigned,
                RoomUnassigned: _room_unassigned,
                CheckedIn: _checked_in,
                CheckInUndone: _check_in_undone,
                RoomMoved: _room_moved,
                DepartureChanged: _departure_changed,
                CheckedOut: _checked_out,
                DepartedElsewhere: _departed_elsewhere,
                StayCancelled: _cancelled,
                NoShowMarked: _no_show,
                Reinstated: _reinstated,
                NoteAdded: _note_added,
                ConflictRaised: _conflict_raised,
                ConflictSettled: _conflict_settled,
                ConflictCleared: _conflict_cleared,
                DecisionUndone: undone,
                ConflictOverdue: _conflict_overdue,
                GuestWalked: _guest_walked,
                ParkedDecided: parking.note_asked,
                PropertySetUp: _property_set_up,
                BusinessDateRolled: _rolled,
                RoomTypeAdded: _room_type_added,
                RoomAdded: _room_added,
                RoomStatusSet: _room_status_set,
                NightsHeld: _nights_held,
                HoldConfirmed: _hold_confirmed,
                AlarmRaised: _alarm_raised,
                AlarmCleared: _alarm_cleared,
            }
        )
    ),
)
