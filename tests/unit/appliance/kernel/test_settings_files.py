"""Promises of reading settings: the later file wins, and every mistake is a sentence that cures."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from appliance.kernel.clock import ClockTrust
from appliance.kernel.settings_files import (
    DEFAULTS,
    FILE_BYTES_MAX,
    SettingsError,
    describe,
    known_keys,
    load_settings,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    (folder / "conf.d").mkdir(parents=True)
    return folder


def _refusal(etc: Path, text: str | bytes, environment: dict[str, str] | None = None) -> str:
    path = etc / "nightporter.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SettingsError) as caught:
        load_settings(environment or {}, etc=etc)
    said = str(caught.value)
    assert str(path) in said or "no file gives" in said
    return said


def test_a_box_without_any_file_boots_on_its_defaults(etc: Path) -> None:
    loaded = load_settings({}, etc=etc)
    assert loaded.settings.web.port == 8080
    assert loaded.settings.clock.trust is ClockTrust.SYNCHRONISED
    assert loaded.settings.telemetry.otlp_endpoint is None
    assert set(loaded.origins.values()) == {DEFAULTS}


def test_the_later_file_has_the_last_word_and_is_remembered(etc: Path, tmp_path: Path) -> None:
    (etc / "nightporter.toml").write_text("[web]\nport = 1\nhost = '10.0.0.1'\n[bus]\nport = 1\n")
    (etc / "conf.d/20-b.toml").write_text("[web]\nport = 3\n")
    (etc / "conf.d/10-a.toml").write_text("[web]\nport = 2\n[limits]\nbatch = 7\n")
    (etc / "conf.d/30-not-ours.bak").write_text("nonsense")
    by_environment, explicit = tmp_path / "one.toml", tmp_path / "two.toml"
    by_environment.write_text("[limits]\nbatch = 8\ndoor_queue = 8\n")
    explicit.write_text("[limits]\nbatch = 9\n")
    loaded = load_settings({"NIGHTPORTER_CONFIG": str(by_environment)}, [explicit], etc)
    settings = loaded.settings
    assert (settings.web.port, settings.web.host, settings.bus.port) == (3, "10.0.0.1", 1)
    assert (settings.limits.batch, settings.limits.door_queue) == (9, 8)
    assert loaded.origins["web.port"] == etc / "conf.d/20-b.toml"
    assert loaded.origins["limits.batch"] == explicit


def test_a_path_is_seen_from_the_file_that_names_it(etc: Path) -> None:
    text = 'data_dir = "data"\n[sync.pms]\naccess_token_file = "/secrets/token"\n'
    (etc / "nightporter.toml").write_text(text)
    settings = load_settings({}, etc=etc).settings
    assert settings.data_dir == etc / "data"
    assert str(settings.sync.pms.access_token_file) == "/secrets/token"


def test_a_secret_may_be_a_systemd_credential(etc: Path) -> None:
    text = '[sync.payments]\nkey_file = "credential:payments"\n'
    said = _refusal(etc, text)
    assert "LoadCredential=payments" in said
    settings = load_settings({"CREDENTIALS_DIRECTORY": "/run/credentials/x"}, etc=etc).settings
    assert str(settings.sync.payments.key_file) == "/run/credentials/x/payments"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("[web]\nprot = 1\n", ["there is no key web.prot", "did you mean web.port?"]),
        ("port = 1\n", ["there is no key port", "did you mean"]),
        ("[wbe]\nport = 1\n", ["there is no key wbe.port", "did you mean web.port?"]),
        ("zzzzzzzz = 1\n", ["there is no key zzzzzzzz", "`nightporter settings` lists them all"]),
        ("[web.tls]\n", ["there is no key web.tls"]),
        ("web = 5\n", ["web is a section", "write [web]"]),
        ("[web]\nport = 70000\n", ["web.port", "65535", "port of the web server"]),
        ("[web]\nport = '80'\n", ["web.port", "valid integer"]),
        ("[web]\nport = true\n", ["web.port", "valid integer"]),
        ("[web.port]\nx = 1\n", ["web.port"]),
        ("[bus]\nkind = 'rabbit'\n", ["bus.kind", "'embedded' or 'mosquitto'"]),
        ("[property]\nid = 'My Inn'\n", ["property.id", "never changed once keys exist"]),
        ("[limits]\nbatch = 0\n", ["limits.batch", "greater than or equal to 1"]),
        ("[sync.pms]\npull_interval_s = nan\n", ["sync.pms.pull_interval_s"]),
        ("[web]\ntls_key_file = 'k'\n", ["web.tls_certificate_file and web.tls_key_file go"]),
        ("log_level = 2026-01-01\n", ["log_level", "'debug'"]),
        ("[web\nport = 1\n", ["is not TOML", "line 1"]),
        ("a = 1\na = 2\n", ["is not TOML"]),
        (b"\xff\xfe", ["is not UTF-8"]),
        (b"#" * (FILE_BYTES_MAX + 1), ["larger than"]),
    ],
)
def test_a_mistake_is_answered_with_file_key_and_cure(
    etc: Path, text: str | bytes, sentences: list[str]
) -> None:
    said = _refusal(etc, text)
    assert [sentence for sentence in sentences if sentence not in said] == []
    assert "Traceback" not in said
    assert "errors.pydantic.dev" not in said


def test_all_mistakes_are_told_at_once(etc: Path) -> None:
    said = _refusal(etc, "[web]\nprot = 1\n[bus]\nknid = 2\n")
    assert len(said.splitlines()) == 2


def test_a_named_file_that_is_missing_or_a_folder_is_a_sentence(etc: Path) -> None:
    for path, sentence in ((etc / "none.toml", "no such file"), (etc, "cannot be read")):
        with pytest.raises(SettingsError, match=sentence):
            load_settings({"NIGHTPORTER_CONFIG": str(path)}, etc=etc)


def test_the_description_is_a_settings_file_with_every_key_and_sentence(etc: Path) -> None:
    text = describe()
    for key, entry in known_keys().items():
        assert f"# {entry.description}" in text, key
    tomllib.loads(text)
    (etc / "nightporter.toml").write_text(text)
    assert load_settings({}, etc=etc).settings == load_settings({}, etc=etc / "none").settings


def test_the_description_of_a_box_names_where_each_value_came_from(etc: Path) -> None:
    path = etc / "nightporter.toml"
    path.write_text("[web]\nport = 9\n")
    text = describe(load_settings({}, etc=etc))
    assert f"port = 9  # {path}" in text
    tomllib.loads(text)


FEEDS = """
[sync.feeds.sea-101]
room_type = "double"
room = "101"
url_file = "secrets/sea"
"""


def test_sections_with_names_of_their_own_add_up_and_find_their_files(etc: Path) -> None:
    (etc / "nightporter.toml").write_text(FEEDS)
    (etc / "conf.d" / "more.toml").write_text('[sync.feeds.hill]\nroom_type = "suite"\n')
    loaded = load_settings({}, etc=etc)
    feeds = loaded.settings.sync.feeds
    assert sorted(feeds) == ["hill", "sea-101"]
    assert feeds["sea-101"].url_file == etc / "secrets" / "sea"
    assert feeds["hill"].url_file is None
    text = describe(loaded)
    assert tomllib.loads(text)["sync"]["feeds"]["hill"]["room_type"] == "suite"


@pytest.mark.parametrize(
    "text",
    [
        "[sync.feeds]\nx = 1\n",
        "[sync.feeds.a]\nroom = '1'\n",
        "[sync.feeds.A_b]\nroom_type = 'double'\n",
        "[sync.feeds.a]\nroom_type = 'double'\ninterval_s = 1\n",
        "[sync.feeds.a]\nroom_type = 'double'\nurl = 'https://example.com'\n",
        "[sync]\nfeeds = 3\n",
    ],
)
def test_a_mistake_in_a_named_section_names_the_setting(etc: Path, text: str) -> None:
    assert "sync.feeds" in _refusal(etc, text)
