"""An option goes before the environment, the environment before /etc, /etc before home."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import where
from appliance.kernel import settings_files
from appliance.where import EXIT_CONFIG, environment, home, own_folder, settings_of
from support.own_property import bare_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(where.ENVIRONMENT, raising=False)


def test_the_option_goes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(where.ENVIRONMENT, "/elsewhere/box.toml")
    assert own_folder(tmp_path) == tmp_path
    assert environment(tmp_path)[where.ENVIRONMENT] == str(tmp_path / "nightporter.toml")


def test_the_environment_goes_before_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(where.ENVIRONMENT, "/elsewhere/box.toml")
    assert own_folder(None) is None
    assert environment(None)[where.ENVIRONMENT] == "/elsewhere/box.toml"


def test_without_a_word_it_is_the_folder_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    if (where.ETC / where.OWN_SETTINGS).exists():
        pytest.skip("this machine is a box of its own. Cure: run the tests elsewhere")
    assert own_folder(None) == home()
    monkeypatch.delenv("XDG_DATA_HOME")
    assert home() == Path.home() / ".local" / "share" / "nightporter"


def test_a_folder_without_a_property_is_answered_with_the_verb_that_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        settings_of(tmp_path)
    assert end.value.code == EXIT_CONFIG
    assert "nightporter init" in capsys.readouterr().err


def test_a_mistake_in_the_settings_is_answered_with_its_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nightporter.toml").write_text("[web]\nprot = 8080\n")
    with pytest.raises(SystemExit) as end:
        settings_of(tmp_path)
    assert end.value.code == EXIT_CONFIG
    assert "did you mean web.port" in capsys.readouterr().err


def test_a_relative_folder_means_the_same_for_every_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_settings(tmp_path / "house")
    monkeypatch.chdir(tmp_path)
    assert settings_of(Path("house")).data_dir == tmp_path / "house"
    assert environment(Path("house"))[where.ENVIRONMENT] == str(
        tmp_path / "house" / "nightporter.toml"
    )


def test_both_places_that_name_the_environment_agree() -> None:
    assert where.ENVIRONMENT == settings_files.ENVIRONMENT
    assert where.ETC == settings_files.ETC
