"""An empty room is kept cool and dry, and is made comfortable again for whoever comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.bus.words import DeviceKind
from appliance.engines.climate.messages import SetRoomClimate
from appliance.engines.stays.messages import CheckedIn, CheckedOut, CheckInUndone, RoomMoved
from appliance.kernel.engine import Connection, Reaction, Recorded
from appliance.kernel.messages import Command

# 21 degrees: what a guest finds who has not said anything else.
COMFORT_C10: Final = 210


def _empty(event: CheckedOut | CheckInUndone, _: Recorded) -> Sequence[Command]:
    return [_eco(event.room_id)]


def _moved(event: RoomMoved, _: Recorded) -> Sequence[Command]:
    return [_eco(event.from_room_id), _comfort(event.to_room_id)]


def _arrived(event: CheckedIn, _: Recorded) -> Sequence[Command]:
    return [_comfort(event.room_id)]


def _has_thermostat(db: Connection, command: SetRoomClimate) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM climate_device WHERE room_id = ? AND kind = ?",
            (command.room_id, DeviceKind.THERMOSTAT.value),
        ).fetchone()
        is not None
    )


def _eco(room_id: str) -> SetRoomClimate:
    return SetRoomClimate(room_id=room_id, set_point_c10=COMFORT_C10, eco=True)


def _comfort(room_id: str) -> SetRoomClimate:
    return SetRoomClimate(room_id=room_id, set_point_c10=COMFORT_C10)


ECO: Final = Reaction(
    name="eco",
    on={CheckedOut: _empty, CheckInUndone: _empty, RoomMoved: _moved, CheckedIn: _arrived},
    worth=_has_thermostat,
)
