"""A key is at its lock before its guest is, and the guest who is in house never feels it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bus.words import EventKind
from appliance.engines.doors.ahead import AHEAD_S_MAX
from appliance.engines.doors.door import DoorState
from appliance.engines.doors.messages import (
    ClearKeyRisk,
    CutKey,
    HolderKind,
    KeyCut,
    KeyReason,
    KeyRevoked,
    KeyTakenUp,
    LogAccess,
    NoteKeyRisk,
    NotePinShown,
    OpenDoor,
    PrepareKey,
    Refusal,
    RevokeKey,
    RevokeKeys,
    Risk,
)
from appliance.engines.doors.room import ENGINE
from appliance.kernel.messages import Event, Role, Who
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, Desk

NOW_S = FRIDAY_18_MS // 1000
MONDAY, WEDNESDAY, FRIDAY = date(2026, 11, 2), date(2026, 11, 4), date(2026, 11, 6)
# 2 November, 15:00 in Lisbon; Ana's last key there ends at 11:00 and two hours.
MONDAY_15_S = 1_793_631_600
MAID = Who(actor="staff:maid", role=Role.HOUSEKEEPING)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Ana in 204 until Monday; Ben is expected there from Monday."""
    desk = Desk(tmp_path, [news.NEWS, ENGINE])
    for event in (
        news.property_set_up(),
        news.door_added(204),
        news.door_added(205),
        news.door_added(1, shared=True),
        news.booked("ana"),
        news.checked_in("ana", 204),
        news.booked("ben", MONDAY, WEDNESDAY),
        news.room_assigned("ben", 204, MONDAY, WEDNESDAY),
    ):
        happen(desk, event)
    desk.done(cut("ana"))
    yield desk
    desk.close()


def happen(desk: Desk, event: Event) -> None:
    desk.done(news.Happen(event=event))


def cut(stay: str, reason: KeyReason = KeyReason.FIRST, number: int = 204) -> CutKey:
    return CutKey(
        holder_kind=HolderKind.STAY, holder_id=stay, door_id=f"door-{number}", reason=reason
    )


def prepare(stay: str = "ben", number: int = 204) -> PrepareKey:
    return PrepareKey(stay_id=stay, door_id=f"door-{number}")


def facts(desk: Desk, form: type[Any]) -> list[Any]:
    return [fact.event for fact in desk.facts if isinstance(fact.event, form)]


def keys(desk: Desk, stay: str) -> list[tuple[int, int, int, int]]:
    """(generation, slot, from, ahead) of the keys nobody revoked."""
    return [
        (row[0], row[1], row[2], row[3])
        for row in desk.rows(
            "SELECT generation, slot, valid_from_s, ahead FROM doors_key WHERE holder_id = ?"
            " AND revoked_at_ms IS NULL ORDER BY rowid",
            stay,
        )
    ]


def state(desk: Desk) -> DoorState:
    folded: DoorState | None = None
    for fact in desk.facts:
        if fact.stream == "doors/door-204":
            folded = ENGINE.folds["doors"](folded, [fact.event])
    assert folded is not None
    return folded


async def later(desk: Desk, at_s: int) -> None:
    await desk.clock.advance(at_s - desk.clock.read().wall_s)


def test_a_prepared_key_begins_at_check_in_time_and_has_a_place_of_its_own(desk: Desk) -> None:
    assert desk.done(prepare(), BOX)["valid_from_s"] == MONDAY_15_S
    assert keys(desk, "ben") == [(2, 2, MONDAY_15_S, 1)]
    assert [key[:2] for key in keys(desk, "ana")] == [(1, 1)]


