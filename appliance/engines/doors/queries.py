"""What others may read of doors: keys of a holder, presses and their ends, the access log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import EventKind, LockRefusal, Outcome
from appliance.engines.doors.credentials import KeyFacts
from appliance.engines.doors.messages import (
    HolderKind,
    KeyReason,
    MasterKind,
    Refusal,
    Risk,
)
from appliance.engines.doors.scene import hours_of

if TYPE_CHECKING:
    from appliance.kernel.reader import Reader

# A screen of the access log; who needs more asks by door or takes the export.
LOG_ROWS_MAX: Final = 500
# Presses of a bad day with every lock away; the hand-over shows them all.
OPEN_ROWS_MAX: Final = 500
# 500: a housekeeper's master key is cut anew every shift, for a year and more.
KEYS_MAX: Final = 500

_KEY: Final = (
    "SELECT k.key_id, k.door_id, d.number, d.device_id, k.generation, k.valid_from_s,"
    " k.valid_until_s, k.cti, k.slot, k.pin_ref, d.title, k.holder_kind, k.holder_id, k.reason,"
    " k.clock_unsure, k.cut_at_ms, k.revoked_at_ms, k.ahead, k.joiner,"
    " k.hours, (SELECT c.zone FROM doors_common c WHERE c.door_id = k.door_id),"
    " (SELECT y.outcome FROM doors_delivery y JOIN doors_key o ON o.key_id = y.key_id"
    "  WHERE y.what = 'pin_put' AND o.door_id = k.door_id AND o.pin_ref = k.pin_ref"
    "  ORDER BY y.at_ms DESC LIMIT 1)"
    " FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id"
)
_OPENING: Final = (
    "SELECT o.opening_id, o.door_id, d.title, o.device_id, o.holder_kind, o.holder_id,"
    " o.asked_by, o.asked_at_ms, o.outcome, o.refusal, o.evidence, o.settled_at_ms"
    " FROM doors_opening o JOIN doors_door d ON d.door_id = o.door_id"
)
_LOG: Final = (
    "SELECT door_id, device_id, seq, event, device_wall_ms, uncertainty_ms, at_ms, order_id,"
    " key_id, holder_id, refusal, missed, position FROM doors_access "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key, revoked or not. `pin_at_lock`: True when the lock has it, None while it does not."""

    facts: KeyFacts
    door_title: str
    holder_kind: HolderKind
    holder_id: str
    reason: KeyReason
    clock_unsure: bool
    cut_at_ms: int
    revoked_at_ms: int | None
    pin_at_lock: bool | None
    ahead: bool = False  # prepared, and its guest is not here yet
    joiner: int = 0

    def live(self, now_s: int) -> bool:
        """Whether its holder may use it now, by all the box knows."""
        return (
            self.revoked_at_ms is None
            and not self.ahead
            and self.facts.valid_from_s <= now_s < self.facts.valid_until_s
        )

    def prepared(self, now_s: int) -> bool:
        """Whether it waits for its guest."""
        return self.revoked_at_ms is None and self.ahead and now_s < self.facts.valid_until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningView:
    """A press and what is known of it."""

    opening_id: str
    door_id: str
    door_title: str
    device_id: str
    holder_kind: HolderKind
    holder_id: str
    asked_by: str
    asked_at_ms: int
    outcome: Outcome | None
    refusal: LockRefusal | None
    evidence: str | None
    settled_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessView:
    """One line of the access log: when by the lock's clock, and how sure that clock was."""

    door_id: str
    device_id: str
    seq: int
    event: EventKind
    device_wall_ms: int
    uncertainty_ms: int
    learned_at_ms: int
    order_id: str | None
    key_id: str | None
    holder_id: str | None
    refusal: LockRefusal | None
    missed: int
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneView:
    """A phone that gets keys."""

    phone_id: str
    point: bytes
    enrolled_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingView:
    """How a door's lock is spoken to. `lock_point`: the 65 bytes a phone knows it by."""

    device_id: str
    shared: bool
    protocol: str
    lock_point: bytes | None

    @property
    def tunnel(self) -> bool:
        """Whether the box can carry a phone's frames to it."""
        return self.protocol == "npk" and self.lock_point is not None


