"""Whose room it is, how warm it may be, and what a sensor's numbers mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind, Outcome
from appliance.engines.climate.messages import (
    ClimateAsked,
    LogLeak,
    Refusal,
    SetRoomClimate,
    SettleClimate,
)
from appliance.engines.climate.reactions import ECO
from appliance.engines.climate.room import ENGINE
from appliance.kernel.messages import Role, Who
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, Desk

ANA = Who(actor="stay:ana", role=Role.GUEST)
WARM = SetRoomClimate(room_id="room-204", set_point_c10=225)
LEAK = LogLeak(device_id="bath-204", seq=1, wet=True, device_wall_ms=FRIDAY_18_MS)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Room 204 with a thermostat and Ana in it; room 205 without either."""
    desk = Desk(tmp_path, [news.NEWS, ENGINE])
    for event in (
        news.room_added(204),
        news.room_added(205),
        news.device_added("room-204-t", DeviceKind.THERMOSTAT, 204),
        news.device_added("bath-204", DeviceKind.LEAK, 204),
        news.checked_in("ana", 204),
    ):
        desk.done(news.Happen(event=event))
    yield desk
    desk.close()


def test_a_guests_wish_is_committed_with_its_end(desk: Desk) -> None:
    order_id = desk.done(WARM, ANA)["order_id"]
    [asked] = [fact.event for fact in desk.facts if isinstance(fact.event, ClimateAsked)]
    assert (asked.order_id, asked.device_id, asked.set_point_c10) == (order_id, "room-204-t", 225)
    assert asked.expires_at_ms == FRIDAY_18_MS + 15 * 60_000
    desk.done(replace(WARM, eco=True), BOX)
    [_, house] = [fact.event for fact in desk.facts if isinstance(fact.event, ClimateAsked)]
    assert house.expires_at_ms == FRIDAY_18_MS + 12 * 3_600_000


def test_a_guest_warms_only_the_room_they_live_in(desk: Desk) -> None:
    assert desk.refused(replace(WARM, room_id="room-205"), ANA) == Refusal.NOT_YOURS
    assert desk.refused(replace(WARM, room_id="room-9"), ANA) == Refusal.NOT_YOURS
    desk.done(news.Happen(event=news.moved("ana", 204, 205)))
    assert desk.refused(WARM, ANA) == Refusal.NOT_YOURS
    desk.done(news.Happen(event=news.checked_out("ana", 205)))
    assert desk.refused(replace(WARM, room_id="room-205"), ANA) == Refusal.NOT_YOURS
    desk.done(WARM, CLERK)


def test_what_cannot_be_warmed_is_said(desk: Desk) -> None:
    assert desk.refused(replace(WARM, room_id="room-9")) == Refusal.UNKNOWN_ROOM
    assert desk.refused(replace(WARM, room_id="room-205")) == Refusal.NO_THERMOSTAT


@pytest.mark.parametrize(
    ("c10", "fits"), [(159, False), (160, True), (260, True), (261, False), (-300, False)]
)
def test_the_range_is_the_live_rules(desk: Desk, c10: int, *, fits: bool) -> None:
    wish = replace(WARM, set_point_c10=c10)
    if fits:
        desk.done(wish, ANA)
    else:
        assert desk.refused(wish, ANA) == Refusal.OUT_OF_RANGE


def test_an_unknown_end_gets_better_and_a_final_one_never(desk: Desk) -> None:
    order_id = desk.done(WARM, ANA)["order_id"]
    end = SettleClimate(order_id=order_id, room_id="room-204", outcome=Outcome.UNKNOWN)
    desk.done(end, BOX)
    assert desk.refused(end, BOX) == Refusal.ALREADY_SETTLED
    desk.done(replace(end, outcome=Outcome.DONE), BOX)
    assert desk.refused(replace(end, outcome=Outcome.REFUSED), BOX) == Refusal.ALREADY_SETTLED
    assert desk.refused(replace(end, order_id="warm_x"), BOX) == Refusal.UNKNOWN_ORDER
    assert desk.refused(end, ANA) == "wrong_role"


def test_a_leak_is_logged_once_and_a_late_number_dries_no_floor(desk: Desk) -> None:
    desk.done(LEAK, BOX)
    assert desk.refused(LEAK, BOX) == Refusal.SEEN_BEFORE
    desk.done(replace(LEAK, seq=4), BOX)
    desk.done(replace(LEAK, seq=3, wet=False), BOX)
    assert desk.refused(replace(LEAK, seq=3), BOX) == Refusal.SEEN_BEFORE
    assert desk.rows("SELECT room_id, wet, seq FROM climate_leak") == [("room-204", 1, 4)]
    assert desk.refused(replace(LEAK, device_id="room-204-t"), BOX) == Refusal.UNKNOWN_DEVICE
    assert desk.refused(replace(LEAK, device_id="kettle"), BOX) == Refusal.UNKNOWN_DEVICE


def test_an_empty_room_is_kept_cool_and_an_arrival_finds_it_warm(desk: Desk) -> None:
    recorded = desk.facts[-1]
    [empty] = ECO.on[type(news.checked_out("ana", 204))](news.checked_out("ana", 204), recorded)
    [warm] = ECO.on[type(news.checked_in("ana", 204))](news.checked_in("ana", 204), recorded)
    left, entered = ECO.on[type(news.moved("ana", 204, 205))](news.moved("ana", 204, 205), recorded)
    assert isinstance(empty, SetRoomClimate)
    assert isinstance(warm, SetRoomClimate)
    assert isinstance(left, SetRoomClimate)
    assert isinstance(entered, SetRoomClimate)
    assert (empty.eco, warm.eco, left.eco, entered.eco) == (True, False, True, False)
    desk.done(empty, BOX)
    desk.done(warm, BOX)


def test_an_empty_room_without_a_thermostat_is_asked_for_nothing(desk: Desk) -> None:
    worth = ECO.worth
    assert worth is not None
    assert worth(desk.db, WARM)
    assert not worth(desk.db, replace(WARM, room_id="room-205"))
    assert not worth(desk.db, replace(WARM, room_id="room-9"))
