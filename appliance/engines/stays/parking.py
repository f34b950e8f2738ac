"""Rules of parked items: the box writes down what a person asks, and only sync knows the item.

Whether the item is there, and still parked, is sync's to say: it may be down just now.
"""

from __future__ import annotations

from typing import Final

from appliance.engines.stays.messages import Refusal
from appliance.engines.stays.parked_messages import (
    MarkParkedDone,
    ParkedAct,
    ParkedDecided,
    RetryParked,
)
from appliance.kernel.engine import Connection, Context, Decision, Facts, Recorded

# A calendar's name, the UID of its event (RFC 5545 3.8.4.7 recommends less than 255), and a word.
ITEM_ID_CHARS_MAX: Final = 400

DDL: Final = """
CREATE TABLE IF NOT EXISTS stays_parked_ask (
    item_id TEXT PRIMARY KEY,
    act TEXT NOT NULL,
    asked_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
TABLE: Final = "stays_parked_ask"
LAST_ASKED: Final = "SELECT item_id, act, asked_ms FROM stays_parked_ask"


def stream_of(command: RetryParked | MarkParkedDone, _context: Context) -> str:
    """All of one item's decisions are one stream."""
    return f"parked/{command.item_id}"


def load_nothing(_facts: Facts, _command: object, _context: Context) -> None:
    """The box knows nothing of the item that would decide."""


def decide_parked(
    _nothing: None, command: RetryParked | MarkParkedDone, _context: Context
) -> Decision:
    """Anything that can be the name of an item."""
    if not command.item_id.strip():
        return Refusal.EMPTY
    if len(command.item_id) > ITEM_ID_CHARS_MAX:
        return Refusal.TOO_LONG
    act = ParkedAct.RETRY if isinstance(command, RetryParked) else ParkedAct.DONE
    return [ParkedDecided(item_id=command.item_id, act=act)]


def note_asked(db: Connection, event: ParkedDecided, recorded: Recorded) -> None:
    """The last word about each item, for the screens that show it until sync has said something."""
    db.execute(
        "INSERT OR REPLACE INTO stays_parked_ask VALUES (?, ?, ?)",
        (event.item_id, event.act.value, recorded.at_wall_ms),
    )
