"""What a person may change of a parked act before it is tried again. Pure.

The box's own facts stay as they are: this changes only what the vendor is told of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

# As many as any vendor takes in one booking.
PEOPLE_MAX: Final = 99

FIELDS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "pms.book": ("room", "adults", "children"),
    "pms.assign": ("room",),
    "pms.start": ("room",),
    "pms.depart": ("departure",),
    "pms.process": ("left_on",),
}


class NotEditableError(ValueError):
    """It cannot be changed so; the text says why, and what can be."""


def edited(
    kind: str,
    told: Mapping[str, Any],
    changes: Mapping[str, str],
    room_by_number: Callable[[str], str | None],
) -> dict[str, Any]:
    """An act's fields after a person's changes; raises NotEditableError, a sentence.

    `room` is a number on a door, or `none`; days are written 2026-11-29.
    """
    allowed = FIELDS_OF.get(kind)
    if allowed is None:
        raise NotEditableError(
            "this cannot be edited: what is asked of a payment service is frozen, and other acts"
            " have nothing to change; retry it, or mark it done"
        )
    if not changes:
        raise NotEditableError(
            f"say what to change: {', '.join(f'{each}=...' for each in allowed)}"
        )
    after = dict(told)
    for name, text in changes.items():
        if name not in allowed:
            raise NotEditableError(f"{name} cannot be changed here, only {', '.join(allowed)}")
        match name:
            case "room":
                after["room_id"] = _room(text, room_by_number)
            case "adults" | "children":
                after[name] = _people(name, text)
            case "left_on":
                after[name] = _day(name, text).isoformat()
            case _:
                after |= _departure(after, _day(name, text))
    if kind == "pms.book" and after["adults"] + after["children"] < 1:
        raise NotEditableError("a booking needs a guest")
    return after


def _room(text: str, room_by_number: Callable[[str], str | None]) -> str | None:
    if text == "none":
        return None
    room_id = room_by_number(text)
    if room_id is None:
        raise NotEditableError(f"there is no room {text!r}: write the number on the door, or none")
    return room_id


def _people(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:4]) > PEOPLE_MAX:
        raise NotEditableError(f"{name} is a number from 0 to {PEOPLE_MAX}")
    return int(text)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotEditableError(f"{name} is a day, written 2026-11-29") from error


def _departure(told: Mapping[str, Any], until: date) -> dict[str, Any]:
    """An earlier last day, with the nights that are left; for a later one there is no price."""
    nights = [night for night in told["nights"] if date.fromisoformat(night["date"]) < until]
    if not nights or date.fromisoformat(nights[-1]["date"]) != until - timedelta(days=1):
        raise NotEditableError(
            f"no nights are agreed until {until}: change the stay at the desk instead"
        )
    return {"departure": until.isoformat(), "nights": nights}
