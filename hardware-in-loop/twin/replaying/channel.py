"""The channels that sell behind the hotel's back: bookings, changes and cancellations at the PMS."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta

from appliance.kernel.clock import sleep
from twin.clouds.mews.words import State
from twin.names import Guests
from twin.replaying.house import House
from twin.replaying.plan import DAY, Plan, Version
from twin.replaying.rows import End, Row

# Times at the PMS are whole seconds: two changes of one booking are told apart by them.
BETWEEN_S = 2.0


class Channel:
    """Feeds a plan's bookings to the PMS, day by day."""

    def __init__(self, plan: Plan, house: House) -> None:
        self._plan = plan
        self._house = house
        self._guests = Guests(plan.chance("guests"))
        self.upstream: dict[int, str] = {}  # row number -> the PMS's id
        self._booking: dict[date, list[Row]] = defaultdict(list)
        self._changing: dict[date, list[tuple[Row, int]]] = defaultdict(list)
        self._cancelling: dict[date, list[Row]] = defaultdict(list)
        for row in plan.arriving:
            self._booking[plan.booked_on(row)].append(row)
            for index, day in enumerate(plan.changed_on(row), start=1):
                self._changing[day].append((row, row.changes - index))
            if row.end is End.CANCELLED:
                self._cancelling[plan.cancelled_on(row)].append(row)

    async def move_in(self) -> None:
        """The guests who are in house when the window begins, in rooms of their types."""
        free = {kind: list(rooms) for kind, rooms in self._house.rooms_of.items()}
        chance = self._plan.chance("move in")
        named = {room.name: room.id for room in self._house.store.rooms.values()}
        for row in self._plan.in_house:
            rooms = free[row.assigned]
            number = rooms.pop(chance.randrange(len(rooms)))
            self._put(row, self._plan.version(row, 0), State.STARTED, named[number])

    async def sell(self, day: date) -> int:
        """This day's new bookings; how many."""
        rows = self._booking.pop(day, [])
        for row in rows:
            self._put(row, self._plan.version(row, row.changes), State.CONFIRMED, None)
        return len(rows)

    async def change(self, day: date) -> None:
        """This day's changes, each seen by the box before the next one of the same booking."""
        changes = self._changing.pop(day, [])
        while changes:
            later: list[tuple[Row, int]] = []
            seen: set[int] = set()
            for row, left in changes:
                if row.number in seen:
                    later.append((row, left))
                    continue
                seen.add(row.number)
                self._change(row, self._plan.version(row, left))
            await self._house.settled()
            await sleep(self._house.clock, BETWEEN_S)
            changes = later

    async def cancel(self, day: date) -> int:
        """This day's cancellations; how many."""
        rows = self._cancelling.pop(day, [])
        for row in rows:
            self._house.store.cancel_reservation(self.upstream[row.number])
        return len(rows)

    async def extend(self, rows: Sequence[Row]) -> None:
        """Guests in house who stay longer ask where they booked; the PMS has it first."""
        store = self._house.store
        for row in rows:
            nights = (row.gone_on - row.arrival).days
            store.modify_reservation(
                self.upstream[row.number],
                end_s=store.departure_s(row.gone_on),
                nights_minor=[row.rate_minor] * nights,
                by="pms",
            )
        await self._house.settled()

    def stay_of(self, row: Row) -> str:
        """The box's id of a row's stay; empty while the box has not heard of it."""
        return self._house.stay_of.get(self.upstream.get(row.number, ""), "")

    def _put(self, row: Row, version: Version, state: State, room_id: str | None) -> None:
        store, guest = self._house.store, self._guests.next()
        customer = store.put_customer(
            guest.last_name,
            guest.first_name,
            email=guest.email,
            nationality=guest.nationality,
            language=guest.language,
        )
        reservation = store.put_reservation(
            customer_id=customer.id,
            category_id=self._house.categories[row.reserved].id,
            start_s=store.arrival_s(row.arrival),
            end_s=store.departure_s(row.arrival + timedelta(days=version.nights)),
            nights_minor=[version.rate_minor] * version.nights,
            adults=row.adults,
            children=row.children,
            state=state,
            channel=row.channel,
            room_id=room_id,
            paid_elsewhere=True,
        )
        self.upstream[row.number] = reservation.id

    def _change(self, row: Row, version: Version) -> None:
        store = self._house.store
        store.modify_reservation(
            self.upstream[row.number],
            end_s=store.departure_s(row.arrival + DAY * version.nights),
            nights_minor=[version.rate_minor] * version.nights,
        )
