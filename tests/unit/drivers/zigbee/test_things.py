"""Everything behind the stick that is no door: units exact, out of range refused, water loud."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LeakState,
    LightState,
    LockRefusal,
    Outcome,
    SensorState,
    SwitchState,
    ThermostatState,
    ValveState,
    Verb,
)
from drivers.port import Alarm, Attempt, Evidence
from drivers.zigbee.air import Pace
from drivers.zigbee.meter import Scale, ZigbeeMeter
from drivers.zigbee.thermostat import _tenths
from twin.zigbee.clusters.power import Metering
from twin.zigbee.devices import Contact, Leak, Light, Motion, Plug, Trv, Valve, Weather
from twin.zigbee.faults import Act, Way, zcl_command
from twin.zigbee.node import Node
from twin.zigbee_house import rig

if TYPE_CHECKING:
    from pathlib import Path

IEEE = 0x00158D0000000010


async def test_a_set_point_arrives_to_the_tenth(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Trv("trv-1", IEEE)
        trv = await it.join(node)
        assert trv.kind is DeviceKind.THERMOSTAT
        told = await it.ask(trv.name, Verb.SET_POINT, set_point_c10=215, eco=True)
        assert told.outcome is Outcome.DONE
        assert node.thermostat.number(0x0012) == 2150
        await it.ask(trv.name, Verb.READ)
        state = await trv.state()
        assert isinstance(state, ThermostatState)
        assert (state.set_point_c10, state.eco) == (215, True)
        assert state.measured_c10 == _tenths(node.thermostat.number(0x0000))


@pytest.mark.parametrize("set_point_c10", [-400, 40, 990])
async def test_a_set_point_out_of_range_is_refused_before_it_is_sent(
    tmp_path: Path, set_point_c10: int
) -> None:
    async with rig(tmp_path) as it:
        node = Trv("trv-1", IEEE)
        trv = await it.join(node)
        before = node.thermostat.number(0x0012)
        told = await it.ask(trv.name, Verb.SET_POINT, set_point_c10=set_point_c10)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.BAD_FRAME)
        assert node.thermostat.number(0x0012) == before


@pytest.mark.parametrize(("hundredths", "tenths"), [(2149, 215), (2144, 214), (-155, -16), (0, 0)])
def test_degrees_are_rounded_as_a_person_would(hundredths: int, tenths: int) -> None:
    assert _tenths(hundredths) == tenths


async def test_a_hand_at_the_dial_is_told_and_our_own_is_not(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        trv = await it.join(Trv("trv-1", IEEE))
        await it.ask(trv.name, Verb.SET_POINT, set_point_c10=200)
        trv.reported(0x0201, 0x0012, 2000)
        assert not it.house.happenings
        trv.reported(0x0201, 0x0012, 2450)
        _, what = await it.house.until(lambda h: h.happenings and h.happenings[-1])
        assert what.kind is EventKind.SET_POINT_CHANGED


async def test_a_lost_answer_to_a_set_point_is_found_by_reading(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        trv = await it.join(Trv("trv-1", IEEE))
        it.site.fault(Way.UP, Act.DROP, zcl_command(0x0201, 0x04, specific=False), times=None)
        order = it.order(Verb.SET_POINT, set_point_c10=231)
        assert (await it.give(trv.name, order, within_s=0.3)).outcome is Outcome.UNKNOWN
        told = await trv.find_out(
            Attempt(
                device=trv.name, order_id=order.id, verb="set_point", begun_ms=0, expires_at_ms=0
            )
        )
        assert told is not None
        assert (told.outcome, told.evidence) == (Outcome.DONE, (Evidence.STATE_READ,))


async def test_water_is_enrolled_read_back_and_loud(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Leak("leak-1", IEEE)
        leak = await it.join(node)
        assert leak.kind is DeviceKind.LEAK
        assert leak.enrolled
        assert node.zone.enrolled
        assert (Alarm.NOT_ENROLLED, leak.name) not in it.house.alarms
        node.zone.sense(on=True)
        _, what = await it.house.until(lambda h: h.happenings and h.happenings[-1])
        assert what.kind is EventKind.LEAK
        await it.house.until(
            lambda h: isinstance(s := h.states.get(leak.name), LeakState) and s.wet
        )
        node.zone.sense(on=False)
        await it.house.until(lambda h: h.happenings[-1][1].kind is EventKind.LEAK_CLEARED)
        await it.house.until(
            lambda h: isinstance(s := h.states.get(leak.name), LeakState) and not s.wet
        )


async def test_a_sensor_that_never_enrols_is_not_shown_as_a_healthy_one(tmp_path: Path) -> None:
    """It pairs, is seen everywhere, and its alarms never leave it (z2m #32797)."""
    async with rig(tmp_path) as it:
        node = Leak("leak-1", IEEE)
        node.zone.never_enrols = True
        await it.radio.joining.permit("101", 60)
        assert await it.site.join(node)
        await it.house.until(lambda h: any(a is Alarm.NOT_ENROLLED for a, _ in h.alarms))


async def test_a_socket_switches_and_says_its_power(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Plug("plug-1", IEEE)
        plug = await it.join(node)
        assert plug.kind is DeviceKind.SWITCH
        assert (await it.ask(plug.name, Verb.SWITCH_ON)).outcome is Outcome.DONE
        assert node.relay.on
        node.load(123.4, 5678)
        await it.ask(plug.name, Verb.READ)
        state = await plug.state()
        assert isinstance(state, SwitchState)
        assert (state.on, state.power_w10) == (True, 1234)
        await it.house.until(lambda h: h.measurements.get(plug.name) == {"energy_wh": 5678.0})
        assert (await it.ask(plug.name, Verb.UNLOCK)).refusal is LockRefusal.NOT_SUPPORTED


async def test_a_lamp_takes_percent(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Light("light-1", IEEE)
        light = await it.join(node)
        assert light.kind is DeviceKind.LIGHT
        assert (await it.ask(light.name, Verb.SET_LEVEL, level_pct=50)).outcome is Outcome.DONE
        assert node.cluster(0x0008).number(0x0000) == 127
        await it.ask(light.name, Verb.READ)
        state = await light.state()
        assert isinstance(state, LightState)
        assert (state.on, state.level_pct) == (True, 50)
        told = await it.ask(light.name, Verb.SET_LEVEL, level_pct=101)
        assert told.refusal is LockRefusal.BAD_FRAME


async def test_a_valve_is_what_the_installer_says_it_is(tmp_path: Path) -> None:
    """By its clusters it is a socket; on is open."""
    async with rig(tmp_path) as it:
        node = Valve("valve-1", IEEE)
        valve = await it.join(node, kind=DeviceKind.VALVE)
        assert valve.name == "valve-101"
        assert (await it.ask(valve.name, Verb.CLOSE_VALVE)).outcome is Outcome.DONE
        assert not node.relay.on
        state = await valve.state()
        assert isinstance(state, ValveState)
        assert state.open is False
        assert (await it.ask(valve.name, Verb.SWITCH_ON)).refusal is LockRefusal.NOT_SUPPORTED


async def test_a_valve_that_says_yes_and_does_not_move_is_seen_by_reading(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Valve("valve-1", IEEE)
        node.relay.stuck = True
        valve = await it.join(node, kind=DeviceKind.VALVE)
        await it.ask(valve.name, Verb.CLOSE_VALVE)
        await it.ask(valve.name, Verb.READ)
        state = await valve.state()
        assert isinstance(state, ValveState)
        assert state.open is True


async def test_air_is_measured_in_tenths(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Weather("air-1", IEEE)
        sensor = await it.join(node)
        node.measure(c100=-375, humidity_pct100=5620)
        await it.ask(sensor.name, Verb.READ)
        state = await sensor.state()
        assert isinstance(state, SensorState)
        assert (state.temperature_c10, state.humidity_pct10) == (-38, 562)


async def test_a_door_contact_and_an_eye_say_what_they_see(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        contact, eye = Contact("contact-1", IEEE), Motion("eye-1", IEEE + 1)
        opened = await it.join(contact)
        await it.join(eye, room="102")
        contact.zone.sense(on=True)
        await it.house.until(
            lambda h: h.happenings[-1:] and h.happenings[-1][1].kind is EventKind.DOOR_OPENED
        )
        state = await opened.state()
        assert isinstance(state, SensorState)
        assert state.contact_open is True
        eye.zone.sense(on=True)
        await it.house.until(lambda h: h.happenings[-1][1].kind is EventKind.MOTION)


@pytest.mark.parametrize(
    ("facts", "raw", "wh"),
    [
        ({"multiplier": 1, "divisor": 1000}, 12_345, 12_345),
        ({"multiplier": 1, "divisor": 100}, 12_345, 123_450),
        ({"multiplier": 3, "divisor": 3600}, 1_200, 1_000),
        ({"multiplier": 1, "divisor": 0}, 7, 7_000),
    ],
)
def test_a_meters_number_is_scaled_exactly(facts: dict[str, int], raw: int, wh: int) -> None:
    assert Scale.of(facts).times(raw, 1000) == wh


async def test_a_meter_counts_watt_hours(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        node = Node("meter-1", IEEE, model="TWIN-METER-1", router=True)
        from twin.zigbee.clusters.general import Basic  # noqa: PLC0415 - only this node is made by hand

        node.add(1, 0x0501, Basic, Metering)
        meter = await it.join(node)
        assert isinstance(meter, ZigbeeMeter)
        cluster = node.cluster(0x0702)
        assert isinstance(cluster, Metering)
        cluster.count(4321)
        await it.ask(meter.name, Verb.READ)
        state: Any = await meter.state()
        assert state.energy_wh == 4321


async def test_a_checkout_of_a_house_goes_out_at_four_a_second_and_doors_do_not_wait(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        pace, began_s = Pace(it.clock), it.clock.monotonic()
        await asyncio.gather(*(pace.turn() for _ in range(3)))
        assert it.clock.monotonic() - began_s >= 0.5


async def test_a_thing_that_does_not_answer_is_asleep_or_away_and_never_done(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        node = Trv("trv-1", IEEE, router=False)
        trv = await it.join(node)
        it.site.air.sleep(node)
        told = await it.ask(trv.name, Verb.SET_POINT, set_point_c10=200, within_s=1)
        assert (told.outcome, told.note) == (Outcome.UNKNOWN, "asleep")
