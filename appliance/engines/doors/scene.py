"""What a rule of doors is shown: the door, its state, the holder, as the engine's own tables know.

Loaders read inline tables and streams on the writer; they decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from appliance.bus.words import Outcome
from appliance.engines.doors.door import DoorState, Key, LockLog
from appliance.engines.doors.messages import (
    ClearKeyRisk,
    CutKey,
    HolderKind,
    LogAccess,
    NoteDelivery,
    NoteKeyRisk,
    NotePinShown,
    OpenDoor,
    PrepareKey,
    RevokeKey,
    RevokeKeys,
    SettleOpening,
    TakeUpKeys,
)
from appliance.engines.doors.windows import arrival_start_s, departure_end_s
from appliance.kernel.engine import Context, Facts

GRACE_MIN = 120
_DOOR = (
    "SELECT d.door_id, d.number, d.device_id, d.room_id, d.fitting, c.hours FROM doors_door d"
    " LEFT JOIN doors_common c ON c.door_id = d.door_id WHERE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A door as the inventory has it; without a room it is shared by everybody."""

    door_id: str
    number: int
    device_id: str
    room_id: str | None
    fitting: int = 0  # the position of the fact that gave it this lock; 0: its first one
    hours: tuple[int, int, int] | None = None  # of a common door, for those who live here

    @property
    def shared(self) -> bool:
        """Whether a newer guest must not end an older one's key here."""
        return self.room_id is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whoever is to have a key; `state` is `in_house` for a stay, `active` for staff."""

    state: str
    room_id: str | None
    departure_end_s: int | None
    arrival_start_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorScene:
    """A door and what is known of the one who asks for something at it."""

    door: Door | None
    state: DoorState
    holder: Holder | None = None
    sponsor: Holder | None = None
    bond_open: bool = False  # the shift or ticket that is named is under way
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A key in the log, revoked or not: whose it was."""

    key_id: str
    holder_kind: HolderKind
    holder_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessScene:
    """A lock's door, its numbers so far, and whose key an event names."""

    door: Door | None
    log: LockLog
    key: NamedKey | None
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryScene:
    """Whose key something was delivered for, and which lock the door has by now."""

    door: Door | None
    key: NamedKey | None


def door_stream(
    command: CutKey | OpenDoor | SettleOpening | NoteDelivery | PrepareKey | TakeUpKeys | RevokeKey,
    _: Context,
) -> str:
    """One stream for each door."""
    return f"doors/{command.door_id}"


def revoke_stream(command: RevokeKeys, _: Context) -> str:
    """At one door, or at the holder where every door is meant."""
    if command.door_id is None:
        return f"holders/{command.holder_kind}:{command.holder_id}"
    return f"doors/{command.door_id}"


def lock_stream(command: LogAccess, _: Context) -> str:
    """Events are numbered by the device, so a device has a stream."""
    return f"locks/{command.device_id}"


def load_cut(facts: Facts, command: CutKey, _: Context) -> DoorScene:
    """The door, its keys, and whether the holder may have one."""
    return DoorScene(
        door=door_of(facts, command.door_id),
        state=facts.fold(f"doors/{command.door_id}"),
        holder=holder_of(facts, command.holder_kind, command.holder_id),
        sponsor=holder_of(facts, HolderKind.STAFF, command.sponsor),
        bond_open=facts.row("SELECT 1 FROM doors_bond WHERE bond = ?", (command.bound_to,))
        is not None,
    )


def risk_stream(command: NoteKeyRisk | ClearKeyRisk, _: Context) -> str:
    """One stream for what stands against a stay's keys."""
    return f"risks/{command.stay_id}"


def load_risks(facts: Facts, command: NoteKeyRisk | ClearKeyRisk, _: Context) -> Any:
    """What stands against them now."""
    return facts.fold(f"risks/{command.stay_id}")


