"""The verb's help and where its file lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.main import journal_path, kiosk


def test_help_shows_examples() -> None:
    told = CliRunner().invoke(kiosk, ["--help"])
    assert told.exit_code == 0
    assert "nightporter kiosk --url http://192.168.10.2:8080 --terminal desk-2" in told.output


def test_an_address_that_is_none_is_refused_with_an_example() -> None:
    told = CliRunner().invoke(kiosk, ["--url", "box"])
    assert told.exit_code == 2
    assert "http://127.0.0.1:8080" in told.output


def test_each_terminal_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert journal_path("desk-1") == Path("/state/nightporter/kiosk-desk-1.json")
    assert journal_path("../../etc") == Path("/state/nightporter/kiosk-______etc.json")
