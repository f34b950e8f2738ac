"""What is installed by default may go under Apache-2.0; GPL libraries come by one extra only."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from support.house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GPL_LIBRARIES = {"bellows", "zigpy", "zigpy-znp"}
LOCKS = ("build.txt", "run.txt", "test.txt")


def names_in(lock: str) -> set[str]:
    text = (ROOT / "requirements" / lock).read_text()
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE))


def bare(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower()


def test_only_the_zigbee_extra_pulls_gpl_libraries() -> None:
    extras = PROJECT["optional-dependencies"]
    assert {bare(entry) for entry in extras["zigbee"]} == GPL_LIBRARIES
    others = [*PROJECT["dependencies"], *(e for x in extras if x != "zigbee" for e in extras[x])]
    assert not GPL_LIBRARIES & {bare(entry) for entry in others}


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_holds_a_gpl_library(lock: str) -> None:
    assert not GPL_LIBRARIES & names_in(lock)


def test_the_zigbee_lock_adds_the_extra_alone() -> None:
    added = names_in("zigbee.txt") - names_in("run.txt")
    assert added >= GPL_LIBRARIES
    assert {name for name in added if is_gpl(name)} <= GPL_LIBRARIES


def is_gpl(name: str) -> bool:
    """Whether an installed package says that the GPL (not the LGPL) is its only licence."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return False
    words = [*(said.get_all("License-Expression") or []), *(said.get_all("Classifier") or [])]
    return any(
        re.search(r"(?<!L)(?<!A)GPL-[23]|:: GNU General Public License", word) for word in words
    ) and not any(re.search(r"MIT|BSD|Apache", word) for word in words)


def test_what_runs_by_default_is_free_of_the_gpl() -> None:
    assert [name for name in names_in("run.txt") if is_gpl(name)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_package_host(lock: str) -> None:
    lines = (ROOT / "requirements" / lock).read_text().splitlines()
    assert [line for line in lines if "://" in line or line.startswith("-")] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_dependency_is_locked() -> None:
    wanted = {bare(entry).replace("_", "-") for entry in PROJECT["dependencies"]}
    assert wanted <= names_in("run.txt")


@pytest.mark.parametrize("lock", ["run.txt", "test.txt"])
def test_the_lock_brings_pip_to_a_python_that_came_without(lock: str) -> None:
    assert "pip" in names_in(lock)


def test_the_licence_is_apache_and_the_notice_names_the_extra() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    notice = (ROOT / "NOTICE").read_text()
    assert all(name in notice for name in GPL_LIBRARIES)
