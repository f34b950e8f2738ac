"""What a person may change of a parked act before it is tried again. Pure.

The box's own facts stay as they are: this changes only what the vendor is told of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from appliance.engines.stays.parked_messages import NO_ROOM, PEOPLE_MAX, ParkedField

FIELDS_OF: Final[Mapping[str, tuple[ParkedField, ...]]] = {
    "pms.book": (ParkedField.ROOM, ParkedField.ADULTS, ParkedField.CHILDREN),
    "pms.assign": (ParkedField.ROOM,),
    "pms.start": (ParkedField.ROOM,),
    "pms.depart": (ParkedField.DEPARTURE,),
    "pms.process": (ParkedField.LEFT_ON,),
}


class NotEditableError(ValueError):
    """It cannot be changed so; the text says why, and what can be."""


def editable(
    kind: str, told: Mapping[str, Any], number_of: Callable[[str], str | None]
) -> dict[str, str]:
    """What `edited` may change of an act, as it stands, written as a person writes it.

    What is not known (a room that is gone) is "".
    """
    return {field.value: _written(field, told, number_of) for field in FIELDS_OF.get(kind, ())}


def _written(
    field: ParkedField, told: Mapping[str, Any], number_of: Callable[[str], str | None]
) -> str:
    if field is not ParkedField.ROOM:
        return str(told.get(field, ""))
    room_id = told.get("room_id")
    return NO_ROOM if room_id is None else number_of(room_id) or ""


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
    if text == NO_ROOM:
        return None
    room_id = room_by_number(text)
    if room_id is None:
        raise NotEditableError(f"there is no room {text!r}: write the number on the door, or none")
    return room_id


def _people(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(PEOPLE_MAX))):
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
