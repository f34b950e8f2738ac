"""A missing part of the system is a skip with its cure, and a failure on the build machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.needs import needs
from support.shared_data import shared_data

NOWHERE = "no-such-program-anywhere"


def test_a_missing_program_skips_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=rf"apt-get install .*{NOWHERE}"):
        needs(NOWHERE)


def test_a_missing_program_fails_on_the_build_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not installed"):
        needs(NOWHERE)


def test_a_program_that_is_there_is_found() -> None:
    assert needs("sh").is_absolute()


def test_missing_data_skips_here_and_fails_on_the_build_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("support.shared_data.FOLDER", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not beside this repository"):
        shared_data("nothing.csv")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        shared_data("nothing.csv")
