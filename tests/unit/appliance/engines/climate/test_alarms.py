"""An alarm is raised once, taken on by a person, and gone when its cause is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.bus.words import DeviceKind, Outcome
from appliance.engines.climate.messages import (
    AcknowledgeAlarm,
    AlarmCleared,
    AlarmKind,
    AlarmRaised,
    ClearAlarm,
    LeakLogged,
    LogLeak,
    MoveValve,
    RaiseAlarm,
    Refusal,
    SettleValve,
    ValveAsked,
    ValveReason,
)
from appliance.engines.climate.room import ENGINE
from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from support import news
from support.desk import BOX, CLERK, FRIDAY_18_MS, MANAGER, Desk

LOW = RaiseAlarm(device_id="lock-204", alarm=AlarmKind.BATTERY, battery_pct=31, days_left=14)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Room 204 with a sensor and a valve, 205 with a sensor only, and the main valve."""
    desk = Desk(tmp_path, [RULES, news.NEWS, ENGINE])
    for event in (
        news.room_added(204),
        news.room_added(205),
        news.device_added("bath-204", DeviceKind.LEAK, 204),
        news.device_added("bath-205", DeviceKind.LEAK, 205),
        news.device_added("tap-204", DeviceKind.VALVE, 204),
        news.device_added("main", DeviceKind.VALVE, None),
        news.device_added("lock-204", DeviceKind.LOCK, 204),
    ):
        desk.done(news.Happen(event=event))
    yield desk
    desk.close()


def leak(number: int, seq: int, *, wet: bool) -> LogLeak:
    return LogLeak(device_id=f"bath-{number}", seq=seq, wet=wet, device_wall_ms=FRIDAY_18_MS)


def valves_asked(desk: Desk) -> list[tuple[str, bool]]:
    asked = [fact.event for fact in desk.facts if isinstance(fact.event, ValveAsked)]
    return [(event.device_id, event.open) for event in asked]


def test_an_alarm_is_raised_once_and_knows_its_room(desk: Desk) -> None:
    desk.done(LOW, BOX)
    desk.done(LOW, BOX)
    raised = [fact.event for fact in desk.facts if isinstance(fact.event, AlarmRaised)]
    assert [(event.room_id, event.days_left) for event in raised] == [("room-204", 14)]


@pytest.mark.parametrize(("days", "again"), [(13, False), (8, False), (7, True), (0, True)])
def test_a_forecast_is_said_again_when_it_has_halved(desk: Desk, days: int, *, again: bool) -> None:
    desk.done(LOW, BOX)
    desk.done(AcknowledgeAlarm(device_id="lock-204", alarm=AlarmKind.BATTERY))
    worse = RaiseAlarm(
        device_id="lock-204", alarm=AlarmKind.BATTERY, battery_pct=20, days_left=days
    )
    desk.done(worse, BOX)
    [row] = desk.rows("SELECT days_left, seen_by FROM climate_alarm")
    assert row == ((days, None) if again else (14, CLERK.actor))


def test_a_person_takes_an_alarm_on_once(desk: Desk) -> None:
    take = AcknowledgeAlarm(device_id="lock-204", alarm=AlarmKind.BATTERY)
    assert desk.refused(take) == Refusal.UNKNOWN_ALARM
    desk.done(LOW, BOX)
    desk.done(take)
    assert desk.refused(take, MANAGER) == Refusal.ALREADY_SEEN
    desk.done(ClearAlarm(device_id="lock-204", alarm=AlarmKind.BATTERY), BOX)
    assert desk.rows("SELECT 1 FROM climate_alarm") == []
    desk.done(ClearAlarm(device_id="lock-204", alarm=AlarmKind.BATTERY), BOX)
    assert sum(isinstance(fact.event, AlarmCleared) for fact in desk.facts) == 1


def test_water_closes_the_valve_of_its_room_in_the_same_transaction(desk: Desk) -> None:
    [decided] = [desk.decide(leak(204, 1, wet=True), BOX)]
    kinds = [type(fact.event) for fact in decided.facts]
    assert kinds == [LeakLogged, AlarmRaised, ValveAsked]
    assert valves_asked(desk) == [("tap-204", False)]
    [asked] = [fact.event for fact in decided.facts if isinstance(fact.event, ValveAsked)]
    assert asked.reason is ValveReason.LEAK


def test_a_room_without_a_valve_closes_the_main_if_the_house_wants_it(desk: Desk) -> None:
    desk.done(leak(205, 1, wet=True), BOX)
    assert valves_asked(desk) == [("main", False)]
    desk.done(leak(205, 2, wet=False), BOX)
    desk.done(
        ChangeSetting(key="climate.leak_closes_main_valve", scope=Scope.PROPERTY, value=False),
        MANAGER,
    )
    desk.done(leak(205, 3, wet=True), BOX)
    assert valves_asked(desk) == [("main", False)]


def test_dry_again_ends_the_alarm_and_leaves_the_valve_closed(desk: Desk) -> None:
    desk.done(leak(204, 1, wet=True), BOX)
    desk.done(leak(204, 2, wet=False), BOX)
    assert desk.rows("SELECT 1 FROM climate_alarm") == []
    assert valves_asked(desk) == [("tap-204", False)]


def test_a_number_that_comes_late_neither_ends_nor_begins_an_alarm(desk: Desk) -> None:
    desk.done(leak(204, 1, wet=True), BOX)
    desk.done(leak(204, 3, wet=True), BOX)
    desk.done(leak(204, 2, wet=False), BOX)
    assert desk.rows("SELECT alarm FROM climate_alarm") == [("leak",)]


def test_a_valve_opens_on_a_dry_floor_or_by_a_managers_word(desk: Desk) -> None:
    desk.done(leak(204, 1, wet=True), BOX)
    opened = MoveValve(device_id="tap-204", open=True)
    assert desk.refused(opened) == Refusal.STILL_WET
    believed = MoveValve(device_id="tap-204", open=True, despite_water=True)
    assert desk.refused(believed) == Refusal.STILL_WET
    desk.done(believed, MANAGER)
    # The main leads to the wet room too.
    assert desk.refused(MoveValve(device_id="main", open=True)) == Refusal.STILL_WET
    desk.done(leak(204, 2, wet=False), BOX)
    desk.done(opened)


def test_only_a_valve_is_moved_and_settled_once(desk: Desk) -> None:
    assert desk.refused(MoveValve(device_id="lock-204", open=False)) == Refusal.NOT_A_VALVE
    assert desk.refused(MoveValve(device_id="nothing", open=False)) == Refusal.UNKNOWN_DEVICE
    order_id = desk.done(MoveValve(device_id="tap-204", open=False))["order_id"]
    settle = SettleValve(order_id=order_id, device_id="tap-204", outcome=Outcome.DONE)
    unknown = SettleValve(order_id="no", device_id="tap-204", outcome=Outcome.DONE)
    assert desk.refused(unknown, BOX) == Refusal.UNKNOWN_ORDER
    desk.done(settle, BOX)
    assert desk.refused(settle, BOX) == Refusal.ALREADY_SETTLED
