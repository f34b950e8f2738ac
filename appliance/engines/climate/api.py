"""GraphQL of climate: thermostats and wishes, what devices suffer from, and the water's valves."""

from __future__ import annotations

from typing import Any

import strawberry

from appliance.asked import Answer, Asked, Info, Minor, answer
from appliance.bus.words import DeviceKind
from appliance.devices import Device, seen
from appliance.engines.climate.messages import (
    AcknowledgeAlarm,
    AlarmKind,
    MoveValve,
    SetRoomClimate,
)
from appliance.engines.climate.projection import AlarmRow, Wish, alarms, last_wish, thermostat_of

strawberry.enum(AlarmKind, name="AlarmKind")


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
class DeviceAlarm:
    """What a device suffers from, in a sentence. It stays until its cause is gone."""

    device_id: strawberry.ID
    room_id: strawberry.ID | None
    alarm: AlarmKind
    sentence: str
    since_ms: Minor
    battery_pct: int | None
    days_left: int | None
    seen_by: str | None


def _alarm(asked: Asked, row: AlarmRow) -> DeviceAlarm:
    key = f"climate.alarm.{row.alarm.value}"
    if row.days_left is not None:
        key = f"climate.alarm.{row.alarm.value}_days"
    return DeviceAlarm(
        device_id=strawberry.ID(row.device_id),
        room_id=None if row.room_id is None else strawberry.ID(row.room_id),
        alarm=row.alarm,
        sentence=asked.text(key, device=row.device_id, days=row.days_left, pct=row.battery_pct),
        since_ms=Minor(row.raised_at_ms),
        battery_pct=row.battery_pct,
        days_left=row.days_left,
        seen_by=row.seen_by,
    )


@strawberry.type
class Query:
    """Questions of climate."""

    @strawberry.field
    async def device_alarms(self, info: Info) -> list[DeviceAlarm]:
        """Every alarm that is up, what nobody has taken on first, then the most urgent."""
        info.context.staff()
        return [_alarm(info.context, row) for row in await alarms(info.context.reader)]


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

    @strawberry.mutation
    async def move_valve(
        self,
        info: Info,
        id: str,
        device_id: strawberry.ID,
        open: bool,  # noqa: FBT001 - GraphQL's arguments all have names
        despite_water: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> Answer:
        """Open or close a valve; a manager may open it although a sensor is wet."""
        info.context.staff()
        command = MoveValve(device_id=str(device_id), open=open, despite_water=despite_water)
        return await answer(info, command, id)

    @strawberry.mutation
    async def acknowledge_alarm(
        self, info: Info, id: str, device_id: strawberry.ID, alarm: AlarmKind
    ) -> Answer:
        """Take an alarm on: everybody sees who looks after it."""
        info.context.staff()
        return await answer(info, AcknowledgeAlarm(device_id=str(device_id), alarm=alarm), id)
