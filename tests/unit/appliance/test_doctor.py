"""Each fault that can be planted is found, with the line that cures it; no property is called ok."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.doctor import Verdict, doctor, findings, status
from appliance.first_run import make_property, own_settings
from appliance.keep import make_backup
from appliance.kernel.clock import SystemClock
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import load_settings
from appliance.property_file import parse
from appliance.where import EXIT_CONFIG, environment
from support.box_speaking import speaking
from support.kept_house import master_text
from support.own_property import free_port

EXAMPLE = (files("appliance") / "example-property.toml").read_text()
WITH_PINS = re.sub(r'roles = \["(manager|front_desk)"\]', r'\g<0>\npin = "8642"', EXAMPLE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "house"
    folder.mkdir(mode=0o700)
    text = own_settings(web_port=free_port(), bus_port=free_port())
    (folder / "nightporter.toml").write_text(text)
    settings = load_settings(environment(folder)).settings
    make_property(parse(WITH_PINS), settings, SystemClock(floor_path=None))
    return folder


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "house"
    shutil.copytree(made, folder)
    yield folder
    folder.chmod(0o700)


def _settings(folder: Path) -> Settings:
    return load_settings(environment(folder)).settings


def _append(folder: Path, text: str) -> None:
    with (folder / "nightporter.toml").open("a") as file:
        file.write(text)


def _doctor(folder: Path) -> Result:
    return CliRunner().invoke(doctor, ["--data", str(folder)])


def test_a_new_property_has_nothing_wrong_but_that_it_was_never_backed_up(house: Path) -> None:
    said = _doctor(house)
    assert said.exit_code == 0, said.output
    assert [line.split()[1] for line in said.output.splitlines() if "warn" in line] == ["backup"]
    assert "nightporter backup" in said.output


def test_a_backup_is_seen_and_its_age_is_told(house: Path, tmp_path: Path) -> None:
    settings, clock = _settings(house), SystemClock(floor_path=None)
    make_backup(settings, tmp_path / "a.npb", clock)
    assert "the last one was made" in _doctor(house).output
    stamp = {"at_wall_ms": clock.read().wall_ms - 3 * 86_400_000, "facts": 1}
    (house / "last-backup.json").write_text(json.dumps(stamp))
    [finding] = [one for one in findings(settings, clock) if one.what == "backup"]
    assert finding.verdict is Verdict.WARN
    assert "3 d ago" in finding.sentence


def _no_log(house: Path) -> None:
    (house / "log.db").unlink()


def _changed_fact(house: Path) -> None:
    with closing(sqlite3.connect(house / "log.db")) as db:
        db.execute("UPDATE event SET at_wall = 1 WHERE position = 4")
        db.commit()


def _no_database(house: Path) -> None:
    (house / "keys.db").write_bytes(b"a letter" * 1_000)


def _torn(house: Path) -> None:
    with closing(sqlite3.connect(house / "sync.db")) as db:
        db.execute("CREATE TABLE a (b TEXT)")
        db.executemany("INSERT INTO a VALUES (?)", [("x" * 500,)] * 100)
        db.commit()
    with (house / "sync.db").open("r+b") as file:
        file.seek(8_192)
        file.write(b"?" * 4_096)


def _no_master(house: Path) -> None:
    (house / "master.key").unlink()


def _other_master(house: Path) -> None:
    (house / "master.key").write_text(master_text(b"z" * 32))


def _open_master(house: Path) -> None:
    (house / "master.key").chmod(0o644)


def _no_keys(house: Path) -> None:
    (house / "keys.db").unlink()


def _no_credentials(house: Path) -> None:
    (house / "bus-credentials.json").unlink()


def _other_token(house: Path) -> None:
    (house / "bus-core.token").write_text("another")


def _no_token(house: Path) -> None:
    (house / "bus-core.token").unlink()


def _no_certificates(house: Path) -> None:
    text = (house / "nightporter.toml").read_text()
    port = free_port()
    (house / "nightporter.toml").write_text(
        text.replace("[bus]\n", f'[bus]\ntls_port = {port}\ntls_host = "127.0.0.1"\n')
    )


def _open_secret(house: Path) -> None:
    (house / "pms.token").write_text("secret")
    (house / "pms.token").chmod(0o644)
    _append(house, '\n[sync.pms]\nclient_token_file = "pms.token"\n')


def _no_secret(house: Path) -> None:
    _append(house, '\n[sync.payments]\nkey_file = "none.key"\n')


def _open_sheet(house: Path) -> None:
    (house / "device-sheet.json").chmod(0o640)


def _open_log(house: Path) -> None:
    house.chmod(0o755)
    (house / "log.db").chmod(0o644)


@pytest.mark.parametrize(
    ("plant", "what", "says"),
    [
        (_no_log, "log", "nightporter init"),
        (_changed_fact, "log", "nightporter restore"),
        (_no_database, "databases", "keys.db"),
        (_torn, "databases", "sync.db"),
        (_no_master, "keys", "there is no master key"),
        (_other_master, "keys", "does not fit"),
        (_open_master, "keys", "chmod 600"),
        (_no_keys, "keys", "restore the last backup"),
        (_no_credentials, "bus", "bus-credentials.json"),
        (_other_token, "bus", "delete bus-core.token"),
        (_no_token, "bus", "bus-core.token"),
        (_no_certificates, "bus", "nightporter init FILE"),
        (_open_secret, "secrets", "chmod 600"),
        (_no_secret, "secrets", "sync.payments.key_file"),
        (_open_sheet, "privacy", "chmod 600"),
        (_open_log, "privacy", "chmod 600"),
    ],
)
def test_each_planted_fault_is_found_with_its_cure(
    house: Path, plant: Callable[[Path], None], what: str, says: str
) -> None:
    plant(house)
    said = _doctor(house)
    assert said.exit_code == 1, said.output
    [line] = [line for line in said.output.splitlines() if line.split()[1] == what]
    assert line.startswith(" BAD")
    assert says in line


def test_a_taken_port_is_found_before_the_box_is_started(house: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", _settings(house).web.port))
        other.listen()
        said = _doctor(house)
    assert said.exit_code == 1
    assert "set web.port to another one" in said.output


def test_work_that_was_cut_short_is_named_for_removal(house: Path) -> None:
    (house / "rebuild-stays.db").touch()
    said = _doctor(house)
    assert said.exit_code == 0
    assert f"run `rm -r {house}/rebuild-stays.db`" in said.output


def test_a_clock_nobody_vouches_for_is_a_warning_with_what_follows(house: Path) -> None:
    text = (house / "nightporter.toml").read_text()
    (house / "nightporter.toml").write_text(text.replace('trust = "system"', 'trust = "hardware"'))
    settings = _settings(house)
    from appliance.kernel.virtual_clock import VirtualClock  # noqa: PLC0415 - only here

    clock = VirtualClock(1_793_383_200_000, uncertainty_ms=86_400_000)
    [finding] = [one for one in findings(settings, clock) if one.what == "clock"]
    assert finding.verdict is Verdict.WARN
    assert "signed for 4 h at most" in finding.sentence


def test_the_doctor_changes_nothing(house: Path) -> None:
    before = {path: path.read_bytes() for path in house.rglob("*.db")}
    _doctor(house)
    assert {path: path.read_bytes() for path in house.rglob("*.db")} == before


# -- status -----------------------------------------------------------------------------------

TOLD: dict[str, Any] = {
    "lines": ["bus: ok, last confirmed 2 s ago, nothing waiting", "clock: sure to 0 ms"],
    "vitals": [{"name": "bus", "state": "ok", "age_ms": 2_000}],
}


def test_status_prints_what_the_box_says(house: Path) -> None:
    with speaking(_settings(house).command_socket, {"status": TOLD}):
        said = CliRunner().invoke(status, ["--data", str(house)])
    assert said.exit_code == 0, said.output
    assert said.output.splitlines() == TOLD["lines"]


def test_status_is_json_for_a_program(house: Path) -> None:
    with speaking(_settings(house).command_socket, {"status": TOLD}):
        said = CliRunner().invoke(status, ["--json", "--data", str(house)])
    assert json.loads(said.output) == TOLD


def test_a_box_that_does_not_run_is_said_with_what_starts_it(house: Path) -> None:
    said = CliRunner().invoke(status, ["--data", str(house)])
    assert said.exit_code == EXIT_CONFIG
    assert "nobody answers" in said.output
    assert "nightporter up" in said.output


@pytest.mark.parametrize("answer", [None, {"error": "say one of: ask, feed"}])
def test_a_box_that_answers_badly_ends_in_a_sentence(house: Path, answer: Any) -> None:
    with speaking(_settings(house).command_socket, answer):
        said = CliRunner().invoke(status, ["--data", str(house)])
    assert said.exit_code == EXIT_CONFIG
    assert said.output.count("\n") == 1


def test_a_running_box_is_not_asked_for_its_ports(house: Path) -> None:
    with speaking(_settings(house).command_socket, {"status": TOLD}):
        said = _doctor(house)
    assert "the box is running" in said.output
