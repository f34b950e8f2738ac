"""A radio is found by its word, and what it is built from keeps its secrets."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import DeviceKind
from appliance.kernel.tasks import Nursery
from appliance.kernel.virtual_clock import VirtualClock
from drivers.port import Pin
from drivers.radios import NoSuchRadioError, Setting, Thing, factory_of

if TYPE_CHECKING:
    from drivers.port import Device, House, Radio


class Nothing:
    """A radio without things."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    @property
    def devices(self) -> dict[str, Device]:
        return {}

    async def run(self, house: House) -> None:
        return


def _setting() -> Setting:
    lock = Thing(
        name="lock-101",
        kind=DeviceKind.LOCK,
        address="AA:BB:CC:DD:EE:FF",
        secret=bytes(range(32)),
        options={"token": "do-not-show"},
    )
    return Setting(
        id="ble0",
        kind="ble",
        bridge="driver-ble0",
        things=(lock,),
        clock=VirtualClock(1_800_000_000_000),
        nursery=Nursery(lambda _name, _error: None),
        folder=Path(),
        property_id="riverside",
        issuer_points=(b"\x04" * 65,),
        presser=ec.generate_private_key(ec.SECP256R1()),
        options={"password": "do-not-show"},
    )


def test_a_radio_is_built_by_the_module_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_radio")
    module.build = Nothing  # type: ignore[attr-defined]  # a module made by hand
    monkeypatch.setitem(sys.modules, "a_radio", module)
    setting = _setting()
    radio: Radio = factory_of("nothing", {"nothing": "a_radio"})(setting)
    assert isinstance(radio, Nothing)
    assert radio.setting is setting


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(NoSuchRadioError, match="ble, http, mqtt, zigbee"):
        factory_of("carrier-pigeon")


def test_a_missing_stack_is_told_what_to_install() -> None:
    with pytest.raises(NoSuchRadioError, match=r"no_such_stack.*nightporter\[zigbee\]"):
        factory_of("zigbee", {"zigbee": "no_such_stack"})


def test_no_secret_is_shown() -> None:
    shown = repr(_setting()) + repr(Pin(digits="482913"))
    for secret in ("do-not-show", "482913", repr(bytes(range(32))), "PrivateKey"):
        assert secret not in shown
