"""Our import names are plain words, so make sure that nobody else in the environment ships them."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.house import PACKAGES, ROOT


@pytest.mark.parametrize("name", PACKAGES)
def test_import_name_is_ours(name: str) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("name", PACKAGES)
def test_nobody_else_ships_our_import_name(name: str) -> None:
    assert name not in sys.stdlib_module_names
    assert set(packages_distributions().get(name, [])) <= {"nightporter"}


@pytest.mark.parametrize("folder", ["scripts", "systemd", "docs", "requirements"])
def test_a_folder_that_is_not_code_is_no_package(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_root_folder_is_called_tools() -> None:
    # zigpy ships a top-level `tools`: whichever comes first would hide the other.
    assert not (ROOT / "tools").exists()
