"""Every engine has the same furniture, refuses by name, and versions what it says."""

from __future__ import annotations

import ast
import importlib
import re
from enum import StrEnum
from pathlib import Path

import pytest

from appliance.kernel.messages import command_of, event_of
from support.house import ENGINES, ROOT, TESTS, label, tree_of

FURNITURE = {
    "__init__.py",
    "api.py",
    "messages.py",
    "pages.py",
    "projection.py",
    "reactions.py",
    "routes.py",
    "rules.py",
}
# A file of another name is a piece of the room's rules, and as pure as they are. What does more
# needs a reason here: room -> file -> why it is a file of its own.
OWN_PIECES: dict[str, dict[str, str]] = {
    "doors": {
        "errands.py": "asks locks that nobody presses, by the clock, one after the other",
        "gateway.py": "the one place where a committed press leaves for a lock",
        "rounds.py": "what doors do by the clock, and soon after something has changed",
    },
    "climate": {
        "gateway.py": "the one place where a committed wish leaves for a thermostat",
        "telemetry.py": "measurements, in a file that may be shed",
        "valves.py": "the one place where a valve's order leaves, again until it has said so",
        "watch.py": "listens to every device's state, presence and radio",
    },
    "stays": {
        "rounds.py": "reminds of conflicts by the clock",
    },
    "identity": {
        "pins.py": "hashes on threads, so that no guess holds the event loop up",
        "tokens.py": "draws the random tokens that only their owner keeps",
    },
}
IMPURE = {
    "aiohttp",
    "aiosqlite",
    "asyncio",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "time",
    "uuid",
}
# Folders of data that a room may keep: pages' templates and texts.
DATA_FOLDERS = {"__pycache__", "static", "templates", "texts"}
DATA_SUFFIXES = {".sql", ".html", ".json", ".css", ".js", ".po", ".mo"}

WITH_WORDS = [room for room in ENGINES if (room / "messages.py").exists()]
KIND = re.compile(r"^[a-z]+\.[a-z_]+\.v[1-9][0-9]*$")
NAME = re.compile(r"^[a-z]+\.[a-z_]+$")


def words_of(room: Path) -> set[str]:
    """The import names of a room's messages, imported: the one others read, and its own more."""
    names = {f"appliance.engines.{room.name}.{path.stem}" for path in room.glob("*messages.py")}
    for name in names:
        importlib.import_module(name)
    return names


def is_pure(path: Path) -> bool:
    """Whether a source imports nothing that reads the world."""
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    return not imported & IMPURE


@pytest.mark.parametrize("room", ENGINES, ids=label)
def test_room_has_only_the_known_furniture(room: Path) -> None:
    known = FURNITURE | set(OWN_PIECES.get(room.name, {}))
    strange = [
        path.name
        for path in room.iterdir()
        if path.name not in known
        and path.suffix not in DATA_SUFFIXES
        and not (path.is_dir() and path.name in DATA_FOLDERS)
        and not (path.suffix == ".py" and is_pure(path))
    ]
    assert not strange, "give the piece a reason in OWN_PIECES, or put it where it belongs"


def test_a_piece_that_is_gone_has_no_reason_left() -> None:
    gone = [
        f"{room}/{piece}"
        for room, pieces in OWN_PIECES.items()
        for piece in pieces
        if not (ROOT / "appliance" / "engines" / room / piece).exists()
    ]
    assert not gone


@pytest.mark.parametrize("room", WITH_WORDS, ids=label)
def test_every_refusal_is_met_in_a_test(room: Path) -> None:
    words_of(room)
    module = importlib.import_module(f"appliance.engines.{room.name}.messages")
    refusal = getattr(module, "Refusal", None)
    if refusal is None:
        return
    assert issubclass(refusal, StrEnum)
    # The room's own tests and the whole-box ones: a namesake met in another room proves nothing.
    said = "\n".join(
        path.read_text()
        for path in TESTS
        if "house" not in path.parts and (room.name in path.parts or "journeys" in path.parts)
    )
    missing = [
        str(value)
        for name, value in refusal.__members__.items()
        if not re.search(rf"Refusal\.{name}\b|[\"']{value}[\"']", said)
    ]
    assert not missing, f"no test of {room.name} meets these refusals"


@pytest.mark.parametrize("room", WITH_WORDS, ids=label)
def test_every_kind_names_its_engine_and_its_version(room: Path) -> None:
    modules = words_of(room)
    kinds = [kind for kind, event in event_of.items() if event.__module__ in modules]
    names = [name for name, command in command_of.items() if command.__module__ in modules]
    assert [kind for kind in kinds if not KIND.match(kind)] == []
    assert [name for name in names if not NAME.match(name)] == []
    assert {word.partition(".")[0] for word in (*kinds, *names)} <= {room.name}


@pytest.mark.parametrize("room", WITH_WORDS, ids=label)
def test_every_command_says_who_may_ask(room: Path) -> None:
    modules = words_of(room)
    commands = [command for command in command_of.values() if command.__module__ in modules]
    assert all(command.roles for command in commands)


def test_every_engine_is_in_the_table_of_engines() -> None:
    table = (ROOT / "docs" / "engines.md").read_text()
    absent = [room.name for room in ENGINES if f"| {room.name} |" not in table]
    assert not absent