def test_preparing_again_prepares_nothing(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    before = len(desk.facts)
    desk.done(prepare(), BOX)
    assert len(desk.facts) == before


def test_nothing_is_prepared_more_than_three_days_ahead(desk: Desk) -> None:
    happen(desk, news.booked("cem", FRIDAY, date(2026, 11, 8)))
    happen(desk, news.room_assigned("cem", 205, FRIDAY, date(2026, 11, 8)))
    assert desk.refused(prepare("cem", 205), BOX) == Refusal.NOT_AHEAD
    assert NOW_S + AHEAD_S_MAX > MONDAY_15_S


def test_what_cannot_be_prepared_is_refused_by_name(desk: Desk) -> None:
    assert desk.refused(prepare(number=9), BOX) == Refusal.UNKNOWN_DOOR
    assert desk.refused(prepare("nobody"), BOX) == Refusal.UNKNOWN_HOLDER
    assert desk.refused(prepare(number=205), BOX) == Refusal.HOLDER_NOT_IN_ROOM
    assert desk.refused(prepare(number=1), BOX) == Refusal.HOLDER_NOT_IN_ROOM
    assert desk.refused(prepare("ana"), BOX) == Refusal.NOT_AHEAD
    assert desk.refused(prepare(), CLERK) == "wrong_role"


def test_an_unsure_clock_prepares_nothing(desk: Desk) -> None:
    desk.clock.uncertainty_ms = 10**12
    assert desk.refused(prepare(), BOX) == Refusal.NOT_AHEAD


async def test_a_prepared_key_moves_no_generation_of_the_door(desk: Desk) -> None:
    """A maid who comes at 16:00 does not lock a late guest out."""
    desk.done(prepare(), BOX)
    await later(desk, MONDAY_15_S + 3_600)
    assert state(desk).generation_now(desk.clock.read().wall_s) == 1


async def test_a_prepared_key_is_nobodys_to_press_or_to_see_before_the_guest_is_here(
    desk: Desk,
) -> None:
    key_id = desk.done(prepare(), BOX)["key_id"]
    ben = Who(actor="stay:ben", role=Role.GUEST)
    press = OpenDoor(door_id="door-204", holder_kind=HolderKind.STAY, holder_id="ben")
    assert desk.refused(press, ben) == Refusal.KEY_NOT_YET
    await later(desk, MONDAY_15_S + 60)
    assert desk.refused(press, ben) == Refusal.KEY_NOT_YET
    happen(desk, news.checked_out("ana", 204))
    happen(desk, news.checked_in("ben", 204, WEDNESDAY))
    desk.done(press, ben)
    assert [each.key_id for each in facts(desk, KeyTakenUp)] == [key_id]
    desk.done(NotePinShown(door_id="door-204", key_id=key_id), ben)


def test_the_key_of_check_in_has_the_pin_that_is_at_the_lock_already(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    happen(desk, news.checked_out("ana", 204))
    happen(desk, news.checked_in("ben", 204, WEDNESDAY))
    desk.done(cut("ben"))
    ahead, first = (key for key in facts(desk, KeyCut) if key.holder_id == "ben")
    assert (first.slot, first.pin_ref) == (ahead.slot, ahead.key_id)
    assert first.generation == ahead.generation == 2
    # Three days early, it opens at once.
    assert first.valid_from_s <= NOW_S


def test_a_walk_in_before_the_arrival_gets_a_number_of_their_own(desk: Desk) -> None:
    """Otherwise the walk-in's key would end the one that was prepared."""
    desk.done(prepare(), BOX)
    happen(desk, news.checked_out("ana", 204))
    happen(desk, news.checked_in("walk", 204, MONDAY))
    assert desk.done(cut("walk"))["generation"] == 3
    assert keys(desk, "ben") == [(4, 2, MONDAY_15_S, 1)]
    *_, again = (key for key in facts(desk, KeyCut) if key.holder_id == "ben")
    first = next(key for key in facts(desk, KeyCut) if key.holder_id == "ben")
    assert (again.slot, again.pin_ref) == (first.slot, first.key_id)
    assert [each.reason for each in facts(desk, KeyRevoked) if each.holder_id == "ben"] == [
        "made_way"
    ]


def test_a_guest_who_stays_longer_pushes_the_prepared_key_back(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 3)))
    end_s = max(key.valid_until_s for key in facts(desk, KeyCut) if key.holder_id == "ana")
    [(generation, slot, from_s, ahead)] = keys(desk, "ben")
    assert (generation, slot, ahead) == (2, 2, 1)
    assert from_s == end_s > MONDAY_15_S
    assert all(key[:2] == (1, 1) for key in keys(desk, "ana"))


def test_a_guest_who_stays_for_good_takes_the_prepared_key_away(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 10)))
    assert keys(desk, "ben") == []
    assert desk.refused(prepare(), BOX) == Refusal.BAD_WINDOW


