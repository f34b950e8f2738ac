"""Whether a confirmed stay can have a room for the nights that are left of it."""

from __future__ import annotations

from datetime import date

from appliance.engines.housekeeping.messages import RoomStatus
from appliance.engines.stays.messages import RoomUnassigned
from appliance.engines.stays.rules import assigned
from appliance.engines.stays.scene import Room, Scene
from appliance.engines.stays.state import Stay
from appliance.kernel.messages import Event


def start_of(scene: Scene, stay: Stay) -> date:
    """The first night that can still be slept."""
    return max(stay.arrival, scene.business_date)


def fits(scene: Scene, stay: Stay, room: Room) -> bool:
    """Whether a room is in order and nobody else's for these nights."""
    start = start_of(scene, stay)
    in_order = room.status is not RoomStatus.OUT_OF_ORDER
    return in_order and start < stay.departure and room.free(stay.stay_id, start, stay.departure)


def kept_room(scene: Scene, stay: Stay, room_id: str, *, other_type: bool) -> list[Event]:
    """The room held before for other nights of the stay, or the word that it is given back.

    With `other_type` the stay was sold as another type: a room of the old one is not kept.
    """
    room = scene.rooms.get(room_id)
    wrong = other_type and (room is None or room.room_type_id != stay.room_type_id)
    if room is not None and not wrong and fits(scene, stay, room):
        return [assigned(stay, room, start_of(scene, stay))]
    return [RoomUnassigned(stay_id=stay.stay_id, room_id=room_id, room_type_id=stay.room_type_id)]
