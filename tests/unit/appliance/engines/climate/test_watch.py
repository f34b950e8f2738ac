"""Tired cells, silent devices and sick radios are heard of once, and of nothing twice."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from appliance.bus.credentials import BusRole
from appliance.bus.words import LeakState, RadioState, encode, radio_topic, state_topic
from drivers.port import Alarm
from support.warm_room import Warmth

DAY_S = 86_400.0


async def say_battery(warmth: Warmth, pct: int) -> None:
    """The sensor says how its cells are, as it does now and then."""
    bus = warmth.twin.devices["bath-204"].bus
    assert bus is not None
    state = LeakState(wet=False, wall_ms=warmth.desk.clock.read().wall_ms, battery_pct=pct)
    await bus.publish(state_topic("bath-204"), encode(state), retain=True)
    await warmth.desk.clock.settle()
    await warmth.telemetry.flush()  # waits for the reading that is looked up on a thread
    await warmth.desk.clock.settle()


async def test_declining_cells_are_an_alarm_with_days_of_lead(warmth: Warmth) -> None:
    for day in range(1, 95):
        await warmth.desk.clock.leap(DAY_S)
        await say_battery(warmth, 100 - day)
        if warmth.alarms:
            break
    assert warmth.alarms == [("bath-204", "battery")]
    [row] = warmth.desk.rows("SELECT battery_pct, days_left FROM climate_alarm")
    assert row[1] is not None
    assert 10 <= row[1] <= 14
    await warmth.desk.clock.leap(DAY_S)
    await say_battery(warmth, 100)
    assert warmth.alarms == []


async def test_what_cannot_be_reached_for_half_an_hour_is_an_alarm(warmth: Warmth) -> None:
    await warmth.tap.unplug()
    await warmth.desk.clock.advance(29 * 60)
    assert warmth.alarms == []
    await warmth.desk.clock.advance(3 * 60)
    assert warmth.alarms == [("tap-204", "silent")]
    await warmth.tap.plug_in()
    await warmth.desk.clock.advance(5)
    assert warmth.alarms == []


async def test_a_radios_alarms_come_and_go_with_what_it_says(warmth: Warmth) -> None:
    hub = warmth.hub
    driver = hub.join("driver-zigbee0", role=BusRole.BRIDGE)

    async def say(*alarms: str) -> None:
        state = RadioState(
            up=True,
            since_ms=0,
            wall_ms=0,
            alarms=tuple((alarm, 0) for alarm in alarms),
            names=("bath-204",),
        )
        await driver.publish(radio_topic("driver-zigbee0"), encode(state), retain=True)
        await warmth.desk.clock.settle()

    await say("radio_lost", "not_enrolled:bath-204", "not_enrolled:stranger", "no_such_alarm")
    assert warmth.alarms == [("bath-204", "not_enrolled"), ("driver-zigbee0", "radio_lost")]
    await say("not_enrolled:bath-204")
    assert warmth.alarms == [("bath-204", "not_enrolled")]
    await say()
    assert warmth.alarms == []


async def test_every_alarm_of_a_driver_is_heard_and_has_a_sentence_in_every_language(
    warmth: Warmth,
) -> None:
    driver = warmth.hub.join("driver-ble0", role=BusRole.BRIDGE)
    said = RadioState(
        up=True,
        since_ms=0,
        wall_ms=0,
        alarms=tuple((f"{alarm}:bath-204", 0) for alarm in Alarm),
        names=("bath-204",),
    )
    await driver.publish(radio_topic("driver-ble0"), encode(said), retain=True)
    await warmth.desk.clock.settle()
    assert len(warmth.alarms) == len(Alarm)
    for language in ("de", "en"):
        path = files("appliance.web") / "locale" / language / "climate.toml"
        sentences = tomllib.loads(path.read_text())["climate"]["alarm"]
        assert {alarm for _, alarm in warmth.alarms} <= set(sentences)
