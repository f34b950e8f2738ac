"""GraphQL of housekeeping: how rooms are, and what is to be cleaned."""

from __future__ import annotations

from typing import Any

import strawberry

from appliance.asked import Answer, Date, Info, answer
from appliance.engines.housekeeping import projection
from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.housekeeping.projection import RoomLine

strawberry.enum(RoomStatus, name="RoomStatus")


@strawberry.type
class CleaningRow:
    """One room to be cleaned on a day."""

    room_id: strawberry.ID
    room_number: str
    status: RoomStatus
    why: str
    leaving: bool
    arriving: bool


@strawberry.type
class OfRoom:
    """What housekeeping knows of a room."""

    @strawberry.field
    async def status(self: Any, info: Info) -> RoomStatus:
        """How it is."""

        async def load() -> dict[str, RoomLine]:
            return {line.room_id: line for line in await projection.rooms(info.context.reader)}

        lines: dict[str, RoomLine] = await info.context.once("housekeeping.rooms", load)
        return lines[self.id].status


@strawberry.type
class Query:
    """Questions of housekeeping."""

    @strawberry.field
    async def cleaning_list(self, info: Info, on: Date | None = None) -> list[CleaningRow]:
        """What is to be cleaned on a day (without one: on the business date), urgent first."""
        info.context.staff()
        day = on or await info.context.business_date()
        if day is None:
            return []
        return [
            CleaningRow(
                room_id=strawberry.ID(line.room_id),
                room_number=line.number,
                status=line.status,
                why=line.why,
                leaving=line.why == "departure",
                arriving=line.urgent,
            )
            for line in await projection.cleaning_list(info.context.reader, day)
        ]


@strawberry.type
class Mutation:
    """Acts of housekeeping."""

    @strawberry.mutation
    async def set_room_status(
        self,
        info: Info,
        id: str,
        room_id: strawberry.ID,
        status: RoomStatus,
        reason: str = "",
    ) -> Answer:
        """Say how a room is."""
        command = SetRoomStatus(room_id=room_id, status=status, reason=reason)
        return await answer(info, command, id)