def load_ahead(facts: Facts, command: PrepareKey, _: Context) -> DoorScene:
    """The door, its keys, and who is expected."""
    return DoorScene(
        door=door_of(facts, command.door_id),
        state=facts.fold(f"doors/{command.door_id}"),
        holder=holder_of(facts, HolderKind.STAY, command.stay_id),
    )


def load_door(
    facts: Facts, command: OpenDoor | RevokeKeys | RevokeKey | TakeUpKeys, _: Context
) -> DoorScene:
    """The door and its state."""
    door_id = command.door_id or ""
    house = facts.row("SELECT time_zone FROM doors_house")
    return DoorScene(
        door=door_of(facts, door_id),
        state=facts.fold(f"doors/{door_id}"),
        holder=holder_of(facts, command.holder_kind, command.holder_id)
        if isinstance(command, RevokeKeys)
        else None,
        time_zone="UTC" if house is None else house[0],
    )


def load_revoke(facts: Facts, command: RevokeKeys, context: Context) -> DoorScene:
    """The door; where every door is meant there is nothing to look at yet."""
    if command.door_id is None:
        holder = holder_of(facts, command.holder_kind, command.holder_id)
        return DoorScene(door=None, state=DoorState(), holder=holder)
    return load_door(facts, command, context)


def load_state(facts: Facts, command: SettleOpening, _: Context) -> DoorState:
    """The state alone."""
    state: DoorState = facts.fold(f"doors/{command.door_id}")
    return state


def load_delivery(facts: Facts, command: NoteDelivery, context: Context) -> DeliveryScene:
    """The key, and the lock that the door has now."""
    key = load_key(facts, command, context) or _master(facts, "master_id = ?", command.key_id)
    return DeliveryScene(door=door_of(facts, command.door_id), key=key)


def load_key(facts: Facts, command: NoteDelivery | NotePinShown, _: Context) -> NamedKey | None:
    """Whose key, also of one long revoked."""
    return _key(facts, "key_id = ? AND door_id = ?", command.key_id, command.door_id)


def load_access(facts: Facts, command: LogAccess, _: Context) -> AccessScene:
    """The door of a lock and the key that an event names by order, cti or slot."""
    door = _door(facts, "d.device_id = ?", command.device_id)
    series = facts.row("SELECT series FROM doors_series WHERE device_id = ?", (command.device_id,))
    return AccessScene(
        door=door,
        series=0 if series is None else series[0],
        log=facts.fold(f"locks/{command.device_id}"),
        key=None if door is None else _named_by(facts, command, door.door_id),
    )


def door_of(facts: Facts, door_id: str) -> Door | None:
    """A door by its id."""
    return _door(facts, "d.door_id = ?", door_id)


def doors_of_room(facts: Facts, room_id: str) -> list[str]:
    """The doors of a room, in a stable order."""
    query = "SELECT door_id FROM doors_door WHERE room_id = ? ORDER BY door_id"
    return [row[0] for row in facts.rows(query, (room_id,))]


def doors_held(facts: Facts, kind: HolderKind, holder_id: str) -> list[tuple[str, str | None]]:
    """Where a holder has keys that nobody revoked: (door id, its room's id or None)."""
    query = (
        "SELECT DISTINCT k.door_id, d.room_id FROM doors_key k JOIN doors_door d"
        " ON d.door_id = k.door_id WHERE k.holder_kind = ? AND k.holder_id = ?"
        " AND k.revoked_at_ms IS NULL ORDER BY k.door_id"
    )
    return [(row[0], row[1]) for row in facts.rows(query, (kind.value, holder_id))]


def holder_of(facts: Facts, kind: HolderKind, holder_id: str) -> Holder | None:
    """What the engine's own copy says of a holder. Leases and vendors are taken at their word."""
    if not holder_id:
        return None
    row = facts.row(
        "SELECT state, room_id, departure, arrival FROM doors_holder"
        " WHERE kind = ? AND holder_id = ?",
        (kind.value, holder_id),
    )
    if row is None and kind in {HolderKind.LEASE, HolderKind.VENDOR}:
        return Holder(state="active", room_id=None, departure_end_s=None)
    if row is None:
        return None
    end = None if row[2] is None else stay_end_s(facts, date.fromisoformat(row[2]))
    start = None if row[3] is None else stay_start_s(facts, date.fromisoformat(row[3]))
    return Holder(state=row[0], room_id=row[1], departure_end_s=end, arrival_start_s=start)


