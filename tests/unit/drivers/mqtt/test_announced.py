"""What announces itself is obeyed for a thing on the sheet, and below its prefix only."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.bus.discovery import Announced, discovery
from appliance.bus.words import DeviceKind, LockRefusal, Outcome, SensorState, SwitchState, Verb
from drivers.mqtt.template import parse
from support.foreign_house import open_foreign_house, order, thing

# As ESPHome announces, abbreviated as Home Assistant documents it.
LOCK = {
    "~": "esphome/store",
    "name": "Store",
    "uniq_id": "esp9lock",
    "cmd_t": "~/lock/command",
    "stat_t": "~/lock/state",
    "val_tpl": "{{ value_json.bolt | upper }}",
    "avty": [{"t": "~/status"}],
    "dev": {"ids": ["esp9"], "mf": "espressif"},
}
CONFIG = "homeassistant/lock/esp9/store/config"
ON_SHEET = thing(DeviceKind.LOCK, "homeassistant", "esp9", below="esphome/store")


async def test_an_announced_lock_is_opened_once_and_its_word_is_the_end() -> None:
    async with open_foreign_house(ON_SHEET) as at:
        await at.say(CONFIG, LOCK, retain=True)
        await at.say("esphome/store/status", b"online", retain=True)
        await at.say("esphome/store/lock/state", {"bolt": "locked"})
        work = at.carry_out(order(Verb.UNLOCK))
        await at.clock.settle()
        assert at.asked() == [("esphome/store/lock/command", b"UNLOCK")]
        await at.say("esphome/store/lock/state", {"bolt": "unlocked"})
        assert (await work).outcome is Outcome.DONE
        assert at.house.presences == [("lock-9", True)]


@pytest.mark.parametrize(
    "change",
    [
        {"cmd_t": "zigbee2mqtt/Front door/set"},  # somebody else's door
        {"cmd_t": "np/lock-1/down/command"},
        {"cmd_t": "esphome/storeroom/lock/command"},
        {"cmd_t": "esphome/store/#"},
        {"stat_t": "esphome/other/state"},
        {"avty": [{"t": "esphome/other/status"}]},
        {"cmd_t": ["~/lock/command"]},
        {"dev": {"ids": ["somebody"]}},
        {"val_tpl": "{{ value_json.__class__ }}"},
        {"val_tpl": "{% if value %}x{% endif %}"},
        {"stat_locked": ["LOCKED"], "cmd_t": None},
    ],
)
async def test_an_announcement_leads_nowhere_but_below_the_things_own_prefix(
    change: dict[str, Any],
) -> None:
    async with open_foreign_house(ON_SHEET) as at:
        await at.say(CONFIG, {**LOCK, **change}, retain=True)
        told = await at.told(order(Verb.UNLOCK))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_SUPPORTED)
        assert at.asked() == []


async def test_without_a_prefix_on_the_sheet_nobody_is_believed() -> None:
    async with open_foreign_house(thing(DeviceKind.LOCK, "homeassistant", "esp9")) as at:
        await at.say(CONFIG, LOCK, retain=True)
        assert (await at.told(order(Verb.UNLOCK))).refusal is LockRefusal.NOT_SUPPORTED


async def test_a_withdrawn_announcement_ends_what_it_allowed() -> None:
    async with open_foreign_house(ON_SHEET) as at:
        await at.say(CONFIG, LOCK, retain=True)
        await at.say(CONFIG, b"", retain=True)
        assert (await at.told(order(Verb.UNLOCK))).refusal is LockRefusal.NOT_SUPPORTED


async def test_several_entities_of_one_device_are_one_sensor() -> None:
    sensor = thing(DeviceKind.SENSOR, "homeassistant", "esp9", below="esphome/bath")
    common = {"~": "esphome/bath", "stat_t": "~/state", "dev": {"ids": "esp9"}}
    async with open_foreign_house(sensor) as at:
        for name, measure, template in (
            ("t", "temperature", "{{ value_json.t }}"),
            ("h", "humidity", "{{ value_json.h | float(0) | round(1) }}"),
            ("b", "battery", "{{ value_json.batt }}"),
        ):
            entity = {**common, "uniq_id": f"esp9{name}", "dev_cla": measure, "val_tpl": template}
            await at.say(f"homeassistant/sensor/esp9/{name}/config", entity, retain=True)
        await at.say("esphome/bath/state", {"t": 21.34, "h": "55.57", "batt": 90})
        _, state = at.house.states[-1]
        assert isinstance(state, SensorState)
        assert (state.temperature_c10, state.humidity_pct10, state.battery_pct) == (213, 556, 90)


async def test_a_device_announced_whole_is_read_by_its_components() -> None:
    switch = thing(DeviceKind.SWITCH, "homeassistant", "esp9", below="esphome/fan")
    announced = {
        "dev": {"ids": "esp9"},
        "o": {"name": "fan"},
        "cmps": {
            "fan1": {
                "p": "switch",
                "uniq_id": "fan1",
                "stat_t": "esphome/fan/state",
                "cmd_t": "esphome/fan/set",
                "pl_on": "go",
                "pl_off": "halt",
            }
        },
    }
    async with open_foreign_house(switch) as at:
        await at.say("homeassistant/device/esp9/config", announced, retain=True)
        work = at.carry_out(order(Verb.SWITCH_ON))
        await at.clock.settle()
        assert at.asked() == [("esphome/fan/set", b"go")]
        await at.say("esphome/fan/state", b"go")
        assert (await work).outcome is Outcome.DONE
        _, state = at.house.states[-1]
        assert isinstance(state, SwitchState)
        assert state.on is True


def test_our_own_announcements_are_understood_by_the_same_reader() -> None:
    """What we tell a Home Assistant is within the part of its language that we read ourselves."""
    for kind in DeviceKind:
        for payload in discovery(Announced(device="x-1", kind=kind, name="X")).values():
            for key, value in msgspec.json.decode(payload).items():
                if key.endswith("template") and "{{" in value:
                    assert parse(value) is not None, value
