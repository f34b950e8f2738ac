"""GraphQL of climate: a room's thermostat as it last spoke, and a wish for it."""

from __future__ import annotations

from typing import Any

import strawberry

from appliance.asked import Answer, Asked, Info, answer
from appliance.bus.words import DeviceKind
from appliance.devices import Device, seen
from appliance.engines.climate.messages import SetRoomClimate
from appliance.engines.climate.projection import Wish, last_wish, thermostat_of


async def load_thermostat_id(asked: Asked, room_id: str) -> str | None:
    """The thermostat of a room, for the guest's page."""
    return await thermostat_of(asked.reader, room_id)


async def load_wish(asked: Asked, room_id: str) -> Wish | None:
    """What was last wished for a room, for the guest's page."""
    return await last_wish(asked.reader, room_id)


@strawberry.type
class OfRoom:
    """What climate knows of a room."""

    @strawberry.field
    async def thermostat(self: Any, info: Info) -> Device | None:
        """The thermostat on its wall."""
        device_id = await thermostat_of(info.context.reader, str(self.id))
        if device_id is None:
            return None
        return seen(info.context, device_id, DeviceKind.THERMOSTAT)


@strawberry.type
class Mutation:
    """Acts on the climate."""

    @strawberry.mutation
    async def set_room_climate(
        self,
        info: Info,
        id: str,
        room_id: strawberry.ID,
        set_point_c10: int,
        eco: bool = False,  # noqa: FBT001, FBT002 - GraphQL's arguments all have names
    ) -> Answer:
        """A wish in tenths of a degree Celsius; sent as soon as the thermostat can be reached."""
        command = SetRoomClimate(room_id=str(room_id), set_point_c10=set_point_c10, eco=eco)
        return await answer(info, command, id)
