"""Water is closed within two seconds, again until the valve has said so, and loudly if it does not."""

from __future__ import annotations

from appliance.engines.climate.messages import MoveValve
from support.desk import MANAGER
from support.warm_room import Warmth
from twin.faults import Fault, Trouble


def turns(warmth: Warmth) -> list[bool]:
    return [entry["open"] for entry in warmth.journal.read("valve")]


def ends(warmth: Warmth) -> list[tuple[int, str | None]]:
    rows = warmth.desk.rows("SELECT open, outcome FROM climate_valve_order ORDER BY rowid")
    return [(row[0], row[1]) for row in rows]


async def test_water_closes_its_valve_and_raises_the_alarm_within_two_seconds(
    warmth: Warmth,
) -> None:
    await warmth.water(wet=True)
    await warmth.desk.clock.advance(2)
    assert turns(warmth) == [False]
    assert ends(warmth) == [(0, "done")]
    assert warmth.alarms == [("bath-204", "leak")]


async def test_a_lost_order_is_sent_again_and_the_valve_turns_once(warmth: Warmth) -> None:
    warmth.tap.faults.script([Trouble(faults=frozenset({Fault.DROP_REQUEST}))])
    await warmth.water(wet=True)
    await warmth.desk.clock.advance(30)
    assert turns(warmth) == [False]
    assert ends(warmth) == [(0, "done")]


async def test_a_lost_answer_turns_nothing_twice(warmth: Warmth) -> None:
    warmth.tap.faults.script([Trouble(faults=frozenset({Fault.DROP_ANSWER}))])
    await warmth.water(wet=True)
    await warmth.desk.clock.advance(30)
    assert turns(warmth) == [False]
    assert ends(warmth) == [(0, "done")]


async def test_a_stuck_valve_is_an_alarm_until_it_moves(warmth: Warmth) -> None:
    warmth.tap_core.stuck = True
    await warmth.water(wet=True)
    await warmth.desk.clock.advance(10)
    assert ("tap-204", "valve_stuck") in warmth.alarms
    warmth.tap_core.stuck = False
    await warmth.desk.clock.advance(120)
    assert turns(warmth) == [False]
    assert ("tap-204", "valve_stuck") not in warmth.alarms


async def test_a_valve_without_power_is_closed_when_it_is_back(warmth: Warmth) -> None:
    await warmth.tap.unplug()
    await warmth.water(wet=True)
    await warmth.desk.clock.advance(30)
    assert ("tap-204", "valve_stuck") in warmth.alarms
    await warmth.tap.plug_in()
    await warmth.desk.clock.advance(90)
    assert turns(warmth) == [False]
    assert warmth.alarms == [("bath-204", "leak")]


async def test_the_last_order_wins(warmth: Warmth) -> None:
    await warmth.tap.unplug()
    await warmth.ask(MoveValve(device_id="tap-204", open=False))
    await warmth.ask(MoveValve(device_id="tap-204", open=True), MANAGER)
    await warmth.tap.plug_in()
    await warmth.desk.clock.advance(60)
    assert [outcome for _, outcome in ends(warmth)][-1] == "done"
    assert warmth.tap_core.open
