"""One file makes a property, once; a wrong one makes nothing and is answered with a sentence."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.bus.credentials import load as load_credentials
from appliance.bus.device_sheet import load as load_sheet
from appliance.engines.identity.pins import matches
from appliance.first_run import init
from appliance.kernel import log as kernel_log
from appliance.kernel.sealed import Sealed
from appliance.kernel.secrets import load_masters
from appliance.kernel.settings_files import load_settings
from appliance.kernel.vault import open_vault
from appliance.plan import check
from appliance.where import EXIT_CONFIG, environment
from support.own_property import free_port

EXAMPLE = (files("appliance") / "example-property.toml").read_text()
MANAGER_PIN, DESK_PIN = "8642", "7315"
WITH_PINS = EXAMPLE.replace('roles = ["manager"]', f'roles = ["manager"]\npin = "{MANAGER_PIN}"')
WITH_PINS = WITH_PINS.replace(
    'roles = ["front_desk"]', f'roles = ["front_desk"]\npin = "{DESK_PIN}"'
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "riverside"


def _init(data: Path, text: str, typed: str = "") -> Result:
    file = data.parent / "property.toml"
    file.write_text(text)
    ports = ["--web-port", str(free_port()), "--bus-port", str(free_port())]
    return CliRunner().invoke(init, [str(file), "--data", str(data), *ports], input=typed)


def _rows(data: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "log.db")) as db:
        return db.execute(query).fetchall()


def _facts(data: Path) -> int:
    return kernel_log.verify_file(data / "log.db").position


def test_the_example_that_ships_makes_a_property_that_can_start(data: Path) -> None:
    said = _init(data, WITH_PINS)
    assert said.exit_code == 0, said.output
    assert "14 rooms, 29 devices, 2 people" in said.output
    settings = load_settings(environment(data)).settings
    assert settings.site.id == "riverside"
    assert check(settings) is None
    assert _rows(data, "SELECT count(*) FROM inventory_room") == [(14,)]
    assert _rows(data, "SELECT count(*) FROM inventory_door") == [(15,)]


def test_the_example_is_printed_whole() -> None:
    said = CliRunner().invoke(init, ["--example"])
    assert said.output == EXAMPLE


def test_without_a_file_the_example_is_named() -> None:
    said = CliRunner().invoke(init, [])
    assert said.exit_code == EXIT_CONFIG
    assert "--example" in said.output


def test_a_pin_that_the_file_leaves_out_is_asked_for_twice_and_never_shown(data: Path) -> None:
    typed = f"{MANAGER_PIN}\n{MANAGER_PIN}\n{DESK_PIN}\n{DESK_PIN}\n"
    said = _init(data, EXAMPLE, typed)
    assert said.exit_code == 0, said.output
    assert "PIN of Manager" in said.output
    assert MANAGER_PIN not in said.output
    assert DESK_PIN not in said.output
    assert _opens(data, "manager", MANAGER_PIN)
    assert not _opens(data, "manager", DESK_PIN)


def _opens(data: Path, person: str, pin: str) -> bool:
    vault = open_vault(data / "keys.db", load_masters(data / "master.key", {}))
    try:
        people = _rows(data, "SELECT person_id, pin_box, pin_place FROM identity_staff")
        [(box, place)] = [row[1:] for row in people if row[0] == person]
        assert isinstance(box, bytes)
        hashed = vault.open(Sealed(subject=person, box=box), str(place).encode())
        assert hashed is not None
        return matches(pin, hashed, vault)
    finally:
        vault.close()


def test_a_pin_that_anybody_would_guess_is_asked_for_again(data: Path) -> None:
    typed = f"1234\n{MANAGER_PIN}\n{MANAGER_PIN}\n{DESK_PIN}\n{DESK_PIN}\n"
    said = _init(data, EXAMPLE, typed)
    assert said.exit_code == 0, said.output
    assert "guesser" in said.output
    assert _opens(data, "manager", MANAGER_PIN)


def test_running_it_again_asks_nothing_and_changes_nothing(data: Path) -> None:
    _init(data, EXAMPLE, f"{MANAGER_PIN}\n{MANAGER_PIN}\n{DESK_PIN}\n{DESK_PIN}\n")
    facts = _facts(data)
    tokens = (data / "device-sheet.json").read_text()
    credentials = (data / "bus-credentials.json").read_text()
    settings = (data / "nightporter.toml").read_text()
    said = _init(data, EXAMPLE)
    assert said.exit_code == 0, said.output
    assert "nothing was new" in said.output
    assert "PIN of" not in said.output
    assert _facts(data) == facts
    assert (data / "device-sheet.json").read_text() == tokens
    assert (data / "bus-credentials.json").read_text() == credentials
    assert (data / "nightporter.toml").read_text() == settings


def test_a_longer_file_adds_rooms_and_people_and_keeps_every_token(data: Path) -> None:
    _init(data, WITH_PINS)
    before = {one.device: one.token for one in load_sheet(data / "device-sheet.json").devices}
    longer = WITH_PINS.replace('"107", "207"', '"107", "207", "307"') + (
        '\n[[staff]]\nid = "house"\nname = "Housekeeping"\nroles = ["housekeeping"]\npin = "9137"\n'
    )
    said = _init(data, longer)
    assert said.exit_code == 0, said.output
    assert "15 rooms, 31 devices, 3 people" in said.output
    after = {one.device: one.token for one in load_sheet(data / "device-sheet.json").devices}
    assert before.items() < after.items()
    assert _opens(data, "house", "9137")
    assert {"lock-307", "core"} <= load_credentials(data / "bus-credentials.json").identities.keys()


def test_a_changed_entry_is_left_as_it_is_and_said(data: Path) -> None:
    _init(data, WITH_PINS)
    facts = _facts(data)
    said = _init(data, WITH_PINS.replace('title = "Main entrance"', 'title = "Gate"'))
    assert said.exit_code == 0
    assert "left as it is: door entrance" in said.output
    assert _facts(data) == facts


def test_a_shorter_file_takes_nothing_away(data: Path) -> None:
    _init(data, WITH_PINS)
    facts = _facts(data)
    assert _init(data, WITH_PINS.replace('"101-106"', '"101-105"')).exit_code == 0
    assert _facts(data) == facts


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Europe/Lisbon", "Europe/Atlantis", "there is no time zone"),
        ('currency = "EUR"', 'currency = "GOLD"', "there is no currency"),
        ('check_in_from = "15:00"', 'check_in_from = "3 pm"', "no time of day"),
        ('id = "riverside"', 'id = "River Side"', "the property's id"),
        ('type = "double"', 'type = "palace"', "palace"),
        ('rate = "84.00"', 'rate = "84.005"', "84.005"),
        ('"107", "207"', '"107", "10/7"', "10/7"),
        ('id = "entrance"', 'id = "101"', "called like a room"),
        ('id = "desk"', 'id = "manager"', "manager is there twice"),
        (f'pin = "{DESK_PIN}"', 'pin = "1234"', "PIN of Front desk"),
        ("[property]", "[property", "property"),
    ],
)
def test_a_wrong_file_makes_nothing_at_all(data: Path, old: str, new: str, says: str) -> None:
    said = _init(data, WITH_PINS.replace(old, new, 1))
    assert said.exit_code == EXIT_CONFIG
    assert says in said.output
    assert said.output.count("\n") == 1
    assert "1234" not in said.output
    assert not data.exists()


def test_a_file_that_is_not_there_makes_nothing(data: Path) -> None:
    said = CliRunner().invoke(init, [str(data / "none.toml"), "--data", str(data)])
    assert said.exit_code == EXIT_CONFIG
    assert "cannot be read" in said.output
    assert not data.exists()


def test_a_person_who_gives_up_at_the_prompt_leaves_nothing_behind(data: Path) -> None:
    said = _init(data, EXAMPLE, "")
    assert said.exit_code == 1
    assert not data.exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    file = tmp_path / "property.toml"
    file.write_text(WITH_PINS)
    said = CliRunner().invoke(init, [str(file), "--data", "/proc/nightporter"])
    assert said.exit_code == EXIT_CONFIG
    assert "/proc/nightporter cannot be written" in said.output


def test_everything_it_writes_is_for_its_owner_only(data: Path) -> None:
    _init(data, WITH_PINS)
    assert data.stat().st_mode & 0o777 == 0o700
    written = [path for path in data.rglob("*") if path.is_file()]
    assert len(written) == 7
    for path in written:
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_no_pin_token_or_secret_reaches_output_journal_or_log(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = _init(data, WITH_PINS)
    log = (data / "log.db").read_bytes()
    sheet = json.loads((data / "device-sheet.json").read_text())
    secret = [one[key] for one in sheet["devices"] for key in ("token", "secret_hex")]
    core = (data / "bus-core.token").read_text()
    master = (data / "master.key").read_text().splitlines()[1]
    for text in (*secret, core, master):
        assert text not in said.output
        assert text not in caplog.text
        assert text.encode() not in log
    # Four digits occur in any file of numbers: as a word of their own they must not.
    assert not re.search(rf"\b({MANAGER_PIN}|{DESK_PIN})\b", said.output + caplog.text)
    assert f'"{MANAGER_PIN}"'.encode() not in log
    assert b"argon2" not in log


def test_keys_without_their_log_are_never_replaced(data: Path) -> None:
    _init(data, WITH_PINS)
    keys = (data / "keys.db").read_bytes()
    (data / "log.db").unlink()
    said = _init(data, WITH_PINS)
    assert said.exit_code == EXIT_CONFIG
    assert "holds keys but no log" in said.output
    assert (data / "keys.db").read_bytes() == keys


def test_a_cut_before_the_log_was_in_place_is_cured_by_running_it_again(data: Path) -> None:
    _init(data, WITH_PINS)
    master = (data / "master.key").read_text()
    (data / "log.db").unlink()
    (data / "keys.db").unlink()
    said = _init(data, WITH_PINS)
    assert said.exit_code == 0, said.output
    assert (data / "master.key").read_text() == master
    assert _opens(data, "manager", MANAGER_PIN)


def test_a_running_box_is_not_written_beside(data: Path) -> None:
    _init(data, WITH_PINS)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(data / "run" / "command.sock"))
        server.listen()
        said = _init(data, WITH_PINS)
    assert said.exit_code == EXIT_CONFIG
    assert "the box is running" in said.output


def test_settings_that_are_there_already_stay_in_force(data: Path) -> None:
    data.mkdir()
    own = data / "nightporter.toml"
    own.write_text('data_dir = "."\nrun_dir = "run"\n[web]\nport = 8099\n')
    said = _init(data, WITH_PINS)
    assert said.exit_code == 0, said.output
    assert load_settings(environment(data)).settings.web.port == 8099


def test_the_folder_may_be_moved(data: Path) -> None:
    _init(data, WITH_PINS)
    moved = data.rename(data.parent / "elsewhere")
    settings = load_settings(environment(moved)).settings
    assert settings.data_dir == moved
    assert settings.command_socket == moved / "run" / "command.sock"
    assert check(settings) is None


def test_a_port_for_certificates_brings_the_certificates(data: Path) -> None:
    _init(data, WITH_PINS)
    own = data / "nightporter.toml"
    tls = f'[bus]\ntls_port = {free_port()}\ntls_host = "127.0.0.1"\n'
    own.write_text(own.read_text().replace("[bus]\n", tls))
    assert _init(data, WITH_PINS).exit_code == 0
    written = {path.name: path.read_bytes() for path in (data / "pki").iterdir()}
    assert set(written) == {"ca.crt", "ca.crl", "ca.key", "broker.crt", "broker.key"}
    for path in (data / "pki").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert _init(data, WITH_PINS).exit_code == 0
    assert {path.name: path.read_bytes() for path in (data / "pki").iterdir()} == written
