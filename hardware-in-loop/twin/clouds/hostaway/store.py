"""The memory of the cloud, and the hands of the channels that sell behind the hotel's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from appliance.kernel.clock import Clock
from twin.clouds.hostaway.records import Charge, Day, Listing, Logged, Reservation, Webhook
from twin.clouds.hostaway.words import AIRBNB, Status, invalid
from twin.journal import Journal

# What is kept of the delivery log; the vendor does not say how long its own is.
LOGS_MAX: Final = 10_000
# The account of the vendor's examples begins its listings here.
FIRST_LISTING: Final = 40_160

Heard = Callable[[str, Reservation], None]


class HostawayStore:
    """One account. What changes here is written into the twin's journal, names left out."""

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        *,
        time_zone: str = "Europe/Lisbon",
        currency: str = "EUR",
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._last_id = 1000
        self.time_zone = time_zone
        self.currency = currency
        self.listings: dict[int, Listing] = {}
        self.reservations: dict[int, Reservation] = {}
        self.charges: dict[int, Charge] = {}
        self.days: dict[tuple[int, date], Day] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.logs: list[Logged] = []
        self._heard: list[Heard] = []

    # -- questions --------------------------------------------------------------------------

    def now_s(self) -> int:
        """The cloud's time, whole seconds."""
        return self._clock.read().wall_s

    def new_id(self) -> int:
        """The next number; every table of this vendor has its own, one serves as well."""
        self._last_id += 1
        return self._last_id

    def newest_first(self) -> list[Reservation]:
        """The vendor's default order: `updatedOn DESC, id DESC`."""
        return sorted(
            self.reservations.values(), key=lambda one: (one.updated_s, one.id), reverse=True
        )

    def taken(self, listing_id: int, night: date, but: int | None = None) -> list[Reservation]:
        """The reservations that block a night of a listing."""
        return [
            one
            for one in self.reservations.values()
            if one.listing_id == listing_id
            and one.id != but
            and one.blocks
            and one.arrival <= night < one.departure
        ]

    def free_units(self, listing_id: int, night: date, but: int | None = None) -> int:
        """How many stays a night can still hold, by what was sold and what was blocked."""
        day = self.days.get((listing_id, night), Day())
        capacity = self.listings[listing_id].capacity
        sellable = 0 if day.blocked else min(capacity, day.desired_units or capacity)
        if day.desired_units == 0:
            sellable = 0
        return sellable - len(self.taken(listing_id, night, but))

    def refuse_overbooking(
        self, listing_id: int, arrival: date, departure: date, but: int | None = None
    ) -> None:
        """Raise 400 when a night of an interval is taken."""
        nights = (departure - arrival).days
        for index in range(nights):
            if self.free_units(listing_id, arrival + timedelta(days=index), but) < 1:
                raise invalid("The listing is not available for the given dates")

    # -- changes ----------------------------------------------------------------------------

    def hear(self, heard: Heard) -> None:
        """Call back with every event of a reservation."""
        self._heard.append(heard)

    def add_listing(
        self, name: str, *, units: tuple[str, ...] = (), price_minor: int = 10_000
    ) -> Listing:
        """Something to sell; without units it is a single flat."""
        listing = Listing(
            id=FIRST_LISTING + len(self.listings),
            name=name,
            currency=self.currency,
            time_zone=self.time_zone,
            price_minor=price_minor,
            units={self.new_id(): number for number in units},
        )
        self.listings[listing.id] = listing
        return listing

    def put_reservation(self, **fields: Any) -> Reservation:
        """A reservation begins to exist; a channel sells without asking anybody."""
        now_s = self.now_s()
        one = Reservation(
            id=self.new_id(),
            made_s=now_s,
            updated_s=fields.pop("updated_s", now_s),
            currency=fields.pop("currency", self.currency),
            **fields,
        )
        self.reservations[one.id] = one
        self._note("added", one)
        self._tell("reservation.created", one)
        return one

    def sell(self, listing: Listing, arrival: date, nights: int = 2, **fields: Any) -> Reservation:
        """Let a channel sell one stay at the listing's price."""
        number = len(self.reservations) + 1
        known = {
            "channel_id": AIRBNB,
            "source": "airbnbOfficial",
            "guest_first": "Grace",
            "guest_last": "Hopper",
            "guest_email": f"grace{number}@example.com",
            "total_minor": listing.price_minor * nights,
            "channel_reservation_id": f"{listing.id}-thread{number:09d}",
            "confirmation_code": f"HMTWIN{number:04d}",
        }
        return self.put_reservation(
            listing_id=listing.id,
            arrival=arrival,
            departure=arrival + timedelta(days=nights),
            **(known | fields),
        )

    def change(self, reservation_id: int, **fields: Any) -> Reservation:
        """Change a reservation as a channel or a person in the dashboard would."""
        before = self.reservations[reservation_id]
        one = replace(before, **fields)
        if one.arrival != before.arrival:
            one.previous_arrival = before.arrival
        if one.departure != before.departure:
            one.previous_departure = before.departure
        self.reservations[reservation_id] = one
        self.touch(reservation_id)
        self._note("changed", one)
        self._tell("reservation.updated", one)
        return one

    def touch(self, reservation_id: int) -> None:
        """The row moves to the front although nothing that matters changed."""
        self.reservations[reservation_id].updated_s = self.now_s()

    def cancel(self, reservation_id: int, by: str = "guest") -> Reservation:
        """A cancellation, from whichever side."""
        one = self.change(
            reservation_id,
            status=Status.CANCELLED,
            cancelled_by=by,
            cancelled_on=self.today(),
        )
        self._note("cancelled", one)
        return one

    def put_charge(self, **fields: Any) -> Charge:
        """Money is written down."""
        charge = Charge(id=self.new_id(), **fields)
        self.charges[charge.id] = charge
        self._journal.note(
            "hostaway.charge.added",
            id=charge.id,
            reservation_id=charge.reservation_id,
            amount_minor=charge.amount_minor,
            status=charge.status,
        )
        return charge

    def today(self) -> date:
        """The vendor's day, UTC."""
        return date.fromordinal(date(1970, 1, 1).toordinal() + self.now_s() // 86_400)

    def log(self, logged: Logged) -> None:
        """Remember an attempt to deliver."""
        self.logs.append(logged)
        del self.logs[:-LOGS_MAX]

    def _tell(self, event: str, one: Reservation) -> None:
        for heard in self._heard:
            heard(event, one)

    def _note(self, what: str, one: Reservation) -> None:
        self._journal.note(
            f"hostaway.reservation.{what}",
            id=one.id,
            listing_id=one.listing_id,
            status=str(one.status),
            arrival=one.arrival.isoformat(),
            departure=one.departure.isoformat(),
            source=one.source,
        )
