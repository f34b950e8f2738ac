"""GraphQL of the calendar: what is free between two days."""

from __future__ import annotations

from collections import defaultdict

import strawberry

from appliance.asked import Date, Info, NotForYouError
from appliance.engines.calendar import projection
from appliance.engines.calendar.projection import Availability
from appliance.kernel.messages import Role

MANAGERS = frozenset({Role.MANAGER, Role.ADMIN})
# A year ahead in one question; a walk-in needs a week.
NIGHTS_MAX = 370


@strawberry.type
class Free:
    """One room type: what nobody holds in any of the nights, and what we may sell of it."""

    room_type_id: strawberry.ID
    free_count: int
    allotment_left: int
    room_ids: strawberry.Private[list[str]]


@strawberry.type
class CalendarAddress:
    """Where a booking channel reads a room's calendar. Whoever has the address, reads it."""

    name: str
    url: str


@strawberry.type
class Query:
    """Questions of the calendar."""

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
