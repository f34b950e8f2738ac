"""Promises of `nightporter settings`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from click.testing import CliRunner

from appliance.settings_verb import settings

if TYPE_CHECKING:
    from pathlib import Path


def test_the_settings_in_force_are_printed_as_a_settings_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[web]\nport = 9\n")
    result = CliRunner().invoke(settings, ["--config", str(mine)])
    assert result.exit_code == 0
    assert tomllib.loads(result.output)["web"]["port"] == 9
    assert f"# {mine}" in result.output


def test_a_mistake_is_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[web]\nprot = 9\n")
    result = CliRunner().invoke(settings, ["--config", str(mine)])
    assert result.exit_code == 1
    assert "did you mean web.port?" in result.output
    assert "Traceback" not in result.output
