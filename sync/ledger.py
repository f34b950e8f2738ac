"""sync.db: every effect outside the box, every command on its way home, and where we stand.

One connection, used on the event loop: each commit is one fsync, and nobody at the desk waits
for this process. Nothing leaves the box before the row that says so is committed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from appliance.kernel.durable import sync_directory
from appliance.kernel.values import derived_id
from sync.outcome import Homeward

PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA secure_delete=ON",  # blanked bodies held guests' names
    "PRAGMA journal_size_limit=16777216",
    "PRAGMA trusted_schema=OFF",
)
SYNCHRONOUS_FULL: Final = 2
# As long as SQLite itself would try (busy_timeout).
PEN_S_MAX: Final = 5.0
# Tries that ended alike and are told one by one, the first and the last of them.
ALIKE_MAX: Final = 2
_EMPTY: Final = b"{}"
# Kept values that more than their writer reads: how far the log must have been read before what it
# does not ask for is forgotten, how often it was begun anew, and which property this is.
PROVE_UNTIL: Final = "feed.prove_until"
# Until the first page tells where the log ends: prove everything.
TO_THE_HEAD: Final = -1
GENERATION: Final = "home.generation"
PROPERTY_ID: Final = "property.id"
# An act that no interface of a PMS has; its body says in a sentence what a person does there.
BY_HAND: Final = "pms.by_hand"


class LedgerNotDurableError(Exception):
    """SQLite did not accept synchronous=FULL with WAL: put the data folder on a local disk."""


class EffectState(StrEnum):
    """Where an effect is (cloud.md 2.2). The last six move only by a person or not at all."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    RECONCILING = "reconciling"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    PARKED = "parked"
    MANUAL = "manual"
    EXPIRED = "expired"


OPEN: Final = (
    EffectState.QUEUED,
    EffectState.SENDING,
    EffectState.UNKNOWN,
    EffectState.RECONCILING,
)
FINAL: Final = (EffectState.SUCCEEDED, EffectState.DECLINED, EffectState.EXPIRED)


class Priority:
    """What goes first after a reconnect (DESIGN section 9)."""

    SALE = 0  # stop-sell and new bookings
    STAY = 1  # stays and money
    REST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An effect that a fact asks for. `natural_key` makes it one, however often it is read."""

    natural_key: str
    counterparty: str
    lane: str
    kind: str
    body: bytes
    priority: int
    made_ms: int  # when the box decided it, by the fact's own time
    not_after_ms: int | None = None
    trace: str | None = None
    state: EffectState = EffectState.QUEUED
    sentence: str = ""
    takes_room: str | None = None  # it needs this room, which an earlier effect may still free
    frees_room: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One row of the ledger."""

    seq: int
    id: str
    natural_key: str
    counterparty: str
    lane: str
    kind: str
    body: bytes
    idempotency_key: str
    attempt: int
    state: EffectState
    priority: int
    made_ms: int
    first_sent_ms: int | None
    first_sent_doubt_ms: int
    tries: int
    next_at_ms: int
    not_after_ms: int | None
    look_first: bool
    progress: dict[str, Any]
    provider_ref: str | None
    sentence: str
    trace: str | None
    changed_ms: int
    turns: int
    takes_room: str | None
    frees_room: str | None
    late_until_ms: int  # until then what was sent may still be carried out there
    generation: int  # of the log that asked for it last


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A command waiting to go home."""

    seq: int
    command_id: str
    lane: str
    name: str
    body: bytes
    origin: bytes | None
    cause: str | None
    trace: str | None
    tries: int
    next_at_ms: int
    refused: str | None
    made_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far the log was followed; `chain` is empty at position 0."""

    position: int = 0
    chain: str = ""


_EFFECT: Final = ", ".join(Effect.__dataclass_fields__)
_LETTER: Final = ", ".join(Letter.__dataclass_fields__)
# What an update may set; the rest of a row never changes.
_CHANGEABLE: Final = frozenset(
    {
        "attempt",
        "body",
        "first_sent_doubt_ms",
        "first_sent_ms",
        "idempotency_key",
        "late_until_ms",
        "look_first",
        "next_at_ms",
        "progress",
        "provider_ref",
        "takes_room",
        "tries",
    }
)


