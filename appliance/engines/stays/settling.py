"""A person decides a conflict: keep what the box holds, or take what the PMS says."""

from __future__ import annotations

from appliance.engines.stays.messages import (
    ConflictSettled,
    DepartureChanged,
    Refusal,
    RoomMoved,
    SettleConflict,
    StayState,
)
from appliance.engines.stays.rules import assigned, left, sealed_for
from appliance.engines.stays.scene import Scene
from appliance.engines.stays.state import Stay
from appliance.kernel.engine import Context, Decision, No
from appliance.kernel.messages import Event

_LEAVES = frozenset({"cancelled_in_house", "no_show_in_house", "departed_in_house"})


def settle_conflict(scene: Scene, command: SettleConflict, _context: Context) -> Decision:
    """Taking the PMS's word acts as a clerk would: out of the room, other nights, another room.

    What is left to hands (overbooked, at risk, another type) only closes the conflict.
    """
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    conflict = stay.conflicts.get(command.conflict_id)
    if conflict is None:
        return Refusal.UNKNOWN_CONFLICT
    if conflict.settled:
        return Refusal.CONFLICT_SETTLED
    settled = ConflictSettled(
        stay_id=stay.stay_id,
        conflict_id=command.conflict_id,
        took_upstream=command.take_upstream,
    )
    taken = _taken(scene, stay, conflict.what) if command.take_upstream else []
    return taken if isinstance(taken, Refusal | No) else [*taken, settled]


def _taken(scene: Scene, stay: Stay, what: str) -> list[Event] | Refusal | No:
    if what in _LEAVES:
        here = stay.state is StayState.IN_HOUSE
        return [left(stay, scene.business_date)] if here else []
    match what:
        case "dates_in_house":
            return _dates(scene, stay)
        case "room_in_house" | "room_taken":
            return _room(scene, stay)
        case _:
            return []


def _dates(scene: Scene, stay: Stay) -> list[Event] | Refusal | No:
    says = stay.says
    if says is None or stay.state is not StayState.IN_HOUSE or says.departure == stay.departure:
        return []
    if says.departure <= stay.arrival or says.departure < scene.business_date:
        return No(refusal=Refusal.BAD_DATES, detail={"departure": says.departure.isoformat()})
    # The arrival is a fact that happened here: the PMS's nights count from it on.
    priced = {night.date: night for night in (*stay.nights, *says.nights)}
    return [
        DepartureChanged(
            stay_id=stay.stay_id,
            room_id=stay.room_id,
            previous=stay.departure,
            departure=says.departure,
            nights=tuple(
                priced[day] for day in sorted(priced) if stay.arrival <= day < says.departure
            ),
            by_upstream=True,
        )
    ]


def _room(scene: Scene, stay: Stay) -> list[Event] | Refusal | No:
    room = scene.rooms.get(stay.says.room_id or "") if stay.says is not None else None
    if room is None:
        return Refusal.UNKNOWN_ROOM
    from_date = max(stay.arrival, scene.business_date)
    if room.room_id == stay.room_id or from_date >= stay.departure:
        return []
    if stay.state is StayState.CONFIRMED:
        return [assigned(stay, room, from_date)]
    if stay.state is not StayState.IN_HOUSE or stay.room_id is None:
        return []
    if room.occupied_by not in {None, stay.stay_id}:
        return No(refusal=Refusal.ROOM_OCCUPIED, detail={"room_id": room.room_id})
    return [
        RoomMoved(
            stay_id=stay.stay_id,
            from_room_id=stay.room_id,
            to_room_id=room.room_id,
            to_room_type_id=room.room_type_id,
            from_date=from_date,
            departure=stay.departure,
            reason=sealed_for(stay.stay_id, "as the PMS says"),
        )
    ]
