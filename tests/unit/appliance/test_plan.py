"""Before anything is started, what would stop it is said in one sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.plan import check, listens, own_bus_socket, roles_of, running, verb
from appliance.up import planned
from appliance.where import EXIT_CONFIG
from support.own_property import bare_settings


def _with_a_log(folder: Path, more: str = "") -> Path:
    bare_settings(folder, more)
    (folder / "log.db").touch()
    return folder


def test_a_whole_property_has_nothing_in_its_way(tmp_path: Path) -> None:
    settings = bare_settings(tmp_path)
    (tmp_path / "log.db").touch()
    assert check(settings) is None
    assert (tmp_path / "run").is_dir()


def test_no_property_is_said_with_the_verb_that_makes_one(tmp_path: Path) -> None:
    reason = check(bare_settings(tmp_path))
    assert reason is not None
    assert "there is no property" in reason
    assert "nightporter init" in reason


@pytest.mark.parametrize("key", ["web", "bus"])
def test_a_taken_port_is_said_with_the_setting_that_moves_it(tmp_path: Path, key: str) -> None:
    _with_a_log(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        reason = check(bare_settings(tmp_path, f"[{key}]\nport = {port}\n"))
    assert reason is not None
    assert f"port {port} on 127.0.0.1" in reason
    assert f"set {key}.port" in reason


def test_a_folder_nobody_can_write_to_is_said_with_its_cure(tmp_path: Path) -> None:
    _with_a_log(tmp_path)
    reason = check(bare_settings(tmp_path, 'run_dir = "/proc"\n'))
    assert reason is not None
    assert "the folder /proc is not writable" in reason


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    _with_a_log(tmp_path)
    reason = check(bare_settings(tmp_path, 'run_dir = "/proc/nightporter"\n'))
    assert reason is not None
    assert "/proc/nightporter cannot be made" in reason


def test_a_path_too_long_for_a_socket_is_said_before_it_is_tried(tmp_path: Path) -> None:
    _with_a_log(tmp_path)
    reason = check(bare_settings(tmp_path, f'run_dir = "{"r" * 120}"\n'))
    assert reason is not None
    assert "set run_dir to a shorter one" in reason


@pytest.mark.parametrize(
    ("word", "says"),
    [("up", "this property is up already"), ("appliance", "run `kill ")],
    ids=["the other up", "a role whose supervisor was killed"],
)
def test_a_property_that_runs_is_not_started_twice(tmp_path: Path, word: str, says: str) -> None:
    program = "import signal; print(flush=True); signal.pause()"
    command = [sys.executable, "-c", program, word]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()  # its command line is in place from here on
        (tmp_path / f"{word}.pid").write_text(str(other.pid))
        try:
            assert says in str(running(tmp_path))
            assert str(other.pid) in str(running(tmp_path))
        finally:
            other.kill()
    assert running(tmp_path) is None


def test_a_number_of_a_dead_process_is_no_running_role(tmp_path: Path) -> None:
    (tmp_path / "appliance.pid").write_text("999999999")
    (tmp_path / "bus.pid").write_text("not a number")
    (tmp_path / "up.pid").write_text("1")  # alive, and nobody's `up`
    assert running(tmp_path) is None


def test_a_property_works_alone_without_clouds(tmp_path: Path) -> None:
    assert [role.name for role in roles_of(bare_settings(tmp_path))] == ["bus", "appliance"]


def test_a_cloud_brings_sync_and_mosquitto_takes_the_bus_away(tmp_path: Path) -> None:
    more = (
        '[bus]\nkind = "mosquitto"\n[sync.pms]\nkind = "mews"\nbase_url = "https://pms.example"\n'
    )
    settings = bare_settings(tmp_path, more)
    assert [role.name for role in roles_of(settings)] == ["appliance", "sync"]


def test_the_bus_listens_for_certificates_where_a_port_is_set(tmp_path: Path) -> None:
    bus = roles_of(bare_settings(tmp_path, '[bus]\ntls_port = 8883\ntls_host = "::"\n'))[0]
    assert list(bus.command[-4:]) == ["--tls-listen", "[::]:8883", "--pki", str(tmp_path / "pki")]


def test_every_role_is_one_of_our_own_verbs(tmp_path: Path) -> None:
    for role in roles_of(bare_settings(tmp_path)):
        assert tuple(role.command[:4]) == verb(role.name)


def test_the_plan_is_made_in_a_copy_of_the_process_and_comes_back_whole(tmp_path: Path) -> None:
    _with_a_log(tmp_path)
    run_dir, roles = planned(tmp_path)
    assert run_dir == tmp_path / "run"
    assert [role.name for role in roles] == ["bus", "appliance"]
    assert roles[0].ready == tmp_path / "run" / "bus.ready"


def test_a_plan_that_cannot_be_ends_the_command_with_its_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        planned(tmp_path / "nothing")
    assert end.value.code == EXIT_CONFIG
    assert "there is no property in" in capfd.readouterr().err


def test_a_socket_file_that_a_killed_process_left_is_nobody_listening(tmp_path: Path) -> None:
    path = tmp_path / "command.sock"
    assert not listens(path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert listens(path)
    assert path.exists()
    assert not listens(path)


def test_the_appliance_meets_an_embedded_broker_on_a_socket_of_this_box(tmp_path: Path) -> None:
    settings = bare_settings(tmp_path)
    own = own_bus_socket(settings)
    assert own == settings.run_dir / "bus.sock"
    bus = roles_of(settings)[0]
    assert bus.command[bus.command.index("--unix") + 1] == str(own)


def test_where_the_path_is_too_long_for_a_socket_both_meet_over_tcp(tmp_path: Path) -> None:
    settings = bare_settings(tmp_path / ("far" * 30))
    assert own_bus_socket(settings) is None
    assert "--unix" not in roles_of(settings)[0].command


def test_each_radio_of_this_box_is_a_role_that_stops_nobody(tmp_path: Path) -> None:
    settings = bare_settings(tmp_path)
    for name in ("driver-ble0.json", "driver-zb0.json", "driver-ble0.key"):
        (tmp_path / name).touch()
    (tmp_path / "satellite-far").mkdir()
    (tmp_path / "satellite-far" / "driver-far.json").touch()
    roles = roles_of(settings)
    radios = [role for role in roles if role.name.startswith("driver-")]
    assert [role.command[-2:] for role in radios] == [("driver", "ble0"), ("driver", "zb0")]
    assert not any(role.needed for role in radios)
    assert all(role.needed for role in roles if role not in radios)
    assert roles[-2:] == radios  # the desk waits for no radio


def test_a_driver_left_over_by_a_killed_supervisor_is_seen(tmp_path: Path) -> None:
    program = "import signal; print(flush=True); signal.pause()"
    words = [sys.executable, "-c", program, "driver", "ble0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        assert left.stdout.readline()  # its command line is in place from here on
        (tmp_path / "driver-ble0.pid").write_text(str(left.pid))
        try:
            assert "driver-ble0" in str(running(tmp_path))
        finally:
            left.kill()
