"""GraphQL of the calendar: what is free between two days."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import strawberry

from appliance.asked import Answer, Date, Info, NotForYouError, answer
from appliance.engines.calendar import projection
from appliance.engines.calendar.messages import OpenNights, SetAllotment
from appliance.engines.calendar.projection import Availability
from appliance.kernel.messages import Role

MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})
# A year ahead in one question; a walk-in needs a week.
NIGHTS_MAX = 370
# Two weeks: longer than any outage a house sells through by hand.
ALLOTMENT_NIGHTS_MAX = 14


@strawberry.type
class Free:
    """One room type: what nobody holds in any of the nights, and what we may sell of it."""

    room_type_id: strawberry.ID
    free_count: int
    allotment_left: int
    room_ids: strawberry.Private[list[str]]


@strawberry.type
class Allotment:
    """One type in one night: what the box may sell while nobody outside answers."""

    room_type_id: strawberry.ID
    night: Date
    rooms: int
    sold: int
    left: int
    free: int


@strawberry.type
class CalendarAddress:
    """Where a booking channel reads a room's calendar. Whoever has the address, reads it."""

    name: str
    url: str


@strawberry.type
class Query:
    """Questions of the calendar."""

    @strawberry.field
    async def allotment(self, info: Info, nights: int = 1) -> list[Allotment]:
        """The offline allotment from the business date on, by type and night."""
        asked = info.context
        asked.staff()
        today = await asked.business_date()
        if today is None:
            return []
        end = today + timedelta(days=max(1, min(nights, ALLOTMENT_NIGHTS_MAX)))
        return [
            Allotment(
                room_type_id=strawberry.ID(each.room_type_id),
                night=Date(each.night),
                rooms=each.allotment,
                sold=each.unconfirmed,
                left=each.sellable,
                free=max(0, each.free),
            )
            for each in await projection.availability(asked.reader, today, end)
        ]

    @strawberry.field
    async def calendar_addresses(self, info: Info) -> list[CalendarAddress]:
        """The addresses of the calendar feeds of the settings, for managers only."""
        if info.context.staff().role not in MANAGERS:
            raise NotForYouError
        calendars = info.context.ports.more.get("calendars")
        found = {} if calendars is None else calendars.addresses()
        return [CalendarAddress(name=name, url=url) for name, url in found.items()]

    @strawberry.field
    async def free(
        self,
        info: Info,
        arrival: Date,
        departure: Date,
        room_type_id: strawberry.ID | None = None,
    ) -> list[Free]:
        """What is free for every night from arrival to departure; nothing for impossible days."""
        info.context.staff()
        if not 0 < (departure - arrival).days <= NIGHTS_MAX:
            return []
        reader = info.context.reader
        by_type: dict[str, list[Availability]] = defaultdict(list)
        for night in await projection.availability(reader, arrival, departure):
            by_type[night.room_type_id].append(night)
        types = dict(await reader.rows("SELECT room_id, room_type_id FROM calendar_room"))
        unclaimed = await projection.free_rooms(reader, arrival, departure)
        return [
            Free(
                room_type_id=strawberry.ID(each),
                free_count=max(0, min(night.free for night in nights)),
                allotment_left=max(0, min(night.allotment - night.unconfirmed for night in nights)),
                room_ids=[room for room in unclaimed if types[room] == each],
            )
            for each, nights in by_type.items()
            if room_type_id in {None, each}
        ]


@strawberry.type
class Mutation:
    """Acts on the calendar."""

    @strawberry.mutation
    async def set_allotment(
        self,
        info: Info,
        id: str,
        room_type_id: strawberry.ID,
        start: Date,
        end: Date,
        rooms: int | None = None,
    ) -> Answer:
        """How many rooms may be sold offline in these nights; without a number: the default."""
        command = SetAllotment(room_type_id=str(room_type_id), start=start, end=end, rooms=rooms)
        return await answer(info, command, id)

    @strawberry.mutation
    async def open_nights(
        self,
        info: Info,
        id: str,
        room_type_id: strawberry.ID,
        start: Date,
        end: Date,
        room_id: strawberry.ID | None = None,
    ) -> Answer:
        """Open nights that a channel closed, to sell them to the guest who stands here."""
        command = OpenNights(
            room_type_id=str(room_type_id),
            room_id=None if room_id is None else str(room_id),
            start=start,
            end=end,
        )
        return await answer(info, command, id)
