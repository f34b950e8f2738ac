"""Bookings a demo and a tour can believe in, made from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from twin.clouds.mews.records import Category, Reservation
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.words import CancellationReason, Origin, State
from twin.names import Guest, Guests

# Proportions of a real city hotel (79,330 bookings, 2015 to 2017): 40.5 % cancelled, 1.2 % did
# not come, 87 % through agents.
CANCELED_SHARE: Final = 0.38
NO_SHOW_SHARE: Final = 0.012
# Weights of 1, 2, 3, ... nights, from the same file.
STAY_WEIGHTS: Final = (167, 270, 270, 158, 63, 26, 26, 5, 3, 3)
# Median lead time is about 74 days; logarithms of lead times are near a bell curve.
LEAD_MEDIAN_DAYS: Final = 45.0
LEAD_SPREAD: Final = 1.3
LEAD_DAYS_MAX: Final = 365
# Mean rate of a month against the year's mean, January first, from the same file.
SEASON: Final = (0.82, 0.84, 0.91, 1.09, 1.20, 1.17, 1.09, 1.13, 1.09, 0.99, 0.87, 0.89)
# Fridays and Saturdays cost more, Sundays less.
WEEKDAY: Final = (0.98, 0.98, 1.0, 1.0, 1.12, 1.15, 0.92)
# How many bookings in vain until a house counts as full.
FULL_AFTER: Final = 60


class Channel(StrEnum):
    """Who sells."""

    BOOKING_COM = "Booking.com"
    EXPEDIA = "Expedia"
    AIRBNB = "Airbnb"
    TOUR_OPERATOR = "Tour operator"
    DIRECT = "Website"
    CORPORATE = "Corporate"


CHANNEL_WEIGHTS: Final = {
    Channel.BOOKING_COM: 38,
    Channel.EXPEDIA: 11,
    Channel.AIRBNB: 6,
    Channel.TOUR_OPERATOR: 32,
    Channel.DIRECT: 9,
    Channel.CORPORATE: 4,
}
# These take the guest's money themselves; nothing is open at the desk.
COLLECTS: Final = frozenset({Channel.AIRBNB, Channel.TOUR_OPERATOR})


class Fate(StrEnum):
    """What will become of a booking, which only its maker knows."""

    STAYS = "stays"
    CANCELS = "cancels"
    NO_SHOW = "no-show"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomType:
    """What is sold: `code` is the category's short name, `rate_minor` a mean night."""

    code: str
    rooms: int
    capacity: int
    rate_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBooking:
    """One made-up booking."""

    number: int
    guest: Guest
    room_type: str
    arrival: date
    nights: int
    adults: int
    children: int
    booked_on: date
    channel: Channel
    channel_number: str
    nights_minor: tuple[int, ...]
    fate: Fate
    cancelled_on: date | None  # only with Fate.CANCELS; never after the arrival
    arrives_minute: int  # of the local day, between noon and midnight
    paid_elsewhere: bool

    @property
    def departure(self) -> date:
        """The day the stay ends."""
        return self.arrival + timedelta(days=self.nights)


@dataclass(slots=True)
class _Held:
    """Who holds a room of a type in one night: from booking to cancellation."""

    spans: list[tuple[date, date]]

    def most(self, begin: date, end: date) -> int:
        days = {begin} | {first for first, _ in self.spans if begin <= first < end}
        return max(sum(first <= day < last for first, last in self.spans) for day in days)