class Ledger:
    """The one owner of sync.db."""

    def __init__(self, path: Path) -> None:
        self.fresh = not path.exists()
        self.db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        for pragma in PRAGMAS:
            self.db.execute(pragma)
        mode = self.db.execute("PRAGMA journal_mode").fetchone()[0]
        level = self.db.execute("PRAGMA synchronous").fetchone()[0]
        if mode != "wal" or level != SYNCHRONOUS_FULL:
            raise LedgerNotDurableError(f"journal_mode is {mode}, synchronous is {level}")
        self.db.executescript(files("sync").joinpath("schema.sql").read_text(encoding="utf-8"))
        self._settle_form()
        if self.fresh:
            path.chmod(0o600)
            sync_directory(path.parent)
        self._depth = 0
        # Whoever writes sync.db in this process holds it: the inbox has a thread and a connection
        # of its own, and SQLite lets two writers only poll, which starves one of them in a flood.
        self.pen = threading.Lock()

    def _settle_form(self) -> None:
        """Bring a file of an earlier release into the form of this one."""
        have = {row[1] for row in self.db.execute("PRAGMA table_info(effect)")}
        for name, form in (
            ("takes_room", "TEXT"),
            ("frees_room", "TEXT"),
            ("late_until_ms", "INTEGER NOT NULL DEFAULT 0"),
            ("generation", "INTEGER NOT NULL DEFAULT 0"),
        ):
            if name not in have:
                self.db.execute(f"ALTER TABLE effect ADD COLUMN {name} {form}")
        if "generation" not in have:
            # Nobody wrote down what a log that was restored before this did not ask for.
            self.db.execute("UPDATE effect SET generation = ?", (self.generation(),))
        self.db.execute(
            "CREATE INDEX IF NOT EXISTS effect_frees ON effect (frees_room, seq)"
            " WHERE frees_room IS NOT NULL"
        )
        # Before there was a second vendor, an act was named after the first.
        self.db.execute(
            "UPDATE effect SET kind = 'pms.' || substr(kind, 6) WHERE kind LIKE 'mews.%'"
        )

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All or nothing, on disk when it ends; one inside another joins it."""
        if self._depth:
            yield
            return
        if not self.pen.acquire(timeout=PEN_S_MAX):
            raise sqlite3.OperationalError("another writer of sync.db does not come to an end")
        try:
            self.db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                # A full disk ends some transactions by itself, and a COMMIT that fails ends none.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1
        finally:
            self.pen.release()

    # -- single values ---------------------------------------------------------------------------

    def keep(self, name: str, value: Any) -> None:
        """Write one named value, JSON inside."""
        self.db.execute(
            "INSERT INTO kept (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, msgspec.json.encode(value)),
        )

    def kept(self, name: str, form: Any, default: Any = None) -> Any:
        """Read one named value as a type."""
        row = self.db.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return default if row is None else msgspec.json.decode(row[0], type=form)

    def cursor(self) -> Cursor:
        """How far the log was followed."""
        found: Cursor = self.kept("feed.cursor", Cursor, Cursor())
        return found

    def generation(self) -> int:
        """How often the log was begun anew."""
        found: int = self.kept(GENERATION, int, 0)
        return found

    def log_is_read(self) -> bool:
        """Whether all is known that the log asked for before this ledger began to follow it."""
        prove_until: int = self.kept(PROVE_UNTIL, int, TO_THE_HEAD)
        return prove_until != TO_THE_HEAD and self.cursor().position >= prove_until

    def is_unasked(self, effect: Effect) -> bool:
        """Whether the log, since it was begun anew, has not asked for this effect yet."""
        return effect.generation < self.generation()

    def is_forgotten(self, effect: Effect) -> bool:
        """Whether the box was restored to a log that never asked for this effect."""
        return self.is_unasked(effect) and self.log_is_read()

    # -- effects ---------------------------------------------------------------------------------

    def owe(self, draft: Draft, now_ms: int, *, look_first: bool = False) -> bool:
        """Add an effect; False when it is known already."""
        effect_id = derived_id("eff", draft.natural_key)
        added = self.db.execute(
            "INSERT OR IGNORE INTO effect (id, natural_key, counterparty, lane, kind, body,"
            " idempotency_key, state, priority, made_ms, not_after_ms, look_first, trace,"
            " sentence, changed_ms, takes_room, frees_room, generation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                effect_id,
                draft.natural_key,
                draft.counterparty,
                draft.lane,
                draft.kind,
                draft.body,
                f"{effect_id}.1",
                draft.state.value,
                draft.priority,
                draft.made_ms,
                draft.not_after_ms,
                int(look_first),
                draft.trace,
                draft.sentence or "waiting to be sent",
                now_ms,
                draft.takes_room,
                draft.frees_room,
                self.generation(),
            ),
        ).rowcount
        if added:
            self.tell(effect_id, now_ms, draft.state, draft.sentence or "waiting to be sent")
        else:
            self.db.execute(
                "UPDATE effect SET generation = ? WHERE id = ?", (self.generation(), effect_id)
            )
        return bool(added)

    def turn(
        self, effect_id: str, state: EffectState, sentence: str, now_ms: int, **fields: Any
    ) -> None:
        """Move an effect; what is over gives up its body, and every turn keeps its sentence."""
        strange = set(fields) - _CHANGEABLE
        assert not strange, f"an effect's {sorted(strange)} cannot be changed"
        if "progress" in fields:
            fields["progress"] = msgspec.json.encode(fields["progress"]).decode()
        if state in FINAL:
            fields.setdefault("body", _EMPTY)
            fields.setdefault("progress", "{}")
        sets = "".join(f", {name} = ?" for name in fields)
        before = self.effect(effect_id)
        assert before is not None, f"there is no effect {effect_id}"
        changed_ms = now_ms if before.state != state else before.changed_ms
        self.db.execute(
            f"UPDATE effect SET state = ?, sentence = ?, changed_ms = ?{sets} WHERE id = ?",  # noqa: S608 - names from a closed set
            (state.value, sentence, changed_ms, *fields.values(), effect_id),
        )
        if (before.state, before.sentence) != (state, sentence):
            self.tell(effect_id, now_ms, state, sentence)

    def tell(self, effect_id: str, now_ms: int, state: EffectState, sentence: str) -> None:
        """Add a line to an effect's story; call inside a transaction."""
        last = self.db.execute(
            "SELECT turn, state, sentence FROM told WHERE effect_id = ? ORDER BY turn DESC LIMIT ?",
            (effect_id, 2 * ALIKE_MAX),
        ).fetchall()
        if len(last) == 2 * ALIKE_MAX and [row[1:] for row in last[:2]] == [
            row[1:] for row in last[2:]
        ]:
            for turn, *said in last[:2]:
                if said == [state.value, sentence]:
                    # A bank that thinks for days is asked each minute: the last pair has the time.
                    self.db.execute(
                        "UPDATE told SET at_ms = ? WHERE effect_id = ? AND turn = ?",
                        (now_ms, effect_id, turn),
                    )
                    return
        self.db.execute("UPDATE effect SET turns = turns + 1 WHERE id = ?", (effect_id,))
        self.db.execute(
            "INSERT INTO told SELECT id, turns, ?, ?, ? FROM effect WHERE id = ?",
            (now_ms, state.value, sentence, effect_id),
        )

    def effect(self, effect_id: str) -> Effect | None:
        """One effect."""
        found = self.effects("id = ?", effect_id)
        return found[0] if found else None

    def effects(self, where: str, *values: Any) -> list[Effect]:
        """Effects by a condition of ours, in the order they were made."""
        rows = self.db.execute(
            f"SELECT {_EFFECT} FROM effect WHERE {where} ORDER BY seq",  # noqa: S608 - our own conditions
            values,
        )
        return [_effect(row) for row in rows]

    def heads(self, now_ms: int, busy: Sequence[str]) -> list[Effect]:
        """The next effect of each lane that may move now, by priority, then by age.

        A lane's head is its oldest open effect. What is parked lets the rest of its lane pass,
        except a sale: without the booking, nothing behind it can be said to the vendor. Who moves
        into a room waits for whoever, by an earlier act, moves out of it: a vendor refuses two.
        Nobody waits for a guest whose sale is parked: the vendor has never heard of that one. A
        property that has changed its vendor waits for nothing that the old one was owed.
        """
        rows = self.db.execute(
            f"SELECT {_EFFECT} FROM effect e"  # noqa: S608 - constants only
            " WHERE state IN ('queued', 'unknown', 'reconciling') AND next_at_ms <= ?"
            " AND NOT EXISTS (SELECT 1 FROM effect b WHERE b.lane = e.lane AND b.seq < e.seq"
            "   AND b.counterparty = e.counterparty"
            "   AND (b.state IN ('queued', 'sending', 'unknown', 'reconciling')"
            "     OR (b.state IN ('parked', 'manual') AND b.kind = 'pms.book')))"
            " AND NOT EXISTS (SELECT 1 FROM effect b WHERE b.frees_room = e.takes_room"
            "   AND b.seq < e.seq AND b.counterparty = e.counterparty"
            "   AND b.state IN ('queued', 'sending', 'unknown', 'reconciling')"
            "   AND NOT EXISTS (SELECT 1 FROM effect s WHERE s.lane = b.lane AND s.seq < b.seq"
            "     AND s.kind = 'pms.book' AND s.state IN ('parked', 'manual')))"
            " ORDER BY priority, seq",
            (now_ms,),
        )
        return [effect for effect in map(_effect, rows) if effect.lane not in busy]

    def note_progress(self, effect_id: str, progress: dict[str, Any]) -> None:
        """Remember, durably, what a try of several steps has reached."""
        with self.transaction():
            self.db.execute(
                "UPDATE effect SET progress = ? WHERE id = ?",
                (msgspec.json.encode(progress).decode(), effect_id),
            )

    def told(self, effect_id: str) -> list[tuple[int, str, str]]:
        """Every turn of an effect: when, state, sentence."""
        return [
            (row[0], row[1], row[2])
            for row in self.db.execute(
                "SELECT at_ms, state, sentence FROM told WHERE effect_id = ? ORDER BY turn",
                (effect_id,),
            )
        ]

    def wake(self, counterparty: str) -> None:
        """Let everything that backs off from this counterparty try again now."""
        self.db.execute(
            "UPDATE effect SET next_at_ms = 0 WHERE counterparty = ?"
            " AND state IN ('queued', 'unknown', 'reconciling') AND next_at_ms > 0",
            (counterparty,),
        )

    # -- commands on their way home --------------------------------------------------------------

    def post(self, letter: Homeward, now_ms: int) -> None:
        """Put a command on its way home; the same id twice is once."""
        self.db.execute(
            "INSERT OR IGNORE INTO homeward"
            " (command_id, lane, name, body, origin, cause, trace, made_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                letter.command_id,
                letter.lane,
                letter.command.name,
                msgspec.json.encode(letter.command),
                None if letter.origin is None else msgspec.json.encode(letter.origin),
                letter.cause,
                letter.trace,
                now_ms,
            ),
        )

    def letters(self, where: str, *values: Any, limit: int = 64) -> list[Letter]:
        """Commands by a condition of ours, in order."""
        rows = self.db.execute(
            f"SELECT {_LETTER} FROM homeward WHERE {where} ORDER BY seq LIMIT ?",  # noqa: S608 - our own conditions
            (*values, limit),
        )
        return [Letter(**dict(zip(Letter.__dataclass_fields__, row, strict=True))) for row in rows]

    def next_letters(self, now_ms: int, limit: int) -> list[Letter]:
        """The oldest command of each lane that may go now."""
        return self.letters(
            "refused IS NULL AND next_at_ms <= ? AND seq IN"
            " (SELECT min(seq) FROM homeward WHERE refused IS NULL GROUP BY lane)",
            now_ms,
            limit=limit,
        )


def _effect(row: Sequence[Any]) -> Effect:
    fields = dict(zip(Effect.__dataclass_fields__, row, strict=True))
    fields["state"] = EffectState(fields["state"])
    fields["look_first"] = bool(fields["look_first"])
    fields["progress"] = msgspec.json.decode(fields["progress"])
    return Effect(**fields)