def stay_start_s(facts: Facts, arrival: date) -> int | None:
    """When prepared keys of a stay begin; None before the property is set up."""
    house = facts.row("SELECT time_zone, check_in_from FROM doors_house")
    return None if house is None else arrival_start_s(arrival, house[1], house[0])


def commons(facts: Facts, kind: HolderKind) -> list[str]:
    """The common doors that a holder has keys for by being here."""
    rows = facts.rows(
        "SELECT c.door_id FROM doors_common c JOIN doors_door d ON d.door_id = c.door_id"
        " WHERE instr(c.shared_with, ?) ORDER BY c.door_id",
        (f" {kind.value} ",),
    )
    return [row[0] for row in rows]


def keys_where(facts: Facts, where: str, value: str) -> list[tuple[str, str]]:
    """(door id, key id) of keys nobody revoked that are bound to this."""
    rows = facts.rows(
        f"SELECT door_id, key_id FROM doors_key WHERE {where} = ?"  # noqa: S608 - ours
        " AND revoked_at_ms IS NULL ORDER BY rowid",
        (value,),
    )
    return [(row[0], row[1]) for row in rows]


def keys_in_phones(
    facts: Facts, stay_id: str, room_id: str | None, now_s: int
) -> list[tuple[str, str, int]]:
    """(door id, key id, end) of a guest's living keys at locks that open to phones."""
    rows = facts.rows(
        "SELECT k.door_id, k.key_id, k.valid_until_s FROM doors_key k JOIN doors_door d"
        " ON d.door_id = k.door_id WHERE k.holder_kind = 'stay' AND k.holder_id = ?"
        " AND k.revoked_at_ms IS NULL AND k.ahead = 0 AND k.valid_until_s > ?"
        " AND d.protocol = 'npk' AND (d.room_id IS NULL OR d.room_id = ?) ORDER BY k.rowid",
        (stay_id, now_s, room_id),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def keys_ahead(facts: Facts, stay_id: str) -> list[tuple[str, str | None]]:
    """Where a stay has prepared keys that were not taken up: (door id, its room's id)."""
    rows = facts.rows(
        "SELECT DISTINCT k.door_id, d.room_id FROM doors_key k JOIN doors_door d"
        " ON d.door_id = k.door_id WHERE k.holder_kind = 'stay' AND k.holder_id = ?"
        " AND k.ahead = 1 AND k.revoked_at_ms IS NULL ORDER BY k.door_id",
        (stay_id,),
    )
    return [(row[0], row[1]) for row in rows]


def joiners_at(facts: Facts, stay_id: str, door_id: str) -> int:
    """How many further people of a stay have a key at a door."""
    row = facts.row(
        "SELECT count(DISTINCT joiner) FROM doors_key WHERE holder_kind = 'stay'"
        " AND holder_id = ? AND door_id = ? AND joiner > 0 AND revoked_at_ms IS NULL",
        (stay_id, door_id),
    )
    return 0 if row is None else int(row[0])


def key_used(facts: Facts, key_id: str) -> tuple[str, str] | None:
    """The door and the stay of a prepared key that was not taken up; None for any other."""
    row = facts.row(
        "SELECT door_id, holder_id FROM doors_key WHERE key_id = ? AND ahead = 1"
        " AND revoked_at_ms IS NULL",
        (key_id,),
    )
    return None if row is None else (row[0], row[1])


def stay_end_s(facts: Facts, departure: date) -> int | None:
    """When keys of a stay that departs this day end; None before the property is set up."""
    house = facts.row("SELECT time_zone, check_out_until FROM doors_house")
    if house is None:
        return None
    grace_min = facts.setting("doors.grace_minutes", GRACE_MIN)
    return departure_end_s(departure, house[1], house[0], int(grace_min))


def opening_awaits(facts: Facts, opening_id: str, device_id: str) -> str | None:
    """The door of an opening at this device whose end is not known; None for any other."""
    row = facts.row(
        "SELECT door_id FROM doors_opening WHERE opening_id = ? AND device_id = ?"
        " AND (outcome IS NULL OR outcome = ?)",
        (opening_id, device_id, Outcome.UNKNOWN.value),
    )
    return None if row is None else row[0]


def _door(facts: Facts, where: str, value: str) -> Door | None:
    row = facts.row(f"{_DOOR} {where}", (value,))
    if row is None:
        return None
    return Door(
        door_id=row[0],
        number=row[1],
        device_id=row[2],
        room_id=row[3],
        fitting=row[4],
        hours=hours_of(row[5]),
    )


def hours_of(text: str | None) -> tuple[int, int, int] | None:
    """Weekly hours as a table keeps them: three numbers with spaces between."""
    if text is None:
        return None
    days, start, end = (int(part) for part in text.split())
    return days, start, end


def _named_by(facts: Facts, command: LogAccess, door_id: str) -> NamedKey | None:
    if command.order_id is not None:
        row = facts.row(
            "SELECT key_id FROM doors_opening WHERE opening_id = ? AND device_id = ?",
            (command.order_id, command.device_id),
        )
        if row is not None:
            return _key(facts, "key_id = ? AND door_id = ?", row[0], door_id)
    if command.cti is not None:
        own = _key(facts, "cti = ? AND door_id = ?", command.cti, door_id)
        return own or _zoned(facts, command.cti) or _master(facts, "cti = ?", command.cti)
    if command.slot is not None:
        # The last key of a slot: the one before it lost the slot when this one was cut.
        return _key(facts, "slot = ? AND door_id = ?", command.slot, door_id)
    return None


def _zoned(facts: Facts, cti: str) -> NamedKey | None:
    """A key of another door of the same group."""
    row = facts.row(
        "SELECT k.key_id, k.holder_kind, k.holder_id FROM doors_key k"
        " JOIN doors_common c ON c.door_id = k.door_id AND c.zone IS NOT NULL WHERE k.cti = ?",
        (cti,),
    )
    if row is None:
        return None
    return NamedKey(key_id=row[0], holder_kind=HolderKind(row[1]), holder_id=row[2])


def _master(facts: Facts, where: str, value: str) -> NamedKey | None:
    row = facts.row(
        f"SELECT master_id, holder_id FROM doors_master WHERE {where}",  # noqa: S608 - ours
        (value,),
    )
    if row is None:
        return None
    return NamedKey(key_id=row[0], holder_kind=HolderKind.STAFF, holder_id=row[1])


def master_seen(facts: Facts, cti: str | None) -> str | None:
    """The key for every door that goes by this name; None for any other."""
    named = None if cti is None else _master(facts, "cti = ?", cti)
    return None if named is None else named.key_id


def masters_of(facts: Facts, holder_id: str) -> list[str]:
    """The keys for every door that somebody answers for."""
    rows = facts.rows(
        "SELECT master_id FROM doors_master WHERE holder_id = ? AND revoked_at_ms IS NULL"
        " ORDER BY rowid",
        (holder_id,),
    )
    return [row[0] for row in rows]


def _key(facts: Facts, where: str, value: str | int, door_id: str) -> NamedKey | None:
    row = facts.row(
        f"SELECT key_id, holder_kind, holder_id FROM doors_key WHERE {where}"  # noqa: S608 - ours
        " ORDER BY cut_at_ms DESC, rowid DESC",
        (value, door_id),
    )
    if row is None:
        return None
    return NamedKey(key_id=row[0], holder_kind=HolderKind(row[1]), holder_id=row[2])


def names_of(key: Key) -> NamedKey:
    """A live key as the log names it."""
    return NamedKey(key_id=key.key_id, holder_kind=key.holder_kind, holder_id=key.holder_id)
