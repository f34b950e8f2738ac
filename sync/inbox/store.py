"""The inbox in sync.db: what is written of a webhook, once for each key."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final

from sync.inbox.delivery import Moment
from sync.inbox.writer import Connection, StoreAwayError, Writer


class State(StrEnum):
    """Where an item is. The last three are over: their key is remembered, their body is gone."""

    WAITING = "waiting"
    QUARANTINED = "quarantined"
    PARKED = "parked"
    HANDLED = "handled"
    DROPPED = "dropped"


class Kept(StrEnum):
    """What became of an arrival."""

    NEW = "new"
    KNOWN = "known"
    FULL = "full"  # nothing was written: there is no room for one more of this state


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What is written of one delivery."""

    source: str
    dedupe_id: str
    raw: bytes = field(repr=False)
    papers: bytes = field(default=b"", repr=False)
    state: State
    signed_ms: int | None
    moment: Moment
    trace: str
    sentence: str = ""
    repeats_are_news: bool = False


_UPSERT: Final = (
    "INSERT INTO inbox (source, dedupe_id, raw, papers, verified, state, signed_ms, received_ms,"
    " received_boot_ms, boot_id, trace, sentence)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    " ON CONFLICT (source, dedupe_id) DO UPDATE SET raw = excluded.raw, papers = excluded.papers,"
    " verified = excluded.verified, state = excluded.state, signed_ms = excluded.signed_ms,"
    " received_ms = excluded.received_ms, received_boot_ms = excluded.received_boot_ms,"
    " boot_id = excluded.boot_id, trace = excluded.trace, sentence = excluded.sentence,"
    " arrivals = arrivals + 1, tries = 0, next_at_ms = 0, settled_ms = NULL"
    # Proven beats unproven; beyond that only a vendor without keys of its own is heard again.
    " WHERE (excluded.verified AND NOT inbox.verified)"
    " OR (?13 AND excluded.verified >= inbox.verified AND inbox.state <> 'parked')"
)


class Store(Writer):
    """The writer of sync.db's inbox, beside the ledger's connection."""

    def __init__(self, path: Path, pen: threading.Lock | None = None) -> None:
        schema = files("sync.inbox").joinpath("schema.sql").read_text(encoding="utf-8")
        super().__init__(path, schema, pen)

    async def keep(self, arrival: Arrival, *, quarantined_max: int) -> Kept:
        """Write one arrival, durably; raises StoreAwayError and has then acknowledged nothing."""
        if not self.room:
            raise StoreAwayError("too many webhooks wait for the disk")
        return await self.do(lambda db: keep(db, arrival, quarantined_max))


def keep(db: Connection, arrival: Arrival, quarantined_max: int) -> Kept:
    """Write one arrival inside a transaction of the writer; a known key is a success too."""
    quarantined = arrival.state is State.QUARANTINED
    if quarantined and _quarantined(db, arrival.source) >= quarantined_max:
        known = db.execute(
            "SELECT 1 FROM inbox WHERE source = ? AND dedupe_id = ?",
            (arrival.source, arrival.dedupe_id),
        )
        return Kept.KNOWN if known.fetchone() else Kept.FULL
    changed = db.execute(
        _UPSERT,
        (
            arrival.source,
            arrival.dedupe_id,
            arrival.raw,
            arrival.papers,
            int(not quarantined),
            arrival.state.value,
            arrival.signed_ms,
            arrival.moment.wall_ms,
            arrival.moment.boot_ms,
            arrival.moment.boot_id,
            arrival.trace,
            arrival.sentence,
            int(arrival.repeats_are_news),
        ),
    ).rowcount
    return Kept.NEW if changed > 0 else Kept.KNOWN


def count_open(db: Connection) -> int:
    """How many items are not settled, whoever they wait for."""
    row = db.execute("SELECT count(*) FROM inbox WHERE settled_ms IS NULL").fetchone()
    return int(row[0])


def _quarantined(db: Connection, source: str) -> int:
    row = db.execute(
        "SELECT count(*) FROM inbox WHERE state = 'quarantined' AND source = ?"
        " AND settled_ms IS NULL",
        (source,),
    ).fetchone()
    return int(row[0])
