"""Made-up bookings look like a real hotel's, fit the house, and come again from the same seed."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from appliance.kernel.virtual_clock import VirtualClock
from twin.bookings import (
    Bookings,
    Fate,
    MadeBooking,
    RoomType,
    seed_bookings,
    seed_house,
)
from twin.clouds.mews import MewsStore, State
from twin.journal import Journal

TYPES = (
    RoomType(code="STD", rooms=16, capacity=2, rate_minor=10_500),
    RoomType(code="SUP", rooms=6, capacity=3, rate_minor=14_500),
    RoomType(code="SUI", rooms=2, capacity=4, rate_minor=22_500),
)
FIRST, LAST = date(2026, 10, 1), date(2027, 3, 31)
TODAY = date(2026, 10, 30)
FRIDAY_18_MS = 1_793_383_200_000


@pytest.fixture(scope="module")
def made() -> list[MadeBooking]:
    return Bookings(TYPES, seed=3).fill(FIRST, LAST)


def test_the_same_seed_makes_the_same_bookings_and_another_does_not(
    made: list[MadeBooking],
) -> None:
    assert Bookings(TYPES, seed=3).fill(FIRST, LAST) == made
    assert Bookings(TYPES, seed=4).fill(FIRST, LAST) != made


def test_proportions_are_those_of_a_city_hotel(made: list[MadeBooking]) -> None:
    fates = Counter(one.fate for one in made)
    assert 0.34 < fates[Fate.CANCELS] / len(made) < 0.42
    assert 0.005 < fates[Fate.NO_SHOW] / len(made) < 0.02
    leads = sorted((one.arrival - one.booked_on).days for one in made)
    assert 25 < leads[len(leads) // 2] < 80
    mean = sum(one.nights for one in made) / len(made)
    assert 2.3 < mean < 3.6
    assert len({one.channel for one in made}) == 6


def test_no_night_is_ever_sold_more_often_than_there_are_rooms(made: list[MadeBooking]) -> None:
    rooms = {one.code: one.rooms for one in TYPES}
    for today in (FIRST - timedelta(days=30), TODAY, date(2027, 1, 15)):
        sold: Counter[tuple[str, date]] = Counter()
        for one in made:
            gone = one.cancelled_on is not None and one.cancelled_on <= today
            if one.booked_on <= today and not gone:
                for index in range(one.nights):
                    sold[one.room_type, one.arrival + timedelta(days=index)] += 1
        assert all(count <= rooms[code] for (code, _), count in sold.items())


def test_each_booking_can_be_one(made: list[MadeBooking]) -> None:
    capacity = {one.code: one.capacity for one in TYPES}
    for one in made:
        assert one.nights == len(one.nights_minor) >= 1
        assert 1 <= one.adults + one.children <= capacity[one.room_type]
        assert all(price > 0 and price % 100 == 0 for price in one.nights_minor)
        assert one.booked_on <= one.arrival
        assert (one.cancelled_on is not None) is (one.fate is Fate.CANCELS)
        assert one.cancelled_on is None or one.booked_on <= one.cancelled_on <= one.arrival


def test_guests_have_names_of_many_tongues_and_some_share_one(made: list[MadeBooking]) -> None:
    names = Counter((one.guest.first_name, one.guest.last_name) for one in made)
    lasts = {one.guest.last_name for one in made}
    assert {"O'Neil", "García-López"} <= lasts
    assert any(not name.isascii() for name in lasts)
    assert any(count > 1 for count in names.values())
    emails = [one.guest.email for one in made]
    assert len(set(emails)) == len(emails)
    assert all(email.isascii() and email.endswith("@example.com") for email in emails)


def test_seasons_and_weekends_have_their_price(made: list[MadeBooking]) -> None:
    nights = [
        (one.arrival + timedelta(days=index), price)
        for one in made
        if one.room_type == "STD"
        for index, price in enumerate(one.nights_minor)
    ]
    by_day: dict[int, list[int]] = {}
    for day, price in nights:
        by_day.setdefault(day.weekday(), []).append(price)
    means = {day: sum(prices) / len(prices) for day, prices in by_day.items()}
    assert means[5] > means[1] > means[6]


def test_the_cloud_knows_what_was_booked_and_cancelled_until_today(
    made: list[MadeBooking],
) -> None:
    clock = VirtualClock(FRIDAY_18_MS)
    journal = Journal(clock=clock)
    store = MewsStore(clock, journal)
    put = seed_bookings(store, made, seed_house(store, TYPES), TODAY)
    assert len(store.rooms) == 24
    assert set(put) == {one.number for one in made if one.booked_on <= TODAY}
    gone = {
        one.number for one in made if one.cancelled_on is not None and one.cancelled_on <= TODAY
    }
    assert {number for number, one in put.items() if one.state is State.CANCELED} == gone
    assert journal.count("pms.reservation.added") == len(put)
    assert journal.count("pms.reservation.canceled") == len(gone)
