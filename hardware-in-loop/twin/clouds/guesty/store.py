"""The memory of the Guesty twin, and the hands of the channels that sell behind the hotel's back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from appliance.kernel.clock import Clock
from twin.clouds.guesty.records import Guest, Listing, Payment, Reservation, Segment
from twin.clouds.guesty.words import (
    BLOCKING,
    CanceledBy,
    GuestStay,
    Status,
    missing,
)
from twin.journal import Journal

Heard = Callable[[str, Reservation], None]


class GuestyStore:
    """One account in the cloud. Times are milliseconds since 1970 UTC, money is minor units.

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
        self._touched_ms = 0
        self.time_zone = time_zone
        self.currency = currency
        self.listings: dict[str, Listing] = {}
        self.guests: dict[str, Guest] = {}
        self.reservations: dict[str, Reservation] = {}
        self.blocked: dict[tuple[str, date], str] = {}  # manual blocks of a listing's nights
        self.on_change: list[Heard] = []
        # Seen in the field: the newer search does not show what Booking.com sold.
        self.search_omits_booking_com = True
        # Reports differ: the older update sets a key code, or answers 200 and forgets it.
        self.legacy_update_sets_key_code = True

    # -- the house ---------------------------------------------------------------------------

    def add_type(self, title: str, *, nickname: str = "", night_minor: int = 10_000) -> Listing:
        """A unit type."""
        return self._add_listing(title, nickname, None, night_minor)

    def add_unit(self, title: str, kind: Listing) -> Listing:
        """One unit of a type."""
        return self._add_listing(title, title, kind.id, kind.night_minor)

    def _add_listing(
        self, title: str, nickname: str, parent_id: str | None, night_minor: int
    ) -> Listing:
        listing = Listing(
            id=self.new_id(),
            title=title,
            nickname=nickname or title,
            parent_id=parent_id,
            time_zone=self.time_zone,
            currency=self.currency,
            night_minor=night_minor,
        )
        self.listings[listing.id] = listing
        return listing

    def units_of(self, kind_id: str) -> list[Listing]:
        """The units of a type; a type without units is its own."""
        units = [one for one in self.listings.values() if one.parent_id == kind_id]
        return units or [self.listings[kind_id]]

    def listing(self, listing_id: str) -> Listing:
        """One listing; raises 404."""
        found = self.listings.get(listing_id)
        if found is None:
            raise missing("Listing not found.")
        return found

    def put_guest(
        self, first_name: str, last_name: str, *, email: str = "", phone: str = ""
    ) -> Guest:
        """A new profile; namesakes are two."""
        guest = Guest(
            id=self.new_id(),
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone=phone,
            updated_ms=self.now_ms(),
        )
        self.guests[guest.id] = guest
        return guest

    # -- reservations ------------------------------------------------------------------------

    def put_reservation(  # noqa: PLR0913 - the facts of one sale, all by name
        self,
        *,
        guest_id: str,
        check_in: date,
        check_out: date,
        listing_id: str,
        status: Status = Status.CONFIRMED,
        adults: int = 2,
        children: int = 0,
        source: str = "Booking.com",
        platform: str = "bookingCom",
        fare_minor: int | None = None,
        confirmation_code: str | None = None,
        origin: str | None = None,
        origin_id: str | None = None,
        legacy: bool = True,
        by: str = "channel",
    ) -> Reservation:
        """A sale, by a channel unless said otherwise."""
        listing = self.listing(listing_id)
        now_ms = self._tick()
        nights = (check_out - check_in).days
        segment = Segment(
            check_in=check_in,
            check_out=check_out,
            unit_type_id=listing.parent_id or listing.id,
            unit_id=listing.id if listing.parent_id is not None else None,
            adults=adults,
            children=children,
        )
        one = Reservation(
            id=self.new_id(),
            status=status,
            source=source,
            platform=platform,
            stay=[segment],
            guest_id=guest_id,
            confirmation_code=confirmation_code or f"GY-{self.new_id()[:8]}",
            origin=origin,
            origin_id=origin_id,
            fare_minor=listing.night_minor * nights if fare_minor is None else fare_minor,
            currency=listing.currency,
            created_ms=now_ms,
            updated_ms=now_ms,
            legacy=legacy,
            confirmed_ms=now_ms if status is Status.CONFIRMED else None,
            reserved_ms=now_ms if status is Status.RESERVED else None,
        )
        self.reservations[one.id] = one
        self.note("added", one, by=by, confirmation_code=one.confirmation_code)
        self._tell("reservation.created.v2", one)
        return one

    def find(self, reservation_id: str) -> Reservation:
        """One reservation; raises 404."""
        found = self.reservations.get(reservation_id)
        if found is None:
            raise missing("Reservation not found.")
        return found

    def move_dates(self, one: Reservation, check_in: date, check_out: date, *, by: str) -> None:
        """Other days; a stay of several parts keeps its parts where they still fit."""
        first, last = one.stay[0], one.stay[-1]
        if len(one.stay) == 1:
            one.stay = [replace(first, check_in=check_in, check_out=check_out)]
        elif check_in < first.check_out and check_out > last.check_in:
            one.stay = [
                replace(first, check_in=check_in),
                *one.stay[1:-1],
                replace(last, check_out=check_out),
            ]
        else:
            one.stay = [replace(last, check_in=check_in, check_out=check_out)]
        one.altered_ms = self.now_ms()
        self.touch(one)
        self.note("dates", one, by=by)

    def relocate(
        self, one: Reservation, listing: Listing, *, by: str, on: date | None = None
    ) -> None:
        """Another unit: for the whole stay, or from a day on, which makes it two parts."""
        where = {
            "unit_type_id": listing.parent_id or listing.id,
            "unit_id": listing.id if listing.parent_id is not None else None,
        }
        last = one.stay[-1]
        if on is not None and last.check_in < on < last.check_out:
            one.stay[-1:] = [
                replace(last, check_out=on),
                replace(last, check_in=on, **where),  # type: ignore[arg-type]
            ]
        else:
            one.stay = [replace(part, **where) for part in one.stay]  # type: ignore[arg-type]
        one.altered_ms = self.now_ms()
        self.touch(one)
        self.note("relocated", one, by=by, listing=listing.id)

    def set_people(self, one: Reservation, adults: int, children: int, *, by: str) -> None:
        """Another number of guests."""
        one.stay = [replace(part, adults=adults, children=children) for part in one.stay]
        one.altered_ms = self.now_ms()
        self.touch(one)
        self.note("guests", one, by=by)

    def set_status(
        self,
        one: Reservation,
        status: Status,
        *,
        by: str,
        canceled_by: CanceledBy | None = None,
        reason: str | None = None,
    ) -> None:
        """Move the first machine; ends stay ends."""
        one.status = status
        if status is Status.CANCELED:
            one.canceled_ms, one.canceled_by = self.now_ms(), canceled_by or CanceledBy.GUEST
            one.cancellation_reason = reason
        if status is Status.CONFIRMED:
            one.confirmed_ms = self.now_ms()
        self.touch(one)
        self.note(str(status), one, by=by)

    def set_guest_stay(self, one: Reservation, status: GuestStay, *, by: str) -> None:
        """Move the second machine."""
        one.guest_stay, one.guest_stay_ms = status, self.now_ms()
        self.touch(one)
        self.note(str(status), one, by=by)

    def add_payment(
        self, one: Reservation, amount_minor: int, *, method: str, note: str = ""
    ) -> Payment:
        """Record money."""
        payment = Payment(
            id=self.new_id(),
            amount_minor=amount_minor,
            currency=one.currency,
            method=method,
            note=note,
            at_ms=self.now_ms(),
        )
        one.payments.append(payment)
        self.touch(one)
        self._journal.note(
            "guesty.payment.added",
            id=payment.id,
            reservation=one.id,
            amount_minor=amount_minor,
            currency=one.currency,
            method=method,
        )
        return payment

    # -- availability --------------------------------------------------------------------------

    def free_units(self, kind_id: str, night: date, *, besides: str = "") -> list[Listing]:
        """Units of a type that nobody sleeps in on a night and nobody blocked."""
        taken: set[str] = set()
        floating = 0
        for one in self.reservations.values():
            if one.status not in BLOCKING or one.id == besides:
                continue
            for part in one.stay:
                if part.unit_type_id == kind_id and part.check_in <= night < part.check_out:
                    taken |= {part.unit_id} if part.unit_id else set()
                    floating += part.unit_id is None
        free = [
            unit
            for unit in self.units_of(kind_id)
            if unit.id not in taken
            and (unit.id, night) not in self.blocked
            and (kind_id, night) not in self.blocked
        ]
        return free[floating:]

    def is_free(self, listing: Listing, first: date, last: date, *, besides: str = "") -> bool:
        """Whether a listing can be sold for these nights."""
        kind_id = listing.parent_id or listing.id
        for index in range((last - first).days):
            free = self.free_units(kind_id, first + timedelta(days=index), besides=besides)
            if listing.parent_id is None and not free:
                return False
            if listing.parent_id is not None and listing not in free:
                return False
        return True

    # -- the rest ------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The cloud's time."""
        return self._clock.read().wall_ms

    def new_id(self) -> str:
        """24 hexadecimal digits that grow, as the vendor's are."""
        return f"{self.now_ms() // 1000:08x}{self._random.getrandbits(64):016x}"

    def touch(self, one: Reservation) -> int:
        """It changed now; tells whoever listens after the change was made."""
        one.updated_ms = self._tick()
        self._tell("reservation.updated.v2", one)
        return one.updated_ms

    def note(self, what: str, one: Reservation, **fields: Any) -> None:
        """Write down what happened to a reservation."""
        self._journal.note(
            f"guesty.reservation.{what}", id=one.id, status=str(one.status), **fields
        )

    def least_recently_changed_first(self) -> Iterator[Reservation]:
        """In the order of their changes."""
        return iter(sorted(self.reservations.values(), key=lambda one: (one.updated_ms, one.id)))

    def _tick(self) -> int:
        # Two changes never have one time here; the vendor's own resolution is a millisecond.
        self._touched_ms = max(self._touched_ms + 1, self.now_ms())
        return self._touched_ms

    def _tell(self, event: str, one: Reservation) -> None:
        for heard in self.on_change:
            heard(event, one)
