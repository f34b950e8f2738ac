"""Rules of parked items: the box writes down what a person asks, and only sync knows the item.

Whether the item is there, still parked, and has the field, is sync's to say: it may be down just now.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date
from typing import Final, assert_never

from appliance.engines.stays.messages import Refusal
from appliance.engines.stays.parked_messages import (
    NO_ROOM,
    PEOPLE_MAX,
    EditParked,
    MarkParkedDone,
    ParkedAct,
    ParkedChange,
    ParkedDecided,
    ParkedField,
    RetryParked,
)
from appliance.kernel.engine import Connection, Context, Decision, Facts, No, Recorded

# A calendar's name, the UID of its event (RFC 5545 3.8.4.7 recommends less than 255), and a word.
ITEM_ID_CHARS_MAX: Final = 400
# Of a room's number (property_file); a day has ten. Each field comes once, so five are the most.
VALUE_CHARS_MAX: Final = 40

DDL: Final = """
CREATE TABLE IF NOT EXISTS stays_parked_ask (
    item_id TEXT PRIMARY KEY,
    act TEXT NOT NULL,
    asked_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
TABLE: Final = "stays_parked_ask"
LAST_ASKED: Final = "SELECT item_id, act, asked_ms FROM stays_parked_ask"


def stream_of(command: RetryParked | MarkParkedDone | EditParked, _context: Context) -> str:
    """All of one item's decisions are one stream."""
    return f"parked/{command.item_id}"


def load_nothing(_facts: Facts, _command: object, _context: Context) -> None:
    """The box knows nothing of the item that would decide."""


def decide_parked(
    _nothing: None, command: RetryParked | MarkParkedDone, _context: Context
) -> Decision:
    """Anything that can be the name of an item."""
    if (unfit := _unfit_name(command.item_id)) is not None:
        return unfit
    act = ParkedAct.RETRY if isinstance(command, RetryParked) else ParkedAct.DONE
    return [ParkedDecided(item_id=command.item_id, act=act)]


def load_numbers(facts: Facts, _command: EditParked, _context: Context) -> frozenset[str]:
    """The numbers on all the doors of rooms."""
    return frozenset(number for (number,) in facts.rows("SELECT number FROM stays_room"))


def decide_edit(numbers: AbstractSet[str], command: EditParked, _context: Context) -> Decision:
    """Rooms of the house, numbers and days, each field once: nothing else is written down."""
    if (unfit := _unfit_name(command.item_id)) is not None:
        return unfit
    if not command.changes:
        return Refusal.EMPTY
    if len({change.field for change in command.changes}) < len(command.changes):
        return Refusal.FIELD_TWICE
    for change in command.changes:
        if (refusal := _unfit(change, numbers)) is not None:
            return No(refusal=refusal, detail={"field": change.field.value})
    return [
        ParkedDecided(item_id=command.item_id, act=ParkedAct.EDIT, changes=command.changes),
    ]


def _unfit_name(item_id: str) -> Refusal | None:
    if not item_id.strip():
        return Refusal.EMPTY
    return Refusal.TOO_LONG if len(item_id) > ITEM_ID_CHARS_MAX else None


def _unfit(change: ParkedChange, numbers: AbstractSet[str]) -> Refusal | None:
    text = change.value
    if len(text) > VALUE_CHARS_MAX:
        return Refusal.TOO_LONG
    match change.field:
        case ParkedField.ROOM:
            return None if text == NO_ROOM or text in numbers else Refusal.UNKNOWN_ROOM
        case ParkedField.ADULTS | ParkedField.CHILDREN:
            fits = text.isascii() and text.isdigit() and len(text) <= len(str(PEOPLE_MAX))
        case ParkedField.DEPARTURE | ParkedField.LEFT_ON:
            fits = _is_day(text)
        case _:
            assert_never(change.field)
    return None if fits else Refusal.BAD_VALUE


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def note_asked(db: Connection, event: ParkedDecided, recorded: Recorded) -> None:
    """The last word about each item, for the screens that show it until sync has said something."""
    db.execute(
        "INSERT OR REPLACE INTO stays_parked_ask VALUES (?, ?, ?)",
        (event.item_id, event.act.value, recorded.at_wall_ms),
    )
