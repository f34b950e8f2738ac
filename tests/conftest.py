"""What every test gets without asking: nothing of this machine's own configuration."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_property_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test can touch a property that runs on this machine, by mistake or by default."""
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local" / "share"))
    monkeypatch.delenv("NIGHTPORTER_HOME", raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests marked `hardware` are told with this what stands on the bench."""
    parser.addoption("--bench", default=None, help="bench.toml: the hardware under test")