def test_a_lost_key_in_house_ends_nobody_elses_prepared_one(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    assert desk.done(cut("ana", KeyReason.LOST))["generation"] == 3
    assert [key[0] for key in keys(desk, "ben")] == [4]


def test_an_earlier_arrival_is_put_before_a_later_one(desk: Desk) -> None:
    desk.done(prepare(), BOX)
    happen(desk, news.departure_changed("ana", 204, date(2026, 10, 31)))
    happen(desk, news.booked("cem", date(2026, 10, 31), MONDAY))
    happen(desk, news.room_assigned("cem", 204, date(2026, 10, 31), MONDAY))
    desk.done(prepare("cem"), BOX)
    [cem], [ben] = keys(desk, "cem"), keys(desk, "ben")
    assert cem[2] < ben[2]
    assert 1 < cem[0] < ben[0]


@pytest.mark.parametrize(
    ("news_of_it", "reason"),
    [
        (news.cancelled("ben"), "cancelled"),
        (news.no_show("ben"), "no_show"),
        (news.room_unassigned("ben", 204), "other_room"),
        (news.room_assigned("ben", 205, MONDAY, WEDNESDAY), "other_room"),
        (news.booking_changed("ben", MONDAY, FRIDAY), "other_dates"),
        (news.checked_in("ben", 205, WEDNESDAY), "other_room"),
    ],
)
def test_a_prepared_key_is_taken_back_when_its_guest_will_not_come_there(
    desk: Desk, news_of_it: Event, reason: str
) -> None:
    desk.done(prepare(), BOX)
    floor = state(desk).floor
    happen(desk, news_of_it)
    assert keys(desk, "ben") == []
    assert [each.reason for each in facts(desk, KeyRevoked)] == [reason]
    # And the guest in house keeps what they have.
    assert state(desk).floor == floor
    assert [key[:2] for key in keys(desk, "ana")] == [(1, 1)]


async def test_a_guest_who_opens_with_a_prepared_key_has_the_door(desk: Desk) -> None:
    key_id = desk.done(prepare(), BOX)["key_id"]
    happen(desk, news.checked_out("ana", 204))
    await later(desk, MONDAY_15_S + 60)
    opened = LogAccess(
        device_id="lock-204",
        seq=1,
        event=EventKind.UNLOCKED,
        device_wall_ms=(MONDAY_15_S + 50) * 1000,
        slot=2,
    )
    desk.done(opened, BOX)
    assert [(each.key_id, each.because) for each in facts(desk, KeyTakenUp)] == [(key_id, "used")]
    assert state(desk).generation_now(desk.clock.read().wall_s) == 2


def test_an_alert_stands_once_and_is_cleared_once(desk: Desk) -> None:
    note = NoteKeyRisk(stay_id="ben", door_id="door-204", why=Risk.SILENT)
    clear = ClearKeyRisk(stay_id="ben", door_id="door-204", because="cured")
    before = len(desk.facts)
    desk.done(clear, BOX)
    assert len(desk.facts) == before
    for _ in range(2):
        desk.done(note, BOX)
    assert desk.rows("SELECT stay_id, why FROM doors_risk") == [("ben", "silent")]
    assert len(desk.facts) == before + 1
    for _ in range(2):
        desk.done(clear, BOX)
    assert desk.rows("SELECT * FROM doors_risk") == []
    assert len(desk.facts) == before + 2


ACTS = ("prepare", "walk_in", "lost", "another", "out", "prepare_cem", "cancel_cem", "extend")


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=8))
def test_whatever_happens_nobody_in_house_is_below_a_prepared_key_or_shares_with_one(
    acts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    desk = Desk(tmp_path_factory.mktemp("ahead"), [news.NEWS, ENGINE])
    desk.db.execute("PRAGMA synchronous=OFF")
    inside: str | None = "ana"
    for event in (
        news.property_set_up(),
        news.door_added(204),
        news.booked("ana"),
        news.checked_in("ana", 204),
        news.booked("ben", MONDAY, WEDNESDAY),
        news.room_assigned("ben", 204, MONDAY, WEDNESDAY),
        news.booked("cem", date(2026, 10, 31), MONDAY),
        news.room_assigned("cem", 204, date(2026, 10, 31), MONDAY),
    ):
        happen(desk, event)
    desk.done(cut("ana"))
    for number, act in enumerate(acts):
        match act:
            case "prepare":
                desk.ask(prepare(), BOX)
            case "prepare_cem":
                desk.ask(prepare("cem"), BOX)
            case "cancel_cem":
                happen(desk, news.cancelled("cem"))
            case "walk_in" if inside is None:
                inside = f"walk-{number}"
                happen(desk, news.checked_in(inside, 204, MONDAY))
                desk.done(cut(inside))
            case "lost" | "another" if inside is not None:
                desk.done(cut(inside, KeyReason(act)))
            case "extend" if inside is not None:
                happen(desk, news.departure_changed(inside, 204, date(2026, 11, 3)))
            case "out" if inside is not None:
                happen(desk, news.checked_out(inside, 204))
                inside = None
            case _:
                pass
        folded = state(desk)
        here = [key for key in folded.keys if not key.ahead]
        ahead = [key for key in folded.keys if key.ahead]
        for key in here:
            assert all(key.generation < one.generation for one in ahead)
            assert all(key.valid_until_s <= one.valid_from_s for one in ahead)
            assert all(key.slot != one.slot for one in ahead)
            assert key.generation >= folded.floor
        in_order = sorted(ahead, key=lambda key: key.valid_from_s)
        generations = [key.generation for key in in_order]
        assert generations == sorted(set(generations))
        for one, other in itertools.pairwise(in_order):
            assert one.valid_until_s <= other.valid_from_s
    desk.close()


def test_a_joiner_has_a_name_and_a_pin_of_their_own_and_leaves_alone(desk: Desk) -> None:
    first = desk.rows("SELECT key_id FROM doors_key WHERE holder_id = 'ana'")[0][0]
    joiner = desk.done(cut("ana", KeyReason.JOINER))
    assert joiner["generation"] == 1
    rows = desk.rows("SELECT DISTINCT cti, slot, pin_ref FROM doors_key WHERE holder_id = 'ana'")
    assert len({row[0] for row in rows}) == len({row[1] for row in rows}) == 2
    desk.done(RevokeKey(door_id="door-204", key_id=joiner["key_id"], reason="left first"))
    assert state(desk).floor <= 1
    [left] = desk.rows(
        "SELECT key_id FROM doors_key WHERE holder_id = 'ana' AND revoked_at_ms IS NULL"
    )
    assert left == (first,)
    again = RevokeKey(door_id="door-204", key_id=joiner["key_id"], reason="again")
    assert desk.refused(again) == Refusal.NO_KEY


def test_a_joiner_stays_as_long_as_the_stay_and_moves_along(desk: Desk) -> None:
    desk.done(cut("ana", KeyReason.JOINER))
    happen(desk, news.departure_changed("ana", 204, date(2026, 11, 3)))
    ends = desk.rows(
        "SELECT joiner, max(valid_until_s) FROM doors_key WHERE revoked_at_ms IS NULL"
        " GROUP BY joiner"
    )
    assert len(ends) == 2
    assert len({end for _, end in ends}) == 1
    happen(desk, news.moved("ana", 204, 205, date(2026, 11, 3)))
    there = desk.rows(
        "SELECT joiner FROM doors_key WHERE door_id = 'door-205' AND revoked_at_ms IS NULL"
        " ORDER BY joiner"
    )
    assert there == [(0,), (1,)]


def test_a_lost_key_leaves_the_joiner_their_pin(desk: Desk) -> None:
    desk.done(cut("ana", KeyReason.JOINER))
    before = desk.rows("SELECT slot, pin_ref FROM doors_key WHERE joiner = 1")
    desk.done(cut("ana", KeyReason.LOST))
    after = desk.rows(
        "SELECT joiner, generation, slot, pin_ref FROM doors_key WHERE revoked_at_ms IS NULL"
        " ORDER BY joiner"
    )
    assert [row[:2] for row in after] == [(0, 2), (1, 2)]
    assert after[1][2:] == before[0]


def test_a_joiner_needs_somebody_to_join_and_there_is_an_end_to_it(desk: Desk) -> None:
    happen(desk, news.checked_in("dora", 205))
    assert desk.refused(cut("dora", KeyReason.JOINER, 205)) == Refusal.NO_KEY
    for _ in range(8):
        desk.done(cut("ana", KeyReason.JOINER))
    assert desk.refused(cut("ana", KeyReason.JOINER)) == Refusal.TOO_MANY_JOINERS
    everything = RevokeKeys(
        holder_kind=HolderKind.STAY, holder_id="ana", door_id="door-204", reason="left"
    )
    assert len(desk.done(everything)["revoked"]) == 9
