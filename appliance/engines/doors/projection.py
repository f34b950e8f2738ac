"""The read model of doors: doors, holders, keys, presses, what locks said, what they were sent."""

from __future__ import annotations

from datetime import date
from typing import Final

from appliance.engines.concierge.messages import (
    RequestMade,
    RequestStatus,
    RequestStatusSet,
)
from appliance.engines.doors.messages import (
    AccessLogged,
    DeliveryNoted,
    HolderKind,
    KeyAtRisk,
    KeyCut,
    KeyReason,
    KeyRevoked,
    KeyRiskCleared,
    KeyTakenUp,
    LeaseRenewed,
    MasterCut,
    MasterRevoked,
    MasterUsed,
    OpenAsked,
    OpenSettled,
    PhoneEnrolled,
    PhoneRemoved,
    ResidentEvicted,
)
from appliance.engines.identity.messages import (
    ShiftClosed,
    ShiftOpened,
    StaffAdded,
    StaffDeactivated,
)
from appliance.engines.inventory.messages import (
    DoorAdded,
    DoorFitted,
    DoorShared,
    LockProtocol,
    PropertySetUp,
)
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    DepartureChanged,
    NoShowMarked,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
)
from appliance.kernel.engine import Apply, Connection, Projection, Recorded
from appliance.kernel.messages import Event

