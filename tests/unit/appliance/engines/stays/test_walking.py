"""Promises of a full house: who is asked first, what is offered first, and by when it is decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.stays import inbox
from appliance.engines.stays.messages import (
    CancelStay,
    ChangeDeparture,
    CheckIn,
    ConflictOverdue,
    LinkUpstream,
    Refusal,
    Rehouse,
    RemindConflict,
    StayCancelled,
    StayState,
    WalkGuest,
)
from appliance.engines.stays.walking import Way
from appliance.kernel.messages import Who
from appliance.kernel.reader import open_reader
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, SYNC
from support.hotel import Hotel, booking, day, priced, walk_in

MINUTE_MS = 60_000


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def walk(stay_id: str, **more: Any) -> WalkGuest:
    fields = {"where_to": "Hotel Post", "cost_minor": 9_000, "currency": "EUR"}
    return WalkGuest(stay_id=stay_id, **{**fields, **more})


def full(hotel: Hotel) -> dict[str, str]:
    """Three doubles, one guest in house, and four more who are expected; by what they are."""
    stays = {"here": hotel.learned("here", channel="booking.com", nights=priced(day(0), day(2), 1))}
    hotel.done(CheckIn(stay_id=stays["here"], room_id="r101"))
    expected: dict[str, dict[str, Any]] = {
        "late": {"eta": "23:00"},
        "ota": {"channel": "booking.com", "departure": day(1)},
        "direct": {"channel": "direct", "departure": day(1)},
        "cheap": {"channel": "direct", "departure": day(1), "nights": priced(day(0), day(1), 100)},
    }
    for name, more in expected.items():
        stays[name] = hotel.learned(name, **more)
    return stays


async def crowded(hotel: Hotel, tmp_path: Path) -> list[inbox.Crowded]:
    async with open_reader(tmp_path / "log.db") as reader:
        return await inbox.crowded(reader, day(0))


async def test_who_arrives_last_for_one_night_cheaply_from_a_portal_is_asked_first(
    hotel: Hotel, tmp_path: Path
) -> None:
    stays = full(hotel)
    [tonight] = await crowded(hotel, tmp_path)
    assert (tonight.rooms, tonight.held, tonight.in_house) == (3, 5, 1)
    asked = [each.stay_id for each in tonight.candidates]
    assert asked == [stays[name] for name in ("late", "cheap", "ota", "direct")]
    assert stays["here"] not in asked


async def test_a_better_room_is_offered_before_another_house(hotel: Hotel, tmp_path: Path) -> None:
    full(hotel)
    hotel.db.execute("UPDATE stays_room_type SET rate_minor = 30000 WHERE room_type_id = 'suite'")
    [tonight] = await crowded(hotel, tmp_path)
    async with open_reader(tmp_path / "log.db") as reader:
        ways = await inbox.ways_out(reader, tonight.candidates[1], day(0))
    assert [each.way for each in ways] == [Way.UPGRADE, Way.WALK]
    assert ways[0].kind is not None
    assert (ways[0].kind.room_type_id, ways[0].kind.room_id) == ("suite", "r201")


def test_a_better_room_at_the_same_price_ends_the_conflict(hotel: Hotel) -> None:
    stays = [hotel.learned(f"up-{number}") for number in range(4)]
    assert hotel.conflicts(stays[3]) != []
    result = hotel.done(Rehouse(stay_id=stays[0], room_type_id="suite"))
    assert result["room_id"] == "r201"
    assert hotel.conflicts(stays[3]) == []
    sold = hotel.rows(
        "SELECT room_type_id, nights_total_minor FROM stays_stay WHERE stay_id = ?", stays[0]
    )
    assert sold == [("double", 20_000)]
    again = Rehouse(stay_id=stays[0], room_type_id="suite", room_id="r201")
    assert hotel.refused(again) == Refusal.SAME_ROOM


def test_a_room_that_is_not_there_is_refused_by_name(hotel: Hotel) -> None:
    stays = [hotel.learned(f"up-{number}", arrival=day(number % 2)) for number in range(4)]
    hotel.done(Rehouse(stay_id=stays[0], room_type_id="suite"))
    refusals = {
        Rehouse(stay_id=stays[2], room_type_id="suite"): Refusal.NO_FREE_ROOM,
        Rehouse(stay_id=stays[2], room_type_id="tent"): Refusal.UNKNOWN_ROOM_TYPE,
        Rehouse(stay_id=stays[2], room_type_id="suite", room_id="r101"): Refusal.UNKNOWN_ROOM,
        Rehouse(stay_id="x", room_type_id="suite"): Refusal.UNKNOWN_STAY,
    }
    for command, refusal in refusals.items():
        assert hotel.refused(command) == refusal


def test_a_walk_is_a_managers_act_that_says_where_and_what_it_costs(hotel: Hotel) -> None:
    stays = [hotel.learned(f"up-{number}") for number in range(4)]
    assert hotel.refused(walk(stays[3])) == Refusal.NEEDS_MANAGER
    assert hotel.refused(walk(stays[3], where_to=" "), MANAGER) == Refusal.EMPTY
    assert hotel.refused(walk(stays[3], cost_minor=-1), MANAGER) == Refusal.BAD_AMOUNT
    assert hotel.refused(walk(stays[3], currency="euros"), MANAGER) == Refusal.BAD_AMOUNT
    card = "4242 4242 4242 4242"
    assert hotel.refused(walk(stays[3], where_to=card), MANAGER) == Refusal.CARD_NUMBER
    hotel.done(walk(stays[3]), Who(actor="staff:c", role=CLERK.role, approved_by="manager"))
    assert hotel.state_of(stays[3]) == StayState.CANCELLED
    assert hotel.conflicts(stays[3]) == []
    assert hotel.rows("SELECT cost_minor, currency, nights FROM stays_walk") == [(9_000, "EUR", 2)]
    # The PMS is told as of any cancellation of ours.
    [ended] = [each.event for each in hotel.facts if isinstance(each.event, StayCancelled)]
    assert not ended.by_upstream


def test_a_guest_in_house_is_never_walked(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    assert hotel.refused(walk(stay_id), MANAGER) == Refusal.ALREADY_IN_HOUSE
    moved = Rehouse(stay_id=stay_id, room_type_id="suite")
    assert hotel.refused(moved) == Refusal.ALREADY_IN_HOUSE


# 18:00 UTC is 19:00 in Vienna: an arrival at 23:30 tomorrow is 28.5 hours away.
@pytest.mark.parametrize(
    ("ahead", "eta", "minutes"),
    [(0, "", 30), (1, "15:00", 30), (1, "23:30", 4 * 60 + 60), (3, "", 44 * 60 + 30)],
)
def test_the_clock_runs_from_a_day_before_the_arrival(
    hotel: Hotel, ahead: int, eta: str, minutes: int
) -> None:
    for number in range(4):
        hotel.learned(f"up-{number}", arrival=day(ahead), eta=eta)
    [(by_ms,)] = hotel.rows("SELECT decide_by_ms FROM stays_conflict")
    assert (by_ms - FRIDAY_18_MS) // MINUTE_MS == minutes


async def test_when_the_time_runs_out_it_is_said_once(hotel: Hotel) -> None:
    *_, last = [hotel.learned(f"up-{number}") for number in range(4)]
    [(conflict_id, _)] = hotel.conflicts(last)
    remind = RemindConflict(stay_id=last, conflict_id=conflict_id)
    hotel.done(remind, BOX)
    assert hotel.rows("SELECT overdue_at_ms FROM stays_conflict") == [(None,)]
    await hotel.clock.advance(30 * 60)
    hotel.done(remind, BOX)
    hotel.done(remind, BOX)
    assert len([each for each in hotel.facts if isinstance(each.event, ConflictOverdue)]) == 1
    unknown = RemindConflict(stay_id=last, conflict_id="x")
    assert hotel.refused(unknown, BOX) == Refusal.UNKNOWN_CONFLICT
    assert hotel.refused(RemindConflict(stay_id="x", conflict_id="x"), BOX) == Refusal.UNKNOWN_STAY


# -- three dark days -------------------------------------------------------------------------------


class DarkHouse(Hotel):
    """Sixty doubles; 58 are booked when the line goes, and a guest is in one of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, doubles=60, allotment=6)
        self.versions: dict[str, int] = {}

    def told(self, upstream_id: str, **more: Any) -> str:
        version = self.versions[upstream_id] = self.versions.get(upstream_id, 0) + 1
        return self.learned(upstream_id, upstream_version=str(version), **more)

    def open_conflicts(self) -> list[str]:
        return [
            str(what)
            for (what,) in self.rows("SELECT what FROM stays_conflict WHERE settled_at_ms IS NULL")
        ]


