"""The house rules that a linter does not know. Cheap, so they run with every test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from support.house import ROOT, SOURCES, label, text_of, tracked, tree_of

# Put together here, so that this file does not find itself.
LEFT_OVER = re.compile(
    r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b"
)

# Names under which a shapeless file grows. A file is a thing of the house.
SHAPELESS = {
    "base",
    "common",
    "handlers",
    "helpers",
    "manager",
    "misc",
    "service",
    "utils",
    "views",
}

# Calls that take the clock, or a task, past the one who owns it.
BANNED_CALLS = {
    "asyncio.create_task",
    "asyncio.get_event_loop",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "time.monotonic",
    "time.sleep",
    "time.time",
    "time.time_ns",
}
# The files that own time and tasks for everyone else.
OWNERS = {
    "appliance/kernel/clock.py",
    "appliance/kernel/kerneltime.py",
    "appliance/kernel/tasks.py",
    "ui-kiosk/kiosk/clock.py",
}

TEXTS = [path for path in tracked() if "requirements" not in path.parts]


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_module_opens_with_a_sentence(path: Path) -> None:
    doc = ast.get_docstring(tree_of(path))
    assert doc, f"{label(path)} has no docstring"
    assert doc.split("\n\n")[0].rstrip().endswith((".", ":", "?")), doc


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{label(path)}:{number}"
        for path in TEXTS
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if LEFT_OVER.search(line)
    ]
    assert not left


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_file_is_named_after_a_thing(path: Path) -> None:
    assert path.stem not in SHAPELESS


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_time_and_tasks_are_asked_of_their_owner(path: Path) -> None:
    if label(path) in OWNERS:
        return
    calls = [
        f"{label(path)}:{node.lineno} {ast.unparse(node.func)}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BANNED_CALLS
    ]
    assert not calls, "take a Clock (kernel/clock.py) or a Nursery (kernel/tasks.py)"


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_imports_are_absolute(path: Path) -> None:
    relative = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_a_test_lies_where_its_source_lies() -> None:
    """A folder under tests/unit mirrors an import path: a moved room takes its tests."""
    unit = ROOT / "tests" / "unit"
    roots = [ROOT, ROOT / "ui-kiosk", ROOT / "hardware-in-loop"]
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    strays = [str(f) for f in folders if not any((root / f).is_dir() for root in roots)]
    assert not strays
