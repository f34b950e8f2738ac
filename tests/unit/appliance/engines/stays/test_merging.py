"""Promises of one booking with two masters: merged where it is safe, decided point by point where not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.stays.messages import (
    AssignRoom,
    ChangeDeparture,
    CheckIn,
    ConflictItem,
    ConflictRaised,
    ItemField,
    Refusal,
    SettleConflict,
)
from appliance.kernel.messages import Origin, Who
from support.desk import CLERK, FRIDAY_18_MS, SYNC
from support.hotel import Hotel, booking, day, priced


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def told(hotel: Hotel, version: int, **more: Any) -> None:
    """The PMS says something, and when it was so over there."""
    origin = Origin(
        source="pms", upstream_id="up-1", version=str(version), occurred_at_ms=FRIDAY_18_MS - 60_000
    )
    hotel.done(booking(upstream_version=str(version), **more), SYNC, origin=origin)


def extended(hotel: Hotel) -> str:
    """A booking of two nights, not here yet, which the desk has made three."""
    stay_id = hotel.learned()
    longer = ChangeDeparture(
        stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3), 12_000)
    )
    hotel.done(longer)
    return stay_id


def raised(hotel: Hotel) -> ConflictRaised:
    [found] = [each.event for each in hotel.facts if isinstance(each.event, ConflictRaised)][-1:]
    return found


def dates_of(hotel: Hotel, stay_id: str) -> tuple[date, date]:
    [(first, last)] = hotel.rows(
        "SELECT arrival, departure FROM stays_stay WHERE stay_id = ?", stay_id
    )
    return date.fromisoformat(first), date.fromisoformat(last)


def settle(hotel: Hotel, *accept: ItemField) -> SettleConflict:
    conflict = raised(hotel)
    return SettleConflict(
        stay_id=conflict.stay_id,
        conflict_id=conflict.conflict_id,
        take_upstream=False,
        accept=accept,
    )


def test_what_only_the_pms_changed_is_taken(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    told(hotel, 2, departure=day(4))
    assert dates_of(hotel, stay_id) == (day(0), day(4))
    assert hotel.conflicts(stay_id) == []


def test_what_both_changed_alike_is_no_conflict(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, departure=day(3))
    assert hotel.conflicts(stay_id) == []
    assert len(hotel.held(stay_id)) == 3


def test_a_departure_that_both_changed_waits_with_both_versions_and_who_and_when(
    hotel: Hotel,
) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, departure=day(5))
    assert [what for _, what in hotel.conflicts(stay_id)] == ["dates_changed_here"]
    assert dates_of(hotel, stay_id) == (day(0), day(3))
    assert raised(hotel).upstream_version == "2"
    assert raised(hotel).items == (
        ConflictItem(
            field=ItemField.DEPARTURE,
            box_says=str(day(3)),
            upstream_says=str(day(5)),
            box_by=CLERK.actor,
            box_terminal="desk-1",
            box_at_ms=FRIDAY_18_MS,
            upstream_at_ms=FRIDAY_18_MS - 60_000,
        ),
    )


def test_the_harmless_parts_are_taken_beside_a_dispute(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, departure=day(5), channel="web", adults=1, eta="22:30", note="cot, please")
    [row] = hotel.rows("SELECT channel, adults, eta FROM stays_stay")
    assert row == ("web", 1, "22:30")
    assert hotel.rows("SELECT count(*) FROM stays_note") == [(1,)]
    assert len(hotel.conflicts(stay_id)) == 1


def test_a_changed_note_is_added_once_and_an_unchanged_one_never_again(hotel: Hotel) -> None:
    hotel.learned(note="cot")
    told(hotel, 2, note="cot", eta="20:00")
    told(hotel, 3, note="cot and a high chair")
    assert hotel.rows("SELECT count(*) FROM stays_note") == [(2,)]


def test_each_point_is_taken_or_kept_by_itself(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    hotel.done(AssignRoom(stay_id=stay_id, room_id="r101"))
    told(hotel, 2, room_id="r102", departure=day(5))
    told(hotel, 3, room_id="r103", departure=day(5))
    conflict = raised(hotel)
    assert conflict.what == "booking_changed_here"
    assert [item.field for item in conflict.items] == [ItemField.DEPARTURE, ItemField.ROOM]
    assert len(hotel.conflicts(stay_id)) == 1  # what the older one asked is in the new one
    hotel.done(settle(hotel, ItemField.ROOM))
    assert hotel.room_of(stay_id) == "r103"
    assert dates_of(hotel, stay_id) == (day(0), day(3))
    decided = "SELECT took_upstream, accepted FROM stays_conflict WHERE accepted IS NOT NULL"
    assert hotel.rows(decided) == [(1, '["room"]')]


def test_dates_that_are_taken_move_the_nights_and_keep_the_room(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    hotel.done(AssignRoom(stay_id=stay_id, room_id="r101"))
    told(hotel, 2, departure=day(5))
    hotel.done(settle(hotel, ItemField.DEPARTURE))
    assert dates_of(hotel, stay_id) == (day(0), day(5))
    assert len(hotel.held(stay_id)) == len(hotel.claims(stay_id)) == 5


def test_nothing_accepted_keeps_the_boxs_version(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, departure=day(5))
    hotel.done(settle(hotel))
    assert dates_of(hotel, stay_id) == (day(0), day(3))
    assert hotel.conflicts(stay_id) == []
    told(hotel, 3, departure=day(5), channel="web")
    assert hotel.conflicts(stay_id) == []  # a person has answered this


def test_a_point_that_is_not_in_the_conflict_is_refused(hotel: Hotel) -> None:
    extended(hotel)
    told(hotel, 2, departure=day(5))
    assert hotel.refused(settle(hotel, ItemField.PRICE)) == Refusal.UNKNOWN_ITEM


def test_a_dispute_ends_by_itself_when_the_pms_gives_in(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, departure=day(5))
    told(hotel, 3, departure=day(3))
    assert hotel.conflicts(stay_id) == []


def test_the_price_of_a_night_that_both_changed_is_disputed(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    three = (*priced(day(0), day(2)), *priced(day(2), day(3), 11_000))
    told(hotel, 2, departure=day(3), nights=three)
    assert hotel.conflicts(stay_id) == []  # the PMS bills: its price of a new night is taken
    shorter = ChangeDeparture(stay_id=stay_id, departure=day(2))
    hotel.done(shorter)
    again = ChangeDeparture(
        stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3), 9_000)
    )
    hotel.done(again)
    dearer = (*priced(day(0), day(2)), *priced(day(2), day(3), 13_000))
    told(hotel, 3, departure=day(3), nights=dearer)
    [item] = raised(hotel).items
    assert (item.field, item.box_says) == (ItemField.PRICE, f"{day(2)}: 90.00 EUR")
    hotel.done(settle(hotel, ItemField.PRICE))
    assert hotel.rows("SELECT amount_minor FROM stays_night ORDER BY night")[-1] == (13_000,)


def test_several_points_of_a_guest_in_house_are_one_conflict(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"), Who(actor="staff:b", role=CLERK.role))
    told(hotel, 2, departure=day(4), room_id="r102")
    assert raised(hotel).what == "booking_in_house"
    assert [item.box_by for item in raised(hotel).items] == [None, "staff:b"]
    hotel.done(settle(hotel, ItemField.DEPARTURE, ItemField.ROOM))
    assert (hotel.room_of(stay_id), dates_of(hotel, stay_id)[1]) == ("r102", day(4))
    assert len(hotel.claims(stay_id)) == 4


def test_dates_that_cross_are_not_taken_by_halves(hotel: Hotel) -> None:
    stay_id = extended(hotel)
    told(hotel, 2, arrival=day(6), departure=day(8))
    assert dates_of(hotel, stay_id) == (day(0), day(3))
    assert [item.field for item in raised(hotel).items] == [ItemField.ARRIVAL, ItemField.DEPARTURE]
    assert hotel.refused(settle(hotel, ItemField.ARRIVAL)) == Refusal.BAD_DATES
    hotel.done(settle(hotel, ItemField.ARRIVAL, ItemField.DEPARTURE))
    assert dates_of(hotel, stay_id) == (day(6), day(8))
