"""One Bluetooth radio with sensors and radiators: what it hears, and what becomes of it when it dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LeakState,
    MeterState,
    Order,
    Outcome,
    SensorState,
    ThermostatState,
    Verb,
)
from drivers.ble.radio import BleRadio, build
from drivers.port import Alarm, NeedsPersonError, RadioLostError
from drivers.radios import FACTORIES, Setting, Thing, factory_of
from support.ble_bench import Host, ends, on_the_air
from twin.ble.air import Air
from twin.ble.backend import VirtualClient
from twin.ble.bthome import BthomeSensor
from twin.ble.eq3 import Eq3Thermostat
from twin.ble.peripheral import Manner

KEY = bytes(range(16))


def setting(folder: Path, host: Host | None, *things: Thing, **options: Any) -> Setting:
    return Setting(
        id="ble0",
        kind="ble",
        bridge="driver-ble0",
        things=things,
        clock=host.clock if host else None,  # type: ignore[arg-type]  # never asked
        nursery=host.nursery if host else None,  # type: ignore[arg-type]  # never used
        folder=folder,
        property_id="riverside",
        issuer_points=(),
        presser=ec.generate_private_key(ec.SECP256R1()),
        options=options,
    )


class Floor:
    """Sensors around one radio."""

    def __init__(self, host: Host, radio: BleRadio, things: dict[str, Any]) -> None:
        self.host, self.radio, self.things = host, radio, things

    def events(self) -> list[tuple[str, EventKind]]:
        return [(name, what.kind) for name, what in self.host.house.happenings]

    async def settle(self, seconds: float) -> None:
        await self.host.clock.sleep_until(self.host.by(seconds))


@asynccontextmanager
async def floor(
    folder: Path,
    kinds: dict[str, DeviceKind],
    *,
    key: bytes | None = None,
    every_ms: float = 500.0,
    **options: Any,
) -> AsyncGenerator[Floor, None]:
    air = Air()
    host = await Host.open(air)
    things: dict[str, BthomeSensor] = {}
    for name in kinds:
        sensor = BthomeSensor(ends(air, name), Manner(name=name, advertise_ms=every_ms), key=key)
        await sensor.start()
        things[name] = sensor
    more = {} if key is None else {"key": key.hex()}
    radio = BleRadio(
        setting(
            folder,
            host,
            *(
                Thing(
                    name=name,
                    kind=kind,
                    protocol="bthome",
                    address=things[name].address.lower(),
                    options={**more, **options},
                )
                for name, kind in kinds.items()
            ),
        ),
        host.stack,
    )
    running = asyncio.ensure_future(radio.run(host.house))
    it = Floor(host, radio, things)
    await it.settle(0.1)
    try:
        yield it
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await host.close()


@pytest.mark.parametrize("key", [None, KEY], ids=["clear", "encrypted"])
@on_the_air
async def test_a_leak_is_told_within_a_second_and_once(key: bytes | None, tmp_path: Path) -> None:
    async with floor(tmp_path, {"leak-1": DeviceKind.LEAK}, key=key) as it:
        sensor = it.things["leak-1"]
        await sensor.report((0x20, 0), (0x01, 90))
        await it.settle(5)
        assert it.events() == [], "dry from the start is a state, no event"
        await sensor.report((0x20, 1), (0x01, 90))
        await it.settle(1)
        assert it.events() == [("leak-1", EventKind.LEAK)]
        await it.settle(30)
        assert it.events() == [("leak-1", EventKind.LEAK)]
        state = it.host.house.states[-1][1]
        assert isinstance(state, LeakState)
        assert (state.wet, state.battery_pct) == (True, 90)
        await sensor.report((0x20, 0), (0x01, 90))
        await it.settle(1)
        assert it.events()[-1] == ("leak-1", EventKind.LEAK_CLEARED)


@on_the_air
async def test_a_recorded_dry_word_does_not_hide_a_leak(tmp_path: Path) -> None:
    async with floor(tmp_path, {"leak-1": DeviceKind.LEAK}, key=KEY) as it:
        sensor = it.things["leak-1"]
        sensor.counter = 500
        await sensor.report((0x20, 0))
        await it.settle(2)
        recorded = sensor.said
        await sensor.report((0x20, 1))
        await it.settle(2)
        await sensor.replay(recorded)
        await it.settle(5)
        assert it.events() == [("leak-1", EventKind.LEAK)]


@on_the_air
async def test_a_sensor_in_clear_under_an_encrypted_ones_address_is_not_believed(
    tmp_path: Path,
) -> None:
    async with floor(tmp_path, {"leak-1": DeviceKind.LEAK}, key=KEY) as it:
        await it.things["leak-1"].replay(bytes.fromhex("402001"))
        await it.settle(5)
        assert it.events() == []
        assert it.host.house.states == []


@on_the_air
async def test_doors_buttons_and_motion_are_events_and_the_rest_is_state(tmp_path: Path) -> None:
    async with floor(tmp_path, {"window-1": DeviceKind.SENSOR}) as it:
        sensor = it.things["window-1"]
        await sensor.report((0x2D, 0), (0x02, 2134), (0x03, 4512), (0x01, 55))
        await it.settle(2)
        await sensor.report((0x2D, 1), (0x3A, 2), (0x21, 1))
        await it.settle(2)
        await sensor.report((0x2D, 0), (0x3A, 0), (0x21, 0))
        await it.settle(2)
        kinds = [kind for _, kind in it.events()]
        assert sorted(kinds) == sorted(
            [
                EventKind.MOTION,
                EventKind.DOOR_OPENED,
                EventKind.PRESSED,
                EventKind.DOOR_CLOSED,
            ]
        )
        state = it.host.house.states[-1][1]
        assert isinstance(state, SensorState)
        assert (state.temperature_c10, state.humidity_pct10) == (213, 451)
        assert (state.contact_open, state.occupied, state.battery_pct) == (False, False, 55)
        told = await it.radio.devices["window-1"].carry_out(
            Order(id="o", verb=Verb.READ, expires_at_ms=0, reply_topic="t"), deadline_s=0
        )
        assert told.outcome is Outcome.DONE
        told = await it.radio.devices["window-1"].carry_out(
            Order(id="o", verb=Verb.UNLOCK, expires_at_ms=0, reply_topic="t"), deadline_s=0
        )
        assert told.outcome is Outcome.REFUSED


@on_the_air
async def test_a_meter_counts_and_low_cells_are_said_once(tmp_path: Path) -> None:
    async with floor(tmp_path, {"meter-1": DeviceKind.METER}) as it:
        sensor = it.things["meter-1"]
        await sensor.report((0x0A, 12_345), (0x4F, 2_000), (0x15, 1))
        await it.settle(2)
        await sensor.report((0x0A, 12_346), (0x4F, 2_001), (0x15, 1))
        await it.settle(2)
        state = it.host.house.states[-1][1]
        assert isinstance(state, MeterState)
        assert (state.energy_wh, state.volume_ml) == (12_346, 2_001)
        assert it.events() == [("meter-1", EventKind.BATTERY_LOW)]
        assert it.host.house.telemetry[-1][1]["water"] == 2_001


@on_the_air
async def test_a_radiator_borrows_the_temperature_of_the_sensor_beside_it(tmp_path: Path) -> None:
    air = Air()
    host = await Host.open(air)
    sensor = BthomeSensor(ends(air, "s"), Manner(name="s"))
    radiator = Eq3Thermostat(ends(air, "r"), Manner(name="r", mtu_max=23))
    await sensor.start()
    await radiator.start()
    radio = BleRadio(
        setting(
            tmp_path,
            host,
            Thing(
                name="sensor-1",
                kind=DeviceKind.SENSOR,
                protocol="bthome",
                address=sensor.address,
            ),
            Thing(
                name="radiator-1",
                kind=DeviceKind.THERMOSTAT,
                protocol="eq3",
                address=radiator.address,
                options={"sensor": "sensor-1"},
            ),
            time_zone="Europe/Lisbon",
        ),
        host.stack,
    )
    running = asyncio.ensure_future(radio.run(host.house))
    await sensor.report((0x02, 1870))
    await host.clock.sleep_until(host.by(2))
    order = Order(id="o", verb=Verb.SET_POINT, expires_at_ms=0, reply_topic="t", set_point_c10=215)
    told = await radio.devices["radiator-1"].carry_out(order, deadline_s=host.by(20))
    assert told.outcome is Outcome.DONE
    state = next(s for n, s in reversed(host.house.states) if n == "radiator-1")
    assert isinstance(state, ThermostatState)
    assert (state.set_point_c10, state.measured_c10) == (215, 187)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await host.close()


# --- the radio itself


@on_the_air
async def test_a_hung_radio_is_switched_off_and_on_and_hears_again(tmp_path: Path) -> None:
    async with floor(tmp_path, {"s-1": DeviceKind.SENSOR}, every_ms=1_000.0) as it:
        await it.settle(10)
        it.host.controller.hung = True
        await it.settle(260)
        assert it.host.adapter.cycles == 1
        assert it.host.house.alarms[Alarm.RADIO_SILENT, None] is False, "raised, and over"
        before = len(it.host.house.states)
        await it.things["s-1"].report((0x02, 2000))
        await it.settle(3)
        assert len(it.host.house.states) > before


@on_the_air
async def test_a_radio_that_nothing_cures_is_lost_with_a_sentence(tmp_path: Path) -> None:
    air = Air()
    host = await Host.open(air)
    host.adapter.cures = False
    radio = BleRadio(
        setting(
            tmp_path,
            host,
            Thing(
                name="s-1",
                kind=DeviceKind.SENSOR,
                protocol="bthome",
                address="A4:C1:38:8D:18:B2",
            ),
        ),
        host.stack,
    )
    with pytest.raises(RadioLostError, match="pull the dongle out"):
        await radio.run(host.house)
    assert (host.adapter.cycles, host.adapter.restarts) == (1, 1)
    assert host.house.alarms[Alarm.RADIO_HUNG, None]
    await host.close()


@on_the_air
async def test_an_adapter_that_is_off_says_so_and_comes_back_when_it_is_on(tmp_path: Path) -> None:
    air = Air()
    host = await Host.open(air)
    await host.central.power(on=False)
    radio = BleRadio(setting(tmp_path, host), host.stack)
    with pytest.raises(RadioLostError, match="switched off"):
        await radio.run(host.house)
    await host.central.power(on=True)
    running = asyncio.ensure_future(radio.run(host.house))
    await host.clock.sleep_until(host.by(5))
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await host.close()


@on_the_air
async def test_a_chip_that_does_not_answer_is_lost_and_not_waited_for(tmp_path: Path) -> None:
    air = Air()
    host = await Host.open(air)
    host.controller.hung = True
    radio = BleRadio(setting(tmp_path, host), host.stack)
    with pytest.raises(RadioLostError):
        await radio.run(host.house)
    host.controller.hung = False
    await host.close()


@on_the_air
async def test_a_link_that_a_crash_left_is_hung_up_at_the_start(tmp_path: Path) -> None:
    async with floor(tmp_path, {}) as it:
        radiator = Eq3Thermostat(ends(it.host.air, "r"), Manner(name="r", mtu_max=23))
        await radiator.start()
        ears = it.host.ears({radiator.address: "r"})
        await ears.open()
        heard = await ears.hear("r", fresh_s=9, deadline_s=it.host.by(5))
        assert heard is not None
        left = VirtualClient(heard.device, disconnected_callback=None, timeout=5)
        await left.connect(pair=False)
        assert it.host.central.device.connections
        again = BleRadio(setting(tmp_path, it.host), it.host.stack)
        running = asyncio.ensure_future(again.run(it.host.house))
        await it.settle(5)
        assert not it.host.central.device.connections
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@on_the_air
async def test_a_passive_scan_that_is_not_to_be_had_becomes_an_active_one(tmp_path: Path) -> None:
    air = Air()
    host = await Host.open(air)
    stack = replace(
        host.stack,
        passive=True,
        # The first scan of this stack fails, as BlueZ's does without --experimental.
        scanner_more={"central": _Refusing(host.central)},
        scanner_fallback={"central": host.central},
    )
    sensor = BthomeSensor(ends(air, "s"), Manner(name="s"))
    await sensor.start()
    thing = Thing(name="s-1", kind=DeviceKind.SENSOR, protocol="bthome", address=sensor.address)
    radio = BleRadio(setting(tmp_path, host, thing), stack)
    running = asyncio.ensure_future(radio.run(host.house))
    await sensor.report((0x02, 2000))
    await host.clock.sleep_until(host.by(3))
    assert host.house.states
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await host.close()


class _Refusing:
    """A central whose scan cannot start."""

    def __init__(self, central: Any) -> None:
        self.device = central.device
        self.powered = True

    async def scan(self, **_how: Any) -> None:
        raise TimeoutError

    async def scan_no_more(self) -> None:
        pass


# --- the sheet


@pytest.mark.parametrize(
    ("thing", "cure"),
    [
        ({"protocol": "matter"}, "write one of bthome, eq3, npk"),
        ({"protocol": "bthome"}, "needs its Bluetooth address"),
        ({"protocol": "bthome", "address": "kitchen"}, "needs its Bluetooth address"),
        (
            {"protocol": "bthome", "address": "A4:C1:38:8D:18:B2", "options": {"key": "beef"}},
            "32 hex digits",
        ),
        (
            {"protocol": "npk", "door_number": 1, "options": {"lock_point": "04" + "00" * 64}},
            "is no key",
        ),
    ],
)
@on_the_air
async def test_a_thing_that_cannot_be_is_refused_with_its_cure(
    thing: dict[str, Any], cure: str, tmp_path: Path
) -> None:
    host = await Host.open(Air())
    made = Thing(name="x", kind=DeviceKind.SENSOR, **thing)
    with pytest.raises(NeedsPersonError, match=cure) as caught:
        BleRadio(setting(tmp_path, host, made), host.stack)
    assert "beef" not in str(caught.value), "it may be a key"
    await host.close()


@on_the_air
async def test_a_lock_that_is_still_to_be_installed_keeps_no_other_thing_down(
    tmp_path: Path,
) -> None:
    air = Air()
    host = await Host.open(air)
    sensor = BthomeSensor(ends(air, "s"), Manner(name="s"))
    await sensor.start()
    heard = Thing(name="s-1", kind=DeviceKind.SENSOR, protocol="bthome", address=sensor.address)
    bare = Thing(name="lock-1", kind=DeviceKind.LOCK, protocol="npk", door_number=1)
    radio = BleRadio(setting(tmp_path, host, heard, bare), host.stack)
    running = asyncio.ensure_future(radio.run(host.house))
    await sensor.report((0x02, 2000))
    await host.clock.sleep_until(host.by(3))
    assert host.house.states
    assert "lock-1" not in radio.devices
    assert host.house.alarms[Alarm.NOT_PAIRED, "lock-1"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await host.close()


@on_the_air
async def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    host = await Host.open(Air())
    with pytest.raises(NeedsPersonError, match="Europe/Lisbon"):
        BleRadio(setting(tmp_path, host, time_zone="Mars/Base"), host.stack)
    await host.close()


@on_the_air
async def test_the_factory_builds_a_radio_on_bluez(tmp_path: Path) -> None:
    host = await Host.open(Air())
    assert factory_of("ble", FACTORIES) is build
    radio = build(setting(tmp_path, host, adapter="hci1", slots=5))
    assert isinstance(radio, BleRadio)
    assert radio.devices == {}
    passive = build(setting(tmp_path, host, passive=True))
    assert passive.devices == {}
    await host.close()
