"""What was decided without a person, or by one in the inbox, and how the stay stood before it.

Kept beside the stays for as long as it may be undone; the log alone keeps it for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec

from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    ConflictCleared,
    ConflictSettled,
    DecisionUndone,
    DepartedElsewhere,
    DepartureChanged,
    Night,
    NoShowMarked,
    Reinstated,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
    StayState,
)
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event
from appliance.kernel.values import derived_id

# Seven days: the most that the live rule `stays.undo_hours` allows.
KEPT_MS: Final = 7 * 86_400_000
SYNC: Final = "sync"  # the actor of what is learned from outside

# Facts that always are such a decision, whoever's command caused them.
_ALWAYS: Final[Mapping[type[Event], str]] = {
    BookingChanged: "learned",
    DepartedElsewhere: "learned",
    Reinstated: "learned",
    RoomUnassigned: "learned",
    ConflictSettled: "settled",
    ConflictCleared: "cleared",
}
# Facts that are one where sync brought them, and a clerk's own work otherwise.
_WHERE_LEARNED: Final = frozenset({StayCancelled, NoShowMarked, RoomAssigned, CheckedIn})
# Facts that may follow in the same command.
_PART_OF: Final = frozenset({RoomMoved, DepartureChanged, CheckedOut})
# A new booking is no decision, and neither is an undoing: their further facts begin none.
_NONE: Final = frozenset({Booked, DecisionUndone})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A stay as far as an undoing puts it back."""

    state: StayState
    room_id: str | None
    room_type_id: str
    arrival: date
    departure: date
    nights: tuple[Night, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One decision: `kind` is learned, settled or cleared."""

    decision_id: str
    stay_id: str
    kind: str
    at_ms: int
    by: str
    before: Snapshot | None  # None where only conflicts were closed
    after: Snapshot | None
    conflicts: tuple[str, ...]  # that it closed
    undone_at_ms: int | None = None


COLUMNS: Final = (
    "decision_id, stay_id, kind, at_ms, made_by, before, after, conflicts, undone_at_ms"
)


def made_of(row: tuple[Any, ...]) -> Made:
    """A row of `COLUMNS`."""
    decision_id, stay_id, kind, at_ms, by, before, after, conflicts, undone_at_ms = row
    return Made(
        decision_id=decision_id,
        stay_id=stay_id,
        kind=kind,
        at_ms=at_ms,
        by=by,
        before=None if before is None else msgspec.json.decode(before, type=Snapshot),
        after=None if after is None else msgspec.json.decode(after, type=Snapshot),
        conflicts=msgspec.json.decode(conflicts, type=tuple[str, ...]),
        undone_at_ms=undone_at_ms,
    )


def snapshot(stay: Any, nights: tuple[Night, ...]) -> Snapshot:
    """What to remember of a stay; of its fold or of its line in a list."""
    return Snapshot(
        state=stay.state,
        room_id=stay.room_id,
        room_type_id=stay.room_type_id,
        arrival=stay.arrival,
        departure=stay.departure,
        nights=nights,
    )


def remembering(on: Mapping[type[Event], Apply]) -> dict[type[Event], Apply]:
    """The same read model, which also remembers decisions and how each stay stood before."""
    watched = {*_ALWAYS, *_WHERE_LEARNED, *_PART_OF, *_NONE}
    return {kind: _watched(apply) if kind in watched else apply for kind, apply in on.items()}


def _watched(apply: Apply) -> Apply:
    def watched(db: Connection, event: Any, recorded: Recorded) -> None:
        who, asked = recorded.who.actor, recorded.command_id
        decision_id = derived_id("decision", who, asked, event.stay_id)
        kind = _kind_of(event, recorded)
        if kind is not None and kind != "none":
            _begin(db, (decision_id, event.stay_id, kind), recorded)
        apply(db, event, recorded)
        if kind == "none":
            _begin(db, (decision_id, event.stay_id, kind), recorded)
        if kind is None and type(event) not in _PART_OF:
            return
        _end(db, decision_id, event)

    return watched


def _kind_of(event: Event, recorded: Recorded) -> str | None:
    form = type(event)
    if form in _NONE:
        return "none"
    learned = recorded.origin is not None or recorded.who.actor == SYNC
    if form in _WHERE_LEARNED:
        return "learned" if learned else None
    return _ALWAYS.get(form)


def _begin(db: Connection, key: tuple[str, str, str], recorded: Recorded) -> None:
    decision_id, stay_id, kind = key
    # A conflict may close between two facts of another command: it changes nothing of its stay.
    before = None if kind in {"none", "cleared"} else _now(db, stay_id)
    db.execute(
        "INSERT OR IGNORE INTO stays_decision SELECT ?, stay_id, ?, ?, ?, ?, ?, '[]', NULL, NULL"
        " FROM stays_stay WHERE stay_id = ?",
        (decision_id, kind, recorded.at_wall_ms, recorded.who.actor, before, before, stay_id),
    )
    db.execute("DELETE FROM stays_decision WHERE at_ms < ?", (recorded.at_wall_ms - KEPT_MS,))


def _end(db: Connection, decision_id: str, event: Any) -> None:
    db.execute(
        "UPDATE stays_decision SET after = ? WHERE decision_id = ? AND before IS NOT NULL",
        (_now(db, event.stay_id), decision_id),
    )
    if isinstance(event, ConflictSettled | ConflictCleared):
        db.execute(
            "UPDATE stays_decision SET conflicts = json_insert(conflicts, '$[#]', ?)"
            " WHERE decision_id = ?",
            (event.conflict_id, decision_id),
        )


def undone(db: Connection, event: DecisionUndone, recorded: Recorded) -> None:
    """A person took a decision back."""
    db.execute(
        "UPDATE stays_decision SET undone_at_ms = ?, undone_by = ? WHERE decision_id = ?",
        (recorded.at_wall_ms, recorded.who.actor, event.decision_id),
    )


def _now(db: Connection, stay_id: str) -> str | None:
    row = db.execute(
        "SELECT state, room_id, room_type_id, arrival, departure FROM stays_stay WHERE stay_id = ?",
        (stay_id,),
    ).fetchone()
    if row is None:
        return None  # a fact without its booking, as only a log made by hand has it
    nights = db.execute(
        "SELECT night, amount_minor, currency, price_source FROM stays_night WHERE stay_id = ?"
        " ORDER BY night",
        (stay_id,),
    ).fetchall()
    names = ("date", "amount_minor", "currency", "price_source")
    told = dict(zip(("state", "room_id", "room_type_id", "arrival", "departure"), row, strict=True))
    told["nights"] = [dict(zip(names, night, strict=True)) for night in nights]
    return msgspec.json.encode(told).decode()