_DDL: Final = (
    (
        "CREATE TABLE IF NOT EXISTS doors_house (property_id TEXT PRIMARY KEY,"
        " time_zone TEXT NOT NULL, check_out_until TEXT NOT NULL, check_in_from TEXT NOT NULL)"
        " STRICT"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_door (door_id TEXT PRIMARY KEY, number INTEGER NOT NULL,"
        " title TEXT NOT NULL, device_id TEXT NOT NULL, room_id TEXT, protocol TEXT NOT NULL,"
        " bridge TEXT NOT NULL, presser_point TEXT, lock_point TEXT, fitting INTEGER NOT NULL)"
        " STRICT"
    ),
    # The position from which a device's name means another lock, where it ever did.
    (
        "CREATE TABLE IF NOT EXISTS doors_series (device_id TEXT PRIMARY KEY,"
        " series INTEGER NOT NULL) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS doors_door_device ON doors_door (device_id)",
    "CREATE INDEX IF NOT EXISTS doors_door_room ON doors_door (room_id)",
    (
        "CREATE TABLE IF NOT EXISTS doors_holder (kind TEXT NOT NULL, holder_id TEXT NOT NULL,"
        " state TEXT NOT NULL, room_id TEXT, departure TEXT, arrival TEXT,"
        " PRIMARY KEY (kind, holder_id)) STRICT"
    ),
    (
        "CREATE INDEX IF NOT EXISTS doors_holder_expected ON doors_holder (arrival)"
        " WHERE kind = 'stay' AND state = 'confirmed'"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_key (key_id TEXT PRIMARY KEY, holder_kind TEXT NOT NULL,"
        " holder_id TEXT NOT NULL, door_id TEXT NOT NULL, generation INTEGER NOT NULL,"
        " valid_from_s INTEGER NOT NULL, valid_until_s INTEGER NOT NULL, reason TEXT NOT NULL,"
        " cti TEXT NOT NULL, slot INTEGER NOT NULL, pin_ref TEXT NOT NULL,"
        " clock_unsure INTEGER NOT NULL, cut_at_ms INTEGER NOT NULL, revoked_at_ms INTEGER,"
        " revoked_reason TEXT, ahead INTEGER NOT NULL, joiner INTEGER NOT NULL,"
        " bound_to TEXT NOT NULL, sponsor TEXT NOT NULL, hours TEXT) STRICT"
    ),
    (
        "CREATE INDEX IF NOT EXISTS doors_key_bound ON doors_key (bound_to)"
        " WHERE bound_to <> '' AND revoked_at_ms IS NULL"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_master (master_id TEXT PRIMARY KEY, cti TEXT NOT NULL,"
        " kind TEXT NOT NULL, holder_id TEXT NOT NULL, label TEXT NOT NULL, point TEXT,"
        " valid_from_s INTEGER NOT NULL, valid_until_s INTEGER NOT NULL, revoked_at_ms INTEGER)"
        " STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS doors_master_cti ON doors_master (cti)",
    (
        "CREATE TABLE IF NOT EXISTS doors_master_denied (master_id TEXT NOT NULL,"
        " door_id TEXT NOT NULL, PRIMARY KEY (master_id, door_id)) STRICT"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_master_use (position INTEGER PRIMARY KEY,"
        " master_id TEXT NOT NULL, door_id TEXT NOT NULL, event TEXT NOT NULL,"
        " device_wall_ms INTEGER NOT NULL) STRICT"
    ),
    # Shifts and tickets that are under way: "shift:<id>", "ticket:<id>".
    "CREATE TABLE IF NOT EXISTS doors_bond (bond TEXT PRIMARY KEY) STRICT",
    (
        "CREATE TABLE IF NOT EXISTS doors_common (door_id TEXT PRIMARY KEY,"
        " shared_with TEXT NOT NULL, zone INTEGER, hours TEXT) STRICT"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_risk (stay_id TEXT NOT NULL, door_id TEXT NOT NULL,"
        " why TEXT NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY (stay_id, door_id)) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS doors_key_holder ON doors_key (holder_kind, holder_id)",
    "CREATE INDEX IF NOT EXISTS doors_key_door ON doors_key (door_id, slot)",
    "CREATE INDEX IF NOT EXISTS doors_key_cti ON doors_key (cti)",
    "CREATE INDEX IF NOT EXISTS doors_key_ends ON doors_key (valid_until_s)",
    (
        "CREATE TABLE IF NOT EXISTS doors_opening (opening_id TEXT PRIMARY KEY,"
        " door_id TEXT NOT NULL, device_id TEXT NOT NULL, key_id TEXT NOT NULL,"
        " holder_kind TEXT NOT NULL, holder_id TEXT NOT NULL, asked_by TEXT NOT NULL,"
        " asked_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, outcome TEXT, refusal TEXT,"
        " evidence TEXT, settled_at_ms INTEGER) STRICT"
    ),
    (
        "CREATE INDEX IF NOT EXISTS doors_opening_open ON doors_opening (asked_at_ms)"
        " WHERE outcome IS NULL OR outcome = 'unknown'"
    ),
    "CREATE INDEX IF NOT EXISTS doors_opening_door ON doors_opening (door_id, asked_at_ms)",
    (
        "CREATE TABLE IF NOT EXISTS doors_access (device_id TEXT NOT NULL, seq INTEGER NOT NULL,"
        " position INTEGER NOT NULL, door_id TEXT NOT NULL, event TEXT NOT NULL,"
        " at_ms INTEGER NOT NULL, device_wall_ms INTEGER NOT NULL, uncertainty_ms INTEGER NOT NULL,"
        " order_id TEXT, key_id TEXT, holder_id TEXT, refusal TEXT, missed INTEGER NOT NULL,"
        " series INTEGER NOT NULL, PRIMARY KEY (device_id, series, seq)) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS doors_access_door ON doors_access (door_id, position)",
    "CREATE INDEX IF NOT EXISTS doors_access_position ON doors_access (position)",
    (
        "CREATE TABLE IF NOT EXISTS doors_delivery (key_id TEXT NOT NULL, what TEXT NOT NULL,"
        " outcome TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (key_id, what)) STRICT"
    ),
    (
        "CREATE TABLE IF NOT EXISTS doors_phone (position INTEGER PRIMARY KEY,"
        " phone_id TEXT NOT NULL, point TEXT NOT NULL, holder_kind TEXT NOT NULL,"
        " holder_id TEXT NOT NULL, enrolled_at_ms INTEGER NOT NULL, removed_at_ms INTEGER) STRICT"
    ),
    "CREATE INDEX IF NOT EXISTS doors_phone_holder ON doors_phone (holder_kind, holder_id)",
    (
        "CREATE UNIQUE INDEX IF NOT EXISTS doors_phone_one ON doors_phone (phone_id)"
        " WHERE removed_at_ms IS NULL"
    ),
)


def _house(db: Connection, event: PropertySetUp, _: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO doors_house VALUES (?, ?, ?, ?)",
        (event.property_id, event.time_zone, event.check_out_until, event.check_in_from),
    )


def _door(db: Connection, event: DoorAdded, _: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO doors_door VALUES (?, ?, ?, ?, ?, ?, '', NULL, NULL, 0)",
        (
            event.door_id,
            event.number,
            event.title,
            event.device_id,
            event.room_id,
            LockProtocol.BUS.value,
        ),
    )


def _fitted(db: Connection, event: DoorFitted, recorded: Recorded) -> None:
    db.execute(
        "UPDATE doors_door SET protocol = ?, bridge = ?, presser_point = ?, lock_point = ?"
        " WHERE door_id = ?",
        (
            event.protocol.value,
            event.bridge,
            event.presser_point,
            event.lock_point,
            event.door_id,
        ),
    )
    same = db.execute(
        "SELECT 1 FROM doors_door WHERE door_id = ? AND device_id = ?",
        (event.door_id, event.device_id),
    ).fetchone()
    if event.new_lock:
        db.execute(
            "INSERT OR REPLACE INTO doors_series VALUES (?, ?)",
            (event.device_id, recorded.position),
        )
    elif same is not None:
        return
    # A lock that nobody has told anything: every PIN and every denial is owed again.
    db.execute(
        "UPDATE doors_door SET device_id = ?, fitting = ? WHERE door_id = ?",
        (event.device_id, recorded.position, event.door_id),
    )
    db.execute(
        "DELETE FROM doors_master_denied WHERE door_id = ?",
        (event.door_id,),
    )
    db.execute(
        "DELETE FROM doors_delivery WHERE key_id IN"
        " (SELECT key_id FROM doors_key WHERE door_id = ?)",
        (event.door_id,),
    )


def _holder(
    db: Connection,
    kind: HolderKind,
    holder_id: str,
    state: str,
    place: tuple[str | None, date | None, date | None] = (None, None, None),
) -> None:
    """`place`: room, departure, arrival."""
    room_id, departure, arrival = place
    db.execute(
        "INSERT OR REPLACE INTO doors_holder VALUES (?, ?, ?, ?, ?, ?)",
        (kind.value, holder_id, state, room_id, _day(departure), _day(arrival)),
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _booked(db: Connection, event: Booked | Reinstated, _: Recorded) -> None:
    place = (None, event.departure, event.arrival)
    _holder(db, HolderKind.STAY, event.stay_id, StayState.CONFIRMED.value, place)


def _expected(
    db: Connection,
    event: BookingChanged | RoomAssigned,
    _: Recorded,
) -> None:
    room_id = event.room_id if isinstance(event, RoomAssigned) else None
    db.execute(
        "UPDATE doors_holder SET room_id = coalesce(?, room_id), departure = ?, arrival = ?"
        " WHERE kind = 'stay' AND holder_id = ? AND state = 'confirmed'",
        (room_id, _day(event.departure), _day(event.arrival), event.stay_id),
    )


def _no_room(db: Connection, event: RoomUnassigned, _: Recorded) -> None:
    db.execute(
        "UPDATE doors_holder SET room_id = NULL WHERE kind = 'stay' AND holder_id = ?"
        " AND state = 'confirmed'",
        (event.stay_id,),
    )


def _undone(db: Connection, event: CheckInUndone, _: Recorded) -> None:
    db.execute(
        "UPDATE doors_holder SET state = ?, room_id = NULL WHERE kind = 'stay' AND holder_id = ?",
        (StayState.CONFIRMED.value, event.stay_id),
    )


def _checked_in(db: Connection, event: CheckedIn, _: Recorded) -> None:
    place = (event.room_id, event.departure, event.arrival)
    _holder(db, HolderKind.STAY, event.stay_id, StayState.IN_HOUSE.value, place)


def _moved(db: Connection, event: RoomMoved, _: Recorded) -> None:
    place = (event.to_room_id, event.departure, event.from_date)
    _holder(db, HolderKind.STAY, event.stay_id, StayState.IN_HOUSE.value, place)


def _departure(db: Connection, event: DepartureChanged, _: Recorded) -> None:
    db.execute(
        "UPDATE doors_holder SET departure = ? WHERE kind = 'stay' AND holder_id = ?"
        " AND state IN ('in_house', 'confirmed')",
        (event.departure.isoformat(), event.stay_id),
    )


def _out(state: StayState) -> Apply:
    def apply(
        db: Connection,
        event: CheckedOut | DepartedElsewhere | StayCancelled | NoShowMarked,
        _: Recorded,
    ) -> None:
        _holder(db, HolderKind.STAY, event.stay_id, state.value)

    return apply


def _staff(db: Connection, event: StaffAdded, _: Recorded) -> None:
    _holder(db, HolderKind.STAFF, event.person_id, "active")


def _staff_gone(db: Connection, event: StaffDeactivated, _: Recorded) -> None:
    _holder(db, HolderKind.STAFF, event.person_id, "gone")


def _cut(db: Connection, event: KeyCut, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?, ?, ?)",
        (
            event.key_id,
            event.holder_kind.value,
            event.holder_id,
            event.door_id,
            event.generation,
            event.valid_from_s,
            event.valid_until_s,
            event.reason.value,
            event.cti,
            event.slot,
            event.pin_ref or event.key_id,
            int(event.clock_unsure),
            recorded.at_wall_ms,
            int(event.reason is KeyReason.AHEAD),
            event.joiner,
            event.bound_to,
            event.sponsor,
            _hours(event.hours),
        ),
    )


def _hours(hours: tuple[int, int, int] | None) -> str | None:
    return None if hours is None else " ".join(map(str, hours))


def _shared(db: Connection, event: DoorShared, _: Recorded) -> None:
    kinds = "".join(f" {kind} " for kind in event.shared_with)
    db.execute(
        "INSERT OR REPLACE INTO doors_common VALUES (?, ?, ?, ?)",
        (event.door_id, kinds, event.zone, _hours(event.hours)),
    )


def _begun(db: Connection, event: ShiftOpened | RequestMade, _: Recorded) -> None:
    db.execute("INSERT OR IGNORE INTO doors_bond VALUES (?)", (bond_of(event),))


def _over(db: Connection, event: ShiftClosed | RequestStatusSet, _: Recorded) -> None:
    if is_over(event):
        db.execute("DELETE FROM doors_bond WHERE bond = ?", (bond_of(event),))


def bond_of(event: ShiftOpened | ShiftClosed | RequestMade | RequestStatusSet) -> str:
    """What a key is bound to by its name: a shift, or a ticket."""
    if isinstance(event, ShiftOpened | ShiftClosed):
        return f"shift:{event.shift_id}"
    return f"ticket:{event.request_id}"


def is_over(event: ShiftClosed | RequestStatusSet) -> bool:
    """Whether keys that were bound to it end now."""
    return isinstance(event, ShiftClosed) or event.status in {
        RequestStatus.COMPLETED,
        RequestStatus.FAILED,
    }


def _lease(db: Connection, event: LeaseRenewed, _: Recorded) -> None:
    place = (event.room_id, event.until, None)
    _holder(db, HolderKind.LEASE, event.lease_id, "active", place)


def _evicted(db: Connection, event: ResidentEvicted, _: Recorded) -> None:
    _holder(db, HolderKind.LEASE, event.lease_id, "evicted")


def _taken_up(db: Connection, event: KeyTakenUp, _: Recorded) -> None:
    db.execute("UPDATE doors_key SET ahead = 0 WHERE key_id = ?", (event.key_id,))


def _risk(db: Connection, event: KeyAtRisk, recorded: Recorded) -> None:
    db.execute(
        "INSERT OR REPLACE INTO doors_risk VALUES (?, ?, ?, ?)",
        (event.stay_id, event.door_id, event.why.value, recorded.at_wall_ms),
    )


def _no_risk(db: Connection, event: KeyRiskCleared, _: Recorded) -> None:
    db.execute(
        "DELETE FROM doors_risk WHERE stay_id = ? AND door_id = ?", (event.stay_id, event.door_id)
    )


def _revoked(db: Connection, event: KeyRevoked, recorded: Recorded) -> None:
    db.execute(
        "UPDATE doors_key SET revoked_at_ms = ?, revoked_reason = ? WHERE key_id = ?",
        (recorded.at_wall_ms, event.reason, event.key_id),
    )


def _opening(db: Connection, event: OpenAsked, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_opening VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL)",
        (
            event.opening_id,
            event.door_id,
            event.device_id,
            event.key_id,
            event.holder_kind.value,
            event.holder_id,
            recorded.who.actor,
            recorded.at_wall_ms,
            event.expires_at_ms,
        ),
    )


def _settled(db: Connection, event: OpenSettled, recorded: Recorded) -> None:
    db.execute(
        "UPDATE doors_opening SET outcome = ?, refusal = ?, evidence = ?, settled_at_ms = ?"
        " WHERE opening_id = ?",
        (
            event.outcome.value,
            event.refusal.value if event.refusal else None,
            event.evidence,
            recorded.at_wall_ms,
            event.opening_id,
        ),
    )


def _access(db: Connection, event: AccessLogged, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_access VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.device_id,
            event.seq,
            recorded.position,
            event.door_id,
            event.event.value,
            recorded.at_wall_ms,
            event.device_wall_ms,
            event.device_uncertainty_ms,
            event.order_id,
            event.key_id,
            event.holder_id,
            event.refusal.value if event.refusal else None,
            event.missed,
            event.series,
        ),
    )


def _master(db: Connection, event: MasterCut, _: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_master VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            event.master_id,
            event.cti,
            event.master_kind.value,
            event.holder_id,
            event.label,
            event.point,
            event.valid_from_s,
            event.valid_until_s,
        ),
    )


def _master_revoked(db: Connection, event: MasterRevoked, recorded: Recorded) -> None:
    db.execute(
        "UPDATE doors_master SET revoked_at_ms = ? WHERE master_id = ?",
        (recorded.at_wall_ms, event.master_id),
    )


def _master_used(db: Connection, event: MasterUsed, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_master_use VALUES (?, ?, ?, ?, ?)",
        (
            recorded.position,
            event.master_id,
            event.door_id,
            event.event.value,
            event.device_wall_ms,
        ),
    )


def _delivery(db: Connection, event: DeliveryNoted, recorded: Recorded) -> None:
    known = db.execute("SELECT 1 FROM doors_master WHERE master_id = ?", (event.key_id,))
    if known.fetchone() is not None:
        db.execute(
            "INSERT OR IGNORE INTO doors_master_denied VALUES (?, ?)",
            (event.key_id, event.door_id),
        )
        return
    db.execute(
        "INSERT OR REPLACE INTO doors_delivery VALUES (?, ?, ?, ?)",
        (event.key_id, event.what, event.outcome.value, recorded.at_wall_ms),
    )


def _phone(db: Connection, event: PhoneEnrolled, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO doors_phone VALUES (?, ?, ?, ?, ?, ?, NULL)",
        (
            recorded.position,
            event.phone_id,
            event.point,
            event.holder_kind.value,
            event.holder_id,
            recorded.at_wall_ms,
        ),
    )


def _phone_gone(db: Connection, event: PhoneRemoved, recorded: Recorded) -> None:
    db.execute(
        "UPDATE doors_phone SET removed_at_ms = ? WHERE phone_id = ? AND removed_at_ms IS NULL",
        (recorded.at_wall_ms, event.phone_id),
    )


_ON: Final[dict[type[Event], Apply]] = {
    PropertySetUp: _house,
    DoorAdded: _door,
    DoorFitted: _fitted,
    Booked: _booked,
    CheckedIn: _checked_in,
    RoomMoved: _moved,
    DepartureChanged: _departure,
    CheckedOut: _out(StayState.DEPARTED),
    CheckInUndone: _undone,
    DepartedElsewhere: _out(StayState.DEPARTED),
    Reinstated: _booked,
    BookingChanged: _expected,
    RoomAssigned: _expected,
    RoomUnassigned: _no_room,
    StayCancelled: _out(StayState.CANCELLED),
    NoShowMarked: _out(StayState.NO_SHOW),
    StaffAdded: _staff,
    StaffDeactivated: _staff_gone,
    KeyCut: _cut,
    KeyRevoked: _revoked,
    KeyTakenUp: _taken_up,
    DoorShared: _shared,
    ShiftOpened: _begun,
    RequestMade: _begun,
    ShiftClosed: _over,
    RequestStatusSet: _over,
    LeaseRenewed: _lease,
    MasterCut: _master,
    MasterRevoked: _master_revoked,
    MasterUsed: _master_used,
    ResidentEvicted: _evicted,
    KeyAtRisk: _risk,
    KeyRiskCleared: _no_risk,
    OpenAsked: _opening,
    OpenSettled: _settled,
    AccessLogged: _access,
    DeliveryNoted: _delivery,
    PhoneEnrolled: _phone,
    PhoneRemoved: _phone_gone,
}

PROJECTION: Final = Projection(
    name="doors",
    ddl=_DDL,
    tables=(
        "doors_house",
        "doors_door",
        "doors_series",
        "doors_holder",
        "doors_key",
        "doors_risk",
        "doors_bond",
        "doors_master",
        "doors_master_denied",
        "doors_master_use",
        "doors_common",
        "doors_opening",
        "doors_access",
        "doors_delivery",
        "doors_phone",
    ),
    on=_ON,
)
