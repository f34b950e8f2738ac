"""Whatever a stranger publishes, nothing raises, nothing grows, and nonsense says nothing."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bus.words import DeviceKind, Verb
from drivers.facts import Facts, number, state_of, turns, whole, yes_no
from drivers.mqtt.radio import DIALECTS
from drivers.mqtt.strangers import THING_BYTES_MAX, mapping, read, word
from drivers.mqtt.template import parse
from support.foreign_house import open_foreign_house, order, thing

HOSTILE = [
    b"",
    b"null",
    b"NaN",
    b'{"value": NaN}',
    b'{"temperature": 1e999}',
    b'{"temperature": "inf", "battery": -5, "state": ["ON"], "lock_state": {"a": 1}}',
    b'{"battery": 1e400}',
    b"{" * 9_000,
    b"[" * 16_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    b'{"state":"' + b"x" * 20_000 + b'"}',
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b'{"params": {"switch:0": [1, 2]}, "method": "NotifyStatus"}',
    b'{"id": {"a": 1}, "result": 7, "error": []}',
    b'{"ENERGY": [], "AM2301": 5, "POWER": 1, "Dimmer": true}',
    b'{"time": "x", "value": {"deep": [[[[]]]]}}',
    b'{"type": "device_interview", "data": {"friendly_name": "x", "status": []}}',
    b'{"last_seen": "2026-01-01", "brightness": "NaN", "action": 5, "action_user": "x"}',
    b'{"unique_id": ["x"], "device": 5, "availability": [1, {"topic": 5}], "state_topic": 5}',
    b'{"unique_id": "esp9", "state_topic": "x/#", "state_on": [], "cmps": {"a": 1}}',
]
ADDRESSES = {
    "zigbee2mqtt": ("zigbee2mqtt/x", {}),
    "esphome": ("esphome/x/light/y", {}),
    "tasmota": ("tasmota/x/%prefix%", {}),
    "shelly": ("shellies/x", {}),
    "zwavejs": ("zwave/x", {}),
    "homeassistant": ("esp9", {"below": "esphome/x"}),
}
TOPICS = [
    "zigbee2mqtt/x",
    "zigbee2mqtt/x/availability",
    "zigbee2mqtt/bridge/state",
    "zigbee2mqtt/bridge/event",
    "zigbee2mqtt/bridge/devices",
    "esphome/x/status",
    "esphome/x/light/y/state",
    "tasmota/x/stat/RESULT",
    "tasmota/x/tele/SENSOR",
    "tasmota/x/tele/LWT",
    "shellies/x/online",
    "shellies/x/events/rpc",
    "shellies/x/status/switch:0",
    "shellies/x/np/rpc",
    "zwave/x/status",
    "zwave/x/37/0/currentValue",
    "zwave/x/98/0/currentMode",
    "zwave/x/113/0/Water_Alarm/Sensor_status",
    "homeassistant/switch/esp9/config",
    "homeassistant/device/esp9/config",
    "homeassistant/a/b/c/d/config",
    "",
    "/",
]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["state", "value", "lock_state", "action", "battery", "params", "method", "result", "id",
             "switch:0", "output", "availability", "state_topic", "unique_id", "device", "data",
             "payload_on", "state_on", "value_template", "time", "last_seen", "brightness", "cmps"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


def _every() -> list[Any]:
    return [
        make(thing(kind, protocol, *_address(protocol)[:1], **_address(protocol)[1]))
        for protocol, make in DIALECTS.items()
        for kind in DeviceKind
    ]


def _address(protocol: str) -> tuple[str, dict[str, Any]]:
    address, options = ADDRESSES[protocol]
    return address, dict(options)


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_hostile_payload_raises_nothing_in_any_dialect(payload: bytes) -> None:
    for dialect in _every():
        for topic in TOPICS:
            dialect.hear(topic, payload)
        for verb in Verb:
            dialect.say(order(verb, level_pct=-7, set_point_c10=10_000))


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(TOPICS))
def test_no_json_raises_anything(found: Any, topic: str) -> None:
    payload = msgspec.json.encode(found)
    for dialect in _every():
        heard = dialect.hear(topic, payload)
        if heard is not None:
            for kind in DeviceKind:
                state_of(kind, heard.facts, 0)
            turns(Facts(), heard.facts)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(payload: bytes) -> None:
    read(payload)
    word(payload)
    for dialect in _every():
        dialect.hear("zigbee2mqtt/x", payload)
        dialect.hear("homeassistant/switch/esp9/config", payload)


def test_what_is_too_large_or_too_deep_is_not_read() -> None:
    assert mapping(b'{"a": "' + b"x" * THING_BYTES_MAX + b'"}') is None
    assert read(b"[" * 25 + b"]" * 25) is None
    assert read(b"[" * 24 + b"]" * 24) is not None
    assert word(b"x" * 257) is None


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, True, None, "nan", "inf", [], {}, "1" * 40, 1e9]
)
def test_a_number_is_finite_and_within_its_bounds(value: object) -> None:
    assert number(value, -60, 130) is None
    assert whole(value, 0, 100) is None


def test_true_is_not_one() -> None:
    assert yes_no(1, yes=True, no=False) is None
    assert yes_no("ON", "ON", "OFF") is True


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), JSON)
def test_no_template_raises_or_runs_anything(source: str, parsed: Any) -> None:
    for each in (source, "{{" + source + "}}", "{{ value_json" + source + " }}"):
        template = parse(each)
        if template is not None:
            written = template.render("5", parsed)
            assert written is None or len(written) <= 1_024


@pytest.mark.parametrize(
    ("source", "payload", "written"),
    [
        ("{{ value }}", b"ON", "ON"),
        ("{{ value_json.state }}", b'{"state":"ON"}', "ON"),
        ("{{ value_json['AM2301'].Temperature | float | round(1) }}", b'{"AM2301":{"Temperature":21.34}}', "21.3"),
        ("{{ value_json.a[1].b }}", b'{"a":[0,{"b":7}]}', "7"),
        ("{{ 'ON' if value_json.wet else 'OFF' }}", b'{"wet":false}', "OFF"),
        ("{{ 'online' if value_json.s == 'up' and not value_json.off else 'offline' }}", b'{"s":"up"}', "online"),
        ("{{ value_json.measured_c10 / 10 }}", b'{"measured_c10":215}', "21.5"),
        ("{{ (value | int) + 1 }}", b"41", "42"),
        ("{{- value_json.bolt | upper -}}", b'{"bolt":"locked"}', "LOCKED"),
        ("{{ value_json.gone | default('none yet') }}", b"{}", "none yet"),
        ("{{ value_json.gone is defined }}", b"{}", "False"),
        ("{{ value_json.gone }}", b"{}", None),
        ("{{ value_json.gone | is_defined }}", b"{}", None),
        ("{{ value | float }}", b"abc", None),
        ("{{ value_json.x / 0 }}", b'{"x":1}', None),
        ("{{ value_json.x > 5 }}", b'{"x":6}', "True"),
    ],
)  # fmt: skip
def test_a_template_of_the_documented_part_is_read(
    source: str, payload: bytes, written: str | None
) -> None:
    template = parse(source)
    assert template is not None
    assert template.render(payload.decode(), read(payload)) == written


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9) %}{% endfor %}",
        "{{ range(1000000000) }}",
        "{{ value.__class__ }}",
        "{{ value_json._x }}",
        "{{ ''.join(value) }}",
        "{{ value ~ value }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ states('lock.front') }}",
        "{{ value | replace('a', 'b') }}",
        "{{ value | round(99999999999, 'ceil') }}",
        "{{ value }} and {{ value }}",
        "{{ " + "(" * 40 + "value" + ")" * 40 + " }}",
        "{{ " + "not " * 3000 + "value }}",
        "{{ " + "-" * 120 + "1 }}" + " " * 500,
        "{{ value" + ".a" * 300 + " }}",
        5,
        None,
    ],
)
def test_a_template_beyond_that_part_is_refused(source: object) -> None:
    assert parse(source) is None


async def test_a_hostile_stranger_disturbs_nobody() -> None:
    good = thing(DeviceKind.SWITCH, "zigbee2mqtt", "zigbee2mqtt/good")
    async with open_foreign_house(good) as at:
        for payload in HOSTILE:
            for topic in TOPICS:
                if topic.strip("/") and not topic.startswith("homeassistant"):
                    await at.gateway.publish(topic, payload, qos=0)
            await at.gateway.publish("zigbee2mqtt/good", payload, qos=0)
        await at.clock.settle()
        await at.say("zigbee2mqtt/good", {"state": "ON"})
        assert [state.on for _, state in at.house.states] == [True]  # type: ignore[union-attr]  # a switch
        assert at.bus.standing().parked == 0
