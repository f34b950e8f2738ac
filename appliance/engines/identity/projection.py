"""The tables of identity: staff, open sessions and their tokens, shifts, unknowns, stays' ends."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from appliance.bus.words import Outcome
from appliance.engines.doors.messages import OpenSettled
from appliance.engines.identity.messages import (
    PinChanged,
    RefreshRotated,
    SessionEnded,
    SessionOpened,
    ShiftClosed,
    ShiftOpened,
    StaffAdded,
    StaffDeactivated,
)
from appliance.engines.payments.messages import IntentNoted, IntentState
from appliance.engines.stays.messages import (
    Booked,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartedElsewhere,
    NoShowMarked,
    Reinstated,
    StayCancelled,
    StayState,
)
from appliance.kernel.engine import Apply, Connection, Projection, Recorded
from appliance.kernel.messages import Event, Role
from appliance.kernel.reader import Reader
from appliance.kernel.sealed import Sealed
from appliance.kernel.vault import Vault

DDL = """
CREATE TABLE IF NOT EXISTS identity_staff (
    person_id TEXT PRIMARY KEY,
    name_box BLOB NOT NULL,
    roles TEXT NOT NULL,
    pin_box BLOB NOT NULL,
    pin_place TEXT NOT NULL,
    active INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity_session (
    session_hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    person_id TEXT,
    stay_id TEXT,
    surface TEXT NOT NULL,
    terminal TEXT,
    trust TEXT NOT NULL,
    expires_at_s INTEGER NOT NULL,
    opened_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identity_session_person ON identity_session (person_id);
CREATE INDEX IF NOT EXISTS identity_session_stay ON identity_session (stay_id);
CREATE INDEX IF NOT EXISTS identity_session_end ON identity_session (expires_at_s);
CREATE TABLE IF NOT EXISTS identity_token (
    token_hash TEXT PRIMARY KEY,
    session_hash TEXT NOT NULL,
    expires_at_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identity_token_end ON identity_token (expires_at_s);
CREATE TABLE IF NOT EXISTS identity_shift (
    shift_id TEXT PRIMARY KEY,
    person_id TEXT NOT NULL,
    terminal TEXT NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    closed_at_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identity_shift_open ON identity_shift (terminal, closed_at_ms);
CREATE TABLE IF NOT EXISTS identity_unknown (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity_stay (
    stay_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    left_at_ms INTEGER
) STRICT, WITHOUT ROWID
"""
NAME_PLACE = f"{StaffAdded.kind}:display_name"
# The longest grace that the live rule allows: a guest's session is swept away after it.
GRACE_S_MAX = 86_400
# Nobody knows whether the money moved, or a person must look: read out at every hand-over.
OPEN_MONEY = frozenset({IntentState.UNKNOWN, IntentState.MANUAL})


def _staff_added(db: Connection, event: StaffAdded, _recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO identity_staff VALUES (?, ?, ?, ?, ?, 1)",
        (
            event.person_id,
            event.display_name.box,
            json.dumps([role.value for role in event.staff_roles]),
            event.pin_hash.box,
            f"{event.kind}:pin_hash",
        ),
    )


def _pin_changed(db: Connection, event: PinChanged, _recorded: Recorded) -> None:
    db.execute(
        "UPDATE identity_staff SET pin_box = ?, pin_place = ? WHERE person_id = ?",
        (event.pin_hash.box, f"{event.kind}:pin_hash", event.person_id),
    )


def _deactivated(db: Connection, event: StaffDeactivated, _recorded: Recorded) -> None:
    db.execute("UPDATE identity_staff SET active = 0 WHERE person_id = ?", (event.person_id,))


def _session_opened(db: Connection, event: SessionOpened, recorded: Recorded) -> None:
    for table in ("identity_session", "identity_token"):
        db.execute(
            f"DELETE FROM {table} WHERE expires_at_s <= ?",  # noqa: S608 - names from above
            (recorded.at_wall_ms // 1000,),
        )
    db.execute(
        "INSERT INTO identity_session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.session_hash,
            event.session_kind.value,
            event.person_id,
            event.stay_id,
            event.surface,
            event.terminal,
            event.trust.value,
            event.expires_at_s,
            recorded.at_wall_ms,
        ),
    )
    if event.person_id is not None and event.stay_id is None:
        _keep_token(db, event.session_hash, event.session_hash)


def _keep_token(db: Connection, token_hash: str, session_hash: str) -> None:
    db.execute(
        "INSERT OR IGNORE INTO identity_token SELECT ?, session_hash, expires_at_s"
        " FROM identity_session WHERE session_hash = ?",
        (token_hash, session_hash),
    )


def _rotated(db: Connection, event: RefreshRotated, _recorded: Recorded) -> None:
    _keep_token(db, event.next_hash, event.session_hash)


def _session_ended(db: Connection, event: SessionEnded, _recorded: Recorded) -> None:
    # Its tokens stay until they expire: a thief who comes back is told apart from a stranger.
    db.execute("DELETE FROM identity_session WHERE session_hash = ?", (event.session_hash,))


def _shift_opened(db: Connection, event: ShiftOpened, recorded: Recorded) -> None:
    db.execute(
        "INSERT INTO identity_shift VALUES (?, ?, ?, ?, NULL)",
        (event.shift_id, event.person_id, event.terminal, recorded.at_wall_ms),
    )


def _shift_closed(db: Connection, event: ShiftClosed, recorded: Recorded) -> None:
    db.execute(
        "UPDATE identity_shift SET closed_at_ms = ? WHERE shift_id = ?",
        (recorded.at_wall_ms, event.shift_id),
    )
    # A door that was read out is known; money stays on the list until somebody knows its end.
    for each in event.acknowledged:
        db.execute("DELETE FROM identity_unknown WHERE id = ? AND kind = 'opening'", (each,))


def _open_settled(db: Connection, event: OpenSettled, recorded: Recorded) -> None:
    unknown = event.outcome is Outcome.UNKNOWN
    _note_unknown(db, event.opening_id, "opening", recorded, unknown=unknown)


def _intent_noted(db: Connection, event: IntentNoted, recorded: Recorded) -> None:
    _note_unknown(db, event.intent_id, "intent", recorded, unknown=event.state in OPEN_MONEY)


def _note_unknown(
    db: Connection, each: str, kind: str, recorded: Recorded, *, unknown: bool
) -> None:
    if unknown:
        db.execute(
            "INSERT OR IGNORE INTO identity_unknown VALUES (?, ?, ?)",
            (each, kind, recorded.at_wall_ms),
        )
    else:
        db.execute("DELETE FROM identity_unknown WHERE id = ?", (each,))


def _stay_is(state: StayState) -> Apply:
    def apply(db: Connection, event: Any, recorded: Recorded) -> None:
        left = recorded.at_wall_ms if state is StayState.DEPARTED else None
        db.execute(
            "INSERT OR REPLACE INTO identity_stay VALUES (?, ?, ?)",
            (event.stay_id, state.value, left),
        )
        if left is not None:
            db.execute(
                "UPDATE identity_session SET expires_at_s = min(expires_at_s, ?) WHERE stay_id = ?",
                (left // 1000 + GRACE_S_MAX, event.stay_id),
            )

    return apply


_STATES: dict[type[Event], StayState] = {
    Booked: StayState.CONFIRMED,
    Reinstated: StayState.CONFIRMED,
    CheckedIn: StayState.IN_HOUSE,
    CheckInUndone: StayState.CONFIRMED,
    CheckedOut: StayState.DEPARTED,
    DepartedElsewhere: StayState.DEPARTED,
    StayCancelled: StayState.CANCELLED,
    NoShowMarked: StayState.NO_SHOW,
}

PROJECTION = Projection(
    name="identity",
    ddl=DDL.strip().split(";\n"),
    tables=[
        "identity_staff",
        "identity_session",
        "identity_token",
        "identity_shift",
        "identity_unknown",
        "identity_stay",
    ],
    on={
        StaffAdded: _staff_added,
        PinChanged: _pin_changed,
        StaffDeactivated: _deactivated,
        SessionOpened: _session_opened,
        RefreshRotated: _rotated,
        SessionEnded: _session_ended,
        ShiftOpened: _shift_opened,
        ShiftClosed: _shift_closed,
        OpenSettled: _open_settled,
        IntentNoted: _intent_noted,
        **{event: _stay_is(state) for event, state in _STATES.items()},
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffRow:
    """A person of the staff; the name is the id where the person was forgotten."""

    person_id: str
    name: str
    roles: tuple[Role, ...]
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRow:
    """An opening or an intent that nobody knows the end of."""

    id: str
    kind: str  # "opening", "intent"
    since_ms: int


# 500: more than any shift hands over; the next ones follow as these are explained.
UNKNOWNS_MAX = 500


async def staff(reader: Reader, vault: Vault, *, active_only: bool = True) -> list[StaffRow]:
    """The staff by name."""
    rows = await reader.rows(
        "SELECT person_id, name_box, roles, active FROM identity_staff WHERE active >= ?",
        (int(active_only),),
    )
    found = [_staff_row(vault, *row) for row in rows]
    return sorted(found, key=lambda row: (row.name.casefold(), row.person_id))


async def person(reader: Reader, vault: Vault, person_id: str) -> StaffRow | None:
    """One person of the staff, also a deactivated one."""
    row = await reader.row(
        "SELECT person_id, name_box, roles, active FROM identity_staff WHERE person_id = ?",
        (person_id,),
    )
    return None if row is None else _staff_row(vault, *row)


def _staff_row(vault: Vault, person_id: str, box: bytes, roles: str, active: int) -> StaffRow:
    name = vault.open(Sealed(subject=person_id, box=bytes(box)), NAME_PLACE.encode())
    return StaffRow(
        person_id=person_id,
        name=name or person_id,
        roles=tuple(Role(role) for role in json.loads(roles)),
        active=bool(active),
    )


async def pin_hash(reader: Reader, vault: Vault, person_id: str) -> str | None:
    """The hash of an active person's PIN; None for everybody else."""
    row = await reader.row(
        "SELECT pin_box, pin_place FROM identity_staff WHERE person_id = ? AND active = 1",
        (person_id,),
    )
    if row is None:
        return None
    return vault.open(Sealed(subject=person_id, box=bytes(row[0])), row[1].encode())


async def open_shift(reader: Reader, terminal: str) -> tuple[str, str] | None:
    """(shift id, person id) of whoever has a terminal."""
    row = await reader.row(
        "SELECT shift_id, person_id FROM identity_shift"
        " WHERE terminal = ? AND closed_at_ms IS NULL",
        (terminal,),
    )
    return None if row is None else (row[0], row[1])


async def unknowns(reader: Reader) -> list[UnknownRow]:
    """What a hand-over has to read out, oldest first."""
    rows = await reader.rows(
        "SELECT id, kind, since_ms FROM identity_unknown ORDER BY since_ms, id LIMIT ?",
        (UNKNOWNS_MAX,),
    )
    return [UnknownRow(id=row[0], kind=row[1], since_ms=row[2]) for row in rows]
