"""Each dialect on payloads as its maker documents them: bytes in, facts out, one message per order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.bus.words import DeviceKind, LockRefusal, Order, Verb
from drivers.facts import Facts
from drivers.mqtt.dialect import Answered, Dialect, Heard, Say
from drivers.mqtt.radio import DIALECTS
from support.foreign_house import order, thing

K, V = DeviceKind, Verb


def dialect(kind: DeviceKind, protocol: str, address: str, **options: Any) -> Dialect:
    return DIALECTS[protocol](thing(kind, protocol, address, **options))


ESP_LIGHT = dialect(K.LIGHT, "esphome", "esphome/room9/light/bed")
ESP_LOCK = dialect(K.LOCK, "esphome", "esphome/room9/lock/store")
ESP_VALVE = dialect(K.VALVE, "esphome", "esphome/room9/valve/main")
ESP_CLIMATE = dialect(K.THERMOSTAT, "esphome", "esphome/room9/climate/heat")
ESP_SENSOR = dialect(
    K.SENSOR, "esphome", "esphome/room9", temperature="bath", humidity="bath_rh", motion="hall"
)
ESP_LEAK = dialect(K.LEAK, "esphome", "esphome/room9", leak="sink")
TAS = dialect(K.SWITCH, "tasmota", "tasmota/plug9/%prefix%")
TAS_TWO = dialect(K.SWITCH, "tasmota", "plug9", relay=2)
TAS_METER = dialect(K.METER, "tasmota", "plug9")
TAS_VALVE = dialect(K.VALVE, "tasmota", "water9", inverted=True)
SHELLY = dialect(K.SWITCH, "shelly", "shellies/plug9")
SHELLY_STRIKE = dialect(K.LOCK, "shelly", "shellies/gate", strike_s=3)
SHELLY_COVER = dialect(K.VALVE, "shelly", "shellies/main", component="cover")
SHELLY_METER = dialect(K.METER, "shelly", "shellies/meter")
ZW_LOCK = dialect(K.LOCK, "zwavejs", "zwave/nodeID_5")
ZW_PLUG = dialect(K.SWITCH, "zwavejs", "zwave/nodeID_6")
ZW_DIM = dialect(K.LIGHT, "zwavejs", "zwave/nodeID_7")
ZW_LEAK = dialect(K.LEAK, "zwavejs", "zwave/nodeID_8")
ZW_HEAT = dialect(K.THERMOSTAT, "zwavejs", "zwave/nodeID_9")
Z2M_HEAT = dialect(K.THERMOSTAT, "zigbee2mqtt", "zigbee2mqtt/heat")
Z2M_LEAK = dialect(K.LEAK, "zigbee2mqtt", "zigbee2mqtt/sink")
Z2M_PLUG = dialect(K.SWITCH, "zigbee2mqtt", "zigbee2mqtt/plug")
Z2M_SENSOR = dialect(K.SENSOR, "zigbee2mqtt", "zigbee2mqtt/window")
Z2M_LIGHT = dialect(K.LIGHT, "zigbee2mqtt", "zigbee2mqtt/lamp")

NOTIFIED = {
    "src": "shellyplus1pm-a8032abe54dc",
    "dst": "shellies/plug9/events",
    "method": "NotifyStatus",
    "params": {
        "ts": 1626935779.75,
        "switch:0": {
            "id": 0,
            "output": True,
            "source": "button",
            "apower": 8.9,
            "aenergy": {"total": 6.532},
            "temperature": {"tC": 45.7, "tF": 114.3},
        },
    },
}


@pytest.mark.parametrize(
    ("dialect", "topic", "payload", "facts"),
    [
        (
            ESP_LIGHT,
            "esphome/room9/light/bed/state",
            {"state": "ON", "brightness": 128},
            Facts(on=True, level_pct=50),
        ),
        (ESP_LOCK, "esphome/room9/lock/store/state", b"JAMMED", Facts(bolt="jammed")),
        (ESP_LOCK, "esphome/room9/lock/store/state", b"UNLOCKED", Facts(bolt="unlocked")),
        (ESP_VALVE, "esphome/room9/valve/main/state", b"closed", Facts(valve_open=False)),
        (
            ESP_CLIMATE,
            "esphome/room9/climate/heat/target_temperature/state",
            b"21.5",
            Facts(set_point_c10=215),
        ),
        (
            ESP_CLIMATE,
            "esphome/room9/climate/heat/current_temperature/state",
            b"19.04",
            Facts(temperature_c10=190),
        ),
        (ESP_CLIMATE, "esphome/room9/climate/heat/action/state", b"heating", Facts(heating=True)),
        (ESP_SENSOR, "esphome/room9/sensor/bath/state", b"22.3", Facts(temperature_c10=223)),
        (ESP_SENSOR, "esphome/room9/sensor/bath_rh/state", b"61", Facts(humidity_pct10=610)),
        (ESP_SENSOR, "esphome/room9/binary_sensor/hall/state", b"ON", Facts(occupied=True)),
        (ESP_LEAK, "esphome/room9/binary_sensor/sink/state", b"ON", Facts(wet=True)),
        (TAS, "tasmota/plug9/stat/POWER", b"ON", Facts(on=True)),
        (TAS, "tasmota/plug9/stat/RESULT", {"POWER": "OFF"}, Facts(on=False)),
        (
            TAS,
            "tasmota/plug9/tele/STATE",
            {"Time": "2026-05-26T23:09:23", "POWER1": "ON", "Dimmer": 10},
            Facts(on=True, level_pct=10),
        ),
        (TAS_TWO, "tele/plug9/STATE", {"POWER1": "ON", "POWER2": "OFF"}, Facts(on=False)),
        (TAS_VALVE, "stat/water9/POWER", b"ON", Facts(valve_open=False)),
        (
            TAS_METER,
            "tele/plug9/SENSOR",
            {
                "Time": "x",
                "ENERGY": {"Total": 12.345, "Power": 36, "Voltage": 229},
                "AM2301": {"Temperature": 21.3, "Humidity": 50.1},
                "TempUnit": "C",
            },
            Facts(power_w10=360, energy_wh=12345, temperature_c10=213, humidity_pct10=501),
        ),
        (
            TAS_METER,
            "tele/plug9/SENSOR",
            {"AM2301": {"Temperature": 70.0}, "TempUnit": "F"},
            Facts(),
        ),
        (SHELLY, "shellies/plug9/events/rpc", NOTIFIED, Facts(on=True, power_w10=89, energy_wh=7)),
        (
            SHELLY,
            "shellies/plug9/status/switch:0",
            {"id": 0, "output": False, "apower": 0.0},
            Facts(on=False, power_w10=0),
        ),
        (SHELLY_STRIKE, "shellies/gate/status/switch:0", {"output": True}, Facts(bolt="unlocked")),
        (
            SHELLY_COVER,
            "shellies/main/status/cover:0",
            {"id": 0, "state": "closed"},
            Facts(valve_open=False),
        ),
        (SHELLY_COVER, "shellies/main/status/cover:0", {"id": 0, "state": "closing"}, Facts()),
        (
            SHELLY_METER,
            "shellies/meter/status/pm1:0",
            {"apower": -12.5, "aenergy": {"total": 1000.4}},
            Facts(power_w10=-125, energy_wh=1000),
        ),
        (
            ZW_LOCK,
            "zwave/nodeID_5/98/0/currentMode",
            {"time": 1616000000000, "value": 255},
            Facts(bolt="locked"),
        ),
        (ZW_LOCK, "zwave/nodeID_5/98/0/currentMode", b"0", Facts(bolt="unlocked")),
        (ZW_LOCK, "zwave/nodeID_5/128/0/level", {"value": 66}, Facts(battery_pct=66)),
        (ZW_PLUG, "zwave/nodeID_6/37/0/currentValue", {"value": True}, Facts(on=True)),
        (ZW_DIM, "zwave/nodeID_7/38/0/currentValue", {"value": 99}, Facts(on=True, level_pct=100)),
        (ZW_LEAK, "zwave/nodeID_8/113/0/Water_Alarm/Sensor_status", {"value": 2}, Facts(wet=True)),
        (ZW_LEAK, "zwave/nodeID_8/113/0/Water_Alarm/Sensor_status", {"value": 0}, Facts(wet=False)),
        (ZW_LEAK, "zwave/nodeID_8/113/0/Water_Alarm/Sensor_status", {"value": "x"}, Facts()),
        (ZW_HEAT, "zwave/nodeID_9/67/0/setpoint/1", {"value": 20.5}, Facts(set_point_c10=205)),
        (
            Z2M_HEAT,
            "zigbee2mqtt/heat",
            {
                "local_temperature": 19.8,
                "occupied_heating_setpoint": 21,
                "running_state": "heat",
                "battery": 74,
            },
            Facts(temperature_c10=198, set_point_c10=210, heating=True, battery_pct=74),
        ),
        (
            Z2M_LEAK,
            "zigbee2mqtt/sink",
            {"water_leak": True, "battery_low": False, "linkquality": 90},
            Facts(wet=True, battery_pct=100),
        ),
        (Z2M_LEAK, "zigbee2mqtt/sink", {"alarm_1": True, "tamper": False}, Facts(wet=True)),
        (
            Z2M_PLUG,
            "zigbee2mqtt/plug",
            {"state": "ON", "power": 41.2, "energy": 3.2},
            Facts(on=True, power_w10=412, energy_wh=3200),
        ),
        (
            Z2M_SENSOR,
            "zigbee2mqtt/window",
            {"contact": False, "temperature": 18, "illuminance": 300},
            Facts(contact_open=True, temperature_c10=180, light_lux=300),
        ),
        (
            Z2M_LIGHT,
            "zigbee2mqtt/lamp",
            {"state": "OFF", "brightness": 254},
            Facts(on=False, level_pct=100),
        ),
    ],
)
def test_a_documented_payload_is_read(
    dialect: Dialect, topic: str, payload: Any, facts: Facts
) -> None:
    data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    heard = dialect.hear(topic, data)
    assert heard is not None
    assert heard.facts == facts


@pytest.mark.parametrize(
    ("dialect", "topic", "payload", "online"),
    [
        (ESP_LIGHT, "esphome/room9/status", b"offline", False),
        (ESP_SENSOR, "esphome/room9/status", b"online", True),
        (TAS, "tasmota/plug9/tele/LWT", b"Online", True),
        (TAS_TWO, "tele/plug9/LWT", b"Offline", False),
        (SHELLY, "shellies/plug9/online", b"true", True),
        (SHELLY, "shellies/plug9/online", b"false", False),
        (ZW_LOCK, "zwave/nodeID_5/status", {"status": "Dead"}, False),
        (ZW_LOCK, "zwave/nodeID_5/status", {"status": "Asleep"}, True),
        (Z2M_PLUG, "zigbee2mqtt/plug/availability", {"state": "online"}, True),
    ],
)
def test_presence_is_read(dialect: Dialect, topic: str, payload: Any, *, online: bool) -> None:
    data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    assert dialect.hear(topic, data) == Heard(online=online)


@pytest.mark.parametrize(
    ("dialect", "asked", "topic", "payload"),
    [
        (ESP_LIGHT, order(V.SWITCH_ON), "esphome/room9/light/bed/command", {"state": "ON"}),
        (
            ESP_LIGHT,
            order(V.SET_LEVEL, level_pct=40),
            "esphome/room9/light/bed/command",
            {"state": "ON", "brightness": 102},
        ),
        (ESP_LOCK, order(V.UNLOCK), "esphome/room9/lock/store/command", b"UNLOCK"),
        (ESP_VALVE, order(V.CLOSE_VALVE), "esphome/room9/valve/main/command", b"CLOSE"),
        (
            ESP_CLIMATE,
            order(V.SET_POINT, set_point_c10=205),
            "esphome/room9/climate/heat/target_temperature/command",
            b"20.5",
        ),
        (TAS, order(V.SWITCH_OFF), "tasmota/plug9/cmnd/POWER1", b"OFF"),
        (TAS_TWO, order(V.SWITCH_ON), "cmnd/plug9/POWER2", b"ON"),
        (TAS_VALVE, order(V.CLOSE_VALVE), "cmnd/water9/POWER1", b"ON"),
        (
            SHELLY,
            order(V.SWITCH_ON),
            "shellies/plug9/rpc",
            {
                "id": "o1",
                "src": "shellies/plug9/np",
                "method": "Switch.Set",
                "params": {"id": 0, "on": True},
            },
        ),
        (
            SHELLY_STRIKE,
            order(V.UNLOCK),
            "shellies/gate/rpc",
            {
                "id": "o1",
                "src": "shellies/gate/np",
                "method": "Switch.Set",
                "params": {"id": 0, "on": True, "toggle_after": 3},
            },
        ),
        (
            SHELLY_COVER,
            order(V.CLOSE_VALVE),
            "shellies/main/rpc",
            {"id": "o1", "src": "shellies/main/np", "method": "Cover.Close", "params": {"id": 0}},
        ),
        (ZW_PLUG, order(V.SWITCH_ON), "zwave/nodeID_6/37/0/targetValue/set", True),
        (ZW_DIM, order(V.SET_LEVEL, level_pct=100), "zwave/nodeID_7/38/0/targetValue/set", 99),
        (ZW_LOCK, order(V.LOCK), "zwave/nodeID_5/98/0/targetMode/set", 255),
        (
            Z2M_HEAT,
            order(V.SET_POINT, set_point_c10=195),
            "zigbee2mqtt/heat/set",
            {"occupied_heating_setpoint": 19.5},
        ),
        (Z2M_PLUG, order(V.SWITCH_OFF), "zigbee2mqtt/plug/set", {"state": "OFF"}),
        (Z2M_LIGHT, order(V.SET_LEVEL, level_pct=50), "zigbee2mqtt/lamp/set", {"brightness": 127}),
    ],
)
def test_an_order_is_one_documented_message(
    dialect: Dialect, asked: Order, topic: str, payload: Any
) -> None:
    say = dialect.say(asked)
    assert isinstance(say, Say)
    assert say.topic == topic
    assert (
        say.payload == payload
        if isinstance(payload, bytes)
        else msgspec.json.decode(say.payload) == payload
    )


@pytest.mark.parametrize(
    ("dialect", "asked"),
    [
        (ZW_LOCK, order(V.UNLOCK)),  # its driver sends again by itself
        (ESP_LIGHT, order(V.UNLOCK)),
        (SHELLY_METER, order(V.SWITCH_ON)),
        (Z2M_LEAK, order(V.CLOSE_VALVE)),
        (TAS_METER, order(V.SWITCH_ON)),
        (ESP_LOCK, order(V.PUT_PIN, slot=1)),
        (SHELLY_COVER, order(V.SET_POINT, set_point_c10=200)),
    ],
)
def test_what_a_dialect_cannot_promise_it_does_not_say(dialect: Dialect, asked: Order) -> None:
    assert dialect.say(asked) is LockRefusal.NOT_SUPPORTED


def test_no_order_of_any_dialect_is_a_toggle() -> None:
    for each in (ESP_LIGHT, ESP_LOCK, TAS, SHELLY, SHELLY_STRIKE, ZW_PLUG, Z2M_PLUG, SHELLY_COVER):
        for verb in Verb:
            say = each.say(order(verb, level_pct=30, set_point_c10=200))
            assert isinstance(say, LockRefusal) or b'oggle"' not in say.payload.replace(
                b"toggle_after", b""
            )


def test_a_shelly_answers_by_the_orders_id() -> None:
    answered = {
        "id": "o1",
        "src": "shellyplus1",
        "dst": "shellies/plug9/np",
        "result": {"was_on": False},
    }
    heard = SHELLY.hear("shellies/plug9/np/rpc", msgspec.json.encode(answered))
    assert heard is not None
    assert heard.answer == Answered(id="o1", done=True)
    wrong = {"id": "o1", "error": {"code": -103, "message": "Invalid argument 'id'!"}}
    heard = SHELLY.hear("shellies/plug9/np/rpc", msgspec.json.encode(wrong))
    assert heard is not None
    assert heard.answer == Answered(id="o1", done=False, note="rpc error -103")


def test_a_things_neighbour_is_not_heard() -> None:
    for each, topic in (
        (ESP_LIGHT, "esphome/room9/light/bed2/state"),
        (ESP_LIGHT, "esphome/room9/light/bed/other/state"),
        (TAS, "tasmota/plug8/stat/POWER"),
        (TAS_TWO, "stat/plug9/POWER1"),
        (SHELLY, "shellies/plug8/online"),
        (ZW_PLUG, "zwave/nodeID_66/37/0/currentValue"),
        (ZW_PLUG, "zwave/nodeID_6/37/1/currentValue"),
        (Z2M_PLUG, "zigbee2mqtt/plug2"),
        (ESP_SENSOR, "esphome/room9/sensor/other/state"),
    ):
        assert each.hear(topic, b"ON") is None
