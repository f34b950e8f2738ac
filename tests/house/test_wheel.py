"""The wheel holds what the tree holds: built, installed in a clean environment, run from `/`.

The repository's root is on the path while we develop, so a file that the wheel lacks is invisible
until it is missed in a hotel.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from support.house import PACKAGES, ROOMS, ROOT, label

# Building and installing is a minute on a busy small machine.
pytestmark = pytest.mark.timeout(300)
DATA = {".css", ".html", ".js", ".json", ".mo", ".po", ".sql", ".svg", ".tcss", ".toml"}


def run(*words: str | Path, cwd: Path = Path("/")) -> str:
    answer = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, check=False, text=True
    )
    assert answer.returncode == 0, f"{words[0]}: {answer.stdout}{answer.stderr}"
    return answer.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built as a release would be."""
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    return next(out.glob("nightporter-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel in it and our dependencies, but not our tree, beside."""
    home = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", home)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = home / "lib" / version / "site-packages"
    run(sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install",
        "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)  # fmt: skip
    # A plain path line: the .pth files of the developer's environment, which lead into this tree,
    # are not read from there.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT / room).as_posix()): room
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in {*DATA, ".py"} and "__pycache__" not in path.parts
    }
    lost = [
        f"{room}/{name}"
        for name, room in wanted.items()
        if f"{Path(room).name}/{name}" not in inside
    ]
    assert not lost


def test_the_wheel_holds_nothing_but_our_packages(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_licence_travels_with_the_wheel(wheel: Path) -> None:
    names = [name.rpartition("/")[2] for name in zipfile.ZipFile(wheel).namelist()]
    assert {"LICENSE", "NOTICE"} <= set(names)


def test_the_command_explains_itself_far_from_the_tree(installed: Path) -> None:
    said = run(installed / "nightporter", "--help")
    assert "demo" in said
    assert str(ROOT) not in said


def test_every_package_is_imported_from_the_wheel(installed: Path) -> None:
    names = ", ".join(PACKAGES)
    said = run(
        installed / "python", "-c", f"import {names}\nfor m in ({names},): print(m.__file__)"
    )
    assert len(said.split()) == len(PACKAGES)
    assert all(Path(line).is_relative_to(installed.parent) for line in said.split())


def test_every_verb_that_is_announced_can_be_loaded(installed: Path) -> None:
    said = run(installed / "nightporter", "--help")
    missing = [
        line.split()[0]
        for line in said.splitlines()
        if "(not available" in line or "(broken:" in line
    ]
    assert not missing, f"announced in {label(ROOT / 'pyproject.toml')}, yet not there"
