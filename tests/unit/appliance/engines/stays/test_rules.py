"""Promises of a stay's life at the desk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engines.calendar.messages import Refusal as CalendarRefusal
from appliance.engines.housekeeping.messages import RoomStatus, SetRoomStatus
from appliance.engines.stays.messages import (
    AddNote,
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    LinkUpstream,
    MarkNoShow,
    MoveRoom,
    NoteOverbooked,
    Refusal,
    RunNightAudit,
    SettleConflict,
    StayState,
    UndoCheckIn,
)
from appliance.kernel.messages import Command, Done, Refused, Role, Who
from support.desk import BOX, CLERK, MANAGER, SYNC
from support.hotel import GUEST, Hotel, booking, day, priced, walk_in

CARD = "my card is 4242 4242 4242 4242"
APPROVED = replace(CLERK, approved_by="staff:manager")


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path)
    yield hotel
    hotel.close()


def here(hotel: Hotel, upstream_id: str = "up-1", room_id: str = "r101", nights: int = 2) -> str:
    """A stay in house."""
    stay_id = hotel.learned(upstream_id, departure=day(nights))
    hotel.done(CheckIn(stay_id=stay_id, room_id=room_id))
    return stay_id


def dirty(hotel: Hotel, room_id: str) -> None:
    hotel.done(SetRoomStatus(room_id=room_id, status=RoomStatus.DIRTY))


def test_a_check_in_assigns_the_room_claims_its_nights_and_says_who_is_in_it(hotel: Hotel) -> None:
    stay_id = here(hotel)
    assert hotel.state_of(stay_id) == StayState.IN_HOUSE
    assert hotel.claims(stay_id) == [("r101", str(day(0))), ("r101", str(day(1)))]
    [(occupied_by,)] = hotel.rows("SELECT occupied_by FROM stays_room WHERE room_id = 'r101'")
    assert occupied_by == stay_id


def test_a_guest_who_is_not_due_yet_is_not_let_in(hotel: Hotel) -> None:
    stay_id = hotel.learned(arrival=day(1))
    assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r101")) == Refusal.NOT_DUE_YET


def test_an_arrival_survives_midnight(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(RunNightAudit(closing=day(0)))
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    assert hotel.claims(stay_id) == [("r101", str(day(1)))]


def test_after_the_last_night_there_is_nothing_to_check_in_for(hotel: Hotel) -> None:
    stay_id = hotel.learned(departure=day(1))
    hotel.done(RunNightAudit(closing=day(0)))
    assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r101")) == Refusal.BAD_DATES
    assert hotel.refused(AssignRoom(stay_id=stay_id, room_id="r101")) == Refusal.BAD_DATES


def test_a_check_in_needs_a_room_that_exists_and_is_in_order(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    assert hotel.refused(CheckIn(stay_id=stay_id)) == Refusal.NO_ROOM
    assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r999")) == Refusal.UNKNOWN_ROOM
    hotel.done(SetRoomStatus(room_id="r101", status=RoomStatus.OUT_OF_ORDER, reason="leak"))
    assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r101")) == Refusal.ROOM_OUT_OF_ORDER


def test_a_dirty_room_is_given_only_on_a_persons_word(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    dirty(hotel, "r101")
    assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r101")) == Refusal.ROOM_NOT_READY
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101", accept_not_ready=True))
    [(accepted,)] = hotel.rows("SELECT not_ready_accepted FROM stays_stay")
    assert accepted == 1


def test_nobody_is_put_into_a_room_with_another_guest_in_it(hotel: Hotel) -> None:
    here(hotel, "up-1", nights=1)
    hotel.done(RunNightAudit(closing=day(0)))  # the first guest is due to leave and has not
    second = hotel.learned("up-2", arrival=day(1))
    wish = CheckIn(stay_id=second, room_id="r101", accept_not_ready=True)
    assert hotel.refused(wish) == Refusal.ROOM_OCCUPIED


def test_two_stays_never_have_one_room_night(hotel: Hotel) -> None:
    here(hotel, "up-1")
    second = hotel.learned("up-2", arrival=day(1))
    assert hotel.refused(AssignRoom(stay_id=second, room_id="r101")) == CalendarRefusal.ROOM_TAKEN
    assert hotel.room_of(second) is None
    assert hotel.claims(second) == []


def test_a_stay_in_a_room_of_another_type_is_held_of_that_type(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(AssignRoom(stay_id=stay_id, room_id="r201"))
    assert {kind for kind, _ in hotel.held(stay_id)} == {"suite"}
    hotel.done(AssignRoom(stay_id=stay_id, room_id="r101"))
    assert {kind for kind, _ in hotel.held(stay_id)} == {"double"}
    assert hotel.refused(AssignRoom(stay_id=stay_id, room_id="r101")) == Refusal.SAME_ROOM


def test_a_wrong_check_in_can_be_undone_and_the_right_one_follows(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.done(UndoCheckIn(stay_id=stay_id, reason="namesake"))
    assert hotel.state_of(stay_id) == StayState.CONFIRMED
    assert hotel.claims(stay_id) == []
    other = hotel.learned("up-2")
    hotel.done(CheckIn(stay_id=other, room_id="r101"))


def test_a_check_in_is_no_mistake_any_more_after_a_move_or_a_departure(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.done(MoveRoom(stay_id=stay_id, room_id="r102", reason="noise"))
    undo = UndoCheckIn(stay_id=stay_id, reason="late")
    assert hotel.refused(undo) == Refusal.TOO_LATE_TO_UNDO
    hotel.done(CheckOut(stay_id=stay_id))
    assert hotel.refused(undo) == Refusal.TOO_LATE_TO_UNDO


def test_a_move_takes_the_new_room_and_frees_the_old_one_from_the_business_date(
    hotel: Hotel,
) -> None:
    stay_id = here(hotel, nights=3)
    hotel.done(RunNightAudit(closing=day(0)))
    hotel.done(MoveRoom(stay_id=stay_id, room_id="r201", reason="noise"))
    claims = [("r101", str(day(0))), ("r201", str(day(1))), ("r201", str(day(2)))]
    assert hotel.claims(stay_id) == claims
    assert [kind for kind, _ in hotel.held(stay_id)] == ["double", "suite", "suite"]
    next_guest = hotel.learned("up-2", arrival=day(1))
    hotel.done(AssignRoom(stay_id=next_guest, room_id="r101"))


def test_a_move_goes_to_another_room_that_is_ready_and_has_nights(hotel: Hotel) -> None:
    stay_id = here(hotel, nights=1)
    move = MoveRoom(stay_id=stay_id, room_id="r102", reason="noise")
    assert hotel.refused(replace(move, room_id="r101")) == Refusal.SAME_ROOM
    assert hotel.refused(replace(move, room_id="r999")) == Refusal.UNKNOWN_ROOM
    dirty(hotel, "r102")
    assert hotel.refused(move) == Refusal.ROOM_NOT_READY
    hotel.done(RunNightAudit(closing=day(0)))
    assert hotel.refused(replace(move, accept_not_ready=True)) == Refusal.NO_NIGHTS


def test_an_extension_prices_claims_and_holds_every_added_night(hotel: Hotel) -> None:
    stay_id = here(hotel)
    longer = ChangeDeparture(stay_id=stay_id, departure=day(4))
    assert hotel.refused(longer) == Refusal.BAD_DATES
    hotel.done(replace(longer, added_nights=priced(day(2), day(4), 12_000)))
    assert len(hotel.claims(stay_id)) == 4
    assert len(hotel.held(stay_id)) == 4
    [(total,)] = hotel.rows("SELECT nights_total_minor FROM stays_stay")
    assert total == 2 * 10_000 + 2 * 12_000


def test_an_extension_into_anothers_night_changes_nothing(hotel: Hotel) -> None:
    stay_id = here(hotel)
    hotel.learned("up-2", arrival=day(2), room_id="r101")
    longer = ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=priced(day(2), day(3)))
    assert hotel.refused(longer) == CalendarRefusal.ROOM_TAKEN
    [(departure,)] = hotel.rows("SELECT departure FROM stays_stay WHERE stay_id = ?", stay_id)
    assert departure == str(day(2))
    assert len(hotel.held(stay_id)) == 2


def test_a_shorter_stay_drops_its_nights_and_frees_them_at_once(hotel: Hotel) -> None:
    stay_id = here(hotel, nights=3)
    hotel.done(ChangeDeparture(stay_id=stay_id, departure=day(1)))
    assert hotel.claims(stay_id) == [("r101", str(day(0)))]
    assert hotel.rows("SELECT count(*) FROM stays_night") == [(1,)]


def test_a_departure_is_changed_to_a_day_that_makes_sense(hotel: Hotel) -> None:
    stay_id = here(hotel)
    change = ChangeDeparture(stay_id=stay_id, departure=day(2))
    assert hotel.refused(change) == Refusal.UNCHANGED
    assert hotel.refused(replace(change, departure=day(0))) == Refusal.NO_NIGHTS
    hotel.done(RunNightAudit(closing=day(0)))
    hotel.done(RunNightAudit(closing=day(1)))
    assert hotel.refused(replace(change, departure=day(1))) == Refusal.BAD_DATES
    assert hotel.refused(replace(change, departure=day(900))) == Refusal.BAD_DATES


def test_an_early_departure_frees_the_nights_that_are_left(hotel: Hotel) -> None:
    stay_id = here(hotel, nights=3)
    hotel.done(RunNightAudit(closing=day(0)))
    hotel.done(CheckOut(stay_id=stay_id))
    assert hotel.state_of(stay_id) == StayState.DEPARTED
    assert hotel.claims(stay_id) == [("r101", str(day(0)))]
    assert getattr(hotel.facts[-1].event, "on", None) == day(1)
    assert "stays.checked_out.v1" in hotel.events()


def test_only_who_is_in_house_can_leave_move_or_be_undone(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    acts: list[Command] = [
        CheckOut(stay_id=stay_id),
        MoveRoom(stay_id=stay_id, room_id="r102", reason="x"),
        UndoCheckIn(stay_id=stay_id, reason="x"),
    ]
    for act in acts:
        assert hotel.refused(act) == Refusal.NOT_IN_HOUSE


def test_a_guest_in_house_is_neither_cancelled_nor_a_no_show(hotel: Hotel) -> None:
    stay_id = here(hotel)
    cancel = CancelStay(stay_id=stay_id, reason="by phone")
    assert hotel.refused(cancel) == Refusal.ALREADY_IN_HOUSE
    assert hotel.refused(MarkNoShow(stay_id=stay_id)) == Refusal.ALREADY_IN_HOUSE
    assert hotel.refused(CheckIn(stay_id=stay_id)) == Refusal.ALREADY_IN_HOUSE


def test_what_is_over_stays_over(hotel: Hotel) -> None:
    gone = here(hotel)
    hotel.done(CheckOut(stay_id=gone))
    cancelled = hotel.learned("up-2")
    hotel.done(CancelStay(stay_id=cancelled, reason="by phone"))
    absent = hotel.learned("up-3")
    hotel.done(MarkNoShow(stay_id=absent))
    for stay_id, why in (
        (gone, Refusal.DEPARTED),
        (cancelled, Refusal.CANCELLED),
        (absent, Refusal.NOT_CONFIRMED),
    ):
        assert hotel.refused(CheckIn(stay_id=stay_id, room_id="r101")) == why
        assert hotel.refused(CancelStay(stay_id=stay_id, reason="x")) == why
        assert hotel.claims(stay_id) == []
    assert hotel.refused(CheckOut(stay_id=gone)) == Refusal.DEPARTED
    assert hotel.refused(CheckOut(stay_id=cancelled)) == Refusal.CANCELLED


def test_only_who_was_due_can_fail_to_come(hotel: Hotel) -> None:
    stay_id = hotel.learned(arrival=day(1))
    assert hotel.refused(MarkNoShow(stay_id=stay_id)) == Refusal.NOT_DUE_YET


def test_nothing_is_known_of_a_stay_that_does_not_exist(hotel: Hotel) -> None:
    stay = "stay_nobody"
    acts: list[tuple[Command, Who]] = [
        (CheckIn(stay_id=stay), CLERK),
        (CheckOut(stay_id=stay), CLERK),
        (AssignRoom(stay_id=stay, room_id="r101"), CLERK),
        (ChangeDeparture(stay_id=stay, departure=day(3)), CLERK),
        (CancelStay(stay_id=stay, reason=""), CLERK),
        (MarkNoShow(stay_id=stay), CLERK),
        (AddNote(stay_id=stay, text="hello"), CLERK),
        (MoveRoom(stay_id=stay, room_id="r101", reason=""), CLERK),
        (UndoCheckIn(stay_id=stay, reason=""), CLERK),
        (SettleConflict(stay_id=stay, conflict_id="c", take_upstream=True), CLERK),
        (NoteOverbooked(stay_id=stay, room_type_id="double", nights=()), BOX),
        (
            LinkUpstream(
                stay_id=stay, source="pms", upstream_id="u", upstream_version="1", code="C"
            ),
            SYNC,
        ),
    ]
    for act, who in acts:
        assert hotel.refused(act, who) == Refusal.UNKNOWN_STAY, act


def test_no_card_number_enters_by_any_text(hotel: Hotel) -> None:
    stay_id = here(hotel)
    texts: list[Command] = [
        AddNote(stay_id=stay_id, text=CARD),
        UndoCheckIn(stay_id=stay_id, reason=CARD),
        MoveRoom(stay_id=stay_id, room_id="r102", reason=CARD),
        walk_in(note=CARD),
        walk_in(guests=(replace(GUEST, family=CARD),)),
        walk_in(guests=(replace(GUEST, phone="4242424242424242"),)),
        CancelStay(stay_id=hotel.learned("up-2"), reason=CARD),
    ]
    for command in texts:
        assert hotel.refused(command) == Refusal.CARD_NUMBER
    everything = str(hotel.rows("SELECT * FROM event")) + str(hotel.rows("SELECT * FROM answered"))
    assert "42424242" not in everything.replace(" ", "")


def test_a_note_says_something_and_is_no_novel(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    assert hotel.refused(AddNote(stay_id=stay_id, text=" \n")) == Refusal.EMPTY
    assert hotel.refused(AddNote(stay_id=stay_id, text="x" * 2_001)) == Refusal.TOO_LONG
    hotel.done(AddNote(stay_id=stay_id, text="late, by train"))
    assert hotel.rows("SELECT count(*), min(by) FROM stays_note") == [(1, "staff:clerk")]


def test_names_and_notes_lie_sealed_on_the_disk(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(AddNote(stay_id=stay_id, text="allergic to feathers"))
    everything = str(hotel.rows("SELECT * FROM event")) + str(
        hotel.rows("SELECT * FROM stays_note")
    )
    assert "Weber" not in everything
    assert "feathers" not in everything


def test_a_walk_in_is_one_command_with_one_outcome(hotel: Hotel) -> None:
    sold = hotel.sell()
    assert sold["room_id"] == "r101"
    assert len(sold["code"]) == 10
    assert hotel.claims(sold["stay_id"]) == [("r101", str(day(0)))]
    hotel.done(CheckIn(stay_id=sold["stay_id"]))


def test_a_walk_in_gets_a_ready_room_before_a_dirty_one(hotel: Hotel) -> None:
    dirty(hotel, "r101")
    assert hotel.sell()["room_id"] == "r102"


def test_a_walk_in_beyond_the_allotment_needs_a_manager_and_is_marked_at_risk(
    hotel: Hotel,
) -> None:
    hotel.sell()
    hotel.sell()
    assert hotel.refused(walk_in()) == CalendarRefusal.ALLOTMENT_SPENT
    sold = hotel.sell(APPROVED)
    [(at_risk,)] = hotel.rows("SELECT at_risk FROM stays_stay WHERE stay_id = ?", sold["stay_id"])
    assert at_risk == 1
    assert [what for _, what in hotel.conflicts(sold["stay_id"])] == ["at_risk"]
    assert hotel.refused(walk_in(), MANAGER) == CalendarRefusal.SOLD_OUT


def test_a_walk_in_names_people_nights_and_a_room_that_exist(hotel: Hotel) -> None:
    for command, why in (
        (walk_in(guests=()), Refusal.NO_GUESTS),
        (walk_in(adults=0), Refusal.NO_GUESTS),
        (walk_in(departure=day(0)), Refusal.NO_NIGHTS),
        (walk_in(arrival=day(-1)), Refusal.BAD_DATES),
        (walk_in(nights=priced(day(0), day(2))), Refusal.BAD_DATES),
        (walk_in(room_type_id="cave"), Refusal.UNKNOWN_ROOM_TYPE),
        (walk_in(room_id="r999"), Refusal.UNKNOWN_ROOM),
        (walk_in(note="x" * 2_001), Refusal.TOO_LONG),
    ):
        assert hotel.refused(command) == why
    assert hotel.facts == []


def test_a_night_is_given_away_by_a_manager_only(hotel: Hotel) -> None:
    [night] = priced(day(0), day(1), 0)
    free = walk_in(nights=(replace(night, price_source="comp"),))
    assert hotel.refused(free) == Refusal.NEEDS_MANAGER
    hotel.done(free, MANAGER)


def test_a_sale_the_pms_has_taken_frees_the_allotment(hotel: Hotel) -> None:
    first, _ = hotel.sell(), hotel.sell()
    link = LinkUpstream(
        stay_id=first["stay_id"], source="pms", upstream_id="up-9", upstream_version="1", code="P9"
    )
    hotel.done(link, SYNC)
    hotel.done(link, SYNC)
    hotel.sell()
    other = replace(link, upstream_id="up-10")
    assert hotel.refused(other, SYNC) == Refusal.EXISTS


def test_one_booking_of_the_pms_is_one_stay(hotel: Hotel) -> None:
    hotel.learned("up-1")
    sold = hotel.sell()
    link = LinkUpstream(
        stay_id=sold["stay_id"], source="pms", upstream_id="up-1", upstream_version="1", code="P1"
    )
    assert hotel.refused(link, SYNC) == Refusal.EXISTS


def test_asking_twice_is_checking_in_once(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    command = CheckIn(stay_id=stay_id, room_id="r101")
    first = hotel.ask(command, command_id="tap")
    assert isinstance(first, Done)
    assert hotel.ask(command, command_id="tap") == first
    assert hotel.events().count("stays.checked_in.v1") == 1
    reused = hotel.ask(replace(command, room_id="r102"), command_id="tap")
    assert isinstance(reused, Refused)
    assert reused.code == "id_reused"


def test_a_guest_or_a_cleaner_does_not_run_the_desk(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    for role in (Role.GUEST, Role.HOUSEKEEPING, Role.OWNER):
        who = Who(actor=f"stay:{stay_id}", role=role)
        for command in (CheckIn(stay_id=stay_id), walk_in(), AddNote(stay_id=stay_id, text="x")):
            assert hotel.refused(command, who) == "wrong_role"
    assert hotel.refused(booking("up-2"), CLERK) == "wrong_role"