class Bookings:
    """Fills a house for a span of arrivals, never beyond its rooms at any moment of selling."""

    def __init__(self, room_types: Sequence[RoomType], *, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._guests = Guests(self._random)
        self._types = list(room_types)
        self._held: dict[tuple[str, date], _Held] = {}
        self._made: list[MadeBooking] = []

    def fill(self, first: date, last: date, *, occupancy: float = 0.8) -> list[MadeBooking]:
        """Bookings that arrive from `first` to `last`, ordered by the day they were made.

        `occupancy` is the share of room-nights of the window that are slept in, as far as the
        lengths of stay allow.
        """
        days = (last - first).days + 1
        wanted = occupancy * days * sum(one.rooms for one in self._types)
        slept = 0
        while slept < wanted:
            # The fate comes first: choosing it again after a full night would favour those that
            # cancel, because they hold a room for a shorter time.
            fate = self._random.choices(
                list(Fate), [1 - CANCELED_SHARE - NO_SHOW_SHARE, CANCELED_SHARE, NO_SHOW_SHARE]
            )[0]
            tries = (self._make(first, days, fate) for _ in range(FULL_AFTER))
            booking = next((one for one in tries if one is not None), None)
            if booking is None:
                break
            self._made.append(booking)
            if booking.fate is Fate.STAYS:
                inside = min(booking.departure, last + timedelta(days=1)) - booking.arrival
                slept += inside.days
        return sorted(self._made, key=lambda one: (one.booked_on, one.number))

    def _make(self, first: date, days: int, fate: Fate) -> MadeBooking | None:
        pick = self._random
        kind = pick.choices(self._types, [one.rooms for one in self._types])[0]
        arrival = first + timedelta(days=pick.randrange(days))
        nights = pick.choices(range(1, len(STAY_WEIGHTS) + 1), STAY_WEIGHTS)[0]
        lead = min(int(LEAD_MEDIAN_DAYS * math.exp(pick.gauss(0, LEAD_SPREAD))), LEAD_DAYS_MAX)
        booked_on = arrival - timedelta(days=lead)
        cancelled_on = None
        if fate is Fate.CANCELS:
            cancelled_on = booked_on + timedelta(days=pick.randint(0, lead))
        departure = arrival + timedelta(days=nights)
        if not self._hold(kind, arrival, departure, booked_on, cancelled_on or departure):
            return None
        channel = pick.choices(list(CHANNEL_WEIGHTS), list(CHANNEL_WEIGHTS.values()))[0]
        adults, children = self._party(kind.capacity)
        number = len(self._made) + 1
        return MadeBooking(
            number=number,
            guest=self._guests.next(),
            room_type=kind.code,
            arrival=arrival,
            nights=nights,
            adults=adults,
            children=children,
            booked_on=booked_on,
            channel=channel,
            channel_number=f"{channel[:2].upper()}{pick.randrange(10**8):08d}",
            nights_minor=self._prices(kind, arrival, nights),
            fate=fate,
            cancelled_on=cancelled_on,
            arrives_minute=min(max(int(pick.gauss(17.5 * 60, 150)), 12 * 60), 24 * 60 - 1),
            paid_elsewhere=channel in COLLECTS,
        )

    def _hold(self, kind: RoomType, arrival: date, departure: date, begin: date, end: date) -> bool:
        stay = [arrival + timedelta(days=index) for index in range((departure - arrival).days)]
        helds = [self._held.setdefault((kind.code, night), _Held([])) for night in stay]
        # Cancelled on the day it was booked: it holds that one day.
        end = max(end, begin + timedelta(days=1))
        if any(held.most(begin, end) >= kind.rooms for held in helds):
            return False
        for held in helds:
            held.spans.append((begin, end))
        return True

    def _party(self, capacity: int) -> tuple[int, int]:
        adults = min(self._random.choices((1, 2, 3, 4), (20, 74, 5, 1))[0], capacity)
        room = capacity - adults
        if room > 0 and self._random.random() < 0.1:
            return adults, self._random.randint(1, min(room, 2))
        return adults, 0

    def _prices(self, kind: RoomType, arrival: date, nights: int) -> tuple[int, ...]:
        mood = self._random.uniform(0.85, 1.15)
        prices = []
        for index in range(nights):
            day = arrival + timedelta(days=index)
            rate = kind.rate_minor * SEASON[day.month - 1] * WEEKDAY[day.weekday()] * mood
            # Prices end in whole units, as people set them.
            prices.append(max(round(rate / 100), 1) * 100)
        return tuple(prices)


def put_into(
    store: MewsStore, booking: MadeBooking, category: Category, *, room_id: str | None = None
) -> Reservation:
    """Let a channel sell one booking into the PMS cloud, in Mews' shape."""
    guest = booking.guest
    customer = store.put_customer(
        guest.last_name,
        guest.first_name,
        email=guest.email,
        nationality=guest.nationality,
        language=guest.language,
    )
    direct = booking.channel is Channel.DIRECT
    return store.put_reservation(
        customer_id=customer.id,
        category_id=category.id,
        start_s=store.arrival_s(booking.arrival),
        end_s=store.departure_s(booking.departure),
        nights_minor=booking.nights_minor,
        adults=booking.adults,
        children=booking.children,
        state=State.CONFIRMED,
        origin=Origin.DISTRIBUTOR if direct else Origin.CHANNEL_MANAGER,
        channel=str(booking.channel),
        channel_number=booking.channel_number,
        room_id=room_id,
        created_s=min(store.arrival_s(booking.booked_on), store.now_s()),
        paid_elsewhere=booking.paid_elsewhere,
    )


def seed_house(store: MewsStore, room_types: Sequence[RoomType]) -> dict[str, Category]:
    """Room types and numbered rooms in the PMS cloud: 101, 102, ... ten on each floor."""
    categories: dict[str, Category] = {}
    number = 0
    for kind in room_types:
        category = store.add_category(kind.code, short=kind.code, capacity=kind.capacity)
        categories[kind.code] = category
        for _ in range(kind.rooms):
            floor, door = divmod(number, 10)
            store.add_room(f"{floor + 1}{door + 1:02d}", category, floor=str(floor + 1))
            number += 1
    return categories


def seed_bookings(
    store: MewsStore,
    bookings: Sequence[MadeBooking],
    categories: dict[str, Category],
    today: date,
) -> dict[int, Reservation]:
    """Put every booking made until `today` into the cloud, cancellations until today included.

    Returns the reservations by the booking's number; who is in house already is for the caller to
    check in at the desk.
    """
    put: dict[int, Reservation] = {}
    for booking in bookings:
        if booking.booked_on > today:
            continue
        one = put_into(store, booking, categories[booking.room_type])
        put[booking.number] = one
        if booking.cancelled_on is not None and booking.cancelled_on <= today:
            store.cancel_reservation(one.id, CancellationReason.REQUESTED_BY_GUEST)
    return put