async def keys_of(reader: Reader, kind: HolderKind, holder_id: str) -> list[KeyView]:
    """The keys a holder had, the newest `KEYS_MAX` of them, newest first."""
    where = " WHERE k.holder_kind = ? AND k.holder_id = ? ORDER BY k.rowid DESC LIMIT ?"
    rows = await reader.rows(_KEY + where, (kind.value, holder_id, KEYS_MAX))
    return [_key(row) for row in rows]


async def key_by_id(reader: Reader, key_id: str) -> KeyView | None:
    """One key."""
    row = await reader.row(f"{_KEY} WHERE k.key_id = ?", (key_id,))
    return None if row is None else _key(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterView:
    """A key for every door: who answers for it, and where it is kept."""

    master_id: str
    kind: MasterKind
    holder_id: str
    label: str
    cti: str
    point: bytes | None
    valid_from_s: int
    valid_until_s: int
    revoked_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterUseView:
    """Where a key for every door was seen, by the lock's own clock."""

    master_id: str
    holder_id: str
    label: str
    door_id: str
    door_title: str
    event: EventKind
    device_wall_ms: int


async def masters(reader: Reader) -> list[MasterView]:
    """The list of the sealed envelopes, newest first; also those that are over."""
    rows = await reader.rows(
        "SELECT master_id, kind, holder_id, label, cti, point, valid_from_s, valid_until_s,"
        " revoked_at_ms FROM doors_master ORDER BY rowid DESC LIMIT ?",
        (KEYS_MAX,),
    )
    return [
        MasterView(
            master_id=row[0],
            kind=MasterKind(row[1]),
            holder_id=row[2],
            label=row[3],
            cti=row[4],
            point=None if row[5] is None else bytes.fromhex(row[5]),
            valid_from_s=row[6],
            valid_until_s=row[7],
            revoked_at_ms=row[8],
        )
        for row in rows
    ]


async def master_uses(reader: Reader, limit: int = 50) -> list[MasterUseView]:
    """Where they were seen, newest first."""
    rows = await reader.rows(
        "SELECT u.master_id, m.holder_id, m.label, u.door_id, d.title, u.event, u.device_wall_ms"
        " FROM doors_master_use u JOIN doors_master m ON m.master_id = u.master_id"
        " JOIN doors_door d ON d.door_id = u.door_id ORDER BY u.position DESC LIMIT ?",
        (min(limit, LOG_ROWS_MAX),),
    )
    return [
        MasterUseView(
            master_id=row[0],
            holder_id=row[1],
            label=row[2],
            door_id=row[3],
            door_title=row[4],
            event=EventKind(row[5]),
            device_wall_ms=row[6],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskView:
    """A guest who is expected within a day, and a door that may not open for them."""

    stay_id: str
    door_id: str
    door_title: str
    why: Risk
    since_ms: int


async def keys_at_risk(reader: Reader) -> list[RiskView]:
    """Every such door, the oldest alert first."""
    rows = await reader.rows(
        "SELECT r.stay_id, r.door_id, d.title, r.why, r.since_ms FROM doors_risk r"
        " JOIN doors_door d ON d.door_id = r.door_id ORDER BY r.since_ms, r.door_id LIMIT ?",
        (OPEN_ROWS_MAX,),
    )
    return [
        RiskView(
            stay_id=row[0], door_id=row[1], door_title=row[2], why=Risk(row[3]), since_ms=row[4]
        )
        for row in rows
    ]


async def doors_of_room(reader: Reader, room_id: str) -> list[str]:
    """The doors of a room."""
    query = "SELECT door_id FROM doors_door WHERE room_id = ? ORDER BY door_id"
    return [row[0] for row in await reader.rows(query, (room_id,))]


async def doors_of_stay(reader: Reader, stay_id: str) -> list[str]:
    """The doors of the room a stay is in; none for a stay that is not in house."""
    rows = await reader.rows(
        "SELECT d.door_id FROM doors_holder h JOIN doors_door d ON d.room_id = h.room_id"
        " WHERE h.kind = ? AND h.holder_id = ? ORDER BY d.door_id",
        (HolderKind.STAY.value, stay_id),
    )
    return [row[0] for row in rows]


async def door_of_stay(reader: Reader, stay_id: str) -> tuple[str, str] | None:
    """The first door of the room a stay lives in or is expected in, and that room."""
    row = await reader.row(
        "SELECT d.door_id, d.room_id FROM doors_holder h JOIN doors_door d"
        " ON d.room_id = h.room_id WHERE h.kind = ? AND h.holder_id = ? ORDER BY d.door_id",
        (HolderKind.STAY.value, stay_id),
    )
    return None if row is None else (str(row[0]), str(row[1]))


async def door_to_open(reader: Reader, kind: HolderKind, holder_id: str, now_s: int) -> str | None:
    """The door a press without a door means: a room's before a shared one, the newest key first."""
    row = await reader.row(
        "SELECT k.door_id FROM doors_key k JOIN doors_door d ON d.door_id = k.door_id"
        " WHERE k.holder_kind = ? AND k.holder_id = ? AND k.revoked_at_ms IS NULL"
        " ORDER BY d.room_id IS NULL, k.valid_until_s <= ?, k.rowid DESC",
        (kind.value, holder_id, now_s),
    )
    return None if row is None else str(row[0])


async def lock_of_room(reader: Reader, room_id: str) -> str | None:
    """The device at a room's first door."""
    query = "SELECT device_id FROM doors_door WHERE room_id = ? ORDER BY door_id"
    row = await reader.row(query, (room_id,))
    return None if row is None else str(row[0])


async def fitting_of(reader: Reader, door_id: str) -> FittingView | None:
    """How a door is fitted; None: no such door."""
    row = await reader.row(
        "SELECT device_id, room_id, protocol, lock_point FROM doors_door WHERE door_id = ?",
        (door_id,),
    )
    if row is None:
        return None
    return FittingView(
        device_id=row[0],
        shared=row[1] is None,
        protocol=row[2],
        lock_point=None if row[3] is None else bytes.fromhex(row[3]),
    )


async def unable_at(
    reader: Reader, kind: HolderKind, holder_id: str, door_id: str, now_s: int
) -> Refusal | None:
    """Why a holder could not open this door now; None: there is a living key.

    A door that is not there is the same to a stranger as one that is: there is no key.
    """
    keys = [
        key
        for key in await keys_of(reader, kind, holder_id)
        if key.facts.door_id == door_id and key.revoked_at_ms is None
    ]
    if any(key.live(now_s) for key in keys):
        return None
    if not keys:
        return Refusal.NO_KEY
    not_yet = any(key.facts.valid_from_s > now_s for key in keys)
    return Refusal.KEY_NOT_YET if not_yet else Refusal.KEY_EXPIRED


async def generation_now(reader: Reader, door_id: str, now_s: int) -> int:
    """What a door is at for those who come and go: never ahead of the guest inside.

    The same as `DoorState.generation_now`, read from the tables.
    """
    row = await reader.row(
        "SELECT max(CASE WHEN k.revoked_at_ms IS NOT NULL THEN k.generation + 1"
        " WHEN k.valid_from_s <= ?2 AND k.ahead = 0 THEN k.generation END) FROM doors_key k"
        " WHERE k.door_id = ?1 AND k.holder_kind IN ('stay', 'lease') AND (k.revoked_at_ms IS NULL"
        " OR NOT EXISTS (SELECT 1 FROM doors_key o WHERE o.door_id = k.door_id"
        "  AND o.holder_kind IN ('stay', 'lease') AND o.revoked_at_ms IS NULL"
        "  AND o.generation <= k.generation))",
        (door_id, now_s),
    )
    return 1 if row is None or row[0] is None else max(1, int(row[0]))


async def phones_of(reader: Reader, kind: HolderKind, holder_id: str) -> list[PhoneView]:
    """A holder's phones, newest first."""
    rows = await reader.rows(
        "SELECT phone_id, point, enrolled_at_ms FROM doors_phone WHERE holder_kind = ?"
        " AND holder_id = ? AND removed_at_ms IS NULL ORDER BY position DESC",
        (kind.value, holder_id),
    )
    return [
        PhoneView(phone_id=row[0], point=bytes.fromhex(row[1]), enrolled_at_ms=row[2])
        for row in rows
    ]


async def phone_of(
    reader: Reader, kind: HolderKind, holder_id: str, phone_id: str
) -> PhoneView | None:
    """One phone of a holder's own."""
    found = await phones_of(reader, kind, holder_id)
    return next((phone for phone in found if phone.phone_id == phone_id), None)


async def opening_by_id(reader: Reader, opening_id: str) -> OpeningView | None:
    """One press."""
    row = await reader.row(f"{_OPENING} WHERE o.opening_id = ?", (opening_id,))
    return None if row is None else _opening(row)


async def open_openings(reader: Reader, *, unknown_only: bool = False) -> list[OpeningView]:
    """Presses whose end is not known, oldest first; with `unknown_only` not those on their way."""
    on_its_way = "" if unknown_only else "o.outcome IS NULL OR "
    rows = await reader.rows(
        f"{_OPENING} WHERE {on_its_way}o.outcome = 'unknown' ORDER BY o.asked_at_ms LIMIT ?",
        (OPEN_ROWS_MAX,),
    )
    return [_opening(row) for row in rows]


async def last_opening(reader: Reader, door_id: str) -> OpeningView | None:
    """The latest press at a door."""
    where = " WHERE o.door_id = ? ORDER BY o.asked_at_ms DESC LIMIT 1"
    row = await reader.row(_OPENING + where, (door_id,))
    return None if row is None else _opening(row)


async def access_log(
    reader: Reader,
    *,
    door_id: str | None = None,
    holder_id: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[AccessView]:
    """What locks said happened, newest first, of one door or of all, of one holder or of all.

    The order is that in which we learned it; each line has the lock's own time and its doubt. The
    next page is what lies `before` the last position of this one.
    """
    wanted = [("door_id = ?", door_id), ("holder_id = ?", holder_id), ("position < ?", before)]
    asked = [(clause, value) for clause, value in wanted if value is not None]
    where = " AND ".join(clause for clause, _ in asked)
    rows = await reader.rows(
        f"{_LOG}{f'WHERE {where} ' if where else ''}ORDER BY position DESC LIMIT ?",
        (*(value for _, value in asked), min(limit, LOG_ROWS_MAX)),
    )
    return [
        AccessView(
            door_id=row[0],
            device_id=row[1],
            seq=row[2],
            event=EventKind(row[3]),
            device_wall_ms=row[4],
            uncertainty_ms=row[5],
            learned_at_ms=row[6],
            order_id=row[7],
            key_id=row[8],
            holder_id=row[9],
            refusal=None if row[10] is None else LockRefusal(row[10]),
            missed=row[11],
            position=row[12],
        )
        for row in rows
    ]


def _key(row: tuple[Any, ...]) -> KeyView:
    return KeyView(
        facts=KeyFacts(
            key_id=row[0],
            door_id=row[1],
            door_number=row[2],
            device_id=row[3],
            generation=row[4],
            valid_from_s=row[5],
            valid_until_s=row[6],
            cti=row[7],
            slot=row[8],
            pin_ref=row[9],
            hours=hours_of(row[19]),
            zone=row[20],
        ),
        door_title=row[10],
        holder_kind=HolderKind(row[11]),
        holder_id=row[12],
        reason=KeyReason(row[13]),
        clock_unsure=bool(row[14]),
        cut_at_ms=row[15],
        revoked_at_ms=row[16],
        ahead=bool(row[17]),
        joiner=row[18],
        pin_at_lock=None if row[21] is None else row[21] == Outcome.DONE.value,
    )


def _opening(row: tuple[Any, ...]) -> OpeningView:
    return OpeningView(
        opening_id=row[0],
        door_id=row[1],
        door_title=row[2],
        device_id=row[3],
        holder_kind=HolderKind(row[4]),
        holder_id=row[5],
        asked_by=row[6],
        asked_at_ms=row[7],
        outcome=None if row[8] is None else Outcome(row[8]),
        refusal=None if row[9] is None else LockRefusal(row[9]),
        evidence=row[10],
        settled_at_ms=row[11],
    )
