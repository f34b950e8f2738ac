"""Facts of other engines as they would stand in the log, for tests of one engine alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from appliance.bus.words import DeviceKind
from appliance.engines.inventory.messages import (
    DeviceAdded,
    DoorAdded,
    DoorFitted,
    DoorShared,
    LockProtocol,
    PropertySetUp,
    RoomAdded,
    SharedWith,
)
from appliance.engines.stays.messages import (
    Booked,
    BookingChanged,
    CheckedIn,
    CheckedOut,
    CheckInUndone,
    DepartureChanged,
    NoShowMarked,
    RoomAssigned,
    RoomMoved,
    RoomUnassigned,
    StayCancelled,
)
from appliance.kernel.engine import Context, Engine, Facts, Handling
from appliance.kernel.messages import Command, Event, Role
from appliance.kernel.sealed import Sealed

ROOM = "room-{}".format
ARRIVAL = date(2026, 10, 30)
DEPARTURE = date(2026, 11, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happen(Command):
    """Let one fact of another engine stand in the log."""

    name: ClassVar[str] = "news.happen"
    roles: ClassVar[frozenset[Role]] = frozenset(Role)
    event: Event


def _fold(state: int | None, events: Iterable[Event]) -> int:
    return (state or 0) + sum(1 for _ in events)


def _load(facts: Facts, command: Any, context: Context) -> None:
    del facts, command, context


NEWS = Engine(
    name="news",
    handlings=[
        Handling(
            command=Happen,
            stream=lambda _c, _x: "news/all",
            load=_load,
            decide=lambda _s, command, _x: [command.event],
        )
    ],
    folds={"news": _fold},
)


def property_set_up(time_zone: str = "Europe/Lisbon") -> PropertySetUp:
    """A property that wants its rooms back at 11:00."""
    return PropertySetUp(
        account_id="acct",
        property_id="marina",
        title="Marina",
        time_zone=time_zone,
        currency="EUR",
        check_in_from="15:00",
        check_out_until="11:00",
    )


def room_added(number: int) -> RoomAdded:
    """A room of its number."""
    return RoomAdded(
        room_id=ROOM(number),
        building_id="main",
        room_type_id="double",
        number=str(number),
        floor=number // 100,
    )


def door_added(number: int, *, shared: bool = False) -> DoorAdded:
    """The door of a room, or one that everybody shares."""
    return DoorAdded(
        door_id=f"door-{number}",
        number=number,
        title=f"Door {number}",
        device_id=f"lock-{number}",
        room_id=None if shared else ROOM(number),
    )


def door_fitted(
    number: int,
    device_id: str,
    protocol: LockProtocol = LockProtocol.BUS,
    *,
    presser_point: str | None = None,
    lock_point: str | None = None,
    new_lock: bool = False,
) -> DoorFitted:
    """Another lock at a door, or another way to speak to it."""
    return DoorFitted(
        door_id=f"door-{number}",
        device_id=device_id,
        protocol=protocol,
        bridge="driver-0",
        presser_point=presser_point,
        lock_point=lock_point,
        new_lock=new_lock,
    )


def door_shared(
    number: int, *kinds: SharedWith, zone: int | None = None, hours: Any = None
) -> DoorShared:
    """A common door and who has it by being here."""
    return DoorShared(door_id=f"door-{number}", shared_with=kinds, zone=zone, hours=hours)


def device_added(device_id: str, kind: DeviceKind, number: int | None) -> DeviceAdded:
    """A thing in a room."""
    room_id = None if number is None else ROOM(number)
    return DeviceAdded(device_id=device_id, device_kind=kind, room_id=room_id, vendor="twin")


def booked(stay_id: str, arrival: date = ARRIVAL, departure: date = DEPARTURE) -> Booked:
    """A stay that is not in house."""
    return Booked(
        stay_id=stay_id,
        source=None,
        upstream_id=None,
        upstream_version=None,
        code="K7Q2M9X4TB",
        room_type_id="double",
        room_id=None,
        arrival=arrival,
        departure=departure,
        guests=(),
        adults=1,
        children=0,
        nights=(),
        fees=(),
        channel="desk",
    )


def room_assigned(
    stay_id: str, number: int, arrival: date = ARRIVAL, departure: date = DEPARTURE
) -> RoomAssigned:
    """A room for a stay that is expected."""
    return RoomAssigned(
        stay_id=stay_id,
        room_id=ROOM(number),
        room_type_id="double",
        previous_room_id=None,
        arrival=arrival,
        departure=departure,
    )


def room_unassigned(stay_id: str, number: int) -> RoomUnassigned:
    """The room is not theirs any more."""
    return RoomUnassigned(stay_id=stay_id, room_id=ROOM(number), room_type_id="double")


def booking_changed(stay_id: str, arrival: date, departure: date) -> BookingChanged:
    """Other days."""
    return BookingChanged(
        stay_id=stay_id,
        upstream_version="2",
        room_type_id="double",
        arrival=arrival,
        departure=departure,
        guests=(),
        adults=1,
        children=0,
        nights=(),
        fees=(),
        channel="pms",
    )


def checked_in(stay_id: str, number: int, departure: date = DEPARTURE) -> CheckedIn:
    """A stay in a room."""
    return CheckedIn(
        stay_id=stay_id,
        room_id=ROOM(number),
        arrival=ARRIVAL,
        departure=departure,
        business_date=ARRIVAL,
    )


def checked_out(stay_id: str, number: int) -> CheckedOut:
    """The guest has left."""
    return CheckedOut(
        stay_id=stay_id,
        room_id=ROOM(number),
        business_date=ARRIVAL,
        departure=DEPARTURE,
        early=False,
    )


def check_in_undone(stay_id: str, number: int) -> CheckInUndone:
    """It was somebody else."""
    reason = Sealed(subject=f"stay:{stay_id}", box=b"sealed")
    return CheckInUndone(stay_id=stay_id, room_id=ROOM(number), reason=reason)


def cancelled(stay_id: str) -> StayCancelled:
    """The stay will not happen."""
    return StayCancelled(
        stay_id=stay_id, by_upstream=False, reason=Sealed(subject=f"stay:{stay_id}", box=b"sealed")
    )


def no_show(stay_id: str) -> NoShowMarked:
    """Nobody came."""
    return NoShowMarked(stay_id=stay_id, by_upstream=False, business_date=ARRIVAL)


def moved(stay_id: str, old: int, new: int, departure: date = DEPARTURE) -> RoomMoved:
    """Another room from today on."""
    return RoomMoved(
        stay_id=stay_id,
        from_room_id=ROOM(old),
        to_room_id=ROOM(new),
        to_room_type_id="double",
        from_date=ARRIVAL,
        departure=departure,
        reason=Sealed(subject=f"stay:{stay_id}", box=b"sealed"),
    )


def departure_changed(stay_id: str, number: int, departure: date) -> DepartureChanged:
    """Longer or shorter."""
    return DepartureChanged(
        stay_id=stay_id,
        room_id=ROOM(number),
        previous=DEPARTURE,
        departure=departure,
        nights=(),
    )