def test_after_three_dark_days_exactly_the_four_conflicts_that_are_there(tmp_path: Path) -> None:
    """anchors.md 5.5 P1: 40 sold, 15 changed, 15 cancelled outside; three sales and a stay collide."""
    hotel = DarkHouse(tmp_path)
    week = [day(number) for number in range(10)]
    # Before the dark: a guest in house until the third day, 57 for tonight, bookings for later.
    guest = hotel.told("in-house", departure=week[3], channel="direct")
    hotel.done(CheckIn(stay_id=guest, room_id="r101"))
    for number in range(57):
        hotel.told(f"now-{number}", departure=week[3])
    for number in range(30):
        hotel.told(f"later-{number}", arrival=week[5], departure=week[6])
    for number in range(59):  # the third night is as good as full
        hotel.told(f"third-{number}", arrival=week[3], departure=week[4])
    for number in range(59):
        hotel.told(f"sixth-{number}", arrival=week[6], departure=week[7])
    # Dark. The desk sells the last two of tonight and one of another night; the guest stays longer.
    sold = [hotel.sell(departure=week[1])["stay_id"] for _ in range(2)]
    sold.append(hotel.sell(arrival=week[6], departure=week[7])["stay_id"])
    hotel.done(
        ChangeDeparture(stay_id=guest, departure=week[4], added_nights=priced(week[3], week[4]))
    )
    assert hotel.open_conflicts() == []  # inside the allotment nobody is asked
    # The line is back: 40 sales, of which three collide with the desk's and one with the guest's.
    hotel.told("new-tonight-0", departure=week[1], channel="booking.com")
    hotel.told("new-tonight-1", departure=week[1], channel="booking.com")
    hotel.told("new-sixth", arrival=week[6], departure=week[7], channel="booking.com")
    hotel.told("new-third", arrival=week[3], departure=week[4], channel="booking.com")
    for number in range(36):
        hotel.told(f"new-{number}", arrival=week[8], departure=week[9], channel="booking.com")
    for number in range(15):
        hotel.told(f"later-{number}", arrival=week[5], departure=week[6], channel="web", adults=1)
    for number in range(15, 30):
        hotel.told(f"later-{number}", arrival=week[5], departure=week[6], state=StayState.CANCELLED)
    # Our own sales are taken over by the PMS, the extension too; then everything once more.
    for number, stay_id in enumerate(sold):
        link = LinkUpstream(
            stay_id=stay_id,
            source="pms",
            upstream_id=f"ours-{number}",
            upstream_version="1",
            code="C",
        )
        hotel.done(link, SYNC)
    hotel.told("in-house", departure=week[4], state=StayState.IN_HOUSE, room_id="r101")
    facts = len(hotel.facts)
    for number in range(36):
        hotel.done(
            booking(f"new-{number}", arrival=week[8], departure=week[9], channel="booking.com"),
            SYNC,
        )
    assert len(hotel.facts) == facts  # an echo is nothing
    assert hotel.open_conflicts() == ["overbooked"] * 4
    stays = hotel.rows("SELECT count(*), count(DISTINCT upstream_id) FROM stays_stay")
    assert stays[0][0] == stays[0][1]  # nothing is there twice
    assert hotel.rows("SELECT count(*) FROM calendar_hold WHERE confirmed = 0") == [(0,)]
    hotel.close()


def test_a_cancelled_collision_is_none(hotel: Hotel) -> None:
    *_, last = [hotel.learned(f"up-{number}") for number in range(4)]
    hotel.done(CancelStay(stay_id=last, reason="found another house"))
    assert hotel.conflicts(last) == []
    assert hotel.refused(walk_in(departure=day(0) + timedelta(days=1))) == "sold_out"
