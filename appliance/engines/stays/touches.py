"""Who at the box changed which point of a stay last: one side of every conflict that a person sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartureChanged,
    ItemField,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    StayCancelled,
)
from appliance.kernel.engine import Apply, Connection, Recorded
from appliance.kernel.messages import Event, Role

_PLAN: Final = (ItemField.ARRIVAL, ItemField.DEPARTURE, ItemField.ROOM_TYPE, ItemField.PRICE)
_TOUCHES: Final[Mapping[type[Event], tuple[ItemField, ...]]] = {
    Booked: (ItemField.STATE, *_PLAN),
    BookingChanged: _PLAN,
    RoomAssigned: (ItemField.ROOM,),
    RoomMoved: (ItemField.ROOM,),
    CheckedIn: (ItemField.STATE, ItemField.ARRIVAL),
    CheckInUndone: (ItemField.STATE, ItemField.ROOM),
    DepartureChanged: (ItemField.DEPARTURE, ItemField.PRICE),
    CheckedOut: (ItemField.STATE,),
    StayCancelled: (ItemField.STATE,),
    NoShowMarked: (ItemField.STATE,),
}


def by_people(on: Mapping[type[Event], Apply]) -> dict[type[Event], Apply]:
    """The same read model, which also keeps whose hand each point of a stay was in last."""
    return {
        kind: _noting(apply, _TOUCHES[kind]) if kind in _TOUCHES else apply
        for kind, apply in on.items()
    }


def _noting(apply: Apply, points: tuple[ItemField, ...]) -> Apply:
    def noted(db: Connection, event: Any, recorded: Recorded) -> None:
        apply(db, event, recorded)
        # What sync brings home is the PMS's version, not the box's.
        if recorded.who.role is Role.SERVICE:
            return
        for point in points:
            db.execute(
                "INSERT OR REPLACE INTO stays_touch VALUES (?, ?, ?, ?, ?)",
                (
                    event.stay_id,
                    point.value,
                    recorded.who.actor,
                    recorded.who.terminal,
                    recorded.at_wall_ms,
                ),
            )

    return noted
