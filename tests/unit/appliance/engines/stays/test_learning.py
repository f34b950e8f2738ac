"""Promises of what the box learns from the PMS: nothing lost, nothing overwritten in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.calendar.messages import Refusal as CalendarRefusal
from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.stays.messages import (
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    LinkUpstream,
    NoteOverbooked,
    Refusal,
    RunNightAudit,
    SettleConflict,
    StayState,
    UndoCheckIn,
    UpstreamSeen,
)
from appliance.kernel.messages import Origin
from support.desk import BOX, SYNC
from support.hotel import GUEST, Hotel, booking, day, priced


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def here(hotel: Hotel, **more: Any) -> str:
    """A stay in house in room 101."""
    stay_id = hotel.learned(**more)
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.facts.clear()
    return stay_id


def stay_facts(hotel: Hotel) -> list[str]:
    """The facts of stays so far, by name."""
    kinds = [kind for kind in hotel.events() if kind.startswith("stays.")]
    return [kind.split(".")[1] for kind in kinds]


def settle(hotel: Hotel, stay_id: str, *, take: bool) -> SettleConflict:
    [(conflict_id, _)] = hotel.conflicts(stay_id)
    return SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=take)


def test_a_booking_becomes_a_stay_with_its_nights_held(hotel: Hotel) -> None:
    stay_id = hotel.learned(note="cot, please")
    assert stay_facts(hotel) == ["booked", "note_added"]
    assert hotel.held(stay_id) == [("double", str(day(0))), ("double", str(day(1)))]


def test_the_origin_is_written_beside_what_was_learned(hotel: Hotel) -> None:
    origin = Origin(source="pms", upstream_id="up-1", version="1", occurred_at_ms=1)
    hotel.done(booking(), SYNC, origin=origin)
    assert all(fact.origin == origin for fact in hotel.facts)


def test_a_booking_learned_twice_is_one_stay(hotel: Hotel) -> None:
    first = hotel.learned()
    facts = len(hotel.facts)
    again = hotel.learn()
    assert again == {"stay_id": first, "news": False}
    assert len(hotel.facts) == facts


@pytest.mark.parametrize(
    ("known", "late"),
    [("10", "9"), ("2026-10-30T10:00:01Z", "2026-10-30T10:00:01Z"), ("b", "a")],
)
def test_an_older_version_changes_nothing(hotel: Hotel, known: str, late: str) -> None:
    stay_id = hotel.learned(upstream_version=known)
    facts = len(hotel.facts)
    content: dict[str, Any] = {} if known == late else {"departure": day(5)}
    assert hotel.learn(upstream_version=late, **content)["news"] is False
    assert len(hotel.facts) == facts
    assert len(hotel.held(stay_id)) == 2


def test_an_equal_version_with_other_content_is_applied(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.learn(departure=day(3))
    assert len(hotel.held(stay_id)) == 3


def test_a_fraction_of_a_second_is_newer_than_the_whole_one(hotel: Hotel) -> None:
    stay_id = hotel.learned(upstream_version="2026-10-30T10:00:00Z")
    hotel.learn(upstream_version="2026-10-30T10:00:00.5Z", departure=day(3))
    assert len(hotel.held(stay_id)) == 3


def test_the_echo_of_our_own_act_is_seen_and_changes_nothing(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", state=StayState.IN_HOUSE, room_id="r101")
    assert stay_facts(hotel) == ["upstream_seen"]
    assert hotel.conflicts(stay_id) == []
    hotel.done(CheckOut(stay_id=stay_id))
    hotel.facts.clear()
    hotel.learn(upstream_version="3", state=StayState.DEPARTED, room_id="r101")
    assert stay_facts(hotel) == ["upstream_seen"]


def test_a_pms_that_lags_behind_the_desk_overwrites_nothing(hotel: Hotel) -> None:
    stay_id = here(hotel)
    longer = ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    hotel.done(longer)
    hotel.facts.clear()
    hotel.learn(upstream_version="2")
    assert stay_facts(hotel) == ["upstream_seen"]
    assert len(hotel.claims(stay_id)) == 3
    hotel.learn(upstream_version="3", departure=day(3), nights=priced(day(0), day(3)))
    assert hotel.conflicts(stay_id) == []


def test_changed_dates_move_the_nights_and_keep_the_room_where_it_is_free(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", arrival=day(1), departure=day(4))
    assert [night for _, night in hotel.claims(stay_id)] == [str(day(n)) for n in (1, 2, 3)]
    assert [night for _, night in hotel.held(stay_id)] == [str(day(n)) for n in (1, 2, 3)]


def test_a_room_that_is_not_free_on_the_new_dates_is_given_back(hotel: Hotel) -> None:
    stay_id = hotel.learned("up-1", room_id="r101")
    hotel.learned("up-2", room_id="r101", arrival=day(2))
    hotel.learn("up-1", upstream_version="2", room_id="r101", departure=day(3))
    assert hotel.room_of(stay_id) is None
    assert hotel.claims(stay_id) == []
    assert len(hotel.held(stay_id)) == 3


def test_another_room_type_gives_the_room_of_the_old_type_back(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", room_type_id="suite")
    assert hotel.room_of(stay_id) is None
    assert {kind for kind, _ in hotel.held(stay_id)} == {"suite"}


def test_two_bookings_in_one_room_upstream_are_a_conflict_and_no_exception(hotel: Hotel) -> None:
    hotel.learned("up-1", room_id="r101")
    second = hotel.learned("up-2", room_id="r101", arrival=day(1))
    assert hotel.state_of(second) == StayState.CONFIRMED
    assert [what for _, what in hotel.conflicts(second)] == ["room_taken"]
    assert hotel.refused(settle(hotel, second, take=True)) == CalendarRefusal.ROOM_TAKEN
    hotel.done(settle(hotel, second, take=False))
    assert hotel.conflicts(second) == []


def test_a_room_the_box_has_never_heard_of_is_a_conflict(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r999")
    assert [what for _, what in hotel.conflicts(stay_id)] == ["unknown_room"]


def test_an_overbooked_pms_is_believed_and_shown(hotel: Hotel) -> None:
    stays = [hotel.learned(f"up-{number}") for number in range(4)]
    assert [what for _, what in hotel.conflicts(stays[3])] == ["overbooked"]
    assert hotel.conflicts(stays[2]) == []
    assert hotel.deciding.faults == {}


def test_the_past_cannot_be_overbooked(hotel: Hotel) -> None:
    past = {"arrival": day(-3), "departure": day(-1), "state": StayState.DEPARTED}
    stays = [hotel.learned(f"up-{number}", **past) for number in range(5)]
    gone = NoteOverbooked(stay_id=stays[0], room_type_id="double", nights=(day(-3),))
    hotel.done(gone, BOX)
    assert hotel.rows("SELECT count(*) FROM stays_conflict") == [(0,)]


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (StayState.CANCELLED, StayState.CANCELLED),
        (StayState.NO_SHOW, StayState.NO_SHOW),
        (StayState.DEPARTED, StayState.DEPARTED),
        (StayState.IN_HOUSE, StayState.IN_HOUSE),
    ],
)
def test_history_the_box_has_not_seen_is_recorded_as_it_was(
    hotel: Hotel, state: StayState, becomes: StayState
) -> None:
    stay_id = hotel.learned(state=state, room_id="r101", arrival=day(-1), departure=day(2))
    assert hotel.state_of(stay_id) == becomes
    assert hotel.conflicts(stay_id) == []
    in_house = state is StayState.IN_HOUSE
    assert bool(hotel.claims(stay_id)) == in_house
    [(status,)] = hotel.rows("SELECT status FROM stays_room WHERE room_id = 'r101'")
    assert status == RoomStatus.CLEAN  # a departure of the past makes no room dirty


def test_a_cancelled_booking_with_the_mark_of_a_no_show_is_a_no_show(hotel: Hotel) -> None:
    stay_id = hotel.learned(state=StayState.CANCELLED, no_show=True)
    assert hotel.state_of(stay_id) == StayState.NO_SHOW


def test_who_is_in_house_without_a_room_waits_for_a_person(hotel: Hotel) -> None:
    stay_id = hotel.learned(state=StayState.IN_HOUSE)
    assert hotel.state_of(stay_id) == StayState.CONFIRMED
    assert [what for _, what in hotel.conflicts(stay_id)] == ["in_house_elsewhere"]


def test_a_check_in_at_the_pms_is_a_check_in(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.IN_HOUSE)
    assert hotel.state_of(stay_id) == StayState.IN_HOUSE


def test_the_echo_of_an_undone_check_in_checks_nobody_in(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.IN_HOUSE)
    hotel.done(UndoCheckIn(stay_id=stay_id, reason="namesake"))
    hotel.learn(upstream_version="3", room_id="r101", state=StayState.IN_HOUSE)
    assert hotel.state_of(stay_id) == StayState.CONFIRMED


@pytest.mark.parametrize("state", [StayState.CANCELLED, StayState.NO_SHOW, StayState.DEPARTED])
def test_a_guest_in_house_is_ended_by_no_master_but_a_person(
    hotel: Hotel, state: StayState
) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", state=state)
    assert hotel.state_of(stay_id) == StayState.IN_HOUSE
    assert len(hotel.claims(stay_id)) == 2
    assert [what for _, what in hotel.conflicts(stay_id)] == [f"{state.value}_in_house"]
    hotel.learn(upstream_version="3", state=state)
    assert len(hotel.conflicts(stay_id)) == 1
    hotel.done(settle(hotel, stay_id, take=True))
    assert hotel.state_of(stay_id) == StayState.DEPARTED
    assert hotel.claims(stay_id) == []


def test_a_person_may_keep_what_the_box_holds(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", state=StayState.CANCELLED)
    keep = settle(hotel, stay_id, take=False)
    hotel.done(keep)
    assert hotel.state_of(stay_id) == StayState.IN_HOUSE
    assert hotel.refused(keep) == Refusal.CONFLICT_SETTLED
    unknown = replace(keep, conflict_id="conflict_x")
    assert hotel.refused(unknown) == Refusal.UNKNOWN_CONFLICT


def test_changed_dates_of_a_guest_in_house_wait_for_a_person(hotel: Hotel) -> None:
    stay_id = here(hotel)
    news: dict[str, Any] = {
        "departure": day(4),
        "nights": priced(day(0), day(4), 11_000),
        "channel": "web",
    }
    hotel.learn(upstream_version="2", **news)
    assert [what for _, what in hotel.conflicts(stay_id)] == ["dates_in_house"]
    [(departure, channel)] = hotel.rows("SELECT departure, channel FROM stays_stay")
    assert (departure, channel) == (str(day(2)), "web")  # the harmless part is taken
    hotel.done(settle(hotel, stay_id, take=True))
    assert len(hotel.claims(stay_id)) == 4
    [(unconfirmed,)] = hotel.rows("SELECT count(*) FROM calendar_hold WHERE confirmed = 0")
    assert unconfirmed == 0


def test_dates_that_are_over_cannot_be_taken(hotel: Hotel) -> None:
    stay_id = here(hotel, departure=day(3))
    for closing in (day(0), day(1)):
        hotel.done(RunNightAudit(closing=closing))
    hotel.learn(upstream_version="2", departure=day(1))
    assert hotel.refused(settle(hotel, stay_id, take=True)) == Refusal.BAD_DATES


def test_another_room_for_a_guest_in_house_waits_for_a_person(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", room_id="r102")
    assert hotel.room_of(stay_id) == "r101"
    hotel.done(settle(hotel, stay_id, take=True))
    assert hotel.room_of(stay_id) == "r102"
    assert {room for room, _ in hotel.claims(stay_id)} == {"r102"}


def test_a_room_with_somebody_in_it_is_not_taken_on_the_pms_word(hotel: Hotel) -> None:
    stay_id = here(hotel)
    other = hotel.learned("up-2", departure=day(1))
    hotel.done(CheckIn(stay_id=other, room_id="r102"))
    hotel.learn(upstream_version="2", room_id="r102")
    assert hotel.refused(settle(hotel, stay_id, take=True)) == Refusal.ROOM_OCCUPIED


def test_another_room_type_of_a_guest_in_house_is_shown_and_left_to_hands(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learn(upstream_version="2", room_type_id="suite")
    assert [what for _, what in hotel.conflicts(stay_id)] == ["room_type_in_house"]
    hotel.done(settle(hotel, stay_id, take=True))
    assert {kind for kind, _ in hotel.held(stay_id)} == {"double"}


def test_the_echo_of_a_guest_who_left_on_the_day_of_arrival_has_no_nights_and_is_taken(
    hotel: Hotel,
) -> None:
    stay_id = here(hotel)
    hotel.done(CheckOut(stay_id=stay_id))
    gone: dict[str, Any] = {"state": StayState.DEPARTED, "departure": day(0), "nights": ()}
    assert hotel.learn(upstream_version="2", **gone)["state"] == "departed"
    assert hotel.refused(booking("up-2", departure=day(0), nights=()), SYNC) == Refusal.NO_NIGHTS


def test_a_cancellation_after_the_departure_is_shown(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.done(CheckOut(stay_id=stay_id))
    hotel.learn(upstream_version="2", state=StayState.CANCELLED)
    assert hotel.state_of(stay_id) == StayState.DEPARTED
    assert [what for _, what in hotel.conflicts(stay_id)] == ["cancelled_after_departure"]


@pytest.mark.parametrize("ended", [StayState.CANCELLED, StayState.NO_SHOW])
def test_a_booking_called_back_by_the_pms_is_confirmed_again(
    hotel: Hotel, ended: StayState
) -> None:
    stay_id = hotel.learned()
    hotel.learn(upstream_version="2", state=ended)
    assert hotel.held(stay_id) == []
    hotel.learn(upstream_version="3", departure=day(3), room_id="r102")
    assert hotel.state_of(stay_id) == StayState.CONFIRMED
    assert len(hotel.held(stay_id)) == 3
    assert hotel.room_of(stay_id) == "r102"


def test_a_cancellation_of_ours_is_not_undone_by_a_pms_that_lags(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CancelStay(stay_id=stay_id, reason="by phone"))
    hotel.learn(upstream_version="2", channel="web")
    assert hotel.state_of(stay_id) == StayState.CANCELLED
    hotel.learn(upstream_version="3", state=StayState.CANCELLED)
    hotel.learn(upstream_version="4")
    assert hotel.state_of(stay_id) == StayState.CONFIRMED


def test_a_guest_checked_in_upstream_to_a_stay_cancelled_here_is_a_conflict(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CancelStay(stay_id=stay_id, reason="by phone"))
    hotel.learn(upstream_version="2", state=StayState.IN_HOUSE, room_id="r101")
    assert [what for _, what in hotel.conflicts(stay_id)] == ["active_upstream"]


def test_a_renamed_guest_is_learned_by_the_version_of_the_guests(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    renamed = (replace(GUEST, family="Huber"), replace(GUEST, given="Ida"))
    hotel.learn(upstream_version="2", guests=renamed, guests_version="g2")
    assert hotel.rows("SELECT count(*) FROM stays_guest WHERE stay_id = ?", stay_id) == [(2,)]
    [place] = hotel.rows("SELECT DISTINCT place FROM stays_guest")
    assert place == ("stays.booking_changed.v1:guests",)


def test_guests_without_a_version_are_taken_as_they_come(hotel: Hotel) -> None:
    stay_id = hotel.learned(guests_version="")
    hotel.learn(upstream_version="2", guests_version="", guests=(replace(GUEST, family="Huber"),))
    assert stay_facts(hotel) == ["booked", "booking_changed", "upstream_seen"]
    hotel.learn(upstream_version="3", guests_version="", guests=())
    assert hotel.rows("SELECT count(*) FROM stays_guest WHERE stay_id = ?", stay_id) == [(1,)]


def test_a_sale_of_ours_comes_back_under_the_name_the_pms_gave_it(hotel: Hotel) -> None:
    sold = hotel.sell()
    learned = hotel.learn("up-7", our_ref=sold["stay_id"], departure=day(1))
    assert learned["stay_id"] == sold["stay_id"]
    assert hotel.rows("SELECT count(*) FROM stays_stay") == [(1,)]
    assert hotel.rows("SELECT upstream_id, upstream_code FROM stays_stay") == [("up-7", "CODEup-7")]
    again = hotel.learn("up-7", upstream_version="2", departure=day(1), state=StayState.CANCELLED)
    assert again["stay_id"] == sold["stay_id"]
    assert hotel.state_of(sold["stay_id"]) == StayState.CANCELLED


def test_the_first_look_after_the_link_is_no_change_of_the_pms(hotel: Hotel) -> None:
    sold = hotel.sell()
    hotel.done(CheckIn(stay_id=sold["stay_id"]))
    longer = priced(day(1), day(2))
    stay_id = sold["stay_id"]
    hotel.done(ChangeDeparture(stay_id=stay_id, departure=day(2), added_nights=longer))
    link = LinkUpstream(
        stay_id=stay_id, source="pms", upstream_id="up-7", upstream_version="1", code="P7"
    )
    hotel.done(link, SYNC)
    hotel.learn("up-7", upstream_version="1", departure=day(1))
    assert hotel.conflicts(stay_id) == []
    assert len(hotel.claims(stay_id)) == 2


def test_impossible_bookings_are_refused_by_name_and_nothing_else_is(hotel: Hotel) -> None:
    for command, why in (
        (booking(departure=day(0)), Refusal.NO_NIGHTS),
        (booking(adults=0, children=0), Refusal.NO_GUESTS),
        (booking(room_type_id="cave"), Refusal.UNKNOWN_ROOM_TYPE),
        (booking(departure=day(1_000), nights=()), Refusal.BAD_DATES),
    ):
        assert hotel.refused(command, SYNC) == why
    assert hotel.facts == []


@pytest.mark.parametrize("amount_minor", [-638, 540_000, 0, 2**53 - 1])
def test_no_price_is_too_strange_to_be_kept(hotel: Hotel, amount_minor: int) -> None:
    hotel.learn(nights=priced(day(0), day(2), amount_minor))
    assert hotel.rows("SELECT nights_total_minor FROM stays_stay") == [(2 * amount_minor,)]


def test_children_travel_alone_in_real_data(hotel: Hotel) -> None:
    hotel.learn(adults=0, children=2)


def test_nights_the_pms_does_not_price_are_kept_at_nothing_and_say_so(hotel: Hotel) -> None:
    hotel.learn(nights=priced(day(0), day(1)))
    hotel.learn("up-2", nights=())
    sources = {row[0] for row in hotel.rows("SELECT price_source FROM stays_night")}
    assert sources == {"rate:double", "upstream:missing"}


def test_a_card_number_in_a_field_of_the_pms_costs_the_field_not_the_booking(hotel: Hotel) -> None:
    hotel.learn(note="VISA 4242 4242 4242 4242", guests=(replace(GUEST, given="4242424242424242"),))
    assert "4242424242" not in str(hotel.rows("SELECT * FROM event"))
    sealed = hotel.rows("SELECT count(*) FROM stays_note")
    assert sealed == [(1,)]


def test_a_room_out_of_order_is_not_assigned_on_the_pms_word(hotel: Hotel) -> None:
    hotel.done(SetRoomStatus(room_id="r101", status=RoomStatus.OUT_OF_ORDER, reason="leak"))
    stay_id = hotel.learned(room_id="r101")
    assert hotel.room_of(stay_id) is None
    assert [what for _, what in hotel.conflicts(stay_id)] == ["room_taken"]


def test_what_the_pms_said_last_is_kept_with_the_stay(hotel: Hotel) -> None:
    hotel.learn(room_id="r101")
    [seen] = [fact.event for fact in hotel.facts if isinstance(fact.event, UpstreamSeen)]
    assert seen.says is not None
    assert (seen.says.version, seen.says.room_id) == ("1", "r101")
