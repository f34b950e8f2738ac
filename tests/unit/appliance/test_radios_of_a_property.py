"""Radios and what stands behind them, from the property's file to credentials and sheets."""

from __future__ import annotations

import json
import secrets
import sqlite3
import stat
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from appliance.bus import driver_sheet
from appliance.bus.credentials import BusRole, Credentials
from appliance.bus.credentials import load as load_credentials
from appliance.bus.device_sheet import load as load_sheet
from appliance.engines.doors.credentials import HOUSE_ZONE
from appliance.engines.inventory.messages import LockProtocol, ShareDoor, SharedWith
from appliance.first_run import init
from appliance.kernel import log as kernel_log
from appliance.kernel.clock import SystemClock
from appliance.kernel.cose import point_of
from appliance.kernel.deciding import Asking, Deciding
from appliance.kernel.log import Log
from appliance.kernel.messages import Done, Role, Who
from appliance.kernel.secrets import load_masters
from appliance.kernel.vault import open_vault
from appliance.placing import LOCK_PROTOCOLS
from appliance.property_file import BadPropertyFileError, parse
from appliance.rooms import ENGINES
from drivers.ble.things import SILENT_S
from drivers.http.radio import NUKI, SHELLY
from drivers.mqtt.radio import DIALECTS
from support.own_property import free_port

