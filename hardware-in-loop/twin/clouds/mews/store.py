"""The memory of the PMS cloud, and the hands of the OTA that sells behind the hotel's back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from appliance.kernel.clock import Clock
from twin.clouds.mews.records import (
    AccessToken,
    Adjustment,
    Block,
    Category,
    Customer,
    Device,
    DeviceCommand,
    Enterprise,
    Note,
    Payment,
    Reservation,
    Room,
)
from twin.clouds.mews.words import (
    HOLDING,
    CancellationReason,
    CommandState,
    Origin,
    RoomState,
    State,
    forbidden,
    utc_text,
)
from twin.journal import Journal

# A profile exists since before the first booking anyone makes up.
HISTORY_S = 365 * 24 * 3600


class MewsStore:
    """One property in the cloud. Times are seconds since 1970 UTC, money is minor units.

    What changes here is written into the twin's journal; that record, not this memory, is what
    totals are compared with. Identifiers come from the seed, so that a run can be repeated.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        time_zone: str = "Europe/Lisbon",
        currency: str = "EUR",
        seed: int = 0,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._random = random.Random(seed)
        self._zone = ZoneInfo(time_zone)
        self._touches = 0
        self._numbers = 0
        self.enterprise = self._enterprise(time_zone, currency)
        self.categories: dict[str, Category] = {}
        self.rooms: dict[str, Room] = {}
        self.customers: dict[str, Customer] = {}
        self.reservations: dict[str, Reservation] = {}  # least recently changed first
        self.payments: dict[str, Payment] = {}
        self.blocks: dict[str, Block] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.devices: dict[str, Device] = {}
        self.commands: dict[str, DeviceCommand] = {}  # oldest first
        self._watching: list[Callable[[dict[str, Any]], None]] = []
        self.adjustments: list[Adjustment] = []
        # Mews lets a property choose whether check-in demands an inspected room.
        self.inspected_rooms_only = False

    def configure(
        self,
        *,
        name: str | None = None,
        time_zone: str | None = None,
        currency: str | None = None,
        arrival_hour: int | None = None,
        departure_hour: int | None = None,
    ) -> None:
        """Set the property up before anything is sold; None keeps.

        Raises zoneinfo.ZoneInfoNotFoundError for a time zone nobody knows.
        """
        now = self.enterprise
        self._zone = ZoneInfo(time_zone or now.time_zone)
        self.enterprise = replace(
            now,
            name=name or now.name,
            time_zone=time_zone or now.time_zone,
            currency=currency or now.currency,
            arrival_hour=now.arrival_hour if arrival_hour is None else arrival_hour,
            departure_hour=now.departure_hour if departure_hour is None else departure_hour,
        )

    # -- the house ---------------------------------------------------------------------------

    def add_category(self, name: str, *, short: str, capacity: int = 2) -> Category:
        """A new room type."""
        category = Category(
            id=self.new_id(),
            name=name,
            short=short,
            capacity=capacity,
            ordering=len(self.categories),
            updated_s=self.now_s(),
        )
        self.categories[category.id] = category
        return category

    def add_room(
        self,
        name: str,
        category: Category,
        *,
        floor: str = "1",
        state: RoomState = RoomState.INSPECTED,
    ) -> Room:
        """A new room of a type."""
        room = Room(
            id=self.new_id(),
            name=name,
            floor=floor,
            category_id=category.id,
            assignment_id=self.new_id(),
            state=state,
            created_s=self.now_s(),
            updated_s=self.now_s(),
        )
        self.rooms[room.id] = room
        return room

    def put_customer(  # noqa: PLR0913 - the facts of one profile, all by name
        self,
        last_name: str,
        first_name: str | None = None,
        *,
        email: str | None = None,
        phone: str | None = None,
        nationality: str | None = None,
        language: str | None = None,
        notes: str | None = None,
    ) -> Customer:
        """A new guest profile; namesakes are two profiles."""
        customer = Customer(
            id=self.new_id(),
            number=self._number(),
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone=phone,
            nationality=nationality,
            language=language,
            notes=notes,
            created_s=self.now_s(),
            updated_s=self.now_s(),
        )
        self.customers[customer.id] = customer
        return customer

    # -- reservations, as a channel or the cloud's own desk would change them ----------------------

    def put_reservation(  # noqa: PLR0913 - the facts of one sale, all by name
        self,
        *,
        customer_id: str,
        category_id: str,
        start_s: int,
        end_s: int,
        nights_minor: Sequence[int],
        adults: int = 1,
        children: int = 0,
        state: State = State.CONFIRMED,
        origin: Origin = Origin.CHANNEL_MANAGER,
        channel: str | None = None,
        channel_number: str | None = None,
        room_id: str | None = None,
        group_id: str | None = None,
        booker_id: str | None = None,
        released_s: int | None = None,
        created_s: int | None = None,
        paid_elsewhere: bool = False,
        notes: str | None = None,
        identifier: str | None = None,
    ) -> Reservation:
        """Sell a room. No check of availability: channels oversell, that is what they do."""
        now_s = self.now_s()
        reservation = Reservation(
            id=self.new_id(),
            number=self._number(),
            group_id=group_id or self.new_id(),
            customer_id=customer_id,
            booker_id=booker_id,
            category_id=category_id,
            room_id=room_id,
            room_locked=False,
            state=state,
            origin=origin,
            start_s=start_s,
            end_s=end_s,
            scheduled_start_s=start_s,
            scheduled_end_s=end_s,
            released_s=released_s,
            created_s=now_s if created_s is None else created_s,
            updated_s=now_s,
            channel=channel,
            channel_number=channel_number,
            adults=adults,
            children=children,
            nights_minor=list(nights_minor),
            paid_elsewhere=paid_elsewhere,
        )
        if notes:
            reservation.notes.append(Note(id=self.new_id(), text=notes, at_s=now_s))
        self.touch(reservation)
        self.note("added", reservation, identifier=identifier, origin=str(origin))
        return reservation

    def cancel_reservation(
        self,
        reservation_id: str,
        reason: CancellationReason = CancellationReason.REQUESTED_BY_GUEST,
        *,
        notes: str = "",
        by: str = "channel",
    ) -> Reservation:
        """Cancel, also what is Started: a channel does not know who is in house."""
        found = self.reservations[reservation_id]
        if found.state in {State.CANCELED, State.PROCESSED}:
            raise forbidden(f"The reservation {found.number} is already {found.state}.")
        found.state = State.CANCELED
        found.cancelled_s = self.now_s()
        found.cancellation_reason = reason
        if notes:
            found.notes.append(Note(id=self.new_id(), text=notes, at_s=self.now_s()))
        self.touch(found)
        self.note("canceled", found, reason=str(reason), by=by)
        return found

    def modify_reservation(  # noqa: PLR0913 - each is a field of the booking, None keeps it
        self,
        reservation_id: str,
        *,
        start_s: int | None = None,
        end_s: int | None = None,
        category_id: str | None = None,
        nights_minor: Sequence[int] | None = None,
        adults: int | None = None,
        children: int | None = None,
        room_id: str | None = None,
        by: str = "channel",
    ) -> Reservation:
        """Change what a channel may change; None keeps."""
        found = self.reservations[reservation_id]
        found.start_s = found.start_s if start_s is None else start_s
        found.end_s = found.end_s if end_s is None else end_s
        found.scheduled_start_s, found.scheduled_end_s = found.start_s, found.end_s
        found.category_id = category_id or found.category_id
        found.room_id = room_id or found.room_id
        found.adults = found.adults if adults is None else adults
        found.children = found.children if children is None else children
        if nights_minor is not None:
            found.nights_minor = list(nights_minor)
        self.touch(found)
        self.note("updated", found, by=by)
        return found

    def newest_first(self) -> Iterator[Reservation]:
        """All reservations, the most recently changed first."""
        return reversed(self.reservations.values())

    def touch(self, reservation: Reservation) -> None:
        """Mark as changed now, and move to the newest end."""
        self._touches += 1
        reservation.touch = self._touches
        reservation.updated_s = self.now_s()
        self.reservations.pop(reservation.id, None)
        self.reservations[reservation.id] = reservation
        self._tell(
            "Reservation",
            reservation.id,
            str(reservation.state),
            StartUtc=utc_text(reservation.start_s),
            EndUtc=utc_text(reservation.end_s),
            AssignedResourceId=reservation.room_id,
        )

    # -- what the stream tells -------------------------------------------------------------------

    def watch(self, told: Callable[[dict[str, Any]], None]) -> None:
        """Be told of every event as the vendor's stream words it."""
        self._watching.append(told)

    def set_room_state(self, room_id: str, state: RoomState) -> None:
        """Somebody at the cloud's own housekeeping says how a room is."""
        room = self.rooms[room_id]
        room.state, room.updated_s = state, self.now_s()
        self.journal("pms.resource.updated", room=room.name, state=str(state))
        self._tell("Resource", room_id, str(state))

    def add_device(self, name: str = "Key cutter", kind: str = "KeyCutter") -> Device:
        """The property connects us to a device."""
        device = Device(id=self.new_id(), type=kind, name=name)
        self.devices[device.id] = device
        return device

    def ask_for_keys(
        self,
        reservation_id: str | None,
        device_id: str,
        *,
        count: int = 1,
        room_ids: Sequence[str] | None = None,
    ) -> DeviceCommand:
        """The cloud's own desk asks a device for keys of a reservation; None: for something else."""
        found = self.reservations.get(reservation_id or "")
        if room_ids is None:
            room_ids = [found.room_id] if found is not None and found.room_id else []
        command = DeviceCommand(
            id=self.new_id(),
            device_id=device_id,
            reservation_id=reservation_id,
            room_ids=tuple(room_ids),
            count=count,
            state=CommandState.PENDING,
            at_s=self.now_s(),
        )
        self.commands[command.id] = command
        self.journal("pms.command.added", id=command.id, reservation=reservation_id)
        self._tell("DeviceCommand", command.id, str(command.state))
        return command

    def _tell(self, kind: str, name: str, state: str, **more: str | None) -> None:
        for told in self._watching:
            told({"Type": kind, "Id": name, "State": state, **more})

    def note(self, what: str, reservation: Reservation, **more: object) -> None:
        """Write one change of a reservation into the twin's journal; no names, no money lost."""
        self._journal.note(
            f"pms.reservation.{what}",
            id=reservation.id,
            number=reservation.number,
            state=str(reservation.state),
            category=self.categories[reservation.category_id].short,
            room=self.room_name(reservation.room_id),
            start_s=reservation.start_s,
            end_s=reservation.end_s,
            total_minor=sum(reservation.nights_minor),
            **more,
        )

    def journal(self, kind: str, **fields: object) -> None:
        """Write anything else that happened at the cloud."""
        self._journal.note(kind, **fields)

    # -- questions --------------------------------------------------------------------------

    def now_s(self) -> int:
        """The cloud's time, whole seconds."""
        return self._clock.read().wall_s

    def new_id(self) -> str:
        """The next identifier of the seed."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def arrival_s(self, day: date) -> int:
        """When a stay that begins on this local day starts."""
        return self.local_s(day, self.enterprise.arrival_hour * 60)

    def departure_s(self, day: date) -> int:
        """When a stay that ends on this local day ends."""
        return self.local_s(day, self.enterprise.departure_hour * 60)

    def local_s(self, day: date, minute: int) -> int:
        """A minute of a local day, counted on the wall clock of the property."""
        at = datetime.combine(day, time(minute // 60, minute % 60), self._zone)
        return int(at.timestamp())

    def local_day(self, at_s: int) -> date:
        """The property's day of a moment."""
        return datetime.fromtimestamp(at_s, UTC).astimezone(self._zone).date()

    def nights(self, reservation: Reservation) -> list[date]:
        """The local days whose nights are sold."""
        first = self.local_day(reservation.start_s)
        count = (self.local_day(reservation.end_s) - first).days
        return [first + timedelta(days=index) for index in range(max(count, 0))]

    def room_name(self, room_id: str | None) -> str | None:
        """What is written on the door."""
        return self.rooms[room_id].name if room_id in self.rooms else None

    def rooms_of(self, category_id: str) -> list[Room]:
        """The rooms of a type."""
        return [room for room in self.rooms.values() if room.category_id == category_id]

    def free_units(self, category_id: str, start_s: int, end_s: int) -> int:
        """Rooms of a type that are left in the fullest night of an interval."""
        first, last = self.local_day(start_s), self.local_day(end_s)
        held = [
            (self.local_day(one.start_s), self.local_day(one.end_s))
            for one in self.reservations.values()
            if one.category_id == category_id and one.state in HOLDING
        ] + [
            (self.local_day(one.start_s), self.local_day(one.end_s - 1) + timedelta(days=1))
            for one in self.blocks.values()
            if one.deleted_s is None and self.rooms[one.room_id].category_id == category_id
        ]
        days = [first + timedelta(days=index) for index in range(max((last - first).days, 1))]
        busiest = max(sum(begin <= day < end for begin, end in held) for day in days)
        return len(self.rooms_of(category_id)) - busiest

    def in_the_way(
        self, room_id: str, start_s: int, end_s: int, but: str | None
    ) -> Reservation | None:
        """Another reservation that holds the room in this interval."""
        for one in self.reservations.values():
            if one.room_id != room_id or one.id == but or one.state not in HOLDING:
                continue
            if one.start_s < end_s and one.end_s > start_s:
                return one
        return None

    def balance_minor(self, reservation: Reservation) -> int:
        """What is still open; payments on the reservation, or on its guest without one, count."""
        if reservation.paid_elsewhere:
            return 0
        paid = sum(
            one.amount_minor
            for one in self.payments.values()
            if one.reservation_id == reservation.id
            or (one.reservation_id is None and one.account_id == reservation.customer_id)
        )
        return sum(reservation.nights_minor) - paid

    # -- inside -----------------------------------------------------------------------------

    def _number(self) -> str:
        self._numbers += 1
        return str(self._numbers)

    def _enterprise(self, time_zone: str, currency: str) -> Enterprise:
        return Enterprise(
            id=self.new_id(),
            chain_id=self.new_id(),
            service_id=self.new_id(),
            rate_id=self.new_id(),
            rate_group_id=self.new_id(),
            product_id=self.new_id(),
            adult_id=self.new_id(),
            child_id=self.new_id(),
            profile_id=self.new_id(),
            name="Nightporter Twin",
            time_zone=time_zone,
            currency=currency,
            arrival_hour=15,
            departure_hour=11,
            created_s=self.now_s() - HISTORY_S,
        )
