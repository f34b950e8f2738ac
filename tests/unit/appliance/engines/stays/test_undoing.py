"""Promises of an undoing: within a day, back to where the stay was, or a sentence why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from appliance.engines.stays import inbox
from appliance.engines.stays.messages import (
    AssignRoom,
    CancelStay,
    ChangeDeparture,
    CheckIn,
    DecisionUndone,
    MoveRoom,
    Refusal,
    RunNightAudit,
    SettleConflict,
    StayState,
    UndoDecision,
    UndoStep,
)
from appliance.kernel.reader import open_reader
from support.desk import MANAGER, SYNC
from support.hotel import Hotel, day, priced, walk_in

HOUR_S = 3_600


@pytest.fixture
def hotel(tmp_path: Path) -> Iterator[Hotel]:
    hotel = Hotel(tmp_path, more=[RULES])
    yield hotel
    hotel.close()


def last(hotel: Hotel) -> UndoDecision:
    """The undoing of the newest decision."""
    [(stay_id, decision_id)] = hotel.rows(
        "SELECT stay_id, decision_id FROM stays_decision"
        " WHERE kind <> 'none' AND undone_at_ms IS NULL"
        " ORDER BY at_ms DESC LIMIT 1"
    )
    return UndoDecision(stay_id=stay_id, decision_id=decision_id)


def steps(hotel: Hotel) -> tuple[UndoStep, ...]:
    """What the last undoing did."""
    [found] = [each.event for each in hotel.facts if isinstance(each.event, DecisionUndone)][-1:]
    return found.steps


def test_a_cancellation_that_was_applied_is_taken_back_with_its_room(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.CANCELLED)
    hotel.done(last(hotel))
    assert steps(hotel) == (UndoStep.REINSTATE, UndoStep.ROOM_BACK)
    assert (hotel.state_of(stay_id), hotel.room_of(stay_id)) == (StayState.CONFIRMED, "r101")
    assert len(hotel.claims(stay_id)) == len(hotel.held(stay_id)) == 2


def test_what_was_taken_back_is_not_done_again_by_an_echo(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.learn(upstream_version="2", state=StayState.CANCELLED)
    hotel.done(last(hotel))
    hotel.learn(upstream_version="3", state=StayState.CANCELLED, channel="web")
    assert hotel.state_of(stay_id) == StayState.CONFIRMED
    hotel.learn(upstream_version="4")
    hotel.learn(upstream_version="5", state=StayState.CANCELLED)  # a new word, not an echo
    assert hotel.state_of(stay_id) == StayState.CANCELLED


def test_changed_dates_and_type_go_back_and_the_price_with_them(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(
        upstream_version="2",
        room_id="r101",
        room_type_id="suite",
        departure=day(3),
        nights=priced(day(0), day(3), 20_000),
    )
    assert hotel.room_of(stay_id) is None
    hotel.done(last(hotel))
    assert steps(hotel) == (
        UndoStep.DATES,
        UndoStep.ROOM_TYPE,
        UndoStep.PRICE,
        UndoStep.ROOM_BACK,
    )
    assert hotel.held(stay_id) == [("double", str(day(0))), ("double", str(day(1)))]
    assert hotel.room_of(stay_id) == "r101"
    assert hotel.rows("SELECT sum(amount_minor) FROM stays_night") == [(20_000,)]


def test_a_room_that_is_taken_since_is_left_out_and_said(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.CANCELLED)
    other = hotel.learned("up-2")
    hotel.done(AssignRoom(stay_id=other, room_id="r101"))
    undo = last(hotel)
    [(decision_id,)] = hotel.rows(
        "SELECT decision_id FROM stays_decision WHERE stay_id = ? AND kind = 'learned'", stay_id
    )
    result = hotel.done(UndoDecision(stay_id=stay_id, decision_id=decision_id))
    assert undo.stay_id == stay_id
    assert result["room_not_free"] is True
    assert (hotel.state_of(stay_id), hotel.room_of(stay_id)) == (StayState.CONFIRMED, None)


def test_a_check_in_on_the_pms_word_is_undone(hotel: Hotel) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.IN_HOUSE)
    hotel.done(last(hotel))
    assert steps(hotel) == (UndoStep.UNDO_CHECK_IN, UndoStep.ROOM_BACK)
    assert (hotel.state_of(stay_id), hotel.room_of(stay_id)) == (StayState.CONFIRMED, "r101")
    hotel.learn(upstream_version="3", room_id="r101", state=StayState.IN_HOUSE, channel="x")
    assert hotel.state_of(stay_id) == StayState.CONFIRMED


def test_a_departure_that_a_person_took_is_taken_back_and_the_question_is_open_again(
    hotel: Hotel,
) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn(upstream_version="2", state=StayState.CANCELLED)
    [(conflict_id, _)] = hotel.conflicts(stay_id)
    hotel.done(SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=True))
    assert hotel.state_of(stay_id) == StayState.DEPARTED
    hotel.done(last(hotel))
    assert steps(hotel) == (UndoStep.CHECK_IN_AGAIN, UndoStep.REOPEN)
    assert hotel.state_of(stay_id) == StayState.IN_HOUSE
    assert len(hotel.claims(stay_id)) == 2
    assert [what for _, what in hotel.conflicts(stay_id)] == ["cancelled_in_house"]


def test_a_conflict_that_closed_by_itself_is_opened_again_and_stays_for_a_person(
    hotel: Hotel,
) -> None:
    stays = [hotel.learned(f"up-{number}") for number in range(4)]
    hotel.done(CancelStay(stay_id=stays[0], reason="ill"))
    assert hotel.conflicts(stays[3]) == []
    hotel.done(last(hotel))
    assert [what for _, what in hotel.conflicts(stays[3])] == ["overbooked"]
    hotel.done(CancelStay(stay_id=stays[1], reason="ill"))
    [(conflict_id, _)] = hotel.conflicts(stays[3])
    hotel.done(SettleConflict(stay_id=stays[3], conflict_id=conflict_id, take_upstream=False))
    assert hotel.conflicts(stays[3]) == []


def test_a_guest_who_has_moved_is_not_moved_back(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn(upstream_version="2", room_id="r102")
    [(conflict_id, _)] = hotel.conflicts(stay_id)
    hotel.done(SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=True))
    assert hotel.refused(last(hotel)) == Refusal.GUEST_MOVED


def test_dates_of_a_guest_in_house_go_back_while_there_is_room(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn(upstream_version="2", departure=day(1))
    [(conflict_id, _)] = hotel.conflicts(stay_id)
    hotel.done(SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=True))
    assert len(hotel.claims(stay_id)) == 1
    hotel.done(last(hotel))
    assert steps(hotel) == (UndoStep.DEPARTURE, UndoStep.REOPEN)
    assert len(hotel.claims(stay_id)) == 2


def test_an_undoing_that_the_calendar_has_no_room_for_is_refused_whole(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    hotel.learn(upstream_version="2", departure=day(1))
    [(conflict_id, _)] = hotel.conflicts(stay_id)
    hotel.done(SettleConflict(stay_id=stay_id, conflict_id=conflict_id, take_upstream=True))
    undo = last(hotel)
    for _ in range(3):
        hotel.done(walk_in(arrival=day(1), departure=day(2)), MANAGER)
    assert hotel.refused(undo) in {"sold_out", "room_taken"}
    assert len(hotel.claims(stay_id)) == 1


def test_nobody_undoes_what_somebody_has_acted_on(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    hotel.learn(upstream_version="2", departure=day(4), nights=priced(day(0), day(4)))
    undo = last(hotel)
    hotel.done(ChangeDeparture(stay_id=stay_id, departure=day(3)))
    assert hotel.refused(undo) == Refusal.CHANGED_SINCE
    hotel.done(CheckIn(stay_id=stay_id, room_id="r101"))
    assert hotel.refused(undo) == Refusal.CHANGED_SINCE


async def test_after_a_day_it_is_too_late_unless_the_house_says_otherwise(hotel: Hotel) -> None:
    hotel.learned()
    hotel.learn(upstream_version="2", departure=day(4), nights=priced(day(0), day(4)))
    undo = last(hotel)
    await hotel.clock.advance(25 * HOUR_S)
    assert hotel.refused(undo) == Refusal.UNDO_EXPIRED
    longer = ChangeSetting(key="stays.undo_hours", scope=Scope.PROPERTY, value=48)
    hotel.done(longer, MANAGER)
    hotel.done(undo)
    assert hotel.refused(undo) == Refusal.UNDONE_ALREADY


def test_nights_that_are_over_are_not_called_back(hotel: Hotel) -> None:
    hotel.learned(departure=day(1))
    hotel.learn(upstream_version="2", departure=day(1), state=StayState.CANCELLED)
    hotel.done(RunNightAudit(closing=day(0)))
    assert hotel.refused(last(hotel)) == Refusal.NIGHTS_OVER


def test_what_is_unknown_or_changed_nothing_is_refused_by_name(hotel: Hotel) -> None:
    stay_id = hotel.learned()
    assert hotel.refused(UndoDecision(stay_id="x", decision_id="y")) == Refusal.UNKNOWN_STAY
    unknown = UndoDecision(stay_id=stay_id, decision_id="y")
    assert hotel.refused(unknown) == Refusal.UNKNOWN_DECISION
    hotel.learn(upstream_version="2", channel="web")
    assert hotel.refused(last(hotel)) == Refusal.NOTHING_TO_UNDO
    assert hotel.refused(unknown, SYNC) == "wrong_role"


async def test_the_list_says_what_each_undoing_would_do(hotel: Hotel, tmp_path: Path) -> None:
    hotel.learned("up-1", room_id="r101")
    hotel.learn("up-1", upstream_version="2", room_id="r101", state=StayState.CANCELLED)
    hotel.learned("up-2")
    hotel.learn("up-2", upstream_version="2", channel="web")  # nothing to put back
    third = hotel.learned("up-3")
    hotel.learn("up-3", upstream_version="2", departure=day(4), nights=priced(day(0), day(4)))
    hotel.done(CheckIn(stay_id=third, room_id="r102"))
    async with open_reader(tmp_path / "log.db") as reader:
        found = await inbox.decisions(reader, 0, day(0))
    told = {line.made.stay_id: (line.steps, line.refusal) for line in found}
    assert len(told) == 2
    assert told[third] == ((), Refusal.CHANGED_SINCE)
    assert ((UndoStep.REINSTATE, UndoStep.ROOM_BACK), None) in told.values()


@pytest.mark.parametrize("act", ["moved", "stays on"])
def test_who_was_moved_or_stays_on_by_the_desk_since_is_not_put_out(hotel: Hotel, act: str) -> None:
    stay_id = hotel.learned(room_id="r101")
    hotel.learn(upstream_version="2", room_id="r101", state=StayState.IN_HOUSE)
    undo = last(hotel)
    if act == "moved":
        hotel.done(MoveRoom(stay_id=stay_id, room_id="r102", reason="noise"))
    else:
        more = priced(day(2), day(3))
        hotel.done(ChangeDeparture(stay_id=stay_id, departure=day(3), added_nights=more), MANAGER)
    room_id = hotel.room_of(stay_id)
    assert hotel.refused(undo) == Refusal.CHANGED_SINCE
    assert (hotel.state_of(stay_id), hotel.room_of(stay_id)) == (StayState.IN_HOUSE, room_id)
