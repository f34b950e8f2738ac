"""GraphQL of what exists: the house, its room types and rooms."""

from __future__ import annotations

from typing import Any

import strawberry
import strawberry.federation
from graphql import GraphQLError

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.engines.inventory import messages, projection
from appliance.engines.inventory.messages import FitDoor, ShareDoor
from appliance.engines.inventory.projection import RoomRow

# Weekdays, from, to.
WEEK_NUMBERS = 3
SharedWith = strawberry.enum(messages.SharedWith, name="SharedWith")
LockProtocol = strawberry.enum(messages.LockProtocol, name="LockProtocol")


@strawberry.type
class House:
    """The property of this box, as every screen's first line needs it."""

    title: str
    property_id: strawberry.ID
    time_zone: str
    currency: str
    check_in_from: str
    check_out_until: str
    now_ms: Minor
    clock_sure: bool
    version: str


@strawberry.federation.type(keys=["id"])
class Room:
    """One room."""

    id: strawberry.ID
    number: str
    room_type_id: strawberry.ID
    floor: int


@strawberry.federation.type(keys=["id"])
class RoomType:
    """What is sold."""

    id: strawberry.ID
    title: str
    sleeps: int
    rate_minor: Minor
    offline_allotment: int


async def house(asked: Asked) -> House | None:
    """The property, or None before it is set up."""
    found = await projection.the_property(asked.reader)
    if found is None:
        return None
    now = asked.clock.read()
    return House(
        title=found.title,
        property_id=strawberry.ID(found.property_id),
        time_zone=found.time_zone,
        currency=found.currency,
        check_in_from=found.check_in_from,
        check_out_until=found.check_out_until,
        now_ms=Minor(now.wall_ms),
        clock_sure=now.sure,
        version=asked.ports.version,
    )


def room_of(row: RoomRow) -> Room:
    """A room as GraphQL shows it."""
    return Room(
        id=strawberry.ID(row.room_id),
        number=row.number,
        room_type_id=strawberry.ID(row.room_type_id),
        floor=row.floor,
    )


async def rooms(asked: Asked) -> list[Room]:
    """Every room, as people count."""
    return [room_of(row) for row in await projection.rooms(asked.reader)]


@strawberry.type
class OfFree:
    """What inventory knows of free rooms: which they are."""

    @strawberry.field
    async def rooms(self: Any, info: Info) -> list[Room]:
        """The free rooms themselves."""
        wanted = set(self.room_ids)

        async def load() -> list[Room]:
            return await rooms(info.context)

        every: list[Room] = await info.context.once("inventory.rooms", load)
        return [room for room in every if room.id in wanted]


@strawberry.type
class Query:
    """Questions of what exists."""

    @strawberry.field
    async def house(self, info: Info) -> House:
        """The property of this box."""
        found = await house(info.context)
        if found is None:
            raise NotSetUpError
        return found

    @strawberry.field
    async def room_board(self, info: Info) -> list[Room]:
        """Every room, as people count."""
        info.context.staff()
        return await rooms(info.context)

    @strawberry.field
    async def room_types(self, info: Info) -> list[RoomType]:
        """What is sold, by title."""
        info.context.staff()
        return [
            RoomType(
                id=strawberry.ID(row.room_type_id),
                title=row.title,
                sleeps=row.sleeps,
                rate_minor=Minor(row.rate_minor),
                offline_allotment=row.offline_allotment,
            )
            for row in await projection.room_types(info.context.reader)
        ]


@strawberry.type
class Mutation:
    """Acts on what exists."""

    @strawberry.mutation
    async def share_door(
        self,
        info: Info,
        id: str,
        door_id: strawberry.ID,
        shared_with: list[SharedWith],  # type: ignore[valid-type]
        *,
        zone: int | None = None,
        hours: list[int] | None = None,
    ) -> Answer:
        """Say who has a key for a common door by being here; nobody: no more."""
        if hours is not None and len(hours) != WEEK_NUMBERS:
            raise GraphQLError("Hours are weekdays, from minute, to minute.")
        command = ShareDoor(
            door_id=str(door_id),
            shared_with=tuple(shared_with),
            zone=zone,
            hours=None if hours is None else (hours[0], hours[1], hours[2]),
        )
        return await answer(info, command, id)

    @strawberry.mutation
    async def fit_door(  # noqa: PLR0913 - what there is to say of a lock
        self,
        info: Info,
        id: str,
        door_id: strawberry.ID,
        device_id: strawberry.ID,
        protocol: LockProtocol,  # type: ignore[valid-type]
        *,
        bridge: str = "",
        presser_point: str | None = None,
        lock_point: str | None = None,
        new_lock: bool = False,
    ) -> Answer:
        """Say which lock a door has and how it is spoken to."""
        command = FitDoor(
            door_id=str(door_id),
            device_id=str(device_id),
            protocol=protocol,
            bridge=bridge,
            presser_point=presser_point,
            lock_point=lock_point,
            new_lock=new_lock,
        )
        return await answer(info, command, id)


class NotSetUpError(Exception):
    """The property is not set up. Cure: `nightporter init`."""
