"""A person decides a conflict, point by point: keep what the box holds, or take what the PMS says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from appliance.engines.stays.merging import unpriced
from appliance.engines.stays.messages import (
    BookingChanged,
    BoxHolds,
    ConflictSettled,
    DepartureChanged,
    ItemField,
    Night,
    Refusal,
    RoomMoved,
    SettleConflict,
    StayState,
    UpstreamSays,
)
from appliance.engines.stays.rooming import kept_room
from appliance.engines.stays.rules import assigned, left, sealed_for
from appliance.engines.stays.scene import Scene
from appliance.engines.stays.state import Conflict, Stay, fold
from appliance.kernel.engine import Context, Decision, No
from appliance.kernel.messages import Event

_LEAVES: Final = frozenset({"cancelled_in_house", "no_show_in_house", "departed_in_house"})
# Conflicts of logs that are older than their points.
_UNNAMED: Final = {
    "dates_in_house": (ItemField.ARRIVAL, ItemField.DEPARTURE),
    "room_in_house": (ItemField.ROOM,),
    "room_taken": (ItemField.ROOM,),
    "room_type_in_house": (ItemField.ROOM_TYPE,),
    **dict.fromkeys(_LEAVES, (ItemField.STATE,)),
}
_PLAN: Final = frozenset(
    {ItemField.ARRIVAL, ItemField.DEPARTURE, ItemField.ROOM_TYPE, ItemField.PRICE}
)
Taken = list[Event] | Refusal | No


def settle_conflict(scene: Scene, command: SettleConflict, _context: Context) -> Decision:
    """Taking the PMS's word acts as a clerk would: out of the room, other nights, another room.

    What is left to hands (overbooked, at risk, another type in house) only closes the conflict.
    """
    stay = scene.stay
    if stay is None:
        return Refusal.UNKNOWN_STAY
    conflict = stay.conflicts.get(command.conflict_id)
    if conflict is None:
        return Refusal.UNKNOWN_CONFLICT
    if conflict.settled:
        return Refusal.CONFLICT_SETTLED
    points = points_of(conflict)
    accepted = command.accept
    if accepted is None:
        accepted = points if command.take_upstream else ()
    elif strange := [point.value for point in accepted if point not in points]:
        return No(refusal=Refusal.UNKNOWN_ITEM, detail={"items": strange})
    settled = ConflictSettled(
        stay_id=stay.stay_id,
        conflict_id=command.conflict_id,
        took_upstream=bool(accepted) or (command.accept is None and command.take_upstream),
        accepted=tuple(dict.fromkeys(accepted)),
        kept=tuple(point for point in points if point not in accepted),
    )
    taken = _taken(scene, stay, conflict, accepted)
    if isinstance(taken, Refusal | No):
        return taken
    return [replace(settled, held=_held(stay, taken)), *taken]


def _held(stay: Stay, taken: list[Event]) -> BoxHolds:
    after = fold(stay, taken)
    assert after is not None, "no fact takes a stay away"
    return BoxHolds(
        state=after.state,
        arrival=after.arrival,
        departure=after.departure,
        room_type_id=after.room_type_id,
        room_id=after.room_id,
        nights=after.nights,
    )


def points_of(conflict: Conflict) -> tuple[ItemField, ...]:
    """What of a conflict can be taken or kept by itself."""
    if conflict.items:
        return tuple(item.field for item in conflict.items)
    return _UNNAMED.get(conflict.what, ())


def _taken(scene: Scene, stay: Stay, conflict: Conflict, accepted: Sequence[ItemField]) -> Taken:
    says = stay.says
    if says is None or not accepted:
        return []
    if ItemField.STATE in accepted:
        here = stay.state is StayState.IN_HOUSE and conflict.what in _LEAVES
        return [left(stay, scene.business_date)] if here else []
    match stay.state:
        case StayState.CONFIRMED:
            plan = _planned(scene, stay, says, accepted)
        case StayState.IN_HOUSE:
            plan = _here(scene, stay, says, accepted)
        case _:
            return []
    if isinstance(plan, Refusal | No) or ItemField.ROOM not in accepted:
        return plan
    after = fold(stay, plan)
    assert after is not None, "no fact takes a stay away"
    room = _room(scene, after)
    return room if isinstance(room, Refusal | No) else [*plan, *room]


def _planned(scene: Scene, stay: Stay, says: UpstreamSays, accepted: Sequence[ItemField]) -> Taken:
    """Dates, type and prices of a guest who is not here yet."""
    if not _PLAN.intersection(accepted):
        return []
    arrival = says.arrival if ItemField.ARRIVAL in accepted else stay.arrival
    departure = says.departure if ItemField.DEPARTURE in accepted else stay.departure
    kind = says.room_type_id if ItemField.ROOM_TYPE in accepted else stay.room_type_id
    if departure <= arrival:
        return No(refusal=Refusal.BAD_DATES, detail={"departure": departure.isoformat()})
    same = (arrival, departure, kind) == (stay.arrival, stay.departure, stay.room_type_id)
    changed = BookingChanged(
        stay_id=stay.stay_id,
        upstream_version=says.version,
        room_type_id=kind,
        arrival=arrival,
        departure=departure,
        guests=(),
        adults=stay.adults,
        children=stay.children,
        nights=_nights((stay, says), (arrival, departure), theirs=ItemField.PRICE in accepted),
        fees=stay.fees,
        channel=stay.channel,
        same_nights=same,
        eta=stay.eta,
    )
    if same or stay.room_id is None or ItemField.ROOM in accepted:
        return [changed]
    after = fold(stay, [changed])
    assert after is not None, "no fact takes a stay away"
    other_type = ItemField.ROOM_TYPE in accepted
    return [changed, *kept_room(scene, after, stay.room_id, other_type=other_type)]


def _here(scene: Scene, stay: Stay, says: UpstreamSays, accepted: Sequence[ItemField]) -> Taken:
    """The departure and the prices of a guest in house; the arrival is a fact that happened here."""
    theirs = ItemField.PRICE in accepted
    if ItemField.DEPARTURE in accepted and says.departure != stay.departure:
        if says.departure <= stay.arrival or says.departure < scene.business_date:
            return No(refusal=Refusal.BAD_DATES, detail={"departure": says.departure.isoformat()})
        return [
            DepartureChanged(
                stay_id=stay.stay_id,
                room_id=stay.room_id,
                previous=stay.departure,
                departure=says.departure,
                nights=_nights((stay, says), (stay.arrival, says.departure), theirs=theirs),
                by_upstream=True,
            )
        ]
    if not theirs:
        return []
    return [
        BookingChanged(
            stay_id=stay.stay_id,
            upstream_version=says.version,
            room_type_id=stay.room_type_id,
            arrival=stay.arrival,
            departure=stay.departure,
            guests=(),
            adults=stay.adults,
            children=stay.children,
            nights=_nights((stay, says), (stay.arrival, stay.departure), theirs=True),
            fees=stay.fees,
            channel=stay.channel,
            same_nights=True,
            eta=stay.eta,
        )
    ]


def _nights(
    sides: tuple[Stay, UpstreamSays], stretch: tuple[date, date], *, theirs: bool
) -> tuple[Night, ...]:
    """Every night of a stretch; `theirs` says whose price counts where both have one."""
    first, last = sides if theirs else reversed(sides)
    priced = {night.date: night for each in (first, last) for night in each.nights}
    days = [stretch[0] + timedelta(days=n) for n in range((stretch[1] - stretch[0]).days)]
    return tuple(priced.get(day) or unpriced(day) for day in days)


def _room(scene: Scene, stay: Stay) -> Taken:
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