EXAMPLE = (files("appliance") / "example-property.toml").read_text()
EXAMPLE = EXAMPLE.replace('roles = ["manager"]', 'roles = ["manager"]\npin = "8642"')
EXAMPLE = EXAMPLE.replace('roles = ["front_desk"]', 'roles = ["front_desk"]\npin = "7315"')
BLE = '\n[[radio]]\nid = "ble0"\nkind = "ble"\noptions = { adapter = "hci1" }\n'
ZIGBEE = '\n[[radio]]\nid = "zb0"\nkind = "zigbee"\n'
# The generator of P-256: a point that is one.
POINT = (
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
ENTRANCE = f"""
[[thing]]
device = "lock-entrance"
radio = "ble0"
address = "A4:C1:38:00:00:01"
options = {{ lock_point = "{POINT}" }}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "riverside"


def _init(data: Path, text: str) -> Result:
    file = data.parent / "property.toml"
    file.write_text(text)
    ports = ["--web-port", str(free_port()), "--bus-port", str(free_port())]
    return CliRunner().invoke(init, [str(file), "--data", str(data), *ports])


def _made(data: Path, text: str) -> Credentials:
    said = _init(data, text)
    assert said.exit_code == 0, said.output
    return load_credentials(data / "bus-credentials.json")


def _fitted(data: Path) -> list[dict[str, object]]:
    with closing(sqlite3.connect(data / "log.db")) as db:
        rows = db.execute(
            "SELECT body FROM event WHERE kind = 'inventory.door_fitted.v1' ORDER BY position"
        ).fetchall()
    return [json.loads(body) for (body,) in rows]


def test_a_lock_behind_a_radio_has_no_name_of_its_own_on_the_bus(data: Path) -> None:
    known = _made(data, EXAMPLE + BLE + ENTRANCE)
    assert known.active("lock-entrance") is None
    bridge = known.active("driver-ble0")
    assert bridge is not None
    assert (bridge.role, bridge.devices) == (BusRole.BRIDGE, ("lock-entrance",))
    direct_sheet = load_sheet(data / "device-sheet.json")
    assert direct_sheet.time_zone == "Europe/Lisbon"
    direct = [one.device for one in direct_sheet.devices]
    assert "lock-entrance" not in direct
    assert "lock-101" in direct


def test_the_drivers_sheet_has_all_that_its_radio_needs_and_is_its_owners_alone(data: Path) -> None:
    known = _made(data, EXAMPLE + BLE + ENTRANCE)
    path = data / "driver-ble0.json"
    sheet = driver_sheet.load(path)
    [lock] = sheet.things
    assert (lock.device, lock.address, lock.protocol) == (
        "lock-entrance",
        "A4:C1:38:00:00:01",
        "npk",
    )
    assert lock.door_number is not None
    assert lock.zones == (HOUSE_ZONE,), "a key for every door opens it as well"
    assert sheet.options == {"adapter": "hci1", "time_zone": "Europe/Lisbon"}
    assert known.by_token("driver-ble0", sheet.token.encode()) is not None
    for one in (path, data / "driver-ble0.key"):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
    shown = repr(sheet)
    assert sheet.token not in shown
    assert lock.secret_hex not in shown


def _share(data: Path, *commands: ShareDoor) -> None:
    """What a manager says to the box between two runs of init."""
    keys = load_masters(data / "master.key", {})
    who = Who(actor="manager", role=Role.MANAGER)
    asked = [Asking(command=c, command_id=secrets.token_hex(8), who=who) for c in commands]
    with (
        closing(kernel_log.connect(data / "log.db")) as db,
        closing(open_vault(data / "keys.db", keys)) as vault,
    ):
        deciding = Deciding(Log(db), vault, SystemClock(floor_path=None), ENGINES)
        for decided in deciding.carry_out(asked):
            assert isinstance(decided.answer, Done), decided.answer


def test_locks_of_common_doors_learn_their_group_when_init_runs_again(data: Path) -> None:
    text = EXAMPLE + '\n[[door]]\nid = "pool"\ntitle = "Pool"\n' + BLE + ENTRANCE

    def zones() -> dict[str, tuple[int, ...]]:
        _made(data, text)
        direct = load_sheet(data / "device-sheet.json").devices
        behind = driver_sheet.load(data / "driver-ble0.json").things
        found = {one.device: one.zones for one in direct}
        found |= {one.device: one.zones for one in behind}
        return {name: found[f"lock-{name}"] for name in ("entrance", "pool", "101")}

    alone = (HOUSE_ZONE,)
    assert zones() == {"entrance": alone, "pool": alone, "101": alone}
    guests = (SharedWith.STAY,)
    _share(
        data,
        ShareDoor(door_id="door-entrance", shared_with=guests, zone=0x8001),
        ShareDoor(door_id="door-pool", shared_with=guests, zone=0x8001),
    )
    group = (HOUSE_ZONE, 0x8001)
    assert zones() == {"entrance": group, "pool": group, "101": alone}
    _share(data, ShareDoor(door_id="door-pool", shared_with=guests))
    assert zones() == {"entrance": group, "pool": alone, "101": alone}


def test_a_door_behind_a_radio_is_fitted_with_the_key_that_presses_it(data: Path) -> None:
    _made(data, EXAMPLE + BLE + ENTRANCE)
    key = driver_sheet.presser_key(data / "driver-ble0.key")
    [fitted] = _fitted(data)
    assert fitted["protocol"] == "npk"
    assert fitted["bridge"] == "driver-ble0"
    assert fitted["presser_point"] == point_of(key.public_key()).hex()
    assert fitted["lock_point"] == POINT


def test_init_again_keeps_token_and_key_and_adds_no_fact(data: Path) -> None:
    _made(data, EXAMPLE + BLE + ENTRANCE)
    before = [(data / name).read_bytes() for name in ("driver-ble0.json", "driver-ble0.key")]
    said = _init(data, EXAMPLE + BLE + ENTRANCE)
    assert "nothing was new" in said.output
    assert before == [
        (data / name).read_bytes() for name in ("driver-ble0.json", "driver-ble0.key")
    ]


def test_a_thing_may_move_behind_a_radio_and_from_one_to_another_and_back(data: Path) -> None:
    _made(data, EXAMPLE)
    known = _made(data, EXAMPLE + BLE + ENTRANCE)
    assert known.active("lock-entrance") is None  # its old name opens nothing any more
    moved = ENTRANCE.replace("ble0", "zb0")
    known = _made(data, EXAMPLE + ZIGBEE + moved)
    assert known.active("driver-ble0") is None  # two bridges never speak for one lock
    assert not (data / "driver-ble0.json").exists()
    known = _made(data, EXAMPLE + BLE + ZIGBEE + ENTRANCE)
    zigbee, ble = known.active("driver-zb0"), known.active("driver-ble0")
    assert zigbee is not None
    assert ble is not None
    assert (zigbee.devices, ble.devices) == ((), ("lock-entrance",))
    assert [fact["protocol"] for fact in _fitted(data)] == ["npk", "zigbee", "npk"]


def test_a_radios_word_for_a_lock_is_inventorys(data: Path) -> None:
    mqtt = '\n[[radio]]\nid = "ble0"\nkind = "mqtt"\nalso = ["zigbee2mqtt"]\n'
    _made(data, EXAMPLE + mqtt + ENTRANCE.replace("radio =", 'protocol = "zigbee2mqtt"\nradio ='))
    [thing] = driver_sheet.load(data / "driver-ble0.json").things
    assert thing.protocol == _fitted(data)[0]["protocol"] == "zigbee2mqtt"


def test_rooms_may_have_all_their_locks_behind_one_radio(data: Path) -> None:
    text = EXAMPLE.replace('numbers = ["107", "207"]', 'numbers = ["107", "207"]\nradio = "zb0"')
    _made(data, text + ZIGBEE)
    sheet = driver_sheet.load(data / "driver-zb0.json")
    assert [(one.device, one.protocol, one.room) for one in sheet.things] == [
        ("lock-107", "zigbee", "107"),
        ("lock-207", "zigbee", "207"),
    ]


def test_a_thing_of_no_room_is_new_with_its_kind(data: Path) -> None:
    sensor = '\n[[thing]]\ndevice = "sensor-attic"\nkind = "sensor"\nradio = "ble0"\n'
    _made(data, EXAMPLE + BLE + sensor.replace("radio =", 'protocol = "bthome"\nradio ='))
    [thing] = driver_sheet.load(data / "driver-ble0.json").things
    assert (thing.device, thing.kind, thing.protocol) == ("sensor-attic", "sensor", "bthome")


def test_a_radio_may_be_given_other_makers_topics(data: Path) -> None:
    mqtt = '\n[[radio]]\nid = "mq0"\nkind = "mqtt"\nalso = ["zigbee2mqtt"]\n'
    bridge = _made(data, EXAMPLE + mqtt).active("driver-mq0")
    assert bridge is not None
    assert bridge.also == ("zigbee2mqtt",)


SATELLITE = BLE.replace("options", "satellite = true\noptions")


def test_inventory_and_the_drivers_have_one_word_for_each_way_to_speak_to_a_lock() -> None:
    spoken = {"npk", "zigbee", NUKI, SHELLY, *DIALECTS}
    assert "npk" in SILENT_S
    assert {word.value for word in LockProtocol} == spoken | {"bus"}
    assert {word.value for word in LOCK_PROTOCOLS} == spoken, "and each of them can be installed"


def test_a_satellite_without_a_way_to_the_bus_waits_for_the_setting(data: Path) -> None:
    said = _init(data, EXAMPLE + SATELLITE + ENTRANCE)
    assert said.exit_code == 0
    assert "set bus.tls_port" in said.output
    assert _fitted(data) == []


def test_a_satellite_is_given_one_folder_to_carry(data: Path) -> None:
    _init(data, EXAMPLE + SATELLITE + ENTRANCE)
    own = data / "nightporter.toml"
    own.write_text(own.read_text().replace("[bus]\n", "[bus]\ntls_port = 8883\n"))
    _made(data, EXAMPLE + SATELLITE + ENTRANCE)
    folder = data / "satellite-ble0"
    sheet = driver_sheet.load(folder / "driver-ble0.json")
    assert sheet.satellite
    assert (sheet.bus.tls, sheet.bus.port) == (True, 8883)
    assert sheet.bus.certificates is not None
    certificate = (folder / sheet.bus.certificates / "driver-ble0.crt").read_bytes()
    subject = x509.load_pem_x509_certificate(certificate).subject.rfc4514_string()
    assert subject == "CN=driver-ble0"
    assert not (data / "driver-ble0.json").exists()  # nobody on the box drives it
    _made(data, EXAMPLE + SATELLITE + ENTRANCE)
    assert (folder / sheet.bus.certificates / "driver-ble0.crt").read_bytes() == certificate
    assert _fitted(data)[0]["bridge"] == "driver-ble0"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (BLE.replace('"ble"', '"pigeon"'), "pigeon"),
        (BLE.replace("ble0", "BLE 0"), "small letters"),
        (BLE + BLE, "twice"),
        (ENTRANCE, "which is none"),
        (BLE + ENTRANCE + ENTRANCE, "twice"),
        (BLE + ENTRANCE.replace("lock-entrance", "lock-nowhere"), "give it a kind"),
        (BLE + ENTRANCE.replace('radio = "ble0"\n', ""), "names no radio"),
        (BLE + ENTRANCE.replace("radio =", 'protocol = "morse"\nradio ='), "morse"),
        (BLE + ENTRANCE.replace("radio =", 'protocol = "bus"\nradio ='), "give it a protocol"),
        (BLE + ENTRANCE.replace("radio =", 'kind = "lock"\nradio ='), "already"),
        (BLE.replace("options", 'also = ["np/lock-1"]\noptions'), "another maker"),
        (BLE + ENTRANCE.replace("lock-entrance", "a/b"), "letters"),
    ],
)
def test_what_does_not_fit_together_is_said(more: str, says: str) -> None:
    with pytest.raises(BadPropertyFileError, match=says):
        parse(EXAMPLE + more)
